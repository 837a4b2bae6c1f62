"""The engine's table: what happens after a fact was folded into money state. A test proves that no fact is missing."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from core import commands as c
from core import events as e
from core.engine import (
    adoption,
    bookkeeping,
    brackets,
    clock,
    conditions,
    corporate,
    disaster,
    kill,
    ladder,
    limits,
    link,
    manual,
    presence,
    start,
)
from core.engine.authority import answered
from core.engine.scope import reconcile_all, refence
from core.engine.steering import on_steered
from core.engine.trading import Trading
from core.latches import ACCOUNT, REDUCING
from core.money.state import READY
from core.notes import DifferenceFound
from core.orders import State
from core.ports import Strategy
from core.reconcile import LOST_AFTER_SYNCS, READY_BEFORE_LOST_NS
from core.rows import PRINT, QUOTE, ROW


def disable_strategy(engine: Trading, name: str, error: str) -> None:
    """A strategy raised: it is off, its children are cancelled, its schedules parked, held or flattened by setting."""
    engine.emit(c.SetStrategy(strategy=name, enabled=False, reason=error))
    engine.alert("STRATEGY_FAILED", "critical", f"{name}: {error}")
    refence(engine)
    how = engine.settings.on_disable.get(name, "park")
    if how == "park":
        ladder.park(engine, 3, name, "strategy disabled")
    elif how == "flatten":
        kill.on_flattened(
            engine, e.OperatorFlattened(level=3, scope=name, reason=f"strategy failed: {error}", operator="trader")
        )


def ask_all(engine: Trading, inst: int) -> None:
    """Let every strategy decide on one instrument. Where books cross, all have spoken before anything is traded: the
    first must not send what the next would have given it.
    """
    if not engine.settings.cross_internally:
        for strategy in engine.traders[inst]:
            if ask(engine, strategy, inst):
                engine.reconcile(strategy.name, inst)
        return
    for name in [strategy.name for strategy in engine.traders[inst] if ask(engine, strategy, inst)]:
        engine.reconcile(name, inst)


def ask(engine: Trading, strategy: Strategy, inst: int) -> bool:
    """Let one strategy decide on one instrument; whether it did."""
    verdict = strategy.decide(engine.ts_ns, inst)
    if verdict.error:
        disable_strategy(engine, strategy.name, verdict.error)
        return False
    decision, name = verdict.decision, strategy.name
    if decision is None:
        return False
    engine.note(decision)
    target, mid = decision.target_nanos, engine.market.mark_nanos(inst)
    if engine.money.ledger.book_of(name).targets.get(inst) != target:
        engine.emit(c.SetTarget(strategy=name, inst=inst, qty_nanos=target, mid_nanos=mid))
    return True


# ---- market ----------------------------------------------------------------------------------------------------
def _row(
    engine: Trading, kind: int, inst: int, flags: int, exchange_ts_ns: int, four: tuple[int, int, int, int]
) -> None:
    row = np.zeros(1, ROW)
    row[0] = (engine.ts_ns, exchange_ts_ns, inst, kind, flags, *four)
    if engine.pipeline.step(row) & 1:
        ask_all(engine, inst)


def _quote(engine: Trading, q: e.QuoteChanged) -> None:
    four = (q.bid_px_nanos, q.ask_px_nanos, q.bid_qty_nanos, q.ask_qty_nanos)
    _row(engine, QUOTE, q.inst, q.flags, q.exchange_ts_ns, four)


def _print(engine: Trading, p: e.TradePrinted) -> None:
    _row(engine, PRINT, p.inst, p.flags, p.exchange_ts_ns, (p.px_nanos, 0, p.qty_nanos, p.condition))


def _gapped(engine: Trading, event: e.FeedGapped) -> None:
    engine.market.set_gap(event.inst)
    engine.pipeline.gap(event.inst)
    engine.alert("FEED_GAP", "warning", f"{engine.symbols[event.inst]}: {event.dropped} rows lost, {event.reason}")


def _external(engine: Trading, event: e.ExternalFeatureReceived) -> None:
    as_of_ns = event.as_of_ns or engine.ts_ns
    engine.pipeline.external(event.name, event.inst, event.value, as_of_ns, event.age_ns_max)


def _market_rule(engine: Trading, event: e.MarketRuleChanged) -> None:
    context = engine.context
    rule = context.arrivals.rule(event, engine.money.trading_date)
    if rule is not None:
        context.take_rule(event.inst, rule)


def _reference(engine: Trading, event: e.ReferenceArrived) -> None:
    engine.context.take_reference(event)
    if not event.missing:
        reconcile_all(engine)  # what waited for the symbol to be ready


# ---- orders ----------------------------------------------------------------------------------------------------
def _go_on(engine: Trading, order_id: int) -> None:
    """After any fact about an order: its schedule takes the next step, or the desk looks again."""
    order = engine.money.orders.get(order_id)
    if order is None:
        return
    brackets.on_order(engine, order)
    parent = engine.money.parents.get(order.parent_id)
    if parent is not None and parent.active:
        engine.work(parent)
    elif not order.live:
        corporate.go_on(engine, order.inst)
        engine.reconcile(order.strategy, order.inst)


def _order_fact(engine: Trading, event: Any) -> None:
    _go_on(engine, event.order_id)


def _executed(engine: Trading, event: e.OrderFilled | e.ExecutionReported) -> None:
    mark = engine.market.mark_nanos(event.inst) or event.px_nanos
    engine.exposure.mark(event.inst, mark, engine.money.ledger)
    conditions.on_fill(engine)
    disaster.on_execution(engine, event.order_id, event.inst, event.exec_id)
    _go_on(engine, event.order_id)


def _execution_corrected(engine: Trading, event: e.ExecutionCorrected) -> None:
    execution = engine.money.ledger.executions.get(event.exec_id)
    if execution is not None:
        mark = engine.market.mark_nanos(execution.inst)
        engine.exposure.mark(execution.inst, mark, engine.money.ledger)
        engine.alert("EXECUTION_CORRECTED", "warning", f"{event.corrects} became {event.exec_id}")
        engine.reconcile(execution.strategy, execution.inst)
    _go_on(engine, event.order_id)


def _rejected(engine: Trading, event: e.OrderRejected) -> None:
    """A reject is an answer: the schedule backs off and tries again within its own time."""
    engine.alert("ORDER_REJECTED", "warning", f"#{event.order_id} code {event.code}: {event.text}")
    order = engine.money.orders.get(event.order_id)
    parent = None if order is None else engine.money.live_parents.get(order.parent_id)
    if parent is not None and parent.active:
        until = engine.ts_ns + engine.executor.backoff_ns(parent)
        engine.emit(c.AdvanceParent(parent_id=parent.parent_id, next_ts_ns=until, chases=parent.chases))
    _go_on(engine, event.order_id)


def _replace_rejected(engine: Trading, event: e.ReplaceRejected) -> None:
    order = engine.money.orders.get(event.order_id)
    parent = None if order is None else engine.money.live_parents.get(order.parent_id)
    if parent is not None and parent.active:
        until = engine.ts_ns + engine.executor.backoff_ns(parent)
        engine.emit(c.AdvanceParent(parent_id=parent.parent_id, next_ts_ns=until, chases=parent.chases))
    _go_on(engine, event.order_id)


# ---- synchronisation -------------------------------------------------------------------------------------------
def _sync_completed(engine: Trading, event: e.SyncCompleted) -> None:
    money = engine.money
    sync = money.closed_sync
    if sync is None:
        if not event.complete:
            engine.alert("SYNC_INCOMPLETE", "warning", f"sync {event.sync_id} lacks {event.missing}: asked again")
            engine.emit(c.RequestSync(reason=f"{event.missing} missing"))
        return
    _settle_lost(engine)
    corporate.on_positions(engine)
    _report_differences(engine, event.sync_id)
    if not money.differences:
        _book_cash(engine, money.cash_difference_nanos)
    kill.verify_kills(engine, event.sync_id, sync.started_ts_ns)
    link.on_synchronised(engine)
    if engine.unsynced:
        engine.unsynced = False
        reconcile_all(engine)  # what waited for the first sync after the link came back


def _settle_lost(engine: Trading) -> None:
    """Settle as lost: READY for 60 s and two complete syncs 30 s apart, none showing the order."""
    money = engine.money
    if money.link != READY or engine.ts_ns - money.link_since_ns < READY_BEFORE_LOST_NS:
        return
    for order in list(money.live_orders.values()):
        if order.state is State.UNKNOWN and order.absent_syncs >= LOST_AFTER_SYNCS:
            engine.emit(c.SettleOrder(order_id=order.order_id, outcome="lost", reason="absent from two complete syncs"))
            engine.alert("ORDER_LOST", "warning", money.story_of(order.order_id))
            _go_on(engine, order.order_id)


def _report_differences(engine: Trading, sync_id: int) -> None:
    money = engine.money
    if not money.differences or money.difference_sync_id != sync_id:
        return
    for found in money.differences:
        engine.note(DifferenceFound(sync_id=sync_id, kind=found.kind, text=found.text))
    text = "; ".join(found.text for found in money.differences)
    ladder.halt(engine, "RECONCILE", f"differs from the broker: {text}")


def _book_cash(engine: Trading, amount_nanos: int) -> None:
    """Control 33: a small unexplained cash difference is booked and alerted; a larger one reduces."""
    if not amount_nanos or corporate.book_paid(engine, amount_nanos):
        return
    money, settings = engine.money, engine.settings
    tolerance = max(money.equity_nanos * settings.cash_tolerance_bp // 10_000, settings.cash_tolerance_nanos)
    text = f"broker cash differs by {amount_nanos} nanos"
    if abs(amount_nanos) <= tolerance:
        engine.emit(c.AdjustCash(currency=money.settings.currency, amount_nanos=amount_nanos, reason="unexplained"))
        engine.alert("CASH_ADJUSTED", "warning", text)
    elif not ladder.holds(money.latches, "CASH"):
        move = c.MoveLadder(level=ACCOUNT, scope="", state=REDUCING, code="CASH", reason=text, by="trader")
        ladder.move_ladder(engine, move)


# ---- link, time, shell -----------------------------------------------------------------------------------------
def _time(engine: Trading, event: e.TimeAdvanced) -> None:
    clock.fire(engine)


def _day_rolled(engine: Trading, event: e.DayRolled) -> None:
    engine.context.roll(event.date)
    engine.exposure.set_rates(engine.money.conditions.rates)
    corporate.on_day(engine)
    engine.end_alerts("SHORTS_RESTRICTED", "MARKET_BREAKER", "DAY_TRADES")
    refence(engine)


def _disk(engine: Trading, event: e.DiskReserveChanged) -> None:
    if event.available:
        engine.end_alerts("DISK_RESERVE")
        reconcile_all(engine)
    else:
        engine.alert("DISK_RESERVE", "critical", f"{event.free_mb} MiB free: no new orders, cancels still go")


def _nothing(engine: Trading, event: Any) -> None:
    """See `QUIET`."""


# What the folds or a later part use; nothing follows from it here.
QUIET: Final = (
    e.FeedEnded, e.CommissionReported, e.SyncStarted, e.PositionReported, e.CashReported, e.AccountValued,
    e.OrderIdsSeen, e.CashAdjusted, e.ShortableChanged, e.ClockOffsetMeasured, e.CorporateActionAnnounced,
    e.LeaseGranted, e.CommandRefused, e.AuditSealed, e.StepFailed,
)  # fmt: skip
HANDLERS: Final[dict[type, Callable[[Trading, Any], None]]] = {
    **dict.fromkeys(QUIET, _nothing),
    e.QuoteChanged: _quote,
    e.TradePrinted: _print,
    e.FeedGapped: _gapped,
    e.OrderAcknowledged: _order_fact,
    e.OrderFilled: _executed,
    e.ExecutionReported: _executed,
    e.ExecutionCorrected: _execution_corrected,
    e.OrderCancelled: _order_fact,
    e.OrderRejected: _rejected,
    e.OrderReplaced: _order_fact,
    e.ReplaceRejected: _replace_rejected,
    e.CancelRejected: _order_fact,
    e.OrderInactivated: _order_fact,
    e.OpenOrderReported: _order_fact,
    e.CompletedOrderReported: _order_fact,
    e.SyncCompleted: _sync_completed,
    e.LinkRestored: link.on_restored,
    e.LinkDegraded: link.on_degraded,
    e.LinkLost: link.on_lost,
    e.HaltChanged: conditions.on_halt,
    e.BandChanged: conditions.on_bands,
    e.WhatIfAnswered: conditions.on_answered,
    e.WhatIfRefused: conditions.on_refused,
    e.MarketRuleChanged: _market_rule,
    e.ReferenceArrived: _reference,
    e.ExternalFeatureReceived: _external,
    e.TriggerFired: ladder.on_trigger,
    e.RiskMeasured: ladder.on_risk_measured,
    e.HighWaterReset: ladder.on_high_water_reset,
    e.TimeAdvanced: _time,
    e.DayRolled: _day_rolled,
    e.OperatorHalted: answered(ladder.on_halted),
    e.OperatorKilled: answered(kill.on_killed),
    e.OperatorFlattened: answered(kill.on_flattened),
    e.OperatorResumed: answered(ladder.on_resumed),
    e.OrderResolved: answered(ladder.on_resolved),
    e.ScheduleSteered: answered(on_steered),
    e.DifferenceAcknowledged: answered(ladder.on_acknowledged),
    e.AccountAdopted: answered(adoption.on_adopted),
    e.CorporateActionApplied: answered(corporate.on_applied),
    e.BooksCorrected: answered(bookkeeping.on_corrected),
    **manual.HANDLERS,
    e.DeployArmed: answered(ladder.on_armed),
    e.LimitChanged: answered(limits.on_limit_changed),
    e.OverrideGranted: answered(limits.on_override_granted),
    e.TraderStarted: start.on_started,
    e.TraderStopped: start.on_stopped,
    e.DiskReserveChanged: _disk,
    e.LeaseLapsed: presence.on_lapsed,
    e.AlertAcknowledged: answered(presence.on_alert_acknowledged),
}
