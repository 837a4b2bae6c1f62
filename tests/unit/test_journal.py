"""Writer and reader of the journal: round trips, frames, rolls, a reader beside a live writer, the lock."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from crc32c import crc32c

from core.errors import JournalError
from core.records import COMMAND, INPUT, NOTE, ROWS
from core.rows import ROW
from daemon.journal import JournalReader, JournalWriter, TornTail, next_epoch, verify
from daemon.journal.layout import (
    END_BYTES,
    HEADER_BYTES,
    SegmentFile,
    SegmentHeader,
    list_segments,
    pack_header,
    unpack_header,
)
from daemon.journal.opening import checked_end, segment_digest
from daemon.journal.reader import Rows

SIZE = 64 * 1024


def create(directory: Path, *, first_seq: int = 1) -> JournalWriter:
    return JournalWriter(
        directory, now_ns=7, first_seq=first_seq, segment_bytes=SIZE, reserve_bytes=0, background=False
    )


def reopen(directory: Path) -> JournalWriter:
    return JournalWriter.open_existing(directory, segment_bytes=SIZE, reserve_bytes=0, background=False)


def make_rows(count: int, *, ts_ns: int = 100) -> Rows:
    rows = np.zeros(count, dtype=ROW)
    rows["ts_ns"] = np.arange(ts_ns, ts_ns + count)
    rows["bid_px_nanos"] = np.arange(count) * 3
    return rows


def flat(rows: Rows) -> memoryview:
    return rows.data.cast("B")


def write_messages(writer: JournalWriter, seqs: range, *, size: int = 60) -> None:
    for seq in seqs:
        writer.add(INPUT, seq, seq * 10, 0, seq.to_bytes(size, "little"))
        writer.commit()


def test_round_trip_keeps_every_field(tmp_path: Path) -> None:
    """What was added in one frame comes back in one frame, rows bit for bit and writable."""
    writer = create(tmp_path)
    rows = make_rows(5)
    writer.add(INPUT, 1, 10, 0, b"abc")
    writer.add_rows(2, flat(rows), 5, 100)
    writer.add(COMMAND, 7, 11, 1, b"")
    writer.commit()
    writer.add(NOTE, 8, 12, 1, b"12345678")
    writer.commit()
    first, second = list(JournalReader(tmp_path).frames())
    assert [(r.kind, r.count, r.seq, r.ts_ns, r.cause_seq) for r in first] == [
        (INPUT, 0, 1, 10, 0),
        (ROWS, 5, 2, 100, 0),
        (COMMAND, 0, 7, 11, 1),
    ]
    assert bytes(first[0].payload) == b"abc"
    back = first[1].rows()
    assert back.flags.writeable
    assert back.tobytes() == rows.tobytes()
    assert [bytes(r.payload) for r in second] == [b"12345678"]
    writer.close()


def test_an_uncommitted_frame_is_invisible(tmp_path: Path) -> None:
    """A reader and the next start see committed frames only; an empty commit writes nothing."""
    writer = create(tmp_path)
    writer.commit()
    assert writer.committed_offset == 0
    writer.add(INPUT, 1, 10, 0, b"a")
    assert list(JournalReader(tmp_path).records()) == []
    assert writer.last_seq == 0
    writer.commit()
    assert writer.last_seq == 1
    assert [r.seq for r in JournalReader(tmp_path).records()] == [1]
    writer.close()


def test_discard_leaves_no_trace(tmp_path: Path) -> None:
    """A long frame that was dropped does not come back behind a shorter one, and its seqs are free again."""
    writer = create(tmp_path)
    writer.add(INPUT, 1, 10, 0, b"\xff" * 500)
    writer.discard()
    writer.add(INPUT, 1, 10, 0, b"short")
    writer.commit()
    writer.close()
    assert [bytes(r.payload) for r in JournalReader(tmp_path).records()] == [b"short"]
    writer = reopen(tmp_path)
    assert writer.torn is None
    writer.close()
    assert verify(tmp_path).ok


def test_a_failed_add_leaves_no_trace(tmp_path: Path) -> None:
    """A seq out of range stops half way through the record header; the frame before still ends the segment."""
    writer = create(tmp_path)
    writer.add(INPUT, 1, 10, 0, b"good")
    with pytest.raises(Exception, match="out of range"):
        writer.add(INPUT, 1 << 70, 10, 0, b"\xff" * 100)
    writer.commit()
    assert verify(tmp_path).ok
    assert [r.seq for r in JournalReader(tmp_path).records()] == [1]
    write_messages(writer, range(2, 4))
    writer.close()
    assert verify(tmp_path).ok


@pytest.mark.parametrize("seq", [0, 1])
def test_a_seq_must_ascend(tmp_path: Path, seq: int) -> None:
    """A seq given twice would make two different histories; both calls refuse it."""
    writer = create(tmp_path)
    write_messages(writer, range(1, 2))
    with pytest.raises(JournalError, match=f"seq {seq} after 1"):
        writer.add(INPUT, seq, 10, 0, b"")
    with pytest.raises(JournalError, match=f"seq {seq} after 1"):
        writer.add_rows(seq, flat(make_rows(1)), 1, 10)
    writer.close()


def test_a_row_block_uses_up_its_seqs(tmp_path: Path) -> None:
    """The seqs inside a block belong to its rows: the next record comes after the last of them."""
    writer = create(tmp_path)
    writer.add_rows(1, flat(make_rows(3)), 3, 100)
    with pytest.raises(JournalError, match="seq 3 after 3"):
        writer.add(INPUT, 3, 10, 0, b"")
    writer.add(INPUT, 4, 10, 0, b"")
    writer.close()


@pytest.mark.parametrize(("count", "size"), [(0, 0), (2, 1), (65_536, 65_536)])
def test_a_row_block_must_be_whole(tmp_path: Path, count: int, size: int) -> None:
    """Count and bytes of a block must agree, and the count fits its 16 bits."""
    writer = create(tmp_path)
    with pytest.raises(JournalError, match="block of"):
        writer.add_rows(1, flat(make_rows(size)) if size else b"", count, 10)
    writer.close()


def test_rolling_keeps_order_chain_and_names(tmp_path: Path) -> None:
    """Over several segments nothing is lost, each name is its first seq, each header carries the digest before."""
    writer = create(tmp_path)
    write_messages(writer, range(1, 2501))
    writer.close()
    files = list_segments(tmp_path)
    assert len(files) > 3
    for before, file in pairwise(files):
        header = unpack_header(memoryview(file.path.read_bytes()), name="x")
        assert header.previous_digest == segment_digest(before.path)
        assert header.created_ts_ns == file.first_seq * 10
        assert next(iter(JournalReader(tmp_path, from_seq=file.first_seq).records())).seq == file.first_seq
    assert [r.seq for r in JournalReader(tmp_path).records()] == list(range(1, 2501))
    report = verify(tmp_path)
    assert report.ok
    assert (report.frames, report.first_seq, report.last_seq, report.segments) == (2500, 1, 2500, len(files))
    assert report.records == {"input": 2500}


def test_a_frame_never_spans_segments(tmp_path: Path) -> None:
    """A frame half built when the segment is full moves over whole and names the next segment by its first record."""
    writer = create(tmp_path)
    write_messages(writer, range(1, 600))
    seq = 600
    while len(list_segments(tmp_path)) == 1:
        writer.add(INPUT, seq, seq, 0, bytes(60))
        seq += 1
    writer.commit()
    writer.close()
    assert list_segments(tmp_path)[1].first_seq == 600
    frames = list(JournalReader(tmp_path).frames())
    assert [r.seq for r in frames[-1]] == list(range(600, seq))
    closed = list_segments(tmp_path)[0].path.read_bytes()
    assert not any(closed[checked_end(memoryview(closed), name="closed") :])
    assert verify(tmp_path).ok


def test_a_segment_can_be_filled_to_the_last_byte(tmp_path: Path) -> None:
    """The largest frame fits, one byte more is refused, and the refused frame leaves the writer usable."""
    writer = create(tmp_path)
    largest = SIZE - HEADER_BYTES - END_BYTES - 8 - 32
    writer.add(INPUT, 1, 1, 0, bytes(largest))
    writer.commit()
    with pytest.raises(JournalError, match="does not fit a segment"):
        writer.add(INPUT, 2, 1, 0, bytes(largest + 1))
    writer.add(INPUT, 2, 1, 0, b"next")
    writer.commit()
    writer.close()
    assert [r.seq for r in JournalReader(tmp_path).records()] == [1, 2]
    assert verify(tmp_path).ok


def test_reading_from_a_seq_cuts_into_a_row_block(tmp_path: Path) -> None:
    """A snapshot may fall inside a block: only the rows behind it are delivered, with their own seq and time."""
    writer = create(tmp_path)
    rows = make_rows(10, ts_ns=500)
    writer.add_rows(1, flat(rows), 10, 500)
    writer.add(INPUT, 11, 600, 0, b"m")
    writer.commit()
    writer.close()
    block, message = JournalReader(tmp_path, from_seq=4).records()
    assert (block.seq, block.count, block.ts_ns, block.last_seq) == (4, 7, 503, 10)
    assert block.rows().tobytes() == rows[3:].tobytes()
    assert message.seq == 11
    assert [b.seq for b in JournalReader(tmp_path, from_seq=10).row_blocks()] == [10]
    assert [r.seq for r in JournalReader(tmp_path, from_seq=11).records()] == [11]


def test_fast_paths_divide_the_journal(tmp_path: Path) -> None:
    """Messages and row blocks together are every record, each once."""
    writer = create(tmp_path)
    for seq in range(1, 1001, 10):
        writer.add(INPUT, seq, seq, 0, b"m")
        writer.add_rows(seq + 1, flat(make_rows(9)), 9, 100)
        writer.commit()
    writer.close()
    assert [r.seq for r in JournalReader(tmp_path).messages()] == list(range(1, 1001, 10))
    blocks = list(JournalReader(tmp_path).row_blocks())
    assert [b.seq for b in blocks] == list(range(2, 1001, 10))
    assert all(len(b.rows) == 9 for b in blocks)


def test_a_reader_follows_a_live_writer_across_rolls(tmp_path: Path) -> None:
    """Calling again continues where the last call stopped, even when it stopped right before a roll."""
    reader = JournalReader(tmp_path)
    assert list(reader.records()) == []
    writer = create(tmp_path)
    seen: list[int] = []
    for seq in range(1, 2001):
        writer.add(INPUT, seq, seq, 0, bytes(60))
        writer.add(COMMAND, 10_000 + seq, seq, 0, b"") if seq == 2000 else None
        writer.commit()
        if seq % 7 == 0:
            seen.extend(r.seq for r in reader.records())
    seen.extend(r.seq for r in reader.records())
    writer.close()
    assert seen == [*range(1, 2001), 12_000]
    assert reader.position[0] == list_segments(tmp_path)[-1].path.name


def test_frames_committed_right_before_a_roll_are_not_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer may commit and roll between a reader's look at the end and its look for the next segment."""
    writer = create(tmp_path)
    write_messages(writer, range(1, 4))
    reader = JournalReader(tmp_path)
    assert sum(1 for _ in reader.records()) == 3

    def write_first(directory: Path) -> list[SegmentFile]:
        if writer.last_seq == 3:
            write_messages(writer, range(4, 1000))
        return list_segments(directory)

    monkeypatch.setattr("daemon.journal.reader.list_segments", write_first)
    assert [r.seq for r in reader.records()] == list(range(4, 1000))
    assert len(list_segments(tmp_path)) > 1
    writer.close()


