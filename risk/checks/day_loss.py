"""Control 24: the trading day's loss, realised + unrealised - fees, of the account (equity against the equity at the
day roll) and of the strategy (its book since the roll, with its open profit in full). The ladder latches it; this
check stands at the order. Sources: FIA 2024, RTS 6.
"""

from core.commands import OrderIntent
from core.units import decimal_text
from risk.view import GateView

CONTROL: int = 24
CODE: str = "DAY_LOSS"
LIFT: str = "operator: after the day roll, or by a higher limit"


def check(o: OrderIntent, v: GateView) -> int:
    """Entries stop at the soft limit; an unknown day base denies."""
    if v.reduce_only:
        return 0
    base = v.day_base
    if base <= 0:
        return CONTROL
    loss = base - v.equity
    if loss > 0 and loss >= v.day_base_bp * v.account.day_loss_soft_bp:
        return CONTROL
    profit = v.book_profit
    return CONTROL if profit < 0 and -profit >= v.day_base_bp * v.bounds.book.day_loss_soft_bp else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """Loss and soft limit of whichever is breached."""
    base = v.day_base
    if base <= 0:
        return "equity at the day roll unknown", "known"
    most = v.day_base_bp * v.account.day_loss_soft_bp
    if base - v.equity >= most:
        return f"account lost {decimal_text(base - v.equity)}", f"< {decimal_text(most)}"
    most = v.day_base_bp * v.bounds.book.day_loss_soft_bp
    return f"strategy lost {decimal_text(-v.book_profit)}", f"< {decimal_text(most)}"
