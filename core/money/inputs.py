"""Folding what the broker says of orders and what happens to link, account and shell into money state."""

from collections.abc import Callable
from typing import Any, Final

from core import events as e
from core.ledger import UNCLAIMED, Execution
from core.money import kills
from core.money.approvals import Seal
from core.money.rivals import meet_rival
from core.money.state import DEGRADED, DOWN, READY, Money
from core.money.told import count_day_trade, roll
from core.orders import Fact, Order, State
from core.story import tell
from core.units import exact_text, notional_nanos, share_of


def _acknowledged(m: Money, event: e.OrderAcknowledged) -> None:
    order = m.known(event.order_id, "acknowledgement")
    if order is not None:
        order.perm_id = event.perm_id or order.perm_id
        m.advance_order(order, Fact.ACK)


def _filled(m: Money, event: e.OrderFilled | e.ExecutionReported) -> None:
    if event.exec_id in m.ledger.executions:
        if type(event) is not e.ExecutionReported:  # a sync repeats what we have: ordinary
            m.odds.append((event.order_id, f"execution {event.exec_id} reported again"))
        return
    if not event.exec_id.endswith(".01"):
        earlier = m.ledger.version_before(event.exec_id)
        if earlier:  # a correction whose own message was lost
            correct(m, event.order_id, earlier, event.exec_id, event.qty_nanos, event.px_nanos)
            return
    if m.ledger.is_superseded(event.exec_id):
        m.odds.append((event.order_id, f"execution {event.exec_id} came after its correction"))
        return
    if event.order_id not in m.orders:
        meet_rival(m, event.order_ref)
    held_before = m.ledger.holdings[event.inst] if event.inst < len(m.ledger.holdings) else 0
    booked = m.book(
        Execution(
            exec_id=event.exec_id,
            order_id=event.order_id,
            strategy=UNCLAIMED,
            inst=event.inst,
            side=event.side,
            qty_nanos=event.qty_nanos,
            px_nanos=event.px_nanos,
            ts_ns=m.ts_ns,
            seq=m.seq,
            liquidity=event.liquidity if type(event) is e.OrderFilled else 0,
        )
    )
    if booked and 0 <= event.inst < len(m.ledger.holdings):
        count_day_trade(m, event.inst, event.side, held_before)


def _corrected(m: Money, event: e.ExecutionCorrected) -> None:
    correct(m, event.order_id, event.corrects, event.exec_id, event.qty_nanos, event.px_nanos)


def correct(m: Money, order_id: int, corrects: str, exec_id: str, qty_nanos: int, px_nanos: int) -> None:
    """Replace an execution by what stands (quantity 0 = taken back), once."""
    old = m.ledger.executions.get(corrects)
    if exec_id in m.ledger.executions:
        return  # a sync told it before
    if old is None:
        m.odds.append((order_id, f"correction of execution {corrects} that we do not have"))
        _book_corrected(m, order_id, exec_id, qty_nanos, px_nanos)
        return
    old_value = notional_nanos(old.px_nanos, old.qty_nanos)
    change = m.ledger.correct(corrects=corrects, exec_id=exec_id, qty_nanos=qty_nanos, px_nanos=px_nanos) or 0
    m.odds.append((order_id, f"execution {corrects} corrected by {exec_id}"))
    order = m.orders.get(old.order_id)
    if order is None:
        return
    order.filled_nanos += change
    m.credit_parent(order, change, notional_nanos(px_nanos, qty_nanos) - old_value)
    if change < 0:
        m.advance_order(order, Fact.REDUCED)


def _book_corrected(m: Money, order_id: int, exec_id: str, qty_nanos: int, px_nanos: int) -> None:
    """The execution was lost on the way: its correction says what stands. One taken back has its cost all the same."""
    order = m.orders.get(order_id)
    if order is None:
        return  # the next sync names instrument and side
    execution = Execution(
        exec_id=exec_id,
        order_id=order_id,
        strategy=order.strategy,
        inst=order.inst,
        side=order.side,
        qty_nanos=qty_nanos,
        px_nanos=px_nanos,
        ts_ns=m.ts_ns,
        seq=m.seq,
    )
    if qty_nanos:
        m.book(execution)
    else:
        m.ledger.execute(execution)


def _commissioned(m: Money, event: e.CommissionReported) -> None:
    if not m.ledger.charge(event.exec_id, event.commission_nanos) and m.sync is None:  # a sync repeats what we have
        m.odds.append((0, f"commission of {event.exec_id} reported again"))


def _cancelled(m: Money, event: e.OrderCancelled) -> None:
    order = m.known(event.order_id, "cancel")
    if order is not None:
        m.advance_order(order, Fact.CANCELLED)


def _rejected(m: Money, event: e.OrderRejected) -> None:
    order = m.known(event.order_id, "reject")
    if order is not None:
        tell(order.story, m.seq, m.ts_ns, f"code {event.code}: {event.text}")
        m.advance_order(order, Fact.REJECTED)


def _replaced(m: Money, event: e.OrderReplaced) -> None:
    order = m.known(event.order_id, "replace")
    if order is None:
        return
    if order.pending_version == event.version:
        order.version = event.version
        order.qty_nanos = event.qty_nanos
        order.limit_px_nanos = event.limit_px_nanos
        order.notional_nanos = order.pending_notional_nanos
        m.drop_pending(order)
    elif order.oca_group and event.version == order.version and order.live:
        _shrink(m, order, event.qty_nanos)
    m.advance_order(order, Fact.FULL if order.filled_nanos >= order.qty_nanos else Fact.ACK)


