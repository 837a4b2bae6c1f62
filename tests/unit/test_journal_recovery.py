"""What survives: torn tails at every byte, broken chains, full disks, kill -9."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import JournalError
from core.records import COMMAND, INPUT
from daemon.journal import JournalFull, JournalReader, JournalWriter, verify
from daemon.journal.layout import HEADER_BYTES, list_segments, segment_name

SIZE = 64 * 1024
ROOT = Path(__file__).resolve().parents[2]


def create(directory: Path, *, reserve_bytes: int = 0) -> JournalWriter:
    return JournalWriter(directory, now_ns=1, segment_bytes=SIZE, reserve_bytes=reserve_bytes, background=False)


def reopen(directory: Path) -> JournalWriter:
    return JournalWriter.open_existing(directory, segment_bytes=SIZE, reserve_bytes=0, background=False)


def write(writer: JournalWriter, seqs: range, *, size: int = 60) -> None:
    for seq in seqs:
        writer.add(INPUT, seq, seq, 0, seq.to_bytes(2, "little") * (size // 2))
        writer.commit()


def seqs_in(directory: Path) -> list[int]:
    return [record.seq for record in JournalReader(directory).records()]


def trimmed(directory: Path) -> tuple[bytes, int]:
    """A segment of three frames, cut at the end of the last; and where the last one starts."""
    writer = create(directory)
    write(writer, range(1, 3))
    start = HEADER_BYTES + writer.committed_offset
    writer.add(INPUT, 3, 3, 0, b"\x11" * 3)
    writer.add(COMMAND, 4, 3, 3, b"\x22" * 2)
    writer.commit()
    end = HEADER_BYTES + writer.committed_offset
    writer.close()
    return (directory / segment_name(1)).read_bytes()[:end], start


def torn_variants(content: bytes, cut: int) -> dict[str, bytes]:
    end = len(content)
    return {
        "short file": content[:cut],
        "zeros": content[:cut] + bytes(end - cut + 64),
        "garbage": content[:cut] + b"\xa5" * (end - cut + 64),
    }


@pytest.mark.parametrize("part", range(3))  # every third byte each, to stay short
@pytest.mark.parametrize("variant", ["short file", "zeros", "garbage"])
def test_a_tail_torn_at_any_byte_loses_that_frame_only(tmp_path: Path, variant: str, part: int) -> None:
    """Cut at every byte of the last frame: all before survives, the frame is gone whole, the writer goes on."""
    content, start = trimmed(tmp_path / "good")
    for cut in range(start + part, len(content), 3):
        if not content[cut:].strip(b"\0") and variant != "garbage":
            continue  # only padding is missing: once the file has its size again, the frame is whole
        directory = tmp_path / "torn"
        directory.mkdir()
        (directory / segment_name(1)).write_bytes(torn_variants(content, cut)[variant])
        assert seqs_in(directory) == [1, 2], cut
        writer = reopen(directory)
        assert writer.last_seq == 2
        assert verify(directory).ok
        left = torn_variants(content, cut)[variant][start:].rstrip(b"\0")
        if left:
            assert writer.torn is not None
            assert (writer.torn.segment, writer.torn.offset) == (segment_name(1), start)
            assert writer.torn.bytes == len(left)
            assert (directory / writer.torn.saved).read_bytes() == left
        else:
            assert writer.torn is None
        write(writer, range(3, 5), size=2)
        writer.close()
        assert seqs_in(directory) == [1, 2, 3, 4]
        assert verify(directory).ok
        for path in directory.iterdir():
            path.unlink()
        directory.rmdir()


def test_frames_behind_a_bad_one_are_counted(tmp_path: Path) -> None:
    """A rotten byte with good frames behind it is cut too, but the report says so, and the bytes are kept."""
    writer = create(tmp_path)
    write(writer, range(1, 6))
    writer.close()
    damage(tmp_path / segment_name(1), at=HEADER_BYTES + 60)
    writer = reopen(tmp_path)
    assert writer.torn is not None
    assert writer.torn.whole_frames_after == 4
    assert (tmp_path / writer.torn.saved).stat().st_size == writer.torn.bytes
    writer.close()


def damage(path: Path, *, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0x40
    path.write_bytes(content)


def test_a_bad_frame_in_a_closed_segment_is_an_error(tmp_path: Path) -> None:
    """Start, reader and verify all refuse it: only the newest segment can have a torn tail."""
    writer = create(tmp_path)
    write(writer, range(1, 2000))
    writer.close()
    damage(list_segments(tmp_path)[1].path, at=30_000)
    with pytest.raises(JournalError, match="closed segment"):
        reopen(tmp_path)
    with pytest.raises(JournalError, match="closed segment"):
        seqs_in(tmp_path)
    report = verify(tmp_path)
    assert not report.ok
    assert any("bad frame" in problem for problem in report.problems)


def test_a_replaced_segment_breaks_the_chain(tmp_path: Path) -> None:
    """A segment whose frames are all valid but not the ones written there is found by the digest."""
    for name, size in (("one", 60), ("two", 58)):
        writer = create(tmp_path / name)
        write(writer, range(1, 2000), size=size)
        writer.close()
    first = list_segments(tmp_path / "one")[0].path
    (tmp_path / "two" / segment_name(1)).rename(first)
    with pytest.raises(JournalError, match="digest chain broken"):
        reopen(tmp_path / "one")
    assert any("digest chain broken" in problem for problem in verify(tmp_path / "one").problems)


def test_a_renamed_segment_is_an_error(tmp_path: Path) -> None:
    """The header knows its first seq: a file under another name is refused."""
    create(tmp_path).close()
    (tmp_path / segment_name(1)).rename(tmp_path / segment_name(2))
    with pytest.raises(JournalError, match="renamed"):
        reopen(tmp_path)
    assert any("renamed" in problem for problem in verify(tmp_path).problems)


def test_a_named_segment_without_header_is_set_aside(tmp_path: Path) -> None:
    """A power cut after the rename and before the header: nothing in it was synced, the one before goes on."""
    writer = create(tmp_path)
    write(writer, range(1, 4))
    writer.close()
    (tmp_path / segment_name(4)).write_bytes(bytes(SIZE))
    assert seqs_in(tmp_path) == [1, 2, 3]
    writer = reopen(tmp_path)
    assert writer.torn is not None
    assert (writer.torn.segment, writer.torn.offset, writer.last_seq) == (segment_name(4), 0, 3)
    write(writer, range(4, 6))
    writer.close()
    assert seqs_in(tmp_path) == [1, 2, 3, 4, 5]


def test_a_seq_gap_is_reported(tmp_path: Path) -> None:
    """Verify names the seqs around a hole."""
    writer = create(tmp_path)
    write(writer, range(1, 4))
    write(writer, range(6, 8))
    writer.close()
    report = verify(tmp_path)
    assert (report.gaps, report.gap_count, report.ok) == ([(3, 6)], 1, False)


def fits(writer: JournalWriter, seq: int, *, size: int) -> bool:
    try:
        writer.add(INPUT, seq, 1, 0, bytes(size))
    except JournalFull:
        return False
    writer.commit()
    return True


def no_space(_fd: int, _offset: int, _size: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_keeps_cancels_recordable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room the writer says so and goes on in the spare; then small frames still fit; then space heals it."""
    writer = create(tmp_path)
    seq = 0
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", no_space)
        while len(list_segments(tmp_path)) == 1:
            seq += 1
            write(writer, range(seq, seq + 1))
        assert (writer.prepare_next(), writer.disk_available) == (False, False)
        assert "No space left" in writer.disk_reason
        for _ in range(100):
            seq += 1
            writer.add(COMMAND, seq, 1, 0, b"cancel")
            writer.commit()
        while fits(writer, seq + 1, size=2000):
            seq += 1
        writer.add(COMMAND, seq + 1, 1, 0, b"cancel")
        writer.commit()
    assert (writer.prepare_next(), writer.disk_available) == (True, True)
    write(writer, range(seq + 2, seq + 50), size=2000)
    writer.close()
    assert seqs_in(tmp_path) == list(range(1, seq + 50))
    assert verify(tmp_path).ok


