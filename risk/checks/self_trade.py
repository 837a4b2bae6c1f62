"""Control 15: no order that could trade with a resting order of this account: of any strategy, or of another client
(a person at the broker's own screen) that the last synchronisation showed.

The policy is cancel-newest: the order that would cross does not leave, and what rests keeps its place. Nothing is
cancelled by this check; whoever wants the new order cancels the other one first.
"""

from core.commands import INTENT_DISASTER, INTENT_PROTECT, OrderIntent
from core.units import exact_text
from risk.foreign import NO_CROSS
from risk.view import GateView

CONTROL: int = 15
CODE: str = "SELF_TRADE"
LIFT: str = "by itself: when the opposite order is gone"


def check(o: OrderIntent, v: GateView) -> int:
    """An order without a limit crosses whatever rests on the other side. Exits too. A stop does not trade when it is
    sent, and what rested nearer to the market was traded through before it could.
    """
    best = v.cross_px
    if best == NO_CROSS:
        return 0
    if not v.limited:
        return 0 if o.purpose == INTENT_DISASTER or o.purpose == INTENT_PROTECT else CONTROL
    if o.side > 0:
        return CONTROL if o.limit_px_nanos >= best else 0
    return CONTROL if o.limit_px_nanos <= best else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """Our price against our own best on the other side."""
    value = exact_text(o.limit_px_nanos) if v.limited else "no limit"
    unlimited = v.cross_px == 0 or v.cross_px >= 1 << 62
    return value, "an own order without a limit rests" if unlimited else f"own order rests at {exact_text(v.cross_px)}"
