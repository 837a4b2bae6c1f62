"""The copy of a journal: whole frames only, gone on with wherever it was left, and never trusted unread."""

import ctypes
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigError, JournalError
from core.records import INPUT
from core.rows import ROW
from daemon.alerts.left import take_left
from daemon.journal import JournalReader, JournalWriter, retain, verify, write_snapshot
from daemon.journal.layout import list_segments
from daemon.journal.retain import DAY_NS
from daemon.log import open_log
from daemon.ship import source
from daemon.ship.beside import Beside, read_beside, ship_snapshots
from daemon.ship.card import check_card, make_card
from daemon.ship.copy import JournalCopy, whole_frames
from daemon.ship.restore import EPOCHS_SKIPPED, restore
from daemon.ship.shipper import BEHIND, Shipper
from daemon.ship.worker import Worker
from daemon.state_dir import StateDirectory
from daemon.status.ship import read_ship, ship_news

SIZE = 64 * 1024
ROWS = 40
FAR = 1 << 60
Contents = list[tuple[int, bytes]]


class Growing:
    """A journal that grows by frames of a message and forty rows."""

    def __init__(self, journal: Path, *, now_ns: int = 5) -> None:
        self.journal = journal
        self.writer = JournalWriter(journal, now_ns=now_ns, segment_bytes=SIZE, reserve_bytes=0, background=False)
        self.seq = 0

    def grow(self, frames: int) -> None:
        """So many frames more."""
        for _ in range(frames):
            rows = np.zeros(ROWS, dtype=ROW)
            rows["bid_px_nanos"] = self.seq
            self.writer.add(INPUT, self.seq + 1, self.seq, 0, b"message")
            self.writer.add_rows(self.seq + 2, rows.data.cast("B"), ROWS, self.seq)
            self.writer.commit()
            self.seq += ROWS + 1


@pytest.fixture
def growing(tmp_path: Path) -> Growing:
    """A journal of two segments and a half, still open."""
    found = Growing(tmp_path / "state" / "journal")
    found.grow(64)
    return found


def ship_all(journal: Path, target: Path) -> JournalCopy:
    """A new one that ships until nothing is new."""
    copy = JournalCopy(journal, target)
    while copy.advance():
        pass
    copy.close()
    return copy


def contents(journal: Path) -> Contents:
    """Every record."""
    return [(record.seq, bytes(record.payload)) for record in JournalReader(journal).records()]


def same(growing: Growing, target: Path) -> bool:
    """Whether the copy is the journal, whole, by records and by digests, and holds nothing but whole frames."""
    there, here = verify(target), verify(growing.journal)
    trimmed = all(whole_frames(file.path)[0] == file.path.stat().st_size for file in list_segments(target))
    return there.ok and there.digests == here.digests and contents(target) == contents(growing.journal) and trimmed


def test_the_copy_grows_with_the_journal(growing: Growing, tmp_path: Path) -> None:
    """In pieces, over the rolls of segments; at any time it verifies and ends with a whole frame."""
    target = tmp_path / "copy"
    copy = JournalCopy(growing.journal, target)
    moved = [copy.advance(bytes_max=10_000)]
    for frames in (0, 1, 30, 0, 0):
        growing.grow(frames)
        moved.append(copy.advance(bytes_max=10_000))
        assert verify(target).ok
        assert verify(target).torn_tail is None
    while copy.advance():
        pass
    copy.close()
    assert len(list_segments(growing.journal)) == 4
    assert 0 < max(moved) < 13_000
    assert same(growing, target)
    assert (copy.place.seq, copy.place.segment) == (growing.seq, list_segments(target)[-1].path.name)


@pytest.mark.parametrize("cut", [0, 1, 127, 128, 129, 500, 777, 1_000])
def test_whoever_died_in_the_middle_is_gone_on_from(growing: Growing, tmp_path: Path, cut: int) -> None:
    """Any number of bytes of the last write may be there, and a draft; what is half is cut, nothing is there twice."""
    target = tmp_path / "copy"
    ship_all(growing.journal, target)
    last = list_segments(target)[-1].path
    os.truncate(last, cut)
    (target / f"{last.name}.part").write_bytes(b"half")
    growing.grow(3)
    ship_all(growing.journal, target)
    assert same(growing, target)
    assert not list(target.glob("*.part"))


def test_a_write_that_was_half_done_is_not_believed(growing: Growing, tmp_path: Path) -> None:
    """Garbage behind the last whole frame, as of pages that came in another order."""
    target = tmp_path / "copy"
    ship_all(growing.journal, target)
    with list_segments(target)[-1].path.open("ab") as file:
        file.write(b"\x40\0\0\0garbage" * 9)
    growing.grow(3)
    ship_all(growing.journal, target)
    assert same(growing, target)


