"""The open frame: records go into a piece of memory, and a commit makes them one frame. Owns the bytes of a frame and
nothing around them: where the memory comes from and what follows when it is full is the subclass's.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from crc32c import crc32c

from core.errors import JournalError
from core.records import ROWS
from core.rows import ROW_BYTES
from daemon.journal.layout import FRAME_HEADER_BYTES, PACKERS, SUB_HEADER, SUB_HEADER_BYTES

ROWS_PER_BLOCK_MAX: Final = 65_535

_pack_sub_header = SUB_HEADER.pack_into
_HEADER_AND_PADDING: Final = SUB_HEADER_BYTES + 7
_PACKED_MAX: Final = len(PACKERS)


class Space(Protocol):
    """Memory for frames; `end` is where the next one starts."""

    end: int


class FrameBuilder:
    """Builds frames; see daemon/journal/writer.py for what they mean."""

    committed_offset: int  # logical bytes of all frames committed; grows across segments
    last_seq: int  # of the last committed record

    _segment: Space  # its view and words are kept beside it: one attribute less on the hot path
    _view: memoryview
    _words: memoryview
    _start: int  # offset of the open frame
    _cursor: int  # offset of its next sub-record
    _limit: int  # the highest offset a frame may end at
    _seq: int  # the last one added
    _base: int  # logical offset less offset in the segment

    def _roll(self, seq: int, ts_ns: int, need: int) -> None:
        """Make room for `need` bytes more, moving the open frame; raises when there is none."""
        raise NotImplementedError

    def add(self, kind: int, seq: int, ts_ns: int, cause_seq: int, payload: bytes) -> None:
        """Put one record into the open frame."""
        if seq <= self._seq:
            raise JournalError(f"seq {seq} after {self._seq}: records must ascend")
        start = self._cursor + SUB_HEADER_BYTES
        stop = start + len(payload)
        cursor = (stop + 7) & -8
        if cursor > self._limit:
            self._roll(seq, ts_ns, cursor - self._cursor)
            start = self._cursor + SUB_HEADER_BYTES
            stop = start + len(payload)
            cursor = (stop + 7) & -8
        view = self._view
        view[start:stop] = payload
        _pack_sub_header(view, start - SUB_HEADER_BYTES, kind, 0, stop - start, seq, ts_ns, cause_seq)
        self._seq = seq
        self._cursor = cursor

    def add_all(self, ts_ns: int, cause_seq: int, records: Sequence[tuple[int, int, bytes]]) -> None:
        """`add` for the records (kind, seq, payload) of one step, in their order."""
        view, cursor, limit, last = self._view, self._cursor, self._limit, self._seq
        for kind, seq, payload in records:
            size = len(payload)
            following = cursor + ((size + _HEADER_AND_PADDING) & -8)
            if seq <= last or following > limit or size >= _PACKED_MAX:  # misuse, the next segment, or a rare size
                self._seq, self._cursor = last, cursor
                self.add(kind, seq, ts_ns, cause_seq, payload)
                view, cursor, limit = self._view, self._cursor, self._limit
            else:
                PACKERS[size](view, cursor, kind, 0, size, seq, ts_ns, cause_seq, payload)
                cursor = following
            last = seq
        self._seq, self._cursor = last, cursor

    def add_rows(self, seq: int, rows: bytes | bytearray | memoryview, count: int, ts_ns: int) -> None:
        """Put a block of market rows (seq, seq + 1, …) into the open frame; `rows` is a flat byte buffer, one copy.

        `ts_ns` is the first row's. Pass `memoryview(array).cast("B")[:n]`, cast once: numpy builds a view slowly.
        """
        size = count * ROW_BYTES
        if len(rows) != size or not 0 < count <= ROWS_PER_BLOCK_MAX:
            raise JournalError(f"block of {count} rows in {len(rows)} bytes: 1 to {ROWS_PER_BLOCK_MAX} rows of 56")
        if seq <= self._seq:
            raise JournalError(f"seq {seq} after {self._seq}: records must ascend")
        if self._cursor + SUB_HEADER_BYTES + size > self._limit:
            self._roll(seq, ts_ns, SUB_HEADER_BYTES + size)
        start = self._cursor + SUB_HEADER_BYTES
        view = self._view
        view[start : start + size] = rows
        _pack_sub_header(view, start - SUB_HEADER_BYTES, ROWS, count, size, seq, ts_ns, 0)
        self._seq = seq + count - 1
        self._cursor = start + size

    def commit(self) -> None:
        """Close the frame: checksum first, length last. Without an open frame it does nothing."""
        start = self._start
        end = self._cursor
        length = end - start - FRAME_HEADER_BYTES
        if length == 0:
            return
        words = self._words
        words[end >> 2] = 0  # whatever a failed add left there, the next length is zero
        words[(end >> 2) + 1] = 0
        words[(start >> 2) + 1] = crc32c(self._view[start + FRAME_HEADER_BYTES : end])
        words[start >> 2] = length  # one store of four bytes: it is there or it is not
        self._segment.end = self._start = end
        self._cursor = end + FRAME_HEADER_BYTES
        self.last_seq = self._seq
        self.committed_offset = self._base + end
