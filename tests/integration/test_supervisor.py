"""`quantd up`: restarts, the order of a stop, exit codes. With stand-ins, and with the real children."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from daemon import cli, supervisor
from daemon.lock import hold_lock
from daemon.status.processes import (
    ENDED,
    GIVEN_UP,
    LOCK_NAME,
    REFUSED,
    RUNNING,
    WAITING,
    ProcessPicture,
    UpPicture,
    read_up,
    up_news,
    write_up,
)
from daemon.supervisor import Child, Supervisor, guard_child
from tests.fakes.process import DEADLINE_S, ROOT
from tests.fakes.trader import write_config

# A stand-in appends what happens to it to `told`, acts by its own script, and ends on a SIGTERM.
STAND_IN = """
import os, signal, sys, time
told, name = sys.argv[1:3]
def tell(what):
    fd = os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, (name + " " + what + chr(10)).encode())
    os.close(fd)
def so_often(what):
    return open(told).read().splitlines().count(name + " " + what)
def wait_for(line):
    while line not in open(told).read().splitlines():
        time.sleep(0.002)
def end(number, frame):
    tell("asked")
    tell("ended")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
tell("started")
"""
FOREVER = "signal.pause()"


class Rig:
    """One supervisor with stand-ins and what they told: a trader, a follower, and others in the order of their end."""

    def __init__(self, folder: Path, trader: str, follower: str = FOREVER, **others: str) -> None:
        self.told = folder / "told"
        self.state = folder
        log = structlog.wrap_logger(structlog.ReturnLogger(), processors=[])
        beside = [self.child(name, program) for name, program in {"follower": follower, **others}.items()]
        self.supervisor = Supervisor(self.child("trader", trader), beside, log, state=folder)

    def states(self) -> dict[str, tuple[str, int, int | None]]:
        """What it says of its processes: state, restarts, last exit."""
        picture = read_up(self.state)
        return {one.name: (one.state, one.restarts, one.code) for one in picture.processes} if picture else {}

    def child(self, name: str, program: str) -> Child:
        """A stand-in by its name."""
        command = [sys.executable, "-S", "-E", "-c", STAND_IN + program, str(self.told), name]
        return Child(name=name, command=lambda: command)

    def lines(self) -> list[str]:
        """Everything told so far."""
        return self.told.read_text().splitlines() if self.told.exists() else []

    def run(self, during: Callable[[], Any] | None = None) -> int:
        """Run to the end, with something to do beside it."""

        async def both() -> int:
            running = asyncio.create_task(self.supervisor.run())
            if during is not None:
                await during()
            async with asyncio.timeout(DEADLINE_S):
                return await running

        return asyncio.run(both())

    async def told_of(self, *lines: str) -> None:
        """Wait until these were told."""
        async with asyncio.timeout(DEADLINE_S):
            while not set(lines) <= set(self.lines()):  # noqa: ASYNC110  # a file that other processes write
                await asyncio.sleep(0.002)

    async def told_to_be(self, name: str, state: str) -> None:
        """Wait until one of its processes is said to be this."""
        async with asyncio.timeout(DEADLINE_S):
            while self.states().get(name, ("",))[0] != state:  # noqa: ASYNC110  # a file that we write meanwhile
                await asyncio.sleep(0.002)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restarts come at once."""
    monkeypatch.setattr(supervisor, "RESTART_SECONDS_MIN", 0.001)
    monkeypatch.setattr(supervisor, "RESTART_SECONDS_MAX", 0.002)


def test_the_traders_end_is_the_end(tmp_path: Path) -> None:
    """The follower is asked once the trader is done, and waited for."""
    rig = Rig(tmp_path, "wait_for('follower started'); tell('done')")
    assert rig.run() == 0
    assert rig.lines()[-3:] == ["trader done", "follower asked", "follower ended"]
    assert not rig.supervisor.running


