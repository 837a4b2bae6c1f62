"""The simulation's own tools: a failure is told with its seed and shrinks; a lost tail is cut where it says."""

from pathlib import Path

import pytest

from daemon.journal import JournalReader
from tests.simulation import run
from tests.simulation import shrink as tools
from tests.simulation.apart import cut_tail
from tests.simulation.checkers import Watch
from tests.simulation.rig import Rig
from tests.simulation.schedule import Act, Schedule
from tests.simulation.shrink import failure_of, shrink

QUIET = Schedule(seed=3)
NOISY = Schedule(
    seed=3,
    chances={"reject_ppm": 150_000},
    links=((9_000, 300, "lost", False),),
    switches=("two_step_ack",),
    acts=tuple(Act(at_ms=2_000 * number, kind=kind, level=1) for number, kind in enumerate(("gap", "halt", "trip"), 1)),
)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of the simulation: a trader that breaks when an operator halts it."""

    def play(schedule: Schedule) -> Watch:
        assert all(act.kind != "halt" for act in schedule.acts), "halted"
        return Watch()

    monkeypatch.setattr(tools, "play", play)


@pytest.mark.usefixtures("broken")
def test_a_failure_shrinks_to_what_it_needs() -> None:
    """Of eight troubles the one that matters is left."""
    failure = failure_of(NOISY)
    assert failure is not None
    small = shrink(NOISY, failure)
    assert [act.kind for act in small.acts] == ["halt"]
    assert (small.links, small.switches, small.chances) == ((), (), {})


@pytest.mark.usefixtures("broken")
def test_a_failure_is_told_with_its_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The report holds the seed, both schedules and the commands; the shortest one fails again from a file."""
    failure = failure_of(NOISY)
    assert failure is not None
    text = run.report(NOISY, failure)
    assert "seed 3 FAILED: AssertionError" in text
    assert "python -m tests.simulation.run --seed 3" in text
    path = tmp_path / "small.json"
    path.write_text(text.partition("smallest: ")[2].partition("\n")[0])
    assert run.main(["--schedule", str(path), "--no-shrink"]) == 1
    assert "halted" in capsys.readouterr().out


def test_a_cut_tail_takes_whole_frames(tmp_path: Path) -> None:
    """The journal ends as many frames earlier as asked for, and every frame before is as it was."""
    rig = Rig(QUIET, tmp_path / "journal")
    rig._start(ended="new", ts_ns=rig.machine.engine.ts_ns)
    rig.runner.journal.close()
    before = [[record.seq for record in frame] for frame in JournalReader(tmp_path / "journal").frames()]
    cut_tail(tmp_path / "journal", frames=2, keep_seq=0)
    after = [[record.seq for record in frame] for frame in JournalReader(tmp_path / "journal").frames()]
    assert len(before) > 2
    assert after == before[:-2]
