"""Checks of the guard: that one runs where orders rest at a broker, that it can log in, that it can reach a person, and
that nothing it did before waits for somebody. Reads its files and opens one session of its own; cancels nothing.
"""

import shutil

from core.errors import ConfigError
from daemon.alerts.channels import channel_of
from daemon.config.guarding import AlertTarget
from daemon.killer.latch import LATCH_FILE, read_latch
from daemon.probes.context import Look
from daemon.probes.finding import CONFIRM, Finding, Trouble, fail, ok
from daemon.probes.talk import ClientIdTaken, Conversation
from daemon.status.alerts import delivers, delivery_news
from daemon.status.guard import ACTING, guard_news, guard_runs, read_guard

START = "quantd guard -c FILE, or `quantd up`, which starts it with the trader"


def check_guard(look: Look) -> list[Finding]:
    """Whether somebody takes the orders off the book when the trader dies."""
    if not look.config.guarded:
        nothing = ok("guard", f"nothing to guard: in mode {look.config.mode} no order rests at the broker")
        return [nothing, *_targets(look), *_delivery(look)]
    return [*_latch(look), *_process(look), *_session(look), *_targets(look), *_delivery(look)]


def _latch(look: Look) -> list[Finding]:
    try:
        latch = read_latch(look.state_dir)
    except ConfigError as fault:
        return [fail("guard", str(fault), "run as the owner of the state directory")]
    if latch is None:
        return []
    remedy = "compare orders and positions with the broker; the next start is HALTED until `quantd resume`"
    return [fail("guard", f"{LATCH_FILE} is there: {latch.text}", remedy)]


def _process(look: Look) -> list[Finding]:
    folder = look.state_dir
    if guard_runs(folder):
        news = guard_news(folder)
        alarms = () if news is None else news.alarms
        line = "starting" if news is None else news.line
        bad = [fail("guard", alarm, "read the guard's log, `quantd status` and [alerts]") for alarm in alarms]
        return bad or [ok("guard", f"it runs: {line}")]
    text = "none runs: nobody cancels when the trader dies, and nobody is told"
    if look.running is not None:
        return [fail("guard", text, f"start it now: {START}")]
    if look.config.mode == "live":
        return [Finding(check="guard", status=CONFIRM, text=text, remedy=f"before the trader: {START}")]
    return [ok("guard", f"none runs yet, and no trader: {START}")]


def _session(look: Look) -> list[Finding]:
    """Its own client id is free and taken in; one that acts now has the session itself."""
    guard = look.config.guard
    picture = read_guard(look.state_dir) if guard_runs(look.state_dir) else None
    if picture is not None and picture.state == ACTING:
        return []
    talk = Conversation(look.config.ib, client_id=guard.client_id)
    try:
        talk.open()
    except ClientIdTaken as fault:
        return [fail("guard", f"client id {guard.client_id}: {fault.text}", "give guard.client_id a number of its own")]
    except Trouble as fault:
        return [fail("guard", f"client id {guard.client_id}: {fault.text}", fault.remedy)]
    finally:
        talk.close()
    how = "cancels everything at once" if guard.exclusive else f"then takes client id {look.config.ib.client_id}"
    return [ok("guard", f"it can log in as client {guard.client_id}; {how}")]


def _targets(look: Look) -> list[Finding]:
    """Every way to a person; a live account has at least one."""
    targets = look.config.alerts.to
    if not targets and look.config.mode == "live":
        return [fail("guard", "alerts.to names nobody: an alert wakes no person", "add an [[alerts.to]] table")]
    faults = {target.name: _why_not(target) for target in targets}
    bad = [
        fail("guard", f"alerts.to {name}: {why}", "mend it; then no alert is lost")
        for name, why in faults.items()
        if why
    ]
    return bad or ([ok("guard", f"alerts go to {', '.join(faults)}")] if faults else [])


def _delivery(look: Look) -> list[Finding]:
    """Whether somebody tells them, and arrives."""
    if not look.config.alerts.to:
        return []
    if delivers(look.state_dir):
        news = delivery_news(look.state_dir)
        alarms = () if news is None else news.alarms
        return [
            fail("guard", alarm, "mend the target, then `quantd status`: nothing is lost meanwhile") for alarm in alarms
        ]
    if look.running is None:
        return []
    return [fail("guard", "nobody delivers alerts: they stay in the log", f"start it now: {START}, or `quantd ops`")]


def _why_not(target: AlertTarget) -> str:
    if target.command:
        return "" if shutil.which(target.command[0]) else f"{target.command[0]} is no program here"
    try:
        channel_of(target)
    except ConfigError as fault:
        return str(fault).removeprefix(f"alerts.to {target.name}: ")
    return ""
