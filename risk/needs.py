"""What margin asks for, in value times basis points: for orders that are not plainly covered, so none of it is on the
ordinary path. Reads one order's view; decides nothing.
"""

from core.commands import OrderIntent
from risk.view import GateView


def reserved_bp(o: OrderIntent, v: GateView) -> int:
    """Working orders at the dearest rate there is."""
    a, told = v.account, v.exposure.rate_bp_max
    long_bp = told if told > a.margin_long_bp else a.margin_long_bp
    short_bp = told if told > a.margin_short_bp else a.margin_short_bp
    same, other = v.reserved_side, v.reserved - v.reserved_side
    return same * long_bp + other * short_bp if o.side > 0 else same * short_bp + other * long_bp


def new_bp(o: OrderIntent, v: GateView) -> int:
    """This order, at its own rate if the broker told one."""
    rate = v.money.conditions.rates.get((o.inst, o.side))
    flat = v.account.margin_long_bp if o.side > 0 else v.account.margin_short_bp
    return v.notional_new * (flat if rate is None else rate.initial_bp)


def initial_bp(o: OrderIntent, v: GateView) -> int:
    """Equity that everything needs (control 18)."""
    a, x = v.account, v.exposure
    held = x.unrated_long * a.margin_long_bp + x.unrated_short * a.margin_short_bp + x.rated_initial
    return held + reserved_bp(o, v) + new_bp(o, v)


def funds_bp(o: OrderIntent, v: GateView) -> int:
    """What is asked of the broker's free funds: its positions are in these already."""
    return reserved_bp(o, v) + new_bp(o, v)


def maintenance_bp(v: GateView) -> int:
    """Equity that must be kept (control 19): by the rule for all, by the broker's rates where these are higher."""
    least, x = v.account.maintenance_bp, v.exposure
    adds = v.exposure_new - v.exposure.gross  # working orders and this one
    rated = (x.unrated_long + x.unrated_short + adds) * least + x.rated_maintenance
    plain = v.exposure_new * least
    return rated if rated > plain else plain
