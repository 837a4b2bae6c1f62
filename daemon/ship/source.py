"""One segment of a growing journal as it may be shipped: whole frames that are on the device. Reads only; the pages
that are about to be shipped are synced first, so that a copy elsewhere never knows more than a power cut would leave.
"""

import mmap
import os
from pathlib import Path
from typing import NamedTuple

from core.records import ROWS
from daemon.journal.layout import NO_DIGEST, SegmentHeader, frame_end, sub_records, unpack_header


class Piece(NamedTuple):
    """Frames from `start` to `stop`; `last_seq` is that of the last record in them."""

    start: int
    stop: int
    last_seq: int


class SourceSegment:
    """Mapped for reading, shared with the writer. Raises JournalError on a header that is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._map_whole()
            self.header: SegmentHeader = unpack_header(self.view, name=path.name)
        except BaseException:  # edge: the descriptor is held by nobody; always raised again
            os.close(self._fd)
            raise

    def _map_whole(self) -> None:
        self._size = os.fstat(self._fd).st_size
        # Not ACCESS_READ: Python would then sync nothing.
        self._map = mmap.mmap(self._fd, max(self._size, 1), flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
        self.view = memoryview(self._map)[: self._size]

    @property
    def rewritten(self) -> bool:
        """Whether retention took the rows out: the bytes are other ones, and whole."""
        return self.header.original_digest != NO_DIGEST

    def piece(self, start: int, *, bytes_max: int) -> Piece | None:
        """The whole frames from an offset on, up to about so many bytes; None = nothing yet."""
        stop = last = start
        while stop - start < bytes_max and (end := frame_end(self.view, stop)) > 0:
            last, stop = stop, end
        if stop == start:
            return None if not self._regrown() else self.piece(start, bytes_max=bytes_max)
        *_, record = sub_records(self.view, last, stop)
        last_seq = record.seq + (record.count - 1 if record.kind == ROWS else 0)
        return Piece(start, stop, last_seq)

    def is_torn(self, at: int) -> bool:
        """Whether what stands at an offset is neither a frame nor the end."""
        return frame_end(self.view, at) < 0

    def settle(self, start: int, stop: int) -> None:
        """Put these bytes on the device. Only their pages: a sync write-protects what it takes, and the trader's next
        store to such a page costs a fault, which is why its pages further on are left alone.
        """
        first = start // mmap.PAGESIZE * mmap.PAGESIZE
        self._map.flush(first, min(self._size, -(-stop // mmap.PAGESIZE) * mmap.PAGESIZE) - first)

    def _regrown(self) -> bool:
        """A trimmed segment grows when a writer continues it: map it anew."""
        if os.fstat(self._fd).st_size <= self._size:
            return False
        self._let_go()
        self._map_whole()
        return True

    def _let_go(self) -> None:
        self.view.release()
        self._map.close()

    def close(self) -> None:
        """Unmap. Idempotent."""
        if self._fd >= 0:
            self._let_go()
            os.close(self._fd)
            self._fd = -1
