"""The follower's machine beside the real trader: every record made again, snapshots byte for byte the trader's own, and
what it does when it cannot or does not agree.
"""

import os
import random
import secrets
import shutil
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core import commands as c
from core import events as e
from core import records as r
from core.engine import clock
from core.money.snapshot import dump
from daemon import digests, recovery
from daemon.build import build_machine
from daemon.follower.restep import DIVERGED, FOLLOWING, NOT_COMPARABLE, WAITING, Restep, restepped_state
from daemon.journal import latest_snapshot, snapshot_seqs
from daemon.journal.snapshot import read_snapshot
from daemon.runner import StepError
from execution.executor import ChaseExecutor
from tests.fakes.signals import signal_changes, write_model
from tests.fakes.trader import Rig, Slow, frame_ends, frame_records, install, outcome

pytestmark = pytest.mark.slow
FOREVER_S = 1e9
CODE = digests.code_version()
OTHER = msgspec.structs.replace(CODE, source_digest="other", kernel_digest="other")


@dataclass
class Whole:
    """An uninterrupted run, kept aside, with halts and gaps, and every snapshot its trader took."""

    rig: Rig
    journal: Path
    outcome: dict[str, Any]
    frames: int
    snapshots: dict[int, Path]


@pytest.fixture(scope="module", autouse=True)
def direct() -> Any:
    """Feeds and tables in this process."""
    with pytest.MonkeyPatch.context() as patch:
        install(patch)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, direct: None) -> Whole:
    """Run once for all tests of this module."""
    folder = tmp_path_factory.mktemp("whole")
    rig = Rig(folder / "state", halts_per_hour=2.0, snapshot_every=3000)
    kept = folder / "kept"
    kept.mkdir()

    def look(trader: Slow | None) -> None:
        for seq in snapshot_seqs(rig.journal):
            path = rig.journal / f"snapshot-{seq:020d}.qs"
            if not (kept / path.name).exists():
                shutil.copy(path, kept)

    reached = outcome(rig.run(look))
    look(None)
    journal = rig.keep()
    return Whole(
        rig,
        journal,
        reached,
        len(frame_ends(journal)),
        {seq: kept / f"snapshot-{seq:020d}.qs" for seq in snapshot_seqs(kept)},
    )


def without_snapshots(whole: Whole, frame: int) -> Path:
    """The journal up to a frame, in the state directory of its trader, and nothing to begin from."""
    whole.rig.cut(whole.journal, frame)
    for path in whole.rig.journal.glob("snapshot-*"):
        path.unlink()
    return whole.rig.journal


def last_seq(journal: Path) -> int:
    """Of the newest record."""
    return frame_records(journal)[-1][-1].last_seq


def parts_of(restep: Restep) -> dict[str, bytes]:
    """What a snapshot here would hold."""
    machine = restep.rerun.machine
    assert machine.exchange is not None
    state = msgspec.msgpack.encode(restepped_state(restep.rerun))
    return machine.engine.dump() | {"exchange": machine.exchange.snapshot(), "runner": state}


# ---- the same ----------------------------------------------------------------------------------------------------
def test_the_machine_is_the_traders_byte_for_byte(whole: Whole) -> None:
    """At every snapshot the trader took, ours would have held the same: money, opinion, market, venue, counts."""
    journal = without_snapshots(whole, whole.frames)
    restep = Restep(journal, CODE)
    compared = 0
    while restep.run(seconds=FOREVER_S, frames_max=1):
        if restep.seq in whole.snapshots:
            theirs = read_snapshot(whole.snapshots[restep.seq])
            ours = parts_of(restep)
            assert {name for name in ours if ours[name] != theirs.parts[name]} == set(), f"at {restep.seq}"
            compared += 1
    assert (restep.state, restep.found, restep.seq) == (FOLLOWING, [], last_seq(journal))
    assert compared == len(whole.snapshots) > 5


