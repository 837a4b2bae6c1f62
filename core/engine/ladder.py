"""Operator facts and ladder moves inside the engine: halt, resume, resolve, acknowledge, arm. Kill and flatten are in
core/engine/kill.py. What may be lifted is for the monitor in risk/ to say.
"""

from collections.abc import Sequence

from core import commands as c
from core import events as e
from core.corporate import SPLIT_PENDING
from core.engine.authority import confirmed
from core.engine.kill import what_is_left, where_of
from core.engine.scope import in_scope, parents_in, reconcile_all, refence
from core.engine.trading import DUPLICATES, Trading
from core.latches import ACCOUNT, ACTIVE, HALTED, PROCESS, REDUCING, STATE_NAMES, STRATEGY, Latch, Latches
from core.money.kills import Kill
from core.money.state import READY
from core.orders import State
from core.parents import OPERATOR
from core.units import exact_text

DEPLOY = "DEPLOY"  # latch of a changed program: armed by its digest (control 42), never just resumed


def move_ladder(engine: Trading, move: c.MoveLadder) -> None:
    """Set or lift a latch and act on it: a scope that is now HALTED parks its schedules."""
    before = engine.money.latches.scope_state(move.level, move.scope)
    engine.emit(move)
    refence(engine)
    now = engine.money.latches.scope_state(move.level, move.scope)
    if now == HALTED and before != HALTED:
        park(engine, move.level, move.scope, move.code)
    if now == REDUCING and before < REDUCING and not engine.monitor.lifts_itself(move.code):
        for order in in_scope(engine, move.level, move.scope):
            if not order.reduce_only:  # what rests could still add risk; its schedule waits at the gate
                engine.cancel(order.order_id, move.code)
    if now > before:
        where = where_of(move.level, move.scope)
        engine.alert(move.code, "critical" if now == HALTED else "warning", f"{where}: {move.reason}")


def take_moves(engine: Trading, moves: Sequence[c.MoveLadder]) -> None:
    """What the monitor asks for; where it lifted a latch of its own, trading goes on."""
    for move in moves:
        move_ladder(engine, move)
        if move.state == ACTIVE:
            engine.alert(move.code, "info", f"{where_of(move.level, move.scope)}: {move.reason}")
            _end_alert(engine, move.code)
    if any(move.state == ACTIVE for move in moves):
        unpause(engine)
        reconcile_all(engine)


def on_trigger(engine: Trading, event: e.TriggerFired) -> None:
    """A monitor outside the engine asks for less, as one more cause of the scope; upward moves are for operators."""
    held = [x.state for x in engine.money.latches.held(event.level, event.scope) if x.code == event.name]
    if event.state <= max(held, default=ACTIVE):
        engine.reply = (True, f"{event.name} holds {where_of(event.level, event.scope)} already")
        return
    value = f": {event.value}" if event.value else ""
    move_ladder(
        engine,
        c.MoveLadder(
            level=event.level,
            scope=event.scope,
            state=event.state,
            code=event.name,
            reason=event.reason or f"{event.name}{value}",
            by=event.operator or "monitor",
            value=event.value,
            limit=event.limit,
        ),
    )
    engine.reply = (True, f"{where_of(event.level, event.scope)} {STATE_NAMES[event.state]} by {event.name}")


def on_risk_measured(engine: Trading, event: e.RiskMeasured) -> None:
    """Names that move together are one bucket from now on (control 7)."""
    engine.context.concentration.set_measured(event.clusters)


def on_high_water_reset(engine: Trading, event: e.HighWaterReset) -> None:
    """The drawdown counts from here on; a latch that it set stays until somebody resumes."""
    engine.alert("HIGH_WATER_RESET", "warning", f"{event.operator}: {event.reason}")
    engine.reply = (True, "the drawdown counts from the present equity on; what it latched waits for `quantd resume`")


def park(engine: Trading, level: int, scope: str, reason: str, *, cancel: bool = True) -> None:
    """Pause the schedules of a scope; their children go, except those that only reduce."""
    for parent in parents_in(engine, level, scope):
        if parent.active and not parent.paused and parent.purpose != c.INTENT_FLATTEN:
            engine.emit(c.PauseParent(parent_id=parent.parent_id, paused=True, reason=reason))
    if cancel:
        for order in in_scope(engine, level, scope):
            if not order.reduce_only:
                engine.cancel(order.order_id, reason)


def on_halted(engine: Trading, event: e.OperatorHalted) -> None:
    """Block new risk in a scope."""
    move = _latch(event, "HALT")
    move_ladder(engine, move)
    engine.reply = (True, f"{where_of(event.level, event.scope)} HALTED")


