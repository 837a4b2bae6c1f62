"""What a parent will cost before it is opened: commission, fees, spread, permanent and temporary impact in exact nanos,
and one standard deviation of what the market may do meanwhile. Pure; knows no books, clock or algorithm by name: a
schedule is the part of the order that each slice trades.

The models' floats end at `_fraction`: rounded to a millionth of a basis point, coarse enough that the last bit of a
power, which differs between processors, decides nothing; from there on all is integers and the parts sum to the cost.
"""

from functools import lru_cache
from itertools import pairwise
from math import sqrt
from typing import Final

import msgspec

from core.errors import Bug
from core.fees import FeeTable
from core.units import BP, NANO, decimal_text, div_half_even, notional_nanos
from execution.costs.charges import Charges, Order
from execution.costs.impact import ImpactModel

COMMISSION: Final = "commission"
FEES: Final = "fees"
SPREAD: Final = "spread"
PERMANENT: Final = "permanent"
TEMPORARY: Final = "temporary"
SHAPES_MAX: Final = 512  # schedules' shapes whose exposure is remembered
NOT_KNOWN: Final = float("-inf")
ALMOST: Final = 1.0 - 1e-9  # a bound must not fail by the last digits
_GRID: Final = 10_000_000_000  # millionths of a basis point in one


