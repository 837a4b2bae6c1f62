"""Restarts of the real trader: a kill -9 after any journal frame, a torn tail, snapshots on the way. What is decided in
the end is what an uninterrupted run decides.
"""

import random
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core import records as r
from core.money.snapshot import dump
from daemon.journal.layout import FRAME_HEADER_BYTES
from daemon.recovery import verify_replay
from tests.fakes.trader import Rig, frame_ends, frame_records, install, outcome


@dataclass
class Whole:
    """An uninterrupted run, kept aside, with halts and gaps in the feed and a snapshot now and then."""

    rig: Rig
    journal: Path
    outcome: dict[str, Any]
    frames: list[tuple[Path, int, int]]

    def check_continues(self) -> None:
        """Start again in the cut journal, run to the end, compare with the run that was never cut."""
        assert outcome(self.rig.run()) == self.outcome
        assert verify_replay(self.rig.journal).difference == ""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run once for all tests of this module."""
    with pytest.MonkeyPatch.context() as patch:
        install(patch)
        rig = Rig(tmp_path_factory.mktemp("whole"), halts_per_hour=2.0, snapshot_every=3000)
        reached = outcome(rig.run())
        journal = rig.keep()
        yield Whole(rig, journal, reached, frame_ends(journal))


def test_the_run_is_worth_interrupting(whole: Whole) -> None:
    """It trades, sees halts and gaps, and leaves snapshots behind."""
    assert whole.outcome["fills"] > 50
    assert len(list(whole.journal.glob("snapshot-*.qs"))) == 3
    assert len({path for path, _, _ in whole.frames}) > 1, "one segment only"


def test_a_second_run_is_the_same(whole: Whole) -> None:
    """Nothing of the first run is left but its folder; the same tape and config decide the same."""
    whole.rig.cut(whole.journal, 0)
    for path in whole.rig.journal.iterdir():
        path.unlink()
    whole.check_continues()


@pytest.mark.parametrize("frame", [2, 3])
def test_a_kill_in_the_first_moments(whole: Whole, frame: int) -> None:
    """Reference, start, trading day and link are a frame each: none may be lost for ever by dying between them."""
    whole.rig.cut(whole.journal, frame)
    whole.check_continues()


@pytest.mark.parametrize("back", [1, 3])
def test_a_kill_in_the_last_moments(whole: Whole, back: int) -> None:
    """After the last row, between the end of the feed and the end of the run."""
    whole.rig.cut(whole.journal, len(whole.frames) - back)
    whole.check_continues()


def test_a_kill_anywhere(whole: Whole) -> None:
    """Any frame boundary; the seed is printed on failure."""
    seed = secrets.randbelow(10**9)
    frame = random.Random(seed).randrange(5, len(whole.frames) - 4)
    print(f"seed {seed}: killed after frame {frame} of {len(whole.frames)}")
    whole.rig.cut(whole.journal, frame)
    whole.check_continues()


def test_killed_again_and_again(whole: Whole) -> None:
    """Two kills in a row, each in what the start before left, and one near the end."""
    seed = secrets.randbelow(10**9)
    chance = random.Random(seed)
    print(f"seed {seed}")
    journal, share = whole.journal, 0.2
    for _ in range(2):
        frames = frame_ends(journal)
        whole.rig.cut(journal, int(len(frames) * min(0.95, share + 0.1 * chance.random())))
        whole.rig.run()
        journal = whole.rig.keep(f"again-{share}")
        share += 0.35
    whole.rig.cut(journal, len(frame_ends(journal)) - 40)
    whole.check_continues()


@pytest.fixture(scope="module")
def torn_at(whole: Whole) -> int:
    """Index of the last frame that holds a PlaceOrder with at least one more record."""
    wanted = 0
    for number, records in enumerate(frame_records(whole.journal)):
        kinds = [record.kind for record in records]
        if r.COMMAND in kinds and r.INPUT in kinds and len(kinds) > 2:
            wanted = number
    return wanted


def test_a_torn_tail_at_every_byte(whole: Whole, torn_at: int) -> None:
    """Wherever the last frame is torn, taking over leaves exactly the journal up to the frame before, and recovers."""
    whole.rig.cut(whole.journal, torn_at)
    whole.rig.open_and_close()
    clean = segments(whole.rig.journal)
    expected = dump(whole.rig.recover().machine.engine.money)
    path, start, end = whole.frames[torn_at]
    content = path.read_bytes()[start:end]
    newest = whole.rig.journal / path.name
    for into in range(1, written_bytes(whole.frames[torn_at])):
        with newest.open("r+b") as file:
            file.seek(start)
            file.write(content[:into])
        whole.rig.open_and_close()
        assert newest.read_bytes() == clean[path.name], f"torn {into} bytes into a frame of {len(content)}"
        if into % 64 == 1:
            assert dump(whole.rig.recover().machine.engine.money) == expected
    assert segments(whole.rig.journal) == clean


def segments(journal: Path) -> dict[str, bytes]:
    """Contents of the segment files."""
    return {path.name: path.read_bytes() for path in sorted(journal.glob("segment-*.qj"))}


def written_bytes(frame: tuple[Path, int, int]) -> int:
    """Length of a frame up to its last byte that is not zero: what follows is padding and cannot be torn."""
    path, start, end = frame
    return len(path.read_bytes()[start:end].rstrip(b"\0"))


@pytest.mark.parametrize("kind", ["half", "no length", "last byte", "garbage", "garbage length"])
def test_a_torn_tail_is_continued(whole: Whole, torn_at: int, kind: str) -> None:
    """The run goes on from the last good frame and reaches the same end; what was cut is kept beside the journal."""
    length = written_bytes(whole.frames[torn_at])
    chance = random.Random(1)
    into, garbage = {
        "half": (length // 2, b""),
        "no length": (FRAME_HEADER_BYTES, b""),
        "last byte": (length - 1, b""),
        "garbage": (FRAME_HEADER_BYTES + 20, chance.randbytes(500)),
        "garbage length": (0, b"\xff\xff\xff\x7f" + chance.randbytes(64)),
    }[kind]
    whole.rig.cut(whole.journal, torn_at, into=into, garbage=garbage)
    assert outcome(whole.rig.run()) == whole.outcome
    assert verify_replay(whole.rig.journal).difference == ""
    assert list(whole.rig.journal.glob("torn-*"))
