"""Checks of the session itself: port and log-in, account and mode, read-only flag, clock, restart windows."""

import time
from datetime import UTC, datetime
from typing import Final

import msgspec

from broker.ib.config import IbSettings, check_account
from broker.ib.windows import Windows
from core.errors import ConfigError
from core.units import NANO
from daemon.announced import CLOCK_CODE, clock_told
from daemon.probes.context import Look
from daemon.probes.finding import Finding, Trouble, fail, ok
from daemon.probes.talk import Conversation

CLOCK_OFFSET_S_MAX: Final = 2.0  # the broker tells whole seconds
READ_ONLY_CODES: Final = (321,)
ANSWER_S: Final = 5.0


def check_port(look: Look) -> list[Finding]:
    """Something answers, speaks our versions and takes a client."""
    try:
        talk = look.talk()
    except Trouble as fault:
        return [fail("port", fault.text, fault.remedy)]
    found = [ok("port", f"{talk.where} answers; protocol version {talk.version}, session of {talk.server_time}")]
    if talk.faults:
        found.append(fail("port", f"not understood: {talk.faults[0]}", "report it with the gateway's version"))
    return found


def check_mode(look: Look) -> list[Finding]:
    """Account, mode and port agree, and the log-in has the account."""
    config = look.config
    account = config.account.id
    try:
        check_account(config.ib, account=account, mode=config.mode)
    except ConfigError as fault:
        text, _, remedy = str(fault).partition("; ")
        return [fail("account", text, remedy or "correct account.id, ib.port or mode")]
    accounts = look.talk().accounts
    if account not in accounts:
        shown = ", ".join(accounts)
        return [
            fail("account", f"{account} is not in this log-in ({shown})", "correct account.id, or log in as its owner")
        ]
    return [ok("account", f"{account}, mode {config.mode}, port {config.ib.port}")]


def check_read_only(look: Look) -> list[Finding]:
    """Orders may be asked for: a read-only API answers 321 or nothing. Places no order."""
    talk = look.talk()
    talk.send("reqOpenOrders")
    answered = talk.wait(lambda: bool(talk.named("openOrderEnd") or talk.errors(*READ_ONLY_CODES)), ANSWER_S)
    refused = talk.errors(*READ_ONLY_CODES)
    remedy = "clear `Read-Only API` in the gateway's API settings (READ_ONLY_API=no in a container), restart it"
    if refused:
        if look.config.mode == "shadow":
            return [ok("read-only", "the API is read-only, which a shadow can live with")]
        return [fail("read-only", f"321: {refused[0][3]}", remedy)]
    if not answered:
        return [fail("read-only", f"no answer to reqOpenOrders within {ANSWER_S:g} s, as of a read-only API", remedy)]
    return [ok("read-only", "orders may be asked for")]


def check_clock(look: Look) -> list[Finding]:
    """Our clock against the broker's; or the gateway's announcement, where the config wants its time."""
    talk = look.talk()
    if look.config.ib.clock == "gateway":
        told = _announced(talk)
        if told is not None:
            return [ok("clock", f"the gateway announces {_moment(told[0])} at {told[1]:g}x")]
        remedy = 'set ib.clock = "wall"; only `quantd gateway` has a clock of its own'
        return [fail("clock", "this gateway announces no clock", remedy)]
    sent_ns = time.time_ns()
    talk.send("reqCurrentTime")
    if not talk.wait(lambda: bool(talk.named("currentTime")), ANSWER_S):
        return [fail("clock", f"no answer to reqCurrentTime within {ANSWER_S:g} s", "the gateway hangs: restart it")]
    told_s = int(talk.named("currentTime")[-1][1])
    offset_s = ((sent_ns + time.time_ns()) / 2 - told_s * NANO) / NANO - 0.5  # whole seconds: their middle
    text = f"{offset_s:+.1f} s to the broker's"
    if abs(offset_s) > CLOCK_OFFSET_S_MAX:
        remedy = "synchronise this machine's clock (chrony, systemd-timesyncd); look at the gateway's host too"
        return [fail("clock", f"{text}: more than {CLOCK_OFFSET_S_MAX:g} s", remedy)]
    return [ok("clock", text)]


def _announced(talk: Conversation) -> tuple[int, float] | None:
    """(time, speed) of a paper gateway."""
    for entry in reversed(talk.errors(CLOCK_CODE)):
        found = clock_told(str(entry[3]))
        if found is not None:
            return found
    return None


def _present_ns(look: Look) -> int:
    """In the clock the trader will live by."""
    told = _announced(look.talk()) if look.config.ib.clock == "gateway" else None
    return look.now_ns if told is None else told[0]


def check_windows(look: Look) -> list[Finding]:
    """When the broker's servers or the gateway restart next, window by window."""
    settings, now_ns = look.config.ib, _present_ns(look)
    if not settings.windows:
        remedy = "add ib.windows: an unannounced restart in the middle of a schedule is a lost link"
        return [fail("restart", "no restart window is known", remedy)]
    return [_window(msgspec.structs.replace(settings, windows=(window,)), now_ns) for window in settings.windows]


def _window(settings: IbSettings, now_ns: int) -> Finding:
    windows = Windows(settings)
    present = windows.now(now_ns)
    if present:
        return fail("restart", f"now: {present}: no order leaves", "wait until it is over, or correct ib.windows")
    begin_ns, name = windows.next(now_ns)
    hours = (begin_ns - now_ns) / NANO / 3_600
    return ok("restart", f"in {hours:.1f} h: {name}; orders stop {_moment(begin_ns)}")


def _moment(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns // NANO, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