def test_what_the_journal_lost_is_kept_aside(growing: Growing, tmp_path: Path) -> None:
    """A disk that forgot what was shipped: the copy follows the journal, and the lost records stay where they are."""
    before, target = tmp_path / "before", tmp_path / "copy"
    growing.writer.sync()
    shutil.copytree(growing.journal, before)
    growing.grow(50)
    ship_all(growing.journal, target)
    growing.writer.close()
    shutil.rmtree(growing.journal)
    before.rename(growing.journal)
    copy = ship_all(growing.journal, target)
    assert "kept as lost-" in copy.lost
    assert len(list(target.glob("lost-*"))) == 3
    assert contents(target) == contents(growing.journal)


def test_another_journal_begins_another_copy(growing: Growing, tmp_path: Path) -> None:
    """A state directory that was begun anew overwrites nothing of the one that was lost."""
    target = tmp_path / "copy"
    ship_all(growing.journal, target)
    lost = contents(target)
    other = Growing(tmp_path / "other", now_ns=6)
    other.grow(2)
    assert "it is copy-5 now" in ship_all(other.journal, target).lost
    assert contents(tmp_path / "copy-5") == lost
    assert contents(target) == contents(other.journal)


def test_rows_that_went_to_parquet_before_go_as_they_are(growing: Growing, tmp_path: Path) -> None:
    """Shipping that begins after retention takes the segment without its rows, and the rows' file."""
    target = tmp_path / "copy"
    retain_all(growing.journal)
    ship_all(growing.journal, target)
    assert verify(target).digests == verify(growing.journal).digests
    assert len(list(target.glob("rows-*.parquet"))) == 2
    growing.grow(50)
    ship_all(growing.journal, target)
    assert contents(target) == contents(growing.journal)


def test_retention_of_what_was_shipped_leaves_the_copy_alone(growing: Growing, tmp_path: Path) -> None:
    """The copy keeps its rows, also when a new process looks at it."""
    target = tmp_path / "copy"
    ship_all(growing.journal, target)
    before = contents(target)
    retain_all(growing.journal)
    assert ship_all(growing.journal, target).lost == ""
    assert contents(target) == before
    assert verify(target).ok


def retain_all(journal: Path) -> None:
    """Take the rows out of all closed segments."""

    def to_file(segment: Path, target: Path) -> int:
        target.write_text("rows")
        found = [r for r in JournalReader(journal, from_seq=first_of(segment)).records() if r.count]
        return sum(record.count for record in found if record.seq < next_first(journal, segment))

    assert retain(journal, keep_rows_days=1, now_ns=9 * DAY_NS, follower_seq=FAR, snapshot_seq=FAR, to_parquet=to_file)


def first_of(segment: Path) -> int:
    """Of its name."""
    return int(segment.stem.removeprefix("segment-"))


def next_first(journal: Path, segment: Path) -> int:
    """Of the segment behind it."""
    return next(file.first_seq for file in list_segments(journal) if file.first_seq > first_of(segment))


