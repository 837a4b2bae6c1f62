"""The ways to kill that need no socket: two signals, and a file in the state directory that anybody may make.

SIGUSR1 kills the account, SIGUSR2 the process; `STATE/KILL` kills the account, its content is the reason. The file is
put aside when the latch is on the disk, so that a trader that dies in between finds it again. Decides nothing: each way
becomes the operator's fact it stands for, under a name of its own.
"""

import asyncio
import os
import pwd
import signal
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from core import events as e
from core.latches import ACCOUNT, PROCESS
from daemon.control.messages import REASON_LENGTH_MAX

if TYPE_CHECKING:
    from daemon.trader import Trader

LOOK_S: Final = 0.1  # between two looks for the file
SIGNALS: Final = {signal.SIGUSR1: ACCOUNT, signal.SIGUSR2: PROCESS}


class KillSwitch:
    """Of one trader. A signal that comes before there is anything to kill is kept until there is."""

    def __init__(self, trader: "Trader") -> None:
        self._trader = trader
        self._open = False
        self._waiting: list[tuple[int, str, str]] = []  # level, operator, reason
        self._path = trader.state.kill_file
        self._looked_s = 0.0
        self._stuck: tuple[int, int] | None = None  # a file that could not be put aside: inode and time of change

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on the signals are ours."""
        for number, level in SIGNALS.items():
            loop.add_signal_handler(number, self._signalled, level, number.name)

    def open(self) -> None:
        """There is an engine to tell: what waits is told before any order can leave."""
        self._open = True
        while self._waiting:
            self._kill(*self._waiting.pop(0))
        self._look_for_file()

    def look(self) -> None:
        """Between steps; cheap. Nothing happens while the trader fails: its orders are cancelled already."""
        now_s = time.monotonic()
        if now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            self._look_for_file()

    def _signalled(self, level: int, name: str) -> None:
        entry = (level, name, f"{name} was received")
        if self._open:
            self._kill(*entry)
        elif entry not in self._waiting:
            self._waiting.append(entry)

    def _kill(self, level: int, operator: str, reason: str) -> bool:
        trader = self._trader
        if trader.failure is not None:
            return False
        reply = trader.operations.operate(e.OperatorKilled(level=level, scope="", reason=reason, operator=operator))
        trader.log.warning("killed", by=operator, reason=reason, answer=reply.text)
        return reply.ok

    # ---- the file ----------------------------------------------------------------------------------------------
    def _look_for_file(self) -> None:
        try:
            found = os.lstat(self._path)
        except OSError:
            return
        if (found.st_ino, found.st_mtime_ns) == self._stuck:
            return
        if self._kill(ACCOUNT, f"kill file of {_owner(found.st_uid)}", read_reason(self._path)):
            self._trader.active_runner.journal.sync()
            self._put_aside(found)

    def _put_aside(self, found: os.stat_result) -> None:
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + f".{time.time_ns() % 10**9:09d}"
        try:
            os.rename(self._path, self._path.with_name(f"{self._path.name}.seen-{stamp}"))
        except OSError as fault:
            self._stuck = (found.st_ino, found.st_mtime_ns)
            self._trader.log.error("the kill file cannot be put aside: remove it", error=fault.strerror)


def read_reason(path: Path) -> str:
    """One printable line of whatever lies there; a pipe or a link is never waited for or followed."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as fault:
        return f"kill file (unreadable: {fault.strerror})"
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return "kill file (not a plain file)"
        text = os.read(handle, 4 * REASON_LENGTH_MAX).decode(errors="replace")
    except OSError as fault:
        return f"kill file (unreadable: {fault.strerror})"
    finally:
        os.close(handle)
    words = "".join(letter if letter.isprintable() else " " for letter in text).split()
    return " ".join(words)[:REASON_LENGTH_MAX] or "kill file (empty)"


def _owner(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
