"""Whether an answer to `quantd init` can stand: by the checks of the config and the state of this machine. Each takes
the value and the answers before it; raises ConfigError, `field: what is wrong; remedy`, or returns a warning.
"""

import contextlib
import os
import re
import socket
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from broker.ib.config import LIVE_PORTS, PAPER_PORTS, IbSettings, check_account, check_lines
from core.errors import ConfigError
from daemon.authority.keys import read_secret
from daemon.config.database_url import url_problem
from daemon.config.paths import SOCKET_LENGTH_MAX
from daemon.config.schema import SPEED, TICKER
from daemon.init.kinds import KIND, LIVE, PAPER, Answers, folder_of
from daemon.models import read_model
from risk.limit_rows import Limit
from risk.limits import AccountLimits, set_value
from strategies.kinds import find_kind

CONNECT_S: Final = 1.0  # a gateway on this machine answers in a millisecond
DEMO_MODEL: Final = "demo"  # the answer that means the bundled one
PORTS: Final = {"paper": PAPER_PORTS, "ib_paper": PAPER_PORTS, "live": LIVE_PORTS}


def mode_of(answers: Answers) -> str:
    """What an account of this kind is traded as."""
    return "live" if answers[KIND] == LIVE else "paper"


def account(value: str, answers: Answers) -> str | None:
    """DU… or U…, as the kind wants it."""
    port_ = LIVE_PORTS[0] if answers[KIND] == LIVE else PAPER_PORTS[0]
    check_account(IbSettings(port=port_, arm_live=value), account=value, mode=mode_of(answers))
    return None


def cash(value: Decimal, answers: Answers) -> str | None:
    """Above 0, and no more than the journal's integers hold."""
    if not 0 < value <= Decimal(4_000_000_000):
        raise ConfigError(f"account.start_cash: {value} is out of bounds; give more than 0 and at most 4e9")
    return None


def state_dir(value: str, answers: Answers) -> str | None:
    """A folder that can be made, is nobody's journal yet, and whose socket's path is not too long."""
    found = _path(value, answers)
    if not value:
        raise ConfigError("state_dir: is empty; name a folder")
    if any((found / "journal").glob("*")) or (found / "trader.json").exists():
        raise ConfigError(f"state_dir: {found} has a journal already; name another folder, one for each config")
    if found.exists() and not found.is_dir():
        raise ConfigError(f"state_dir: {found} is no folder; name another")
    there = next(parent for parent in (found, *found.parents) if parent.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(
            f"state_dir: {there} cannot be written by {os.environ.get('USER', 'this user')}; name another"
        )
    if len(str(found / "control.sock").encode()) > SOCKET_LENGTH_MAX:
        raise ConfigError(f"state_dir: {found} is too long for a socket in it; name a shorter path")
    return None


def symbols(value: tuple[str, ...], answers: Answers) -> str | None:
    """Tickers, each once, and no more than there are market-data lines."""
    for at, symbol in enumerate(value):
        if not re.match(TICKER, symbol):
            raise ConfigError(f"instruments: {symbol!r} is no symbol; write it as BAC")
        if symbol in value[:at]:
            raise ConfigError(f"instruments: {symbol} is named twice; name it once")
    if not value:
        raise ConfigError("instruments: are none; name at least one symbol")
    check_lines(IbSettings(), profile="l1_250", instruments=len(value))
    return None


def strategy(value: str, answers: Answers) -> str | None:
    """One of the registry."""
    find_kind(value, field="strategies.kind")
    return None


def model(value: str, answers: Answers) -> str | None:
    """A file with its card, or the bundled one."""
    if value != DEMO_MODEL:
        read_model(_path(value, answers), field="strategies.params.model")
    return None


def limit(row: Limit, value: float) -> str | None:
    """Within the bounds of the table of limits."""
    set_value(msgspec.structs.replace(AccountLimits(), **{row.name: value}), row, "limits.account")
    return None


def port_default(answers: Answers) -> str:
    """The usual one; for our own gateway one that is free."""
    usual = PORTS[answers[KIND]]
    if answers[KIND] != PAPER:
        return str(usual[0])
    return str(next((one for one in usual if _free(one)), 0) or _any_free())


def port(value: int, answers: Answers) -> str | None:
    """Fits the account; a warning when nobody listens there, or, for our own gateway, when somebody does."""
    armed = IbSettings(port=value, arm_live=answers["account.id"])
    check_account(armed, account=answers["account.id"], mode=mode_of(answers))
    if answers[KIND] == PAPER:
        return None if _free(value) else f"ib.port: {value} is in use: end who listens there before `quantd up`"
    host = answers["ib.host"]
    try:
        socket.create_connection((host, value), CONNECT_S).close()
    except OSError as fault:
        return f"ib.port: nobody answers at {host}:{value} now ({fault.strerror or fault}): start TWS or IB Gateway"
    return None


def speed(value: str, answers: Answers) -> str | None:
    """A multiple of real time: a client follows the gateway's clock."""
    if value == "max" or not re.match(SPEED, value):
        raise ConfigError(f'feed.speed: {value!r} is no multiple of real time; write it as "1x"')
    return None


def secret_file(value: str, answers: Answers) -> str | None:
    """A file that is there, and that nobody else may read."""
    if value:
        path = _path(value, answers)
        if not path.is_file():
            raise ConfigError(f"{path}: is no file; write it first, with mode 600")
        read_secret(path)
    return None


def database(value: str, answers: Answers) -> str | None:
    """A URL of a supported database, without a password."""
    problem = url_problem(value) if value else None
    if problem is not None:
        raise ConfigError(f"record.database: {'; '.join(problem)}")
    return None


def _path(value: str, answers: Answers) -> Path:
    """As the config will read it: from its own folder."""
    return Path(os.path.normpath(folder_of(answers) / os.path.expanduser(value)))


def _free(number: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", number))
        return True
    return False


def _any_free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found
