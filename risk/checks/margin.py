"""Control 18: the equity that positions, working orders and this order need, and the broker's own funds. A rate that a
what-if answer told holds for its instrument and side, the configured ones for all others; working orders are held at
the dearest. Unknown equity denies, and so do a broker's account values that never came or are old.
"""

from core.commands import OrderIntent
from core.units import BP, decimal_text
from risk.needs import funds_bp, initial_bp
from risk.view import GateView

CONTROL: int = 18
CODE: str = "MARGIN"
LIFT: str = "operator: add cash or close positions; exits pass"


def check(o: OrderIntent, v: GateView) -> int:
    """Enough even if all of it were at the higher rate is the ordinary case."""
    if v.reduce_only:
        return 0
    if v.equity <= 0 or v.funds_missing:
        return CONTROL
    if v.exposure_new <= v.free_nanos and v.exposure_new <= v.funds_free:
        return 0
    if initial_bp(o, v) > v.equity * BP:
        return CONTROL
    return CONTROL if funds_bp(o, v) > v.funds * BP else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """Needed equity against equity, then what is new against the broker's funds."""
    if v.equity <= 0:
        return "equity unknown", "known and positive"
    if v.funds_missing:
        return "the broker's account values are not known, or old", "told by a synchronisation"
    if initial_bp(o, v) > v.equity * BP:
        return decimal_text(initial_bp(o, v) // BP), decimal_text(v.equity)
    return f"{decimal_text(funds_bp(o, v) // BP)} of working orders and this one", f"{decimal_text(v.funds)} available"
