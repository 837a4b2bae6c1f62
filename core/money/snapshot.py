"""Money state to bytes and back, bit for bit. The running sums are derived again, never stored."""

import msgspec

from core.by_instrument import ByInstrument
from core.corporate import Action
from core.events import OpenOrderReported, RiskMeasured
from core.latches import Latch, Latches
from core.ledger import DIFFERENCE, Execution, Ledger, StrategyBook
from core.limit_changes import LimitChange, Override
from core.manual import ManualOrder
from core.money.approvals import Approval, Seal
from core.money.conditions import Conditions, widened
from core.money.counters import CountersState
from core.money.kills import Kill
from core.money.state import Money, MoneySettings, OpenAlert
from core.orders import Order
from core.parents import Parent
from core.positions import Position
from core.rates import SentKey
from core.reconcile import Difference, Sync


class MoneyState(msgspec.Struct, gc=False, kw_only=True):
    """The snapshot form of `Money`."""

    seq: int
    ts_ns: int
    epoch: int
    next_order_id: int
    next_parent_id: int
    link: int
    link_since_ns: int
    disk_available: bool
    trading_date: int
    day_base_equity_nanos: int
    high_water_nanos: int
    equity_nanos: int
    orders: list[Order]
    parents: list[Parent]
    positions: list[Position]
    books: list[StrategyBook]
    executions: list[tuple[str, Execution]]
    waiting_commissions: dict[str, int]
    cash: dict[str, int]
    flows: tuple[int, int, int, int, int]  # spent, adjusted, fees, realised, transferred
    latches: tuple[Latch, ...]
    ladder_moves: int
    tats: dict[str, int]
    recent: list[tuple[int, tuple[int, int, int, int, int, int, int]]]  # of earlier releases; not read
    sync: Sync | None
    last_sync_ts_ns: int
    last_sync_id: int
    differences: tuple[Difference, ...]
    difference_sync_id: int
    cash_difference_nanos: int
    foreign: dict[int, OpenOrderReported]
    kills: list[Kill]
    safe: bool
    synced: bool = False
    alerts: list[OpenAlert] = []
    live: list[int] = []  # live orders in the order they are worked through: one that came back is last
    limit_changes: list[LimitChange] = []
    overrides: list[Override] = []
    limits_version: int = 0
    approvals: list[Approval] = []
    code_steps: dict[str, int] = {}
    risk: RiskMeasured | None = None
    risk_since_ns: int = 0
    conditions: Conditions | None = None
    sent: list[tuple[int, int, SentKey]] = []
    counters: CountersState | None = None  # none: written before they were kept
    audit: Seal = Seal()
    cash_flows: list[tuple[str, str, int]] = []  # currency, kind, amount
    cash_rates: dict[str, int] = {}
    accrued: dict[str, int] = {}
    corporate: list[Action] = []
    suspected: dict[int, int] = {}
    booked_lines: list[str] = []
    fee_kinds: dict[str, int] = {}
    manual: list[ManualOrder] = []


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODER = msgspec.msgpack.Decoder(MoneyState)


def dump(m: Money) -> bytes:
    """The whole money state."""
    ledger = m.ledger
    # Several exec ids may share one execution after a correction; each is stored under every id it has.
    return _ENCODE(
        MoneyState(
            seq=m.seq,
            ts_ns=m.ts_ns,
            epoch=m.epoch,
            next_order_id=m.next_order_id,
            next_parent_id=m.next_parent_id,
            link=m.link,
            link_since_ns=m.link_since_ns,
            disk_available=m.disk_available,
            trading_date=m.trading_date,
            day_base_equity_nanos=m.day_base_equity_nanos,
            high_water_nanos=m.high_water_nanos,
            equity_nanos=m.equity_nanos,
            orders=list(m.orders.values()),
            parents=list(m.parents.values()),
            positions=list(ledger.positions.values()),
            books=list(ledger.books.values()),
            executions=list(ledger.executions.items()),
            waiting_commissions=ledger.waiting_commissions,
            cash=ledger.cash,
            flows=(
                ledger.spent_nanos,
                ledger.adjusted_nanos,
                ledger.fees_nanos,
                ledger.realised_nanos,
                ledger.transferred_nanos,
            ),
            latches=tuple(m.latches.held()),
            ladder_moves=m.latches.moves,
            tats=m.tats,
            recent=[],
            sync=m.sync,
            last_sync_ts_ns=m.last_sync_ts_ns,
            last_sync_id=m.last_sync_id,
            differences=m.differences,
            difference_sync_id=m.difference_sync_id,
            cash_difference_nanos=m.cash_difference_nanos,
            foreign=m.foreign,
            kills=m.kills,
            safe=m.safe,
            synced=m.synced,
            alerts=list(m.alerts.values()),
            live=list(m.live_orders),
            limit_changes=m.limit_changes.changes,
            overrides=m.limit_changes.overrides,
            limits_version=m.limit_changes.version,
            approvals=m.approvals,
            code_steps=m.code_steps,
            risk=m.risk,
            risk_since_ns=m.risk_since_ns,
            conditions=m.conditions,
            sent=m.duplicates.state(),
            counters=m.counters.state(m.ts_ns),
            audit=m.audit,
            cash_flows=[(*key, amount) for key, amount in ledger.flows.items()],
            cash_rates=ledger.rates,
            accrued=ledger.accrued,
            corporate=list(m.corporate.values()),
            suspected=m.suspected,
            booked_lines=list(m.booked_lines),
            fee_kinds=ledger.fee_kinds,
            manual=list(m.manual.values()),
        )
    )


