"""The market as an order sees it: regular hours, touch, tick and lot of one instrument, or None where nothing may be
sent. Owns how prices are rounded to the tick: a resting price never away from the market, a limit never beyond its
bound.
"""

from typing import Final

import msgspec

from core.ids import Side
from core.instruments import LotRule, TickRule, increment_at, rule_on
from core.market import FIELDS, INDEX
from core.ports import Context

_BID: Final = INDEX["bid_px_nanos"]
_ASK: Final = INDEX["ask_px_nanos"]
_USABLE: Final = INDEX["usable"]
_BLIND: Final = INDEX["blind"]
_HALTED: Final = INDEX["halted"]


class Day(msgspec.Struct, frozen=True, gc=False):
    """Regular hours [open_ns, close_ns) of an instrument and its rules in force; None = none, so nothing is sent."""

    open_ns: int
    close_ns: int
    tick: TickRule | None
    lot: LotRule | None
    cutoff_ns: int = 0  # last moment for an on-close order


_NO_DAY: Final = Day(0, 0, None, None)


class Days:
    """Finds the regular session of a time. Remembers the day found last, because nearly every question is about it;
    a live tick rule makes it look again.
    """

    __slots__ = ("_context", "_last")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._last = [_NO_DAY] * len(context.instruments)
        context.on_rules(self._forget)

    def _forget(self, inst: int) -> None:
        self._last[inst] = _NO_DAY

    def regular(self, inst: int, ts_ns: int) -> Day | None:
        """The day whose regular hours hold `ts_ns`; None outside."""
        day = self._last[inst]
        return day if day.open_ns <= ts_ns < day.close_ns else self._find(inst, ts_ns)

    def _find(self, inst: int, ts_ns: int) -> Day | None:
        session = self._context.calendars[inst].session(ts_ns)
        if session is None or not session.open_ns <= ts_ns < session.close_ns:
            return None
        instrument = self._context.instruments[inst]
        tick, lot = rule_on(instrument.ticks, session.date), rule_on(instrument.lots, session.date)
        day = self._last[inst] = Day(session.open_ns, session.close_ns, tick, lot, session.moc_cutoff_ns)
        return day


class Touch(msgspec.Struct, frozen=True, gc=False):
    """Best prices with the rules of the day."""

    bid_px_nanos: int
    ask_px_nanos: int
    tick: TickRule
    lot: LotRule


def quote_fault(context: Context, inst: int) -> str:
    """Why the quote must not be traded on; "" = it may."""
    at = inst * FIELDS
    view = context.market.view
    if view[at + _HALTED]:
        return "instrument halted"
    if view[at + _BLIND]:
        return "no quote since the last gap"
    return "" if view[at + _USABLE] else "quote not usable"


def touch_of(context: Context, inst: int, day: Day) -> Touch | None:
    """None without a usable quote or without a rule for the day."""
    tick, lot = day.tick, day.lot
    at = inst * FIELDS
    view = context.market.view
    if tick is None or lot is None or view[at + _HALTED] or view[at + _BLIND] or not view[at + _USABLE]:
        return None
    return Touch(view[at + _BID], view[at + _ASK], tick, lot)


def to_tick(rule: TickRule, px_nanos: int, up: bool) -> int:
    """The nearest price on the grid, up or down."""
    bands = rule.increments
    tick = bands[0][1] if len(bands) == 1 else increment_at(rule, px_nanos)
    return -(-px_nanos // tick) * tick if up else px_nanos // tick * tick


def passive_px(touch: Touch, side: Side, limit_px_nanos: int) -> int:
    """At the near touch, within the parent's limit (0 = none); rounded so that it never crosses by rounding."""
    near = touch.bid_px_nanos if side > 0 else touch.ask_px_nanos
    px = to_tick(touch.tick, near, side < 0)
    return _within(touch.tick, side, px, limit_px_nanos) if limit_px_nanos else px


def crossing_px(touch: Touch, side: Side, limit_px_nanos: int, ticks: int) -> int:
    """At the far touch and up to `ticks` beyond it, within the parent's limit (0 = none)."""
    far = touch.ask_px_nanos if side > 0 else touch.bid_px_nanos
    grid = to_tick(touch.tick, far, side > 0)
    tick = increment_at(touch.tick, grid)
    px = grid + side * ticks * tick
    if px < tick:
        px = tick
    return _within(touch.tick, side, px, limit_px_nanos) if limit_px_nanos else px


def is_marketable(touch: Touch, side: Side, px_nanos: int) -> bool:
    """Whether a limit at this price reaches the far touch."""
    return px_nanos >= touch.ask_px_nanos if side > 0 else px_nanos <= touch.bid_px_nanos


def _within(rule: TickRule, side: Side, px_nanos: int, limit_px_nanos: int) -> int:
    bound = to_tick(rule, limit_px_nanos, side < 0)
    return min(px_nanos, bound) if side > 0 else max(px_nanos, bound)
