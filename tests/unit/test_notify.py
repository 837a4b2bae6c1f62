"""What a process tells the manager of its service (daemon/notify.py), heard on a real socket."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.notify import EXTEND_S, Notifier

EXTENDED = f"EXTEND_TIMEOUT_USEC={round(EXTEND_S * 1e6)}"


class Manager:
    """Listens as systemd does."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self.socket.setblocking(False)

    def heard(self) -> list[list[str]]:
        """Every datagram so far, by lines."""
        found = []
        while True:
            try:
                found.append(self.socket.recv(65_536).decode().splitlines())
            except BlockingIOError:
                return found


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """One with each kind of address."""
    where = Manager(str(tmp_path / "notify") if request.param == "path" else f"@quantd-test-{os.getpid()}")
    yield where
    where.socket.close()


@pytest.fixture
def made() -> Iterator[Callable[..., Notifier]]:
    """Makes notifiers, and closes them."""
    kept: list[Notifier] = []

    def make(address: str, **options: Any) -> Notifier:
        kept.append(Notifier(address, **options))
        return kept[-1]

    yield make
    for notifier in kept:
        notifier.close()


Make = Callable[..., Notifier]


class Clock:
    """Stands until it is moved."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_start_asks_for_time_then_is_ready_then_beats(manager: Manager, made: Make) -> None:
    """Until READY each due turn extends the start; afterwards it is a beat, at half the watchdog's time."""
    clock = Clock()
    notifier = made(manager.address, watchdog_s=2.0, clock=clock)
    notifier.turn(lambda: "recovering")
    notifier.turn(lambda: "too soon")
    assert manager.heard() == [[EXTENDED, "WATCHDOG=1", "STATUS=recovering"]]
    notifier.ready("link READY")
    notifier.ready("again")
    notifier.turn(lambda: "too soon")
    assert manager.heard() == [["READY=1", f"MAINPID={os.getpid()}", "WATCHDOG=1", "STATUS=link READY"]]
    clock.now_s += 0.99
    notifier.turn(lambda: "too soon")
    clock.now_s += 0.01
    notifier.turn(lambda: "two\nlines")
    assert manager.heard() == [["WATCHDOG=1", "STATUS=two lines"]], "a newline would begin another field"


def test_a_stop_is_told_once_and_asks_for_time(manager: Manager, made: Make) -> None:
    """STOPPING=1 when it begins, more time with each turn after it."""
    clock = Clock()
    notifier = made(manager.address, watchdog_s=2.0, clock=clock)
    notifier.ready("")
    notifier.stopping("SIGTERM")
    notifier.stopping("SIGTERM")
    clock.now_s += 1.0
    notifier.turn(lambda: "draining")
    assert manager.heard()[1:] == [
        ["STOPPING=1", EXTENDED, "STATUS=SIGTERM"],
        [EXTENDED, "WATCHDOG=1", "STATUS=draining"],
    ]


def test_the_variables_are_ours_alone(monkeypatch: pytest.MonkeyPatch, manager: Manager) -> None:
    """They are taken out of the environment, and a watchdog meant for another process is not ours."""
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    notifier = Notifier.of_environment()
    assert (notifier.spoken_to, notifier.watchdog_s) == (True, 3.0)
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & os.environ.keys()
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert Notifier.of_environment().watchdog_s == 0.0
    assert not Notifier.of_environment().spoken_to, "nobody started us"


@pytest.mark.parametrize("address", ["", "vsock:2:1", "relative"])
def test_without_a_manager_nothing_is_sent(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Nor to an address of a kind we do not speak."""
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notifier = Notifier.of_environment()
    notifier.ready("")
    notifier.turn(lambda: pytest.fail("nobody asks for a status"))
    assert not notifier.spoken_to


def test_a_manager_that_is_gone_or_does_not_listen_costs_nothing(tmp_path: Path, made: Make) -> None:
    """A full queue, then no socket at all: every call returns; a manager that comes back is heard again."""
    clock = Clock()
    deaf = Manager(str(tmp_path / "notify"))
    notifier = made(deaf.address, clock=clock)
    told = 2_000  # more than any queue of datagrams takes (net.unix.max_dgram_qlen)
    for _ in range(told):
        clock.now_s += 60.0
        notifier.turn(lambda: "x" * 300)
    assert 0 < len(deaf.heard()) < told, "the queue was not full, or nothing came"
    deaf.socket.close()
    os.unlink(deaf.address)
    clock.now_s += 60.0
    notifier.turn(lambda: "nobody")
    again = Manager(deaf.address)
    clock.now_s += 60.0
    notifier.turn(lambda: "back")
    assert [lines[-1] for lines in again.heard()] == ["STATUS=back"]
    again.socket.close()


def test_ready_and_stopping_are_said_again_when_they_were_not_taken(tmp_path: Path, made: Make) -> None:
    """A manager whose queue is full at that moment hears them with the next turn."""
    clock = Clock()
    deaf = Manager(str(tmp_path / "notify"))
    notifier = made(deaf.address, clock=clock)

    def fill() -> None:
        other = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                other.sendto(b"STATUS=noise", deaf.address)
        other.close()

    fill()
    notifier.ready("now")
    assert not notifier.is_ready
    deaf.heard()
    notifier.ready("now")
    assert deaf.heard()[-1][0] == "READY=1"
    fill()
    notifier.stopping("asked")
    deaf.heard()
    clock.now_s += 60.0
    notifier.turn(lambda: "draining")
    assert deaf.heard()[-1][0] == "STOPPING=1"
    deaf.socket.close()
