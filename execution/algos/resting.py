"""One order at the schedule's limit, for all of it, that waits there until it is filled, taken off or out of time.
Nobody prices it anew. `duration_s` is how long it waits, until the close at most.
"""

from execution.algos.plan import (
    DURATION_S_MAX,
    LIMIT_BP_MAX,
    Algo,
    AlgoParams,
    Plan,
    Terms,
    no_time,
    require_range,
    window,
)

LIMIT_BP_MIN = 1.0


class RestingParams(AlgoParams, frozen=True):
    """`limit_bp` is required: it says where the order waits."""

    duration_s: int = DURATION_S_MAX
    must_complete: bool = False

    def validate(self, field: str) -> None:
        """A limit, and nothing that slices would need."""
        AlgoParams.validate(self, field)
        require_range(f"{field}.limit_bp", self.limit_bp, low=LIMIT_BP_MIN, high=LIMIT_BP_MAX)
        require_range(f"{field}.participation", self.participation, low=0, high=0)
        require_range(f"{field}.jitter", self.jitter, low=0, high=0)


class Resting(Algo):
    """See `execution.algos.plan.Algo`."""

    name = "resting"
    params_type = RestingParams
    crosses_at_once = True  # one message, as far as the message budget goes
    rests = True

    def plan(self, params: AlgoParams, terms: Terms) -> Plan:
        """One slice."""
        start, end = window(params, terms)
        if end <= start:
            return no_time(params)
        return Plan(start_ns=start, end_ns=end, slices=1, why="waits at its limit")
