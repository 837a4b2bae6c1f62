"""Control 6: gross and net value of the account with every working order filled and this one, absolute and against
equity, and the gross of the strategy's own book (15c3-5 (c)(1)(i): in the aggregate). An order that offsets a position
still counts in full: until it fills, it is risk.
"""

from core.commands import OrderIntent
from core.units import decimal_text
from risk.view import GateView

CONTROL: int = 6
CODE: str = "MAX_EXPOSURE"
LIFT: str = "operator: raise the limit in the config; exits pass"


def check(o: OrderIntent, v: GateView) -> int:
    """Values as the gate prices them."""
    if v.reduce_only:
        return 0
    a = v.account
    gross = v.exposure_new
    if gross > a.gross_max_nanos or gross > v.equity_bp * a.gross_equity_bp_max:
        return CONTROL
    new = v.notional_new
    if (v.exposure.net if o.side > 0 else -v.exposure.net) + v.reserved_side + new > a.net_max_nanos:
        return CONTROL
    book = v.bounds.book
    own = v.book_gross + v.reserved_book + new
    return CONTROL if own > book.gross_max_nanos or own > v.equity_bp * book.gross_equity_bp_max else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """The first bound that breaks."""
    a, book = v.account, v.bounds.book
    gross = v.exposure_new
    net = o.side * v.exposure.net + v.reserved_side + v.notional_new
    own = v.book_gross + v.reserved_book + v.notional_new
    for name, value, most in (
        ("gross", gross, a.gross_max_nanos),
        ("gross", gross, v.equity_bp * a.gross_equity_bp_max),
        ("net", net, a.net_max_nanos),
        ("strategy gross", own, book.gross_max_nanos),
    ):
        if value > most:
            return f"{name} {decimal_text(value)}", decimal_text(most)
    return f"strategy gross {decimal_text(own)}", decimal_text(v.equity_bp * book.gross_equity_bp_max)
