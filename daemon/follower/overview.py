"""What a database says of itself: revision, edition, sizes, and how far each journal is recorded. Reads only."""

from contextlib import closing
from pathlib import Path

import msgspec

from core.errors import JournalError
from daemon.follower.address import Address
from daemon.follower.connect import connect
from daemon.follower.database import REVISION, Database, revision_of
from daemon.follower.edition import Edition, detect
from daemon.follower.postgres import PostgresDatabase
from daemon.follower.schema import TABLES
from daemon.follower.sources import identity_of
from daemon.follower.sqlite import SqliteDatabase
from daemon.journal import JournalReader
from daemon.journal.layout import list_segments


class JournalLine(msgspec.Struct, frozen=True, kw_only=True):
    """One journal in the database."""

    journal_id: int
    account: str
    tag: str
    branch: int
    created_ts_ns: int
    seq: int
    ts_ns: int
    messages: int
    market_rows: int
    written_ns: int


class Lag(msgspec.Struct, frozen=True, kw_only=True):
    """How far the database is behind the journal that grows now."""

    journal_id: int  # 0 = none of it is recorded
    journal_seq: int
    records: int
    seconds: float  # between the newest record of each


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer of `quantd db status`."""

    revision: str
    wanted: str
    edition: Edition
    journals: tuple[JournalLine, ...] = ()
    sizes: dict[str, int] = {}  # bytes of each table; of a SQLite file under "file"
    lag: Lag | None = None  # None = no journal here

    @property
    def usable(self) -> bool:
        """Whether this release can write to it."""
        return self.revision == self.wanted


def overview(address: Address, journal: Path | None, *, timeout_s: float) -> Overview:
    """Ask the database, and the journal where there is one. Raises DatabaseFault."""
    if address.is_sqlite and not address.path.exists():
        return Overview(revision="", wanted=REVISION, edition="sqlite")  # a look must not make the file
    with closing(connect(address, timeout_s=timeout_s)) as database:
        edition: Edition = "sqlite"
        if isinstance(database, PostgresDatabase):
            with database.faults():
                edition = detect(database.connection)
        revision = revision_of(database)
        if not revision:
            return Overview(revision="", wanted=REVISION, edition=edition)
        journals = _journals(database)
        return Overview(
            revision=revision,
            wanted=REVISION,
            edition=edition,
            journals=journals,
            sizes=_sizes(database, address, edition),
            lag=None if journal is None else lag_of(journals, journal),
        )


def _journals(database: Database) -> tuple[JournalLine, ...]:
    names = JournalLine.__struct_fields__
    rows = database.select(
        f"SELECT {', '.join(names)} FROM journals JOIN follower_position USING (journal_id) ORDER BY journal_id"
    )
    return tuple(JournalLine(**dict(zip(names, row, strict=True))) for row in rows)


def _sizes(database: SqliteDatabase | PostgresDatabase, address: Address, edition: Edition) -> dict[str, int]:
    if address.is_sqlite:
        return {"file": address.path.stat().st_size}
    chunked = {table.name for table in TABLES if table.chunk_days} if edition.startswith("timescaledb") else set()
    found = {}
    for table in TABLES:
        size = "hypertable_size" if table.name in chunked else "pg_total_relation_size"
        ((found[table.name],),) = database.select(f"SELECT {size}('{table.name}')::bigint")
    return found


def lag_of(journals: tuple[JournalLine, ...], journal: Path) -> Lag | None:
    """What of the growing journal is not recorded yet; None when there is no journal."""
    identity = identity_of(journal) if journal.is_dir() else None
    if identity is None:
        return None
    end = journal_end(journal)
    mine = [one for one in journals if (one.created_ts_ns, one.account, one.tag) == (
        identity.created_ts_ns, identity.account, identity.tag)]  # fmt: skip
    if not mine:
        return Lag(journal_id=0, journal_seq=end[0], records=end[0], seconds=0.0)
    line = mine[-1]
    behind = max(0, end[0] - line.seq)
    seconds = max(0, end[1] - line.ts_ns) / 1e9 if behind and line.seq else 0.0
    return Lag(journal_id=line.journal_id, journal_seq=end[0], records=behind, seconds=round(seconds, 3))


def journal_end(journal: Path) -> tuple[int, int]:
    """(last seq, its time) of a journal: its newest segment is read."""
    files = list_segments(journal)
    if not files:
        raise JournalError(f"{journal.name}: no segments")
    last = None
    for last in JournalReader(journal, from_seq=files[-1].first_seq).records():  # noqa: B007 - the last one counts
        pass
    return (files[-1].first_seq - 1, 0) if last is None else (last.last_seq, last.ts_ns)