def load(settings: MoneySettings, state: bytes) -> Money:
    """Money state from a snapshot. Raises msgspec.DecodeError on foreign bytes."""
    s = _DECODER.decode(state)
    m = Money(settings)
    for name in _SCALARS:
        setattr(m, name, getattr(s, name))
    m.orders = {order.order_id: order for order in s.orders}
    live = s.live or [order.order_id for order in s.orders if order.live]  # none: written before they were kept
    m.live_orders = ByInstrument((order_id, m.orders[order_id]) for order_id in live)
    for order in m.live_orders.values():
        m.reservations.update(order)
    m.alerts = {alert.code: alert for alert in s.alerts}
    m.parents = {parent.parent_id: parent for parent in s.parents}
    m.live_parents = ByInstrument((p.parent_id, p) for p in s.parents if p.active or p.child in m.live_orders)
    m.latches = Latches(s.latches, s.ladder_moves)
    m.limit_changes.load(s.limit_changes, s.overrides, s.limits_version)
    m.repace()
    m.duplicates.load(s.sent)
    if s.counters is not None:
        m.counters.load(s.counters)
    _load_ledger(m.ledger, s)
    m.corporate = {action.terms.action_id: action for action in s.corporate}
    m.booked_lines = dict.fromkeys(s.booked_lines)
    m.manual = {kept.parent_id: kept for kept in s.manual}
    if s.conditions is not None:  # none: written before they were kept
        m.conditions = widened(s.conditions, len(settings.symbols))
    return m


_SCALARS = (
    "seq", "ts_ns", "epoch", "next_order_id", "next_parent_id", "link", "link_since_ns", "disk_available",
    "trading_date", "day_base_equity_nanos", "high_water_nanos", "equity_nanos", "tats", "sync",
    "last_sync_ts_ns", "last_sync_id", "differences", "difference_sync_id", "cash_difference_nanos", "foreign",
    "kills", "safe", "synced", "approvals", "code_steps", "audit", "risk", "risk_since_ns", "suspected",
)  # fmt: skip


def _load_ledger(ledger: Ledger, s: MoneyState) -> None:
    ledger.cash = s.cash
    (
        ledger.spent_nanos,
        ledger.adjusted_nanos,
        ledger.fees_nanos,
        ledger.realised_nanos,
        ledger.transferred_nanos,
    ) = s.flows
    ledger.flows = {(currency, kind): amount for currency, kind, amount in s.cash_flows}
    if not ledger.flows:  # written before kinds were kept
        moved = {name: held for name, held in s.cash.items() if name != ledger.currency}
        moved[ledger.currency] = ledger.adjusted_nanos
        ledger.flows = {(name, DIFFERENCE): amount for name, amount in moved.items() if amount}
    ledger.rates = s.cash_rates
    ledger.fee_kinds = s.fee_kinds
    ledger.accrued = s.accrued
    ledger.value_beside()
    ledger.positions = {(p.strategy, p.inst): p for p in s.positions}
    for position in s.positions:
        ledger.holdings[position.inst] += position.qty_nanos
    ledger.books = {book.strategy: book for book in s.books}
    by_first: dict[str, Execution] = {}
    for exec_id, execution in s.executions:
        ledger.executions[exec_id] = by_first.setdefault(execution.exec_id, execution)
    ledger.uncharged = sum(1 for execution in by_first.values() if not execution.commission_known)
    ledger.waiting_commissions = s.waiting_commissions
