"""What the manager of a service hears of a trader and of `quantd up`: from the loop that decides, over real sockets."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from core.money.state import READY
from daemon import spokesman, supervisor
from daemon.notify import Notifier
from daemon.supervisor import Child, Supervisor
from tests.fakes.pair import Pair, install, run

pytestmark = pytest.mark.slow
DEADLINE_S = 240.0


class Manager:
    """Listens as systemd does."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self.told: list[dict[str, str]] = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.address)
        self.socket.setblocking(False)

    def hear(self) -> list[dict[str, str]]:
        """Every datagram so far, by fields."""
        while True:
            try:
                text = self.socket.recv(65_536).decode()
            except BlockingIOError:
                return self.told
            self.told.append(dict(line.partition("=")[::2] for line in text.splitlines()))

    async def until(self, condition: Callable[[list[dict[str, str]]], bool]) -> None:
        """Until what was heard is so."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition(self.hear()):  # noqa: ASYNC110  # a socket that another process writes to
                await asyncio.sleep(0.005)

    def count(self, key: str) -> int:
        """Datagrams so far with a field."""
        return sum(1 for fields in self.hear() if key in fields)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """One."""
    where = Manager(tmp_path / "manager")
    yield where
    where.socket.close()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  # a socket that another process writes to
            await asyncio.sleep(0.005)


def test_the_trader_is_ready_when_its_account_is_reconciled(
    tmp_path: Path, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a gateway its loop asks for more time; with one it is READY after the first complete sync, then beats; a
    stop is announced.
    """
    install(monkeypatch)

    async def story(pair: Pair) -> None:
        pair.notifier = notifier = Notifier(manager.address, watchdog_s=0.1)
        await pair.start_gateway()
        await pair.start_trader()
        await manager.until(lambda told: manager.count("READY") > 0)
        assert pair.money.sendable() == READY
        at = len(manager.told)
        ready = next(place for place, fields in enumerate(manager.told) if "READY" in fields)
        assert all("EXTEND_TIMEOUT_USEC" in fields for fields in manager.told[:ready])
        assert "link READY" in manager.told[ready]["STATUS"]
        assert manager.told[ready]["MAINPID"] == str(os.getpid())
        await manager.until(lambda told: len(told) >= at + 3)
        assert all(fields.keys() == {"WATCHDOG", "STATUS"} for fields in manager.told[ready + 1 :])
        await pair.stop_trader()
        assert manager.count("STOPPING") == 1
        assert manager.count("READY") == 1
        notifier.close()

    run(tmp_path, story)


STAND_IN = """
import os, signal, socket, sys, time
told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def tell(text): told.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
def end(number, frame):
    tell("STOPPING=1")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
tell("EXTEND_TIMEOUT_USEC=1\\nWATCHDOG=1\\nSTATUS=recovering")
tell("READY=1\\nSTATUS=run %s" % sys.argv[1])
"""
BEATS = "while True: tell('WATCHDOG=1'); time.sleep(0.01)"
HANGS = "for n in range(10_000): tell('STATUS=still %d' % n); time.sleep(0.01)"
DIES = "sys.exit(3)"


@pytest.mark.parametrize("life", ["beats", "hangs", "dies, then beats"])
def test_up_passes_the_traders_beats_on(
    life: str, tmp_path: Path, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trader that hangs is seen through its living supervisor; while one is started again the supervisor beats; only
    the trader is handed the socket.
    """
    monkeypatch.setattr(supervisor, "RESTART_SECONDS_MIN", 0.5)
    monkeypatch.setattr(spokesman, "TURN_S", 0.01)
    runs = tmp_path / "runs"
    lives = {"beats": [BEATS], "hangs": [HANGS], "dies, then beats": [DIES, BEATS]}[life]

    def trader() -> list[str]:
        number = len(runs.read_text()) if runs.exists() else 0
        runs.write_text("x" * (number + 1))
        return [sys.executable, "-S", "-E", "-c", STAND_IN + lives[min(number, len(lives) - 1)], str(number)]

    alone = "import os, signal; assert 'NOTIFY_SOCKET' not in os.environ; signal.pause()"
    follower = [sys.executable, "-S", "-E", "-c", alone]
    notifier = Notifier(manager.address, watchdog_s=0.1)
    log = structlog.wrap_logger(structlog.ReturnLogger(), processors=[])
    kept = Supervisor(
        Child(name="trader", command=trader),
        [Child(name="follower", command=lambda: follower)],
        log,
        notifier=notifier,
    )

    said = kept.spokesman

    async def story() -> None:
        running = asyncio.create_task(kept.run())
        await manager.until(lambda told: manager.count("READY") > 0)
        assert manager.told[-1]["STATUS"] == "run 0"
        if life == "hangs":
            await _until(lambda: said.told == "still 40")  # many turns of the supervisor's own
            ready = next(place for place, fields in enumerate(manager.hear()) if "READY" in fields)
            assert not manager.told[ready + 1 :], "it beats for a trader that hangs"
        elif life == "beats":
            before = manager.count("WATCHDOG")
            await manager.until(lambda told: manager.count("WATCHDOG") >= before + 3)
        else:
            await manager.until(lambda told: any(f.get("STATUS") == "the trader is started again" for f in told))
            await manager.until(lambda told: any(f.get("STATUS") == "run 1" and "WATCHDOG" in f for f in told))
        kept.stop()
        async with asyncio.timeout(DEADLINE_S):
            assert await running == 0
        assert manager.count("STOPPING") == 1
        assert manager.count("READY") == 1
        assert kept.restarts["follower"] == 0

    asyncio.run(story())
    notifier.close()
