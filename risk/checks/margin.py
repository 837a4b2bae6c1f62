"""Control 18: the local estimate of the equity that positions, working orders and this order need; unknown equity
denies. The rates are flat (long and short) until the broker's own what-if answers refresh them.
"""

from core.commands import OrderIntent
from core.units import BP, decimal_text
from risk.view import GateView

CONTROL: int = 18
CODE: str = "MARGIN"
LIFT: str = "operator: add cash or close positions; exits pass"


def check(o: OrderIntent, v: GateView) -> int:
    """Longs and short positions at their rates, working buys as longs, working sells as shorts."""
    if v.reduce_only:
        return 0
    if v.equity <= 0:
        return CONTROL
    if v.exposure_new <= v.equity_bp * v.account.margin_free_bp:
        return 0  # enough even if all of it were short: the ordinary case needs no more
    return CONTROL if _needed_bp2(o, v) > 2 * BP * v.equity else 0


def _needed_bp2(o: OrderIntent, v: GateView) -> int:
    """Needed equity, times basis points, times two: long value is (gross + net) / 2."""
    a = v.account
    same = v.reserved_side + v.notional_new
    other = v.reserved - v.reserved_side
    buys, sells = (same, other) if o.side > 0 else (other, same)
    return (v.gross + v.net + 2 * buys) * a.margin_long_bp + (v.gross - v.net + 2 * sells) * a.margin_short_bp


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """Needed equity against equity."""
    if v.equity <= 0:
        return "equity unknown", "known and positive"
    return decimal_text(_needed_bp2(o, v) // (2 * BP)), decimal_text(v.equity)