def test_the_reserve_of_free_space_counts(tmp_path: Path) -> None:
    """Less free space than the reserve is 'not available', though the spare that is there may still be used."""
    writer = create(tmp_path)
    writer.close()
    writer = JournalWriter.open_existing(tmp_path, segment_bytes=SIZE, reserve_bytes=1 << 60, background=False)
    assert writer.disk_available is False
    assert "needed" in writer.disk_reason
    write(writer, range(1, 1000))
    assert len(list_segments(tmp_path)) == 2
    writer.close()


def test_the_spare_survives_a_restart_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spare left by the run before is zeroed and used, whatever a crash left in it."""
    writer = create(tmp_path)
    write(writer, range(1, 3))
    writer.close()
    (tmp_path / "next-segment").write_bytes(b"\xff" * SIZE)
    writer = reopen(tmp_path)
    monkeypatch.setattr(os, "posix_fallocate", no_space)
    write(writer, range(3, 1000))
    writer.close()
    assert seqs_in(tmp_path) == list(range(1, 1000))
    writer = reopen(tmp_path)
    assert writer.torn is None
    writer.close()


def test_no_room_for_a_first_segment_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new journal on a full disk does not start, and leaves no half file."""
    monkeypatch.setattr(os, "posix_fallocate", no_space)
    with pytest.raises(JournalError, match="no room for the first segment"):
        create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


CHILD = """
import sys
from pathlib import Path
from daemon.journal.writer import JournalWriter
directory = Path(sys.argv[1])
options = {"segment_bytes": 65536, "reserve_bytes": 0}
exists = any(directory.glob("segment-*"))
writer = JournalWriter.open_existing(directory, **options) if exists else JournalWriter(directory, now_ns=1, **options)
out = sys.stdout.buffer
seq = writer.last_seq
while True:
    writer.add(2, seq + 1, seq, 0, bytes(60))
    writer.add(4, seq + 2, seq, seq + 1, bytes(60))
    writer.commit()
    seq += 2
    out.write(b"%d\\n" % seq)
    out.flush()
"""


@pytest.mark.slow
def test_kill_9_loses_no_acknowledged_frame(tmp_path: Path) -> None:
    """Ten times a child is killed in the middle of writing: every seq it acknowledged is there, steps are whole."""
    for kill in range(10):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        acknowledged = 0
        for _ in range(200 + 137 * kill):
            acknowledged = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().rpartition("\n")[0].split()
        acknowledged = int(rest[-1]) if rest else acknowledged
        child.stdout.close()
        child.wait()
        frames = list(JournalReader(tmp_path).frames())
        assert [[r.kind for r in frame] for frame in frames] == [[INPUT, COMMAND]] * len(frames)
        assert frames[-1][-1].seq >= acknowledged
    reopen(tmp_path).close()
    report = verify(tmp_path)
    assert report.ok
    assert report.segments > 1
