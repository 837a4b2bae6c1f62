"""`quantd up` speaks to the manager of its service for all its children: what the trader says of itself is passed on,
its beats above all, so that a hung trader is seen through its living supervisor. While there is no trader that could
beat (it died, it recovers) the supervisor's own loop does. Without a manager there is no socket and nothing to pass.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Final

from daemon.notify import Notifier

NAME: Final = "notify"
DATAGRAM_BYTES: Final = 4_096
TURN_S: Final = 1.0


class Spokesman:
    """One supervisor's. Used from its loop."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._folder: Path | None = None
        self._socket: socket.socket | None = None
        self.told = "starting"  # what the trader says of itself
        self._alive = False  # a trader that is ready beats for all
        self._turning: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Listen for the trader's word."""
        if not self._notifier.spoken_to:
            return
        self._folder = Path(tempfile.mkdtemp(prefix="quantd-"))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self._socket.bind(str(self._folder / NAME))
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._hear)
        self._turning = asyncio.create_task(self._turn(), name="notify")

    def close(self) -> None:
        """Nothing more comes."""
        if self._turning is not None:
            self._turning.cancel()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def environment(self) -> dict[str, str] | None:
        """What the trader is started with; None = as we were."""
        if self._folder is None:
            return None
        found = os.environ | {"NOTIFY_SOCKET": str(self._folder / NAME)}
        if self._notifier.watchdog_s:
            found["WATCHDOG_USEC"] = str(round(self._notifier.watchdog_s * 1e6))
        return found

    def ended(self) -> None:
        """There is no trader for now."""
        self._alive, self.told = False, "the trader is started again"

    def stopping(self) -> None:
        """The set ends."""
        self._notifier.stopping("stopping")
        self._alive = False

    async def _turn(self) -> None:
        while True:
            if not self._alive:
                self._notifier.turn(lambda: self.told)
            await asyncio.sleep(TURN_S)

    def _hear(self) -> None:
        assert self._socket is not None, "open() comes first"
        with contextlib.suppress(BlockingIOError):
            while True:
                self._take(self._socket.recv(DATAGRAM_BYTES).decode("utf-8", "replace"))

    def _take(self, text: str) -> None:
        fields = dict(line.partition("=")[::2] for line in text.splitlines())
        self.told = fields.get("STATUS", self.told)
        if "STOPPING" in fields:
            self._alive = False
        if "READY" in fields:
            self._alive = True
            self._notifier.ready(self.told)
        if "WATCHDOG" in fields and self._alive:
            self._notifier.turn(lambda: self.told)
