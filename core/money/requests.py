"""Folding recorded commands into money state: what was asked for reserves risk before it leaves."""

from collections.abc import Callable
from typing import Any, Final

from core import commands as c
from core.errors import Bug
from core.latches import ACTIVE, Latch
from core.ledger import Execution
from core.limit_changes import LimitChange, Override
from core.money import attempts, kills
from core.money.approvals import Approval, keep
from core.money.booking import BOOKED
from core.money.kills import Kill
from core.money.manual import MANUAL_ORDERS
from core.money.schedules import SCHEDULES
from core.money.state import ALERTS_OPEN_MAX, Money, OpenAlert
from core.money.told import ASKED
from core.orders import Fact, Order, describe
from core.parents import NO_ORDER
from core.story import tell


def _place(m: Money, command: c.PlaceOrder) -> None:
    approved = command.order
    i = approved.intent
    if i.order_id < m.next_order_id:
        raise Bug(f"order id {i.order_id} was used before; next is {m.next_order_id}")
    order = Order(
        order_id=i.order_id,
        parent_id=i.parent_id,
        slice_no=i.slice_no,
        strategy=i.strategy,
        inst=i.inst,
        side=i.side,
        qty_nanos=i.qty_nanos,
        order_type=i.order_type,
        limit_px_nanos=i.limit_px_nanos,
        tif=i.tif,
        purpose=i.purpose,
        order_ref=approved.order_ref,
        notional_nanos=approved.notional_nanos,
        reduce_only=approved.reduce_only,
        sent_ts_ns=m.ts_ns,
        changed_ts_ns=m.ts_ns,
        story=[(m.seq, m.ts_ns, "PLACED")],
        algo=i.algo,
        operator=i.operator,
        broker_algo=i.broker_algo,
        oca_group=i.oca_group,
        bracket=i.bracket,
        broker_params=i.broker_params,
    )
    if approved.override:
        m.limit_changes.drop(approved.override)
    m.next_order_id = i.order_id + 1
    m.orders[i.order_id] = m.live_orders[i.order_id] = order
    m.reservations.open(order)
    attempts.placed(m, approved)
    parent = m.parents.get(i.parent_id)
    if parent is not None:
        if parent.child != NO_ORDER:
            raise Bug(f"parent {parent.parent_id} has child {parent.child} and would get {i.order_id}")
        parent.child = parent.last_child = i.order_id
        parent.children = i.slice_no + 1
        parent.sent += 1
        parent.sent_nanos += i.qty_nanos


def _replace(m: Money, command: c.ReplaceOrder) -> None:
    i = command.order.intent
    order = m.orders[i.order_id]
    if order.pending_version or not order.live:
        raise Bug(f"replace of an order that cannot take one: {describe(order)}")
    qty = attempts.replaced(m, order, command.order)
    order.pending_version = i.version
    order.pending_qty_nanos = i.qty_nanos
    order.pending_px_nanos = i.limit_px_nanos
    order.pending_notional_nanos = command.order.notional_nanos
    order.changed_ts_ns = m.ts_ns
    tell(order.story, m.seq, m.ts_ns, f"REPLACE {i.version}")
    m.reservations.update(order)
    parent = m.parents.get(i.parent_id)
    if parent is not None:
        parent.chases += 1
        parent.sent_nanos += qty


def _cancel(m: Money, command: c.CancelOrder) -> None:
    m.counters.cancel(m.ts_ns)
    order = m.orders.get(command.order_id)
    if order is not None:
        order.cancel_ts_ns = m.ts_ns
        m.advance_order(order, Fact.CANCEL_SENT)
        if m.kills and order.live:
            kills.asked(m.kills, [order], m.settings.symbols, m.ts_ns)


def _cancel_all(m: Money, command: c.CancelAllOrders) -> None:
    m.counters.cancel(m.ts_ns)
    for order in list(m.live_orders.values()):
        order.cancel_ts_ns = m.ts_ns
        m.advance_order(order, Fact.CANCEL_SENT)
    if m.kills:
        kills.asked(m.kills, list(m.live_orders.values()), m.settings.symbols, m.ts_ns)


