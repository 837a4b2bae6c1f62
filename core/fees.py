"""What one execution costs: dated fee rows in, exact nanos out. Owns the US stock schedule (DEFAULT_PLANS); knows no
broker, order state or clock: the caller says what the order was charged before.

Two kinds of rows, told apart by their own fields:
- with a minimum or a cap in parts of trade value (the broker's commission): charged per ORDER. An execution pays
  cumulative(order so far) minus what was charged, so any split of an order into executions costs the same;
- all others (SEC, FINRA TAF, CAT): charged per execution; `cap_nanos` caps one execution (FINRA: "per trade").
Rounding: every row to whole nanos, half-even. Nothing is rounded to cents: the broker's reports carry more decimals
and the ledger keeps what the report says.
"""

from typing import Final

import msgspec

from core.errors import ConfigError
from core.ids import SELL
from core.reference import FeeRow
from core.units import NANO, div_half_even, notional_nanos

PPM: Final = 1_000_000

COMMISSION: Final = "commission"
SEC31: Final = "sec31"
TAF: Final = "taf"
CAT: Final = "cat"


class FeeBreakdown(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The cost of one execution in cash nanos, row by row; `parts` holds every row in force, zero ones too."""

    total_nanos: int
    parts: tuple[tuple[str, int], ...]

    def part_nanos(self, name: str) -> int:
        """The charge of one row by name; raises KeyError if the plan has no such row."""
        return dict(self.parts)[name]


class FeeTable:
    """A dated fee schedule. A date before the first row of any name raises ConfigError: no row = deny."""

    __slots__ = ("_by_date", "_by_name", "rows")

    def __init__(self, rows: tuple[FeeRow, ...]) -> None:
        if not rows:
            raise ConfigError("fees.rows: the table is empty; give the rows of a plan")
        self.rows = rows
        self._by_date: dict[int, tuple[FeeRow, ...]] = {}
        self._by_name: dict[str, list[FeeRow]] = {}
        for row in sorted(rows, key=_by_start):
            if row.per not in ("share", "value", "order"):
                raise ConfigError(f"fees.{row.name}.per: {row.per!r} is not share, value or order")
            dated = self._by_name.setdefault(row.name, [])
            if dated and dated[-1].effective_from == row.effective_from:
                raise ConfigError(f"fees.{row.name}: two rows from {row.effective_from}; remove one")
            dated.append(row)

    def rows_on(self, date: int) -> tuple[FeeRow, ...]:
        """The row of every name in force on a day (yyyymmdd). Raises ConfigError before the first."""
        found = self._by_date.get(date)
        if found is None:
            found = tuple(_row_on(dated, date) for dated in self._by_name.values())
            self._by_date[date] = found
        return found

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
    ) -> FeeBreakdown:
        """Cost of one execution on a trading day.

        The three `order_*` arguments describe the same order's earlier executions of the same day: quantity, the sum
        of their notionals, and the per-order charges paid so far (`per_order_nanos` of their breakdowns). The broker
        treats an order that lives overnight as a new one, so the caller starts them at 0 each day.
        """
        parts: list[tuple[str, int]] = []
        total = 0
        value_nanos = notional_nanos(px_nanos, qty_nanos)
        for row in self.rows_on(date):
            if row.sell_only and side != SELL:
                charge = 0
            elif _is_per_order(row):
                qty_all = order_qty_before_nanos + qty_nanos
                charge = _order_charge(row, qty_all, order_value_before_nanos + value_nanos) - order_charged_nanos
            else:
                charge = _execution_charge(row, qty_nanos, value_nanos, first=order_qty_before_nanos == 0)
            parts.append((row.name, charge))
            total += charge
        return FeeBreakdown(total_nanos=total, parts=tuple(parts))

    def per_order_nanos(self, *, date: int, breakdown: FeeBreakdown) -> int:
        """The part of a breakdown that counts towards the order's minimum and cap."""
        rows = self.rows_on(date)
        return sum(charge for row, (_, charge) in zip(rows, breakdown.parts, strict=True) if _is_per_order(row))


def _by_start(row: FeeRow) -> int:
    return row.effective_from


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


def _order_charge(row: FeeRow, qty_nanos: int, value_nanos: int) -> int:
    """The charge of a whole order so far. The cap beats the minimum (IBKR: 10 shares at 0.20 cost 0.02, not 1.00)."""
    charge = max(_rate_charge(row, qty_nanos, value_nanos), row.minimum_nanos)
    if row.cap_nanos:
        charge = min(charge, row.cap_nanos)
    if row.cap_value_ppm:
        charge = min(charge, div_half_even(value_nanos * row.cap_value_ppm, PPM))
    return charge


def _execution_charge(row: FeeRow, qty_nanos: int, value_nanos: int, *, first: bool) -> int:
    if row.per == "order" and not first:
        return 0
    charge = _rate_charge(row, qty_nanos, value_nanos)
    return min(charge, row.cap_nanos) if row.cap_nanos else charge


def _rate_charge(row: FeeRow, qty_nanos: int, value_nanos: int) -> int:
    if row.per == "share":
        return div_half_even(row.rate_nanos * qty_nanos, NANO)
    if row.per == "value":
        return div_half_even(row.rate_nanos * value_nanos, NANO)
    return row.rate_nanos


_BACK = "; extended back to 2000-01-01, not the rate of those years"

_US_REGULATORY: Final = (
    FeeRow(
        name=SEC31, effective_from=20000101, per="value", rate_nanos=27_800, sell_only=True,
        source="SEC Section 31, 27.80 per million until 2025-05-13" + _BACK,
    ),
    FeeRow(
        name=SEC31, effective_from=20250514, per="value", rate_nanos=0, sell_only=True,
        source="SEC Section 31, 0.00 from 2025-05-14",
    ),
    FeeRow(
        name=SEC31, effective_from=20260404, per="value", rate_nanos=20_600, sell_only=True,
        source="SEC fee rate advisory 2026-2, 20.60 per million from 2026-04-04",
    ),
    FeeRow(
        name=TAF, effective_from=20000101, per="share", rate_nanos=166_000, sell_only=True, cap_nanos=8_300_000_000,
        source="FINRA TAF 2025, .000166 a share, cap 8.30 a trade" + _BACK,
    ),
    FeeRow(
        name=TAF, effective_from=20260101, per="share", rate_nanos=195_000, sell_only=True, cap_nanos=9_790_000_000,
        source="FINRA TAF 2026, .000195 a share, cap 9.79 a trade",
    ),
    FeeRow(
        name=TAF, effective_from=20261001, per="share", rate_nanos=0, sell_only=True,
        source="SR-FINRA-2026-021 (34-106409): 0 from 2026-10-01 to 2026-12-31; pass-through by the broker unverified",
    ),
    FeeRow(
        name=TAF, effective_from=20270101, per="share", rate_nanos=232_000, sell_only=True, cap_nanos=11_610_000_000,
        source="FINRA TAF schedule 2027, .000232 a share, cap 11.61 a trade",
    ),
    FeeRow(
        name=CAT, effective_from=20000101, per="share", rate_nanos=72_000,
        source="IBKR commission page 2025, .000072 a share" + _BACK,
    ),
    FeeRow(
        name=CAT, effective_from=20260501, per="share", rate_nanos=3_000,
        source="CAT 2026-1 .000001 + Historical 1A .000002 a share, from May 2026",
    ),
)  # fmt: skip

# IBKR Pro Tiered is left out: its venue add/remove fees differ by exchange and are not known here, and its price
# depends on the month's volume, which the ledger does not hold.
DEFAULT_PLANS: Final[dict[str, tuple[FeeRow, ...]]] = {
    "ibkr_pro_fixed": (
        FeeRow(
            name=COMMISSION, effective_from=20000101, per="share", rate_nanos=5_000_000,
            minimum_nanos=NANO, cap_value_ppm=10_000,
            source="IBKR commission page 2025, Fixed: .005 a share, min 1.00 an order, max 1 % of value" + _BACK,
        ),
        *_US_REGULATORY,
    ),
}  # fmt: skip
