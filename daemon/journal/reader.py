"""Reads frames and records of a journal, also beside a live writer. Knows kinds and rows, decodes no message.

A reader stops at the zero length that ends the newest segment; calling again continues there. A frame is delivered
whole or not yet. Payloads are read-only views into the mapped segment and keep it mapped as long as they live.
"""

from collections import deque
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import JournalError
from core.records import COMMAND, INPUT, NOTE, OUTCOME, REFERENCE, ROWS
from core.rows import ROW, ROW_BYTES
from daemon.journal.layout import (
    FRAME_HEADER_BYTES,
    HEADER_BYTES,
    SUB_HEADER,
    SUB_HEADER_BYTES,
    SegmentFile,
    SegmentHeader,
    frame_end,
    list_segments,
    unpack_header,
)
from daemon.journal.opening import map_segment

MESSAGES: Final = frozenset({REFERENCE, INPUT, NOTE, COMMAND, OUTCOME})
EVERYTHING: Final = MESSAGES | {ROWS}
_ONLY_ROWS: Final = frozenset({ROWS})
_ONLY_REFERENCES: Final = frozenset({REFERENCE})

Rows = npt.NDArray[np.void]


class Record(NamedTuple):
    """One record. `count` is the number of rows of a block, else 0; a block covers seq … seq + count - 1."""

    kind: int
    count: int  # type: ignore[assignment]  # the word of the format; tuple.count is not missed
    seq: int
    ts_ns: int
    cause_seq: int
    payload: memoryview

    @property
    def last_seq(self) -> int:
        """The last seq this record covers."""
        return self.seq + self.count - 1 if self.kind == ROWS else self.seq

    def rows(self) -> Rows:
        """The rows of a block as a writable array of its own: a read-only array matches no kernel signature.

        Raises JournalError when retention has moved the rows to Parquet.
        """
        if len(self.payload) != self.count * ROW_BYTES:
            raise JournalError(f"rows {self.seq} to {self.last_seq} are in Parquet: this segment keeps the rest only")
        return np.frombuffer(bytearray(self.payload), dtype=ROW)


class RowBlock(NamedTuple):
    """Market rows under consecutive seqs, the first of them `seq`."""

    seq: int
    rows: Rows


class JournalReader:
    """Iterates a journal from a seq on; each of frames, records, messages and row_blocks continues where the last
    call of any of them stopped. Raises JournalError on a bad frame or header anywhere but at the live end.
    """

    def __init__(self, directory: Path, *, from_seq: int = 0) -> None:
        self._directory = directory
        self._from_seq = from_seq
        self._file: SegmentFile | None = None
        self._header: SegmentHeader | None = None
        self._view = memoryview(b"")
        self._at = 0
        self._left: deque[Record] = deque()

    @property
    def position(self) -> tuple[str, int]:
        """Segment name and offset of the next frame; an empty name before the first one."""
        return ("" if self._file is None else self._file.path.name), self._at

    @property
    def header(self) -> SegmentHeader | None:
        """Header of the segment being read: the follower stores the digest of the one before from here."""
        return self._header

    def frames(self) -> Iterator[list[Record]]:
        """Whole frames, each the records of one step; records below `from_seq` are left out."""
        while self._left or self._fill(EVERYTHING):
            frame = list(self._left)
            self._left.clear()
            yield frame

    def records(self, kinds: Set[int] = EVERYTHING) -> Iterator[Record]:
        """Single records of the given kinds, in order."""
        left = self._left
        while left or self._fill(kinds):
            yield left.popleft()

    def messages(self) -> Iterator[Record]:
        """All records but the row blocks, which cost one header look each."""
        return self.records(MESSAGES)

    def references(self) -> Iterator[Record]:
        """Reference records only: a run writes them in a frame of their own, so one look tells of each other frame."""
        return self.records(_ONLY_REFERENCES)

    def row_blocks(self) -> Iterator[RowBlock]:
        """Row blocks only, as writable arrays."""
        for record in self.records(_ONLY_ROWS):
            yield RowBlock(record.seq, record.rows())

    def _fill(self, kinds: Set[int]) -> bool:
        """Read frames until one has a wanted record; False at the live end."""
        while not self._left:
            end = self._next_end()
            if end == 0:
                return False
            start, self._at = self._at, end
            self._split(start, end, kinds)
        return True

    def _split(self, frame: int, end: int, kinds: Set[int]) -> None:
        view = self._view
        at = frame + FRAME_HEADER_BYTES
        if kinds is _ONLY_REFERENCES and view[at] != REFERENCE:
            return
        unpack, from_seq = SUB_HEADER.unpack_from, self._from_seq
        while at < end:
            kind, count, length, seq, ts_ns, cause_seq = unpack(view, at)
            start = at + SUB_HEADER_BYTES
            at = (start + length + 7) & -8
            if at > end:
                raise JournalError(f"{self.position[0]}: record {seq} overruns the frame at {frame}")
            if kind in kinds and (seq >= from_seq or (kind == ROWS and seq + count > from_seq)):
                record = Record(kind, count, seq, ts_ns, cause_seq, view[start : start + length])
                self._left.append(record if seq >= from_seq else _cut_before(record, from_seq))

    def _next_end(self) -> int:
        """End of the next whole frame, moving on to the next segment where the writer did; 0 at the live end."""
        while True:
            end = frame_end(self._view, self._at) if self._file is not None else 0
            if end > 0:
                return end
            following = self._following()
            if following is None:
                if not self._regrown():
                    return 0
                continue
            if self._file is not None:
                # The writer left this segment before the next one got its name, so a second look is final.
                end = frame_end(self._view, self._at)
                if end > 0:
                    return end
                if end < 0:
                    raise JournalError(f"{self._file.path.name}: bad frame at {self._at} in a closed segment")
            if not self._open(following):
                return 0

    def _following(self) -> SegmentFile | None:
        files = list_segments(self._directory)
        if self._file is not None:
            current = self._file.first_seq
            return next((file for file in files if file.first_seq > current), None)
        below = [file for file in files if file.first_seq <= self._from_seq]
        return below[-1] if below else (files[0] if files else None)

    def _open(self, file: SegmentFile) -> bool:
        view = map_segment(file.path)
        if not any(view[:HEADER_BYTES]):
            return False  # a power cut's nameless leftover: the next writer sets it aside
        self._header = unpack_header(view, name=file.path.name)
        self._file, self._view, self._at = file, view, HEADER_BYTES
        return True

    def _regrown(self) -> bool:
        """A trimmed segment grows when a writer continues it: map it anew."""
        if self._file is None or self._at + FRAME_HEADER_BYTES <= len(self._view):
            return False
        if self._file.path.stat().st_size <= len(self._view):
            return False
        self._view = map_segment(self._file.path)
        return True


def _cut_before(record: Record, seq: int) -> Record:
    """The rest of a row block from a seq on: a snapshot may fall inside one."""
    skipped = seq - record.seq
    payload = record.payload[skipped * ROW_BYTES :]
    ts_ns = int.from_bytes(payload[:8], "little") if payload else record.ts_ns
    return record._replace(count=record.count - skipped, seq=seq, ts_ns=ts_ns, payload=payload)