def test_nothing_goes_before_it_is_on_the_disk_here(
    growing: Growing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write there comes after a sync of the same bytes here; where that fails nothing is written any more."""
    target, done = tmp_path / "copy", []
    write = os.pwrite

    class Library:
        """Stands for the C library."""

        failing = 0

        def msync(self, address: object, length: ctypes.c_size_t, flags: int) -> int:
            """Notes what it was asked."""
            done.append(("sync", flags))
            return self.failing

    def noting(fd: int, content: memoryview, at: int) -> int:
        done.append(("write", 4))
        return write(fd, content, at)

    library = Library()
    monkeypatch.setattr(source, "_libc", library)
    monkeypatch.setattr(os, "pwrite", noting)
    ship_all(growing.journal, target)
    assert len(done) > 6
    assert done == [("sync", 4), ("write", 4)] * (len(done) // 2)
    growing.grow(1)
    library.failing = -1
    with pytest.raises(JournalError, match="nothing of it is shipped"):
        ship_all(growing.journal, target)
    assert done[-1] == ("sync", 4)


# ---- what is not as it must be ---------------------------------------------------------------------------------
def test_a_journal_that_rotted_is_not_shipped_on(growing: Growing, tmp_path: Path) -> None:
    """A closed segment that is not what the next one says stops the copy with a word; so does a bad frame."""
    first = list_segments(growing.journal)[0].path
    flip(first, 60)  # of the header: the digest of a segment before it that is not there
    with pytest.raises(JournalError, match="bad segment header"):
        ship_all(growing.journal, tmp_path / "copy")
    flip(first, 60)
    flip(first, 5_000)
    with pytest.raises(JournalError, match="bad frame at"):
        ship_all(growing.journal, tmp_path / "copy")


def test_a_copy_that_does_not_read_back_is_shipped_again(
    growing: Growing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other disk lies once: the closed segment is put aside, said, and written anew."""
    target = tmp_path / "copy"
    write = os.pwrite
    lies = iter([False, True])

    def lying(fd: int, content: memoryview, at: int) -> int:
        return write(fd, bytes(len(content)) if next(lies, False) else content, at)

    monkeypatch.setattr(os, "pwrite", lying)
    with pytest.raises(JournalError, match="does not read back"):
        ship_all(growing.journal, target)
    ship_all(growing.journal, target)
    assert same(growing, target)
    assert len(list(target.glob("bad-*"))) == 1


def flip(path: Path, at: int) -> None:
    """One bit."""
    with path.open("rb+") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def test_a_folder_without_a_card_is_no_copy(tmp_path: Path) -> None:
    """An unmounted disk is an empty folder: it is refused, and so is another trader's copy."""
    to = tmp_path / "to"
    to.mkdir()
    with pytest.raises(ConfigError, match="is the disk mounted"):
        check_card(to, account="DU1", tag="a")
    make_card(to, account="DU1", tag="a", state_dir=tmp_path)
    check_card(to, account="DU1", tag="a")
    with pytest.raises(ConfigError, match="is the copy of account DU1"):
        check_card(to, account="DU1", tag="b")
    with pytest.raises(ConfigError, match="is not empty"):
        make_card(to, account="DU1", tag="a", state_dir=tmp_path)
    with pytest.raises(ConfigError, match="mount the disk"):
        make_card(tmp_path / "no" / "where", account="DU1", tag="a", state_dir=tmp_path)


# ---- what goes along -------------------------------------------------------------------------------------------
def test_latches_go_at_once_and_leave_with_the_journal(tmp_path: Path) -> None:
    """What makes a start safer does not wait; what an older journal would contradict does."""
    state = tmp_path / "state"
    state.mkdir()
    beside = Beside(tmp_path / "copy")
    for name in ("epoch", "guard.latch", "audit.head"):
        (state / name).write_text(name)
    beside.ship(read_beside(state), with_journal=False)
    assert sorted(os.listdir(tmp_path / "copy")) == ["epoch", "guard.latch"]
    beside.ship(read_beside(state), with_journal=True)
    (state / "guard.latch").unlink()
    Beside(tmp_path / "copy").ship(read_beside(state), with_journal=False)
    assert sorted(os.listdir(tmp_path / "copy")) == ["audit.head", "epoch", "guard.latch"]
    Beside(tmp_path / "copy").ship(read_beside(state), with_journal=True)
    assert sorted(os.listdir(tmp_path / "copy")) == ["audit.head", "epoch"]


def test_snapshots_go_when_their_records_are_there(tmp_path: Path) -> None:
    """Good ones only, no newer than the copy, and no more than the journal keeps."""
    journal, target = tmp_path / "journal", tmp_path / "copy"
    target.mkdir()
    for seq in (10, 20, 30):
        write_snapshot(journal, seq, {"money": b"x"}, {})
    flip(journal / "snapshot-00000000000000000010.qs", 30)
    assert ship_snapshots(journal, target, up_to_seq=25) == 20
    assert ship_snapshots(journal, target, up_to_seq=30) == 30
    for seq in (40, 50, 60):
        write_snapshot(journal, seq, {"money": b"x"}, {})
    assert ship_snapshots(journal, target, up_to_seq=60) == 60
    assert [path.name[-5:-3] for path in sorted(target.glob("*.qs"))] == ["40", "50", "60"]


# ---- the process -----------------------------------------------------------------------------------------------
@pytest.fixture
def shipping(growing: Growing, tmp_path: Path) -> Callable[[], Shipper]:
    """Makes one of the growing journal, with a card."""
    to, state = tmp_path / "to", StateDirectory(growing.journal.parent)
    make_card(to, account="DU1", tag="a", state_dir=state.path)
    log = open_log(io.StringIO())

    def make() -> Shipper:
        worker = Worker(state, to, account="DU1", tag="a", every_s=0.05)
        return Shipper(state.path, worker, log, journal=state.journal, to=to, behind_s_max=30.0)

    return make


def test_a_process_ships_all_and_says_so(growing: Growing, shipping: Callable[[], Shipper], tmp_path: Path) -> None:
    """Asked for the end at once it still ships everything; status and picture say how it stands."""
    state = growing.journal.parent
    assert ship_news(state) is None
    picture = shipping_once(shipping).run()
    assert same(growing, tmp_path / "to" / "journal")
    assert (picture.part.seq, picture.part.lag_records, picture.behind_bytes, picture.fault) == (growing.seq, 0, 0, "")
    assert picture == read_ship(state)
    assert picture.footprint is not None
    news = ship_news(state)
    assert news is not None
    assert "start `quantd journal ship" in news.alarms[0]
    assert take_left(state) == []


def test_a_copy_that_falls_behind_is_an_alert(growing: Growing, shipping: Callable[[], Shipper]) -> None:
    """Nothing moves, as on a disk that hangs: the lag grows by the clock, one alert a minute is left, then its end."""
    state = growing.journal.parent
    shipper = shipping()  # its thread is never started
    shipper.look(100.0)
    growing.grow(5)
    picture = shipper.look(131.0)
    assert picture.part.lag_records == growing.seq
    assert picture.behind_bytes > 100_000
    (alert,) = take_left(state)
    assert (alert.code, alert.severity) == (BEHIND, "warning")
    assert "31 s" in alert.text
    shipper.look(150.0)
    assert take_left(state) == []
    shipper.look(200.0)
    assert len(take_left(state)) == 1
    shipper.stop()
    shipper.run()
    assert [(one.code, one.over) for one in take_left(state)] == [(BEHIND, True)]


def test_a_folder_that_is_gone_is_told_and_gone_on_with(
    growing: Growing, shipping: Callable[[], Shipper], tmp_path: Path
) -> None:
    """The disk is unmounted and comes back."""
    (tmp_path / "to").rename(tmp_path / "away")
    assert "is the disk mounted" in shipping_once(shipping).run().fault
    (tmp_path / "away").rename(tmp_path / "to")
    assert shipping_once(shipping).run().fault == ""
    assert same(growing, tmp_path / "to" / "journal")


def shipping_once(shipping: Callable[[], Shipper]) -> Shipper:
    """One that ends when there is nothing left to do."""
    shipper = shipping()
    shipper.stop()
    return shipper


# ---- and back --------------------------------------------------------------------------------------------------
@pytest.fixture
def shipped(growing: Growing, shipping: Callable[[], Shipper], tmp_path: Path) -> Path:
    """A whole copy with an epoch and a latch."""
    (growing.journal.parent / "epoch").write_text("7\n")
    (growing.journal.parent / "guard.latch").write_text("?")
    shipping_once(shipping).run()
    return tmp_path / "to"


def test_a_state_directory_out_of_the_copy(growing: Growing, shipped: Path, tmp_path: Path) -> None:
    """The same journal, an epoch above all that can have been used, and a latch that says what it is."""
    new = tmp_path / "new"
    found = restore(shipped, new)
    assert contents(new / "journal") == contents(growing.journal)
    assert (found.last_seq, found.torn_bytes, found.card.account) == (growing.seq, 0, "DU1")
    assert int((new / "epoch").read_text()) == 7 + EPOCHS_SKIPPED == found.epoch
    latch = (new / "guard.latch").read_text()
    assert "restored from" in latch
    assert "guard.latch cannot be read" in latch
    writer = JournalWriter.open_existing(new / "journal", segment_bytes=SIZE, reserve_bytes=0, background=False)
    assert writer.torn is None
    assert writer.last_seq == growing.seq
    writer.close()
    with pytest.raises(ConfigError, match="is there already"):
        restore(shipped, new)


def test_a_torn_copy_is_restored_without_its_tail(growing: Growing, shipped: Path, tmp_path: Path) -> None:
    """Machine and copy died together; snapshots of what is not there stay behind."""
    write_snapshot(shipped / "journal", 1_000, {"money": b"x"}, {})
    write_snapshot(shipped / "journal", growing.seq, {"money": b"x"}, {})
    last = list_segments(shipped / "journal")[-1].path
    os.truncate(last, last.stat().st_size - 5)
    found = restore(shipped, tmp_path / "new")
    assert found.last_seq == growing.seq - ROWS - 1
    assert found.torn_bytes > 0
    assert found.snapshot_seq == 1_000
    assert contents(tmp_path / "new" / "journal") == contents(growing.journal)[:-2]


def test_a_copy_that_does_not_verify_is_not_restored(shipped: Path, tmp_path: Path) -> None:
    """Nothing is left that a trader would start in; the remedy is in the words."""
    flip(list_segments(shipped / "journal")[0].path, 5_000)
    with pytest.raises(JournalError, match=r"does not verify, nothing was restored: .*bad frame"):
        restore(shipped, tmp_path / "new")
    assert not (tmp_path / "new" / "journal").exists()
    shutil.rmtree(shipped / "journal")
    with pytest.raises(JournalError, match="no journal was shipped yet"):
        restore(shipped, tmp_path / "new")
