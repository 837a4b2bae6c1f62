"""TWAP: equal parts in equal times, the first at once. After a halt, a refusal or a crash the missed rest is due with
the next slice (catch-up): what is due depends on the time alone.
"""

from execution.algos.plan import SLICES_MAX, Algo, AlgoParams, require_pace


class TwapParams(AlgoParams, frozen=True):
    """`slices` parts over `duration_s` seconds."""

    duration_s: int = 600
    slices: int = 10

    def validate(self, field: str) -> None:
        """Bounds of each and of slices per second."""
        AlgoParams.validate(self, field)
        require_pace(field, self.slices, self.duration_s, most=SLICES_MAX)

    @property
    def slices_max(self) -> int:
        """See `AlgoParams`."""
        return self.slices


class Twap(Algo):
    """See `execution.algos.plan.Algo`."""

    name = "twap"
    params_type = TwapParams
