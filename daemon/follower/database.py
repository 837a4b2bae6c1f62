"""What a database must do for the record, and how a journal finds its number and its place in one. The place moves in
the transaction that writes the rows, and only from where it was: no row is lost or there twice, whoever dies when.
"""

import time
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple, Protocol

from core.errors import Bug, ConfigError
from daemon.follower.columns import Dialect
from daemon.follower.fault import DatabaseFault
from daemon.follower.market_bars import Array
from daemon.follower.project import Batch, Place
from daemon.follower.schema import BY_NAME, RecordTable

REVISION: Final = "0002"  # of the schema this release writes: the newest in migrations/versions
UPGRADE: Final = "run `quantd db upgrade -c FILE` with this release"


class Identity(NamedTuple):
    """What tells one journal from all others."""

    created_ts_ns: int
    first_seq: int
    account: str
    tag: str


class Database(Protocol):
    """One connection. Every method raises DatabaseFault when the database fails it, and is of no use afterwards."""

    dialect: Dialect

    def transaction(self) -> AbstractContextManager[None]:
        """Commits at the end, rolls back on any error."""

    def select(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query; `?` stands for a value."""

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> int:
        """Run one statement; the number of rows it touched."""

    def put(self, table: RecordTable, journal_id: int, rows: list[tuple[Any, ...]]) -> None:
        """Write rows of a table, as its growth says."""

    def put_ticks(self, journal_id: int, seqs: Array, rows: Array) -> None:
        """Write market rows to `ticks`."""

    def hold(self, journal_id: int) -> None:
        """Become the one follower of a journal, until closed. Raises DatabaseFault while another is."""

    def close(self) -> None:
        """Let go. Idempotent; never raises."""


def check_revision(database: Database) -> None:
    """Raises ConfigError unless the schema is the one this release writes."""
    found = revision_of(database)
    if found == REVISION:
        return
    if found == "":
        raise ConfigError(f"record.database: holds no tables of ours: {UPGRADE}")
    if found < REVISION:
        raise ConfigError(f"record.database: schema {found} is older than {REVISION}: {UPGRADE}")
    raise ConfigError(
        f"record.database: schema {found} is newer than {REVISION}, which this release writes: "
        "start the follower of the release that upgraded it"
    )


def revision_of(database: Database) -> str:
    """The schema's revision; empty when there is none."""
    where = {"sqlite": "sqlite_master WHERE name = ?", "postgresql": "pg_class WHERE oid = to_regclass(?)"}
    if not database.select(f"SELECT 1 FROM {where[database.dialect]}", ("alembic_version",)):
        return ""
    rows = database.select("SELECT version_num FROM alembic_version")
    return str(rows[0][0]) if rows else ""


def journal_number(database: Database, identity: Identity) -> int:
    """The journal's number, given on first sight. Its newest branch is the one that grows."""
    with database.transaction():
        found = _branches(database, identity)
        return int(found[-1][0]) if found else _new_branch(database, identity, 0)


def new_branch(database: Database, identity: Identity) -> int:
    """The journal lost records that are in the database: what is there stays, the journal is recorded anew."""
    with database.transaction():
        return _new_branch(database, identity, len(_branches(database, identity)))


def _branches(database: Database, identity: Identity) -> list[tuple[Any, ...]]:
    return database.select(
        "SELECT journal_id FROM journals WHERE created_ts_ns = ? AND first_seq = ? AND account = ? AND tag = ? "
        "ORDER BY branch",
        identity,
    )


def _new_branch(database: Database, identity: Identity, branch: int) -> int:
    database.execute(
        "INSERT INTO journals (created_ts_ns, first_seq, account, tag, branch) VALUES (?, ?, ?, ?, ?)",
        (*identity, branch),
    )
    ((journal_id,),) = _branches(database, identity)[-1:]
    database.execute(
        "INSERT INTO follower_position (journal_id, seq, frame_seq, frame_mark, ts_ns, messages, market_rows, "
        "written_ns) VALUES (?, 0, 0, 0, 0, 0, 0, ?)",
        (journal_id, time.time_ns()),
    )
    return int(journal_id)


def place_of(database: Database, journal_id: int) -> Place:
    """How far the journal is recorded."""
    rows = database.select(
        "SELECT seq, frame_seq, frame_mark, ts_ns, messages, market_rows FROM follower_position WHERE journal_id = ?",
        (journal_id,),
    )
    if not rows:
        raise DatabaseFault(f"journal {journal_id} has no position: rows were deleted by hand; restore the database")
    seq, frame_seq, frame_mark, ts_ns, messages, market_rows = rows[0]
    return Place(
        seq=seq,
        frame_seq=frame_seq,
        frame_mark=frame_mark,
        ts_ns=ts_ns,
        messages=messages,
        market_rows=market_rows,
    )


def write(database: Database, journal_id: int, batch: Batch) -> None:
    """Write one batch and move the place, or nothing. Raises DatabaseFault."""
    with database.transaction():
        if revision_of(database) != REVISION:
            raise DatabaseFault(f"the database was upgraded from schema {REVISION} under us: start the new release")
        _move(database, journal_id, batch.before, batch.after)
        for name, rows in batch.rows.items():
            table = BY_NAME.get(name)
            if table is None:
                raise Bug(f"rows for a table {name!r} that the schema does not have")
            database.put(table, journal_id, rows)
        if len(batch.ticks):
            database.put_ticks(journal_id, batch.tick_seqs, batch.ticks)


def _move(database: Database, journal_id: int, before: Place, after: Place) -> None:
    moved = database.execute(
        "UPDATE follower_position SET seq = ?, frame_seq = ?, frame_mark = ?, ts_ns = ?, messages = ?, "
        "market_rows = ?, written_ns = ? WHERE journal_id = ? AND seq = ? AND frame_mark = ?",
        (after.seq, after.frame_seq, after.frame_mark, after.ts_ns, after.messages, after.market_rows, time.time_ns(),
         journal_id, before.seq, before.frame_mark),
    )  # fmt: skip
    if moved != 1:
        raise DatabaseFault(f"journal {journal_id} was moved on by another follower: stop one of the two")
