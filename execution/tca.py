"""What a schedule cost, and where: Perold's implementation shortfall in exact cash nanos, and slippage against
benchmarks. Pure mathematics on plain structs: knows no journal, order book or clock.

Positive = cost, on both sides. Every value of a fill is the ledger's own (`notional_nanos`), and each part is a
difference of two such values, so the parts sum to the total to the last nano. What cannot be told (no quote, no print,
no estimate) is None, never zero.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Final

import msgspec

from core.ids import Side
from core.units import BP, NANO, div_half_even, notional_nanos

PPM: Final = 1_000_000
HORIZONS_MIN: Final = (1, 5, 30)  # realised spread and reversion are looked at after so many minutes


class Fill(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One execution with the quote it met and the mids after it; 0 = not known."""

    qty_nanos: int
    px_nanos: int
    fee_nanos: int = 0
    bid_px_nanos: int = 0
    ask_px_nanos: int = 0
    later_nanos: tuple[int, ...] = ()  # mids after each of HORIZONS_MIN


class Task(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What was to be traded, and the mids when it was decided, when it could begin, and when it was over."""

    side: Side
    qty_nanos: int
    decision_px_nanos: int
    arrival_px_nanos: int
    end_px_nanos: int
    fills: tuple[Fill, ...] = ()


class Shortfall(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Perold's parts in cash nanos; `paper_nanos` is the whole task at the decision price, the base of all bp."""

    delay_nanos: int
    trading_nanos: int
    opportunity_nanos: int
    fees_nanos: int
    total_nanos: int
    paper_nanos: int
    filled_nanos: int
    value_nanos: int  # of the fills

    def bp_nanos(self, part_nanos: int) -> int | None:
        """An amount in billionths of a basis point of the paper value."""
        return bp_nanos(part_nanos, self.paper_nanos)


def shortfall(task: Task) -> Shortfall:
    """The decomposition. The total is made from the paper's and the account's values alone; the parts telescope.

    Opportunity is counted on what was not filled, from the decision to the end.
    """
    side, fills = task.side, task.fills
    filled = sum(fill.qty_nanos for fill in fills)
    value = sum(notional_nanos(fill.px_nanos, fill.qty_nanos) for fill in fills)
    fees = sum(fill.fee_nanos for fill in fills)
    rest = task.qty_nanos - filled
    decided = notional_nanos(task.decision_px_nanos, filled)
    arrived = notional_nanos(task.arrival_px_nanos, filled)
    missed = notional_nanos(task.end_px_nanos, rest) - notional_nanos(task.decision_px_nanos, rest)
    return Shortfall(
        delay_nanos=side * (arrived - decided),
        trading_nanos=side * (value - arrived),
        opportunity_nanos=side * missed,
        fees_nanos=fees,
        total_nanos=side * (value - decided + missed) + fees,
        paper_nanos=notional_nanos(task.decision_px_nanos, task.qty_nanos),
        filled_nanos=filled,
        value_nanos=value,
    )


def arrival_cost_nanos(task: Task, found: Shortfall) -> int:
    """Cost from the arrival on, as an estimate made before the parent speaks of it: trading, fees, and what the rest
    ran away since the arrival.
    """
    rest = task.qty_nanos - found.filled_nanos
    missed = notional_nanos(task.end_px_nanos, rest) - notional_nanos(task.arrival_px_nanos, rest)
    return found.trading_nanos + found.fees_nanos + task.side * missed


def z_score(cost_nanos: int, expected_nanos: int, risk_nanos: int) -> float | None:
    """(cost − estimate) / its standard deviation; over many honest estimates about N(0, 1). None = no estimate."""
    return _ratio(cost_nanos - expected_nanos, risk_nanos) if risk_nanos > 0 else None


# ---- against a benchmark ----------------------------------------------------------------------------------------
def bp_nanos(amount_nanos: int, base_nanos: int) -> int | None:
    """An amount in billionths of a basis point of a base, half-even; None without a base."""
    return div_half_even(amount_nanos * BP * NANO, base_nanos) if base_nanos > 0 else None


def slippage_bp_nanos(
    side: Side, value_nanos: int, qty_nanos: int, turnover_nanos: int, volume_nanos: int
) -> int | None:
    """How much worse than a volume-weighted price our average was: side·(value/qty − T/V)/(T/V), as one division.

    A plain price p is the turnover p of a volume of one.
    """
    if qty_nanos <= 0 or turnover_nanos <= 0 or volume_nanos <= 0:
        return None
    above = side * (value_nanos * volume_nanos - turnover_nanos * qty_nanos)
    return div_half_even(above * BP * NANO, turnover_nanos * qty_nanos)


def against_px_bp_nanos(side: Side, value_nanos: int, qty_nanos: int, px_nanos: int) -> int | None:
    """The same against one price; None for price 0."""
    return slippage_bp_nanos(side, value_nanos, qty_nanos, px_nanos, NANO)


def capture_ppm(side: Side, fills: Sequence[Fill]) -> int | None:
    """Spread capture: (mid − px)·side / half-spread over all fills, by quantity, in millionths. 1 = all of the half
    spread earned, −1 = paid in full. Fills without a quote, or in a locked one, count for nothing.
    """
    earned = paid = 0
    for fill in fills:
        spread = fill.ask_px_nanos - fill.bid_px_nanos
        if fill.bid_px_nanos > 0 and spread > 0:
            earned += side * fill.qty_nanos * (fill.bid_px_nanos + fill.ask_px_nanos - 2 * fill.px_nanos)
            paid += fill.qty_nanos * spread
    return div_half_even(earned * PPM, paid) if paid else None


def realised_bp_nanos(side: Side, fills: Sequence[Fill], horizon: int) -> int | None:
    """Realised spread at HORIZONS_MIN[horizon]: 2·side·(px − mid later) by quantity, over the mid at the fill. What the
    other side of our trades kept after the price had moved on; positive = we paid it.
    """
    paid = base = 0
    for fill in fills:
        later = fill.later_nanos[horizon] if horizon < len(fill.later_nanos) else 0
        if later > 0 and fill.bid_px_nanos > 0:
            paid += side * fill.qty_nanos * 4 * (fill.px_nanos - later)
            base += fill.qty_nanos * (fill.bid_px_nanos + fill.ask_px_nanos)
    return bp_nanos(paid, base)


def reversion_bp_nanos(side: Side, last: Fill, horizon: int) -> int | None:
    """How far the mid came back after the last fill; positive = we had pushed it, and paid for that."""
    later = last.later_nanos[horizon] if horizon < len(last.later_nanos) else 0
    if later <= 0 or last.bid_px_nanos <= 0:
        return None
    doubled = last.bid_px_nanos + last.ask_px_nanos
    return bp_nanos(side * (doubled - 2 * later), doubled)


def share_ppm(part_nanos: int, whole_nanos: int) -> int | None:
    """A part of a whole in millionths: participation, fill rate; None of nothing."""
    return div_half_even(part_nanos * PPM, whole_nanos) if whole_nanos > 0 else None


def in_sigmas(total_bp_nanos: int | None, sigma_bp: float, minutes: float) -> float | None:
    """A cost in units of what the price does by itself in that time; `sigma_bp` is of one minute."""
    if total_bp_nanos is None or sigma_bp <= 0.0 or minutes <= 0.0:
        return None
    return _ratio(total_bp_nanos, NANO) / (sigma_bp * sqrt(minutes))


def _ratio(part: int, whole: int) -> float:
    """For statistics, which are no money."""
    return part / whole