def test_it_follows_a_journal_that_grows(tmp_path: Path) -> None:
    """Beside the running trader it is never ahead, never different, and at its end in the end."""
    rig = Rig(tmp_path, halts_per_hour=2.0)
    restep = Restep(rig.journal, CODE)
    looks = 0

    def look(trader: Slow) -> None:
        nonlocal looks
        looks += 1
        if looks % 7:
            return
        restep.run(seconds=FOREVER_S)
        assert restep.seq == trader.active_runner.journal.last_seq

    trader = rig.run(look)
    restep.run(seconds=FOREVER_S)
    assert (restep.state, restep.found) == (FOLLOWING, [])
    assert restep.seq == last_seq(rig.journal)
    assert dump(restep.rerun.engine.money) == dump(trader.active_runner.money)
    assert restep.rerun.rows == trader.active_runner.rows_done


def test_nothing_is_there_yet(tmp_path: Path) -> None:
    """An empty folder is waited for."""
    restep = Restep(tmp_path, CODE)
    assert restep.run(seconds=FOREVER_S) == 0
    assert (restep.state, restep.seq, restep.compares) == (WAITING, 0, False)


# ---- starts of the trader under it -------------------------------------------------------------------------------
def stop(trader: Slow) -> None:
    """Ask for a clean stop once it trades."""
    if trader.active_runner.tally.fills > 3:
        trader.request_stop("test")


def test_it_goes_on_across_a_clean_stop_and_a_start(tmp_path: Path) -> None:
    """The same machine steps the next run."""
    rig = Rig(tmp_path)
    restep = Restep(rig.journal, CODE)
    rig.run(stop)
    restep.run(seconds=FOREVER_S)
    trader = rig.run()
    restep.run(seconds=FOREVER_S)
    assert (restep.state, restep.found, restep.seq) == (FOLLOWING, [], last_seq(rig.journal))
    assert dump(restep.rerun.engine.money) == dump(trader.active_runner.money)


def test_it_goes_on_across_a_changed_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run starts cold, and so does the machine: from the journalled config, not from a file. The machine
    before is gone when the next one is built: the collector would let several days' machines pile up.
    """
    rig = Rig(tmp_path)
    alive = machines_at_each_build(monkeypatch)
    restep = Restep(rig.journal, CODE)
    rig.run(stop)
    restep.run(seconds=FOREVER_S)
    rig.config_path.write_text(rig.config_path.read_text().replace("enter_z = 2.4", "enter_z = 1.9"))

    def arm(trader: Slow) -> None:
        if trader.active_runner.money.latches.any_held:
            event = e.DeployArmed(digest="d", reason="looked at it", operator="ann")
            trader.active_runner.step(event, trader.active_runner.now_ns)

    trader = rig.run(arm)
    restep.run(seconds=FOREVER_S)
    changes = [x.changed for _, x in rig.records(r.INPUT) if type(x) is e.TraderStarted]
    assert changes == ["", "config"]
    assert alive == [0, 0]
    assert (restep.state, restep.found, restep.seq) == (FOLLOWING, [], last_seq(rig.journal))
    assert dump(restep.rerun.engine.money) == dump(trader.active_runner.money)
    assert parts_of(restep) == read_newest(rig.journal).parts


def machines_at_each_build(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many machines of re-stepping there still were each time one was built."""
    alive: list[int] = []
    engines: list[weakref.ref[Any]] = []

    def counted(*given: Any, **options: Any) -> Any:
        alive.append(sum(engine() is not None for engine in engines))
        machine = build_machine(*given, **options)
        setattr(machine, "ring", machine)  # noqa: B010  # what a live one is somewhere inside
        engines.append(weakref.ref(machine.engine))
        return machine

    monkeypatch.setattr("daemon.follower.origin.build_machine", counted)
    return alive


def read_newest(journal: Path) -> Any:
    """The newest snapshot, which a clean end leaves at the last record."""
    found = latest_snapshot(journal)
    assert found is not None
    assert found.seq == last_seq(journal)
    return found


