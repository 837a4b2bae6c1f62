"""Control 4: an order the exchange could not take is refused here: type, time in force, tick, lot, price, GTD time, and
what a replace may change (15c3-5 (c)(2)(i)). The legal stops are the disaster stop, which only reduces, and one that
closes what a manual order filled; that, and the limit order beside it, are never for more than their book holds.
"""

from typing import Final

from core.commands import (
    DAY,
    FOK,
    GTC,
    GTD,
    INTENT_DISASTER,
    INTENT_PROTECT,
    IOC,
    LMT,
    LOC,
    MKT,
    MOC,
    OPG,
    ORDER_TYPE_NAMES,
    STP,
    TIF_NAMES,
    OrderIntent,
)
from core.sessions import CLOSED
from core.units import exact_text
from risk.view import GateView

CONTROL: int = 4
CODE: str = "ORDER_INVALID"
LIFT: str = "nobody: the order is wrong"

_LEGAL: Final = {
    LMT: (DAY, GTC, IOC, FOK, GTD, OPG),
    MKT: (DAY, IOC, FOK, OPG),
    MOC: (DAY,),
    LOC: (DAY,),
    STP: (DAY, GTC),
}
_NONE: Final[tuple[int, ...]] = ()


def check(o: OrderIntent, v: GateView) -> int:
    """Every rule; tick and lot need the day's rules, which control 48 asks for."""
    if o.tif != DAY or o.gtd_ts_ns or o.order_type not in _LEGAL:  # all types that are legal are so for the day
        if o.tif not in _LEGAL.get(o.order_type, _NONE):
            return CONTROL
        if o.tif == GTC and not v.account.good_till_cancelled:
            return CONTROL
        if (o.gtd_ts_ns <= v.ts_ns) if o.tif == GTD else o.gtd_ts_ns:
            return CONTROL
    if not v.replace_legal or o.qty_nanos <= 0:
        return CONTROL
    limit = o.limit_px_nanos
    rules = v.rules
    stop = o.stop_px_nanos
    if o.purpose == INTENT_PROTECT:
        if o.version or v.own_worst > 0 or ((o.order_type != LMT or stop) and (o.order_type != STP or stop <= 0)):
            return CONTROL
        tick = rules.increment_at(stop) if stop > 0 else 0
        if tick and stop % tick:
            return CONTROL
    elif stop or o.purpose == INTENT_DISASTER:
        if o.order_type != STP or o.purpose != INTENT_DISASTER or stop <= 0 or not v.reduce_only or o.version:
            return CONTROL
        tick = rules.increment or rules.increment_at(stop)
        if (tick and stop % tick) or (stop - v.reference) * o.side <= 0:
            return CONTROL
    if rules.lot_increment and (o.qty_nanos % rules.lot_increment or o.qty_nanos < rules.lot_minimum):
        return CONTROL
    if v.limited:
        if limit <= 0:
            return CONTROL
        tick = rules.increment or rules.increment_at(limit)
        if tick and limit % tick:
            return CONTROL
        return 0
    return CONTROL if limit or (o.order_type == STP and not stop) else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """The first broken rule."""
    kind = ORDER_TYPE_NAMES.get(o.order_type, str(o.order_type))
    tif = TIF_NAMES.get(o.tif, str(o.tif))
    limit = o.limit_px_nanos
    if not v.replace_legal:
        return f"replace {o.version} of order {o.order_id}", "a working, answered order of the same kind, newer version"
    if o.tif not in _LEGAL.get(o.order_type, _NONE) or (o.tif == GTC and not v.account.good_till_cancelled):
        return f"{kind} {tif}", "a legal type and time in force"
    if (o.gtd_ts_ns <= v.ts_ns) if o.tif == GTD else o.gtd_ts_ns:
        return f"GTD time {o.gtd_ts_ns}", f"after {v.ts_ns} for GTD, else none"
    if o.purpose == INTENT_PROTECT and (o.version or v.own_worst > 0):
        return (
            f"closes {exact_text(v.own_worst)} more than its book holds",
            "at most what the book holds, as a new order",
        )
    if o.stop_px_nanos or o.order_type == STP or o.purpose == INTENT_DISASTER:
        return f"{kind} stop {exact_text(o.stop_px_nanos)}", "a disaster stop: reduce-only, on tick, beyond the market"
    if (limit <= 0) if v.limited else limit:
        return f"limit {exact_text(limit)}", "a positive price" if v.limited else f"no price with {kind}"
    return _grid(o, v)


def _grid(o: OrderIntent, v: GateView) -> tuple[str, str]:
    rules = v.rules
    lot = rules.lot_increment
    if o.qty_nanos <= 0 or (lot and (o.qty_nanos % lot or o.qty_nanos < rules.lot_minimum)):
        wanted = (
            f"a multiple of {exact_text(lot)}, at least {exact_text(rules.lot_minimum)}" if v.phase != CLOSED else "> 0"
        )
        return f"quantity {exact_text(o.qty_nanos)}", wanted
    tick = rules.increment_at(o.limit_px_nanos)
    return f"limit {exact_text(o.limit_px_nanos)}", f"a multiple of {exact_text(tick)}"
