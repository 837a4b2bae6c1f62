"""What the guard says about itself, in a file beside the journal: its structs, its bytes, and what an operator must
hear of it. Imports nothing heavy: `quantd status` reads it.
"""

import os
import time
from pathlib import Path
from typing import Final

import msgspec

from daemon.lease import read_lease
from daemon.status.alerts import delivery_news
from daemon.status.follower import FollowerNews, follower_news, is_locked
from daemon.status.footprint import Footprint
from daemon.status.processes import up_news
from daemon.status.ship import ship_news

FILE_NAME: Final = "guard.json"
LOCK_NAME: Final = "guard.lock"
SILENT_SECONDS_MAX: Final = 5.0  # a running guard writes once a second

IDLE: Final = "idle"  # there is no lease, or it was given back
WATCHING: Final = "watching"
ACTING: Final = "acting"
DONE: Final = "done"  # the lease ran out, and nothing is open at the broker


class GuardPicture(msgspec.Struct, frozen=True, kw_only=True):
    """`guard.json`."""

    pid: int
    wall_ns: int
    state: str
    why: str = ""
    lease: str = ""  # whose it looks at
    silent_s: float = 0.0  # since its last look
    footprint: Footprint | None = None  # None = of an earlier release


def write_guard(directory: Path, picture: GuardPicture) -> None:
    """Replace the file whole; not synced."""
    draft = directory / f"{FILE_NAME}.new"
    draft.write_bytes(msgspec.json.encode(picture) + b"\n")
    os.replace(draft, directory / FILE_NAME)


def read_guard(directory: Path) -> GuardPicture | None:
    """None when no guard ever ran here, or the file is another release's."""
    try:
        return msgspec.json.decode((directory / FILE_NAME).read_bytes(), type=GuardPicture)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def guard_runs(directory: Path) -> bool:
    """Whether a guard holds the lock of this state directory."""
    return is_locked(directory / LOCK_NAME)


def news_beside(directory: Path) -> FollowerNews:
    """What `quantd status` and the screen show of the processes beside the trader."""
    of_each = (follower_news, guard_news, delivery_news, ship_news, up_news)
    told = [news_of(directory) for news_of in of_each]
    news = [one for one in told if one is not None]
    return FollowerNews(
        line="  ".join(one.line for one in news if one.line),
        alarms=tuple(alarm for one in news for alarm in one.alarms),
    )


def guard_news(directory: Path) -> FollowerNews | None:
    """One line on how it is, and a line for each thing an operator should do something about; None where there is
    nothing to guard.
    """
    picture, lease = read_guard(directory), read_lease(directory)
    if not guard_runs(directory):
        if lease is None:
            return None
        alarm = "guard not running: nobody cancels when the trader dies, nobody is told: start `quantd guard -c FILE`"
        return FollowerNews(line="guard not running", alarms=(alarm,))
    if picture is None:
        return FollowerNews(line="guard starting")
    silent_s = (time.time_ns() - picture.wall_ns) / 1e9 + picture.silent_s
    alarms = [f"guard: no look for {silent_s:.0f} s (pid {picture.pid})"] if silent_s > SILENT_SECONDS_MAX else []
    if picture.state in (ACTING, DONE):
        alarms.append(f"guard {picture.state}: {picture.why}")
    whose = f" ({picture.lease})" if picture.lease else ""
    return FollowerNews(line=f"guard {picture.state}{whose}", alarms=tuple(alarms))
