"""What one execution costs: dated fee rows in, exact nanos out. Knows no schedule, broker, order state or
clock: the caller says what the order was charged and what the account traded in the month before.

Kinds of rows, told apart by their own fields:
- with a minimum or a cap in parts of trade value (the broker's commission): charged per ORDER. An execution pays
  cumulative(order so far) minus what was charged, so any split of an order into executions costs the same;
- `per` = charge (a pass-through): a part of what row `of` charges for the same execution;
- all others (SEC, FINRA TAF, CAT, clearing, exchange): charged per execution; `cap_nanos` caps one execution (FINRA:
  "per trade").
`tiers` make a rate marginal in the month's volume (an execution that crosses an edge pays both rates) or choose it by
the price. A row of a venue stands in for the one of all venues; where nobody says what an execution did to liquidity,
it took it. Rounding: every row to whole nanos, half-even. Nothing is rounded to cents: the broker's reports carry more
decimals and the ledger keeps what the report says.
"""

from typing import Final

import msgspec

from core.errors import ConfigError
from core.ids import SELL
from core.reference import FeeRow
from core.units import NANO, div_half_even, notional_nanos

PPM: Final = 1_000_000
PER: Final = ("share", "value", "order", "charge")
BY_MONTH: Final = "month"  # edges in nanos of shares of the calendar month
BY_PRICE: Final = "price"  # edges in price nanos
ADDED: Final = 1
REMOVED: Final = 2
KINDS_MAX: Final = 1_024  # days, venues and sides of liquidity that are remembered


