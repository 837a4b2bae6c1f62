"""What a parent will cost before it is opened: commission, fees, spread, permanent and temporary impact in exact nanos,
and one standard deviation of what the market may do meanwhile. Pure; knows no books, clock or algorithm by name: a
schedule is the part of the order that each slice trades.

The models' floats end at `_fraction`: rounded to a millionth of a basis point, coarse enough that the last bit of a
power, which differs between processors, decides nothing; from there on all is integers and the parts sum to the cost.
"""

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
    order: Order,
    conditions: Conditions,
    schedule: Schedule,
    *,
    fees: FeeTable,
    model: ImpactModel,
    charges: tuple[int, int] | None = None,
) -> Estimate:
    """All parts of the expected cost, and its risk. `charges`: commission and other fees, where the caller knows them.
    Raises Bug when something is missing (`Conditions.missing`).
    """
    if conditions.missing():
        raise Bug(f"an estimate without {conditions.missing()}; ask Conditions.missing first")
    notional = notional_nanos(conditions.mid_nanos, order.qty_nanos)
    if not order.qty_nanos:
        return Estimate(cost_nanos=0, risk_nanos=0, parts=(), model=model.name, notional_nanos=0)
    size, volatility = ratio(order.qty_nanos, conditions.adv_nanos), conditions.volatility
    commission, other = charges or charges_of(schedule, Charges(order, conditions.mid_nanos, fees))
    half_spread = ratio(conditions.spread_nanos, 2 * conditions.mid_nanos)
    paid = model.permanent_paid(size=size, volatility=volatility, turnover_days=conditions.turnover_days)
    temporary, known = 0.0, {0.0: 0.0}
    for weight, volume in zip(schedule.weights, schedule.volume, strict=True):
        rate = size * weight / volume if volume > 0.0 else 1.0  # no volume expected: as much as all others together
        if rate not in known:
            known[rate] = model.temporary(size=size, volatility=volatility, rate=rate)
        temporary += weight * known[rate]
    parts = (
        (COMMISSION, commission),
        (FEES, other),
        (SPREAD, _fraction(notional, half_spread * schedule.crossing)),
        (PERMANENT, _fraction(notional, paid)),
        (TEMPORARY, _fraction(notional, temporary)),
    )
    return Estimate(
        cost_nanos=sum(part for _, part in parts),
        risk_nanos=_fraction(notional, volatility * sqrt(exposure(schedule))),
        parts=parts,
        model=model.name,
        notional_nanos=notional,
    )


def charges_of(schedule: Schedule, charges: Charges) -> tuple[int, int]:
    """Commission and all other fees of a schedule's children."""
    return charges.of(schedule.weights, children=schedule.children, rests=not schedule.crossing > 0.0)


def ratio(part: int, whole: int) -> float:
    """A share for the models, which know no units."""
    return part / whole


def exposure(schedule: Schedule) -> float:
    """Integral of the square of what is left, in days: the variance of the cost is volatility^2 times this. What is
    left falls along a straight line within a slice, so an even schedule gives T/3 for every number of slices.
    """
    left, total = 1.0, 0.0
    for weight in schedule.weights:
        after = left - weight
        total += (left * left + left * after + after * after) / 3.0
        left = after
    return total * schedule.slice_days


def _fraction(amount_nanos: int, fraction: float) -> int:
    return div_half_even(amount_nanos * round(fraction * _GRID), _GRID)