def test_it_goes_on_across_a_failed_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The poisoned input reaches its money state only, as in the next start, and no snapshot is taken in between."""
    rig = Rig(tmp_path, snapshot_every=1000)
    restep = Restep(rig.journal, CODE)
    act = ChaseExecutor.act

    def raising(self: ChaseExecutor, parent: Any, ts_ns: int) -> Any:
        if parent.parent_id >= 3 and parent.filled_nanos > 0:
            raise ZeroDivisionError("broken")
        return act(self, parent, ts_ns)

    with monkeypatch.context() as patch:
        patch.setattr(ChaseExecutor, "act", raising)
        with pytest.raises(StepError):
            rig.run()
    restep.run(seconds=FOREVER_S)
    assert not restep.rerun.running
    taken = restep.snapshots
    restep.run(seconds=FOREVER_S)
    assert restep.snapshots == taken
    rig.run()
    restep.run(seconds=FOREVER_S)
    assert (restep.state, restep.found, restep.seq) == (FOLLOWING, [], last_seq(rig.journal))
    assert parts_of(restep) == read_newest(rig.journal).parts


# ---- another one -------------------------------------------------------------------------------------------------
def test_a_difference_is_told_once_and_stepping_begins_again(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    """A constant of ours is another: the first sync asks for another window. The next snapshot is begun from."""
    journal = without_snapshots(whole, whole.frames)
    restep = Restep(journal, CODE)
    with monkeypatch.context() as patch:
        patch.setattr(clock, "SYNC_OVERLAP_NS", clock.SYNC_OVERLAP_NS + 1)
        restep.run(seconds=FOREVER_S)
    assert restep.state == DIVERGED
    (difference,) = restep.found
    assert "RequestSync" in difference.text
    first = next(
        frame for frame in frame_records(journal)
        if any(x.kind == r.COMMAND and type(r.decode(r.COMMAND, x.payload)) is c.RequestSync for x in frame[1:])
        and frame[0].seq >= difference.seq
    )  # fmt: skip
    assert difference.seq == first[0].seq
    assert restep.seq == last_seq(journal), "it goes on reading, to know where the journal is"
    assert not restep.snapshots, "a machine that differs takes none"

    known = Restep(journal, CODE, confirmed_seq=restep.seq, told_seq=difference.seq)
    with monkeypatch.context() as patch:
        patch.setattr(clock, "SYNC_OVERLAP_NS", clock.SYNC_OVERLAP_NS + 1)
        known.run(seconds=FOREVER_S)
    assert (known.state, known.found) == (DIVERGED, []), "a restart tells the same difference again"

    seq = max(seq for seq in whole.snapshots if seq < last_seq(journal))
    shutil.copy(whole.snapshots[seq], journal)
    restep._search_s = 0.0
    restep.run(seconds=FOREVER_S)
    assert (restep.state, len(restep.found), restep.skipped_seq) == (FOLLOWING, 1, 0)
    assert restep.seq == last_seq(journal)


def test_an_engine_that_raises_here_only_is_a_difference(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process lives on."""
    restep = Restep(without_snapshots(whole, whole.frames // 2), CODE)

    def raising(*_: object) -> None:
        raise ZeroDivisionError("here only")

    monkeypatch.setattr(ChaseExecutor, "act", raising)
    restep.run(seconds=FOREVER_S)
    assert restep.state == DIVERGED
    assert "ZeroDivisionError: here only" in restep.found[0].text


def test_another_program_is_no_difference(whole: Whole) -> None:
    """It says which digests, compares nothing, and reads on."""
    journal = without_snapshots(whole, whole.frames // 2)
    restep = Restep(journal, OTHER)
    restep.run(seconds=FOREVER_S)
    assert (restep.state, restep.why, restep.found) == (NOT_COMPARABLE, "code,kernels", [])
    assert (restep.seq, restep.compares) == (last_seq(journal), False)


def test_it_compares_again_once_the_program_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trader that starts with changed code takes a snapshot at once; that is where we begin."""
    rig = Rig(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("daemon.reference.tables.code_version", lambda: OTHER)
        rig.run(stop)
    restep = Restep(rig.journal, CODE)
    restep.run(seconds=FOREVER_S)
    assert restep.state == NOT_COMPARABLE

    def look(trader: Slow) -> None:
        restep.run(seconds=FOREVER_S)

    rig.run(look)
    restep._search_s = 0.0
    restep.run(seconds=FOREVER_S)
    assert (restep.state, restep.found, restep.seq) == (FOLLOWING, [], last_seq(rig.journal))


# ---- snapshots ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("number", range(2))
def test_its_snapshot_starts_the_trader(whole: Whole, number: int) -> None:
    """Killed anywhere: the start from our snapshot is the start without one, and the run ends as if never cut."""
    seed = secrets.randbelow(10**9)
    frame = random.Random(seed).randrange(whole.frames // 2, whole.frames - 4)
    print(f"seed {seed}: killed after frame {frame} of {whole.frames}")
    journal = without_snapshots(whole, frame)
    plain = whole.rig.recover()
    restep = Restep(journal, CODE)
    restep.run(seconds=FOREVER_S)
    assert restep.snapshots > 1
    assert snapshot_seqs(journal)[-1] == restep.snapshot_seq
    started = whole.rig.recover()
    assert started.changed == ""
    assert started.machine.engine.dump() == plain.machine.engine.dump()
    assert started.machine.exchange is not None
    assert plain.machine.exchange is not None
    assert started.machine.exchange.snapshot() == plain.machine.exchange.snapshot()
    assert (started.rows, started.controls, started.ended, started.epoch, started.failures) == (
        plain.rows, plain.controls, plain.ended, plain.epoch, plain.failures,
    )  # fmt: skip
    assert outcome(whole.rig.run()) == whole.outcome


def test_the_trader_takes_none_while_the_follower_does(tmp_path: Path) -> None:
    """Every half interval there is one; the trader's own is the last, at its end."""
    rig = Rig(tmp_path, snapshot_every=3000)
    restep = Restep(rig.journal, CODE)
    seen: dict[int, None] = {}

    def look(trader: Slow) -> None:
        restep.run(seconds=FOREVER_S)
        seen.update(dict.fromkeys(snapshot_seqs(rig.journal)))

    rig.run(look)
    assert len(seen) == restep.snapshots > 8
    assert snapshot_seqs(rig.journal)[-1] == last_seq(rig.journal)


def test_it_begins_where_it_stood(whole: Whole) -> None:
    """A process that compared up to a seq leaves nothing out; one that knows nothing begins at the newest snapshot."""
    journal = without_snapshots(whole, whole.frames)
    first, second, *_, newest = sorted(whole.snapshots)
    for seq in (second, newest):
        shutil.copy(whole.snapshots[seq], journal)
    fresh = Restep(journal, CODE)
    fresh.run(seconds=0.0)
    assert fresh.skipped_seq == newest
    shutil.copy(whole.snapshots[first], journal)
    going_on = Restep(journal, CODE, confirmed_seq=second - 1)
    going_on.run(seconds=FOREVER_S)
    assert (going_on.skipped_seq, going_on.state, going_on.seq) == (0, FOLLOWING, last_seq(journal))
    (journal / whole.snapshots[first].name).unlink()
    pruned = Restep(journal, CODE, confirmed_seq=first + 1)
    pruned.run(seconds=0.0)
    assert pruned.skipped_seq == second, "what lies between was not compared, and it says so"
    pruned.run(seconds=FOREVER_S)
    assert (pruned.state, pruned.seq) == (FOLLOWING, last_seq(journal))


def test_a_snapshot_is_never_newer_than_the_disk(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    """The segments it covers are synced first."""
    order: list[str] = []
    fdatasync, take = os.fdatasync, recovery.take_snapshot

    def syncing(fd: int) -> None:
        order.append("sync")
        fdatasync(fd)

    def taking(*given: Any) -> Path:
        order.append("snapshot")
        return take(*given)

    monkeypatch.setattr(os, "fdatasync", syncing)
    monkeypatch.setattr("daemon.follower.restep.take_snapshot", taking)
    restep = Restep(without_snapshots(whole, whole.frames), CODE)
    restep.run(seconds=FOREVER_S)
    assert order.count("snapshot") == restep.snapshots
    assert order[0] == "sync"
    assert ["snapshot", "snapshot"] not in [order[at : at + 2] for at in range(len(order))]


def test_no_snapshot_between_a_runs_tables_and_its_start(tmp_path: Path) -> None:
    """There the new config is known and the machine is still the old one's: a start from it would trust that."""
    rig = Rig(tmp_path)
    rig.run(stop)
    restep = Restep(rig.journal, CODE)
    restep.run(seconds=FOREVER_S)
    rig.config_path.write_text(rig.config_path.read_text().replace("enter_z = 2.4", "enter_z = 1.9"))
    rig.run(stop)
    for path in rig.journal.glob("snapshot-*"):
        path.unlink()
    restep.rerun.running = True  # as after a crash
    restep._snapshot_due_seq = 0
    restep.run(seconds=FOREVER_S, frames_max=1)
    assert restep.snapshots == 0
    restep.run(seconds=FOREVER_S, frames_max=1)
    assert (restep.state, restep.snapshots) == (FOLLOWING, 1)
    assert snapshot_seqs(rig.journal).count(restep.seq) == 1


def test_a_full_disk_costs_a_snapshot_and_nothing_else(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, goes on comparing, and takes the next one that fits."""
    journal = without_snapshots(whole, whole.frames)
    restep = Restep(journal, CODE)

    def full(*_: Any) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("daemon.follower.restep.take_snapshot", full)
        restep.run(seconds=FOREVER_S, frames_max=whole.frames // 2)
    assert (restep.state, restep.snapshots) == (FOLLOWING, 0)
    assert "No space left" in restep.snapshot_fault
    restep.run(seconds=FOREVER_S)
    assert restep.snapshots > 1
    assert (restep.snapshot_fault, restep.seq) == ("", last_seq(journal))


# ---- with a model ------------------------------------------------------------------------------------------------
def signal_rig(folder: Path, **changes: Any) -> Rig:
    """A trader with a model in an empty folder."""
    return Rig(folder, **(signal_changes(folder) | {"events_per_second": 0.5} | changes))


def test_a_model_is_stepped_along(tmp_path: Path) -> None:
    """Scores, features and the state behind them: at the end everything is the trader's, byte for byte."""
    rig = signal_rig(tmp_path, halts_per_hour=1.0, snapshot_every=5000)
    restep = Restep(rig.journal, CODE)

    def look(trader: Slow) -> None:
        restep.run(seconds=FOREVER_S)

    rig.run(look)
    restep.run(seconds=FOREVER_S)
    assert (restep.state, restep.found, restep.seq) == (FOLLOWING, [], last_seq(rig.journal))
    assert restep.snapshots > 1
    assert parts_of(restep) == read_newest(rig.journal).parts


def test_another_model_on_disk_is_no_difference(tmp_path: Path) -> None:
    """The run loaded the one before: nothing can be compared, and it names the file."""
    rig = signal_rig(tmp_path)
    rig.run(stop)
    write_model(tmp_path, slope=-1.25)
    restep = Restep(rig.journal, CODE)
    restep.run(seconds=FOREVER_S)
    assert (restep.state, restep.found) == (NOT_COMPARABLE, [])
    assert "is not the model this run loaded" in restep.why
