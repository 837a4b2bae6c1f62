"""What the state directory itself tells: segments of the journal, room on its disk, the trader's lease. Reads files, so
it is asked in the thread that makes the looks, never on a loop.
"""

import os
from pathlib import Path

import msgspec

from daemon.lease import Lease, read_lease
from daemon.state_dir import StateDirectory


class Folder(msgspec.Struct, frozen=True, kw_only=True):
    """One look. Without a journal `segments` is 0."""

    segments: int = 0
    size_bytes: int = 0
    free_bytes: int = 0
    lease: Lease | None = None


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
