"""Control 22: no new risk on data that is old, blind, zero, crossed or locked, absurdly wide, just jumped, or frozen: a
quote that stays the same for minutes while others change. Age counts from the last proof of life, so an unchanged price
is not stale at once. Exits: limit orders only.
"""

from core.commands import OrderIntent
from core.units import BP, exact_text
from risk.view import GateView

CONTROL: int = 22
CODE: str = "MARKET_DATA"
LIFT: str = "by itself: when the data is good again"


def check(o: OrderIntent, v: GateView) -> int:
    """It stops entries, and exits without a limit."""
    if v.good and not v.frozen and v.ask > v.bid and v.jump_ns >= v.bounds.jump_quiet_ns:
        return 0
    return 0 if v.reduce_only and v.limited else CONTROL


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """The first fault."""
    if v.blind:
        return "no quote since the last gap", "a quote"
    if not v.usable:
        return f"quote {exact_text(v.bid)} / {exact_text(v.ask)}", "two-sided, with sizes, not crossed"
    if v.stale:
        return f"data is {exact_text(v.age_ns)} s old", f"{exact_text(v.age_ns_max)} s"
    if v.spread_wide:
        return f"spread {(v.ask - v.bid) * 2 * BP // (v.ask + v.bid)} bp", f"{v.bounds.spread_bp_max} bp"
    if v.frozen:
        return f"quote unchanged for {exact_text(v.changed_ns)} s", f"{exact_text(v.bounds.frozen_ns_max)} s"
    if v.ask <= v.bid:
        return f"locked at {exact_text(v.bid)}", "a bid below the offer"
    return f"price jumped {exact_text(v.jump_ns)} s ago", f"{exact_text(v.bounds.jump_quiet_ns)} s"
