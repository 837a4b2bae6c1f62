"""`quantd kill` and `quantd flatten`: tell the trader, wait until the broker was seen to be empty, and report order by
order. What needs no trader is `quantd panic` (daemon/cli/panic.py).
"""

import json
import time
from typing import Annotated, Any, Final

import typer

from core.errors import QuantdError
from daemon.cli import options as o
from daemon.control.client import ControlClient, NotReachable, connected
from daemon.state_dir import StateDirectory, state_directory

WAIT_S: Final = 30.0
POLL_S: Final = 0.05
SHOWN_MAX: Final = 20  # orders named on the terminal; --json has them all

Process = Annotated[bool, typer.Option("--process", help="The account, and the trader ends once that is verified.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the broker's list of orders was empty.")]
Timeout = Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=1.0, help="How long to wait.")]


class NotVerified(QuantdError):
    """The kill stands; that nothing is open is not proven yet."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(kill)
    app.command()(flatten)


def kill(
    reason: o.Reason,
    strategy: o.Strategy = None,
    symbol: o.Symbol = None,
    process: Process = False,
    wait: Wait = True,
    timeout: Timeout = WAIT_S,
    state: o.State = None,
    as_json: o.Json = False,
) -> None:
    """Block, cancel every order, verify at the broker, report."""
    directory = state_directory(state)
    began_s = time.monotonic()
    scope = {"strategy": strategy, "symbol": symbol, "process": process or None}
    try:
        with connected(directory.socket_in_use()) as client:
            told = json.loads(bytes(client.request("kill", reason=reason, **scope)))
            latched_ms = (time.monotonic() - began_s) * 1_000
            level = "process" if process else "strategy" if strategy else "symbol" if symbol else "account"
            if not as_json:
                print(f"{told} (latched after {latched_ms:.1f} ms)")
            if not wait:
                return
            report = _wait(client, directory, (level, strategy or symbol or ""), began_s + timeout)
    except NotReachable as fault:
        raise _unreachable(fault, directory, reason, narrow=bool(strategy or symbol)) from fault
    report |= {"latched_ms": round(latched_ms, 1), "waited_s": round(time.monotonic() - began_s, 3)}
    if as_json:
        o.print_json(report)
    else:
        print_report(report)
    if not report["verified_ns"]:
        raise NotVerified(f"not verified within {timeout:g} s, the trader goes on: {report['left']}")


def _unreachable(fault: NotReachable, directory: StateDirectory, reason: str, *, narrow: bool) -> NotReachable:
    """A trader that hangs, or starts later, finds the kill file; a kill of less than the account is not widened."""
    left = "" if narrow else "; no kill file could be left"
    if not narrow and directory.card_file.exists() and directory.leave_kill_file(reason):
        left = f"; left {directory.kill_file}: the trader latches when it next looks"
    return NotReachable(f"{fault}{left}. Cancel at the broker without it: quantd panic --reason TEXT")


def _wait(
    client: ControlClient, directory: StateDirectory, scope: tuple[str, str], deadline_s: float
) -> dict[str, Any]:
    """The newest report of the scope, as soon as it is verified or the time is over. Raises NotReachable."""
    while True:
        try:
            reports = json.loads(bytes(client.request("kills")))
        except NotReachable:
            if scope[0] != "process":
                raise
            return _journalled(directory, scope)
        report = _newest(reports, scope)
        if report["verified_ns"] or time.monotonic() >= deadline_s:
            return report
        time.sleep(POLL_S)


def _newest(reports: list[dict[str, Any]], scope: tuple[str, str]) -> dict[str, Any]:
    for report in reversed(reports):
        if (report["level"], report["scope"]) == scope:
            return dict(report)
    raise NotVerified(f"the trader reports no kill of {' '.join(scope).strip()}: see `quantd status`")


def _journalled(directory: StateDirectory, scope: tuple[str, str]) -> dict[str, Any]:
    """A kill of the process ends the trader: what it came to is in its journal."""
    from core.latches import LEVEL_NAMES
    from daemon.journal_fold import JournalFold
    from daemon.status.kills import journalled_report

    money = JournalFold(directory.journal_in_use()).money
    levels = {name: level for level, name in LEVEL_NAMES.items()}
    found = [kill for kill in money.kills if (kill.level, kill.scope) == (levels[scope[0]], scope[1])]
    return _newest([journalled_report(kill, money.ts_ns) for kill in found], scope)


def print_report(report: dict[str, Any]) -> None:
    """For people."""
    since = report["since_ns"]
    for name, key in (("last cancel asked for", "cancelled_ns"), ("verified", "verified_ns")):
        after = report[key] - since
        print(f"{name}: " + (f"+{after / 1e9:.3f} s" if report[key] else "not yet"))
    counts: dict[str, int] = {}
    for how in report["orders"].values():
        counts[how] = counts.get(how, 0) + 1
    print("orders: " + (", ".join(f"{count} {how}" for how, count in counts.items()) or "none was open"))
    for order_id, why in list(report["refused"].items())[:SHOWN_MAX]:
        print(f"could not cancel #{order_id}: {why}")
    for perm_id, whose in list(report["foreign"].items())[:SHOWN_MAX]:
        there = "still open" if int(perm_id) in report["foreign_left"] else "gone"
        print(f"others' order, permId {perm_id}: {whose}: {there}")
    if report["fills_after"]:
        print(f"fills that came after: {report['fills_after']}, {report['filled_after']} shares, booked")


def flatten(reason: o.Reason, strategy: o.Strategy = None, symbol: o.Symbol = None, state: o.State = None) -> None:
    """Close positions with orders that can only reduce them, after every order is off."""
    with connected(state_directory(state).socket_in_use()) as client:
        o.print_raw(client.request("flatten", reason=reason, strategy=strategy, symbol=symbol))