def on_resumed(engine: Trading, event: e.OperatorResumed) -> None:
    """Lift the latches of a scope, if nothing forbids it, and let its schedules go on where they stood."""
    levels = (PROCESS, ACCOUNT) if event.level <= ACCOUNT else (event.level,)
    held = [latch for level in levels for latch in engine.money.latches.held(level, event.scope)]
    refusal = _why_not_resume(engine, event, held)
    if refusal:
        engine.reply = (False, refusal)
        return
    codes = ", ".join(latch.code for latch in held) or "nothing latched"
    subject = f"resume {where_of(event.level, event.scope)}, lifting {codes}"
    by = confirmed(engine, event, subject, level=event.level, state=_seen(held))
    if not by:
        return
    for latch in held:
        lift(engine, latch, event.reason, by)
    engine.reply = (True, f"{where_of(event.level, event.scope)} resumed; lifted {', '.join(x.code for x in held)}")
    if event.level == STRATEGY and not engine.money.ledger.book_of(event.scope).enabled:
        engine.emit(c.SetStrategy(strategy=event.scope, enabled=True, reason=event.reason))
    unpause(engine)
    refence(engine)
    reconcile_all(engine)


def unpause(engine: Trading) -> None:
    """Let go every paused schedule whose scopes are all free again, but not those an operator paused by number."""
    for parent in list(engine.money.live_parents.values()):
        state = engine.money.latches.effective(strategy=parent.strategy, symbol=engine.symbols[parent.inst])
        if parent.active and parent.paused and parent.paused_reason != OPERATOR and state != HALTED:
            engine.emit(c.PauseParent(parent_id=parent.parent_id, paused=False, reason="resume"))


def _why_not_resume(engine: Trading, event: e.OperatorResumed, held: list[Latch]) -> str:
    """The first thing that forbids lifting; "" = nothing does."""
    money = engine.money
    disabled = event.level == STRATEGY and not money.ledger.book_of(event.scope).enabled
    if not event.reason.strip():
        return "resume needs a reason: --reason TEXT"
    if not held and not disabled:
        wider = money.latches.held()
        return "nothing is latched in this scope" + (f"; latched: {_list(wider)}" if wider else "")
    if money.safe:
        return "SAFE mode: the same error stopped the trader twice within an hour; mend it and restart"
    if money.link != READY:
        return "the link to the broker is not READY"
    unverified = [kill for kill in money.kills if not kill.verified_ns and _touches(event, kill)]
    if unverified:
        where = where_of(unverified[0].level, unverified[0].scope)
        return f"the kill of {where} is not verified yet: {what_is_left(engine, unverified[0])}"
    if money.differences:
        return (
            "unexplained differences to the broker: read `quantd status`, then `quantd acknowledge --reason TEXT`; on "
            "an account that held something before: `quantd adopt`"
        )
    unknown = [order.order_id for order in money.live_orders.values() if order.state is State.UNKNOWN]
    if unknown:
        return (
            f"orders {unknown} are UNKNOWN: `quantd orders resolve ID --lost|--cancelled|--filled QTY@PX --reason TEXT`"
        )
    if any(latch.code == SPLIT_PENDING for latch in held):
        return "a split waits to be carried out: `quantd corporate list`; `quantd corporate withdraw ID` takes it back"
    if any(latch.code == DEPLOY for latch in held):
        return "code, config or models changed: read `quantd status`, then `quantd arm --reason TEXT`"
    for latch in held:
        reason = engine.monitor.may_lift(latch.level, latch.scope, latch.code)
        if reason:
            return f"{latch.code}: {reason}"
    return ""


def _touches(event: e.OperatorResumed, kill: Kill) -> bool:
    """A kill of a symbol or a strategy keeps only itself and what is wider from being resumed."""
    return min(event.level, kill.level) <= ACCOUNT or (event.level, event.scope) == (kill.level, kill.scope)


def on_resolved(engine: Trading, event: e.OrderResolved) -> None:
    """An operator settles an UNKNOWN order; anything else is refused."""
    order = engine.money.orders.get(event.order_id)
    if order is None:
        engine.reply = (False, f"order {event.order_id} is not known")
        return
    if order.state is not State.UNKNOWN:
        engine.reply = (False, f"order {event.order_id} is {order.state.name}, not UNKNOWN: nothing to resolve")
        return
    left = order.remaining_nanos
    if event.outcome == "filled" and not 0 < event.qty_nanos <= left:
        engine.reply = (False, f"quantity must be above 0 and at most the {left} nanos that remain")
        return
    engine.emit(
        c.SettleOrder(
            order_id=event.order_id,
            outcome=event.outcome,
            reason=f"{event.operator}: {event.reason}",
            qty_nanos=event.qty_nanos,
            px_nanos=event.px_nanos,
        )
    )
    engine.exposure.mark(order.inst, engine.market.mark_nanos(order.inst) or event.px_nanos, engine.money.ledger)
    engine.reply = (True, f"order {event.order_id} settled as {event.outcome}")
    engine.reconcile(order.strategy, order.inst)


