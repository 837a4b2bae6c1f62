"""Control 34: an order whose fate is unknown blocks new risk in its symbol; a time-out is not a reject."""

from core.commands import OrderIntent
from risk.view import GateView

CONTROL: int = 34
CODE: str = "UNKNOWN_ORDER"
LIFT: str = "by itself: when evidence settles the order; operator: orders resolve"


def check(o: OrderIntent, v: GateView) -> int:
    """Exits pass: what the unknown order may still do is reserved and judged."""
    return CONTROL if v.money.reservations.in_doubt[o.inst] and not v.reduce_only else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """How many."""
    return f"{v.money.reservations.in_doubt[o.inst]} UNKNOWN in {v.bounds.symbol}", "0"
