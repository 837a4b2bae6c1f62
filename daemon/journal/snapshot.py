"""Snapshots: named byte strings at one seq, in a file that is whole or ignored. Knows nothing of what the parts mean.

File `snapshot-<seq, 20 digits>.qs`: magic (8), u32 version, u32 crc32c(body), u64 length, msgpack body.
"""

import contextlib
import re
import struct
import time
from pathlib import Path
from typing import Final

import msgspec
from crc32c import crc32c

from core.errors import JournalError
from core.records import RECORDS_VERSION
from daemon.journal.segment import sync_directory, write_durably

KEEP: Final = 3
DRAFT_SECONDS_MAX: Final = 3_600.0  # far longer than writing one takes
MAGIC: Final = b"quantdsn"
VERSION: Final = 1
_HEADER: Final = struct.Struct("<8sIIQ")
_NAME: Final = re.compile(r"snapshot-(\d{20})\.qs")


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """State after every record up to and including `seq`. `digests` say which code, spec and models wrote `parts`."""

    seq: int
    parts: dict[str, bytes]
    digests: dict[str, str]
    records: int = 1  # vocabulary of the parts: core.records.RECORDS_VERSION


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The newest good snapshot and the names of newer ones that were not; the caller alerts on those."""

    snapshot: Snapshot | None
    rejected: tuple[str, ...]


_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_decode = msgspec.msgpack.Decoder(Snapshot).decode


def snapshot_name(seq: int) -> str:
    """The file name of the snapshot at a seq."""
    return f"snapshot-{seq:020d}.qs"


def write_snapshot(directory: Path, seq: int, parts: dict[str, bytes], digests: dict[str, str]) -> Path:
    """Write one snapshot durably and drop all but the newest three that verify; returns its path."""
    body = _encode(Snapshot(seq=seq, parts=parts, digests=digests, records=RECORDS_VERSION))
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / snapshot_name(seq)
    write_durably(path, _HEADER.pack(MAGIC, VERSION, crc32c(body), len(body)) + body)
    _prune(directory)
    return path


def find_snapshot(directory: Path, *, at_most_seq: int | None = None) -> Found:
    """The newest snapshot that verifies, not above a seq, and the newer ones that do not."""
    rejected: list[str] = []
    for seq, path in reversed(_list(directory)):
        if at_most_seq is not None and seq > at_most_seq:
            continue
        try:
            return Found(snapshot=read_snapshot(path), rejected=tuple(rejected))
        except JournalError as fault:
            rejected.append(str(fault))
    return Found(snapshot=None, rejected=tuple(rejected))


def latest_snapshot(directory: Path, *, at_most_seq: int | None = None) -> Snapshot | None:
    """The newest snapshot that verifies; None when there is none (recovery then reads the whole journal)."""
    return find_snapshot(directory, at_most_seq=at_most_seq).snapshot


def oldest_snapshot_seq(directory: Path) -> int | None:
    """Seq of the oldest kept snapshot: retention must leave everything after it."""
    seqs = snapshot_seqs(directory)
    return seqs[0] if seqs else None


def snapshot_seqs(directory: Path) -> list[int]:
    """Seqs of the snapshots there are, ascending, good or not."""
    return [seq for seq, _ in _list(directory)]


def read_snapshot(path: Path) -> Snapshot:
    """Read and check one file. Raises JournalError naming it and what is wrong."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as fault:  # trader and follower both prune
        raise JournalError(f"{path.name}: gone") from fault
    if len(content) < _HEADER.size:
        raise JournalError(f"{path.name}: {len(content)} bytes, cut short")
    magic, version, checksum, length = _HEADER.unpack_from(content)
    body = content[_HEADER.size :]
    if magic != MAGIC or version != VERSION or length != len(body) or checksum != crc32c(body):
        raise JournalError(f"{path.name}: bad snapshot (magic, version, length or checksum)")
    try:
        snapshot = _decode(body)
    except msgspec.DecodeError as fault:
        raise JournalError(f"{path.name}: {fault}") from fault
    if snapshot.records > RECORDS_VERSION:  # its codec would skip what it does not know, and with it a piece of money
        raise JournalError(
            f"{path.name}: of a later release (records {snapshot.records}, this reads {RECORDS_VERSION})"
        )
    return snapshot


def _list(directory: Path) -> list[tuple[int, Path]]:
    if not directory.is_dir():
        return []
    names = ((_NAME.fullmatch(path.name), path) for path in directory.iterdir())
    return sorted((int(name[1]), path) for name, path in names if name)


def _prune(directory: Path) -> None:
    """Only good snapshots count towards those kept: three bad ones must not push out the last good one. Drafts of a
    writer that was killed go when they are old.
    """
    good = 0
    for _seq, path in reversed(_list(directory)):
        if good >= KEEP:
            path.unlink(missing_ok=True)
            continue
        try:
            read_snapshot(path)
        except JournalError:
            continue
        good += 1
    for draft in directory.glob("snapshot-*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - draft.stat().st_mtime > DRAFT_SECONDS_MAX:
                draft.unlink()
    sync_directory(directory)
