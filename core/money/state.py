"""Money state: everything that must survive a crash exactly, as a fold over inputs, commands and outcomes as recorded.

No strategy, algo or check runs here, so any later release can fold an old journal. Opinion state (market, features,
what a strategy thinks) lives elsewhere. `core/money/fold.py` is the only writer; this module holds the state and the
moves that several folds share.
"""

from heapq import heapify, heappop, heappush
from typing import Final

import msgspec

from core import events as e
from core.by_instrument import ByInstrument
from core.corporate import Action
from core.latches import Latches
from core.ledger import UNCLAIMED, Execution, Ledger
from core.limit_changes import LimitChanges, rate_in_force
from core.manual import ManualOrder
from core.money import kills
from core.money.approvals import Approval, Seal
from core.money.conditions import fresh
from core.money.counters import Counters
from core.money.kills import Kill
from core.orders import Fact, Order, advance, describe
from core.parents import NO_ORDER, Parent
from core.rates import DuplicateWindow, RateLimit
from core.reconcile import Difference, Sync
from core.reservations import Reservations
from core.units import notional_nanos

DOWN: Final = 0
DEGRADED: Final = 1
READY: Final = 2
UNSYNCED: Final = 3  # READY for the adapter, but no complete sync since the link came back: nothing but cancels leaves
LINK_NAMES: Final = {DOWN: "DOWN", DEGRADED: "DEGRADED", READY: "READY", UNSYNCED: "UNSYNCED"}
ALERTS_OPEN_MAX: Final = 64  # codes; beyond, the one that was quiet longest goes
OWNERS: Final = ("deposit", "withdrawal")  # kinds of cash
ENDED_KEPT_MAX: Final = 1024  # ended orders and parents kept for display and late facts


