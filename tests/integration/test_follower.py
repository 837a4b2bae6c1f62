"""The record against the journal, row by row, in SQLite and in a real TimescaleDB; and what may happen on the way."""

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError, JournalError
from core.records import ROWS
from daemon.follower.address import Address, read_address
from daemon.follower.connect import connect
from daemon.follower.database import REVISION
from daemon.follower.fault import DatabaseFault
from daemon.follower.postgres import PostgresDatabase
from daemon.follower.retention import drop_old
from daemon.follower.sql_follower import Divergence, SqlFollower
from daemon.follower.sqlite import SqliteDatabase
from daemon.follower.upgrade import upgrade
from daemon.journal import JournalWriter, Record
from daemon.journal.archive import write_parquet
from daemon.journal.retain import DAY_NS, retain
from tests.fakes import follow_process, record
from tests.fakes.follow_process import follow_to_end
from tests.fakes.trader import Rig, copy_until, frame_records
from tests.servers.timescale import TimescaleServer

pytestmark = pytest.mark.slow


@contextmanager
def following(journal: Path, address: Address, **options: Any) -> Iterator[SqlFollower]:
    """A follower that is closed at the end."""
    with closing(SqlFollower(journal, address, **({"record_ticks": True} | options))) as follower:
        yield follower


def follow_all(follower: SqlFollower, max_records: int = 20_000) -> int:
    """Until nothing is new; the records taken."""
    taken = 0
    while now := follower.run_once(max_records):
        taken += now
    return taken


def differences(address: Address, journal: Path, journal_id: int = 1, *, ticks: bool = True) -> list[str]:
    """SQL against journal."""
    with closing(connect(address, timeout_s=10.0)) as database:
        return record.differences(database, journal_id, journal, ticks=ticks)


def contents(address: Address, journal_id: int = 1) -> dict[str, list[record.Row]]:
    """All rows of a journal."""
    with closing(connect(address, timeout_s=10.0)) as database:
        return record.contents(database, journal_id)


def test_sql_is_the_journal_row_by_row(address: Address, journal_rig: Rig) -> None:
    """Every record, tick, bar, order, parent, position and segment, read back and compared with the journal itself."""
    with following(journal_rig.journal, address) as follower:
        taken = follow_all(follower)
    assert differences(address, journal_rig.journal) == []
    found = contents(address)
    assert taken == len(found["records"]) + len(found["ticks"])
    assert {"decisions", "refusals", "orders", "executions", "commissions", "equity", "runs", "run_ends"} <= {
        name for name, rows in found.items() if rows
    }
    assert len(found["segments"]) > 1


def test_how_the_journal_is_cut_into_batches_does_not_matter(address: Address, journal_rig: Rig) -> None:
    """A follower that starts anew after every few hundred records leaves the same rows as one that never stopped."""
    with following(journal_rig.journal, address) as whole:
        follow_all(whole)
    expected = contents(address)
    with closing(connect(address, timeout_s=10.0)) as database:
        database.execute("UPDATE journals SET tag = 'before'")
    while True:
        with following(journal_rig.journal, address) as follower:
            if sum(follower.run_once(size) for size in (397, 1, 911, 2_000)) == 0:
                break
    assert contents(address, 2) == expected


# ---- faults ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("die_at", [3, 40])
def test_killed_in_the_middle_of_a_transaction_nothing_is_lost_or_there_twice(
    address: Address, journal_rig: Rig, die_at: int
) -> None:
    """kill -9 of the follower between two writes of one batch, in the first batch and in a later one."""
    process = follow_process.start(journal_rig.journal, address.url, batch=1_500, die_at=die_at)
    process.communicate(timeout=follow_process.DEADLINE_S)
    assert process.returncode == -signal.SIGKILL
    with following(journal_rig.journal, address) as follower:
        follow_all(follower)
    assert differences(address, journal_rig.journal) == []