def _set_target(m: Money, command: c.SetTarget) -> None:
    book = m.ledger.book_of(command.strategy)
    book.targets[command.inst] = command.qty_nanos
    book.decided[command.inst] = (m.ts_ns, command.mid_nanos)
    book.given_up.pop(command.inst, None)


def _move_ladder(m: Money, command: c.MoveLadder) -> None:
    m.latches.move(
        Latch(
            level=command.level,
            scope=command.scope,
            code=command.code,
            state=command.state,
            reason=command.reason,
            by=command.by,
            since_ns=m.ts_ns,
            value=command.value,
            limit=command.limit,
            asked_seq=m.seq,
        )
    )
    attempts.lifted(m, command)
    if command.code != "KILL":
        return
    if command.state == ACTIVE:
        kills.lifted(m.kills, command.level, command.scope, m.ts_ns)
        return
    kill = Kill(level=command.level, scope=command.scope, since_ns=m.ts_ns, reason=command.reason, by=command.by)
    kill.seq = m.seq
    kill.meet(m.foreign, m.settings.symbols)
    m.kills = kills.begin(m.kills, kill)


def _set_strategy(m: Money, command: c.SetStrategy) -> None:
    book = m.ledger.book_of(command.strategy)
    book.enabled = command.enabled
    book.disabled_reason = "" if command.enabled else command.reason


def _mark_equity(m: Money, command: c.MarkEquity) -> None:
    """A peak counts when two marks in a row show it: one bad tick would leave a drawdown for ever."""
    peak = min(m.equity_nanos, command.equity_nanos)
    m.equity_nanos = command.equity_nanos
    m.high_water_nanos = max(m.high_water_nanos, peak)


def _measure_risk(m: Money, command: c.MeasureRisk) -> None:
    if command.first or not m.risk_since_ns:
        m.risk_since_ns = m.ts_ns


def _settle(m: Money, command: c.SettleOrder) -> None:
    order = m.orders[command.order_id]
    tell(order.story, m.seq, m.ts_ns, f"SETTLED {command.outcome}: {command.reason}")
    if command.outcome == "lost":
        m.advance_order(order, Fact.ABSENT)
    elif command.outcome == "cancelled":
        m.advance_order(order, Fact.CANCELLED)
    else:
        m.book(
            Execution(
                exec_id=f"settled-{order.order_id}-{m.seq}",
                order_id=order.order_id,
                strategy=order.strategy,
                inst=order.inst,
                side=order.side,
                qty_nanos=command.qty_nanos,
                px_nanos=command.px_nanos,
                ts_ns=m.ts_ns,
                seq=m.seq,
            )
        )
        if order.live:
            m.advance_order(order, Fact.CANCELLED)


def _adjust_cash(m: Money, command: c.AdjustCash) -> None:
    m.adjust_cash(command.currency, command.amount_nanos, command.kind)
    if command.kind == "deposit" and command.currency == m.settings.currency:
        m.cash_difference_nanos -= command.amount_nanos


def _doubt(m: Money, command: c.DoubtOrder) -> None:
    order = m.orders[command.order_id]
    tell(order.story, m.seq, m.ts_ns, command.reason)
    order.changed_ts_ns = m.ts_ns  # asked again one answer time later: a replace in doubt leaves the order WORKING
    m.advance_order(order, Fact.SILENCE)


def _verify_kill(m: Money, command: c.VerifyKill) -> None:
    for kill in m.kills:
        if kill.level == command.level and kill.scope == command.scope and not kill.verified_ns:
            kill.verified_ns = m.ts_ns
            kill.sync_id = command.sync_id
            kill.foreign_open = []


def _tell_kill(m: Money, command: c.TellKill) -> None:
    for kill in m.kills:
        if kill.level == command.level and kill.scope == command.scope and not kill.verified_ns:
            kill.told_ns = m.ts_ns


