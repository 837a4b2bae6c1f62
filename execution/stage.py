"""Where a parent stands in its schedule: the present slice with its times, what is due by then and what bounds it. Owns
nothing but memory of what follows from a parent's own plan; no market, no order, no progress.
"""

from typing import Final

import msgspec

from core.commands import INTENT_FLATTEN
from core.parents import Parent
from core.units import BP, NANO
from execution.algos import Algo, AlgoParams, algo_of, params_of
from execution.settings import ExecutionSettings

FOREVER_NS: Final = (1 << 63) - 1
STAGES_MAX: Final = 2_048  # remembered; with more parents than that at once each is worked out anew


class Stage(msgspec.Struct, frozen=True, gc=False):
    """One slice of a schedule; or the time before the first, or after the last."""

    parent: Parent
    lot_nanos: int
    from_ns: int  # the stage lasts [from_ns, until_ns)
    until_ns: int
    cross_ns: int  # when it stops being patient
    due_nanos: int  # of the parent, since its start
    final: bool  # no slice follows
    number: int  # of the slice; -1 before the first, the number of slices after the last
    algo: Algo
    params: AlgoParams
    weights: tuple[int, ...]  # the plan it was worked out from
    watched: bool  # the slice's beginning is to be written down
    rate_nanos: int  # part of all that trades that it may be, in billionths; 0 = any
    slice_most_nanos: int  # may be added to what was filled when the slice began
    adverse_nanos: int  # mid at which it crosses at once; 0 = none
    auction: bool  # the rest is for the closing auction
    broker_algo: str  # the broker works the parent as one order
    broker_params: tuple[tuple[str, str], ...]


def is_watched(algo: Algo, params: AlgoParams) -> bool:
    """Whether what a slice may trade depends on what was seen when it began."""
    return algo.watches or algo.rate_nanos(params) > 0


class Stages:
    """The present stage of each parent, remembered under its id and told apart by the parent object itself: a parent
    made or restored under an old id is never taken for another.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: dict[int, Stage] = {}

    def completes(self, parent: Parent) -> bool:
        """Whether a parent goes on after its end until it is filled, for as long as its strategy's grace. Those without
        parameters (flattening, and of older releases) do.
        """
        return params_of(parent).must_complete if parent.params else True

    def at(self, parent: Parent, settings: ExecutionSettings, lot_nanos: int, ts_ns: int) -> Stage:
        """The stage that holds a time. `settings` must always be the same for one parent."""
        stage = self._last.get(parent.parent_id)
        if (
            stage is None
            or stage.parent is not parent
            or stage.weights is not parent.weights
            or stage.lot_nanos != lot_nanos
            or not stage.from_ns <= ts_ns < stage.until_ns
        ):
            if len(self._last) >= STAGES_MAX:
                self._last.clear()  # of those that ended, above all
            stage = self._last[parent.parent_id] = stage_at(parent, settings, lot_nanos, ts_ns)
        return stage


def stage_at(parent: Parent, settings: ExecutionSettings, lot_nanos: int, ts_ns: int) -> Stage:
    """The stage of a parent that holds a time, from the parent alone."""
    algo, params = algo_of(parent.algo), params_of(parent)
    trajectory = algo.trajectory(parent, params, lot_nanos)
    broker_algo, broker_params = algo.broker_order(parent, params)
    number, slices = trajectory.slice_at(ts_ns), trajectory.slices
    if number < 0:
        begin, end, due = 0, parent.start_ts_ns, 0
        cross = end
    elif number >= slices:
        begin, end, due = trajectory.boundary_ns(number), FOREVER_NS, trajectory.due_nanos(number)
        cross = begin
    else:
        begin, end, due = trajectory.slice_of(number)
        patience = algo.patience_nanos(params, number, slices, settings.patience_nanos)
        cross = begin if parent.purpose == INTENT_FLATTEN else begin + (end - begin) * patience // NANO
    return Stage(
        parent=parent,
        lot_nanos=lot_nanos,
        from_ns=begin,
        until_ns=end,
        cross_ns=cross,
        due_nanos=due,
        final=number >= 0 and number + 1 >= slices,
        number=number,
        algo=algo,
        params=params,
        weights=parent.weights,
        watched=0 <= number < slices and is_watched(algo, params),
        rate_nanos=0 if number >= slices else algo.rate_nanos(params),
        slice_most_nanos=parent.qty_nanos * algo.per_slice_nanos(params) // NANO,
        adverse_nanos=_adverse_nanos(parent, algo.adverse_bp(params)),
        auction=0 < parent.auction_ts_ns <= begin and number < slices,
        broker_algo=broker_algo,
        broker_params=broker_params,
    )


def _adverse_nanos(parent: Parent, reach_bp: float) -> int:
    """The mid at which the market has run away."""
    mid = parent.arrival_mid_nanos
    return mid + parent.side * round(mid * reach_bp / BP) if reach_bp and mid else 0
