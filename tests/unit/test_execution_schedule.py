"""Trajectories, algos and their settings: exact totals, bounded deviation, clear refusals."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError
from core.units import NANO
from execution.algos import ALGOS, IMMEDIATE, TWAP, ImmediateParams, Terms, TwapParams, algo_of, find_algo, read_params
from execution.settings import ExecutionConfig, resolve
from execution.trajectory import EvenSteps

START = 1_700_000_000 * NANO


def steps(total: int, slices: int, *, lot: int = NANO, span: int = 700 * NANO) -> EvenSteps:
    return EvenSteps(start_ns=START, end_ns=START + span, slices=slices, total_nanos=total, lot_nanos=lot)


def test_golden_twap_numbers() -> None:
    """1,000 shares in seven slices, one slice each 100 s, the first at once."""
    line = steps(1000 * NANO, 7)
    due = [line.cumulative_nanos(START + 100 * k * NANO) // NANO for k in range(8)]
    assert due == [143, 286, 429, 571, 714, 857, 1000, 1000]
    assert line.cumulative_nanos(START - 1) == 0
    assert line.boundaries == tuple(START + 100 * k * NANO for k in range(8))


def test_a_slice_begins_on_its_boundary_to_the_nanosecond() -> None:
    """Boundaries that do not divide evenly agree with the slice number on both sides."""
    line = steps(10 * NANO, 3, span=1_000)
    assert line.boundaries == (START, START + 334, START + 667, START + 1000)
    for number in range(1, 3):
        assert line.slice_at(line.boundary_ns(number)) == number
        assert line.slice_at(line.boundary_ns(number) - 1) == number - 1


@given(
    lots=st.integers(1, 10**6),
    odd=st.integers(0, 99),
    slices=st.integers(1, 400),
    lot=st.sampled_from([1, 100, NANO, 100 * NANO]),
    span=st.integers(1, 10**14),
)
def test_rounding_conserves_the_total(lots: int, odd: int, slices: int, lot: int, span: int) -> None:
    """The total is exact, the line monotone, and no point further than one lot from Q*k/N; the last takes the rest."""
    total = lots * lot + odd * lot // 100
    line = steps(total, min(slices, lots), lot=lot, span=span)
    before = 0
    for k in range(1, line.slices + 1):
        due = line.due_nanos(k)
        assert before <= due <= total
        assert abs(due * line.slices - total * k) <= lot * line.slices
        assert due % lot == 0 or k == line.slices
        before = due
    assert before == total == line.cumulative_nanos(START + span)


@given(span=st.integers(1, 10**12), slices=st.integers(1, 50), at=st.integers(0, 10**12))
def test_slice_and_boundaries_agree(span: int, slices: int, at: int) -> None:
    """Every moment lies between the boundaries of its slice."""
    line = steps(100 * NANO, slices, span=span)
    ts_ns = START + at % span
    number = line.slice_at(ts_ns)
    assert line.boundary_ns(number) <= ts_ns < line.boundary_ns(number + 1)


def test_a_plan_has_no_more_slices_than_lots_and_ends_at_the_close() -> None:
    """Reduced by quantity, by the close, and by the bound on slices per second."""
    params = TwapParams(duration_s=100, slices=100)
    far = START + 10**6 * NANO
    assert TWAP.plan(params, Terms(lots=3, start_ns=START, close_ns=far)).slices == 3
    cut = TWAP.plan(params, Terms(lots=1000, start_ns=START, close_ns=START + 10 * NANO))
    assert (cut.end_ns, cut.slices) == (START + 10 * NANO, 10)
    assert TWAP.plan(params, Terms(lots=1000, start_ns=START, close_ns=START + 1)).slices == 1
    now = IMMEDIATE.plan(ImmediateParams(duration_s=5), Terms(lots=9, start_ns=START, close_ns=far))
    assert (now.end_ns, now.slices) == (START + 5 * NANO, 1)


def test_registry_names_what_it_knows() -> None:
    """An unknown algo in the config stops start-up; in the books it trades as the even schedule it left."""
    names = ["immediate", "twap", "vwap", "pov", "is", "iceberg", "adaptive", "close", "resting", "auto"]
    assert [algo.name for algo in ALGOS if not algo.name.startswith("ib_")] == names
    assert len(ALGOS) == len(names) + 13, "the broker's own"
    with pytest.raises(ConfigError, match="immediate, twap, vwap"):
        find_algo("vwap2")
    assert algo_of("vwap-of-yesterday") is TWAP


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"duration_s": 0}, r"p\.duration_s is 0: set it between 1"),
        ({"duration_s": 10, "slices": 11}, r"p\.slices is 11 in 10 s: set at most 10"),
        ({"slices": 0}, r"p\.slices is 0: set it between 1"),
        ({"slice": 3}, r"p: .*slice.*twap takes duration_s, .*slices"),
        ({"slices": "many"}, r"p: Expected `int`"),
    ],
)
def test_bad_algo_parameters_name_field_and_remedy(raw: dict[str, Any], message: str) -> None:
    """One line that says what to change."""
    with pytest.raises(ConfigError, match=message):
        read_params(TWAP, raw, field="p")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"patience": 1.5}, r"x\.patience is 1\.5: set it between 0 and 1"),
        ({"chase_s": 0.0}, r"x\.chase_s is 0\.0: set it between 0\.1"),
        ({"chase_s": float("nan")}, r"x\.chase_s: nan is not a finite number"),
        ({"cross_ticks_max": -1}, r"x\.cross_ticks_max is -1"),
        ({"child_lots_min": 0}, r"x\.child_lots_min is 0"),
        ({"grace_s": -1.0}, r"x\.grace_s is -1\.0"),
        ({"algo": "povv"}, r"x\.algo is 'povv'"),
    ],
)
def test_bad_execution_settings_name_field_and_remedy(fields: dict[str, Any], message: str) -> None:
    """Every bound of the table."""
    with pytest.raises(ConfigError, match=message):
        resolve(ExecutionConfig(**fields), field="x")
