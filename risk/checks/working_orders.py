"""Control 13: working orders in all, and per symbol and side (IBKR takes 20 active ones per contract, side and
account). Exits have a reserve of their own.
"""

from core.commands import OrderIntent
from risk.view import GateView

CONTROL: int = 13
CODE: str = "WORKING_ORDERS"
LIFT: str = "by itself: when orders end; operator: cancel some"


def check(o: OrderIntent, v: GateView) -> int:
    """With this one counted; a replace counts once."""
    reserve = v.account.working_exit_reserve if v.reduce_only else 0
    if v.count >= v.account.working_orders_max + reserve:
        return CONTROL
    return CONTROL if v.side_count >= v.bounds.working_per_side_max + reserve else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """The bound that is full."""
    reserve = v.account.working_exit_reserve if v.reduce_only else 0
    most = v.account.working_orders_max + reserve
    if v.count >= most:
        return f"{v.count} working", str(most)
    return f"{v.side_count} working on this side of {v.bounds.symbol}", str(v.bounds.working_per_side_max + reserve)
