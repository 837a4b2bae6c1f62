"""Alerts that are open, alerts that were seen, and the cluster's word on who may trade."""

import getpass
import os
from pathlib import Path
from typing import Annotated

import typer

from core.errors import ConfigError, Refused
from daemon.alerts.seen import EVERYTHING, leave_seen
from daemon.cli import options as o
from daemon.control.client import NotReachable, connected
from daemon.state_dir import state_directory
from daemon.status.picture import named

Code = Annotated[str | None, typer.Argument(metavar="[CODE]", help="Which alert, as `quantd status` names it.")]
All = Annotated[bool, typer.Option("--all", help="All that are open.")]
Holder = Annotated[str, typer.Option("--holder", metavar="NAME", help="Who holds the cluster's lease.")]
Valid = Annotated[float, typer.Option("--valid", metavar="SECONDS", help="For how long from now.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(alerts)
    app.command()(ack)
    app.command()(lease)


def alerts(state: o.State = None, as_json: o.Json = False) -> None:
    """What nobody has acknowledged yet, where it stands what to do about it, and whether people are reached."""
    from daemon.status.alerts import delivers, read_delivery

    folder = state_directory(state).path
    picture = read_delivery(folder)
    if as_json:
        o.print_json({"running": delivers(folder)} | (named(picture) or {"open": [], "targets": []}))
        return
    from daemon.alerts.catalogue import RUNBOOK, kind_of
    from daemon.cli.tables import print_rows

    if picture is None or not delivers(folder):
        print("nobody delivers alerts: `quantd guard`, or `quantd ops`; `quantd status` has the trader's newest")
    if picture is None:
        return
    rows = [
        {
            "since_ns": one.since_ns, "severity": one.severity, "code": one.code, "count": one.count,
            "from": one.source, "text": one.text, "runbook": f"{RUNBOOK}#{kind_of(one.code).anchor}",
        }
        for one in picture.open
    ]  # fmt: skip
    print_rows("open alerts", rows)
    print_rows(f"targets, told by {picture.by}", list(picture.targets))


def ack(code: Code = None, everything: All = False, state: o.State = None) -> None:
    """Say that an alert was seen: nobody is told of it again until it is raised anew."""
    if (code is None) != everything:
        raise ConfigError("ack: name one alert, or give --all")
    directory = state_directory(state)
    beside = _beside(directory.path, code)
    try:
        with connected(directory.socket_in_use()) as client:
            o.print_raw(client.request("ack", code=code))
    except Refused:  # not one of the trader's; it would say so, too, where it has none
        if not beside:
            raise
    except NotReachable:
        _leave_for_others(directory.path, code or EVERYTHING)
        return
    if beside:
        _leave_for_others(directory.path, code or EVERYTHING)


def _beside(folder: Path, code: str | None) -> list[str]:
    """Open alerts of the processes beside the trader that are meant."""
    from daemon.status.alerts import delivers, read_delivery

    picture = read_delivery(folder)
    if picture is None or not delivers(folder):
        return []
    return [one.code for one in picture.open if one.source != "trader" and code in (None, one.code)]


def _leave_for_others(folder: Path, code: str) -> None:
    """Whoever delivers logs it and stops telling: of what others raised, and of the trader's while it is away."""
    from daemon.status.alerts import delivers

    if not delivers(folder):
        raise ConfigError(
            f"{folder}: neither a trader nor a guard or ops is running there: nobody tells anybody anything"
        )
    leave_seen(folder, code, f"{getpass.getuser()} (pid {os.getpid()})")
    print(f"whoever delivers alerts is told that {code} was seen")


def lease(holder: Holder, valid: Valid, state: o.State = None) -> None:
    """Tell the trader who holds the cluster's lease; for the sidecar that watches it."""
    with connected(state_directory(state).socket_in_use()) as client:
        o.print_raw(client.request("lease", holder=holder, valid_s=valid))
