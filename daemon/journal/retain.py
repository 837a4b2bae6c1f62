"""Retention: moves market rows older than N days to Parquet and rewrites their segments without them. Every other
record stays for years. Never touches the segment being written; never imports pyarrow (that is archive.py's, in its own
process).

A rewritten segment keeps the digest of what it was in its header, so the chain still verifies; its row headers stay,
with no bytes behind them, so no seq goes missing.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Final

from core.errors import JournalError
from core.records import ROWS
from daemon.journal.layout import (
    HEADER_BYTES,
    NO_DIGEST,
    SUB_HEADER,
    SegmentFile,
    SubRecord,
    content_digest,
    frames,
    list_segments,
    pack_frame,
    pack_header,
    sub_records,
    unpack_header,
)
from daemon.journal.opening import checked_end, map_segment
from daemon.journal.segment import sync_directory

DAY_NS: Final = 86_400_000_000_000
ARCHIVE_SECONDS_MAX: Final = 300

ToParquet = Callable[[Path, Path], int]  # (segment, target) -> rows written and read back


def retain(
    directory: Path,
    *,
    keep_rows_days: int,
    now_ns: int,
    follower_seq: int | None,
    snapshot_seq: int | None,
    to_parquet: ToParquet | None = None,
) -> list[Path]:
    """Take the rows out of every segment that may lose them; returns the Parquet files written.

    A segment may when it is closed, its last record is older than `keep_rows_days`, and it lies wholly at or below both
    `follower_seq` (what the follower has stored) and `snapshot_seq` (the oldest kept snapshot): None = nothing is cut.
    `to_parquet` None = a child process. Raises JournalError when a segment is bad or the archive disagrees with it.
    """
    if follower_seq is None or snapshot_seq is None:
        return []
    files = list_segments(directory)
    written = []
    for file, following in pairwise(files):
        if following.first_seq - 1 > min(follower_seq, snapshot_seq):
            break
        records = _rows_to_move(file, oldest_ns=now_ns - keep_rows_days * DAY_NS)
        if records:
            written.append(_move(file, records, to_parquet or archive_in_child))
    return written


def archive_in_child(segment: Path, target: Path) -> int:
    """Write a segment's rows as Parquet in a process of its own; returns the rows written."""
    command = [sys.executable, "-m", "daemon.journal.archive", str(segment), str(target)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=ARCHIVE_SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired as fault:
        raise JournalError(f"{segment.name}: archiving took over {ARCHIVE_SECONDS_MAX} s") from fault
    if ended.returncode != 0:
        raise JournalError(f"{segment.name}: archiving failed: {ended.stderr.strip()[-400:]}")
    return int(ended.stdout)


def _rows_to_move(file: SegmentFile, *, oldest_ns: int) -> int:
    """Rows of a segment whose last record is old enough; 0 when there is nothing to do."""
    view = map_segment(file.path)
    if unpack_header(view, name=file.path.name).original_digest != NO_DIGEST:
        return 0
    checked_end(view, name=file.path.name)
    rows = 0
    last_ns = 0
    for start, end in frames(view):
        for record in sub_records(view, start, end):
            rows += record.count if record.kind == ROWS else 0
            last_ns = max(last_ns, record.ts_ns)
    return rows if last_ns < oldest_ns else 0


def _move(file: SegmentFile, rows: int, to_parquet: ToParquet) -> Path:
    target = file.path.with_name(f"rows-{file.first_seq:020d}.parquet")
    archived = to_parquet(file.path, target)
    if archived != rows:
        raise JournalError(f"{target.name}: {archived} rows archived, {file.path.name} has {rows}: nothing was cut")
    _rewrite(file)
    return target


def _rewrite(file: SegmentFile) -> None:
    """Replace a segment by itself without the bytes of its rows."""
    view = map_segment(file.path)
    end = checked_end(view, name=file.path.name)
    header = unpack_header(view, name=file.path.name)._replace(original_digest=content_digest(view, end))
    draft = file.path.with_name(file.path.name + ".tmp")
    with draft.open("wb") as out:
        out.write(pack_header(header))
        for start, stop in frames(view, HEADER_BYTES):
            out.write(pack_frame(b"".join(_without_rows(view, r) for r in sub_records(view, start, stop))))
        out.flush()
        os.fsync(out.fileno())
    os.replace(draft, file.path)
    sync_directory(file.path.parent)


def _without_rows(view: memoryview, record: SubRecord) -> bytes:
    content = b"" if record.kind == ROWS else bytes(view[record.start : record.stop])
    head = SUB_HEADER.pack(record.kind, record.count, len(content), record.seq, record.ts_ns, record.cause_seq)
    return head + content + bytes(-len(content) % 8)
