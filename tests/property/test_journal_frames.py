"""Properties of the journal: any frames come back as they were; any damage to the tail costs whole frames only."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from core.records import ROWS
from core.rows import ROW_BYTES
from daemon.journal import JournalReader, JournalWriter, verify
from daemon.journal.layout import HEADER_BYTES, list_segments, segment_name

SIZE = 64 * 1024

message = st.tuples(st.integers(1, 5), st.binary(max_size=200), st.just(0))
block = st.integers(1, 60).map(lambda count: (ROWS, bytes([count]) * (count * ROW_BYTES), count))
step = st.lists(st.one_of(message, block), min_size=1, max_size=8)
Step = list[tuple[int, bytes, int]]


def write(directory: Path, steps: list[Step]) -> list[list[tuple[int, int, bytes]]]:
    """Write frames; returns what must come back: kind, seq, payload."""
    writer = JournalWriter(directory, now_ns=1, segment_bytes=SIZE, reserve_bytes=0, background=False)
    expected = []
    seq = 1
    for records in steps:
        frame = []
        for kind, payload, count in records:
            if kind == ROWS:
                writer.add_rows(seq, payload, count, 5)
            else:
                writer.add(kind, seq, 5, 0, payload)
            frame.append((kind, seq, payload))
            seq += count or 1
        writer.commit()
        expected.append(frame)
    writer.close()
    return expected


def read(directory: Path) -> list[list[tuple[int, int, bytes]]]:
    return [[(r.kind, r.seq, bytes(r.payload)) for r in frame] for frame in JournalReader(directory).frames()]


@settings(max_examples=20)
@given(steps=st.lists(step, max_size=40))
def test_any_frames_round_trip(steps: list[Step]) -> None:
    """Whatever was committed is read back frame by frame, across rolls, without a gap."""
    with TemporaryDirectory() as folder:
        expected = write(Path(folder), steps)
        assert read(Path(folder)) == expected
        assert verify(Path(folder)).ok


@settings(max_examples=25)
@given(steps=st.lists(step, min_size=1, max_size=6), damaged=st.data())
def test_damage_costs_whole_frames_from_there_on(steps: list[Step], damaged: st.DataObject) -> None:
    """A changed byte in the newest segment leaves exactly the frames before it, and the journal goes on."""
    with TemporaryDirectory() as folder:
        directory = Path(folder)
        expected = write(directory, steps)
        path = list_segments(directory)[-1].path
        content = bytearray(path.read_bytes())
        end = len(content.rstrip(b"\0"))
        at = damaged.draw(st.integers(HEADER_BYTES, max(end - 1, HEADER_BYTES)))
        content[at] ^= damaged.draw(st.integers(1, 255))
        path.write_bytes(content)
        left = read(directory)
        assert left == expected[: len(left)]
        assert len(left) < len(expected)
        writer = JournalWriter.open_existing(directory, segment_bytes=SIZE, reserve_bytes=0, background=False)
        assert writer.torn is not None
        writer.add(1, writer.last_seq + 1, 5, 0, b"after")
        writer.commit()
        writer.close()
        assert read(directory)[:-1] == left
        assert verify(directory).ok


def test_names_sort_as_numbers() -> None:
    """Twenty digits hold any 63-bit seq, so the order of names is the order of seqs."""
    assert segment_name(9) < segment_name(10) < segment_name((1 << 63) - 1)