class FeeBreakdown(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The cost of one execution in cash nanos, row by row; `parts` holds every row that may apply, zero ones too."""

    total_nanos: int
    parts: tuple[tuple[str, int], ...]
    per_order_nanos: int = 0  # the part that counts towards the order's minimum and cap
    rated: int = 0  # tiered rate times quantity of this execution, not divided yet: nanos of nanos

    def part_nanos(self, name: str) -> int:
        """The charge of one row by name; raises KeyError if the plan has no such row."""
        return dict(self.parts)[name]


class FeeTable:
    """A dated fee schedule. A date before the first row of any name raises ConfigError: no row = deny."""

    __slots__ = ("_applying", "_by_date", "_by_key", "_edges", "_venues", "rows")

    def __init__(self, rows: tuple[FeeRow, ...]) -> None:
        if not rows:
            raise ConfigError("fees.rows: the table is empty; give the rows of a plan")
        self.rows = rows
        self._by_date: dict[int, tuple[FeeRow, ...]] = {}
        self._edges: dict[int, tuple[int, ...]] = {}
        self._applying: dict[tuple[int, bool, str], tuple[FeeRow, ...]] = {}
        self._by_key: dict[tuple[str, str, int], list[FeeRow]] = {}
        names: list[str] = []
        for row in rows:
            _check(row, names)
            names.append(row.name)
        for row in sorted(rows, key=_by_start):
            dated = self._by_key.setdefault((row.name, row.venue, row.liquidity), [])
            if dated and dated[-1].effective_from == row.effective_from:
                raise ConfigError(f"fees.{row.name}: two rows from {row.effective_from}; remove one")
            dated.append(row)
        order = {name: at for at, name in reversed(list(enumerate(names)))}
        self._by_key = dict(sorted(self._by_key.items(), key=lambda entry: order[entry[0][0]]))
        self._venues = frozenset((name, venue) for name, venue, _ in self._by_key if venue)

    def rows_on(self, date: int) -> tuple[FeeRow, ...]:
        """The row of every name in force on a day (yyyymmdd). Raises ConfigError before the first."""
        found = self._by_date.get(date)
        if found is None:
            found = tuple(_row_on(dated, date) for dated in self._by_key.values())
            self._by_date[date] = found
        return found

    def month_edges(self, date: int) -> tuple[int, ...]:
        """Volumes of the month at which a rate changes, ascending: between two, a month further on costs the same."""
        found = self._edges.get(date)
        if found is None:
            rows = [row for row in self.rows_on(date) if row.tiers and row.tier_by == BY_MONTH]
            found = self._edges[date] = tuple(sorted({edge for row in rows for edge, _ in row.tiers if edge}))
        return found

    def amortises(self, date: int, liquidity: int, venue: str) -> bool:
        """Whether a larger order never pays more for a share than a smaller one: nobody is paid for trading."""
        return all(
            row.rate_nanos >= 0 and all(rate >= 0 for _, rate in row.tiers)
            for row in self._rows_for(date, liquidity, venue)
        )

    def minimum_nanos(self, date: int, liquidity: int, venue: str, value_nanos: int) -> int:
        """What every order of at least this value is charged, whatever its side and size."""
        total = 0
        for row in self._rows_for(date, liquidity, venue):
            if row.minimum_nanos and not row.sell_only:
                least = _capped(row, row.minimum_nanos)
                if row.cap_value_ppm:
                    least = min(least, value_nanos * row.cap_value_ppm // PPM)
                total += least
        return total

    def commission_nanos(
        self,
        *,
        date: int,
        side: int,
        qty_nanos: int,
        px_nanos: int,
        order_qty_before_nanos: int = 0,
        order_value_before_nanos: int = 0,
        order_charged_nanos: int = 0,
        order_rated_before: int = 0,
        month_before_nanos: int = 0,
        liquidity: int = REMOVED,
        venue: str = "",
    ) -> FeeBreakdown:
        """Cost of one execution on a trading day.

        The `order_*` arguments describe the same order's earlier executions of the same day: quantity, the sum of their
        notionals, and of their breakdowns the per-order charges and `rated`. The broker treats an order that lives
        overnight as a new one, so the caller starts them at 0 each day. `month_before_nanos`: shares the account traded
        in the calendar month before this execution.
        """
        charges: dict[str, int] = {}
        total = per_order = rated_all = 0
        value_nanos = notional_nanos(px_nanos, qty_nanos)
        for row in self._rows_for(date, liquidity, venue):
            if row.sell_only and side != SELL:
                charge = 0
            elif _is_per_order(row):
                rated = _rated(row, qty_nanos, px_nanos, month_before_nanos) if row.tiers else 0
                rated_all += rated
                qty_all, value_all = order_qty_before_nanos + qty_nanos, order_value_before_nanos + value_nanos
                charge = _order_charge(row, qty_all, value_all, order_rated_before + rated) - order_charged_nanos
                per_order += charge
            elif row.per == "charge":
                charge = _capped(row, div_half_even(row.rate_nanos * charges[row.of], NANO))
            else:
                charge = _execution_charge(row, qty_nanos, value_nanos, first=order_qty_before_nanos == 0)
            charges[row.name] = charge
            total += charge
        return FeeBreakdown(
            total_nanos=total, parts=tuple(charges.items()), per_order_nanos=per_order, rated=rated_all
        )  # fmt: skip

    def _rows_for(self, date: int, liquidity: int, venue: str) -> tuple[FeeRow, ...]:
        """The rows of a day that are about such an execution; remembered, as a day has but a few kinds."""
        key = (date, liquidity == ADDED, venue)
        found = self._applying.get(key)
        if found is None:
            if len(self._applying) >= KINDS_MAX:
                self._applying.clear()
            found = tuple(row for row in self.rows_on(date) if self._meets(row, liquidity, venue))
            self._applying[key] = found
        return found

    def _meets(self, row: FeeRow, liquidity: int, venue: str) -> bool:
        """Whether a row is about an execution of this kind at this venue."""
        if row.liquidity and (row.liquidity == ADDED) != (liquidity == ADDED):
            return False
        return row.venue == venue if row.venue else (row.name, venue) not in self._venues


def _by_start(row: FeeRow) -> int:
    return row.effective_from


def _check(row: FeeRow, before: list[str]) -> None:
    if row.per not in PER:
        raise ConfigError(f"fees.{row.name}.per: {row.per!r} is not one of {', '.join(PER)}")
    if row.tiers and row.tier_by not in (BY_MONTH, BY_PRICE):
        raise ConfigError(f"fees.{row.name}.tier_by: {row.tier_by!r} is not {BY_MONTH} or {BY_PRICE}")
    if row.tiers and (row.tiers[0][0] != 0 or list(row.tiers) != sorted(row.tiers) or not _is_per_order(row)):
        raise ConfigError(f"fees.{row.name}.tiers: start at 0, ascend, and belong to a row with a minimum or a cap")
    if row.per == "charge" and row.of not in before:
        raise ConfigError(f"fees.{row.name}.of: {row.of!r} is no row before it; name the row it is a part of")


def _row_on(dated: list[FeeRow], date: int) -> FeeRow:
    found: FeeRow | None = None
    for row in dated:
        if row.effective_from <= date:
            found = row
    if found is None:
        raise ConfigError(
            f"fees.{dated[0].name}: no row for {date}; the first starts {dated[0].effective_from}, add one"
        )
    return found


def _is_per_order(row: FeeRow) -> bool:
    return row.minimum_nanos > 0 or row.cap_value_ppm > 0


def _rated(row: FeeRow, qty_nanos: int, px_nanos: int, month_before_nanos: int) -> int:
    """Rate times quantity over the tiers: each share of a month at its own, or all at the price's."""
    if row.tier_by == BY_PRICE:
        return max((edge, rate) for edge, rate in row.tiers if edge <= px_nanos)[1] * qty_nanos
    month_after, total = month_before_nanos + qty_nanos, 0
    for at, (edge, rate) in enumerate(row.tiers):
        upper = row.tiers[at + 1][0] if at + 1 < len(row.tiers) else month_after
        total += rate * max(0, min(month_after, upper) - max(month_before_nanos, edge))
    return total


def _order_charge(row: FeeRow, qty_nanos: int, value_nanos: int, rated: int) -> int:
    """The charge of a whole order so far. The cap beats the minimum (IBKR: 10 shares at 0.20 cost 0.02, not 1.00)."""
    usual = div_half_even(rated, NANO) if row.tiers else _rate_charge(row, qty_nanos, value_nanos)
    charge = _capped(row, max(usual, row.minimum_nanos))
    if row.cap_value_ppm:
        charge = min(charge, div_half_even(value_nanos * row.cap_value_ppm, PPM))
    return charge


def _execution_charge(row: FeeRow, qty_nanos: int, value_nanos: int, *, first: bool) -> int:
    if row.per == "order" and not first:
        return 0
    return _capped(row, _rate_charge(row, qty_nanos, value_nanos))


def _capped(row: FeeRow, charge: int) -> int:
    return min(charge, row.cap_nanos) if row.cap_nanos else charge


def _rate_charge(row: FeeRow, qty_nanos: int, value_nanos: int) -> int:
    if row.per == "share":
        return div_half_even(row.rate_nanos * qty_nanos, NANO)
    if row.per == "value":
        return div_half_even(row.rate_nanos * value_nanos, NANO)
    return row.rate_nanos
