"""Kill and flatten: block first, then cancel, then verify, then report; flatten is separate and explicit, and begins
when nothing of its scope is open any more (RTS 6 article 12, FIA 2015 §1.11).

A kill is latched before its first cancel leaves: both are records of one step, and nothing of a step is dispatched
before all of it is committed. Nothing here lifts a latch.
"""

from typing import Final

from core import commands as c
from core import events as e
from core.engine import brackets
from core.engine.scope import in_scope, parents_in, reconcile_all, refence
from core.engine.trading import FLATTEN, Trading
from core.latches import ACCOUNT, HALTED, LEVEL_NAMES, STRATEGY, SYMBOL
from core.money.kills import Kill, standing
from core.money.state import DOWN
from core.parents import ParentState

KILL: Final = "KILL"  # code of the latch
TELL_AGAIN_NS: Final = 60 * 10**9  # a kill that is still not verified is told again this often
LEFT_SHOWN_MAX: Final = 8  # orders named in one alert; the report has them all


def on_killed(engine: Trading, event: e.OperatorKilled) -> None:
    """Block, cancel, verify. A second kill of a scope that is being killed only asks for its cancels again."""
    level, scope = event.level, event.scope
    before = standing(engine.money.kills, level, scope)
    if before is None or before.verified_ns:
        engine.emit(_latch(event, KILL))
        refence(engine)
    _end_parents(engine, level, scope, "kill")
    _drop_targets(engine, level, scope, to_zero=False)
    _cancel(engine, level, scope, event.reason, before)
    engine.emit(c.RequestSync(reason="verify kill"))
    live, where = len(in_scope(engine, level, scope)), where_of(level, scope)
    if before is not None and not before.verified_ns:
        engine.reply = (True, f"{where} was killed by {before.by}; {live} orders are still being cancelled")
        return
    engine.alert(KILL, "critical", f"{where} killed by {event.operator}: {event.reason}")
    engine.reply = (True, f"{where} killed; {live} orders being cancelled and verified")


def _cancel(engine: Trading, level: int, scope: str, reason: str, before: Kill | None) -> None:
    """Whatever is live in a scope. For the account one message reaches everybody's orders; those that were refused to
    it `before` are asked for by their numbers too.
    """
    text = f"kill: {reason}"
    if level <= ACCOUNT:
        engine.emit(c.CancelAllOrders(reason=text))
        for order_id in () if before is None else tuple(before.refused):
            engine.emit(c.CancelOrder(order_id=order_id, reason=text))
        return
    for order in in_scope(engine, level, scope):
        engine.emit(c.CancelOrder(order_id=order.order_id, reason=text))


def chase_kills(engine: Trading) -> None:
    """Cancel again whatever is still live under a kill that is not verified, ask the broker, and tell people when it
    takes long (control 27).
    """
    money = engine.money
    for kill in money.kills:
        if kill.verified_ns:
            continue
        _tell_late(engine, kill)
        if money.link == DOWN:
            continue
        if in_scope(engine, kill.level, kill.scope) or (kill.level <= ACCOUNT and money.foreign):
            _cancel(engine, kill.level, kill.scope, kill.reason, kill)
        engine.emit(c.RequestSync(reason="verify kill"))


def _tell_late(engine: Trading, kill: Kill) -> None:
    late_ns = engine.settings.kill_alert_ns
    if engine.ts_ns < (kill.told_ns + TELL_AGAIN_NS if kill.told_ns else kill.since_ns + late_ns):
        return
    left = what_is_left(engine, kill)
    engine.emit(c.TellKill(level=kill.level, scope=kill.scope, left=left))
    seconds = (engine.ts_ns - kill.since_ns) // 10**9
    where = where_of(kill.level, kill.scope)
    engine.alert("KILL_UNVERIFIED", "critical", f"{where}: not verified after {seconds} s: {left}")


def what_is_left(engine: Trading, kill: Kill) -> str:
    """Why a kill is not verified, for people: every order that may still be open, by id."""
    found = [
        f"#{order.order_id} {kill.refused.get(order.order_id) or order.state.name}"
        for order in in_scope(engine, kill.level, kill.scope)
    ]
    found += [f"permId {perm_id} of {kill.foreign.get(perm_id, 'others')}" for perm_id in kill.foreign_open]
    more = len(found) - LEFT_SHOWN_MAX
    shown = "; ".join(found[:LEFT_SHOWN_MAX]) + (f"; and {more} more" if more > 0 else "")
    if kill.level == SYMBOL and kill.foreign_open:
        shown += " (orders of others: only their own client, the desk or a kill of the account takes them off)"
    if engine.money.link == DOWN:
        return f"the link to the broker is DOWN; {shown or 'nothing known to be open'}"
    return shown or "no complete synchronisation yet"


