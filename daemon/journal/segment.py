"""One segment file mapped for writing, and the disk calls around it. Knows the layout of the header, no record.

The file is preallocated before it is mapped: on a full disk a store into a hole would be SIGBUS. Its pages are
write-touched ahead of use, because the first store to a page costs 4.7 µs and the second 0.08.
"""

import mmap
import os
from pathlib import Path

import numpy as np

from core.errors import JournalError
from daemon.journal.layout import HEADER_BYTES, SegmentHeader, pack_header, segment_name

_ZEROS = bytes(1 << 20)


class Segment:
    """A mapped segment. `end` is where its next frame starts; everything below is committed."""

    __slots__ = ("_map", "end", "fd", "path", "size", "view", "words")

    def __init__(self, path: Path, fd: int, size: int) -> None:
        self.path = path
        self.fd = fd
        self.size = size
        self.end = HEADER_BYTES
        self._map = mmap.mmap(fd, size)
        self.view = memoryview(self._map)
        self.words = self.view.cast("I")

    @classmethod
    def prepare(cls, path: Path, size: int) -> "Segment":
        """Allocate, zero and touch a segment file. Raises OSError and leaves no new file when there is no room."""
        fresh = not path.exists()
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            if not fresh:
                _zero(fd, size)
            os.posix_fallocate(fd, 0, size)
            segment = cls(path, fd, size)
        except OSError:
            os.close(fd)
            if fresh:
                path.unlink()
            raise
        segment.touch()
        return segment

    @classmethod
    def reopen(cls, path: Path, size: int) -> "Segment":
        """Map an existing segment for writing, grown to `size` again where it was trimmed and the disk allows."""
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        found = os.fstat(fd).st_size
        size = max(size, found) & -8
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError:  # a full disk: go on in what is there
            size = found & -8
        if size <= HEADER_BYTES:
            os.close(fd)
            raise JournalError(f"{path.name}: {found} bytes and no room to grow: free disk space and start again")
        return cls(path, fd, size)

    def begin(self, header: SegmentHeader) -> None:
        """Write the header, then give the file its name: no reader ever sees a segment without a header."""
        self.view[:HEADER_BYTES] = pack_header(header)
        named = self.path.with_name(segment_name(header.first_seq))
        if named.exists():
            raise JournalError(f"{named.name} exists already: refusing to overwrite a segment")
        os.rename(self.path, named)
        self.path = named

    def touch(self) -> None:
        """Fault every page behind `end` in for writing (all zeros there); numpy lets go of the GIL while it does."""
        first = -(-self.end // mmap.PAGESIZE) * mmap.PAGESIZE
        np.frombuffer(self._map, dtype=np.uint8)[first :: mmap.PAGESIZE] = 0

    def sync(self) -> None:
        """Everything stored so far is on the device when this returns; may run in any thread."""
        os.fdatasync(self.fd)

    def close(self) -> None:
        """Unmap. Idempotent; views taken by others must be gone."""
        if self.fd < 0:
            return
        self.words.release()
        self.view.release()
        self._map.close()
        os.close(self.fd)
        self.fd = -1


def sync_directory(directory: Path) -> None:
    """Make names in a directory durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_durably(path: Path, content: bytes) -> None:
    """Replace a small file so that after power loss it is the old one or the new one, never half of either."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")  # trader and follower may write the same name
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
    sync_directory(path.parent)


def _zero(fd: int, size: int) -> None:
    """Zero a file in place, keeping the blocks it holds: on a full disk they are the reserve."""
    os.ftruncate(fd, min(size, os.fstat(fd).st_size))
    for at in range(0, os.fstat(fd).st_size, len(_ZEROS)):
        os.pwrite(fd, _ZEROS[: os.fstat(fd).st_size - at], at)