def test_a_server_killed_in_the_middle_of_a_batch_loses_nothing(
    timescale: TimescaleServer, new_timescale: Callable[[], Address], journal_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 of the whole server between two writes, and again right before the commit; the same follower goes on."""
    address = new_timescale()
    kills = iter([False] * 7 + [True] + [False] * 30 + [True])
    put, run = PostgresDatabase.put, PostgresDatabase._run

    def put_and_kill(self: PostgresDatabase, *arguments: Any) -> None:
        put(self, *arguments)
        if next(kills, False):
            timescale.kill()

    commits = iter([False, False, True])

    def run_and_kill(self: PostgresDatabase, statement: str) -> None:
        if statement == "COMMIT" and next(commits, False):
            timescale.kill()
        run(self, statement)

    monkeypatch.setattr(PostgresDatabase, "put", put_and_kill)
    monkeypatch.setattr(PostgresDatabase, "_run", run_and_kill)
    faults = 0
    with following(journal_rig.journal, address) as follower:
        while True:
            try:
                if not follower.run_once(1_500):
                    break
            except DatabaseFault:
                faults += 1
                with pytest.raises(DatabaseFault, match="connection"):
                    follower.run_once(1_500)  # still away
                timescale.start()
    assert faults == 3
    assert differences(address, journal_rig.journal) == []


def test_a_commit_whose_answer_was_lost_is_not_written_again(
    address: Address, journal_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks after the commit: the follower looks where the database stands before it writes."""
    answers = iter([False, True, False, True])
    for database in (SqliteDatabase, PostgresDatabase):
        monkeypatch.setattr(database, "transaction", _losing_answers(database.transaction, answers))
    faults = 0
    with following(journal_rig.journal, address) as follower:
        while True:
            try:
                if not follower.run_once(1_000):
                    break
            except DatabaseFault as fault:
                faults += "after the commit" in str(fault)
    assert faults == 2
    assert differences(address, journal_rig.journal) == []


def _losing_answers(transaction: Any, answers: Iterator[bool]) -> Any:
    @contextmanager
    def lost(self: Any) -> Iterator[None]:
        with transaction(self):
            yield
        if next(answers, False):
            self.close()
            raise DatabaseFault("the connection broke after the commit")

    return lost


def test_a_full_disk_stops_the_record_until_there_is_room(sqlite_address: Address, journal_rig: Rig) -> None:
    """SQLite: whole batches or nothing while the disk is full; all of it when there is room again."""
    with following(journal_rig.journal, sqlite_address) as follower:
        follower.run_once(500)
        database = follower.database
        assert isinstance(database, SqliteDatabase)
        ((pages,),) = database.select("PRAGMA page_count")
        database.execute(f"PRAGMA max_page_count = {pages + 20}")
        with pytest.raises(DatabaseFault, match="full"):
            follow_all(follower, 500)
        follow_all(follower)  # a new connection has no such limit
    assert differences(sqlite_address, journal_rig.journal) == []


def test_a_server_that_refuses_rows_gets_them_again(new_timescale: Callable[[], Address], journal_rig: Rig) -> None:
    """PostgreSQL: a statement fails with "disk full" late in the batch; nothing of the batch is there."""
    address = new_timescale()
    with closing(connect(address, timeout_s=10.0)) as other, following(journal_rig.journal, address) as follower:
        follower.run_once(500)
        other.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"
        )
        other.execute("CREATE TRIGGER full_disk BEFORE INSERT ON bars FOR EACH ROW EXECUTE FUNCTION full_disk()")
        before = other.select("SELECT count(*) FROM records")
        for _ in range(2):
            with pytest.raises(DatabaseFault, match=r"53100|another follower"):
                follow_all(follower, 500)
        assert other.select("SELECT count(*) FROM records") == before
        other.execute("DROP TRIGGER full_disk ON bars")
        follow_to_end(follower, 20_000)
    assert differences(address, journal_rig.journal) == []


def test_a_slow_database_is_left_after_its_time(address: Address, journal_rig: Rig) -> None:
    """Somebody holds a lock for too long: a fault in bounded time, then the same rows."""
    with (
        closing(connect(address, timeout_s=10.0)) as other,
        following(journal_rig.journal, address, timeout_s=1.0) as follower,
    ):
        follower.run_once(500)
        with other.transaction():
            other.execute("UPDATE follower_position SET written_ns = 0")
            with pytest.raises(DatabaseFault, match=r"locked|timeout"):
                follow_all(follower, 500)
        follow_to_end(follower, 20_000)
    assert differences(address, journal_rig.journal) == []


def test_a_server_that_stands_still_is_left_after_its_time(
    timescale: TimescaleServer, new_timescale: Callable[[], Address], journal_rig: Rig
) -> None:
    """A stopped server answers no limit of its own: the socket is shut under the wait."""
    address = new_timescale()
    with following(journal_rig.journal, address, timeout_s=1.0) as follower:
        follower.run_once(500)
        with timescale.stopped(), pytest.raises(DatabaseFault):
            follow_all(follower, 500)
        follow_to_end(follower, 20_000)
    assert differences(address, journal_rig.journal) == []