class MoneySettings(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the fold needs to know from the config; part of the journalled reference."""

    account: str
    account_tag: str
    currency: str
    start_cash_nanos: int
    symbols: tuple[str, ...]
    strategies: tuple[str, ...]
    duplicate_window_ns: int
    rate_account: RateLimit
    rate_strategy: RateLimit
    rate_symbol: RateLimit
    margin_rate_ns_max: int = 86_400 * 10**9  # a margin rate the broker told is forgotten when older


class OpenAlert(msgspec.Struct, gc=False, kw_only=True):
    """What a person was told under one code and has not acknowledged."""

    code: str
    severity: str  # the worst so far
    text: str  # the newest
    since_ns: int
    last_ns: int
    count: int = 1


class Money:
    """The account as we know it. Attributes are read by everyone, written by the folds alone."""

    # Slots: a plain object with more than 30 attributes is read through a dict, and nothing here is read more often.
    __slots__ = (
        "_configured", "_ended", "_ended_parents", "alerts", "approvals", "audit", "booked_lines",
        "cash_difference_nanos", "closed_sync", "code_steps", "conditions", "corporate", "counters",
        "day_base_equity_nanos", "difference_sync_id", "differences", "disk_available", "duplicates", "epoch",
        "equity_nanos", "foreign", "high_water_nanos", "kills", "last_sync_id", "last_sync_ts_ns", "latches", "ledger",
        "limit_changes", "link", "link_since_ns", "live_orders", "live_parents", "manual", "next_order_id",
        "next_parent_id", "odds", "orders", "parents", "reservations", "risk", "risk_since_ns", "rivals", "safe", "seq",
        "settings", "suspected", "sync", "synced", "tats", "trading_date", "ts_ns",
    )  # fmt: skip

    def __init__(self, settings: MoneySettings) -> None:
        self.settings = self._configured = settings  # as in force now, and as the config says
        self.limit_changes = LimitChanges()
        self.seq = 0
        self.ts_ns = 0
        self.epoch = 0
        self.next_order_id = 1
        self.next_parent_id = 1
        self.link = DOWN
        self.link_since_ns = 0
        self.disk_available = True
        self.trading_date = 0
        self.day_base_equity_nanos = settings.start_cash_nanos
        self.high_water_nanos = settings.start_cash_nanos
        self.equity_nanos = settings.start_cash_nanos
        self.orders: dict[int, Order] = {}
        self.parents: dict[int, Parent] = {}
        self.live_parents: ByInstrument[Parent] = ByInstrument()  # active, or ended with a live child
        self.live_orders: ByInstrument[Order] = ByInstrument()
        # Ids of ended orders, smallest first, for `prune`; made when it first has something to do. An id whose order
        # came back to life or is gone is passed over.
        self._ended: list[int] | None = None
        self._ended_parents: list[int] | None = None  # the same: a dict asked for its oldest key scans what was deleted
        self.latches = Latches()
        self.reservations = Reservations(len(settings.symbols))
        self.tats: dict[str, int] = {}
        self.duplicates = DuplicateWindow(settings.duplicate_window_ns)
        self.counters = Counters()
        self.sync: Sync | None = None
        self.cash_difference_nanos = 0  # broker less ours at the last complete sync
        self.closed_sync: Sync | None = None  # what the step's SyncCompleted closed, for the engine to conclude from
        self.last_sync_ts_ns = 0
        self.last_sync_id = 0
        self.differences: tuple[Difference, ...] = ()
        self.difference_sync_id = 0
        self.foreign: dict[int, e.OpenOrderReported] = {}
        self.kills: list[Kill] = []
        self.safe = False
        self.risk: e.RiskMeasured | None = None  # the newest measurement
        self.risk_since_ns = 0  # its age counts from here: as of when it is, or since when one is waited for
        self.synced = False  # a complete sync since the trader started
        self.alerts: dict[str, OpenAlert] = {}  # by code: told, and acknowledged by nobody yet (control 38)
        self.rivals: list[str] = []  # orders met in this step that only another trader can have sent
        self.approvals: list[Approval] = []  # commands that wait for a second person
        self.audit = Seal()
        self.code_steps: dict[str, int] = {}  # by operator: the newest one-time code that is spent
        self.conditions = fresh(len(settings.symbols))
        self.corporate: dict[str, Action] = {}  # by id, oldest first
        self.suspected: dict[int, int] = {}  # by instrument: the last day on which a split was suspected
        self.booked_lines: dict[str, None] = {}  # ids of corrections, oldest first
        self.manual: dict[int, ManualOrder] = {}  # by number, oldest first
        self.odds: list[tuple[int, str]] = []  # odd rows met in this step, for the engine's notes and alerts
        self.ledger = Ledger(
            instruments=len(settings.symbols),
            currency=settings.currency,
            start_cash_nanos=settings.start_cash_nanos,
            strategies=settings.strategies,
        )

    # ---- orders ------------------------------------------------------------------------------------------------
    def advance_order(self, order: Order, fact: Fact) -> None:
        """Move an order by the table, and everything that follows from it."""
        odd = advance(order, fact, seq=self.seq, ts_ns=self.ts_ns)
        if odd:
            self.odds.append((order.order_id, odd))
        if not order.live:
            order.pending_version = 0
        self.reservations.update(order)
        if not order.live and order.order_id in self.live_orders:
            del self.live_orders[order.order_id]
            if self.kills:
                kills.ended(self.kills, order)
            if self._ended is not None:
                heappush(self._ended, order.order_id)
            self._release_child(order)
        elif order.live and order.order_id not in self.live_orders:
            self.live_orders[order.order_id] = order

    def _release_child(self, order: Order) -> None:
        parent = self.parents.get(order.parent_id)
        if parent is not None and parent.child == order.order_id:
            parent.child = NO_ORDER
            if not parent.active:
                self.retire_parent(parent.parent_id)
        self.prune()

    def retire_parent(self, parent_id: int) -> None:
        """An ended parent without a live child is only remembered from now on."""
        if self.live_parents.take(parent_id) is not None and self._ended_parents is not None:
            heappush(self._ended_parents, parent_id)

    def prune(self) -> None:
        """Forget the oldest ended orders and parents beyond the bound, without a look at those that work."""
        if len(self.orders) <= ENDED_KEPT_MAX >= len(self.parents):
            return
        while len(self.orders) > len(self.live_orders) + ENDED_KEPT_MAX:
            if self._ended is None:
                self._ended = [order_id for order_id in self.orders if order_id not in self.live_orders]
                heapify(self._ended)
            oldest = heappop(self._ended)
            if oldest not in self.live_orders:
                self.orders.pop(oldest, None)
        while len(self.parents) > len(self.live_parents) + ENDED_KEPT_MAX:
            if self._ended_parents is None:
                self._ended_parents = [parent_id for parent_id in self.parents if parent_id not in self.live_parents]
                heapify(self._ended_parents)
            self.parents.pop(heappop(self._ended_parents), None)

    def drop_pending(self, order: Order) -> None:
        """Forget a replace that did not or will not happen, or has become the order."""
        order.pending_version = 0
        order.pending_qty_nanos = order.pending_px_nanos = order.pending_notional_nanos = 0
        order.changed_ts_ns = self.ts_ns
        self.reservations.update(order)

    def book(self, execution: Execution) -> bool:
        """Book one execution and move its order and parent; False if it was booked already."""
        order = self.orders.get(execution.order_id)
        execution.strategy = order.strategy if order is not None else UNCLAIMED
        if not self.ledger.execute(execution):
            self.odds.append((execution.order_id, f"execution {execution.exec_id} reported again"))
            return False
        if self.kills:
            kills.filled(self.kills, execution, self.settings.symbols)
        self.counters.day.trades += 1
        if order is None:
            self.use_id(execution.order_id)
            self.odds.append((execution.order_id, f"fill {execution.exec_id} of an order we do not know"))
            return True
        order.filled_nanos += execution.qty_nanos
        self.credit_parent(order, execution.qty_nanos, notional_nanos(execution.px_nanos, execution.qty_nanos))
        most = max(order.qty_nanos, order.pending_qty_nanos)  # a larger version on its way may still be accepted
        if order.filled_nanos > most:
            self.odds.append((order.order_id, "overfill: executed more than ordered"))
        self.advance_order(order, Fact.FULL if order.filled_nanos >= most else Fact.PART)
        return True

    def credit_parent(self, order: Order, qty_nanos: int, value_nanos: int) -> None:
        """Count executed quantity and value towards the parent."""
        parent = self.parents.get(order.parent_id)
        if parent is not None:
            parent.filled_nanos += qty_nanos
            parent.value_nanos += value_nanos
        if self.manual:
            self._credit_manual(order, qty_nanos)

    def _credit_manual(self, order: Order, qty_nanos: int) -> None:
        kept = self.manual.get(order.bracket or order.parent_id)
        if kept is not None and order.bracket:
            kept.closed_nanos += qty_nanos
        elif kept is not None:
            kept.filled_nanos += qty_nanos

    def known(self, order_id: int, what: str) -> Order | None:
        """The order, or None with an odd line saying that a fact came for a stranger."""
        order = self.orders.get(order_id)
        if order is None:
            self.use_id(order_id)
            self.odds.append((order_id, f"{what} for an order we do not know"))
        return order

    def deposit(self, amount_nanos: int) -> None:
        """The owner brings (or takes) something worth this much: equity moves, and what profit is measured from."""
        self.equity_nanos += amount_nanos
        self.high_water_nanos += amount_nanos
        self.day_base_equity_nanos += amount_nanos

    def adjust_cash(self, currency: str, amount_nanos: int, kind: str) -> None:
        """Cash that moved without a trade; the owner's own is neither profit nor loss."""
        self.ledger.adjust(currency, amount_nanos, kind)
        if kind in OWNERS:
            self.deposit(self.ledger.in_base_nanos(currency, amount_nanos))

    def repace(self) -> None:
        """Count rates and duplicates by the limits in force, after a change of one."""
        changes, configured = self.limit_changes, self._configured
        window_ns = changes.account_value("duplicate_window_seconds")
        self.settings = msgspec.structs.replace(
            configured,
            rate_account=rate_in_force(changes, "account", configured.rate_account),
            rate_strategy=rate_in_force(changes, "strategy", configured.rate_strategy),
            rate_symbol=rate_in_force(changes, "symbol", configured.rate_symbol),
            duplicate_window_ns=configured.duplicate_window_ns if window_ns < 0 else window_ns,
        )
        self.duplicates.window_ns = self.settings.duplicate_window_ns

    def use_id(self, order_id: int) -> None:
        """An id the broker shows is taken, even where a lost tail of the journal made us forget the order."""
        if order_id >= self.next_order_id:
            self.next_order_id = order_id + 1

    def sendable(self) -> int:
        """The link as it binds orders: READY only after a complete sync since it came back (control 32)."""
        return UNSYNCED if self.link == READY and self.last_sync_ts_ns < self.link_since_ns else self.link

    def story_of(self, order_id: int) -> str:
        """The order's whole story, for errors."""
        order = self.orders.get(order_id)
        return f"order {order_id} is not known" if order is None else describe(order)
