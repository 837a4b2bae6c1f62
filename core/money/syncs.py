"""Folding a full synchronisation: evidence settles UNKNOWN orders, what stays unexplained is a difference."""

from collections.abc import Callable
from typing import Any, Final

from core import commands as c
from core import events as e
from core.ids import is_own_ref
from core.ledger import UNCLAIMED
from core.money import kills
from core.money.rivals import meet_rival
from core.money.state import Money
from core.orders import Fact, Order, State
from core.reconcile import SYNC_SPACING_NS, Sync, cash_difference_nanos, order_differences, position_differences
from core.story import tell
from core.units import notional_nanos


def _sync_started(m: Money, event: e.SyncStarted) -> None:
    m.sync = Sync(sync_id=event.sync_id, started_ts_ns=m.ts_ns)


def _open_reported(m: Money, event: e.OpenOrderReported) -> None:
    sync = m.sync
    if sync is None or sync.sync_id != event.sync_id:
        return
    if not is_own_ref(event.order_ref, m.settings.account_tag):
        sync.foreign[event.perm_id] = event
        return
    sync.open[event.order_id] = event
    order = m.orders.get(event.order_id)
    if order is None:
        meet_rival(m, event.order_ref)
        _adopt(m, event)
    elif order.state is State.UNKNOWN and event.status != e.PENDING_SUBMIT:
        order.perm_id = event.perm_id or order.perm_id
        _settle_versions(m, order, event)
        m.advance_order(order, Fact.LISTED)
    elif not order.live and order.changed_ts_ns < sync.started_ts_ns:
        m.advance_order(order, Fact.LISTED)  # it still holds risk, so it is ours to cancel


def _settle_versions(m: Money, order: Order, event: e.OpenOrderReported) -> None:
    """An open order tells which version the broker works; an unknown replace holds both until then."""
    if order.pending_version:
        if event.qty_nanos == order.pending_qty_nanos and event.limit_px_nanos == order.pending_px_nanos:
            order.version = order.pending_version
            order.qty_nanos, order.limit_px_nanos = event.qty_nanos, event.limit_px_nanos
            order.notional_nanos = order.pending_notional_nanos
        m.drop_pending(order)


def _adopt(m: Money, event: e.OpenOrderReported) -> None:
    """An order with our tag that the journal lacks (a lost tail): taken over, never re-sent. A stop of ours is a
    disaster stop: no other is legal.
    """
    stop = event.stop_px_nanos > 0
    order = Order(
        order_id=event.order_id,
        parent_id=0,
        slice_no=0,
        strategy=UNCLAIMED,
        inst=event.inst,
        side=event.side,
        qty_nanos=event.qty_nanos,
        order_type=c.STP if stop else c.LMT if event.limit_px_nanos else c.MKT,
        limit_px_nanos=event.limit_px_nanos,
        tif=c.DAY,
        purpose=c.INTENT_DISASTER if stop else c.INTENT_MANUAL,
        order_ref=event.order_ref,
        notional_nanos=notional_nanos(event.limit_px_nanos, event.qty_nanos),
        reduce_only=stop,
        sent_ts_ns=m.ts_ns,
        state=State.WORKING,
        filled_nanos=event.filled_nanos,
        perm_id=event.perm_id,
        story=[],
        broker_algo=event.broker_algo,
        broker_params=event.broker_params,
    )
    tell(order.story, m.seq, m.ts_ns, "ADOPTED")
    m.orders[order.order_id] = m.live_orders[order.order_id] = order
    m.use_id(order.order_id)
    m.reservations.update(order)
    m.odds.append((order.order_id, f"adopted {event.order_ref}: the broker holds it, the journal does not"))


def _completed_reported(m: Money, event: e.CompletedOrderReported) -> None:
    sync = m.sync
    if sync is None or sync.sync_id != event.sync_id:
        return
    sync.completed[event.order_id] = event
    m.use_id(event.order_id)
    order = m.orders.get(event.order_id)
    if order is not None and order.state is State.UNKNOWN and event.filled_nanos <= order.filled_nanos:
        m.advance_order(order, Fact.FULL if order.filled_nanos >= order.qty_nanos else Fact.CANCELLED)


def _position_reported(m: Money, event: e.PositionReported) -> None:
    if m.sync is not None and m.sync.sync_id == event.sync_id:
        m.sync.positions[event.inst] = event.qty_nanos
        m.sync.average_costs[event.inst] = event.average_cost_nanos


def _cash_reported(m: Money, event: e.CashReported) -> None:
    if m.sync is not None and m.sync.sync_id == event.sync_id:
        m.sync.cash[event.currency] = event.cash_nanos


def _sync_completed(m: Money, event: e.SyncCompleted) -> None:
    sync = m.sync
    m.closed_sync = None
    if sync is None or sync.sync_id != event.sync_id:
        return
    m.sync = None
    if not event.complete:
        return
    m.closed_sync = sync
    m.foreign = sync.foreign
    if m.kills:
        kills.met(m.kills, sync, m.settings.symbols)
    _settle_completed(m, sync)
    for order in list(m.live_orders.values()):
        if order.sent_ts_ns < sync.started_ts_ns and order.order_id not in sync.open:
            if order.order_id not in sync.completed:
                _count_absence(m, order)
        else:
            order.absent_syncs = 0
    found = position_differences(sync, m.ledger.holdings, m.settings.symbols) + order_differences(sync, m.orders)
    m.synced = True
    m.last_sync_ts_ns = m.ts_ns
    m.last_sync_id = sync.sync_id
    m.cash_difference_nanos = cash_difference_nanos(sync, m.ledger)
    if found:
        m.differences = tuple(found)
        m.difference_sync_id = sync.sync_id
    else:
        m.differences = ()


def _settle_completed(m: Money, sync: Sync) -> None:
    """Every execution is in by now: an order the broker calls completed is over, whatever we had not heard of it."""
    for order_id, ended in sync.completed.items():
        order = m.live_orders.get(order_id)
        if order is not None and ended.filled_nanos <= order.filled_nanos:
            m.advance_order(order, Fact.FULL if order.filled_nanos >= order.qty_nanos else Fact.CANCELLED)


def _count_absence(m: Money, order: Order) -> None:
    """A complete sync does not show a live order: in doubt from now on, LOST only by the rule in the engine."""
    if order.state is State.WORKING:
        m.advance_order(order, Fact.CANCEL_NOT_FOUND)
    elif order.state is not State.UNKNOWN:
        m.advance_order(order, Fact.SILENCE)
    if order.absent_syncs == 0 or m.ts_ns - order.absent_since_ns >= SYNC_SPACING_NS:
        order.absent_syncs += 1
        order.absent_since_ns = m.ts_ns


SYNCS: Final[dict[type, Callable[[Money, Any], None]]] = {
    e.SyncStarted: _sync_started,
    e.OpenOrderReported: _open_reported,
    e.CompletedOrderReported: _completed_reported,
    e.PositionReported: _position_reported,
    e.CashReported: _cash_reported,
    e.SyncCompleted: _sync_completed,
}
