"""The life of every order as lines with its ids: placed, acknowledged, filled, cancelled, refused. Fed by the runner
with what it journalled, after what it caused has left; the loop only appends, the log's thread looks up and formats.

Bounded twice: so many wait, and so many lines a second are written. What is not shown is counted and said; it is all in
the trader's journal (`quantd journal show`). `ts_ns` is the engine's time, a tape's on a tape.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from core import commands as c
from core import events as e
from core import notes as n
from core.ids import SIDE_NAMES
from core.orders import Order
from core.units import exact_text
from daemon.log.line import Said

WAITING_MAX: Final = 2_048
LINES_PER_SECOND: Final = 50
BURST_MAX: Final = 500
ORDERS_KNOWN_MAX: Final = 8_192

Row = tuple[int, int, int, Any]  # ts_ns, seq, cause_seq, message


class OrderLog:
    """One run's. `take…` on the loop, `lines` in the log's thread."""

    def __init__(self, symbols: tuple[str, ...], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._symbols = symbols
        self._clock = clock
        self._rows: deque[Row] = deque(maxlen=WAITING_MAX)
        self._taken = 0  # written by the loop alone
        self._seen = 0  # written by the log's thread alone
        self._known: OrderedDict[int, dict[str, Any]] = OrderedDict()  # what every line of an order says
        self._allowance = float(BURST_MAX)
        self._refilled_s = clock()
        self._hidden = 0

    # ---- on the loop -------------------------------------------------------------------------------------------
    def take_records(self, ts_ns: int, cause_seq: int, records: Sequence[tuple[int, int, Any]]) -> None:
        """What one step recorded: (kind, seq, message)."""
        for _, seq, message in records:
            if type(message) in _TOLD:
                self._taken += 1
                self._rows.append((ts_ns, seq, cause_seq, message))

    def take_event(self, ts_ns: int, seq: int, event: Any) -> None:
        """One input; for an answer of our own port its outcome."""
        if type(event) in _TOLD:
            self._taken += 1
            self._rows.append((ts_ns, seq, 0, event))

    # ---- in the log's thread -----------------------------------------------------------------------------------
    def know(self, orders: Iterable[Order]) -> None:
        """Orders an earlier run placed; before the first line."""
        for order in orders:
            self._remember(order.order_id, self._of(order.strategy, order.inst, order.parent_id, order.order_ref))

    def lines(self) -> list[Said]:
        """What may be shown by now; how many were not."""
        now_s = self._clock()
        self._allowance = min(BURST_MAX, self._allowance + (now_s - self._refilled_s) * LINES_PER_SECOND)
        self._refilled_s = now_s
        found = []
        waiting = [self._rows.popleft() for _ in range(len(self._rows))]
        self._seen += len(waiting)
        waiting.sort(key=lambda row: row[1])  # a fact is told after what it caused, which left first
        for row in waiting:
            line = self._line(row)
            if self._allowance >= 1:
                self._allowance -= 1
                found.append(line)
            else:
                self._hidden += 1
        overtaken = self._taken - self._seen - len(self._rows)  # gave way before they were looked at
        if overtaken > 0:
            self._seen += overtaken
            self._hidden += overtaken
        if self._hidden and self._allowance >= 1:
            fields = {"event": "orders not shown", "count": self._hidden, "see": "quantd journal show"}
            found.append(Said("info", time.time_ns(), fields))
            self._hidden = 0
        return found

    def _line(self, row: Row) -> Said:
        ts_ns, seq, cause_seq, message = row
        event, fields = _TOLD[type(message)](self, message)
        ids: dict[str, Any] = {"ts_ns": ts_ns, "seq": seq} | ({"cause_seq": cause_seq} if cause_seq else {})
        known = self._known.get(fields["order_id"], {})
        return Said("info", time.time_ns(), {"event": event, **ids, **known, **fields})

    def _remember(self, order_id: int, fields: dict[str, Any]) -> None:
        self._known[order_id] = fields
        self._known.move_to_end(order_id)
        if len(self._known) > ORDERS_KNOWN_MAX:
            self._known.popitem(last=False)

    def _of(self, strategy: str, inst: int, parent_id: int, order_ref: str) -> dict[str, Any]:
        symbol = self._symbols[inst] if 0 <= inst < len(self._symbols) else str(inst)
        fields: dict[str, Any] = {"strategy": strategy, "symbol": symbol, "parent_id": parent_id}
        return fields | ({"order_ref": order_ref} if order_ref else {})

    # ---- one kind each: the event's name and its fields ---------------------------------------------------------
    def _placed(self, told: Any) -> tuple[str, dict[str, Any]]:
        intent = told.order.intent
        known = self._of(intent.strategy, intent.inst, intent.parent_id, told.order.order_ref)
        self._remember(intent.order_id, known)
        fields = known | {
            "order_id": intent.order_id,
            "side": SIDE_NAMES[intent.side],
            "qty": exact_text(intent.qty_nanos),
            "type": c.ORDER_TYPE_NAMES.get(intent.order_type, str(intent.order_type)),
            "limit_px": exact_text(intent.limit_px_nanos),
        }
        return ("order placed", fields) if not intent.version else ("order replace asked", fields | _version(intent))

    def _refused(self, told: n.Refusal) -> tuple[str, dict[str, Any]]:
        first = told.failures[0]
        fields = self._of(told.strategy, told.inst, told.parent_id, "") | {
            "order_id": told.order_id,
            "side": SIDE_NAMES[told.side],
            "qty": exact_text(told.qty_nanos),
            "control": first.control,
            "code": first.code,
            "value": first.value,
            "limit": first.limit,
            "failures": len(told.failures),
        }
        return "order refused", fields

    def _filled(self, told: e.OrderFilled) -> tuple[str, dict[str, Any]]:
        fields = {
            "order_id": told.order_id,
            "exec_id": told.exec_id,
            "side": SIDE_NAMES[told.side],
            "qty": exact_text(told.qty_nanos),
            "px": exact_text(told.px_nanos),
            "perm_id": told.perm_id,
        }
        return "order filled", fields | ({"order_ref": told.order_ref} if told.order_ref else {})

    def _corrected(self, told: e.ExecutionCorrected) -> tuple[str, dict[str, Any]]:
        fields = {
            "order_id": told.order_id,
            "exec_id": told.exec_id,
            "corrects": told.corrects,
            "qty": exact_text(told.qty_nanos),
            "px": exact_text(told.px_nanos),
        }
        return "execution corrected", fields

    def _replaced(self, told: e.OrderReplaced) -> tuple[str, dict[str, Any]]:
        numbers = {"qty": exact_text(told.qty_nanos), "limit_px": exact_text(told.limit_px_nanos)}
        return "order replaced", {"order_id": told.order_id} | _version(told) | numbers


def _version(told: Any) -> dict[str, Any]:
    return {"version": told.version}


def _plainly(event: str, *names: str) -> Callable[[OrderLog, Any], tuple[str, dict[str, Any]]]:
    """A kind whose fields are shown as they are."""

    def tell(_: OrderLog, told: Any) -> tuple[str, dict[str, Any]]:
        return event, {name: getattr(told, name) for name in ("order_id", *names)}

    return tell


_TOLD: Final[dict[type, Callable[[OrderLog, Any], tuple[str, dict[str, Any]]]]] = {
    c.PlaceOrder: OrderLog._placed,
    c.ReplaceOrder: OrderLog._placed,
    c.CancelOrder: _plainly("order cancel asked", "reason"),
    c.SettleOrder: _plainly("order settled", "outcome", "reason"),
    c.NotSent: _plainly("order not sent", "version", "reason"),
    n.Refusal: OrderLog._refused,
    e.OrderAcknowledged: _plainly("order acknowledged", "perm_id"),
    e.OrderFilled: OrderLog._filled,
    e.ExecutionCorrected: OrderLog._corrected,
    e.OrderCancelled: _plainly("order cancelled", "reason"),
    e.OrderRejected: _plainly("order rejected", "code", "text"),
    e.OrderReplaced: OrderLog._replaced,
    e.ReplaceRejected: _plainly("order replace rejected", "version", "code", "text"),
    e.CancelRejected: _plainly("order cancel rejected", "code", "text"),
    e.OrderInactivated: _plainly("order inactive", "reason"),
}
