"""Alerts that were seen, and the cluster's word on who may trade."""

import getpass
import os
from pathlib import Path
from typing import Annotated

import typer

from core.errors import ConfigError
from daemon.cli import options as o
from daemon.control.client import NotReachable, connected
from daemon.state_dir import state_directory

Code = Annotated[str | None, typer.Argument(metavar="[CODE]", help="Which alert, as `quantd status` names it.")]
All = Annotated[bool, typer.Option("--all", help="All that are open.")]
Holder = Annotated[str, typer.Option("--holder", metavar="NAME", help="Who holds the cluster's lease.")]
Valid = Annotated[float, typer.Option("--valid", metavar="SECONDS", help="For how long from now.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(ack)
    app.command()(lease)


def ack(code: Code = None, everything: All = False, state: o.State = None) -> None:
    """Say that an alert was seen: nobody is told of it again until it is raised anew."""
    if (code is None) != everything:
        raise ConfigError("ack: name one alert, or give --all")
    directory = state_directory(state)
    try:
        with connected(directory.socket_in_use()) as client:
            o.print_raw(client.request("ack", code=code))
    except NotReachable:
        _leave_for_guard(directory.path, code or "--all")


def _leave_for_guard(folder: Path, code: str) -> None:
    """No trader to journal it: the guard, which tells people, logs it and stops telling."""
    from daemon.alerts.seen import leave_seen
    from daemon.status.guard import guard_runs

    if not guard_runs(folder):
        raise ConfigError(f"{folder}: neither a trader nor a guard is running there: nobody tells anybody anything")
    leave_seen(folder, code, f"{getpass.getuser()} (pid {os.getpid()})")
    print(f"no trader answers: the guard is told that {code} was seen")


def lease(holder: Holder, valid: Valid, state: o.State = None) -> None:
    """Tell the trader who holds the cluster's lease; for the sidecar that watches it."""
    with connected(state_directory(state).socket_in_use()) as client:
        o.print_raw(client.request("lease", holder=holder, valid_s=valid))
