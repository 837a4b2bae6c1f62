"""The rules about processes, disk, log-in and models of one state directory. Reads files, locks and the clock; opens no
connection, and asks no process anything: it must work while they hang.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from broker.ib.windows import Windows
from core.units import NANO
from daemon.alerts.catalogue import BY_CODE
from daemon.alerts.watch import Rule
from daemon.config import Config
from daemon.lease import read_lease
from daemon.state_dir import StateDirectory
from daemon.status.follower import SILENT_SECONDS_MAX, is_locked, is_running, read_picture
from daemon.status.guard import guard_runs

TRADER_DOWN_S: Final = 30.0  # a crashed trader is back within a few seconds where something starts it again
GUARD_DOWN_S: Final = 15.0
BESIDE_DOWN_S: Final = 60.0  # follower, ops: nothing waits for them
BEHIND_S: Final = 60.0  # of lag, and of its lasting
RESERVES: Final = 3  # times the journal's reserve: the next step is that no order goes
OPS_LOCK: Final = "ops.lock"  # daemon/ops/__main__.py, which this process must not load
DAY_NS: Final = 86_400 * NANO


Look = Callable[[], str]


def rules_of(config: Config, *, by: str) -> tuple[Rule, ...]:
    """Every rule that this config gives a meaning to, for the process `by`, which need not watch itself."""
    return tuple(_rules(config, by=by))


def _rules(config: Config, *, by: str) -> Iterator[Rule]:
    state = StateDirectory(Path(config.state_dir))
    if config.guarded:
        yield _rule("TRADER_DOWN", TRADER_DOWN_S, lambda: trader_down(state))
        if by != "guard":
            yield _rule("GUARD_DOWN", GUARD_DOWN_S, lambda: guard_down(state))
    yield _rule("FOLLOWER_DOWN", BESIDE_DOWN_S, lambda: follower_down(state))
    if config.ops.enabled and by != "ops":
        yield _rule("OPS_DOWN", BESIDE_DOWN_S, lambda: ops_down(state))
    yield _rule("FOLLOWER_BEHIND", BEHIND_S, lambda: follower_behind(state))
    if config.alerts.disk_percent:
        reserve_bytes = config.journal.reserve_mib << 20
        yield _rule("DISK_LOW", 0.0, lambda: disk_low(state.path, config.alerts.disk_percent, reserve_bytes))
    if config.broker_feed and config.ib.clock == "wall":
        yield from _calendar_rules(config)


def _calendar_rules(config: Config) -> Iterator[Rule]:
    """What comes by the calendar of real time."""
    login_ns = round(config.alerts.login_hours * 3_600 * NANO)
    if login_ns:
        logins = msgspec.structs.replace(config.ib, windows=tuple(one for one in config.ib.windows if one.login))
        if logins.windows:
            windows = Windows(logins)
            yield _rule("LOGIN_DUE", 0.0, lambda: login_due(windows, time.time_ns(), login_ns))
    if config.alerts.model_days:
        trained = trained_until(config)
        if trained:
            look = lambda: model_stale(trained, time.time_ns(), config.alerts.model_days)  # noqa: E731
            yield _rule("MODEL_STALE", 0.0, look)


def _rule(code: str, patience_s: float, look: Look) -> Rule:
    return Rule(code, BY_CODE[code].severity, patience_s, look)


# ---- processes -----------------------------------------------------------------------------------------------------
def trader_down(state: StateDirectory) -> str:
    """It holds a lease that it did not give back, and no process is there."""
    lease = read_lease(state.path)
    if lease is None or lease.announced or is_locked(state.lock_file):
        return ""
    return f"the trader ({lease.name}) ended without a stop, with {lease.open_orders} orders open, and is not back"


def guard_down(state: StateDirectory) -> str:
    """A trader without a guard."""
    if guard_runs(state.path) or not is_locked(state.lock_file):
        return ""
    return "the trader runs and no guard does: nobody cancels its orders if it dies"


def follower_down(state: StateDirectory) -> str:
    """One followed here before."""
    if is_running(state.path) or not is_locked(state.lock_file) or read_picture(state.path) is None:
        return ""
    return "the trader runs and no follower does: decisions are not compared, nothing reaches SQL"


def ops_down(state: StateDirectory) -> str:
    """The config wants one."""
    if is_locked(state.path / OPS_LOCK) or not is_locked(state.lock_file):
        return ""
    return "the trader runs and ops does not: no metrics, no probes, no MQTT, no commands from afar"


def follower_behind(state: StateDirectory) -> str:
    """It runs and does not keep up."""
    picture = read_picture(state.path)
    if picture is None or not is_running(state.path):
        return ""
    silent_s = (time.time_ns() - picture.wall_ns) / NANO
    database = picture.database
    if silent_s > SILENT_SECONDS_MAX:
        return f"no word from the follower for {silent_s:.0f} s (pid {picture.pid})"
    if database.fault:
        return f"nothing is recorded: {database.fault}"
    if database.part.lag_s > BEHIND_S:
        return f"the database is {database.part.lag_s:.0f} s and {database.part.lag_records:,} records behind"
    if picture.restep.lag_s > BEHIND_S:
        return f"comparing is {picture.restep.lag_s:.0f} s and {picture.restep.lag_records:,} records behind"
    return ""


# ---- the machine ---------------------------------------------------------------------------------------------------
def disk_low(path: Path, percent: float, reserve_bytes: int) -> str:
    """Before the journal's own reserve is touched."""
    disk = shutil.disk_usage(path)
    if disk.free >= disk.total * percent / 100 and disk.free >= RESERVES * reserve_bytes:
        return ""
    return f"{path}: {disk.free >> 20:,} MiB of {disk.total >> 20:,} free ({100 * disk.free / disk.total:.1f} %)"


# ---- the calendar --------------------------------------------------------------------------------------------------
def login_due(windows: Windows, now_ns: int, ahead_ns: int) -> str:
    """From some hours before the restart until it is over."""
    from_ns, name = windows.next(now_ns)
    if now_ns < from_ns - ahead_ns:
        return ""
    return f"{name}: have the telephone of the second factor at hand; nothing trades until somebody has logged in"


def trained_until(config: Config) -> dict[str, int]:
    """By strategy and model file: the end of the newest data in it."""
    from daemon.config.check import model_params
    from daemon.models import read_model

    found = {}
    for name, strategy in config.strategies.items():
        for parameter in model_params(strategy.kind):
            path = strategy.params.get(parameter)
            if isinstance(path, str) and path:
                card = read_model(Path(path), field=f"strategies.{name}.params.{parameter}").card
                found[f"{name}: {card.name}"] = card.data.until_ns
    return found


def model_stale(trained: dict[str, int], now_ns: int, days: int) -> str:
    """Every model whose data are older than that."""
    old = [(name, (now_ns - until_ns) // DAY_NS) for name, until_ns in trained.items()]
    return "; ".join(f"{name} was trained on data that end {age} days ago" for name, age in old if age > days)