def test_a_guard_is_kept_up_and_outlives_the_trader(tmp_path: Path) -> None:
    """It comes back when it dies, stays over a crash of the trader, ends after the follower and before the gateway."""
    rig = Rig(
        tmp_path,
        "wait_for('guard alive'); wait_for('follower started'); wait_for('gateway started')\n"
        "if so_often('started') < 2: tell('crashed'); sys.exit(3)\ntell('done')",
        guard="so_often('started') < 2 and sys.exit(1); tell('alive'); signal.pause()",
        gateway=FOREVER,
    )
    assert rig.run() == 0
    lines = rig.lines()
    assert lines[-7:] == [
        "trader done", "follower asked", "follower ended", "guard asked", "guard ended", "gateway asked",
        "gateway ended",
    ]  # fmt: skip
    assert lines.count("guard started") == 2, "a crash of the trader is no reason to end its guard"
    assert rig.supervisor.restarts == {"trader": 1, "follower": 0, "guard": 1, "gateway": 0}
    assert guard_child(tmp_path / "c.toml", 1, lease_s=300.0).stop_s > 300.0, (
        "it may wait for the lease of a dead trader"
    )


def test_a_gateway_that_is_given_up_is_not_waited_for(tmp_path: Path) -> None:
    """Nobody will ever listen there: the trader starts, and says itself what it lacks."""
    rig = Rig(tmp_path, "tell('done')")
    gateway = msgspec.structs.replace(rig.child("gateway", "tell('refuses'); sys.exit(2)"), listens=("127.0.0.1", 1))
    rig.supervisor = Supervisor(rig.child("trader", "tell('done')"), [gateway], structlog.get_logger(), state=tmp_path)
    assert rig.run() == 0
    assert rig.lines() == ["gateway started", "gateway refuses", "trader started", "trader done"]


def test_a_gateway_is_kept_up_and_ends_last(tmp_path: Path) -> None:
    """It comes back when it dies, and stays until trader and follower are done."""
    rig = Rig(
        tmp_path,
        "wait_for('gateway alive'); wait_for('follower started'); tell('done')",
        gateway="so_often('started') < 2 and sys.exit(1); tell('alive'); signal.pause()",
    )
    assert rig.run() == 0
    assert rig.lines()[-5:] == ["trader done", "follower asked", "follower ended", "gateway asked", "gateway ended"]
    assert rig.supervisor.restarts == {"trader": 0, "follower": 0, "gateway": 1}


def test_what_crashes_is_started_again(tmp_path: Path) -> None:
    """The trader twice, then it ends well; the follower once."""
    rig = Rig(
        tmp_path,
        "so_often('started') < 3 and os.kill(os.getpid(), 9); wait_for('follower alive'); sys.exit(0)",
        "so_often('started') < 2 and sys.exit(1); tell('alive'); signal.pause()",
    )
    assert rig.run() == 0
    assert rig.supervisor.restarts == {"trader": 2, "follower": 1}
    assert rig.lines().count("trader started") == 3


def test_a_child_is_given_up_in_the_end(tmp_path: Path) -> None:
    """So many restarts within the window, then exit 1, with the follower stopped."""
    rig = Rig(tmp_path, "so_often('started') > 6 and wait_for('follower started'); sys.exit(1)")
    assert rig.run() == 1
    assert rig.lines().count("trader started") == supervisor.RESTARTS_MAX + 1
    assert rig.lines()[-1] == "follower ended"
    assert rig.states() == {"trader": (GIVEN_UP, supervisor.RESTARTS_MAX, 1), "follower": (ENDED, 0, 0)}


def test_what_is_beside_is_tried_as_long_as_the_trader_lasts(tmp_path: Path) -> None:
    """A guard that died more often than a trader may comes back all the same, and the trader never noticed."""
    often = supervisor.RESTARTS_MAX + 3
    rig = Rig(
        tmp_path,
        "wait_for('guard alive'); wait_for('follower started'); tell('done')",
        guard=f"so_often('started') < {often} and sys.exit(1); tell('alive'); signal.pause()",
    )
    assert rig.run() == 0
    assert rig.supervisor.restarts == {"trader": 0, "follower": 0, "guard": often - 1}
    assert rig.states() == {"trader": (ENDED, 0, 0), "follower": (ENDED, 0, 0), "guard": (ENDED, often - 1, 0)}


def test_how_the_processes_are_is_told(tmp_path: Path) -> None:
    """A line and an alarm for each that is not up, while a `quantd up` holds the lock; nothing without one."""
    picture = UpPicture(
        pid=1,
        processes=(
            ProcessPicture(name="trader", state=RUNNING, pid=2, restarts=1, code=-9),
            ProcessPicture(name="ops", state=REFUSED, pid=3, code=2),
            ProcessPicture(name="guard", state=WAITING, pid=4, restarts=2, code=-9),
        ),
    )
    assert up_news(tmp_path) is None
    write_up(tmp_path, picture)
    assert up_news(tmp_path) is None
    fd = hold_lock(tmp_path / LOCK_NAME, "held")
    news = up_news(tmp_path)
    os.close(fd)
    assert news is not None
    assert news.line == "up 1 of 3, 3 restarts"
    assert news.alarms == (
        "ops refused (exit 2): its log names the field; correct it, then start `quantd up` again",
        "guard waiting (signal 9): it is started again",
    )


