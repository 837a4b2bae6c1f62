"""TWAP: equal parts in equal times, the first at once, no jitter. After a halt, a refusal or a crash
the missed rest is due with the next slice (catch-up): what is due depends on the time alone.
"""

from core.errors import ConfigError
from core.parents import Parent
from execution.algos.plan import (
    NANOS_PER_SECOND,
    SLICES_MAX,
    SLICES_PER_SECOND_MAX,
    AlgoParams,
    Plan,
    require_range,
    window,
)
from execution.trajectory import EvenSteps, Trajectory


class TwapParams(AlgoParams, frozen=True):
    """`slices` parts over `duration_s` seconds."""

    duration_s: int = 600
    slices: int = 10

    def validate(self, field: str) -> None:
        """Bounds of each and of slices per second."""
        AlgoParams.validate(self, field)
        require_range(f"{field}.slices", self.slices, low=1, high=SLICES_MAX)
        most = self.duration_s * SLICES_PER_SECOND_MAX
        if self.slices > most:
            raise ConfigError(
                f"{field}.slices is {self.slices} in {self.duration_s} s: set at most {most}, or a longer duration_s"
            )


class Twap:
    """See `execution.algos.plan.Algo`."""

    name = "twap"
    params_type: type[AlgoParams] = TwapParams
    crosses_at_once = False

    def plan(self, params: AlgoParams, *, lots: int, start_ns: int, close_ns: int) -> Plan:
        """Never more slices than lots, nor faster than the bound when the close cuts the time."""
        assert isinstance(params, TwapParams), f"twap was given {type(params).__name__}"
        end = window(params.duration_s, start_ns=start_ns, close_ns=close_ns)
        most = (end - start_ns) * SLICES_PER_SECOND_MAX // NANOS_PER_SECOND
        slices = params.slices if params.slices < lots else lots
        slices = slices if slices < most else most
        slices = slices if slices > 1 else 1
        return Plan(start_ns=start_ns, end_ns=end, slices=slices)

    def trajectory(self, parent: Parent, lot_nanos: int) -> Trajectory:
        """The straight line."""
        return EvenSteps(
            start_ns=parent.start_ts_ns,
            end_ns=parent.end_ts_ns,
            slices=parent.slices,
            total_nanos=parent.qty_nanos,
            lot_nanos=lot_nanos,
        )
