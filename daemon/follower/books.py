"""The books beside the record: core's own fold over what is journalled, and which orders, parents and positions moved.
Knows money state and rows of the state tables; no database.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from core import commands as c
from core import events as e
from core.book_commands import CorrectBooks
from core.errors import Bug, JournalError
from core.fees import FeeTable
from core.ledger import Execution
from core.money.fold import fold_command, fold_input, fold_outcome
from core.money.snapshot import dump, load
from core.money.state import Money
from core.orders import Order
from core.parents import Parent
from core.records import COMMAND, INPUT, OUTCOME, REFERENCE, decode
from core.reference import ConfigResolved, FeesLoaded
from daemon.follower.book_states import MOVE_ACTIONS, BookStates
from daemon.follower.fees import FeeSplits, exec_of, newest_fees
from daemon.journal import JournalReader, latest_snapshot
from daemon.journal_fold import MONEY_PART, journal_settings, money_settings

Row = tuple[Any, ...]

_FOLDS: Final[dict[int, Callable[[Money, int, int, Any], None]]] = {
    INPUT: fold_input,
    COMMAND: fold_command,
    OUTCOME: fold_outcome,
}
# These may move any order: whichever has this record in its story was moved by it.
_MOVE_MANY: Final = frozenset({c.CancelAllOrders, e.LinkLost, e.TraderStarted, e.StepFailed, e.SyncCompleted})
# A sync tells every order again each time: only what moved is an event of the order.
_REPORTS: Final = frozenset({e.OpenOrderReported, e.CompletedOrderReported, e.ExecutionReported})
_EXECUTES: Final = frozenset({e.OrderFilled, e.ExecutionReported, e.ExecutionCorrected, c.SettleOrder, CorrectBooks})
_FOLD_FAULTS: Final = (Bug, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class Moved(msgspec.Struct, kw_only=True):
    """What one record did: orders by id (None = one we do not know), the execution it booked, why the fold failed."""

    orders: dict[int, Order | None] = {}
    exec_id: str = ""
    execution: Execution | None = None
    fees: tuple[tuple[str, str, int], ...] = ()  # (kind, source, amount) of the commission of `charged`
    charged: str = ""
    fault: str = ""


class Books:
    """Money state of one journal, and what of it changed since `rows` was last called.

    Before the first config there are no books: nothing is folded then.
    """

    def __init__(self, money: Money | None = None, fees: FeeTable | None = None) -> None:
        self.money = money
        self._fees = FeeSplits(fees)
        self._states = BookStates()
        self._orders: dict[int, Order] = {}  # by reference: the fold may forget an ended order before we look
        self._parents: dict[int, Parent] = {}
        self._written: dict[tuple[str, int], Row] = {}  # of what is live
        self._positions: dict[tuple[str, int], Row] = {}

    def symbol(self, inst: int) -> str:
        """Name of an instrument in the run at hand."""
        symbols = () if self.money is None else self.money.settings.symbols
        return symbols[inst] if 0 <= inst < len(symbols) else ""

    def take(self, kind: int, seq: int, ts_ns: int, message: Any) -> Moved:
        """Fold one message. A fault of the fold is told, never raised: the record is complete without it."""
        moved = Moved()
        if type(message) is ConfigResolved:
            moved.fault = self._configure(message)
        elif type(message) is FeesLoaded:
            self._fees.load(message)
        fold = _FOLDS.get(kind)
        if fold is None:
            return moved
        order_id = _order_of(message)
        if self.money is None:
            moved.orders = {order_id: None} if order_id else {}
            return moved
        many = list(self.money.live_orders.values()) if type(message) in _MOVE_MANY else []
        ledger = self.money.ledger
        booked = len(ledger.executions) if type(message) in _EXECUTES else -1
        moved.charged = exec_of(message)
        before = self._fees.told(ledger, moved.charged)
        try:
            fold(self.money, seq, ts_ns, message)
        except _FOLD_FAULTS as fault:
            moved.fault = f"{type(message).__name__} cannot be folded: {fault}"
        self.money.odds.clear()
        self._states.actions_moved |= type(message) in MOVE_ACTIONS
        if type(message) is e.DayRolled:
            self._fees.forget()
        order = self.money.orders.get(order_id)
        if order_id and (type(message) not in _REPORTS or order is None or _moved_at(order, seq)):
            moved.orders = {order_id: order}
        moved.orders |= {order.order_id: order for order in many if _moved_at(order, seq)}
        if booked >= 0 and len(self.money.ledger.executions) > booked:
            moved.exec_id, moved.execution = next(reversed(self.money.ledger.executions.items()))
            self._fees.booked(moved.execution)
        if moved.charged and self._fees.told(ledger, moved.charged) != before:
            moved.fees = tuple(self._fees.parts(ledger, moved.charged, self.money.trading_date))
        self._remember(message, moved)
        return moved

    def rows(self) -> Iterator[tuple[str, Row]]:
        """(table, row) of every order, parent and position that is not as it was last time."""
        money = self.money
        if money is None:
            return
        orders, parents = self._orders | money.live_orders, self._parents | money.live_parents
        now = {("orders", number): self._order_row(order) for number, order in orders.items()}
        now |= {("parents", number): self._parent_row(parent) for number, parent in parents.items()}
        for key, row in now.items():
            if self._written.get(key) != row:
                yield key[0], row
        self._orders, self._parents = dict(money.live_orders), dict(money.live_parents)
        alive = {("orders", number) for number in self._orders} | {("parents", number) for number in self._parents}
        self._written = {key: row for key, row in now.items() if key in alive}
        for owner, p in money.ledger.positions.items():
            row = (*owner, self.symbol(p.inst), p.qty_nanos, p.cost_nanos, p.realised_nanos, p.fees_nanos)
            if self._positions.get(owner) != row:
                self._positions[owner] = row
                yield "positions", row
        yield from self._states.rows(money, self.symbol)

    def _configure(self, config: ConfigResolved) -> str:
        """A run may come with other instruments and strategies: the money goes on under the new settings. Mostly they
        are the same, and so is the money: a second copy of it each night would be room that the process keeps.
        """
        try:
            settings = money_settings(config)
            if self.money is None or self.money.settings != settings:
                self.money = Money(settings) if self.money is None else load(settings, dump(self.money))
        except (msgspec.MsgspecError, ValueError, LookupError) as fault:
            return f"config {config.digest} cannot be read by this release: {fault}"
        self._fees.forget()
        self._orders, self._parents = dict(self.money.live_orders), dict(self.money.live_parents)
        return ""

    def _remember(self, message: Any, moved: Moved) -> None:
        money = self.money
        assert money is not None
        for order_id, order in moved.orders.items():
            if order is not None:
                self._orders[order_id] = order
                self._remember_parent(order.parent_id)
        self._remember_parent(getattr(message, "parent_id", 0))

    def _remember_parent(self, parent_id: int) -> None:
        assert self.money is not None
        parent = self.money.parents.get(parent_id)
        if parent is not None:
            self._parents[parent_id] = parent

    def _order_row(self, order: Order) -> Row:
        return (
            order.order_id, order.parent_id, order.slice_no, order.strategy, order.inst, self.symbol(order.inst),
            order.side, order.qty_nanos, c.ORDER_TYPE_NAMES.get(order.order_type, str(order.order_type)),
            order.limit_px_nanos, c.TIF_NAMES.get(order.tif, str(order.tif)), order.purpose, order.order_ref,
            order.notional_nanos, order.reduce_only, order.sent_ts_ns, order.state.name, order.filled_nanos,
            order.perm_id, order.version, order.changed_ts_ns,
        )  # fmt: skip

    def _parent_row(self, parent: Parent) -> Row:
        return (
            parent.parent_id, parent.strategy, parent.inst, self.symbol(parent.inst), parent.side, parent.qty_nanos,
            parent.algo, parent.start_ts_ns, parent.end_ts_ns, parent.slices, parent.limit_px_nanos,
            parent.arrival_mid_nanos, parent.purpose, parent.urgency, parent.state.name, parent.paused,
            parent.paused_reason, parent.filled_nanos, parent.value_nanos, parent.children, parent.child,
            parent.chases, parent.reason, parent.params, parent.expected_cost_nanos, parent.expected_risk_nanos,
            parent.decision_mid_nanos, parent.decision_ts_ns, parent.why, parent.operator, parent.kappa_nanos,
            parent.auction_ts_ns, parent.sent_nanos, parent.slice_no, parent.crossed_nanos,
        )  # fmt: skip


def restored(directory: Path, seq: int) -> Books:
    """The books as they stood after record `seq`: newest snapshot at or below it, then core's fold."""
    if seq <= 0:
        return Books()
    books = Books()
    from_seq = 0
    snapshot = latest_snapshot(directory, at_most_seq=seq)
    if snapshot is not None:
        try:
            settings = journal_settings(directory, until_seq=snapshot.seq + 1)
            books = Books(load(settings, snapshot.parts[MONEY_PART]), newest_fees(directory, snapshot.seq))
            from_seq = snapshot.seq + 1
        except (JournalError, KeyError, msgspec.MsgspecError):
            pass  # another release wrote it: the whole journal is read
    for record in JournalReader(directory, from_seq=from_seq).messages():
        if record.seq > seq:
            break
        if record.kind in _FOLDS or record.kind == REFERENCE:
            books.take(record.kind, record.seq, record.ts_ns, decode(record.kind, record.payload))
    return books


def _moved_at(order: Order, seq: int) -> bool:
    return bool(order.story) and order.story[-1][0] == seq


def _order_of(message: Any) -> int:
    """The order a fact, command or outcome is about; 0 = none."""
    if type(message) in (c.PlaceOrder, c.ReplaceOrder):
        return int(message.order.intent.order_id)
    return int(getattr(message, "order_id", 0))