def test_two_followers_of_one_journal_are_one_too_many(address: Address, journal_rig: Rig) -> None:
    """The second is told so and writes nothing; it may begin when the first has ended."""
    with following(journal_rig.journal, address) as first, following(journal_rig.journal, address) as second:
        first.run_once(500)
        with pytest.raises(DatabaseFault, match="another follower"):
            second.run_once(500)
        first.close()
        follow_to_end(second, 20_000)
    assert differences(address, journal_rig.journal) == []


def test_a_place_that_somebody_else_moved_stops_the_writer(address: Address, journal_rig: Rig) -> None:
    """Even without the lock no batch goes in twice: the place moves only from where it was."""
    with closing(connect(address, timeout_s=10.0)) as other, following(journal_rig.journal, address) as follower:
        follower.run_once(500)
        other.execute("UPDATE follower_position SET seq = seq + 1")
        with pytest.raises(DatabaseFault, match="another follower"):
            follower.run_once(500)
        other.execute("UPDATE follower_position SET seq = seq - 1")
        follow_to_end(follower, 20_000)  # the server lets go of the first connection's lock in its own time
    assert differences(address, journal_rig.journal) == []


# ---- schema ------------------------------------------------------------------------------------------------------
def test_a_database_upgraded_under_the_follower_stops_it(address: Address, journal_rig: Rig) -> None:
    """Nothing more is written to a schema this release does not know; the remedy is named."""
    with closing(connect(address, timeout_s=10.0)) as other, following(journal_rig.journal, address) as follower:
        follower.run_once(500)
        other.execute("UPDATE alembic_version SET version_num = '9999'")
        before = other.select("SELECT count(*) FROM records")
        with pytest.raises(DatabaseFault, match="upgraded"):
            follower.run_once(500)
        with pytest.raises(ConfigError, match=r"9999 is newer .* start the follower of the release"):
            follower.run_once(500)
        with pytest.raises(ConfigError, match="newer"):
            upgrade(address)
        assert other.select("SELECT count(*) FROM records") == before
        other.execute("UPDATE alembic_version SET version_num = ?", (REVISION,))
        follow_to_end(follower, 20_000)
    assert differences(address, journal_rig.journal) == []


def test_an_empty_database_is_refused_with_the_remedy(tmp_path: Path, journal_rig: Rig) -> None:
    """The follower makes no tables by itself."""
    with (
        following(journal_rig.journal, read_address(f"sqlite:///{tmp_path}/new.db")) as follower,
        pytest.raises(ConfigError, match="quantd db upgrade"),
    ):
        follower.run_once()


def test_upgrading_again_changes_nothing(address: Address) -> None:
    """Every step may be run twice."""
    done = upgrade(address)
    assert done.before == done.after == REVISION
    assert done.edition in ("sqlite", "timescaledb-apache")


# ---- journals ----------------------------------------------------------------------------------------------------
def test_a_journal_that_grows_is_followed_frame_by_frame(address: Address, journal_rig: Rig, tmp_path: Path) -> None:
    """The writer and the follower take turns; the torn tail of a kill is no record, what follows its cut is."""
    whole, growing = journal_rig.journal, tmp_path / "journal"
    records = frame_records(whole)
    middle = len(records) // 2
    copy_until(whole, growing, middle, into=40, garbage=b"torn")
    with following(growing, address) as follower:
        follow_all(follower)
        assert follower.position == (1, records[middle - 1][-1].last_seq)
        writer = JournalWriter.open_existing(growing, segment_bytes=1 << 20, reserve_bytes=0, background=False)
        with closing(writer):
            assert writer.torn is not None
            for number, frame in enumerate(records[middle:]):
                _write_frame(writer, frame)
                if number % 500 == 0:
                    assert follower.run_once() > 0
                    assert follower.run_once() == 0
            follow_all(follower)
    assert differences(address, growing) == []


