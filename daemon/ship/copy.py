"""A journal's copy in another folder that grows with it. Owns the copy's bytes: whole frames only, appended where the
copy itself says it stands, each closed segment compared with the digest that the next one carries, and read back.

There is no record of how far it came but the copy: whoever is killed, whenever, the next one looks at its last segment,
cuts what is no whole frame, compares all of it with the journal and goes on there. What was shipped and is not in the
journal any more (a disk that lost it, a journal cut by hand) is put aside, never overwritten.
"""

import hashlib
import os
import time
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from core.errors import JournalError
from daemon.journal import journal_identity
from daemon.journal.layout import (
    DIGEST_BYTES,
    HEADER_BYTES,
    SegmentFile,
    content_digest,
    frames,
    list_segments,
    sub_records,
    unpack_header,
)
from daemon.journal.opening import check_chain, map_segment
from daemon.journal.segment import sync_directory
from daemon.ship.files import copy_file, set_aside
from daemon.ship.source import SourceSegment

PIECE_BYTES: Final = 4 << 20  # shipped and synced at once
LINKS: Final = 8  # closed segments of the copy whose chain is checked at the start
NOT_THERE: Final = -1


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """How far the copy is: all up to this record, which ends at this offset of this segment."""

    journal: int = 0  # identity of the journal
    segment: str = ""
    offset: int = 0
    seq: int = 0