def test_an_abandoned_iteration_loses_no_record(tmp_path: Path) -> None:
    """Stopping in the middle of a frame and asking again delivers the rest of that frame."""
    writer = create(tmp_path)
    for seq in range(1, 5):
        writer.add(INPUT, seq, seq, 0, b"")
    writer.commit()
    writer.close()
    reader = JournalReader(tmp_path)
    assert next(reader.records()).seq == 1
    assert [r.seq for r in reader.records()] == [2, 3, 4]


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    """Two writers would interleave: the second is told who holds the lock, and the lock ends with close."""
    writer = create(tmp_path)
    with pytest.raises(JournalError, match="another writer"):
        reopen(tmp_path)
    with pytest.raises(JournalError, match="another writer"):
        create(tmp_path)
    writer.close()
    writer.close()
    reopen(tmp_path).close()


def test_new_and_existing_are_never_mixed_up(tmp_path: Path) -> None:
    """A missing journal is not silently begun anew, an existing one not overwritten."""
    with pytest.raises(JournalError, match="no such journal"):
        reopen(tmp_path / "nowhere")
    with pytest.raises(JournalError, match="no segments"):
        reopen(tmp_path)
    create(tmp_path).close()
    with pytest.raises(JournalError, match="open_existing"):
        create(tmp_path)


