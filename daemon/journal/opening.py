"""Taking a journal directory over: the lock, the digest chain, the last good frame, the torn tail. Decodes nothing."""

import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from core.errors import JournalError
from core.records import ROWS
from daemon.journal.layout import (
    HEADER_BYTES,
    NO_DIGEST,
    SegmentFile,
    content_digest,
    frame_end,
    frames,
    list_segments,
    sub_records,
    unpack_header,
)
from daemon.journal.segment import Segment, sync_directory
from daemon.lock import hold_lock

LOCK_NAME: Final = "lock"
CHAIN_LINKS: Final = 8  # closed segments checked at start (0.04 s each); `quantd journal verify` checks all


class TornTail(NamedTuple):
    """What was cut off the end of the newest segment at start; the caller alerts.

    `saved` names the file the cut bytes were kept in, empty when the disk had no room. `whole_frames_after` > 0 means
    good frames lay behind the bad one: pages lost out of order in a power cut, or a disk that forgets.
    """

    segment: str
    offset: int
    bytes: int
    saved: str
    whole_frames_after: int


class Found(NamedTuple):
    """The end of an existing journal, ready to be continued; `segment.end` is where the next frame goes."""

    segment: Segment
    last_seq: int
    torn: TornTail | None


def lock_directory(directory: Path) -> int:
    """Become the one writer of a directory; the lock ends with the process. Raises JournalError while another holds."""
    return hold_lock(directory / LOCK_NAME, f"{directory.name}: another writer (pid {{pid}}) holds the journal")


def map_segment(path: Path) -> memoryview:
    """Map a segment for reading; the memory goes away with the last view of it."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) if size else b"")


def segment_digest(path: Path) -> bytes:
    """The digest the next segment must carry for this one: of its bytes, or of those retention replaced."""
    view = map_segment(path)
    original = unpack_header(view, name=path.name).original_digest
    return original if original != NO_DIGEST else content_digest(view, checked_end(view, name=path.name))


def checked_end(view: memoryview, *, name: str) -> int:
    """End of the last frame of a closed segment. Raises JournalError when a bad frame stands in the way."""
    end = HEADER_BYTES
    for frame in frames(view):
        end = frame[1]
    if frame_end(view, end) < 0:
        raise JournalError(f"{name}: bad frame at {end} in a closed segment: restore it, nothing is cut by itself")
    return end


def find_end(directory: Path, *, segment_bytes: int, chain_links: int = CHAIN_LINKS) -> Found:
    """Check the newest links of the chain, cut a torn tail, and map the newest segment for writing.

    Raises JournalError on anything that is not a torn tail of the newest segment.
    """
    files = list_segments(directory)
    if not files:
        raise JournalError(f"{directory.name}: no segments: a journal that existed is missing, or create a new one")
    torn = _set_aside_nameless(files)
    check_chain(files[-1 - chain_links :])
    segment = Segment.reopen(files[-1].path, segment_bytes)
    last_seq = files[-1].first_seq - 1
    for start, end in frames(segment.view):
        segment.end = end
        *_, last = sub_records(segment.view, start, end)
        last_seq = last.seq + (last.count - 1 if last.kind == ROWS else 0)
    return Found(segment, last_seq, _cut(segment) or torn)


def check_chain(files: Sequence[SegmentFile]) -> None:
    """Compare each header with its file's name and with the digest of the segment before. Raises JournalError."""
    previous: SegmentFile | None = None
    for file in files:
        header = unpack_header(map_segment(file.path), name=file.path.name)
        if header.first_seq != file.first_seq:
            raise JournalError(f"{file.path.name}: header says first seq {header.first_seq}: the file was renamed")
        if previous is not None and header.previous_digest != segment_digest(previous.path):
            raise JournalError(f"{file.path.name}: digest chain broken: {previous.path.name} is not what it was")
        previous = file


def _set_aside_nameless(files: list[SegmentFile]) -> TornTail | None:
    """A power cut may leave the newest segment named but its header unwritten: none of it was ever synced."""
    path = files[-1].path
    view = map_segment(path)
    if len(files) == 1 or (len(view) >= HEADER_BYTES and any(view[:HEADER_BYTES])):
        return None
    saved = path.with_name(f"torn-{path.stem}-0")
    os.rename(path, saved)
    sync_directory(path.parent)
    files.pop()
    return TornTail(path.name, 0, _content_bytes(view, 0), saved.name, 0)


def _cut(segment: Segment) -> TornTail | None:
    """Zero what follows the last good frame, keeping a copy: it may be the only trace of what was being done."""
    at = segment.end
    size = _content_bytes(segment.view, at)
    if size == 0:
        return None
    saved = segment.path.with_name(f"torn-{segment.path.stem}-{at}")
    after = _whole_frames_after(segment.view, at)
    try:
        saved.write_bytes(segment.view[at : at + size])
    except OSError:  # a full disk must not keep the trader from starting: its cancels matter more
        saved.unlink(missing_ok=True)
    segment.view[at : at + size] = bytes(size)
    segment.sync()
    return TornTail(segment.path.name, at, size, saved.name if saved.exists() else "", after)


def _content_bytes(view: memoryview, at: int) -> int:
    """Bytes from an offset to the last that is not zero."""
    return len(bytes(view[at:]).rstrip(b"\0"))


def _whole_frames_after(view: memoryview, at: int) -> int:
    """Good frames behind a bad one, when its length can be believed."""
    length = int.from_bytes(view[at : at + 4], "little")
    following = at + 8 + length
    return sum(1 for _ in frames(view, following)) if length and following < len(view) and following % 8 == 0 else 0
