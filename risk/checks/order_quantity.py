"""Control 1: largest single order in shares; refused, never clipped (RTS 6 art. 15(1)(c), 15c3-5 (c)(1)(ii)). An exit
is sliced by the executor (`Gate.slice_max_nanos`); the smallest legal quantity of an exit always passes.
"""

from core.commands import OrderIntent
from core.units import exact_text
from risk.view import GateView

CONTROL: int = 1
CODE: str = "MAX_ORDER_QUANTITY"
LIFT: str = "operator: send smaller orders, or raise the limit in the config"


def check(o: OrderIntent, v: GateView) -> int:
    """The whole quantity, of a replace too."""
    if o.qty_nanos <= v.bounds.order_quantity_max_nanos:
        return 0
    return 0 if v.reduce_only and o.qty_nanos <= v.rules.lot_minimum else CONTROL


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """Shares."""
    return exact_text(o.qty_nanos), exact_text(v.bounds.order_quantity_max_nanos)
