"""Adaptive: passive first, and the less so the later it is. Even parts, of which each rests at the near touch for a
share of its time that `urgency` sets and that shrinks to nothing over the schedule; when the mid has run away by more
than `adverse_bp` from where the schedule began, it crosses at once.
"""

from typing import Final

from core.errors import ConfigError
from execution.algos.plan import Algo, AlgoParams, require_pace, require_range
from execution.algos.twap import TwapParams

PATIENCE: Final = {"patient": 900_000_000, "normal": 600_000_000, "urgent": 200_000_000}  # of the first slice
ADVERSE_BP_MAX: Final = 1_000
SLICES_MAX: Final = 5_000


class AdaptiveParams(TwapParams, frozen=True):
    """`slices` parts over `duration_s` seconds, each resting first for as long as `urgency` says."""

    urgency: str = "normal"  # patient, normal or urgent
    adverse_bp: float = 0.0  # basis points the mid may move against it before it crosses; 0 = any

    def validate(self, field: str) -> None:
        """Bounds of each, and a known urgency."""
        AlgoParams.validate(self, field)
        require_pace(field, self.slices, self.duration_s, most=SLICES_MAX)
        require_range(f"{field}.adverse_bp", self.adverse_bp, low=0, high=ADVERSE_BP_MAX)
        if self.urgency not in PATIENCE:
            raise ConfigError(f"{field}.urgency is {self.urgency!r}: use one of {', '.join(PATIENCE)}")


class Adaptive(Algo):
    """See `execution.algos.plan.Algo`."""

    name = "adaptive"
    params_type = AdaptiveParams

    def patience_nanos(self, params: AlgoParams, number: int, slices: int, usual_nanos: int) -> int:
        """See `Algo`: the strategy's setting does not count."""
        assert isinstance(params, AdaptiveParams), f"adaptive was given {type(params).__name__}"
        return PATIENCE[params.urgency] * (slices - number) // slices

    def adverse_bp(self, params: AlgoParams) -> float:
        """See `Algo`."""
        assert isinstance(params, AdaptiveParams), f"adaptive was given {type(params).__name__}"
        return params.adverse_bp
