"""Start and stop of the trader: what is held back after which ending, and what a stop on purpose takes off."""

from core import commands as c
from core import events as e
from core.engine import ladder, limits, presence
from core.engine.scope import refence
from core.engine.trading import Trading
from core.latches import ACCOUNT, HALTED, PROCESS
from core.orders import State


def on_started(engine: Trading, event: e.TraderStarted) -> None:
    """The start table (docs/operator.md); differences follow with the first complete sync."""
    engine.stopping = False
    _mark_unmarked(engine)
    limits.check_store(engine)
    if event.safe:
        ladder.halt(engine, "SAFE", "the same error stopped the trader twice within an hour", level=PROCESS)
    if event.guard_fired:
        presence.on_guard_fired(engine, event.guard_reason)
    if event.changed:
        ladder.halt(engine, ladder.DEPLOY, f"changed since the last run: {event.changed}")
    elif event.mode == "live" and event.ended == "new":  # control 41: nobody has armed this account yet
        ladder.halt(engine, ladder.DEPLOY, "a live account starts for the first time")
    if event.ended == "crash" and event.after_crash == "halted":
        _hold(engine, "CRASH", "started after a crash")
    elif event.ended == "crash":
        engine.alert(
            "RESTARTED", "warning", "the last run ended without a stop; orders and schedules go on as they were"
        )
    unknown = [order.order_id for order in engine.money.live_orders.values() if order.state is State.UNKNOWN]
    if unknown:
        _hold(engine, "UNKNOWN", f"started with orders {unknown} without an answer: settle them, then resume")
    refence(engine)
    for parent in list(engine.money.live_parents.values()):
        if parent.active and not engine.timers.has_wake(parent.parent_id):
            engine.timers.set_wake(parent.parent_id, engine.ts_ns + 1)


def _mark_unmarked(engine: Trading) -> None:
    """After a cold start nothing is valued yet: an account that holds something must not look empty to the gate."""
    exposure, ledger = engine.exposure, engine.money.ledger
    for (_, inst), position in ledger.positions.items():
        if position.qty_nanos and not exposure.marks[inst]:
            exposure.mark(inst, engine.market.mark_nanos(inst), ledger)


def _hold(engine: Trading, code: str, reason: str) -> None:
    """Halt with everything left where it is: orders stay, schedules wait for `resume` and go on exactly."""
    for parent in list(engine.money.live_parents.values()):
        if parent.active and not parent.paused:
            engine.emit(c.PauseParent(parent_id=parent.parent_id, paused=True, reason="crash"))
    move = c.MoveLadder(level=ACCOUNT, scope="", state=HALTED, code=code, reason=reason, by="trader")
    engine.emit(move)
    engine.alert(code, "critical", reason)


def on_stopped(engine: Trading, event: e.TraderStopped) -> None:
    """A stop on purpose: park takes the children off and keeps the schedules; hold leaves all; flatten closes."""
    for order in list(engine.money.live_orders.values()):
        if order.purpose in c.STANDING:
            continue  # they are there for when nobody is
        if engine.settings.on_stop.get(order.strategy, "park") != "hold":
            engine.cancel(order.order_id, "stop")
    engine.stopping = True
    refence(engine)
