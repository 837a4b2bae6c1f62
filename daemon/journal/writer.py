"""The journal's one writer. Owns the open frame, the roll to the next segment and what is committed and synced; knows
kinds and rows as bytes only.

A frame is everything one engine step produced: an input and the commands it caused are in the journal together or not
at all, so recovery never meets half a step. It is built in the mapped segment itself; its length is stored last, so a
torn frame reads as the end. Nothing may be dispatched before its frame is committed (`durability = "os"`) or synced
(`"fsync"`): `released_offset` says which frames are.

Threads: add, add_rows, commit, discard and the roll belong to one thread; sync, tend and prepare_next to any.
"""

import os
import threading
from collections import deque
from pathlib import Path
from typing import Final, Literal

from core.errors import JournalError
from daemon.instruments import Histogram
from daemon.instruments import now_ns as measured_ns
from daemon.journal.digest import ChainDigest
from daemon.journal.frames import FrameBuilder
from daemon.journal.layout import (
    END_BYTES,
    FRAME_HEADER_BYTES,
    HEADER_BYTES,
    NO_DIGEST,
    SEGMENT_BYTES_MAX,
    SEGMENT_BYTES_MIN,
    SUB_HEADER,
    JournalFull,
    SegmentHeader,
    list_segments,
)
from daemon.journal.opening import CHAIN_LINKS, Found, TornTail, find_end, lock_directory
from daemon.journal.segment import Segment, sync_directory
from daemon.journal.spare import Spare

SEGMENT_BYTES: Final = 32 << 20
RESERVE_BYTES: Final = 256 << 20
TEND_SECONDS: Final = 0.25

Durability = Literal["os", "fsync"]