class JournalCopy:
    """The copy of one journal. `advance` ships what is new; a fault leaves a copy that a new object goes on with.

    `lost` says, once, what was put aside. Raises JournalError where journal or copy are not what they must be, and
    OSError where the target cannot be written.
    """

    def __init__(self, journal: Path, target: Path) -> None:
        self._journal = journal
        self._target = target
        self._file: SegmentFile | None = None
        self._source: SourceSegment | None = None
        self._out = NOT_THERE
        self._digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
        self.place = Place()
        self.lost = ""
        self._begin()

    # ---- where it stands ---------------------------------------------------------------------------------------
    def _begin(self) -> None:
        """Find the place, whatever the one before us was doing when it ended."""
        identity = journal_identity(self._journal)
        if not identity:
            raise JournalError(f"{self._journal}: no journal yet")
        there = journal_identity(self._target) if self._target.is_dir() else 0
        if there and there != identity:
            aside = self._target.with_name(f"{self._target.name}-{there}")
            os.rename(self._target, aside)
            sync_directory(aside.parent)
            self.lost = f"another journal was shipped there: it is {aside.name} now"
        self._target.mkdir(parents=True, exist_ok=True)
        for draft in self._target.glob("*.part"):
            draft.unlink()
        self.place = Place(journal=identity)
        shipped = list_segments(self._target)
        if shipped:
            self._go_on(shipped)

    def _go_on(self, shipped: list[SegmentFile]) -> None:
        """Behind the last segment of the copy that is what the journal has."""
        here = {file.first_seq: file for file in list_segments(self._journal)}
        while shipped:
            file = shipped[-1]
            mine = here.get(file.first_seq)
            if mine is not None and self._resume(mine, file):
                check_chain(shipped[-1 - LINKS :])
                return
            self._put_aside(shipped.pop())

    def _resume(self, mine: SegmentFile, theirs: SegmentFile) -> bool:
        """Take up a segment that was begun; False = the journal has something else under this name."""
        end, last_seq = whole_frames(theirs.path)
        self._open(mine)
        assert self._source is not None
        if self._source.rewritten:  # by retention, which takes nothing that is not shipped whole
            return self._resume_rewritten(theirs, last_seq)
        if not end or not self._same_up_to(end, theirs.path):
            self.close()
            return False
        self._out = os.open(theirs.path, os.O_WRONLY | os.O_CLOEXEC)
        if os.fstat(self._out).st_size != end:
            os.ftruncate(self._out, end)
            os.fsync(self._out)
        self.place = msgspec.structs.replace(self.place, segment=theirs.path.name, offset=end, seq=last_seq)
        return True

    def _same_up_to(self, end: int, theirs: Path) -> bool:
        """Whether the journal has these bytes too; what it has is then in the digest."""
        assert self._source is not None
        view = self._source.view
        if len(view) < end:
            return False
        self._digest.update(view[:end])
        return self._digest.digest() == content_digest(map_segment(theirs), end)

    def _resume_rewritten(self, theirs: SegmentFile, last_seq: int) -> bool:
        assert self._source is not None
        view, own = map_segment(theirs.path), self._source.view
        shipped = content_digest(view, len(view))
        if shipped not in (self._source.header.original_digest, content_digest(own, len(own))):
            self.close()
            return False
        self.place = msgspec.structs.replace(self.place, segment=theirs.path.name, offset=len(view), seq=last_seq)
        self._let_go()
        return True

    def _put_aside(self, file: SegmentFile) -> None:
        aside = set_aside(file.path, f"lost-{time.time_ns()}")
        self.lost = f"{file.path.name} was shipped and the journal has it no more as it was: kept as {aside.name}"

    # ---- shipping ----------------------------------------------------------------------------------------------
    def advance(self, *, bytes_max: int = PIECE_BYTES) -> int:
        """Ship the next whole frames; how many bytes, 0 = the copy is all of the journal."""
        while self._source is not None or self._next():
            source = self._source
            if source is None:
                return self.place.offset  # a segment without its rows went whole
            following = self._following()  # asked first: behind a segment that is followed nothing comes any more
            piece = source.piece(self.place.offset, bytes_max=bytes_max)
            if piece is not None:
                source.settle(piece.start, piece.stop)
                self._append(source.view[piece.start : piece.stop], piece.start)
                self.place = msgspec.structs.replace(self.place, offset=piece.stop, seq=piece.last_seq)
                return piece.stop - piece.start
            if following is None:
                return 0
            self._finish(source, following)
        return 0

    def _append(self, content: memoryview, at: int) -> None:
        written = 0
        while written < len(content):
            written += os.pwrite(self._out, content[written:], at + written)
        os.fdatasync(self._out)
        self._digest.update(content)

    def _following(self) -> SegmentFile | None:
        after = -1 if self._file is None else self._file.first_seq
        return next((file for file in list_segments(self._journal) if file.first_seq > after), None)

    def _next(self) -> bool:
        """Begin the next segment of the copy; False while there is none."""
        file = self._following()
        if file is None or not any(map_segment(file.path)[:HEADER_BYTES]):
            return False  # or a power cut's nameless leftover: the next writer sets it aside
        self._open(file)
        source = self._source
        assert source is not None
        if source.rewritten:
            self._ship_rewritten(source)
            return True
        draft = self._target / f"{file.path.name}.part"
        self._out = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        source.settle(0, HEADER_BYTES)
        sync_directory(self._journal)
        self._append(source.view[:HEADER_BYTES], 0)
        os.rename(draft, self._target / file.path.name)  # with its header, or not at all
        sync_directory(self._target)
        self.place = msgspec.structs.replace(self.place, segment=file.path.name, offset=HEADER_BYTES)
        return True

    def _open(self, file: SegmentFile) -> None:
        self.close()
        self._file = file
        self._source = SourceSegment(file.path)
        self._digest = hashlib.blake2b(digest_size=DIGEST_BYTES)

    def _ship_rewritten(self, source: SourceSegment) -> None:
        """Retention came first: the segment without its rows, and the rows beside it."""
        name = source.path.name
        rows = source.path.with_name(f"rows-{name.removeprefix('segment-').removesuffix('.qj')}.parquet")
        if rows.exists():
            copy_file(rows, self._target / rows.name)
        copy_file(source.path, self._target / name)
        end, last_seq = whole_frames(self._target / name)
        self.place = msgspec.structs.replace(self.place, segment=name, offset=end, seq=last_seq)
        self._let_go()

    def _finish(self, source: SourceSegment, following: SegmentFile) -> None:
        """The segment is complete: what is there must be what the next one says it was."""
        if source.is_torn(self.place.offset):
            raise JournalError(f"{source.path.name}: bad frame at {self.place.offset} in a closed segment")
        said = unpack_header(map_segment(following.path), name=following.path.name).previous_digest
        digest = self._digest.digest()
        if digest != said:
            raise JournalError(
                f"digest chain broken: {following.path.name} names another {source.path.name} than is there: "
                "`quantd journal verify`, then restore the journal"
            )
        there = self._target / source.path.name
        view = map_segment(there)
        if len(view) != self.place.offset or content_digest(view, len(view)) != digest:
            set_aside(there, f"bad-{time.time_ns()}")
            raise JournalError(f"{there}: does not read back as it was written: it is shipped again; check that disk")
        self._let_go()

    def _let_go(self) -> None:
        """Of a segment that is done."""
        if self._source is not None:
            self._source.close()
            self._source = None
        if self._out != NOT_THERE:
            os.close(self._out)
            self._out = NOT_THERE

    def close(self) -> None:
        """Let go of all files. Idempotent."""
        self._let_go()
        self._file = None


def whole_frames(path: Path) -> tuple[int, int]:
    """(end of the last whole frame, its last seq) of a segment of the copy; zeros when not even the header is whole."""
    view = map_segment(path)
    try:
        header = unpack_header(view, name=path.name)
    except JournalError:
        return 0, 0
    end, last_seq = HEADER_BYTES, header.first_seq - 1
    last = deque(frames(view), maxlen=1)
    if last:
        start, end = last[0]
        *_, record = sub_records(view, start, end)
        last_seq = record.seq + max(0, record.count - 1)
    return end, last_seq
