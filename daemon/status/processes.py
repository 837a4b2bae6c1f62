"""What `quantd up` says about the processes it keeps up, in a file beside the journal: its structs, its bytes, and what
an operator must hear of it. Imports nothing heavy: `quantd status` and the supervisor use it.
"""

import os
from pathlib import Path
from typing import Final

import msgspec

from daemon.status.follower import FollowerNews, is_locked

FILE_NAME: Final = "up.json"
LOCK_NAME: Final = "up.lock"

RUNNING: Final = "running"
WAITING: Final = "waiting"  # it died, and is started again in a while
ENDED: Final = "ended"
REFUSED: Final = "refused"  # its config or a file of it is wrong: it is not started again
GIVEN_UP: Final = "given up"  # it died too often


class ProcessPicture(msgspec.Struct, frozen=True, kw_only=True):
    """One process."""

    name: str
    state: str
    pid: int = 0  # of the newest
    restarts: int = 0
    code: int | None = None  # how the one before ended; below 0 = by that signal
    since_ns: int = 0  # when it came into this state, UTC


class UpPicture(msgspec.Struct, frozen=True, kw_only=True):
    """`up.json`."""

    pid: int
    processes: tuple[ProcessPicture, ...] = ()


def write_up(directory: Path, picture: UpPicture) -> None:
    """Replace the file whole; not synced."""
    draft = directory / f"{FILE_NAME}.new"
    draft.write_bytes(msgspec.json.encode(picture) + b"\n")
    os.replace(draft, directory / FILE_NAME)


def read_up(directory: Path) -> UpPicture | None:
    """None when `quantd up` never ran here, or the file is another release's."""
    try:
        return msgspec.json.decode((directory / FILE_NAME).read_bytes(), type=UpPicture)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def up_runs(directory: Path) -> bool:
    """Whether a `quantd up` keeps the processes of this state directory up."""
    return is_locked(directory / LOCK_NAME)


def up_news(directory: Path) -> FollowerNews | None:
    """How many are up, and a line for each that is not or was started again; None where no `quantd up` runs."""
    picture = read_up(directory)
    if picture is None or not up_runs(directory):
        return None
    up = sum(one.state == RUNNING for one in picture.processes)
    restarts = sum(one.restarts for one in picture.processes)
    line = f"up {up} of {len(picture.processes)}" + (f", {restarts} restarts" if restarts else "")
    return FollowerNews(line=line, alarms=tuple(_alarm(one) for one in picture.processes if one.state != RUNNING))


def _alarm(one: ProcessPicture) -> str:
    how = "" if one.code is None else f" (exit {one.code})" if one.code >= 0 else f" (signal {-one.code})"
    remedy = {
        WAITING: "it is started again",
        REFUSED: "its log names the field; correct it, then start `quantd up` again",
        GIVEN_UP: "see its log; then start `quantd up` again",
    }.get(one.state, "")
    return f"{one.name} {one.state}{how}" + (f": {remedy}" if remedy else "")
