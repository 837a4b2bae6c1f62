"""What a person is told of the link: at once when it goes, again when it stays away, and when it is over."""

from pathlib import Path
from typing import Any

import pytest

from core import commands as c
from core import events as e
from core.records import COMMAND, decode
from core.units import NANO
from daemon.journal import JournalReader
from tests.fakes.live import LiveWorld, config_of, opened, tables_of
from tests.unit.test_live_runner import verified

pytestmark = pytest.mark.usefixtures("tables_built_once")
MINUTE = 60 * NANO


def told(world: LiveWorld) -> list[str]:
    """Alerts in order: code and severity, or -CODE for one that has ended."""
    world.runner.flush()
    found: list[str] = []
    for record in JournalReader(world.directory).records({COMMAND}):
        command: Any = decode(COMMAND, record.payload)
        if type(command) is c.RaiseAlert and command.code != "LINK":  # the ladder's own
            found.append(f"{command.code} {command.severity}")
        elif type(command) is c.CloseAlerts:
            found += [f"-{code}" for code in command.codes if code != "LINK"]
    return found


def pass_minutes(world: LiveWorld, minutes: float) -> None:
    """In steps shorter than any deadline."""
    for _ in range(int(minutes * 3)):
        world.clock.ts_ns += 20 * NANO
        world.sink.advance()


def test_a_loss_is_told_again_while_it_lasts_and_ends_with_a_synchronisation(tmp_path: Path) -> None:
    """Critical in a session; the end closes all of it without anybody, and not before the books were compared."""
    world = opened(tmp_path)
    before = len(told(world))
    world.tell(e.LinkLost(reason="socket"))
    pass_minutes(world, 5)
    assert told(world)[before:] == ["LINK_LOST critical", "LINK_AWAY critical", "LINK_AWAY critical"]
    assert {"LINK_LOST", "LINK_AWAY"} <= world.runner.money.alerts.keys()
    world.tell(e.LinkRestored(reason="back"))
    assert "LINK_LOST" in world.runner.money.alerts
    world.sync(sync_id=2)
    assert told(world)[-2:] == ["-LINK_LOST", "-LINK_AWAY"]
    pass_minutes(world, 3)
    assert "LINK_AWAY" not in world.runner.money.alerts
    verified(world)


def test_a_known_restart_is_no_alarm_until_it_lasts_longer(tmp_path: Path) -> None:
    """Info while the window is on; what is not back two minutes after its end is away like any other."""
    world = opened(tmp_path)
    until_ns = world.clock.ts_ns + 30 * MINUTE
    before = len(told(world))
    world.tell(e.LinkDegraded(reason="nightly reset", until_ns=until_ns))
    world.tell(e.LinkLost(reason="socket; nightly reset", until_ns=until_ns))
    pass_minutes(world, 31.5)
    assert told(world)[before:] == ["LINK_DEGRADED info", "LINK_LOST info"]
    pass_minutes(world, 1)
    assert told(world)[before + 2 :] == ["LINK_AWAY critical"]
    verified(world)


def test_a_link_that_never_came_is_told(tmp_path: Path) -> None:
    """A trader that starts without a gateway is not quiet about it; 0 seconds = it is, on purpose."""
    config = config_of(tmp_path / "a")
    world = LiveWorld(config, tables_of(config))
    world.begin()
    pass_minutes(world, 2.5)
    assert [one for one in told(world) if "LINK_AWAY" in one] == ["LINK_AWAY critical"]
    verified(world)
    quiet = config_of(tmp_path / "b", more="[engine]\nlink_alert_s = 0")
    other = LiveWorld(quiet, tables_of(quiet))
    other.begin()
    pass_minutes(other, 3)
    assert not [one for one in told(other) if "LINK_AWAY" in one]
    other.close()


def test_who_lifts_a_latch_has_seen_its_alert(tmp_path: Path) -> None:
    """Resumed is acknowledged, for the scope's last latch of that code; the fold of a restart knows it too."""
    world = opened(tmp_path)
    for scope in ("AAA", "BBB"):
        world.tell(e.OperatorHalted(level=2, scope=scope, reason="news", operator="ann"))
    assert "HALT" in world.runner.money.alerts
    world.tell(e.OperatorResumed(level=2, scope="AAA", reason="over", operator="ann"))
    assert "HALT" in world.runner.money.alerts
    world.tell(e.OperatorResumed(level=2, scope="BBB", reason="over", operator="bob"))
    assert "HALT" not in world.runner.money.alerts
    assert told(world)[-1] == "-HALT"
    verified(world)


def test_a_crash_is_told_even_where_the_trader_goes_on(tmp_path: Path) -> None:
    """Whatever killed it: its watchdog, a signal, the machine."""
    config = config_of(tmp_path)
    world = LiveWorld(config, tables_of(config))
    world.begin(ended="crash")
    assert "RESTARTED warning" in told(world)
    verified(world)
