"""Control 17: a sale of more than is owned, with every resting sale filled, is a short sale. It needs shares to borrow,
told by the broker and young enough (15c3-5 (c)(2)(i); Reg SHO 203(b)), and where the short-sale restriction holds, a
limit above the national best bid (Rule 201, 17 CFR 242.201).

An order that sells through zero is refused: it would be long in part and short in part, and a sale carries one mark
(Reg SHO 200(g)). Send what is owned first, the rest as an order of its own. Buys, and sales of what is owned, pass.
"""

from core.commands import OrderIntent
from core.units import exact_text
from risk.laid_down import EASY_MILLI
from risk.view import GateView

CONTROL: int = 17
CODE: str = "SHORT_SALE"
LIFT: str = "by itself: when shares can be borrowed and the restriction is over; or sell what is owned"


def check(o: OrderIntent, v: GateView) -> int:
    """Owned first: everything else is a short sale."""
    if o.side > 0 or v.worst <= 0:
        return 0
    if v.position > v.sell_qty:
        return CONTROL
    if v.borrow_level <= EASY_MILLI or v.borrow_age_ns > v.account.borrow_ns_max:
        return CONTROL
    if 0 <= v.borrow_shares < v.worst:
        return CONTROL
    return CONTROL if v.short_restricted and (not v.limited or o.limit_px_nanos <= v.bid or not v.usable) else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """What is missing, and the remedy."""
    short = v.worst
    if v.position > v.sell_qty:
        own = exact_text(v.position - v.sell_qty)
        return f"sells through zero: {exact_text(v.qty_new)} of {own} owned", f"sell {own} first, the rest by itself"
    if v.borrow_level < 0:
        return "nothing told of shares to borrow", "a level above 2.5 (easy to borrow)"
    if v.borrow_level <= EASY_MILLI:
        return f"level {exact_text(v.borrow_level * 10**6)}: a locate is needed", "above 2.5 (easy to borrow)"
    if v.borrow_age_ns > v.account.borrow_ns_max:
        return f"told {exact_text(v.borrow_age_ns)} s ago", f"{exact_text(v.account.borrow_ns_max)} s"
    if v.borrow_shares >= 0 and short > v.borrow_shares:
        return f"{exact_text(short)} short", f"{exact_text(v.borrow_shares)} to borrow"
    return "short-sale restriction", f"a limit above the bid {exact_text(v.bid)}"
