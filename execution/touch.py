"""The market as an order sees it: touch, tick and lot of one instrument, or None where nothing may be sent. Owns how
prices are rounded to the tick: a resting price never away from the market, a limit never beyond its bound.
"""

import msgspec

from core.ids import Side
from core.instruments import LotRule, TickRule, increment_at, rule_on
from core.market import FIELDS, INDEX
from core.ports import Context
from core.sessions import Session

_BID = INDEX["bid_px_nanos"]
_ASK = INDEX["ask_px_nanos"]
_USABLE = INDEX["usable"]
_BLIND = INDEX["blind"]
_HALTED = INDEX["halted"]


class Touch(msgspec.Struct, frozen=True, gc=False):
    """Best prices with the rules of the day."""

    bid_px_nanos: int
    ask_px_nanos: int
    tick: TickRule
    lot: LotRule


def regular_session(context: Context, inst: int, ts_ns: int) -> Session | None:
    """The session, if it is in its regular hours."""
    session = context.calendars[inst].session(ts_ns)
    if session is None or not session.open_ns <= ts_ns < session.close_ns:
        return None
    return session


def quote_fault(context: Context, inst: int) -> str:
    """Why the quote must not be traded on; "" = it may."""
    at = inst * FIELDS
    view = context.market.view
    if view[at + _HALTED]:
        return "instrument halted"
    if view[at + _BLIND]:
        return "no quote since the last gap"
    return "" if view[at + _USABLE] else "quote not usable"


def touch_of(context: Context, inst: int, session: Session) -> Touch | None:
    """None without a usable quote or without a rule for the day."""
    if quote_fault(context, inst):
        return None
    instrument = context.instruments[inst]
    tick = rule_on(instrument.ticks, session.date)
    lot = rule_on(instrument.lots, session.date)
    if tick is None or lot is None:
        return None
    at = inst * FIELDS
    return Touch(context.market.view[at + _BID], context.market.view[at + _ASK], tick, lot)


def to_tick(rule: TickRule, px_nanos: int, *, up: bool) -> int:
    """The nearest price on the grid, up or down."""
    tick = increment_at(rule, px_nanos)
    return -(-px_nanos // tick) * tick if up else px_nanos // tick * tick


def passive_px(touch: Touch, side: Side, limit_px_nanos: int) -> int:
    """At the near touch, within the parent's limit (0 = none); rounded so that it never crosses by rounding."""
    near = touch.bid_px_nanos if side > 0 else touch.ask_px_nanos
    return _within(touch.tick, side, to_tick(touch.tick, near, up=side < 0), limit_px_nanos)


def crossing_px(touch: Touch, side: Side, limit_px_nanos: int, ticks: int) -> int:
    """At the far touch and up to `ticks` beyond it, within the parent's limit (0 = none)."""
    far = touch.ask_px_nanos if side > 0 else touch.bid_px_nanos
    grid = to_tick(touch.tick, far, up=side > 0)
    tick = increment_at(touch.tick, grid)
    px = grid + side * ticks * tick
    return _within(touch.tick, side, px if px > tick else tick, limit_px_nanos)


def is_marketable(touch: Touch, side: Side, px_nanos: int) -> bool:
    """Whether a limit at this price reaches the far touch."""
    return px_nanos >= touch.ask_px_nanos if side > 0 else px_nanos <= touch.bid_px_nanos


def _within(rule: TickRule, side: Side, px_nanos: int, limit_px_nanos: int) -> int:
    if not limit_px_nanos:
        return px_nanos
    bound = to_tick(rule, limit_px_nanos, up=side < 0)
    return min(px_nanos, bound) if side > 0 else max(px_nanos, bound)
