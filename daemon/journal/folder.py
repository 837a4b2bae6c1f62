"""A journal's folder held open, so that a rename under its reader loses nothing: when a tape ended, the next run moves
the old journal aside and begins a new one under the same name. Knows no record.
"""

import os
from pathlib import Path

from daemon.journal.layout import list_segments, unpack_header
from daemon.journal.opening import map_segment


class JournalFolder:
    """One folder, wherever it is moved. Raises FileNotFoundError when there is none under the name."""

    def __init__(self, path: Path) -> None:
        self.named = path
        self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @property
    def path(self) -> Path:
        """A path that stays good after a rename; for reading and for snapshots, not for people."""
        return Path(f"/proc/self/fd/{self._fd}")

    @property
    def replaced(self) -> bool:
        """Whether the name now means another folder, or none: nothing is written to this one any more."""
        try:
            there = os.stat(self.named)
        except FileNotFoundError:
            return True
        here = os.fstat(self._fd)
        return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)

    def close(self) -> None:
        """Let go of it. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def journal_identity(directory: Path) -> int:
    """When the first segment was made, UTC ns: tells one journal from the next under its name; 0 = no segment yet."""
    files = list_segments(directory)
    return unpack_header(map_segment(files[0].path), name=files[0].path.name).created_ts_ns if files else 0