def verify_kills(engine: Trading, sync_id: int, started_ts_ns: int) -> None:
    """After a complete sync: a kill whose scope is empty here and at the broker is done. An order of ours that comes
    to life later under a latch that stands is killed again.
    """
    money, done = engine.money, False
    for kill in list(money.kills):
        if kill.over_ns or started_ts_ns < kill.since_ns:
            continue
        where = where_of(kill.level, kill.scope)
        if kill.verified_ns:
            _kill_again(engine, kill)
        elif not in_scope(engine, kill.level, kill.scope) and not kill.foreign_open and not _listed(engine, kill):
            engine.emit(c.VerifyKill(level=kill.level, scope=kill.scope, sync_id=sync_id))
            engine.alert("KILL_VERIFIED", "info", f"{where}: no open order at the broker; {_outcome(kill)}")
            done = True
    if done:
        reconcile_all(engine)  # a flatten waits for this


def _listed(engine: Trading, kill: Kill) -> bool:
    """Whether the sync itself still showed an order of the scope: it ended while the sync was under way."""
    sync = engine.money.closed_sync
    for order_id, shown in () if sync is None else sync.open.items():
        order = engine.money.orders.get(order_id)
        if order is None or kill.covers(engine.symbols[shown.inst], order.strategy):
            return True
    return False


def _kill_again(engine: Trading, kill: Kill) -> None:
    """What an operator's flatten has sent since is meant to work; anything else is not."""
    live = [o for o in in_scope(engine, kill.level, kill.scope) if o.purpose != c.INTENT_FLATTEN]
    if not live or standing(engine.money.kills, kill.level, kill.scope) is not kill:
        return
    move = c.MoveLadder(
        level=kill.level, scope=kill.scope, state=HALTED, code=KILL, reason=kill.reason, by=kill.by
    )  # fmt: skip
    engine.emit(move)
    for order in live:
        engine.emit(c.CancelOrder(order_id=order.order_id, reason=f"kill: {kill.reason}"))
    engine.emit(c.RequestSync(reason="verify kill"))
    text = f"{where_of(kill.level, kill.scope)}: {len(live)} orders came to life after the kill was verified"
    engine.alert(KILL, "critical", text)


def _outcome(kill: Kill) -> str:
    """How the orders of a kill ended, in numbers."""
    counts: dict[str, int] = {}
    for how in kill.orders.values():
        counts[how] = counts.get(how, 0) + 1
    found = [f"{count} {how}" for how, count in counts.items()]
    found += [f"{len(kill.foreign)} of others gone"] if kill.foreign else []
    found += [f"{kill.fills} fills came after"] if kill.fills else []
    return ", ".join(found) or "there was none"


def on_flattened(engine: Trading, event: e.OperatorFlattened) -> None:
    """Latch the scope, take its orders off and close its positions through the reduce-only lane. A kill stops it;
    said again after the kill it goes on, once the kill is verified (core/engine/trading.py).
    """
    level, scope = event.level, event.scope
    engine.emit(_latch(event, FLATTEN))
    refence(engine)
    _end_parents(engine, level, scope, "flatten")
    _drop_targets(engine, level, scope, to_zero=True)
    for order in in_scope(engine, level, scope):
        engine.cancel(order.order_id, f"flatten: {event.reason}")
    reconcile_all(engine)
    where = where_of(level, scope)
    engine.alert(FLATTEN, "critical", f"{where} flattened by {event.operator}: {event.reason}")
    engine.reply = (True, f"{where} HALTED; positions are being closed")


def _end_parents(engine: Trading, level: int, scope: str, reason: str) -> None:
    brackets.end(engine, level, scope, reason)
    for parent in parents_in(engine, level, scope):
        if parent.active:
            engine.emit(c.EndParent(parent_id=parent.parent_id, state=ParentState.CANCELLED, reason=reason))
            engine.timers.drop_wake(parent.parent_id)


def _drop_targets(engine: Trading, level: int, scope: str, *, to_zero: bool) -> None:
    """Strategies of a scope want what they hold (kill) or nothing (flatten), and start over from there."""
    ledger = engine.money.ledger
    for name, book in list(ledger.books.items()):
        if level == STRATEGY and name != scope:
            continue
        for inst in list(book.targets):
            if level == SYMBOL and engine.symbols[inst] != scope:
                continue
            target = 0 if to_zero else ledger.held_nanos(name, inst)
            if book.targets[inst] != target:
                engine.emit(c.SetTarget(strategy=name, inst=inst, qty_nanos=target))
            if name in engine.strategies:
                engine.strategies[name].forget(inst)


def where_of(level: int, scope: str) -> str:
    """A scope, for people."""
    return f"{LEVEL_NAMES[level]} {scope}".strip()


def _latch(event: e.OperatorKilled | e.OperatorFlattened, code: str) -> c.MoveLadder:
    return c.MoveLadder(
        level=event.level, scope=event.scope, state=HALTED, code=code, reason=event.reason, by=event.operator
    )
