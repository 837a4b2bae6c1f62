"""Stages: what is remembered never differs from what the parent alone says."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from core.parents import Parent
from core.units import NANO
from execution.settings import DEFAULT_SETTINGS
from execution.stage import FOREVER_NS, Stages, stage_at
from tests.fakes.trading_context import OPEN_NS, SHARE, Bench


def parent_of(*, shares: int = 1000, slices: int = 7, seconds: int = 70) -> Parent:
    bench = Bench()
    return bench.money.parents[bench.open(shares=shares, slices=slices, seconds=seconds)]


@given(
    questions=st.lists(
        st.tuples(st.integers(-5, 80), st.integers(-1, 1), st.sampled_from([1, SHARE, 100 * SHARE]), st.booleans()),
        min_size=1,
        max_size=30,
    )
)
def test_a_remembered_stage_is_the_computed_one(questions: list[tuple[int, int, int, bool]]) -> None:
    """Any times, forwards and backwards, around slice edges; lots that change; two parents in one instrument."""
    parents = (parent_of(), parent_of(slices=3))
    stages = Stages()
    for seconds, offset_ns, lot_nanos, second in questions:
        ts_ns, parent = OPEN_NS + seconds * NANO + offset_ns, parents[second]
        stage = stages.at(parent, DEFAULT_SETTINGS, lot_nanos, ts_ns)
        assert stage == stage_at(parent, DEFAULT_SETTINGS, lot_nanos, ts_ns)
        assert stage.from_ns <= ts_ns < stage.until_ns


def test_a_parent_made_anew_under_an_old_id_is_another() -> None:
    """A restored parent with the same id and another quantity gets its own stage."""
    stages, first = Stages(), parent_of()
    again = msgspec.structs.replace(first, qty_nanos=2 * first.qty_nanos)
    due = [stages.at(parent, DEFAULT_SETTINGS, SHARE, OPEN_NS).due_nanos // SHARE for parent in (first, again)]
    assert due == [143, 286]


def test_before_and_after_the_schedule() -> None:
    """Nothing is due before the start; from the end on everything, crossing, for ever."""
    parent = parent_of()
    before = stage_at(parent, DEFAULT_SETTINGS, SHARE, OPEN_NS - 1)
    after = stage_at(parent, DEFAULT_SETTINGS, SHARE, OPEN_NS + 70 * NANO)
    assert (before.due_nanos, before.until_ns, before.final) == (0, OPEN_NS, False)
    assert (after.due_nanos, after.from_ns, after.until_ns) == (parent.qty_nanos, OPEN_NS + 70 * NANO, FOREVER_NS)
    assert after.cross_ns == after.from_ns
    assert after.final
