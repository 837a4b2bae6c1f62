"""Where a parent stands in its schedule: the present slice with its times and what is due by then. Owns nothing but
memory of what follows from a parent's own unchanging fields; no market, no order, no progress.
"""

from typing import Final

import msgspec

from core.commands import INTENT_FLATTEN
from core.parents import Parent
from core.units import NANO
from execution.algos import algo_of
from execution.settings import ExecutionSettings

FOREVER_NS: Final = (1 << 63) - 1


class Stage(msgspec.Struct, frozen=True, gc=False):
    """One slice of a schedule; or the time before the first, or after the last."""

    parent: Parent
    lot_nanos: int
    from_ns: int  # the stage lasts [from_ns, until_ns)
    until_ns: int
    cross_ns: int  # when it stops being patient
    due_nanos: int  # of the parent, since its start
    final: bool  # no slice follows


class Stages:
    """The present stage of each parent. It remembers one per instrument, by the parent object itself: a parent made or
    restored under an old id is never taken for another, and two in one instrument only cost each other time.
    """

    __slots__ = ("_last",)

    def __init__(self, instruments: int) -> None:
        self._last: list[Stage | None] = [None] * instruments

    def at(self, parent: Parent, settings: ExecutionSettings, lot_nanos: int, ts_ns: int) -> Stage:
        """The stage that holds a time. `settings` must always be the same for one parent."""
        stage = self._last[parent.inst]
        if (
            stage is None
            or stage.parent is not parent
            or stage.lot_nanos != lot_nanos
            or not stage.from_ns <= ts_ns < stage.until_ns
        ):
            stage = self._last[parent.inst] = stage_at(parent, settings, lot_nanos, ts_ns)
        return stage


def stage_at(parent: Parent, settings: ExecutionSettings, lot_nanos: int, ts_ns: int) -> Stage:
    """The stage of a parent that holds a time, from the parent alone."""
    algo = algo_of(parent.algo)
    trajectory = algo.trajectory(parent, lot_nanos)
    number = trajectory.slice_at(ts_ns)
    if number < 0:
        start = parent.start_ts_ns
        return Stage(parent, lot_nanos, 0, start, start, 0, False)
    slices = trajectory.slices
    if number >= slices:
        begin = trajectory.boundary_ns(number)
        return Stage(parent, lot_nanos, begin, FOREVER_NS, begin, trajectory.due_nanos(number), True)
    begin, end, due = trajectory.slice_of(number)
    if algo.crosses_at_once or parent.purpose == INTENT_FLATTEN:
        cross = begin
    else:
        cross = begin + (end - begin) * settings.patience_nanos // NANO
    return Stage(parent, lot_nanos, begin, end, cross, due, number + 1 >= slices)
