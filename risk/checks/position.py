"""Control 5: the worst position this order can lead to: what is held, every working order of the same side (other
clients' too) and this one filled; of the account and of the strategy's own book (RTS 6 art. 17(4)).
"""

from core.commands import OrderIntent
from core.units import NANO, decimal_text, exact_text
from risk.view import GateView

CONTROL: int = 5
CODE: str = "MAX_POSITION"
LIFT: str = "operator: raise the limit in the config; exits pass"


def check(o: OrderIntent, v: GateView) -> int:
    """In shares, and as a share of equity."""
    if v.reduce_only:
        return 0
    b = v.bounds
    worst = v.worst
    own = v.own_worst
    if o.side > 0:
        if worst > b.position_long_max_nanos or own > b.book_long_max_nanos:
            return CONTROL
    elif worst > b.position_short_max_nanos or own > b.book_short_max_nanos:
        return CONTROL
    bp = b.book_equity_bp_max
    if worst * v.value_px > v.equity_bp * b.position_equity_bp_max * NANO:
        return CONTROL
    if own <= worst and bp == b.position_equity_bp_max:
        return 0  # the book is within the account and has no tighter limit: the same product again
    return CONTROL if own * v.value_px > v.equity_bp * bp * NANO else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """The first bound that breaks, of the account and then of the book."""
    b, worst, own = v.bounds, v.worst, v.own_worst
    if o.side > 0:
        most, most_own = b.position_long_max_nanos, b.book_long_max_nanos
    else:
        most, most_own = b.position_short_max_nanos, b.book_short_max_nanos
    side = "long" if o.side > 0 else "short"
    if worst > most:
        return f"account {exact_text(worst)} {side}", exact_text(most)
    if own > most_own:
        return f"strategy {exact_text(own)} {side}", exact_text(most_own)
    name, qty, bp = "strategy", own, b.book_equity_bp_max
    if worst * v.value_px > v.equity_bp * b.position_equity_bp_max * NANO:
        name, qty, bp = "account", worst, b.position_equity_bp_max
    return f"{name} {decimal_text(qty * v.value_px // NANO)} {side}", decimal_text(v.equity_bp * bp)
