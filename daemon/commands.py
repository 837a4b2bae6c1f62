"""The command lines of our own processes, for whoever starts one."""

import os
import sys
from pathlib import Path
from typing import Final, NoReturn

TRADER_MODULE: Final = "daemon.app"
FOLLOWER_MODULE: Final = "daemon.follower"
GUARD_MODULE: Final = "daemon.killer"
OPS_MODULE: Final = "daemon.ops"
SHIP_MODULE: Final = "daemon.ship"
GATEWAY_MODULE: Final = "daemon.gateway"
SUPERVISOR_MODULE: Final = "daemon.supervisor"


def trader_command(config: Path, *, as_json: bool, parent: int | None = None) -> list[str]:
    """The trader; with a `parent` it ends when that process is gone."""
    command = [sys.executable, "-m", TRADER_MODULE, "run", "--config", str(config)]
    return command + (["--json"] if as_json else []) + _bound_to(parent)


def follower_command(
    config: Path, *, state: Path | None = None, upgrade: bool = False, parent: int | None = None
) -> list[str]:
    """The follower of the trader with the same config; `upgrade`: of an embedded database's schema, at its start."""
    command = [sys.executable, "-m", FOLLOWER_MODULE, "--config", str(config)]
    command += [] if state is None else ["--state", str(state)]
    return command + (["--upgrade"] if upgrade else []) + _bound_to(parent)


def guard_command(config: Path, *, state: Path | None = None, parent: int | None = None) -> list[str]:
    """The guard of the trader with the same config."""
    command = [sys.executable, "-m", GUARD_MODULE, "--config", str(config)]
    command += [] if state is None else ["--state", str(state)]
    return command + _bound_to(parent)


def ops_command(config: Path, *, state: Path | None = None, parent: int | None = None) -> list[str]:
    """The ops process of the trader with the same config."""
    command = [sys.executable, "-m", OPS_MODULE, "--config", str(config)]
    command += [] if state is None else ["--state", str(state)]
    return command + _bound_to(parent)


def ship_command(
    config: Path, *, state: Path | None = None, once: bool = False, as_json: bool = False, parent: int | None = None
) -> list[str]:
    """Who copies the journal of the trader with the same config to `ship.to`."""
    command = [sys.executable, "-m", SHIP_MODULE, "--config", str(config)]
    command += [] if state is None else ["--state", str(state)]
    return command + (["--once"] if once else []) + (["--json"] if as_json else []) + _bound_to(parent)


def gateway_command(config: Path, *, as_json: bool = False, parent: int | None = None) -> list[str]:
    """The paper gateway."""
    command = [sys.executable, "-m", GATEWAY_MODULE, "--config", str(config)]
    return command + (["--json"] if as_json else []) + _bound_to(parent)


def up_command(
    config: Path,
    *,
    as_json: bool,
    state: Path,
    gateway: str = "",
    gateway_at: str = "",
    guard_s: float = 0.0,
    ops: bool = False,
    ship: bool = False,
) -> list[str]:
    """All of them, kept up; with a paper gateway's file that gateway too, and with a lease of so long a guard."""
    command = [sys.executable, "-m", SUPERVISOR_MODULE, "--config", str(config), "--state", str(state)]
    command += ["--guard", f"{guard_s:g}"] if guard_s else []
    command += ["--ops"] if ops else []
    command += ["--ship"] if ship else []
    command += ["--gateway", gateway, "--gateway-at", gateway_at] if gateway else []
    return [*command, "--json"] if as_json else command


def become(command: list[str]) -> NoReturn:
    """This process turns into that one: nothing of ours stays in its memory."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], command)


def _bound_to(parent: int | None) -> list[str]:
    return [] if parent is None else ["--parent", str(parent)]
