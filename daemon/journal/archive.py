"""Writes the market rows of one segment as Parquet. The only module here that loads pyarrow, and only when called: the
trader runs it as a process of its own (`python -m daemon.journal.archive SEGMENT TARGET` prints the rows written).
"""

import os
import sys
from pathlib import Path

import numpy as np

from core.errors import JournalError
from core.records import ROWS
from core.rows import ROW
from daemon.journal.layout import content_digest, frames, sub_records
from daemon.journal.opening import checked_end, map_segment
from daemon.journal.segment import sync_directory


def write_parquet(segment: Path, target: Path) -> int:
    """Write the rows with their seqs, durably; returns the number of rows read back from the file.

    Raises JournalError when the file does not hold what the segment holds.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    view = map_segment(segment)
    digest = content_digest(view, checked_end(view, name=segment.name))
    blocks = [r for start, end in frames(view) for r in sub_records(view, start, end) if r.kind == ROWS]
    seqs = [np.arange(r.seq, r.seq + r.count, dtype=np.int64) for r in blocks]
    rows = np.frombuffer(b"".join(view[r.start : r.stop] for r in blocks), dtype=ROW)
    columns = {"seq": np.concatenate([np.empty(0, np.int64), *seqs])}
    columns |= {name: np.ascontiguousarray(rows[name]) for name in ROW.names or ()}
    table = pa.table(columns).replace_schema_metadata({"segment": segment.name, "segment_digest": digest.hex()})
    draft = target.with_name(target.name + ".tmp")
    pq.write_table(table, draft, compression="zstd")
    back = pq.read_table(draft)
    if not back.equals(table):
        raise JournalError(f"{target.name}: the file read back differs from {segment.name}")
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(draft, target)
    sync_directory(target.parent)
    return int(back.num_rows)


if __name__ == "__main__":
    print(write_parquet(Path(sys.argv[1]), Path(sys.argv[2])))
