"""What an operator does to one schedule: pause it, let it go on, or end it for good. Its scope is for the ladder
(core/engine/ladder.py), and so is a schedule that closes a position because somebody said so.
"""

from core import commands as c
from core import events as e
from core.engine.authority import confirmed
from core.engine.trading import Trading
from core.latches import HALTED, STRATEGY
from core.parents import OPERATOR, Parent, ParentState


def on_steered(engine: Trading, event: e.ScheduleSteered) -> None:
    """One schedule, by its number; an answer in any case."""
    parent = engine.money.parents.get(event.parent_id)
    if parent is None:
        engine.reply = (False, f"parent {event.parent_id} is not known")
        return
    refusal = _why_not(engine, parent, event.action)
    if refusal:
        engine.reply = (False, f"parent {parent.parent_id} {refusal}")
        return
    if event.action == e.STEER_PAUSE:
        _pause(engine, parent)
    elif event.action == e.STEER_CANCEL:
        _cancel(engine, parent, event)
    else:
        _resume(engine, parent, event)


def _why_not(engine: Trading, parent: Parent, action: str) -> str:
    """What forbids it; "" = nothing does."""
    if not parent.active:
        return f"is {parent.state.name} already"
    if parent.purpose == c.INTENT_FLATTEN:
        return "closes a position because somebody said so: halt, kill or resume its scope"
    if action == e.STEER_PAUSE:
        return "is paused by an operator already" if parent.paused_reason == OPERATOR else ""
    if action == e.STEER_CANCEL:
        return ""
    if not parent.paused:
        return "is not paused"
    symbol = engine.symbols[parent.inst]
    if engine.money.latches.effective(strategy=parent.strategy, symbol=symbol) == HALTED:
        return f"waits for its scope, which is HALTED: `quantd resume` first ({parent.strategy}, {symbol})"
    book = engine.money.ledger.books.get(parent.strategy)
    if book is not None and not book.enabled:
        return f"waits for its strategy: `quantd resume --strategy {parent.strategy} --reason TEXT` first"
    return ""


def _pause(engine: Trading, parent: Parent) -> None:
    """Its child goes, also one that a crash left in place; a `resume` of the scope does not let it go on."""
    engine.emit(c.PauseParent(parent_id=parent.parent_id, paused=True, reason=OPERATOR))
    engine.work(parent)
    end = "its end stands" if parent.child == 0 else "its order is being cancelled; its end stands"
    engine.reply = (True, f"parent {parent.parent_id} paused; {end}")


def _cancel(engine: Trading, parent: Parent, event: e.ScheduleSteered) -> None:
    """Ended for good: the same target opens no other schedule (as with one that ends on time with a rest)."""
    over = engine.end_parent(
        parent,
        state=ParentState.CANCELLED,
        reason=f"{event.operator}: {event.reason}",
        final=parent.purpose == c.INTENT_SCHEDULE,
    )
    left = "" if over else "; its order is being cancelled"
    engine.reply = (True, f"parent {parent.parent_id} cancelled, its rest is given up until the next target{left}")
    engine.reconcile(parent.strategy, parent.inst)


def _resume(engine: Trading, parent: Parent, event: e.ScheduleSteered) -> None:
    by = confirmed(engine, event, f"resume parent {parent.parent_id}", level=STRATEGY, state=parent.paused_reason)
    if not by:
        return
    engine.emit(c.PauseParent(parent_id=parent.parent_id, paused=False, reason=f"{by}: {event.reason}"))
    engine.reply = (True, f"parent {parent.parent_id} goes on where it stood; what it missed is due now")
    engine.reconcile(parent.strategy, parent.inst)
    if parent.active:
        engine.work(parent)
