"""Control 2: largest single order by value, absolute and of equity; market orders at the worst of last trade and far
side (RTS 6 art. 15(1)(b)). Exits as in control 1; the share of equity does not bind them.
"""

from core.commands import OrderIntent
from core.units import decimal_text
from risk.view import GateView

CONTROL: int = 2
CODE: str = "MAX_ORDER_NOTIONAL"
LIFT: str = "operator: send smaller orders, or raise the limit in the config"


def check(o: OrderIntent, v: GateView) -> int:
    """No value known, no order."""
    value = v.notional
    b = v.bounds
    if v.reduce_only:
        if value <= b.order_notional_max_nanos and value > 0:
            return 0
        return 0 if value > 0 and o.qty_nanos <= v.rules.lot_minimum else CONTROL
    if value <= 0 or value > b.order_notional_max_nanos:
        return CONTROL
    return CONTROL if value > v.equity_bp * b.order_equity_bp_max else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """Value against the tighter bound."""
    b = v.bounds
    if v.notional <= 0:
        return "value unknown", "a price"
    share = v.equity_bp * b.order_equity_bp_max
    most = b.order_notional_max_nanos if v.reduce_only or b.order_notional_max_nanos < share else share
    return decimal_text(v.notional), decimal_text(most)
