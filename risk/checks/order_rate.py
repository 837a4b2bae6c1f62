"""Control 9: orders and replaces per account, strategy and symbol by the generic cell rate algorithm; excess is
refused, never queued. Exits have a reserve of their own; cancels are never counted (RTS 6 art. 15(1)(d)).
"""

from core.commands import OrderIntent
from core.units import exact_text
from risk.view import GateView

CONTROL: int = 9
CODE: str = "ORDER_RATE"
LIFT: str = "by itself: within the rate's window"


def check(o: OrderIntent, v: GateView) -> int:
    """core.rates.conforms, with the tolerance worked out beforehand."""
    a = v.account
    now = v.ts_ns
    if v.reduce_only:
        if v.tat_account - now > a.account_exit_slack_ns or v.tat_strategy - now > a.strategy_exit_slack_ns:
            return CONTROL
        return CONTROL if v.tat_symbol - now > a.symbol_exit_slack_ns else 0
    if v.tat_account - now > a.account_slack_ns or v.tat_strategy - now > a.strategy_slack_ns:
        return CONTROL
    return CONTROL if v.tat_symbol - now > a.symbol_slack_ns else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """Which bucket is full, and when it has room again."""
    a = v.account
    exits = v.reduce_only
    for name, tat, slack in (
        ("account", v.tat_account, a.account_exit_slack_ns if exits else a.account_slack_ns),
        ("strategy", v.tat_strategy, a.strategy_exit_slack_ns if exits else a.strategy_slack_ns),
        ("symbol", v.tat_symbol, a.symbol_exit_slack_ns if exits else a.symbol_slack_ns),
    ):
        over = tat - v.ts_ns - slack
        if over > 0:
            return f"{name} rate used up", f"room in {exact_text(over)} s"
    return "", ""
