"""What the state directory itself tells: segments of the journal, room on its disk, the trader's lease. Reads files, so
it is asked in the thread that makes the looks, never on a loop.
"""

import os
from pathlib import Path

import msgspec

from daemon.lease import Lease, read_lease
from daemon.state_dir import StateDirectory
from daemon.status.processes import UpPicture, read_up, up_runs
from daemon.status.ship import ShipPicture, read_ship, ship_runs


class Folder(msgspec.Struct, frozen=True, kw_only=True):
    """One look. Without a journal `segments` is 0."""

    segments: int = 0
    size_bytes: int = 0
    free_bytes: int = 0
    lease: Lease | None = None
    ships: bool = False
    ship: ShipPicture | None = None  # of whoever ships the journal; also of one that has ended
    up: UpPicture | None = None  # of a supervisor that runs


def look_at(state: StateDirectory) -> Folder:
    """All of it; what cannot be read counts as not there."""
    try:
        room = os.statvfs(state.path)
        lease = read_lease(state.path)
        segments, size_bytes = _segments(state.journal)
    except OSError:
        return Folder()
    return Folder(
        segments=segments,
        size_bytes=size_bytes,
        free_bytes=room.f_bavail * room.f_frsize,
        lease=lease,
        ships=ship_runs(state.path),
        ship=read_ship(state.path),
        up=read_up(state.path) if up_runs(state.path) else None,
    )


def _segments(journal: Path) -> tuple[int, int]:
    count = size = 0
    try:
        with os.scandir(journal) as entries:
            for entry in entries:
                if entry.name.startswith("segment-") and entry.name.endswith(".qj"):
                    count += 1
                    size += entry.stat().st_blocks * 512  # what is preallocated counts, what is a hole does not
    except FileNotFoundError:
        return 0, 0
    return count, size
