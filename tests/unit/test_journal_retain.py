"""Retention: rows leave to Parquet, everything else stays, the chain holds, and nothing goes too early."""

import sys
from pathlib import Path

import numpy as np
import pytest

from core.errors import JournalError
from core.records import INPUT, ROWS
from core.rows import ROW
from daemon.journal import JournalReader, JournalWriter, describe, retain, verify
from daemon.journal.layout import list_segments
from daemon.journal.retain import DAY_NS, archive_in_child

SIZE = 64 * 1024
FAR = 1 << 60
NOW = 100 * DAY_NS


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Three segments or more of a message and ten rows per frame, one frame per hour from day 0."""
    writer = JournalWriter(tmp_path, now_ns=0, segment_bytes=SIZE, reserve_bytes=0, background=False)
    for frame in range(300):
        seq = frame * 11 + 1
        ts_ns = frame * DAY_NS // 24
        rows = np.zeros(10, dtype=ROW)
        rows["ts_ns"] = ts_ns
        rows["inst"] = np.arange(10)
        rows["bid_px_nanos"] = seq
        writer.add(INPUT, seq, ts_ns, 0, b"message")
        writer.add_rows(seq + 1, rows.data.cast("B"), 10, ts_ns)
        writer.commit()
    writer.close()
    return tmp_path


def count_rows(segment: Path, target: Path) -> int:
    """Stands in for the Parquet writer: counts the rows and writes a marker."""
    target.write_text("parquet")
    return sum(r.count for r in JournalReader(segment.parent).records({ROWS}) if _in(segment, r.seq))


def _in(segment: Path, seq: int) -> bool:
    return [f for f in list_segments(segment.parent) if f.first_seq <= seq][-1].path == segment


def test_rows_leave_and_the_rest_stays(journal: Path) -> None:
    """After retention the messages, seqs and digest chain are unchanged, and the rows' bytes are gone."""
    before = verify(journal)
    messages = [(r.seq, bytes(r.payload)) for r in JournalReader(journal).messages()]
    segments = list_segments(journal)
    written = retain(journal, keep_rows_days=1, now_ns=NOW, follower_seq=FAR, snapshot_seq=FAR, to_parquet=count_rows)
    assert len(written) == len(segments) - 1
    after = verify(journal)
    assert after.ok
    assert after.digests == before.digests
    assert (after.records, after.rows, after.last_seq) == (before.records, before.rows, before.last_seq)
    assert 0 < after.rows_archived < after.rows
    assert [(r.seq, bytes(r.payload)) for r in JournalReader(journal).messages()] == messages
    assert segments[0].path.stat().st_size < SIZE // 4
    block = next(JournalReader(journal).records({ROWS}))
    assert describe(block)["archived"] is True
    with pytest.raises(JournalError, match="Parquet"):
        block.rows()
    assert not retain(journal, keep_rows_days=1, now_ns=NOW, follower_seq=FAR, snapshot_seq=FAR, to_parquet=count_rows)
    JournalWriter.open_existing(journal, segment_bytes=SIZE, reserve_bytes=0, background=False).close()


@pytest.mark.parametrize(
    "bounds",
    [
        {"follower_seq": None, "snapshot_seq": FAR, "now_ns": NOW},
        {"follower_seq": FAR, "snapshot_seq": None, "now_ns": NOW},
        {"follower_seq": 50, "snapshot_seq": FAR, "now_ns": NOW},
        {"follower_seq": FAR, "snapshot_seq": 50, "now_ns": NOW},
        {"follower_seq": FAR, "snapshot_seq": FAR, "now_ns": DAY_NS},
    ],
)
def test_nothing_is_cut_too_early(journal: Path, bounds: dict[str, int]) -> None:
    """What the follower lacks, a snapshot needs or is not old enough stays as it is, byte for byte."""
    before = {path.name: path.read_bytes() for path in journal.iterdir()}
    assert retain(journal, keep_rows_days=1, to_parquet=count_rows, **bounds) == []
    assert {path.name: path.read_bytes() for path in journal.iterdir()} == before


def test_a_segment_ending_at_the_bound_is_cut_one_seq_less_is_not(journal: Path) -> None:
    """Wholly below means the follower has the segment's very last seq."""
    last = list_segments(journal)[1].first_seq - 1
    bounds = {"keep_rows_days": 1, "now_ns": NOW, "snapshot_seq": FAR}
    assert retain(journal, follower_seq=last - 1, to_parquet=count_rows, **bounds) == []
    assert len(retain(journal, follower_seq=last, to_parquet=count_rows, **bounds)) == 1


def test_an_archive_that_disagrees_cuts_nothing(journal: Path) -> None:
    """A row count that differs stops retention before the segment is touched."""
    before = list_segments(journal)[0].path.read_bytes()
    with pytest.raises(JournalError, match="nothing was cut"):
        retain(journal, keep_rows_days=1, now_ns=NOW, follower_seq=FAR, snapshot_seq=FAR, to_parquet=lambda _s, _t: 7)
    assert list_segments(journal)[0].path.read_bytes() == before


@pytest.mark.slow
def test_the_archive_holds_every_row_with_its_seq(journal: Path) -> None:
    """The child's Parquet has the segment's rows bit for bit, their seqs, and the digest of where they came from."""
    parquet = pytest.importorskip("pyarrow.parquet")
    segment = list_segments(journal)[0].path
    blocks = [b for b in JournalReader(journal).row_blocks() if _in(segment, b.seq)]
    assert archive_in_child(segment, journal / "rows.parquet") == 10 * len(blocks)
    table = parquet.read_table(journal / "rows.parquet")
    assert table["seq"].to_pylist() == [seq for b in blocks for seq in range(b.seq, b.seq + 10)]
    for name in ROW.names or ():
        assert np.array_equal(table[name].to_numpy(), np.concatenate([b.rows[name] for b in blocks]))
    assert table.schema.metadata[b"segment_digest"].decode() == verify(journal).digests[segment.name]
    with pytest.raises(JournalError, match="archiving failed"):
        archive_in_child(journal / "missing.qj", journal / "rows.parquet")


@pytest.mark.slow
def test_the_journal_never_loads_pyarrow() -> None:
    """Importing all of the journal leaves the heavy libraries out of the process."""
    import subprocess

    code = (
        "import sys, daemon.journal, daemon.journal.archive; print('pyarrow' in sys.modules, 'pandas' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    ended = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["False", "False"]