class Conditions(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The market it meets."""

    mid_nanos: int
    spread_nanos: int
    adv_nanos: int
    volatility: float  # standard deviation of a day's return
    turnover_days: float = 0.0  # shares outstanding / average day; 0 = not known

    def missing(self) -> str:
        """What an estimate needs and nobody knows, in words; "" = all is there."""
        names = (("price", self.mid_nanos), ("average volume", self.adv_nanos), ("volatility", self.volatility))
        return ", ".join(name for name, value in names if not value > 0)


class Schedule(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """How an order is spread: per slice the part of it that trades, and the part of the average day's volume that the
    market trades meanwhile.
    """

    weights: tuple[float, ...]  # sum 1
    volume: tuple[float, ...]  # of a day, same length
    slice_days: float  # length of a slice, in trading days
    crossing: float = 1.0  # part of the quantity that pays the spread; what rests and is filled does not
    children: int = 1  # orders per slice

    def __post_init__(self) -> None:
        if not self.weights or len(self.weights) != len(self.volume):
            raise Bug(f"a schedule of {len(self.weights)} weights and {len(self.volume)} volumes")


class Estimate(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Cost (positive = paid, on both sides) and one standard deviation, in cash nanos."""

    cost_nanos: int
    risk_nanos: int
    parts: tuple[tuple[str, int], ...]
    model: str
    notional_nanos: int

    def part_nanos(self, name: str) -> int:
        """One part by name; KeyError if there is none."""
        return dict(self.parts)[name]

    @property
    def cost_bp_nanos(self) -> int:
        """The cost in billionths of a basis point of the order's value."""
        return div_half_even(self.cost_nanos * BP * NANO, self.notional_nanos) if self.notional_nanos else 0

    @property
    def risk_bp_nanos(self) -> int:
        """The standard deviation, the same way."""
        return div_half_even(self.risk_nanos * BP * NANO, self.notional_nanos) if self.notional_nanos else 0

    def text(self) -> str:
        """For a person."""
        costs = ", ".join(f"{name} {decimal_text(self._bp_nanos(part))}" for name, part in self.parts if part)
        head = f"{decimal_text(self.cost_bp_nanos)} bp +- {decimal_text(self.risk_bp_nanos)}"
        return f"{head} ({costs}; {self.model})" if costs else f"{head} ({self.model})"

    def _bp_nanos(self, part_nanos: int) -> int:
        return div_half_even(part_nanos * BP * NANO, self.notional_nanos)


def even_schedule(slices: int, *, days: float, volume: float, crossing: float = 1.0) -> Schedule:
    """Equal parts over `days` trading days, in which the market trades `volume` of an average day."""
    return Schedule(
        weights=(1.0 / slices,) * slices, volume=(volume / slices,) * slices, slice_days=days / slices,
        crossing=crossing,
    )  # fmt: skip


def weights_of(cumulative: tuple[int, ...]) -> tuple[float, ...]:
    """The parts of a parent's cumulative weights (billionths, ascending, the last = 10^9)."""
    return tuple((after - before) / NANO for before, after in pairwise((0, *cumulative)))


def estimate(
    order: Order, conditions: Conditions, schedule: Schedule, *, fees: FeeTable, model: ImpactModel
) -> Estimate:
    """All parts of the expected cost, and its risk. Raises Bug when something is missing (`Conditions.missing`)."""
    pricer = Pricer(order, conditions, fees=fees, model=model)
    return pricer.price(schedule)


class Pricer:
    """One order in one market, over as many schedules as are looked at: what they share is worked out once."""

    __slots__ = ("_charges", "_half_spread", "_model", "_notional", "_permanent", "_size", "_spreads", "_volatility")

    def __init__(self, order: Order, conditions: Conditions, *, fees: FeeTable, model: ImpactModel) -> None:
        if conditions.missing():
            raise Bug(f"an estimate without {conditions.missing()}; ask Conditions.missing first")
        self._model = model
        self._size = size = ratio(order.qty_nanos, conditions.adv_nanos)
        self._volatility = volatility = conditions.volatility
        self._notional = notional_nanos(conditions.mid_nanos, order.qty_nanos)
        self._half_spread = ratio(conditions.spread_nanos, 2 * conditions.mid_nanos)
        paid = model.permanent_paid(size=size, volatility=volatility, turnover_days=conditions.turnover_days)
        self._permanent = _fraction(self._notional, paid)
        self._spreads: dict[float, int] = {}
        self._charges = Charges(order, conditions.mid_nanos, fees)

    def price(self, schedule: Schedule, charged: tuple[int, int] | None = None) -> Estimate:
        """All parts. `charged`: commission and other fees of the children, where the caller knows them."""
        if not self._notional:
            return Estimate(cost_nanos=0, risk_nanos=0, parts=(), model=self._model.name, notional_nanos=0)
        if charged is None:
            rests = not schedule.crossing > 0.0
            charged = self._charges.of(schedule.weights, children=schedule.children, rests=rests)
        commission, other = charged
        spread = self._spread(schedule.crossing)
        temporary = _fraction(self._notional, self._temporary(schedule))
        return Estimate(
            cost_nanos=commission + other + spread + self._permanent + temporary,
            risk_nanos=_fraction(self._notional, self._volatility * sqrt(exposure(schedule))),
            parts=(
                (COMMISSION, commission),
                (FEES, other),
                (SPREAD, spread),
                (PERMANENT, self._permanent),
                (TEMPORARY, temporary),
            ),
            model=self._model.name,
            notional_nanos=self._notional,
        )

    def _temporary(self, schedule: Schedule) -> float:
        size, volatility, model = self._size, self._volatility, self._model
        total, before, known = 0.0, 0.0, 0.0
        for weight, volume in zip(schedule.weights, schedule.volume, strict=True):
            rate = size * weight / volume if volume > 0.0 else 1.0  # none expected: as much as all others together
            if rate != before:
                before, known = rate, model.temporary(size=size, volatility=volatility, rate=rate)
            total += weight * known
        return total

    def least(self, orders: int, volume: float, days: float, crossing: float, risk_weight: float) -> float:
        """Cost plus weighted risk that an even schedule of so many orders has at the least, while `volume` of a day
        passes in uneven parts, none of them 0: temporary impact falls ever more slowly with the volume, so that it is
        least where the volume is even, too. -inf where it cannot be said.
        """
        charged = self._charges.least(orders, rests=not crossing > 0.0)
        if charged is None or volume <= 0.0:
            return NOT_KNOWN
        temporary = self._model.temporary(size=self._size, volatility=self._volatility, rate=self._size / volume)
        varied = temporary + risk_weight * self._volatility * sqrt(days / 3.0)
        rounding = (2.0 + risk_weight) * self._notional / _GRID
        return charged + self._spread(crossing) + self._permanent + self._notional * varied * ALMOST - rounding

    def _spread(self, crossing: float) -> int:
        known = self._spreads.get(crossing)
        if known is None:
            known = self._spreads[crossing] = _fraction(self._notional, self._half_spread * crossing)
        return known


def ratio(part: int, whole: int) -> float:
    """A share for the models, which know no units."""
    return part / whole


def exposure(schedule: Schedule) -> float:
    """Integral of the square of what is left, in days: the variance of the cost is volatility^2 times this. What is
    left falls along a straight line within a slice, so an even schedule gives T/3 for every number of slices.
    """
    return exposure_of(schedule.weights) * schedule.slice_days


@lru_cache(SHAPES_MAX)
def exposure_of(weights: tuple[float, ...]) -> float:
    """The same in slices, of the shape alone."""
    left, total = 1.0, 0.0
    for weight in weights:
        after = left - weight
        total += (left * left + left * after + after * after) / 3.0
        left = after
    return total


def _fraction(amount_nanos: int, fraction: float) -> int:
    return div_half_even(amount_nanos * round(fraction * _GRID), _GRID)
