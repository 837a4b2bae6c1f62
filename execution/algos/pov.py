"""POV: a constant part of all that trades. What others traded is counted when an interval begins, and the interval may
bring the schedule up to p / (1 - p) of it: then it is p of the total. So it trails the market by one interval.

A rule that follows volume alone feeds on the volume it makes, and sells into any price (as one did on 6 May 2010):
limit and end are mandatory here, own fills are taken out of the count, and one interval adds at most `interval_part`
of the whole, whatever a burst of volume would allow.
"""

from core.units import NANO
from execution.algos.plan import (
    LIMIT_BP_MAX,
    PARTICIPATION_MAX,
    WEIGHTS_MAX,
    Algo,
    AlgoParams,
    Plan,
    Terms,
    no_time,
    require_range,
    slices_in,
    window,
)


class PovParams(AlgoParams, frozen=True):
    """`participation` of the volume over `duration_s` seconds, looked at every `interval_s` seconds."""

    duration_s: int = 3600
    interval_s: int = 30
    participation: float = 0.1
    limit_bp: float = 100.0
    interval_part: float = 0.25  # of the whole, at most, in one interval
    must_complete: bool = False

    def validate(self, field: str) -> None:
        """No participation or no limit is an error here, and so are too many intervals."""
        AlgoParams.validate(self, field)
        require_range(f"{field}.interval_s", self.interval_s, low=5, high=3600)
        require_range(f"{field}.participation", self.participation, low=0.001, high=PARTICIPATION_MAX)
        require_range(f"{field}.limit_bp", self.limit_bp, low=1, high=LIMIT_BP_MAX)
        require_range(f"{field}.interval_part", self.interval_part, low=0.01, high=1)
        least = -(-self.duration_s // WEIGHTS_MAX)
        require_range(f"{field}.interval_s", self.interval_s, low=least, high=max(self.duration_s, least))

    @property
    def slices_max(self) -> int:
        """See `AlgoParams`."""
        return max(1, self.duration_s // self.interval_s)


class Pov(Algo):
    """See `execution.algos.plan.Algo`."""

    name = "pov"
    params_type = PovParams
    watches = True

    def plan(self, params: AlgoParams, terms: Terms) -> Plan:
        """All of it is due from the start, as far as the volume allows."""
        start, end = window(params, terms)
        if end <= start:
            return no_time(params)
        slices = slices_in(params.slices_max, SLICES_ANY, start, end)
        why = f"{params.participation:.4g} of the volume"
        return Plan(start_ns=start, end_ns=end, slices=slices, weights=(NANO,) * slices, why=why)

    def per_slice_nanos(self, params: AlgoParams) -> int:
        """See `Algo`."""
        assert isinstance(params, PovParams), f"pov was given {type(params).__name__}"
        return round(params.interval_part * NANO)


SLICES_ANY = WEIGHTS_MAX  # intervals pass whether or not there is a lot for each
