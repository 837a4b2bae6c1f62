"""The bytes of a journal segment: header, frames, sub-records. Owns no file handle and no policy.

segment   header of 128 bytes, frames, zeros up to the preallocated size
frame     u32 length, u32 crc32c(payload), payload; a length of zero is the end of the segment
payload   sub-records: a header of 32 bytes, then the bytes of the record, padded to 8 so that row blocks stay aligned

All numbers are little-endian. A closed segment's digest is the blake2b-256 of its bytes from 0 to the end of its last
frame; the next segment's header carries it.
"""

import hashlib
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from crc32c import crc32c

from core.errors import JournalError

assert sys.byteorder == "little", "lengths and checksums are stored as native words: little-endian machines only"

MAGIC: Final = b"quantdqj"
FORMAT_VERSION: Final = 1
HEADER_BYTES: Final = 128
FRAME_HEADER_BYTES: Final = 8
SUB_HEADER_BYTES: Final = 32
END_BYTES: Final = 8  # the zero length that ends a segment always has room
DIGEST_BYTES: Final = 32
SEGMENT_BYTES_MIN: Final = 64 * 1024
SEGMENT_BYTES_MAX: Final = 1 << 30
NO_DIGEST: Final = bytes(DIGEST_BYTES)

# magic, version, pad, first seq, created ns, digest of the segment before, original digest, pad, crc of all before
_HEADER: Final = struct.Struct("<8sI4xqq32s32s28xI")
# kind, count (rows of a block, else 0), length of the record's bytes, seq, ts ns, cause seq
SUB_HEADER: Final = struct.Struct("<BxHIqqq")
_FRAME_HEADER: Final = struct.Struct("<II")
assert _HEADER.size == HEADER_BYTES
assert SUB_HEADER.size == SUB_HEADER_BYTES
# Header, payload and padding in one go, by the payload's size; larger ones are rare and take three steps.
PACKERS: Final = [struct.Struct(f"{SUB_HEADER.format}{size}s{-size % 8}x").pack_into for size in range(512)]

_NAME: Final = re.compile(r"segment-(\d{20})\.qj")


class JournalFull(JournalError):
    """No segment is left for this frame. The frame is gone whole; a smaller one may still fit."""


class SegmentFile(NamedTuple):
    """One segment on disk; its name promises that no record in it has a seq below `first_seq`."""

    first_seq: int
    path: Path


class SegmentHeader(NamedTuple):
    """`original_digest` is set once retention took the rows out: it stands for the bytes that were there before."""

    first_seq: int
    created_ts_ns: int
    previous_digest: bytes
    original_digest: bytes = NO_DIGEST


class SubRecord(NamedTuple):
    """Where one sub-record lies: its bytes are view[start:stop]."""

    kind: int
    count: int  # type: ignore[assignment]  # the word of the format; tuple.count is not missed
    seq: int
    ts_ns: int
    cause_seq: int
    start: int
    stop: int


def segment_name(first_seq: int) -> str:
    """The file name of the segment whose first record has this seq."""
    return f"segment-{first_seq:020d}.qj"


def list_segments(directory: Path) -> list[SegmentFile]:
    """All segments of a directory, oldest first."""
    names = ((_NAME.fullmatch(path.name), path) for path in directory.iterdir())
    return sorted(SegmentFile(int(name[1]), path) for name, path in names if name)


def pack_header(header: SegmentHeader) -> bytes:
    """Header bytes, checksum included."""
    digests = (header.previous_digest, header.original_digest)
    packed = _HEADER.pack(MAGIC, FORMAT_VERSION, header.first_seq, header.created_ts_ns, *digests, 0)
    return packed[:-4] + struct.pack("<I", crc32c(packed[:-4]))


def unpack_header(view: memoryview, *, name: str) -> SegmentHeader:
    """Read and check a segment header. Raises JournalError naming the segment."""
    if len(view) < HEADER_BYTES:
        raise JournalError(f"{name}: {len(view)} bytes, a segment has at least {HEADER_BYTES}")
    magic, version, first_seq, created_ts_ns, previous, original, checksum = _HEADER.unpack_from(view)
    if magic != MAGIC or checksum != crc32c(view[: HEADER_BYTES - 4]):
        raise JournalError(f"{name}: bad segment header (magic or checksum)")
    if version != FORMAT_VERSION:
        raise JournalError(f"{name}: format version {version}, this release reads {FORMAT_VERSION}")
    return SegmentHeader(first_seq, created_ts_ns, previous, original)


def frame_end(view: memoryview, at: int) -> int:
    """End of the frame at an offset; 0 when the segment ends there; -1 when the bytes are no whole frame."""
    body = at + FRAME_HEADER_BYTES
    if body > len(view):
        return -1 if any(view[at:]) else 0
    length, checksum = _FRAME_HEADER.unpack_from(view, at)
    if length == 0:
        return 0 if checksum == 0 else -1
    end: int = body + length
    if length % 8 or length < SUB_HEADER_BYTES or end > len(view) or crc32c(view[body:end]) != checksum:
        return -1
    return end


def pack_frame(payload: bytes) -> bytes:
    """A frame as bytes, for rewriting a segment; the writer builds its frames in place."""
    return _FRAME_HEADER.pack(len(payload), crc32c(payload)) + payload


def frames(view: memoryview, at: int = HEADER_BYTES) -> Iterator[tuple[int, int]]:
    """(start, end) of every whole frame from an offset on; stops at the end or at the first bad one."""
    while (end := frame_end(view, at)) > 0:
        yield at, end
        at = end


def sub_records(view: memoryview, frame: int, end: int) -> Iterator[SubRecord]:
    """The sub-records of one checked frame. Raises JournalError when they overrun it: a writer's bug, no torn write."""
    at = frame + FRAME_HEADER_BYTES
    while at < end:
        if at + SUB_HEADER_BYTES > end:
            raise JournalError(f"frame at {frame}: sub-record header overruns the frame")
        kind, count, length, seq, ts_ns, cause_seq = SUB_HEADER.unpack_from(view, at)
        start = at + SUB_HEADER_BYTES
        stop = start + length
        if stop > end:
            raise JournalError(f"frame at {frame}: record {seq} overruns the frame")
        yield SubRecord(kind, count, seq, ts_ns, cause_seq, start, stop)
        at = (stop + 7) & -8


def content_digest(view: memoryview, end: int) -> bytes:
    """Digest of a segment's bytes up to the end of its last frame."""
    return hashlib.blake2b(view[:end], digest_size=DIGEST_BYTES).digest()
