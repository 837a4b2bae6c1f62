"""The real trader with a model: it trades, is killed and goes on, is replayed, and refuses other models."""

import secrets
from pathlib import Path
from typing import Any

import pytest

from core import records as r
from core.errors import ConfigError
from core.events import ExternalFeatureReceived
from core.notes import Decision
from core.reference import ModelLoaded
from daemon.config import load_config
from daemon.recovery import verify_replay
from tests.fakes.signals import signal_changes, write_model
from tests.fakes.trader import Rig, frame_ends, install, outcome

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feeds and tables in this process."""
    install(monkeypatch)


def rig_of(folder: Path, *, params: str = "", model: dict[str, Any] | None = None, **changes: Any) -> Rig:
    """A trader with a model in an empty folder."""
    return Rig(
        folder, **(signal_changes(folder, params=params, **(model or {})) | {"events_per_second": 0.25} | changes)
    )


def test_a_model_trades_and_its_day_is_replayed(tmp_path: Path) -> None:
    """Decisions carry every input and the score; the model is a reference record; every record is made again."""
    rig = rig_of(tmp_path, halts_per_hour=1.0, snapshot_every=5000)
    reached = outcome(rig.run())
    assert reached["fills"] > 20
    decisions = [note for _, note in rig.records(r.NOTE) if type(note) is Decision]
    assert len(decisions) > 20
    for decision in decisions:
        assert [name for name, _ in decision.features] == ["z_64s", "spread", "queue_imbalance", "ret_4s", "hurdle_bp"]
    assert [record.name for _, record in rig.records(r.REFERENCE) if type(record) is ModelLoaded] == ["line"]
    assert verify_replay(rig.journal).difference == ""


def test_killed_anywhere_it_goes_on_as_if_never_killed(tmp_path: Path) -> None:
    """From the start of the journal, and from a snapshot; the frame is printed on failure."""
    rig = rig_of(tmp_path, halts_per_hour=1.0, snapshot_every=1000, events_per_second=0.12)
    reached = outcome(rig.run())
    whole = rig.keep()
    frames = frame_ends(whole)
    for frame in (5 + secrets.randbelow(len(frames) // 8), len(frames) // 2 + secrets.randbelow(len(frames) // 2 - 4)):
        print(f"killed after frame {frame} of {len(frames)}")
        rig.cut(whole, frame)
        assert outcome(rig.run()) == reached
        assert verify_replay(rig.journal).difference == ""


def test_another_model_halts_at_the_start_and_is_refused_by_the_replay(tmp_path: Path) -> None:
    """A changed model is a deploy: latched until armed. The journal cannot be verified under it."""
    rig = rig_of(tmp_path, events_per_second=0.12)
    rig.run()
    whole = rig.keep()
    rig.cut(whole, len(frame_ends(whole)) // 2)
    write_model(tmp_path, slope=-1.25)
    recovered = rig.recover()
    assert recovered.changed == "models"
    with pytest.raises(ConfigError, match=r"strategies\.sig\.params\.model: .*is not the model this run loaded"):
        verify_replay(rig.journal)
    made = rig.run()
    assert "DEPLOY" in str(outcome(made)["latches"])
    write_model(tmp_path)
    assert verify_replay(whole).difference == ""


@pytest.mark.parametrize(
    ("model", "params", "more", "message"),
    [
        ({"profile": "l1_250"}, "", "", r"strategies\.sig\.params\.model: the model was trained with profile 'l1_250'"),
        ({"tradable": False}, "", "", r"strategies\.sig\.params\.model: the card says not tradable"),
        ({}, 'leader = "AAA"', "", r"strategies\.sig\.params\.model: the model was trained with leader ''"),
        ({}, 'leader = "ZZZ"', "", r"strategies\.sig\.params\.leader: is 'ZZZ'; use one of AAA, CCC"),
    ],
)
def test_a_model_that_may_not_serve_is_refused_at_load(
    tmp_path: Path, model: dict[str, Any], params: str, more: str, message: str
) -> None:
    """One line that names the field."""
    rig = rig_of(tmp_path, model=model, params=params)
    with pytest.raises(ConfigError, match=message):
        load_config(rig.config_path)


def test_a_missing_model_and_another_profile_are_refused_at_load(tmp_path: Path) -> None:
    """Files are looked for where the config lies; the profile must be the feed's."""
    rig = rig_of(tmp_path)
    text = rig.config_path.read_text()
    rig.config_path.write_text(text.replace('profile = "tbt"', 'profile = "l1_250"'))
    with pytest.raises(ConfigError, match=r"strategies\.sig\.params\.profile: is 'l1_250'.*feed\.profile"):
        load_config(rig.config_path)
    rig.config_path.write_text(text)
    (tmp_path / "line.card.json").unlink()
    with pytest.raises(ConfigError, match=r"strategies\.sig\.params\.model: .*line\.card\.json does not exist"):
        load_config(rig.config_path)
    rig.config_path.write_text(text.replace("line.onnx", "line.txt"))
    with pytest.raises(ConfigError, match=r"strategies\.sig\.params\.model: .*line\.txt is no model file"):
        load_config(rig.config_path)


def test_numbers_from_outside_are_journalled_and_replayed(tmp_path: Path) -> None:
    """The model waits for its number; what comes over the socket is an input like any other."""
    rig = rig_of(tmp_path, model={"external": ("ext.heat",)})
    told: list[int] = []

    def look(trader: Any) -> None:
        runner = trader.active_runner
        if runner.rows_done > 2000 * (len(told) + 1) and len(told) < 3:
            told.append(runner.engine.seq)
            event = ExternalFeatureReceived(name="ext.heat", inst=-1, value=0.5, as_of_ns=0, age_ns_max=1800 * 10**9)
            runner.step(event, runner.now_ns)

    rig.run(look)
    seqs = [seq for seq, note in rig.records(r.NOTE) if type(note) is Decision]
    assert seqs
    assert min(seqs) > told[0]
    assert verify_replay(rig.journal).difference == ""
