"""Control 22 (and 21 for halts): no new risk on data that is old, blind, crossed, absurdly wide, halted or just jumped.
Age counts from the last proof of life, so an unchanged price is not stale. Exits: limit orders only, none in a halt.
"""

from core.commands import OrderIntent
from core.units import BP, exact_text
from risk.view import GateView

CONTROL: int = 22
CODE: str = "MARKET_DATA"
LIFT: str = "by itself: when the data is good again"


def check(o: OrderIntent, v: GateView) -> int:
    """A halt stops everything; the rest stops entries and exits without a limit."""
    if v.halted:
        return CONTROL
    if v.usable and not v.blind and not v.stale and not v.spread_wide and v.jump_ns >= v.bounds.jump_quiet_ns:
        return 0
    return 0 if v.reduce_only and v.limited else CONTROL


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """The first fault."""
    if v.halted:
        return f"halted ({v.halted})", "trading"
    if v.blind:
        return "no quote since the last gap", "a quote"
    if not v.usable:
        return f"quote {exact_text(v.bid)} / {exact_text(v.ask)}", "two-sided, with sizes, not crossed"
    if v.stale:
        return f"data is {exact_text(v.age_ns)} s old", f"{exact_text(v.age_ns_max)} s"
    if v.spread_wide:
        return f"spread {(v.ask - v.bid) * 2 * BP // (v.ask + v.bid)} bp", f"{v.bounds.spread_bp_max} bp"
    return f"price jumped {exact_text(v.jump_ns)} s ago", f"{exact_text(v.bounds.jump_quiet_ns)} s"