def test_a_replaced_journal_is_finished_before_the_new_one_begins(
    address: Address, journal_rig: Rig, tmp_path: Path
) -> None:
    """Renamed under the follower, and again while it was away: three journals with numbers of their own."""
    whole, state = journal_rig.journal, tmp_path / "state"
    frames = len(frame_records(whole))
    _begin_journal(whole, state / "journal", frames // 3, created_ns=1)
    with following(state / "journal", address) as follower:
        follower.run_once(500)
        (state / "journal").rename(state / "journal-3")
        _begin_journal(whole, state / "journal", frames // 2, created_ns=2)
        follow_all(follower)
        assert follower.position[0] == 2
    (state / "journal").rename(state / "journal-12")
    _begin_journal(whole, state / "journal", frames // 4, created_ns=3)
    with following(state / "journal", address) as follower:
        follow_all(follower)
    for number, name in enumerate(("journal-3", "journal-12", "journal"), start=1):
        assert differences(address, state / name, number) == [], name


def _begin_journal(whole: Path, target: Path, frames: int, *, created_ns: int) -> None:
    """A journal of its own: the same frames, made at another moment."""
    target.mkdir(parents=True)
    with closing(JournalWriter(target, now_ns=created_ns, reserve_bytes=0, background=False)) as writer:
        for frame in frame_records(whole)[:frames]:
            _write_frame(writer, frame)


def _write_frame(writer: JournalWriter, frame: list[Record]) -> None:
    for one in frame:
        if one.kind == ROWS:
            writer.add_rows(one.seq, one.payload, one.count, one.ts_ns)
        else:
            writer.add(one.kind, one.seq, one.ts_ns, one.cause_seq, bytes(one.payload))
    writer.commit()


def test_a_journal_that_lost_its_tail_is_recorded_anew(address: Address, journal_rig: Rig, tmp_path: Path) -> None:
    """After a power cut SQL may hold more than the journal: that stays as it is, and the journal gets a new number."""
    whole, journal = journal_rig.journal, tmp_path / "journal"
    frames = len(frame_records(whole))
    copy_until(whole, journal, frames // 2)
    with following(journal, address) as follower:
        follow_all(follower)
        last = follower.position[1]
    before = contents(address, 1)
    shutil.rmtree(journal)
    copy_until(whole, journal, frames // 3)
    with following(journal, address) as follower:
        follow_all(follower)
        assert follower.position[0] == 2
    assert contents(address, 1) == before
    (told,) = contents(address, 2)["divergences"]
    assert (told["source"], f"up to {last}" in told["text"]) == ("tail", True)
    assert differences(address, journal, 2) == []


def test_divergences_of_others_are_written_once(address: Address, journal_rig: Rig) -> None:
    """What the re-step found stands beside the record, even when no record follows."""
    with following(journal_rig.journal, address) as follower:
        follow_all(follower)
        follower.note(Divergence(seq=7, ts_ns=1, source="restep", text="the rerun made something else"))
        follower.note(Divergence(seq=7, ts_ns=1, source="restep", text="the rerun made something else"))
        assert follower.run_once() == 1
        assert follower.run_once() == 0
    assert [row["text"] for row in contents(address)["divergences"]] == ["the rerun made something else"]


def test_old_rows_go_when_they_are_told_to(address: Address, journal_rig: Rig, tmp_path: Path) -> None:
    """Days are counted from the newest record; what is young stays, and what no setting names stays."""
    with following(journal_rig.journal, address) as follower:
        follow_all(follower)
        database, place = follower.database, follower.place
        assert database is not None
        chunks = follower.edition != "sqlite"
        keep = {"ticks_days": 2, "records_days": 400, "bars_days": 0}
        assert drop_old(database, 1, keep, place.ts_ns, chunks=chunks) == 0
        assert drop_old(database, 1, keep, place.ts_ns + 20 * DAY_NS, chunks=chunks) > 0
        counts = {name: len(rows) for name, rows in contents(address).items()}
    assert counts["ticks"] == 0
    assert counts["records"] > 0
    assert counts["bars"] > 0


def test_without_ticks_there_are_bars_all_the_same(address: Address, journal_rig: Rig) -> None:
    """`record.ticks = false`."""
    with following(journal_rig.journal, address, record_ticks=False) as follower:
        follow_all(follower)
    assert differences(address, journal_rig.journal, ticks=False) == []
    assert contents(address)["ticks"] == []


def test_rows_that_were_archived_before_the_follower_began_are_read_from_the_archive(
    sqlite_address: Address, journal_rig: Rig, tmp_path: Path
) -> None:
    """Retention took them out of a segment: a late follower records what one that was always there has recorded."""
    journal = tmp_path / "journal"
    shutil.copytree(journal_rig.journal, journal)
    last = frame_records(journal)[-1][-1]
    written = retain(
        journal, keep_rows_days=1, now_ns=last.ts_ns + 9 * DAY_NS, follower_seq=last.seq, snapshot_seq=last.seq,
        to_parquet=write_parquet,
    )  # fmt: skip
    assert written
    with following(journal, sqlite_address) as follower:
        follow_all(follower)
    assert differences(sqlite_address, journal_rig.journal) == []
    written[0].unlink()
    other = read_address(f"sqlite:///{tmp_path}/other.db")
    upgrade(other)
    with following(journal, other) as follower, pytest.raises(JournalError, match=r"rows-\d+\.parquet: is gone"):
        follow_all(follower)
