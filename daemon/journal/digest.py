"""The digest of the segment being written, computed behind the writer so that a roll hashes only the tail."""

import hashlib
import threading
from typing import Final

from daemon.journal.layout import DIGEST_BYTES
from daemon.journal.segment import Segment

PIECE_BYTES: Final = 1 << 20  # the longest a roll can wait for the background thread: about 1 ms


class ChainDigest:
    """blake2b-256 over the committed bytes of one segment at a time; hashing lets go of the GIL."""

    def __init__(self, segment: Segment) -> None:
        self._lock = threading.Lock()
        self._at = 0
        self._start(segment)

    def restart(self, segment: Segment) -> None:
        """Begin with the next segment."""
        with self._lock:
            self._start(segment)

    def advance(self) -> None:
        """Hash what has been committed since the last call, a piece at a time."""
        while self._piece():
            pass

    def finish(self) -> bytes:
        """The digest of everything committed to the current segment."""
        with self._lock:
            self._hash.update(self._segment.view[self._at : self._segment.end])
            self._at = self._segment.end
            return self._hash.digest()

    def _start(self, segment: Segment) -> None:
        self._segment = segment
        self._hash = hashlib.blake2b(digest_size=DIGEST_BYTES)
        self._at = 0

    def _piece(self) -> bool:
        with self._lock:
            stop = min(self._segment.end, self._at + PIECE_BYTES)
            if stop <= self._at:
                return False
            self._hash.update(self._segment.view[self._at : stop])
            self._at = stop
            return True
