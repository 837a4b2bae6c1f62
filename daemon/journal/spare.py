"""The segment kept ready one ahead, and the watch on free disk space. Knows no record.

The spare lies on disk as `next-segment` and survives a restart, so that a trader that starts on a full disk can still
record its cancels.
"""

import os
import threading
from pathlib import Path
from typing import Final

from daemon.journal.layout import SegmentHeader
from daemon.journal.segment import Segment

SPARE_NAME: Final = "next-segment"


class Spare:
    """Prepares the next segment from any thread; `take` hands it over. `available` False = no new orders, please."""

    def __init__(self, directory: Path, *, segment_bytes: int, reserve_bytes: int) -> None:
        self.segment_bytes = segment_bytes
        self.available = True
        self.reason = ""
        self._path = directory / SPARE_NAME
        self._reserve_bytes = reserve_bytes
        self._segment: Segment | None = None
        self._lock = threading.Lock()

    def prepare(self) -> bool:
        """Have a segment ready if the disk allows; True when one is ready and the reserve of free space is untouched.

        A failure is remembered in `available` and `reason`, never raised; call again when there may be room.
        """
        with self._lock:
            return self._prepare()

    def take(self, header: SegmentHeader) -> Segment | None:
        """The prepared segment (made on the spot if nobody did it before) under its own name; None without room.

        It gets its name before the lock is let go: `prepare` in another thread would take the same file again.
        Raises OSError when it cannot be named.
        """
        with self._lock:
            if self._segment is None:
                self._prepare()
            if self._segment is not None:
                self._segment.begin(header)
            segment, self._segment = self._segment, None
            return segment

    def free_bytes(self) -> int:
        """Free disk space that an unprivileged process may use."""
        room = os.statvfs(self._path.parent)
        return room.f_bavail * room.f_frsize

    def close(self) -> None:
        """Unmap; the file stays as the reserve of the next start."""
        with self._lock:
            if self._segment is not None:
                self._segment.close()
                self._segment = None

    def _prepare(self) -> bool:
        kept = self._segment is not None or self._path.exists()
        need = self._reserve_bytes + (0 if kept else self.segment_bytes)
        try:
            free = self.free_bytes()
            self.reason = "" if free >= need else f"{free} bytes free, {need} needed"
            if self._segment is None and (kept or not self.reason):
                self._segment = Segment.prepare(self._path, self.segment_bytes)
        except OSError as fault:
            self.reason = f"the next segment cannot be allocated: {fault.strerror}"
        self.available = not self.reason
        return self.available