def _transfer(m: Money, command: c.TransferPosition) -> None:
    m.ledger.transfer(command.inst, command.qty_nanos, command.px_nanos, command.strategy)
    m.deposit(command.deposit_nanos)
    m.differences = tuple(d for d in m.differences if d.inst != command.inst)


_SEVERITIES: Final = ("info", "warning", "critical")


def _set_limit(m: Money, command: c.SetLimit) -> None:
    m.limit_changes.set(
        LimitChange(
            change_id=m.seq,
            scope=command.scope,
            name=command.name,
            value=command.value,
            old=command.old,
            until_ns=command.until_ns,
            since_ns=m.ts_ns,
            reason=command.reason,
            by=command.by,
            authority=command.authority,
            second=command.second,
            raises=command.raises,
        )
    )
    m.repace()


def _revert_limit(m: Money, command: c.RevertLimit) -> None:
    m.limit_changes.revert(command.change_id)
    m.repace()


def _grant_override(m: Money, command: c.GrantOverride) -> None:
    m.limit_changes.grant(
        Override(
            override_id=m.seq,
            control=command.control,
            strategy=command.strategy,
            inst=command.inst,
            side=command.side,
            qty_nanos=command.qty_nanos,
            px_nanos=command.px_nanos,
            until_ns=command.until_ns,
            since_ns=m.ts_ns,
            reason=command.reason,
            by=command.by,
            authority=command.authority,
            second=command.second,
        )
    )


def _drop_override(m: Money, command: c.DropOverride) -> None:
    m.limit_changes.drop(command.override_id)


def _alert(m: Money, command: c.RaiseAlert) -> None:
    """What a person must see stays open until one says that it was seen."""
    if command.severity == "info":
        return
    known = m.alerts.pop(command.code, None)  # the newest is last
    if known is None:
        known = OpenAlert(
            code=command.code, severity=command.severity, text="", since_ns=m.ts_ns, last_ns=m.ts_ns, count=0
        )
        if len(m.alerts) >= ALERTS_OPEN_MAX:
            del m.alerts[next(iter(m.alerts))]
    if _SEVERITIES.index(command.severity) > _SEVERITIES.index(known.severity):
        known.severity = command.severity
    known.text, known.last_ns, known.count = command.text, m.ts_ns, known.count + 1
    m.alerts[command.code] = known


def _close_alerts(m: Money, command: c.CloseAlerts) -> None:
    for code in command.codes:
        m.alerts.pop(code, None)


def _keep_approval(m: Money, command: c.KeepApproval) -> None:
    approval = Approval(
        digest=command.digest,
        what=command.what,
        operator=command.operator,
        authority=command.authority,
        since_ns=m.ts_ns,
        until_ns=command.until_ns,
    )
    m.approvals = keep(m.approvals, approval)


def _spend_approval(m: Money, command: c.SpendApproval) -> None:
    m.approvals = [kept for kept in m.approvals if kept.digest != command.digest]


REQUESTS: Final[dict[type, Callable[[Money, Any], None]]] = {
    c.PlaceOrder: _place,
    c.ReplaceOrder: _replace,
    c.CancelOrder: _cancel,
    c.CancelAllOrders: _cancel_all,
    c.SetTarget: _set_target,
    c.MoveLadder: _move_ladder,
    c.SetStrategy: _set_strategy,
    c.MarkEquity: _mark_equity,
    c.MeasureRisk: _measure_risk,
    c.SettleOrder: _settle,
    c.AdjustCash: _adjust_cash,
    c.DoubtOrder: _doubt,
    c.VerifyKill: _verify_kill,
    c.TellKill: _tell_kill,
    c.TransferPosition: _transfer,
    c.CountRefusal: attempts.refused,
    c.RaiseAlert: _alert,
    c.CloseAlerts: _close_alerts,
    c.SetLimit: _set_limit,
    c.RevertLimit: _revert_limit,
    c.GrantOverride: _grant_override,
    c.DropOverride: _drop_override,
    c.KeepApproval: _keep_approval,
    c.SpendApproval: _spend_approval,
    **ASKED,
    **SCHEDULES,
    **BOOKED,
    **MANUAL_ORDERS,
}
