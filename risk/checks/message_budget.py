"""Control 14: the day's replaces and cancels, messages for one execution, and messages of the last second with room
left for cancels (RTS 6 art. 15(1)(d)). A cancel is never refused: when a budget is used up it is the next order, which
would need a cancel of its own, that does not leave. Exits have a reserve above the day's budgets and may use what is
kept for cancels.
"""

from core.commands import OrderIntent
from risk.view import GateView

CONTROL: int = 14
CODE: str = "MESSAGE_BUDGET"
LIFT: str = "by itself: at the day roll (messages of a second: at once); operator: raise the limit"


def check(o: OrderIntent, v: GateView) -> int:
    """Counts of the trading day; they survive a restart."""
    a = v.account
    day = v.history.counters.day
    reserve = a.message_exit_reserve if v.reduce_only else 0
    if day.changes >= a.changes_day_max + reserve:
        return CONTROL
    sent = day.sent - reserve
    if sent >= a.order_trade_messages_min and sent >= a.order_trade_ratio_max * (day.trades or 1):
        return CONTROL
    most = a.messages_second_max if v.reduce_only else a.order_messages_second_max
    if v.history.counters.messages.qty < most:
        return 0
    return CONTROL if v.history.counters.messages.at(v.ts_ns)[1] >= most else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """Which budget."""
    a, day = v.account, v.history.counters.day
    reserve = a.message_exit_reserve if v.reduce_only else 0
    if day.changes >= a.changes_day_max + reserve:
        return f"{day.changes} replaces and cancels today", str(a.changes_day_max + reserve)
    if day.sent - reserve >= max(a.order_trade_messages_min, a.order_trade_ratio_max * (day.trades or 1)):
        return f"{day.sent} messages for {day.trades} executions today", f"{a.order_trade_ratio_max} for one"
    most = a.messages_second_max if v.reduce_only else a.order_messages_second_max
    return f"{v.history.counters.messages.at(v.ts_ns)[1]} messages within a second", str(most)
