"""`guard.latch`: what was done to the account's orders while no trader could say so. Written, durably, before the first
cancel leaves; the next trader starts HALTED on it, journals it and only then puts it aside.
"""

import os
import time
from pathlib import Path
from typing import Final

import msgspec

from core.errors import ConfigError
from daemon.journal.segment import write_durably

LATCH_FILE: Final = "guard.latch"
TEXT_MAX: Final = 400


class GuardLatch(msgspec.Struct, frozen=True, kw_only=True):
    """Who cancelled, why, and how far it came."""

    by: str  # guard | panic | restore
    reason: str
    wall_ns: int
    operator: str = ""  # of a panic
    lease_epoch: int = 0  # the lease that had run out; 0 = none was looked at
    lease_sequence: int = 0
    boot_id: str = ""  # of the machine when it fired
    verified: bool = False  # the broker's list of orders was empty afterwards
    cancelled: int = 0
    left: tuple[str, ...] = ()  # what was still open, in words

    @property
    def text(self) -> str:
        """One line for latches and alerts."""
        who = f"{self.by} ({self.operator})" if self.operator else self.by
        done = f"{self.cancelled} orders cancelled" if self.verified else "not verified: orders may still be open"
        return f"{who}: {self.reason}; {done}"[:TEXT_MAX]


def now_latch(*, by: str, reason: str, operator: str = "") -> GuardLatch:
    """One of this moment, with nothing done yet."""
    return GuardLatch(by=by, reason=reason[:TEXT_MAX], wall_ns=time.time_ns(), operator=operator)


def write_latch(directory: Path, latch: GuardLatch) -> None:
    """Durably, whole: file and folder are on the disk when this returns. Raises OSError."""
    write_durably(directory / LATCH_FILE, msgspec.json.encode(latch) + b"\n")


def is_latched(directory: Path) -> bool:
    """Whether there is one; cheap enough to ask several times a second."""
    return os.path.exists(directory / LATCH_FILE)


def read_latch(directory: Path) -> GuardLatch | None:
    """None when there is none. One that cannot be read still latches: its words are then all that is known."""
    try:
        content = (directory / LATCH_FILE).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as fault:
        raise ConfigError(f"{directory / LATCH_FILE}: {fault.strerror}: make it readable") from fault
    try:
        return msgspec.json.decode(content, type=GuardLatch)
    except msgspec.DecodeError:
        return GuardLatch(by="guard", reason=f"{LATCH_FILE} cannot be read: {content[:80]!r}", wall_ns=0)


def put_aside(directory: Path, *, epoch: int) -> None:
    """The trader of this epoch has journalled it. Nothing to do when it is gone already."""
    number = 0
    while (aside := directory / f"{LATCH_FILE}.{epoch}.{number}").exists():
        number += 1
    try:
        os.rename(directory / LATCH_FILE, aside)
    except FileNotFoundError:
        return
