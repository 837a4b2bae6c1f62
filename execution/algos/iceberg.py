"""Iceberg: rests at the near touch for as long as it lasts and shows `display_lots` of the rest; what was shown is
filled whole before the next part appears, larger or smaller by `jitter`. It crosses only when its time is over.
"""

from core.units import NANO
from execution.algos.plan import Algo, AlgoParams, Plan, Terms, jitter_nanos, no_time, require_range, window
from execution.chance import shake

DISPLAY_LOTS_MAX = 1_000_000
PARTS_MAX = 5_000


class IcebergParams(AlgoParams, frozen=True):
    """Shows `display_lots` at a time, for `duration_s` seconds."""

    duration_s: int = 3600
    display_lots: int = 100

    def validate(self, field: str) -> None:
        """Bounds of each."""
        AlgoParams.validate(self, field)
        require_range(f"{field}.display_lots", self.display_lots, low=1, high=DISPLAY_LOTS_MAX)


class Iceberg(Algo):
    """See `execution.algos.plan.Algo`."""

    name = "iceberg"
    params_type = IcebergParams
    clips = True

    def plan(self, params: AlgoParams, terms: Terms) -> Plan:
        """One slice in time; `slices` counts the parts that will be shown, each an order."""
        start, end = window(params, terms)
        if end <= start:
            return no_time(params)
        least = max(1, least_shown(params))
        parts = -(-terms.lots // least)
        if parts > PARTS_MAX:
            return Plan(fault=f"{parts} parts of {least} lots: show more, at least {-(-terms.lots // PARTS_MAX)} lots")
        return Plan(start_ns=start, end_ns=end, slices=parts, weights=(NANO,), why=f"{parts} parts shown in turn")

    def patience_nanos(self, params: AlgoParams, number: int, slices: int, usual_nanos: int) -> int:
        """See `Algo`."""
        return NANO

    def clip_lots(self, params: AlgoParams, seed: int, child: int) -> int:
        """See `Algo`."""
        assert isinstance(params, IcebergParams), f"iceberg was given {type(params).__name__}"
        shown = params.display_lots
        return max(1, shown + shake(seed, child, shown * jitter_nanos(params) // NANO))


def least_shown(params: AlgoParams) -> int:
    """Lots of the smallest part that jitter allows."""
    assert isinstance(params, IcebergParams), f"iceberg was given {type(params).__name__}"
    return params.display_lots - params.display_lots * jitter_nanos(params) // NANO
