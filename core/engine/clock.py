"""What the engine does when a deadline has come: schedules, marks, unanswered orders, kills, syncs, session edges."""

from typing import Final

from core import commands as c
from core.engine import brackets, disaster, limits, link
from core.engine.conditions import arm_watch, watch
from core.engine.corporate import watch_splits
from core.engine.deadlines import NEVER
from core.engine.kill import chase_kills
from core.engine.ladder import take_moves
from core.engine.scope import reconcile_all, refence
from core.engine.trading import Trading
from core.money.state import DOWN, READY
from core.notes import EquityMarked
from core.orders import Order, State
from core.sessions import CLOSED, REGULAR

_UNANSWERED: Final = (State.SENDING, State.CANCELLING)
SYNC_OVERLAP_NS: Final = 60 * 10**9  # a timed sync reaches this far behind the last complete one
QUIET_MARK_FACTOR: Final = 60  # marks are this much rarer while every market is closed


def rearm(engine: Trading) -> None:
    """Start the clocks that present state calls for; runs after every step."""
    timers = engine.timers
    money = engine.money
    timers.limit_ns = money.limit_changes.until_ns
    busy = money.live_orders or money.live_parents or engine.retry or _exposed(engine) or engine.monitor.waits
    busy = busy or any(engine.exposure.strategy_gross.values())  # books that offset each other have limits of their own
    if timers.mark_ns == NEVER and busy:
        closed = all(calendar.phase(engine.ts_ns) == CLOSED for calendar in engine.context.calendars)
        timers.mark_ns = engine.ts_ns + engine.settings.mark_interval_ns * (QUIET_MARK_FACTOR if closed else 1)
    if timers.risk_ns == NEVER and engine.settings.risk_interval_ns and (money.live_orders or _exposed(engine)):
        timers.risk_ns, timers.risk_first = engine.ts_ns, True
    if timers.sync_ns == NEVER and money.link == READY:
        timers.sync_ns = engine.ts_ns + engine.settings.sync_interval_ns
    link.rearm(engine)
    if money.kills and timers.kill_ns == NEVER and any(not kill.verified_ns for kill in money.kills):
        timers.kill_ns = engine.ts_ns + engine.settings.kill_retry_ns


def _exposed(engine: Trading) -> bool:
    exposure = engine.exposure
    return exposure.gross != 0 or exposure.unmarked > 0


def fire(engine: Trading) -> None:
    """Everything that is due at the engine's present time, in a fixed order."""
    timers, now = engine.timers, engine.ts_ns
    if timers.boundary_ns <= now:
        on_boundary(engine)
    if timers.limit_ns <= now:
        limits.end_due(engine)
    if timers.kill_ns <= now:
        timers.kill_ns = NEVER
        chase_kills(engine)
    if timers.mark_ns <= now:
        timers.mark_ns = NEVER
        _on_mark(engine)
    if timers.risk_ns <= now:
        _on_risk(engine)
    if timers.watch_ns <= now:
        watch(engine)
        watch_splits(engine)
        arm_watch(engine)
    if timers.link_ns <= now:
        link.on_away(engine)
    if timers.sync_ns <= now:
        timers.sync_ns = NEVER
        _on_sync(engine)
    while parent_id := timers.take_wake(now):
        parent = engine.money.live_parents.get(parent_id)
        if parent is not None:
            engine.work(parent)


def on_boundary(engine: Trading) -> None:
    """A session opened or closed somewhere: move the fences and look at every target again."""
    timers = engine.timers
    timers.boundary_ns = min(calendar.next_boundary_ns(engine.ts_ns) for calendar in engine.context.calendars)
    if timers.boundary_ns <= engine.ts_ns:
        timers.boundary_ns = NEVER  # the table ends here; the gate denies from now on
    if timers.risk_ns != NEVER:  # measured rarely while all was closed
        timers.risk_ns, timers.risk_first = engine.ts_ns, True
    watch_splits(engine)
    watch(engine)  # before another day's hours clear the lows
    arm_watch(engine)
    refence(engine)
    reconcile_all(engine)


