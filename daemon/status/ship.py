"""What shipping says about itself, in a file beside the journal: its struct, its bytes, and what an operator must hear
of it. Imports nothing heavy: `quantd status`, `journal retain` and ops read it.
"""

import os
import time
from pathlib import Path
from typing import Final

import msgspec

from daemon.status.follower import FollowerNews, Part, is_locked
from daemon.status.footprint import Footprint

FILE_NAME: Final = "ship.json"
LOCK_NAME: Final = "ship.lock"
SILENT_SECONDS_MAX: Final = 10.0  # a running one writes once a second


class ShipPicture(msgspec.Struct, frozen=True, kw_only=True):
    """`ship.json`. `journal` is when the shipped journal began (UTC ns): the position counts for that one only."""

    pid: int
    wall_ns: int
    to: str
    journal: int = 0
    head_seq: int = 0  # the journal's newest record
    part: Part = Part()  # seq: all up to this record is in the copy, durably
    behind_bytes: int = 0
    behind_s_max: float = 0.0  # then it is an alarm
    snapshot_seq: int = 0  # the newest in the copy
    shipped_bytes: int = 0  # by this process
    fault: str = ""  # why the last round failed; "" = it did not
    remark: str = ""  # what was put aside in the copy
    footprint: Footprint | None = None  # None = of an earlier release


def write_ship(directory: Path, picture: ShipPicture) -> None:
    """Replace the file whole; not synced: the copy itself knows where it stands."""
    draft = directory / f"{FILE_NAME}.new"
    draft.write_bytes(msgspec.json.encode(picture) + b"\n")
    os.replace(draft, directory / FILE_NAME)


def read_ship(directory: Path) -> ShipPicture | None:
    """None when nothing was ever shipped from here, or the file is another release's."""
    try:
        return msgspec.json.decode((directory / FILE_NAME).read_bytes(), type=ShipPicture)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def ship_runs(directory: Path) -> bool:
    """Whether a process that ships holds the lock of this state directory."""
    return is_locked(directory / LOCK_NAME)


def ship_news(directory: Path) -> FollowerNews | None:
    """One line on how it is, and a line for each thing an operator should do something about; None where nothing was
    ever shipped.
    """
    picture = read_ship(directory)
    if picture is None:
        return None
    if not ship_runs(directory):
        told = f"journal not shipped: start `quantd journal ship -c FILE`; the copy in {picture.to} is growing old"
        return FollowerNews(line="ship not running", alarms=(told,))
    part = picture.part
    line = f"shipped lag {part.lag_records:,} ({part.lag_s:.1f} s)"
    silent_s = (time.time_ns() - picture.wall_ns) / 1e9
    alarms = [f"ship: no word for {silent_s:.0f} s (pid {picture.pid})"] if silent_s > SILENT_SECONDS_MAX else []
    alarms += [f"ship: {picture.fault}"] if picture.fault else []
    if part.lag_s > picture.behind_s_max:
        alarms.append(f"ship: the copy in {picture.to} is {part.lag_s:.0f} s, {picture.behind_bytes:,} bytes behind")
    return FollowerNews(line=line, alarms=tuple(alarms))
