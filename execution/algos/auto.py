"""Auto: the cheapest algorithm for this order in this market. execution/opening.py chooses, and the desk opens the
parent under the chosen name, so no parent is ever called auto and a restart has nothing to choose again.
"""

from core.units import BP
from execution.algos.plan import Algo, AlgoParams, require_range


class AutoParams(AlgoParams, frozen=True):
    """The bounds within which the choice is made; the chosen algorithm keeps start, end, limit, cap and completion."""

    duration_s: int = 3600  # the longest it may take
    volatility_bp: float = 0.0  # of a day, until the market has shown its own; 0 = even parts until then

    def validate(self, field: str) -> None:
        """Bounds of each."""
        AlgoParams.validate(self, field)
        require_range(f"{field}.volatility_bp", self.volatility_bp, low=0, high=BP)


class Auto(Algo):
    """See `execution.algos.plan.Algo`. Planned itself, which the desk never does, it would be one part."""

    name = "auto"
    params_type = AutoParams
