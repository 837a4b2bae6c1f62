"""Control 12: the same order within the window, or an order id used before, is a mistake (15c3-5: duplicative orders).
The slice number in the key keeps equal slices of one schedule apart.
"""

from core.commands import OrderIntent
from risk.view import GateView

CONTROL: int = 12
CODE: str = "DUPLICATE_ORDER"
LIFT: str = "by itself: when the window is over"


def check(o: OrderIntent, v: GateView) -> int:
    """Exits too."""
    return CONTROL if v.duplicate or v.id_used else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """Which of the two."""
    if v.id_used:
        return f"order id {o.order_id} was used", "a new id"
    return "same instrument, side, quantity, price, parent and slice", "once per window"
