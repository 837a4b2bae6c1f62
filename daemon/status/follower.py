"""What the follower says about itself, in a file beside the journal: its structs, its bytes, and what an operator must
hear of it. Imports nothing heavy: `quantd status` and `journal retain` read it.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import Final

import msgspec

from daemon.status.footprint import Footprint

FILE_NAME: Final = "follower.json"
LOCK_NAME: Final = "follower.lock"
SILENT_SECONDS_MAX: Final = 10.0  # a running follower writes once a second
LAG_SECONDS_MAX: Final = 10.0  # then a part that should keep up is an alarm


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """How far one part is: its newest record, and how far that is behind the journal's end."""

    seq: int = 0
    lag_records: int = 0
    lag_s: float = 0.0  # how long the oldest record it lacks has been there


class DatabasePicture(msgspec.Struct, frozen=True, kw_only=True):
    """The SQL part. `fault` "" = the last batch was committed."""

    part: Part = Part()
    edition: str = ""
    revision: str = ""
    fault: str = ""
    retries: int = 0  # since the last batch that was committed


class LastDifference(msgspec.Struct, frozen=True, kw_only=True):
    """The newest record that came out differently."""

    seq: int
    wall_ns: int
    text: str


class FollowerPicture(msgspec.Struct, frozen=True, kw_only=True):
    """`follower.json`. `journal` is when the followed journal began (UTC ns): positions count for that one only."""

    pid: int
    wall_ns: int
    journal: int = 0
    head_seq: int = 0  # the journal's newest record
    state: str = ""  # waiting | following | diverged | not comparable
    why: str = ""
    restep: Part = Part()
    differences: int = 0
    last_difference: LastDifference | None = None
    snapshots: int = 0  # taken by this process
    snapshot_seq: int = 0  # the newest, whoever took it
    snapshot_fault: str = ""  # why the last one could not be taken
    database: DatabasePicture = DatabasePicture()
    footprint: Footprint | None = None  # None = of an earlier release

    @property
    def kept_seq(self) -> int:
        """Everything up to here was compared and recorded: retention may have it."""
        return min(self.restep.seq, self.database.part.seq)


def write_picture(directory: Path, picture: FollowerPicture) -> None:
    """Replace the file whole; not synced, because a lost second costs a second's work."""
    draft = directory / f"{FILE_NAME}.new"
    draft.write_bytes(msgspec.json.encode(picture) + b"\n")
    os.replace(draft, directory / FILE_NAME)


def read_picture(directory: Path) -> FollowerPicture | None:
    """None when no follower ever ran here, or the file is another release's."""
    try:
        return msgspec.json.decode((directory / FILE_NAME).read_bytes(), type=FollowerPicture)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def is_running(directory: Path) -> bool:
    """Whether a follower holds the lock of this state directory."""
    return is_locked(directory / LOCK_NAME)


def is_locked(path: Path) -> bool:
    """Whether a process holds a lock file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


class FollowerNews(msgspec.Struct, frozen=True, kw_only=True):
    """One line on how it is, and a line for each thing an operator should do something about."""

    line: str
    alarms: tuple[str, ...] = ()


def follower_news(directory: Path) -> FollowerNews:
    """What `quantd status` and the screen show."""
    picture = read_picture(directory)
    differences = [] if picture is None else _differences(picture)
    if not is_running(directory):
        told = ("follower not running: start `quantd follow -c FILE`", *differences)
        return FollowerNews(line="follower not running", alarms=told)
    if picture is None:
        return FollowerNews(line="follower starting")
    return FollowerNews(line=_line(picture), alarms=(*silence_alarms(picture), *differences, *_alarms(picture)))


def silence_alarms(picture: FollowerPicture) -> list[str]:
    """A follower that runs and does not say so."""
    silent_s = (time.time_ns() - picture.wall_ns) / 1e9
    return [f"follower: no word for {silent_s:.0f} s (pid {picture.pid})"] if silent_s > SILENT_SECONDS_MAX else []


def _line(picture: FollowerPicture) -> str:
    database = picture.database
    return (
        f"follower {picture.state}  lag {_lag(picture.restep)}  {database.edition or 'sql'} lag {_lag(database.part)}  "
        f"differences {picture.differences}  seq {picture.restep.seq:,}  snapshot {picture.snapshot_seq:,}"
    )


def _lag(part: Part) -> str:
    return f"{part.lag_records:,} ({part.lag_s:.1f} s)"


def _differences(picture: FollowerPicture) -> list[str]:
    last = picture.last_difference
    if last is None:
        return []
    return [f"follower: {picture.differences} difference(s), the last at seq {last.seq}: {last.text}"]


def _alarms(picture: FollowerPicture) -> list[str]:
    return [*comparing_alarms(picture), *database_alarms(picture)]


def comparing_alarms(picture: FollowerPicture) -> list[str]:
    """What is wrong with comparing and with snapshots; differences apart."""
    told = []
    if picture.state == "not comparable":
        told.append(f"follower: decisions are not compared: {picture.why}")
    if picture.snapshot_fault:
        told.append(f"follower: {picture.snapshot_fault}")
    if picture.restep.lag_s > LAG_SECONDS_MAX:
        told.append(f"follower: comparing is {_lag(picture.restep)} behind")
    return told


def database_alarms(picture: FollowerPicture) -> list[str]:
    """What is wrong with the record in SQL."""
    database = picture.database
    if database.fault:
        return [f"follower: nothing is recorded: {database.fault}"]
    if database.part.lag_s > LAG_SECONDS_MAX:
        return [f"follower: recording is {_lag(database.part)} behind"]
    return []
