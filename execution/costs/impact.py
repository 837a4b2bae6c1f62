"""Market impact: three published models behind one protocol, permanent and temporary apart. Knows sizes as parts of the
average day, volatilities and participation; no money, schedule or order (execution/costs/estimate.py makes money of
it).

Fractions of the price, not basis points, unless a name says so. `size` = order / average daily volume, `rate` = own
volume / others' volume while it trades, `volatility` = standard deviation of a day's return.
"""

from math import sqrt
from typing import Final, Protocol

import msgspec

from core.errors import ConfigError

TRADING_DAYS: Final = 250  # a year's, as the I-Star parameters were fitted
TURNOVER_DAYS: Final = 200.0  # shares outstanding / average day where nobody knows them; enters to the fourth root
BP_IN_ONE: Final = 10_000.0


class ImpactModel(Protocol):
    """What an order does to the price."""

    @property
    def name(self) -> str:
        """For the record."""
        ...

    def permanent(self, *, size: float, volatility: float, turnover_days: float) -> float:
        """How far the price has moved for good once all is traded."""
        ...

    def permanent_paid(self, *, size: float, volatility: float, turnover_days: float) -> float:
        """The part of that which the order pays itself, on average over its fills."""
        ...

    def temporary(self, *, size: float, volatility: float, rate: float) -> float:
        """What fills at this rate pay beyond it; falls ever more slowly with others' volume, as the choice assumes."""
        ...


class Almgren(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="almgren"):
    """Almgren, Thum, Hauptmann and Li (2005): I = gamma sigma (X/V) (Theta/V)^1/4, J = I/2 + eta sigma |X/VT|^beta."""

    gamma: float = 0.314
    eta: float = 0.142
    beta: float = 0.6
    turnover_power: float = 0.25
    schedules: int = 0  # that the parameters were fitted to; 0 = as published

    @property
    def name(self) -> str:
        """See `ImpactModel`."""
        return _name("almgren", self.schedules)

    def permanent(self, *, size: float, volatility: float, turnover_days: float) -> float:
        """Linear in size: otherwise a round trip could move the price for nothing."""
        return self.gamma * volatility * size * _power(turnover_days or TURNOVER_DAYS, self.turnover_power)

    def permanent_paid(self, *, size: float, volatility: float, turnover_days: float) -> float:
        """Half, as the price moves while the order trades."""
        return 0.5 * self.permanent(size=size, volatility=volatility, turnover_days=turnover_days)

    def temporary(self, *, size: float, volatility: float, rate: float) -> float:
        """Depends on the rate alone."""
        return self.eta * volatility * _power(rate, self.beta)


class SquareRoot(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="square_root"):
    """The square-root law, Delta = Y sigma sqrt(Q/V), whatever the schedule. It tells no permanent part: all counts as
    temporary.
    """

    y: float = 1.0
    schedules: int = 0  # that it was fitted to; 0 = as published

    @property
    def name(self) -> str:
        """See `ImpactModel`."""
        return _name("square_root", self.schedules)

    def permanent(self, *, size: float, volatility: float, turnover_days: float) -> float:
        """Not told apart."""
        return 0.0

    def permanent_paid(self, *, size: float, volatility: float, turnover_days: float) -> float:
        """Not told apart."""
        return 0.0

    def temporary(self, *, size: float, volatility: float, rate: float) -> float:
        """Depends on the size alone."""
        return self.y * volatility * sqrt(size)


class IStar(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="istar"):
    """Kissell's I-Star: I = a1 (Q/ADV)^a2 sigma^a3 bp (sigma of a year), of which b1 POV^a4 is temporary and 1 - b1
    stays. Defaults: his fit to all data (2014).
    """

    a1: float = 708.0
    a2: float = 0.55
    a3: float = 0.71
    a4: float = 0.50
    b1: float = 0.98

    def __post_init__(self) -> None:
        for name, low, high in ISTAR_BOUNDS:
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"istar.{name} is {getattr(self, name)}: set it between {low:g} and {high:g}")

    @property
    def name(self) -> str:
        """See `ImpactModel`."""
        return "istar"

    def instantaneous(self, *, size: float, volatility: float) -> float:
        """I, all of it traded at once."""
        of_year = volatility * sqrt(TRADING_DAYS)
        return self.a1 * _power(size, self.a2) * _power(of_year, self.a3) / BP_IN_ONE

    def permanent(self, *, size: float, volatility: float, turnover_days: float) -> float:
        """The part of I that the rate does not change."""
        return (1.0 - self.b1) * self.instantaneous(size=size, volatility=volatility)

    def permanent_paid(self, *, size: float, volatility: float, turnover_days: float) -> float:
        """All of it, as the model has it."""
        return self.permanent(size=size, volatility=volatility, turnover_days=turnover_days)

    def temporary(self, *, size: float, volatility: float, rate: float) -> float:
        """Grows with participation, which counts own volume in the whole."""
        return self.b1 * self.instantaneous(size=size, volatility=volatility) * _power(rate / (1.0 + rate), self.a4)


def _name(name: str, schedules: int) -> str:
    return f"{name}, fitted to {schedules} own schedules" if schedules else name


ISTAR_BOUNDS: Final = (
    ("a1", 100.0, 1000.0), ("a2", 0.1, 1.0), ("a3", 0.1, 1.0), ("a4", 0.1, 1.0), ("b1", 0.7, 1.0),
)  # fmt: skip
MODELS: Final[tuple[ImpactModel, ...]] = (Almgren(), SquareRoot(), IStar())


def find_model(name: str, *, field: str = "model") -> ImpactModel:
    """A model with its published parameters. Raises ConfigError with the known names."""
    for model in MODELS:
        if model.name == name:
            return model
    raise ConfigError(f"{field} is {name!r}: use one of {', '.join(model.name for model in MODELS)}")


def timing_risk(*, volatility_year: float, size: float, participation: float) -> float:
    """Kissell's TR in basis points: one standard deviation of the cost of an even schedule."""
    return volatility_year * sqrt(size * (1.0 - participation) / (3.0 * TRADING_DAYS * participation)) * BP_IN_ONE


def _power(base: float, exponent: float) -> float:
    return float(base**exponent)
