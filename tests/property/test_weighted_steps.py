"""Weighted schedules: exact totals at every rounding, monotone, near their weights, on ordered boundaries."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from core.units import NANO
from execution.trajectory import EvenSteps, WeightedSteps, even_weights, shaken, weights_fault

START = 1_700_000_000 * NANO
PARTS = st.lists(st.integers(0, 1000), min_size=1, max_size=60).filter(sum)
LOTS = st.sampled_from([1, 7, NANO, 100 * NANO])


def weights_of(parts: list[int]) -> tuple[int, ...]:
    """Cumulative billionths."""
    whole = sum(parts)
    return tuple(sum(parts[: at + 1]) * NANO // whole for at in range(len(parts)))


def steps_of(
    weights: tuple[int, ...], *, total: int, lot: int = NANO, span: int = 10**12, jitter: int = 0, last: int = 0
) -> WeightedSteps:
    return WeightedSteps(
        start_ns=START,
        end_ns=START + span,
        total_nanos=total,
        lot_nanos=lot,
        weights=weights,
        jitter_nanos=jitter,
        seed=7,
        last_ns=last,
    )


@given(parts=PARTS, lots=st.integers(1, 10**6), odd=st.integers(0, 99), lot=LOTS)
def test_rounding_conserves_the_total(parts: list[int], lots: int, odd: int, lot: int) -> None:
    """Sum of all children = parent; monotone; whole lots; no point more than one lot from its weight."""
    weights, total = weights_of(parts), lots * lot + odd * lot // 100
    line = steps_of(weights, total=total, lot=lot)
    before = 0
    for k in range(1, line.slices + 1):
        due = line.due_nanos(k)
        assert before <= due <= total
        assert due % lot == 0 or k == line.slices
        assert abs(due * NANO - total * weights[k - 1]) <= lot * NANO
        before = due
    assert before == total == line.cumulative_nanos(START + 10**12)
    assert line.cumulative_nanos(START - 1) == 0


@given(parts=PARTS, jitter=st.integers(0, 900_000_000), seed=st.integers(1, 10**6))
def test_jitter_never_changes_the_total_or_the_order(parts: list[int], jitter: int, seed: int) -> None:
    """Sizes: still ascending to exactly all, each part within its share; the same seed draws the same."""
    weights = weights_of(parts)
    moved = shaken(weights, jitter, seed)
    assert weights_fault(moved) == ""
    assert len(moved) == len(weights)
    assert moved == shaken(weights, jitter, seed)
    assert shaken(weights, 0, seed) == weights


@given(
    slices=st.integers(1, 40),
    jitter=st.integers(0, 900_000_000),
    span=st.integers(10**4, 10**13),
    at=st.integers(0, 10**13),
    tail=st.booleans(),
)
def test_boundaries_stay_in_order(slices: int, jitter: int, span: int, at: int, tail: bool) -> None:
    """Jittered or not, with a last slice of its own length or not: every moment lies in its slice."""
    last = START + (span * 3 // 4 if slices > 1 else 0) if tail else 0
    line = steps_of(even_weights(slices), total=NANO, span=span, jitter=jitter, last=last)
    edges = line.boundaries
    assert (edges[0], edges[-1], len(edges)) == (START, START + span, slices + 1)
    assert all(a <= b for a, b in pairwise(edges))
    if tail:
        assert edges[-2] == last
    ts_ns = START + at % span
    number = line.slice_at(ts_ns)
    assert 0 <= number < slices
    assert line.boundary_ns(number) <= ts_ns < line.boundary_ns(number + 1)
    assert line.slice_at(START - 1) == -1
    assert line.slice_at(START + span) == slices


@given(lots=st.integers(1, 10**6), slices=st.integers(1, 60), span=st.integers(10**4, 10**13))
def test_even_weights_are_the_straight_line(lots: int, slices: int, span: int) -> None:
    """Times to the nanosecond, quantities to one lot."""
    weighted = steps_of(even_weights(slices), total=lots * NANO, span=span)
    even = EvenSteps(start_ns=START, end_ns=START + span, slices=slices, total_nanos=lots * NANO, lot_nanos=NANO)
    assert weighted.boundaries == even.boundaries
    for k in range(slices + 1):
        assert abs(weighted.due_nanos(k) - even.due_nanos(k)) <= NANO


def test_weights_that_no_schedule_can_follow() -> None:
    """Falling, or not all of it."""
    assert weights_fault((5, 4, NANO)) == "weight 4 follows 5"
    assert weights_fault((5,)).startswith("the last weight is 5")
    assert weights_fault(()) == ""