def test_a_journal_continues_after_restart(tmp_path: Path) -> None:
    """Reopening finds the last seq, also when it is the end of a row block, and goes on in the same segment."""
    writer = create(tmp_path, first_seq=5)
    assert writer.last_seq == 4
    writer.add_rows(5, flat(make_rows(3)), 3, 100)
    writer.commit()
    writer.close()
    writer = reopen(tmp_path)
    assert (writer.last_seq, writer.torn) == (7, None)
    write_messages(writer, range(8, 2000))
    writer.close()
    assert verify(tmp_path).ok
    assert sum(1 for _ in JournalReader(tmp_path).records()) == 1993


def test_sync_moves_the_released_offset(tmp_path: Path) -> None:
    """With durability fsync a frame may be acted on after sync only; with os after commit."""
    writer = JournalWriter(
        tmp_path, now_ns=1, segment_bytes=SIZE, reserve_bytes=0, durability="fsync", background=False
    )
    write_messages(writer, range(1, 1500))
    assert len(list_segments(tmp_path)) > 1
    assert writer.released_offset == writer.synced_offset == 0
    assert writer.sync() == writer.committed_offset == writer.released_offset > SIZE
    writer.durability = "os"
    write_messages(writer, range(1500, 1501))
    assert writer.released_offset == writer.committed_offset > writer.synced_offset
    writer.close()


