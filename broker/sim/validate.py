"""Why the broker would refuse a new order or a replace: pure checks that return (code, text) as IBKR words them."""

from typing import Final

from broker.sim.book import TRAIL, SimOrder
from broker.sim.matching import tick_nanos
from broker.sim.oca import OCA_TYPES
from core.commands import DAY, GTD, LMT, LOC, MKT, MOC, OPG, STP, STP_LMT, TIF_NAMES
from core.ids import BUY, SELL
from core.instruments import Instrument, rule_on
from core.sessions import Session

Refusal = tuple[int, str]

TICK_TEXT: Final = "The price does not conform to the minimum price variation for this contract."
_PRICED: Final = (LMT, STP_LMT, LOC)
_STOPS: Final = (STP, STP_LMT)
ON_CLOSE: Final = (MOC, LOC)


def refusal_of(order: SimOrder, instrument: Instrument, session: Session | None, ts_ns: int) -> Refusal | None:
    """The first reason to refuse a new order that arrives now; `session` is the one it would trade in."""
    if order.side not in (BUY, SELL) or order.order_type not in (MKT, *_PRICED, STP, MOC, TRAIL):
        return 321, "Error validating request: invalid side or order type was entered"
    if session is None:
        return 201, "Order rejected - reason: no trading session is known for this contract"
    if order.tif not in TIF_NAMES or (order.tif == OPG and not _opens_ahead(order, session, ts_ns)):
        return 387, "Unsupported time in force for this exchange and security type"
    if order.oca_group and order.oca_type not in OCA_TYPES:
        return 321, "Error validating request: invalid OCA type was entered"
    if order.order_type in ON_CLOSE:
        if order.tif != DAY:
            return 111, "The order type and time in force are incompatible"
        if ts_ns > session.moc_cutoff_ns:
            return 201, "Order rejected - reason: past the cut-off for on-close orders"
    if order.tif == GTD and order.gtd_ts_ns <= ts_ns:
        return 201, "Order rejected - reason: good-till date is in the past"
    return terms_refusal(
        instrument,
        session.date,
        order_type=order.order_type,
        qty_nanos=order.qty_nanos,
        limit_px_nanos=order.limit_px_nanos,
        stop_px_nanos=order.stop_px_nanos,
        trails=order.trail_nanos > 0 or order.trail_ppm > 0,
    )


def _opens_ahead(order: SimOrder, session: Session, ts_ns: int) -> bool:
    """On-open orders are market or limit orders that come before the opening auction of their day."""
    return order.order_type in (MKT, LMT) and ts_ns < session.open_ns


def terms_refusal(
    instrument: Instrument,
    date: int,
    *,
    order_type: int,
    qty_nanos: int,
    limit_px_nanos: int,
    stop_px_nanos: int,
    trails: bool = False,
) -> Refusal | None:
    """The first reason against quantity and prices, of a new order or of a replace."""
    lot = rule_on(instrument.lots, date)
    if lot is None:
        return 201, "Order rejected - reason: no size rule is known for this contract"
    if qty_nanos <= 0:
        return 434, "The order size cannot be zero"
    if qty_nanos < lot.minimum_nanos or qty_nanos % lot.increment_nanos:
        return 201, "Order rejected - reason: the size does not conform to the contract's size increment"
    for needed, px_nanos in ((order_type in _PRICED, limit_px_nanos), (order_type in _STOPS, stop_px_nanos)):
        if not needed:
            continue
        if px_nanos <= 0:
            return 107, "The order is incomplete: a price is missing"
        tick = tick_nanos(instrument, px_nanos, date)
        if tick <= 0 or px_nanos % tick:
            return 110, TICK_TEXT
    if order_type == TRAIL and not trails:
        return 107, "The order is incomplete: a trailing amount or percentage is missing"
    return None
