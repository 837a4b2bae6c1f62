"""Impact parameters from the account's own fills: which numbers they are, how long they hold, and which model the
estimate of a day uses. Pure; the fit is made offline, and the config carries its result.
"""

from typing import Final

import msgspec

from core.curves import days_between
from core.errors import ConfigError
from execution.costs.impact import Almgren, ImpactModel, SquareRoot, find_model

VERSION: Final = 1
DAYS_MAX: Final = 90
_BOUNDS: Final = (("gamma", 0.0, 20.0), ("eta", 0.0, 20.0), ("beta", 0.05, 2.0), ("y", 0.0, 20.0))


class Fitted(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """What own schedules say, with 95 % intervals; `until` 0 = nothing was fitted."""

    version: int = VERSION  # of this table
    until: int = 0  # last trading day of the schedules, yyyymmdd; 0 = none
    schedules: int = 0  # how many there were
    gamma: float = 0.314  # permanent, of the almgren model
    gamma_low: float = 0.0  # lower end of its interval
    gamma_high: float = 0.0  # upper end
    eta: float = 0.142  # temporary, of the almgren model
    eta_low: float = 0.0  # lower end of its interval
    eta_high: float = 0.0  # upper end
    beta: float = 0.6  # its exponent
    beta_low: float = 0.0  # lower end of its interval
    beta_high: float = 0.0  # upper end
    y: float = 1.0  # of the square_root model
    y_low: float = 0.0  # lower end of its interval
    y_high: float = 0.0  # upper end

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise ConfigError(f"costs.fitted.version is {self.version}: calibrate again, this release reads {VERSION}")
        for name, low, high in _BOUNDS:
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"costs.fitted.{name} is {value}: calibrate again, it lies between {low:g}, {high:g}")


class Models(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The model of a strategy's estimates, by day."""

    published: ImpactModel
    own: ImpactModel | None = None
    until: int = 0
    days_max: int = DAYS_MAX

    def on(self, date: int) -> ImpactModel:
        """With own parameters while they are young enough, else with the published ones."""
        return self.published if self.own is None or self._is_stale(date) else self.own

    def told(self, date: int) -> str:
        """Why the published parameters stand in for own ones; "" = they do not."""
        if self.own is None or not self._is_stale(date):
            return ""
        return f"own impact parameters of {self.until} are older than {self.days_max} days: the published ones"

    def _is_stale(self, date: int) -> bool:
        return days_between(self.until, date) > self.days_max if date else True


def models_of(name: str, fitted: Fitted | None, days_max: int, *, field: str = "model") -> Models:
    """The models of a config's name. I-Star has no fit: its published parameters stay. Raises ConfigError."""
    published = find_model(name, field=field)
    if fitted is None or not fitted.until:
        return Models(published=published)
    own: ImpactModel | None = None
    if isinstance(published, Almgren):
        own = Almgren(gamma=fitted.gamma, eta=fitted.eta, beta=fitted.beta, schedules=fitted.schedules)
    elif isinstance(published, SquareRoot):
        own = SquareRoot(y=fitted.y, schedules=fitted.schedules)
    return Models(published=published, own=own, until=fitted.until, days_max=days_max)
