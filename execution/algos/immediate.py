"""Everything at once, across the spread: one slice without a passive part. Used to flatten. `duration_s` is how long
it keeps trying.
"""

from core.parents import Parent
from execution.algos.plan import AlgoParams, Plan, window
from execution.trajectory import EvenSteps, Trajectory


class ImmediateParams(AlgoParams, frozen=True):
    """No further parameters."""


class Immediate:
    """See `execution.algos.plan.Algo`."""

    name = "immediate"
    params_type: type[AlgoParams] = ImmediateParams
    crosses_at_once = True

    def plan(self, params: AlgoParams, *, lots: int, start_ns: int, close_ns: int) -> Plan:
        """One slice."""
        return Plan(start_ns=start_ns, end_ns=window(params.duration_s, start_ns=start_ns, close_ns=close_ns), slices=1)

    def trajectory(self, parent: Parent, lot_nanos: int) -> Trajectory:
        """All of it is due from the start."""
        return EvenSteps(
            start_ns=parent.start_ts_ns,
            end_ns=parent.end_ts_ns,
            slices=1,
            total_nanos=parent.qty_nanos,
            lot_nanos=lot_nanos,
        )
