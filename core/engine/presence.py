"""What follows when the trader was not there: its lease ran out, a guard acted in its place, a second trader appeared;
and the alerts that a person has seen.
"""

from core import commands as c
from core import events as e
from core.engine import ladder
from core.engine.trading import Trading
from core.parents import ParentState

LEASE = "LEASE"
GUARD = "GUARD"
SECOND_TRADER = "SECOND_TRADER"


def on_lapsed(engine: Trading, event: e.LeaseLapsed) -> None:
    """Nothing is renewed silently: HALTED until an operator has looked; the broker is asked what is still there."""
    if event.late_ms:
        ladder.halt(engine, LEASE, f"the trader was away: its lease had been over for {event.late_ms} ms")
    elif not event.guard_fired:
        ladder.halt(engine, LEASE, event.reason)
    if event.guard_fired:
        on_guard_fired(engine, event.reason)
    engine.emit(c.RequestSync(reason="lease lapsed"))


def on_guard_fired(engine: Trading, reason: str) -> None:
    """Orders were taken off the book by somebody else: no schedule goes on by itself."""
    for parent in list(engine.money.live_parents.values()):
        engine.end_parent(parent, state=ParentState.CANCELLED, reason="guard fired")
    ladder.halt(engine, GUARD, reason or "the guard cancelled orders while the trader was away")


def on_alert_acknowledged(engine: Trading, event: e.AlertAcknowledged) -> None:
    """Close what was seen."""
    known = engine.money.alerts
    if event.code and event.code not in known:
        there = ", ".join(known) or "none"
        engine.reply = (False, f"no alert {event.code} is open; open: {there}")
        return
    codes = (event.code,) if event.code else tuple(known)
    if not codes:
        engine.reply = (False, "no alert is open")
        return
    engine.emit(c.CloseAlerts(codes=codes, by=event.operator))
    engine.reply = (True, f"acknowledged: {', '.join(codes)}")