def test_a_failed_sync_is_final(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After one failed fdatasync no later one is believed: the kernel may have dropped the pages."""
    writer = create(tmp_path)
    write_messages(writer, range(1, 3))

    def fail(_fd: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("os.fdatasync", fail)
        with pytest.raises(JournalError, match="Input/output error"):
            writer.sync()
    with pytest.raises(JournalError, match="stop, check the disk"):
        writer.sync()
    assert writer.fault
    assert writer.synced_offset < writer.committed_offset
    writer.close()


def test_the_background_thread_keeps_a_spare_and_the_chain(tmp_path: Path) -> None:
    """With the thread on, rolls under load lose nothing and the chain still verifies."""
    writer = JournalWriter(tmp_path, now_ns=1, segment_bytes=SIZE, reserve_bytes=0)
    write_messages(writer, range(1, 6001))
    writer.close()
    report = verify(tmp_path)
    assert report.ok
    assert report.frames == 6000


@pytest.mark.parametrize("size", [1024, SIZE + 4, 1 << 31])
def test_segment_size_is_bounded(tmp_path: Path, size: int) -> None:
    """A size that breaks alignment or memory is refused by name, and the lock is let go."""
    with pytest.raises(JournalError, match="segment_bytes"):
        JournalWriter(tmp_path, now_ns=1, segment_bytes=size, reserve_bytes=0, background=False)
    create(tmp_path).close()


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    """A segment of a later format version is named, not guessed at."""
    packed = bytearray(pack_header(SegmentHeader(1, 2, bytes(32))))
    packed[8] = 9
    packed[-4:] = crc32c(packed[:-4]).to_bytes(4, "little")
    with pytest.raises(JournalError, match="format version 9"):
        unpack_header(memoryview(packed), name="segment-x")


def test_epochs_never_repeat(tmp_path: Path) -> None:
    """Each call is one higher, a lost file starts above what is known, a damaged one stops the start."""
    assert [next_epoch(tmp_path) for _ in range(3)] == [1, 2, 3]
    (tmp_path / "epoch").unlink()
    assert next_epoch(tmp_path, at_least=3) == 4
    (tmp_path / "epoch").write_text("garbage")
    with pytest.raises(JournalError, match="no epoch"):
        next_epoch(tmp_path)


def test_an_epoch_is_on_disk_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File and directory are both fsynced, the file first, before the number is returned."""
    synced: list[bool] = []
    real: Callable[[int], None] = __import__("os").fsync

    def watch(fd: int) -> None:
        synced.append(Path(f"/proc/self/fd/{fd}").resolve().is_dir())
        real(fd)

    monkeypatch.setattr("os.fsync", watch)
    assert next_epoch(tmp_path) == 1
    assert synced == [False, True]


def test_a_torn_tail_is_a_plain_tuple() -> None:
    """The caller's alert reads segment, offset and byte count by name."""
    torn = TornTail("segment-x", 128, 40, "torn-x", 0)
    assert (torn.segment, torn.offset, torn.bytes) == ("segment-x", 128, 40)