def on_acknowledged(engine: Trading, event: e.DifferenceAcknowledged) -> None:
    """An operator accepts the broker's word: position differences go to the book of nobody, cash is adjusted."""
    money = engine.money
    refusal = _why_not_acknowledge(engine, event)
    if refusal:
        engine.reply = (False, refusal)
        return
    by = confirmed(engine, event, f"acknowledge {_what_differs(engine)}", level=ACCOUNT)
    if not by:
        return
    for found in money.differences:
        if found.kind == "position" and found.inst >= 0:
            px = mark_of(engine, found.inst)
            engine.emit(
                c.TransferPosition(inst=found.inst, qty_nanos=found.qty_nanos, px_nanos=px, reason=event.reason)
            )
            engine.exposure.mark(found.inst, px, money.ledger)
    if holds(money.latches, "CASH") and not money.differences:
        amount = money.cash_difference_nanos
        engine.emit(c.AdjustCash(currency=money.settings.currency, amount_nanos=amount, reason=event.reason))
    for latch in money.latches.held(ACCOUNT, ""):
        if latch.code == "RECONCILE" or (latch.code == "CASH" and not money.differences):
            lift(engine, latch, event.reason, by)
    engine.emit(c.RequestSync(reason="difference acknowledged"))
    unpause(engine)
    refence(engine)
    reconcile_all(engine)
    engine.reply = (True, "difference acknowledged; checking with the broker again")


def _why_not_acknowledge(engine: Trading, event: e.DifferenceAcknowledged) -> str:
    """Why the report cannot be accepted; "" = it can."""
    money = engine.money
    if not money.differences:
        return "" if holds(money.latches, "CASH") else "there is no difference report to acknowledge"
    if event.sync_id and event.sync_id != money.difference_sync_id:
        return f"the report of sync {event.sync_id} is out of date; read sync {money.difference_sync_id}"
    for found in money.differences:
        if found.kind == "position" and found.inst >= 0 and not mark_of(engine, found.inst):
            return f"{engine.symbols[found.inst]} has no price to take the position over at"
    return ""


def _what_differs(engine: Trading) -> str:
    """What an acknowledgement takes over: the next sync's report has another number, and the same differences."""
    money = engine.money
    cash = exact_text(money.cash_difference_nanos)
    return "; ".join(found.text for found in money.differences) or f"a cash difference of {cash}"


def mark_of(engine: Trading, inst: int) -> int:
    """The price a position is taken over at; 0 = none known."""
    return engine.market.mark_nanos(inst) or engine.exposure.marks[inst]


def on_refused(engine: Trading) -> None:
    """Orders that only a mistake explains were refused in this step: duplicates are counted, and a strategy that
    repeats itself is disabled until an operator resumes it (controls 11, 12; RTS 6 article 15(3)).
    """
    refused, engine.refused = engine.refused, []
    for refusal in refused:
        if any(failure.control == DUPLICATES for failure in refusal.failures):
            engine.emit(c.CountRefusal(strategy=refusal.strategy, control=DUPLICATES))
        for move in engine.monitor.on_refused(refusal):
            engine.emit(c.SetStrategy(strategy=move.scope, enabled=False, reason=f"{move.code}: {move.reason}"))
            move_ladder(engine, move)


def holds(latches: Latches, code: str) -> bool:
    """Whether a cause holds the account."""
    return any(latch.code == code for latch in latches.held(ACCOUNT, ""))


def on_armed(engine: Trading, event: e.DeployArmed) -> None:
    """An operator confirms changed code, config or models (control 42)."""
    held = [latch for latch in engine.money.latches.held(ACCOUNT, "") if latch.code == DEPLOY]
    if not held:
        engine.reply = (False, "nothing waits to be armed")
        return
    by = confirmed(engine, event, f"arm {event.digest}", level=ACCOUNT, state=_seen(held))
    if not by:
        return
    for latch in held:
        lift(engine, latch, event.reason, by)
    unpause(engine)
    refence(engine)
    reconcile_all(engine)
    engine.reply = (True, "armed")


def halt(engine: Trading, code: str, reason: str, *, level: int = ACCOUNT, scope: str = "") -> None:
    """Halt a scope on our own account; a cause that stands is not told again."""
    if any(latch.code == code and latch.reason == reason for latch in engine.money.latches.held(level, scope)):
        return
    move_ladder(engine, c.MoveLadder(level=level, scope=scope, state=HALTED, code=code, reason=reason, by="trader"))


def _seen(held: list[Latch]) -> str:
    """The latches a person saw: one that was set again since is another one."""
    return " ".join(f"{latch.level}.{latch.scope}.{latch.code}.{latch.state}.{latch.since_ns}" for latch in held)


def lift(engine: Trading, latch: Latch, reason: str, by: str) -> None:
    """Lift one latch. Whoever lifts the last of a code has seen its alert."""
    engine.emit(c.MoveLadder(level=latch.level, scope=latch.scope, code=latch.code, state=ACTIVE, reason=reason, by=by))
    _end_alert(engine, latch.code, by=by)


def _end_alert(engine: Trading, code: str, *, by: str = c.ENDED) -> None:
    if all(latch.code != code for latch in engine.money.latches.held()):
        engine.end_alerts(code, by=by)


def _latch(event: e.OperatorHalted, code: str) -> c.MoveLadder:
    return c.MoveLadder(
        level=event.level, scope=event.scope, state=HALTED, code=code, reason=event.reason, by=event.operator
    )


def _list(latches: list[Latch]) -> str:
    return ", ".join(f"{where_of(latch.level, latch.scope)} {latch.code}" for latch in latches)
