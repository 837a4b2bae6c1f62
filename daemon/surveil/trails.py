"""Every order of one trading day as the journal tells it: what was sent when, what became of it, and each execution.

Reads commands, broker facts and outcomes, in order; runs no strategy and judges nothing. Works beside a live trader.
"""

from pathlib import Path
from typing import Any, Final

import msgspec

from core import commands as c
from core import events as e
from core import records as r
from core.errors import QuantdError
from daemon.journal import JournalReader
from daemon.journal_fold import journal_settings

KINDS: Final = frozenset({r.INPUT, r.COMMAND, r.OUTCOME})
_ENDS: Final = (e.OrderCancelled, e.OrderRejected)


class Trail(msgspec.Struct, gc=False, kw_only=True):
    """One order from its sending to its end. Prices and quantities are nanos, times UTC ns; 0 = not yet."""

    order_id: int
    ref: str
    strategy: str
    operator: str
    inst: int
    side: int
    px_nanos: int
    qty_nanos: int
    sent_ns: int
    ended_ns: int = 0
    filled_nanos: int = 0
    messages: int = 1

    def until(self, end_ns: int) -> int:
        """When it ended, or the end of what is looked at."""
        return self.ended_ns or end_ns


class Execution(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One execution of an order of ours."""

    exec_id: str
    order_id: int
    strategy: str
    inst: int
    side: int
    qty_nanos: int
    px_nanos: int
    ts_ns: int


class Message(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One order, replace or cancel that left."""

    ts_ns: int
    inst: int
    order_id: int


class Day(msgspec.Struct, kw_only=True):
    """One trading day."""

    date: int
    symbols: tuple[str, ...]
    orders: dict[int, Trail] = {}
    executions: list[Execution] = []
    messages: list[Message] = []
    end_ns: int = 0  # of the last record


def read_day(journal: Path, date: int) -> Day:
    """The day's orders. Raises QuantdError when the journal has no record of the day."""
    reading = _Reading(date, journal_settings(journal).symbols)
    for record in JournalReader(journal).records(KINDS):
        reading.take(record.ts_ns, r.decode(record.kind, record.payload))
    if not reading.seen:
        dates = sorted(reading.dates)
        held = f"it holds {dates[0]} to {dates[-1]}" if dates else "it holds no trading day"
        raise QuantdError(f"{date}: no record of this day in {journal}: {held}")
    return reading.day


class _Reading:
    def __init__(self, date: int, symbols: tuple[str, ...]) -> None:
        self.day = Day(date=date, symbols=symbols)
        self.dates: dict[int, None] = {}
        self.seen = False
        self._date = 0
        self._booked: dict[str, None] = {}

    def take(self, ts_ns: int, message: Any) -> None:
        """The next record of any day."""
        if type(message) is e.DayRolled:
            self._date = message.date
            self.dates[message.date] = None
        if self._date != self.day.date:
            return
        self.seen = True
        self.day.end_ns = ts_ns
        known = type(message)
        if known is c.PlaceOrder:
            self._placed(ts_ns, message.order)
        elif known is c.ReplaceOrder:
            self._changed(ts_ns, message.order.intent.order_id)
        elif known is c.CancelOrder:
            self._changed(ts_ns, message.order_id)
        elif known is c.NotSent:
            self._not_sent(message)
        elif known is e.OrderFilled or known is e.ExecutionReported:
            self._executed(ts_ns, message)
        elif known in _ENDS:
            self._ended(ts_ns, message.order_id)

    def _placed(self, ts_ns: int, order: c.ApprovedOrder) -> None:
        i = order.intent
        self.day.orders[i.order_id] = Trail(
            order_id=i.order_id,
            ref=order.order_ref,
            strategy=i.strategy,
            operator=i.operator,
            inst=i.inst,
            side=i.side,
            px_nanos=i.limit_px_nanos,
            qty_nanos=i.qty_nanos,
            sent_ns=ts_ns,
        )
        self.day.messages.append(Message(ts_ns=ts_ns, inst=i.inst, order_id=i.order_id))

    def _changed(self, ts_ns: int, order_id: int) -> None:
        trail = self.day.orders.get(order_id)
        if trail is not None:
            trail.messages += 1
            self.day.messages.append(Message(ts_ns=ts_ns, inst=trail.inst, order_id=order_id))

    def _not_sent(self, outcome: c.NotSent) -> None:
        """It never left: no trail of it."""
        if not outcome.version and self.day.orders.pop(outcome.order_id, None) is not None:
            self.day.messages = [x for x in self.day.messages if x.order_id != outcome.order_id]

    def _executed(self, ts_ns: int, fill: e.OrderFilled | e.ExecutionReported) -> None:
        trail = self.day.orders.get(fill.order_id)
        if trail is None or fill.exec_id in self._booked:
            return
        self._booked[fill.exec_id] = None
        trail.filled_nanos += fill.qty_nanos
        if trail.filled_nanos >= trail.qty_nanos:
            self._ended(ts_ns, fill.order_id)
        self.day.executions.append(
            Execution(
                exec_id=fill.exec_id,
                order_id=fill.order_id,
                strategy=trail.strategy,
                inst=trail.inst,
                side=trail.side,
                qty_nanos=fill.qty_nanos,
                px_nanos=fill.px_nanos,
                ts_ns=ts_ns,
            )
        )

    def _ended(self, ts_ns: int, order_id: int) -> None:
        trail = self.day.orders.get(order_id)
        if trail is not None and not trail.ended_ns:
            trail.ended_ns = ts_ns