def _on_mark(engine: Trading) -> None:
    money, exposure = engine.money, engine.exposure
    watch(engine)
    watch_splits(engine)
    exposure.mark_all(engine.market, money.ledger)
    ledger = money.ledger
    equity = ledger.cash[ledger.currency] + ledger.beside_nanos + exposure.net
    moved = equity != money.equity_nanos or equity > money.high_water_nanos  # a peak counts when it is marked twice
    if moved and not exposure.unmarked:  # a position without a mark would look lost
        unrealised = sum(exposure.strategy_unrealised.values())
        engine.emit(c.MarkEquity(equity_nanos=equity, unrealised_nanos=unrealised))
        _note_equity(engine, unrealised)
    take_moves(engine, engine.monitor.on_mark(engine.ts_ns))
    disaster.follow(engine)
    if engine.money.manual:
        brackets.follow(engine)
    for order in list(money.live_orders.values()):
        _check_answer(engine, order)
    if engine.retry:
        waiting = list(engine.retry)
        engine.retry.clear()
        for strategy, inst in waiting:
            if engine.context.calendars[inst].phase(engine.ts_ns) == REGULAR:
                engine.reconcile(strategy, inst)


def _note_equity(engine: Trading, unrealised_nanos: int) -> None:
    if engine.ts_ns - engine.timers.noted_ns < engine.settings.equity_note_interval_ns:
        return
    engine.timers.noted_ns = engine.ts_ns
    ledger = engine.money.ledger
    engine.note(
        EquityMarked(
            equity_nanos=engine.money.equity_nanos,
            cash_nanos=ledger.cash[ledger.currency],
            unrealised_nanos=unrealised_nanos,
            realised_nanos=ledger.realised_nanos,
            fees_nanos=ledger.fees_nanos,
        )
    )


def _check_answer(engine: Trading, order: Order) -> None:
    """No answer within the time allowed: UNKNOWN, an alert and a sync; never a re-send (control 34)."""
    if not order.pending_version and order.state not in _UNANSWERED:
        return
    since = max(order.changed_ts_ns, order.cancel_ts_ns, order.sent_ts_ns)
    if engine.ts_ns - since < engine.settings.ack_timeout_ns or engine.money.link == DOWN:
        return
    engine.emit(c.DoubtOrder(order_id=order.order_id, reason="no answer in time"))
    engine.monitor.on_odd(engine.ts_ns)
    engine.alert("ORDER_UNANSWERED", "warning", engine.money.story_of(order.order_id))
    engine.emit(c.RequestSync(reason="order unanswered"))


def _on_risk(engine: Trading) -> None:
    """Ask for a measurement while there is something to measure; rarely while every market is closed."""
    timers, now = engine.timers, engine.ts_ns
    if not engine.money.live_orders and not _exposed(engine):
        timers.risk_ns = NEVER
        return
    closed = all(calendar.phase(now) == CLOSED for calendar in engine.context.calendars)
    engine.emit(c.MeasureRisk(first=timers.risk_first))
    timers.risk_first = False
    timers.risk_ns = now + engine.settings.risk_interval_ns * (QUIET_MARK_FACTOR if closed else 1)


def _on_sync(engine: Trading) -> None:
    money = engine.money
    if money.link != READY:
        return
    quiet = all(calendar.phase(engine.ts_ns) == CLOSED for calendar in engine.context.calendars)
    if not quiet or money.live_orders or money.differences:
        doubt = any(order.state is State.UNKNOWN for order in money.live_orders.values())
        since = 0 if doubt else max(0, money.last_sync_ts_ns - SYNC_OVERLAP_NS)
        engine.emit(c.RequestSync(reason="timer", since_ns=since))