def _shrink(m: Money, order: Order, qty_nanos: int) -> None:
    """One of its group traded: the broker left it less. It is told once more at each synchronisation."""
    if not order.filled_nanos <= qty_nanos < order.qty_nanos:
        return
    order.notional_nanos = share_of(order.notional_nanos, qty_nanos, order.qty_nanos)
    order.qty_nanos = qty_nanos
    tell(order.story, m.seq, m.ts_ns, f"SHRUNK to {exact_text(qty_nanos)}")


def _replace_rejected(m: Money, event: e.ReplaceRejected) -> None:
    order = m.known(event.order_id, "replace reject")
    if order is not None and order.pending_version == event.version:
        m.drop_pending(order)
        if order.live and order.filled_nanos >= order.qty_nanos:
            m.advance_order(order, Fact.FULL)  # the old version was filled while the larger one was on its way


def _cancel_rejected(m: Money, event: e.CancelRejected) -> None:
    order = m.known(event.order_id, "cancel reject")
    if order is not None:
        m.advance_order(order, Fact.CANCEL_NOT_FOUND if event.code == 10147 else Fact.CANCEL_REFUSED)
        if m.kills:
            kills.refused(m.kills, event.order_id, f"{event.code} {event.text}".strip())


def _inactivated(m: Money, event: e.OrderInactivated) -> None:
    order = m.known(event.order_id, "inactive")
    if order is not None:
        m.advance_order(order, Fact.INACTIVE)


def _set_link(m: Money, link: int) -> None:
    if m.link != link:
        m.link = link
        m.link_since_ns = m.ts_ns


def _doubt_all(m: Money) -> None:
    """Whatever has no answer yet is in doubt: the socket or the process is gone."""
    for order in list(m.live_orders.values()):
        if order.state in (State.SENDING, State.CANCELLING) or order.pending_version:
            m.advance_order(order, Fact.SILENCE)


def _link_restored(m: Money, event: e.LinkRestored) -> None:
    _set_link(m, READY)


def _link_degraded(m: Money, event: e.LinkDegraded) -> None:
    _set_link(m, DEGRADED)


def _link_lost(m: Money, event: e.LinkLost) -> None:
    _set_link(m, DOWN)
    m.sync = None
    _doubt_all(m)


def _order_ids_seen(m: Money, event: e.OrderIdsSeen) -> None:
    m.use_id(event.order_id_next - 1)


def _cash_adjusted(m: Money, event: e.CashAdjusted) -> None:
    m.adjust_cash(event.currency, event.amount_nanos, event.kind)


def _day_rolled(m: Money, event: e.DayRolled) -> None:
    m.trading_date = event.date
    m.day_base_equity_nanos = m.equity_nanos
    for book in m.ledger.books.values():
        book.day_base_nanos = book.realised_nanos - book.fees_nanos
    m.counters.roll()
    m.ledger.forget_before(m.ts_ns - 2 * 86_400_000_000_000)
    roll(m, event.date)


def _trader_started(m: Money, event: e.TraderStarted) -> None:
    m.epoch = event.epoch
    m.safe = event.safe
    m.synced = False
    m.conditions.funds_awaited = not event.venue_in_process
    if not event.venue_in_process:
        _set_link(m, DOWN)
        m.sync = None
        if event.ended == "crash":
            _doubt_all(m)


def _step_failed(m: Money, event: e.StepFailed) -> None:
    """The shell left after a cancel of everything (poison rule): nobody has seen an answer to it."""
    for order in list(m.live_orders.values()):
        order.cancel_ts_ns = m.ts_ns
        m.advance_order(order, Fact.CANCEL_SENT)


def _disk_changed(m: Money, event: e.DiskReserveChanged) -> None:
    m.disk_available = event.available


def _risk_measured(m: Money, event: e.RiskMeasured) -> None:
    if m.risk is None or event.as_of_ns >= m.risk.as_of_ns:
        m.risk = event
        m.risk_since_ns = event.as_of_ns


def _high_water_reset(m: Money, event: e.HighWaterReset) -> None:
    m.high_water_nanos = m.equity_nanos


def _audit_sealed(m: Money, event: e.AuditSealed) -> None:
    m.audit = Seal(count=event.count, digest=event.digest, seq=m.seq)


INPUTS: Final[dict[type, Callable[[Money, Any], None]]] = {
    e.OrderAcknowledged: _acknowledged,
    e.OrderFilled: _filled,
    e.ExecutionReported: _filled,
    e.ExecutionCorrected: _corrected,
    e.CommissionReported: _commissioned,
    e.OrderCancelled: _cancelled,
    e.OrderRejected: _rejected,
    e.OrderReplaced: _replaced,
    e.ReplaceRejected: _replace_rejected,
    e.CancelRejected: _cancel_rejected,
    e.OrderInactivated: _inactivated,
    e.LinkRestored: _link_restored,
    e.LinkDegraded: _link_degraded,
    e.LinkLost: _link_lost,
    e.OrderIdsSeen: _order_ids_seen,
    e.CashAdjusted: _cash_adjusted,
    e.DayRolled: _day_rolled,
    e.TraderStarted: _trader_started,
    e.StepFailed: _step_failed,
    e.DiskReserveChanged: _disk_changed,
    e.RiskMeasured: _risk_measured,
    e.HighWaterReset: _high_water_reset,
    e.AuditSealed: _audit_sealed,
}
