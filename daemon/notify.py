"""What a service manager is told (sd_notify(3)): that a process is ready, that its own loop turns, what it is doing,
and that it needs longer to start or to stop. Datagrams that wait for nobody: a manager that is gone costs nothing.

Who owns a loop calls `turn` after each good turn of it. There is no thread here that could say so for one that hangs.
"""

import os
import socket
import time
from collections.abc import Callable
from typing import Final

EXTEND_S: Final = 30.0  # a start or stop that goes on says so, each time for so long
EXTENDED: Final = f"EXTEND_TIMEOUT_USEC={round(EXTEND_S * 1e6)}\n"
STOPPING: Final = "STOPPING=1\n"
STATUS_S: Final = 2.0  # between two turns that say something
STATUS_MAX: Final = 400
BEATS: Final = 2  # within the time after which the manager takes us for hung (sd_watchdog_enabled(3))


class Notifier:
    """One process's word to its manager; without one every call returns at once."""

    def __init__(self, address: str = "", *, watchdog_s: float = 0.0, clock: Callable[[], float] = time.monotonic):
        self.watchdog_s = watchdog_s  # 0 = nobody waits for our beats
        self.is_ready = False
        self.is_stopping = False
        self._stop_told = False
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._clock = clock
        self._every_s = min(STATUS_S, watchdog_s / BEATS) if watchdog_s else STATUS_S
        self._due_s = 0.0
        self._socket: socket.socket | None = None

    @classmethod
    def of_environment(cls) -> "Notifier":
        """The manager that started us. Its variables go: no child of ours may speak for us."""
        address = os.environ.pop("NOTIFY_SOCKET", "")
        length, pid = os.environ.pop("WATCHDOG_USEC", ""), os.environ.pop("WATCHDOG_PID", "")
        ours = length.isdecimal() and pid in ("", str(os.getpid()))
        return cls(address if address[:1] in ("/", "@") else "", watchdog_s=int(length) / 1e6 if ours else 0.0)

    @property
    def spoken_to(self) -> bool:
        """Whether there is a manager."""
        return bool(self._address)

    def ready(self, status: str) -> None:
        """Once, when everything that others wait for is there; said again by the next call if it was not taken."""
        if not self.is_ready:
            self._due_s = self._clock() + self._every_s
            self.is_ready = self._send(f"READY=1\nMAINPID={os.getpid()}\nWATCHDOG=1\n{_status(status)}")

    def turn(self, status: Callable[[], str]) -> None:
        """After a good turn of the loop: a beat, or the wish for more time while there is nothing to beat for yet."""
        if not self._address:
            return
        now_s = self._clock()
        if now_s < self._due_s:
            return
        self._due_s = now_s + self._every_s
        longer = "" if self.is_ready and not self.is_stopping else EXTENDED
        stop = STOPPING if self.is_stopping and not self._stop_told else ""
        sent = self._send(f"{stop}{longer}WATCHDOG=1\n{_status(status())}")
        self._stop_told = self._stop_told or (sent and bool(stop))

    def stopping(self, status: str) -> None:
        """Once, when the way out begins."""
        if not self.is_stopping:
            self.is_stopping = True
            self._stop_told = self._send(f"{STOPPING}{EXTENDED}{_status(status)}")

    def close(self) -> None:
        """Nothing more is said."""
        self._address = ""
        if self._socket is not None:
            self._socket.close()

    def _send(self, text: str) -> bool:
        """Whether it was taken, or nobody is there to take it."""
        if not self._address:
            return True
        try:
            if self._socket is None:
                kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
                self._socket = socket.socket(socket.AF_UNIX, kind)
            self._socket.sendto(text.encode("utf-8", "replace"), self._address)
        except (OSError, ValueError):  # gone, or its queue is full: we trade on
            return False
        return True


def _status(text: str) -> str:
    """One line of it (newlines would be other fields)."""
    return f"STATUS={' '.join(text.split())[:STATUS_MAX]}"