class JournalWriter(FrameBuilder):
    """Appends frames. The constructor starts a new journal; `open_existing` continues one after its last good frame.

    A seq may be added once only, in ascending order. Raises JournalError on misuse, JournalFull when no segment is
    left: the open frame is then gone whole and the writer goes on taking frames that still fit.
    """

    synced_offset: int  # the logical bytes known to be on the device
    torn: TornTail | None  # what open_existing cut

    _segment: Segment
    _dirty: deque[Segment]  # not synced yet, oldest first; the last is the one being written
    _directory_dirty: bool

    def __init__(
        self,
        directory: Path,
        *,
        now_ns: int,
        first_seq: int = 1,
        segment_bytes: int = SEGMENT_BYTES,
        durability: Durability = "os",
        reserve_bytes: int = RESERVE_BYTES,
        background: bool = True,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        lock_fd = lock_directory(directory)
        try:
            if list_segments(directory):
                raise JournalError(f"{directory.name}: holds a journal already: continue it with open_existing")
            spare = _spare(directory, segment_bytes=segment_bytes, reserve_bytes=reserve_bytes)
            segment = spare.take(SegmentHeader(first_seq, now_ns, NO_DIGEST))
            if segment is None:
                raise JournalError(f"{directory.name}: no room for the first segment: {spare.reason}")
        except BaseException:  # edge: let go of the lock on the way out; always raised again
            os.close(lock_fd)
            raise
        self._attach(directory, Found(segment, first_seq - 1, None), spare, durability, lock_fd, background=background)

    @classmethod
    def open_existing(
        cls,
        directory: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        durability: Durability = "os",
        reserve_bytes: int = RESERVE_BYTES,
        background: bool = True,
        chain_links: int = CHAIN_LINKS,
    ) -> "JournalWriter":
        """Continue a journal after its last good frame; `torn` says what was cut off behind it.

        Raises JournalError on a held lock, a bad frame in a closed segment or a broken digest chain.
        """
        if not directory.is_dir():
            raise JournalError(f"{directory.name}: no such journal directory")
        lock_fd = lock_directory(directory)
        try:
            spare = _spare(directory, segment_bytes=segment_bytes, reserve_bytes=reserve_bytes)
            found = find_end(directory, segment_bytes=segment_bytes, chain_links=chain_links)
        except BaseException:  # edge: let go of the lock on the way out; always raised again
            os.close(lock_fd)
            raise
        writer = cls.__new__(cls)
        writer._attach(directory, found, spare, durability, lock_fd, background=background)
        return writer

    def _attach(
        self, directory: Path, found: Found, spare: Spare, durability: Durability, lock_fd: int, *, background: bool
    ) -> None:
        self._directory = directory
        self._spare = spare
        self._lock_fd = lock_fd
        self._digest = ChainDigest(found.segment)
        self._dirty = deque()
        self._sync_lock = threading.Lock()
        self._fault = ""
        self.syncs = Histogram()  # how long each took
        self._base = -HEADER_BYTES
        self._seq = self.last_seq = found.last_seq
        self.durability = durability
        self.torn = found.torn
        self._use(found.segment, found.segment.end)
        self.synced_offset = 0
        self.committed_offset = self._base + found.segment.end
        spare.prepare()
        self.sync()
        found.segment.touch()  # after the sync: it leaves every page write-protected
        self._stopping = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._tend_forever, name="journal", daemon=True) if background else None
        if self._thread is not None:
            self._thread.start()

    # ---- off the hot path ---------------------------------------------------------------------------------------
    def discard(self) -> None:
        """Drop the open frame; its seqs may be used again."""
        self._view[self._start : self._cursor] = bytes(len(self._view[self._start : self._cursor]))
        self._cursor = self._start + FRAME_HEADER_BYTES
        self._seq = self.last_seq

    def sync(self) -> int:
        """Put everything committed so far on the device; returns the new `synced_offset`. Callable from any thread.

        A failure is final: the kernel may have dropped the pages, so a second fsync that succeeds would prove nothing.
        """
        with self._sync_lock:
            target = self.committed_offset  # read before the list: its segments hold everything up to here
            segments = tuple(self._dirty)
            began_ns = measured_ns()
            self._sync_segments(segments)
            self.syncs.add(measured_ns() - began_ns)
            self._release(segments[:-1])
            self.synced_offset = max(self.synced_offset, target)
            return self.synced_offset

    @property
    def released_offset(self) -> int:
        """Frames up to here may be acted on, by the durability this journal was opened with."""
        return self.synced_offset if self.durability == "fsync" else self.committed_offset

    @property
    def disk_available(self) -> bool:
        """False when the next segment cannot be had or the reserve of free space is touched: no new orders."""
        return self._spare.available

    @property
    def disk_reason(self) -> str:
        """Why the disk is not available; empty while it is."""
        return self._spare.reason

    @property
    def fault(self) -> str:
        """Why the last sync failed; empty while none did. Never cleared."""
        return self._fault

    def free_bytes(self) -> int:
        """Free space on the journal's disk."""
        return self._spare.free_bytes()

    def prepare_next(self) -> bool:
        """Have the next segment ready and check the reserve; the value is the new `disk_available`."""
        return self._spare.prepare()

    def tend(self) -> None:
        """One round of the background thread: next segment, digest so far, sync and release of closed segments.

        Raises JournalError when the sync fails.
        """
        self._spare.prepare()
        self._digest.advance()
        with self._sync_lock:
            # Not the one being written: a sync write-protects its pages, and every first store costs again.
            closed = tuple(self._dirty)[:-1]
            if closed:
                self._sync_segments(closed)
                self._release(closed)

    def close(self) -> None:
        """Drop the open frame, sync, unmap and let go of the lock. Idempotent."""
        if self._lock_fd < 0:
            return
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self.discard()
        try:
            if not self._fault:
                self.sync()
        finally:
            while self._dirty:
                self._dirty.popleft().close()
            self._spare.close()
            os.close(self._lock_fd)
            self._lock_fd = -1

    def _tend_forever(self) -> None:
        while not self._stopping:
            try:
                self.tend()
            except JournalError:
                return  # `fault` says it; the next sync() raises it in the caller's thread
            self._wake.wait(TEND_SECONDS)
            self._wake.clear()

    def _sync_segments(self, segments: tuple[Segment, ...]) -> None:
        if self._fault:
            raise JournalError(f"the journal could not be synced ({self._fault}): stop, check the disk, recover")
        try:
            for segment in segments:
                segment.sync()
            if self._directory_dirty:
                self._directory_dirty = False
                sync_directory(self._directory)
        except OSError as fault:
            self._fault = fault.strerror or str(fault)
            raise JournalError(f"the journal cannot be synced: {self._fault}") from fault

    def _release(self, closed: tuple[Segment, ...]) -> None:
        for segment in closed:
            self._dirty.popleft()
            segment.close()

    def _roll(self, seq: int, ts_ns: int, need: int) -> None:
        """Move the open frame to the next segment. On an error the frame is dropped whole."""
        open_bytes = self._cursor - self._start
        capacity = self._spare.segment_bytes - HEADER_BYTES - END_BYTES
        if open_bytes + need > capacity:
            self.discard()
            raise JournalError(f"a frame of more than {capacity} bytes does not fit a segment: raise segment_bytes")
        first_seq, first_ts_ns = seq, ts_ns
        if open_bytes > FRAME_HEADER_BYTES:  # the frame's first record names the segment
            _, _, _, first_seq, first_ts_ns, _ = SUB_HEADER.unpack_from(self._view, self._start + FRAME_HEADER_BYTES)
        try:
            following = self._spare.take(SegmentHeader(first_seq, first_ts_ns, self._digest.finish()))
        except OSError as fault:
            self.discard()
            raise JournalError(f"the journal cannot roll to a segment for seq {seq}: {fault.strerror}") from fault
        if following is None:
            self.discard()
            raise JournalFull(f"no segment left for seq {seq}: {self._spare.reason}: free disk space")
        if open_bytes > FRAME_HEADER_BYTES:
            following.view[HEADER_BYTES : HEADER_BYTES + open_bytes] = self._view[self._start : self._cursor]
            self._view[self._start : self._cursor] = bytes(open_bytes)
        self._digest.restart(following)
        self._base += self._segment.end - HEADER_BYTES
        self._use(following, HEADER_BYTES + open_bytes - FRAME_HEADER_BYTES)
        self._wake.set()

    def _use(self, segment: Segment, at: int) -> None:
        """Write into a segment from now on; `at` is the start of the open frame plus what it already holds, less 8."""
        self._segment = segment
        self._view = segment.view
        self._words = segment.words
        self._limit = segment.size - END_BYTES
        self._start = segment.end
        self._cursor = at + FRAME_HEADER_BYTES
        self._directory_dirty = True
        self._dirty.append(segment)  # last: from here on a sync covers it


def _spare(directory: Path, *, segment_bytes: int, reserve_bytes: int) -> Spare:
    if not SEGMENT_BYTES_MIN <= segment_bytes <= SEGMENT_BYTES_MAX or segment_bytes % 8:
        raise JournalError(
            f"segment_bytes {segment_bytes}: a multiple of 8 from {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX}"
        )
    return Spare(directory, segment_bytes=segment_bytes, reserve_bytes=reserve_bytes)