def test_a_wrong_config_is_not_tried_again(tmp_path: Path) -> None:
    """Exit 2 of the trader ends both, as exit 2."""
    rig = Rig(tmp_path, "wait_for('follower started'); sys.exit(2)")
    assert rig.run() == 2
    assert rig.lines().count("trader started") == 1
    assert rig.lines()[-1] == "follower ended"


def test_a_follower_that_cannot_run_stops_nothing(tmp_path: Path) -> None:
    """Its exit 2, or its being given up, leaves the trader alone."""
    rig = Rig(tmp_path, "wait_for('follower seen'); tell('done')", "sys.exit(2)")

    async def seen() -> None:
        await rig.told_to_be("follower", REFUSED)
        with rig.told.open("a") as told:
            told.write("follower seen\n")

    assert rig.run(seen) == 0
    assert rig.lines()[-1] == "trader done"
    assert rig.lines().count("follower started") == 1
    assert rig.states()["follower"] == (REFUSED, 0, 2)


def test_a_stop_ends_the_trader_first(tmp_path: Path) -> None:
    """SIGTERM to us: the follower is asked only after the trader has ended."""
    rig = Rig(tmp_path, FOREVER)

    async def stop() -> None:
        await rig.told_of("trader started", "follower started")
        os.kill(os.getpid(), signal.SIGTERM)

    assert rig.run(stop) == 0
    assert rig.lines()[2:] == ["trader asked", "trader ended", "follower asked", "follower ended"]


def test_a_second_signal_hurries_a_follower_that_catches_up(tmp_path: Path) -> None:
    """The trader is done and the follower takes long: a stop asks it again."""
    slow = (
        "signal.signal(signal.SIGTERM, lambda *_: tell('asked'));wait_for('follower asked');"
        "signal.signal(signal.SIGTERM, lambda *_: (tell('hurries'), sys.exit(0)));tell('catches up');signal.pause()"
    )
    rig = Rig(tmp_path, "wait_for('follower started'); tell('done')", slow)

    async def stop() -> None:
        await rig.told_of("follower catches up")
        rig.supervisor.stop()

    assert rig.run(stop) == 0
    assert rig.lines()[-1] == "follower hurries"


def test_who_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After SIGTERM twice; nothing is left behind."""
    monkeypatch.setattr(supervisor, "STOP_SECONDS_MAX", 0.02)
    monkeypatch.setattr(supervisor, "KILL_SECONDS", 0.02)
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN); tell('deaf'); tell(str(os.getpid())); time.sleep(1000)"
    rig = Rig(tmp_path, deaf, deaf)

    async def stop() -> None:
        await rig.told_of("trader deaf", "follower deaf")
        rig.supervisor.stop()

    assert rig.run(stop) == 1
    for line in rig.lines():
        if line.split()[1].isdigit():
            assert not Path(f"/proc/{line.split()[1]}").exists()


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    """kill -9 of the supervisor leaves nothing behind; a child that is too late to ask ends at once."""
    child = (
        "import os, signal, sys; from daemon.lifeline import end_with; end_with(int(sys.argv[1]));"
        "print(os.getpid(), flush=True); signal.pause()"
    )
    program = (
        "import os, subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1], str(os.getpid())]).wait()"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", program, child], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        handle = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    try:
        assert select.select([handle], [], [], 10)[0], "the child outlived its parent"
    finally:
        os.close(handle)
    late = subprocess.run([sys.executable, "-c", child, "1"], capture_output=True, env=environment, check=False)
    assert (late.returncode, late.stdout) == (-signal.SIGTERM, b"")


# ---- the real ones -----------------------------------------------------------------------------------------------
def test_up_refuses_a_wrong_config_before_anything_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, exit 2, nothing created."""
    config = write_config(tmp_path / "state")
    config.write_text(config.read_text().replace('speed = "max"', 'sped = "max"'))
    assert cli.main(["up", "-c", str(config)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["trader.toml"]
