"""The record into a file and back, in SQLite and in a real TimescaleDB: nothing missing, nothing twice."""

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from core.errors import ConfigError
from daemon.follower.address import Address, read_address
from daemon.follower.backup import ANEW, backup, read_manifest, restore
from daemon.follower.connect import connect
from daemon.follower.fault import DatabaseFault
from daemon.follower.sql_follower import SqlFollower
from daemon.follower.upgrade import upgrade
from tests.fakes import record
from tests.fakes.trader import Rig

pytestmark = pytest.mark.slow


class Kind:
    """One kind of database: how to have a filled one, and an empty one."""

    def __init__(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        self.sqlite = request.param == "sqlite"
        self.programs: Path | None = None if self.sqlite else request.getfixturevalue("timescale_programs")
        self._url = "" if self.sqlite else request.getfixturevalue("timescale_url")
        self._request, self._folder, self._number = request, tmp_path, 0

    def filled(self) -> Address:
        """With our tables, without rows."""
        if self.sqlite:
            found: Address = self._request.getfixturevalue("sqlite_address")
            return found
        make: Callable[[], Address] = self._request.getfixturevalue("new_timescale")
        return make()

    def empty(self) -> Address:
        """Without tables."""
        self._number += 1
        if self.sqlite:
            return read_address(f"sqlite:///{self._folder}/new{self._number}.db")
        name = f"restored_{os.getpid()}_{abs(hash(self._folder))}_{self._number}"
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        return read_address(f"{self._url.rpartition('/')[0]}/{name}")


@pytest.fixture(params=["sqlite", "timescale"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    """Each."""
    return Kind(request, tmp_path)


def test_what_was_lost_after_the_backup_is_recorded_again(kind: Kind, journal_rig: Rig, tmp_path: Path) -> None:
    """Backed up while the follower was in the middle; restored into a new database it takes up exactly there, and in
    the end every row is the journal's, once. A server's hypertables are hypertables again.
    """
    address, file = kind.filled(), tmp_path / "backup"
    with closing(SqlFollower(journal_rig.journal, address, record_ticks=True)) as follower:
        follower.run_once(3_000)  # its lock and its connection are there while the backup is taken
        made = backup(address, file, programs=kind.programs)
        before = follower.position
        follower.run_once(100)
        assert follower.position[1] > before[1]
    assert made == read_manifest(file)
    new = kind.empty()
    assert restore(new, file, programs=kind.programs) == made
    with closing(SqlFollower(journal_rig.journal, new, record_ticks=True)) as follower:
        first = follower.run_once(1)
        assert before[1] < follower.position[1] <= before[1] + first
        while follower.run_once():
            pass
    with closing(connect(new, timeout_s=10.0)) as database:
        assert record.differences(database, 1, journal_rig.journal, ticks=True) == []
        if not kind.sqlite:
            there = database.select("SELECT count(*) FROM timescaledb_information.hypertables")
            with closing(connect(address, timeout_s=10.0)) as old:
                assert there == old.select("SELECT count(*) FROM timescaledb_information.hypertables")
            assert there[0][0] > 3
            assert database.select("SELECT current_setting('timescaledb.restoring')") == [("off",)]
    assert upgrade(new).before == made.facts.revision  # nothing is left to do, and nothing stands in its way


def test_a_database_that_is_not_empty_is_left_alone(kind: Kind, tmp_path: Path) -> None:
    """Nothing is overwritten, whoever's it is; and no backup takes the place of another."""
    address, file = kind.filled(), tmp_path / "backup"
    backup(address, file, programs=kind.programs)
    with pytest.raises(ConfigError, match="is not empty"):
        restore(address, file, programs=kind.programs)
    with pytest.raises(ConfigError, match="is there already"):
        backup(address, file, programs=kind.programs)


def test_a_backup_that_changed_is_not_restored(kind: Kind, tmp_path: Path) -> None:
    """One bit in the file, or a manifest that says other numbers: told before, or after; never passed over."""
    address, file = kind.filled(), tmp_path / "backup"
    backup(address, file, programs=kind.programs)
    manifest = file.with_name("backup.json")
    told = manifest.read_text()
    manifest.write_text(told.replace('"journals":0', '"journals":1'))
    with pytest.raises(DatabaseFault, match="journals has 0 rows, and had 1"):
        restore(kind.empty(), file, programs=kind.programs)
    manifest.write_text(told.replace('"revision":"0', '"revision":"9'))
    with pytest.raises(ConfigError, match="newer than"):
        restore(kind.empty(), file, programs=kind.programs)
    manifest.write_text(told)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="its digest differs"):
        restore(kind.empty(), file, programs=kind.programs)
    manifest.unlink()
    with pytest.raises(ConfigError, match="keep both"):
        restore(kind.empty(), file, programs=kind.programs)


def test_kinds_are_not_mixed(sqlite_address: Address, new_timescale: Callable[[], Address], tmp_path: Path) -> None:
    """A backup of a file goes into a file; the remedy is to record anew."""
    backup(sqlite_address, tmp_path / "backup")
    with pytest.raises(ConfigError, match="record the journal anew"):
        restore(new_timescale(), tmp_path / "backup")


def test_nothing_to_back_up(tmp_path: Path) -> None:
    """A file that is not there is not made."""
    with pytest.raises(ConfigError, match="nothing was recorded yet"):
        backup(read_address(f"sqlite:///{tmp_path}/no.db"), tmp_path / "backup")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_sqlite_file_is_no_backup(sqlite_address: Address, tmp_path: Path) -> None:
    """Pages that SQLite itself does not believe are found while they are copied, not when they are needed."""
    with closing(sqlite3.connect(sqlite_address.path)) as connection:
        connection.executemany("INSERT INTO alembic_version VALUES (?)", [(f"{'x' * 30}{at}",) for at in range(2_000)])
        connection.commit()
        ((root,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'alembic_version'")
        ((page,),) = connection.execute("PRAGMA page_size")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with sqlite_address.path.open("rb+") as file:
        file.seek((root - 1) * page)
        file.write(b"\xff" * page)
    with pytest.raises(DatabaseFault, match=r"damaged|malformed"):
        backup(sqlite_address, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_the_programs_are_looked_at_before(new_timescale: Callable[[], Address], tmp_path: Path) -> None:
    """Missing ones and old ones are named, with what to install; nothing is written."""
    address = new_timescale()
    with pytest.raises(ConfigError, match="install PostgreSQL's client programs"):
        backup(address, tmp_path / "backup", programs=tmp_path)
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 14.9'\n")
    old.chmod(old.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(
        ConfigError, match=r"is of PostgreSQL 14, and the server is of \d+: install the client programs"
    ):
        backup(address, tmp_path / "backup", programs=tmp_path)
    assert not (tmp_path / "backup").exists()


def test_a_restore_that_broke_off_says_what_is_left(
    new_timescale: Callable[[], Address], timescale_programs: Path, timescale_url: str, tmp_path: Path
) -> None:
    """The program ends in the middle: the words say to begin with a new database, and the next try refuses this one."""
    file = tmp_path / "backup"
    backup(new_timescale(), file, programs=timescale_programs)
    broken = tmp_path / "broken"
    broken.mkdir()
    program = broken / "pg_restore"
    program.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] || set -- "$@" --schema-only\n'
        f'\'{timescale_programs}/pg_restore\' "$@" || exit\n[ "$1" = --version ] || {{ echo cut >&2; exit 9; }}\n'
    )
    program.chmod(0o755)
    new = read_address(f"{timescale_url.rpartition('/')[0]}/{_made(timescale_url, tmp_path)}")
    with pytest.raises(DatabaseFault, match=f"pg_restore ended with 9: cut; {ANEW}"):
        restore(new, file, programs=broken)
    with pytest.raises(ConfigError, match="is not empty"):
        restore(new, file, programs=timescale_programs)


def _made(url: str, tmp_path: Path) -> str:
    name = f"broken_{os.getpid()}_{abs(hash(tmp_path))}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
    return name
