"""What one release left is started by the next, and what a later one wrote is refused by this one."""

import tarfile
from pathlib import Path

import msgspec
import pytest

from core import commands as c
from core import events as e
from core import records as r
from core.errors import ConfigError, JournalError
from core.latches import HALTED
from core.reference import CodeVersion
from daemon.journal import JournalReader, JournalWriter, find_snapshot, snapshot_seqs
from daemon.journal import snapshot as snapshots
from daemon.journal.layout import frames, list_segments
from daemon.journal.opening import map_segment
from daemon.journal_fold import JournalFold
from tests.fakes.trader import Rig, install
from tests.replay.make_state import DAY, STATES
from tests.replay.vocabularies import VOCABULARIES
from tests.replay.vocabulary import fingerprint

RELEASES = sorted(path.name.removesuffix(".tar.xz") for path in STATES.glob("*.tar.xz"))


def test_the_vocabulary_has_its_number() -> None:
    """A message or a field more takes the next number, so that an older release refuses what it would read half."""
    told = (
        "messages changed: count core.records.RECORDS_VERSION up, and add what `python -m tests.replay.vocabulary` says"
    )
    assert VOCABULARIES.get(r.RECORDS_VERSION) == fingerprint(), told
    assert max(VOCABULARIES) == r.RECORDS_VERSION
    assert len(set(VOCABULARIES.values())) == len(VOCABULARIES)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feed and tables in this process."""
    install(monkeypatch)


@pytest.fixture(params=RELEASES)
def left(request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
    """A state directory as that release left it when it was killed."""
    rig = Rig(tmp_path, **DAY)
    with tarfile.open(STATES / f"{request.param}.tar.xz") as packed:
        packed.extractall(rig.folder, filter="data")
    return rig


@pytest.mark.slow
def test_an_earlier_release_is_gone_on_from(left: Rig) -> None:
    """Books exactly as they were, the opinion cold, HALTED until somebody has armed it: not one order leaves before."""
    before = JournalFold(left.journal).money
    assert before.orders
    assert before.live_parents
    last_seq = max(record.last_seq for record in JournalReader(left.journal).records())
    assert snapshot_seqs(left.journal)
    trader = left.run()
    after = JournalReader(left.journal, from_seq=last_seq + 1).records({r.INPUT, r.COMMAND})
    messages = [r.decode(record.kind, record.payload) for record in after]
    started = next(one for one in messages if isinstance(one, e.TraderStarted))
    assert "code" in started.changed
    assert (started.ended, started.epoch) == ("crash", before.epoch + 1)
    assert trader.active_runner.money.latches.everywhere == HALTED
    assert [latch.code for latch in trader.active_runner.money.latches.held()] == ["DEPLOY"]
    assert not [one for one in messages if isinstance(one, c.PlaceOrder)]
    found = trader.active_runner.money.ledger.executions
    assert {name: found[name] for name in before.ledger.executions} == before.ledger.executions


# ---- back ------------------------------------------------------------------------------------------------------
@pytest.fixture
def later(tmp_path: Path) -> Rig:
    """A state directory in which a release with another vocabulary has gone on."""
    rig = Rig(tmp_path, **DAY)
    rig.run()
    writer = JournalWriter.open_existing(rig.journal, segment_bytes=1 << 20, reserve_bytes=0, background=False)
    seq = writer.last_seq + 1
    newer = CodeVersion(
        version="9.9", source_digest="s", kernel_digest="k", platform="p", records=r.RECORDS_VERSION + 1
    )
    writer.add(r.REFERENCE, seq, 1, 0, r.encode(newer))
    writer.commit()
    good = find_snapshot(rig.journal).snapshot
    assert good is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshots, "RECORDS_VERSION", r.RECORDS_VERSION + 1)
        snapshots.write_snapshot(rig.journal, seq, good.parts, good.digests)
    writer.close()
    return rig


@pytest.mark.slow
def test_a_later_release_is_refused_before_anything(later: Rig) -> None:
    """Its snapshot is no snapshot, its records are not folded, and not a byte is written; the words say what helps."""
    before = {path.name: path.read_bytes() for path in later.journal.iterdir() if path.suffix in (".qj", ".qs")}
    rejected = find_snapshot(later.journal).rejected
    assert len(rejected) == 1
    assert f"of a later release (records {r.RECORDS_VERSION + 1}, this reads {r.RECORDS_VERSION})" in rejected[0]
    match = rf"release 9.9 wrote records of version {r.RECORDS_VERSION + 1} from seq \d+ on, this one reads"
    with pytest.raises(ConfigError, match=match):
        later.recover()
    with pytest.raises((ConfigError, JournalError), match=match):
        JournalFold(later.journal)
    assert {name: (later.journal / name).read_bytes() for name in before} == before


@pytest.mark.slow
def test_what_a_later_release_left_torn_is_not_cut(later: Rig) -> None:
    """A start that refuses leaves the torn tail too, for the release that goes on to find and to tell."""
    newest = list_segments(later.journal)[-1].path
    *_, (_, end) = frames(map_segment(newest))
    with newest.open("r+b") as segment:
        segment.seek(end)
        segment.write(b"torn by a kill")
    before = {path.name: path.read_bytes() for path in later.journal.iterdir()}
    with pytest.raises(ConfigError, match=r"release 9\.9 wrote records"):
        later.run()
    assert {path.name: path.read_bytes() for path in later.journal.iterdir()} == before


def test_a_number_that_was_not_there_is_the_first() -> None:
    """Releases before the number wrote none; they knew of no second vocabulary."""
    old = msgspec.msgpack.encode([2, "0.1.0", "s", "k", "p"])
    decoded = r.decode(r.REFERENCE, old)
    assert isinstance(decoded, CodeVersion)
    assert decoded.records == 1
