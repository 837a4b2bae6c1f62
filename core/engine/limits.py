"""Operators change limits and let single orders past a block (controls 39 and 40); what was changed ends by itself.

Whether a value is legal is risk/'s to say; here stands who may ask and for how long. What lets more pass needs a
verified operator and an end, and of the account or a class a second person; a tightening needs none of them.
"""

from datetime import UTC, datetime
from typing import Final

from core import commands as c
from core import events as e
from core.engine import ladder
from core.engine.authority import confirmed, may_add_risk
from core.engine.trading import Trading
from core.ids import SIDE_NAMES
from core.latches import ACCOUNT
from core.limit_changes import NO_END, OVERRIDES_MAX, LimitVerdict
from core.units import NANO, exact_text

RAISE_NS_MAX: Final = 24 * 3600 * NANO  # one trading day: what should last longer belongs into the config
OVERRIDE_NS_MAX: Final = 300 * NANO
LIMIT_STORE: Final = "LIMIT_STORE"


def on_limit_changed(engine: Trading, event: e.LimitChanged) -> None:
    """Set, or take back, one limit of one scope."""
    verdict = engine.gate.judge_limit(event.scope, event.name, event.value)
    until_ns = _until(engine, event)
    refusal = verdict.refusal or _why_not_until(engine, event, until_ns, raises=verdict.raises)
    if refusal:
        engine.reply = (False, refusal)
        return
    where = f"limits.{event.scope}.{event.name}"
    people = event.operator
    if verdict.raises:
        people = confirmed(engine, event, f"{where}: {verdict.old} -> {_wanted(event, verdict)}", level=event.level)
        if not people:
            return
    if event.value:
        engine.emit(
            c.SetLimit(
                scope=event.scope,
                name=event.name,
                value=verdict.value,
                old=verdict.old,
                until_ns=until_ns,
                reason=event.reason,
                by=event.operator,
                authority=event.authority,
                second=engine.second,
                raises=verdict.raises,
            )
        )
        text = f"{where}: {verdict.old} -> {verdict.value} until {_when(until_ns)}"
    else:
        for change in list(engine.money.limit_changes.changes):
            if (change.scope, change.name) == (event.scope, event.name):
                engine.emit(c.RevertLimit(change_id=change.change_id, reason=event.reason, by=people))
        text = f"{where}: {verdict.old} -> the config's"
    engine.alert("LIMIT_CHANGED", "warning" if verdict.raises else "info", f"{text}, by {people}: {event.reason}")
    check_store(engine)
    engine.reply = (True, text)


def _wanted(event: e.LimitChanged, verdict: LimitVerdict) -> str:
    """What two persons must agree on: the value, and for how long."""
    if not event.value:
        return "the config's"
    lasts = f"for {exact_text(event.lasts_ns)} s" if event.lasts_ns else f"until {_when(event.until_ns)}"
    return f"{verdict.value} {lasts}"


def _until(engine: Trading, event: e.LimitChanged | e.OverrideGranted) -> int:
    return engine.ts_ns + event.lasts_ns if event.lasts_ns else event.until_ns


def _why_not_until(engine: Trading, event: e.LimitChanged, until_ns: int, *, raises: bool) -> str:
    """Why the change may not stand for this long, or not for this person; "" = it may."""
    if until_ns != NO_END and until_ns <= engine.ts_ns:
        return "--until lies in the past: give a later time"
    if not raises:
        return ""
    if not may_add_risk(event):
        return "this lets more pass: it needs a proof of who asks (`--as OPERATOR`)"
    if event.value and until_ns == NO_END:
        return "this lets more pass: give --until TIME, at most a day ahead; what should last belongs into the config"
    if until_ns > engine.ts_ns + RAISE_NS_MAX:
        return "this lets more pass: it may last a day at most; what should last longer belongs into the config"
    return ""


def on_override_granted(engine: Trading, event: e.OverrideGranted) -> None:
    """Let one order fail one control, once."""
    until_ns = _until(engine, event)
    refusal = _why_not_override(engine, event, until_ns)
    if refusal:
        engine.reply = (False, refusal)
        return
    what = _what(engine, event)
    levels = engine.settings.two_person_levels
    people = confirmed(engine, event, what, level=levels[0] if levels else ACCOUNT)
    if not people:
        return
    engine.emit(
        c.GrantOverride(
            control=event.control,
            strategy=event.strategy,
            inst=event.inst,
            side=event.side,
            qty_nanos=event.qty_nanos,
            px_nanos=event.px_nanos,
            until_ns=until_ns,
            reason=event.reason,
            by=event.operator,
            authority=event.authority,
            second=engine.second,
        )
    )
    engine.alert("OVERRIDE_GRANTED", "critical", f"{what} until {_when(until_ns)}, by {people}: {event.reason}")
    engine.reply = (True, f"{what}, once, until {_when(until_ns)}")


def _what(engine: Trading, event: e.OverrideGranted) -> str:
    """What two persons must agree on, in words."""
    side, worst = SIDE_NAMES[event.side], f" at {exact_text(event.px_nanos)} or better" if event.px_nanos else ""
    order = f"one order of {event.strategy}, {side} at most {exact_text(event.qty_nanos)} {engine.symbols[event.inst]}"
    return f"{order}{worst}, may fail control {event.control}"


def _why_not_override(engine: Trading, event: e.OverrideGranted, until_ns: int) -> str:
    if not may_add_risk(event):
        return "an override needs a proof of who asks (`--as OPERATOR`)"
    if not engine.ts_ns < until_ns <= engine.ts_ns + OVERRIDE_NS_MAX:
        return f"an override lasts {OVERRIDE_NS_MAX // (60 * NANO)} minutes at most: give --until within that time"
    if event.qty_nanos <= 0 or event.px_nanos < 0:
        return "an override is for one order: give the quantity it may have at most"
    if len(engine.money.limit_changes.overrides) >= OVERRIDES_MAX:
        return f"{OVERRIDES_MAX} overrides are open: wait until they end"
    return engine.gate.overridable(event.control)


def end_due(engine: Trading) -> None:
    """The time of changes and overrides has come: back to what stood before."""
    changes, now = engine.money.limit_changes, engine.ts_ns
    for change in list(changes.changes):
        if NO_END < change.until_ns <= now:
            engine.emit(c.RevertLimit(change_id=change.change_id, reason="its time is over", by="trader"))
            text = f"limits.{change.scope}.{change.name}: {change.value} by {change.by} has ended"
            engine.alert("LIMIT_REVERTED", "info", text)
    for override in list(changes.overrides):
        if override.until_ns <= now:
            engine.emit(c.DropOverride(override_id=override.override_id, reason="its time is over"))
            engine.alert("OVERRIDE_ENDED", "info", f"override of control {override.control} ended unused")
    check_store(engine)


def check_store(engine: Trading) -> None:
    """A change that cannot be applied (another release, another config): the limits are not what somebody asked for."""
    fault = engine.gate.limit_fault
    if fault:
        ladder.halt(engine, LIMIT_STORE, f"a limit change cannot be applied: {fault}")


def _when(until_ns: int) -> str:
    if until_ns == NO_END:
        return "it is taken back"
    return datetime.fromtimestamp(until_ns // NANO, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
