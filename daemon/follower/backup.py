"""`quantd db backup` and `db restore`: the whole record into one file and back, proven equal: rows of each table are
counted and digested in the very snapshot that is written, and again after it was read.

The follower may go on meanwhile. Its place is in the database, so whoever follows a restored one takes up where the
backup stood: no record is missing and none is there twice.
"""

import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from core.errors import ConfigError
from daemon.follower.address import Address
from daemon.follower.connect import connect
from daemon.follower.database import REVISION, Database, revision_of
from daemon.follower.edition import Edition, detect
from daemon.follower.fault import DatabaseFault
from daemon.follower.postgres import PostgresDatabase
from daemon.follower.programs import Program
from daemon.journal.segment import sync_directory, write_durably

TIMEOUT_S: Final = 6 * 3_600.0  # for a large database, one statement or one program
MANIFEST: Final = ".json"  # behind the backup's name
DRAFT: Final = ".part"
PIECE: Final = 1 << 20
ANEW: Final = "the database holds a part of it now: drop it, create it anew, and restore again"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a record, so that two of them can be compared."""

    revision: str
    rows: dict[str, int]
    digests: dict[str, str] = {}  # of rows whatever their order; PostgreSQL only: a SQLite backup is the file itself


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`FILE.json`, beside the backup."""

    made_ns: int
    edition: Edition
    facts: Facts
    sha256: str  # of the backup
    server: int = 0  # major version of PostgreSQL
    program: int = 0  # and of the program that wrote it
    extension: str = ""  # version of TimescaleDB


def backup(address: Address, file: Path, *, programs: Path | None = None) -> Manifest:
    """Write `file` and its manifest; both are whole or not there. Raises ConfigError, DatabaseFault."""
    if file.exists():
        raise ConfigError(f"{file}: is there already: give each backup a name of its own")
    if not file.parent.is_dir():
        raise ConfigError(f"{file.parent}: no such folder: make it first")
    draft = file.with_name(file.name + DRAFT)
    try:
        made = _backup_sqlite(address, draft) if address.is_sqlite else _backup_postgres(address, draft, programs)
        manifest = msgspec.structs.replace(made, sha256=_sha256(draft))
        _sync(draft)
        write_durably(file.with_name(file.name + MANIFEST), msgspec.json.encode(manifest) + b"\n")
        os.replace(draft, file)  # last: a backup has its manifest
        sync_directory(file.parent)
    except OSError as fault:
        raise DatabaseFault(f"{file}: {fault.strerror}: nothing was backed up") from fault
    finally:
        draft.unlink(missing_ok=True)
    return manifest


def restore(address: Address, file: Path, *, programs: Path | None = None) -> Manifest:
    """Read `file` into an empty database. Raises ConfigError, DatabaseFault; says when a part of it is left there."""
    manifest = read_manifest(file)
    if manifest.facts.revision > REVISION:
        raise ConfigError(
            f"{file}: its schema {manifest.facts.revision} is newer than {REVISION}, the newest this release knows: "
            "restore it with the release that made it"
        )
    if address.is_sqlite != (manifest.edition == "sqlite"):
        raise ConfigError(
            f"{file}: is a backup of {manifest.edition}, record.database is not: "
            "name a database of that kind, or record the journal anew: `quantd db upgrade`, `quantd follow`"
        )
    if _sha256(file) != manifest.sha256:
        raise ConfigError(f"{file}: is not what was backed up: its digest differs; take another backup")
    if address.is_sqlite:
        _restore_sqlite(address, file, manifest)
    else:
        _restore_postgres(address, file, manifest, programs)
    return manifest


def read_manifest(file: Path) -> Manifest:
    """Of a backup. Raises ConfigError."""
    path = file.with_name(file.name + MANIFEST)
    if not file.is_file():
        raise ConfigError(f"{file}: no such file")
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as fault:
        raise ConfigError(f"{path}: {fault}: a backup is two files, keep both") from fault


def facts_of(database: Database) -> Facts:
    """Counts, and digests where the database can make them. Reads everything."""
    rows: dict[str, int] = {}
    digests: dict[str, str] = {}
    for name in _tables(database):
        if database.dialect == "sqlite":
            ((rows[name],),) = database.select(f"SELECT count(*) FROM {name}")
            continue
        # md5 is the same in every version of the server; a sum does not mind the order and notices what is there twice.
        ((rows[name], digests[name]),) = database.select(
            f"SELECT count(*), coalesce(sum(('x' || left(md5(t::text), 16))::bit(64)::bigint::numeric), 0)::text "
            f"FROM {name} t"
        )
    return Facts(revision=revision_of(database), rows=rows, digests=digests)


def _tables(database: Database) -> list[str]:
    """By the database's own word: a backup may be of an older schema."""
    rows = database.select(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"
        if database.dialect == "sqlite"
        else "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
    )
    return [str(row[0]) for row in rows]


# ---- SQLite ----------------------------------------------------------------------------------------------------
def _backup_sqlite(address: Address, draft: Path) -> Manifest:
    if not address.path.exists():
        raise ConfigError(f"record.database: {address.path} is not there: nothing was recorded yet")
    try:
        with (
            closing(sqlite3.connect(f"file:{address.path}?mode=ro", uri=True, timeout=60.0)) as source,
            closing(sqlite3.connect(draft)) as target,
        ):
            source.backup(target)  # in one go: a writer in between would make it begin anew
            target.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
    except sqlite3.Error as fault:
        raise DatabaseFault(f"{address.path.name}: {fault}") from fault
    return Manifest(made_ns=time.time_ns(), edition="sqlite", facts=_sqlite_facts(draft), sha256="")


def _sqlite_facts(path: Path) -> Facts:
    """Of a file that nobody else uses; its pages are checked too."""
    address = msgspec.structs.replace(_ANY, url=f"sqlite:///{path}")
    with closing(connect(address, timeout_s=60.0)) as database:
        ((told,),) = database.select("SELECT group_concat(integrity_check, '; ') FROM pragma_integrity_check")
        if told != "ok":
            raise DatabaseFault(f"{path.name}: SQLite finds it damaged: {str(told)[:200]}")
        facts = facts_of(database)
        database.select("PRAGMA journal_mode = DELETE")
        return facts


_ANY: Final = Address(url="sqlite://")


def _restore_sqlite(address: Address, file: Path, manifest: Manifest) -> None:
    path = address.path
    if path.exists() and path.stat().st_size:
        with closing(connect(address, timeout_s=10.0)) as database:
            _refuse_used(str(path), [str(row[0]) for row in database.select("SELECT name FROM sqlite_master LIMIT 5")])
    draft = path.with_name(path.name + DRAFT)
    try:
        shutil.copyfile(file, draft)
        found = _sqlite_facts(draft)
        if found != manifest.facts:
            raise DatabaseFault(f"{file}: {_difference(manifest.facts, found)}: nothing was restored")
        for suffix in ("-wal", "-shm"):  # of the empty file before it
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        _sync(draft)
        os.replace(draft, path)
        sync_directory(path.parent)
    except OSError as fault:
        raise DatabaseFault(f"{path}: {fault.strerror}: nothing was restored") from fault
    finally:
        draft.unlink(missing_ok=True)


# ---- PostgreSQL ------------------------------------------------------------------------------------------------
def _backup_postgres(address: Address, draft: Path, programs: Path | None) -> Manifest:
    with closing(PostgresDatabase(address, timeout_s=TIMEOUT_S)) as database:
        if not revision_of(database):
            raise ConfigError("record.database: holds no tables of ours: there is nothing to back up")
        server = _server(database)
        program = Program("pg_dump", programs, least=server, why="and the server is")
        database.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        ((snapshot,),) = database.select("SELECT pg_export_snapshot()")
        program.run(
            address, "--format=custom", f"--snapshot={snapshot}", "--no-owner", "--no-privileges", f"--file={draft}",
            timeout_s=TIMEOUT_S,
        )  # fmt: skip
        facts = facts_of(database)
        with database.faults():
            edition = detect(database.connection)
        return Manifest(
            made_ns=time.time_ns(),
            edition=edition,
            facts=facts,
            sha256="",
            server=server,
            program=program.major,
            extension=_extension(database),
        )


def _restore_postgres(address: Address, file: Path, manifest: Manifest, programs: Path | None) -> None:
    program = Program("pg_restore", programs, least=manifest.program, why="and the backup was written by a program")
    with closing(PostgresDatabase(address, timeout_s=TIMEOUT_S)) as database:
        server = _server(database)
        if server < manifest.server:
            raise ConfigError(
                f"record.database: PostgreSQL {server}, and the backup is of {manifest.server}: name a server as new"
            )
        _refuse_used("record.database", _relations(database))
        with _restoring(database, manifest.extension):
            try:
                program.run(
                    address, "--no-owner", "--no-privileges", "--no-comments", "--exit-on-error", str(file),
                    timeout_s=TIMEOUT_S,
                )  # fmt: skip
            except DatabaseFault as fault:
                raise DatabaseFault(f"{fault}; {ANEW}") from fault
        found = facts_of(database)
        if found != manifest.facts:
            raise DatabaseFault(f"{file}: {_difference(manifest.facts, found)}; {ANEW}")


@contextmanager
def _restoring(database: PostgresDatabase, extension: str) -> Iterator[None]:
    """With TimescaleDB: its version of the backup, its background jobs off, and its triggers out of the way."""
    if not extension:
        yield
        return
    _ensure_extension(database, extension)
    database.select("SELECT timescaledb_pre_restore()")
    try:
        yield
    finally:
        database.select("SELECT timescaledb_post_restore()")


def _ensure_extension(database: PostgresDatabase, wanted: str) -> None:
    found = _extension(database)
    if not found:
        available = database.select(
            "SELECT 1 FROM pg_available_extension_versions WHERE name = 'timescaledb' AND version = ?", (wanted,)
        )
        if not available:
            raise ConfigError(
                f"record.database: the backup is of TimescaleDB {wanted}, which this server does not have: "
                "install that version, restore, then update the extension"
            )
        database.execute(f"CREATE EXTENSION timescaledb VERSION '{wanted}'")
    elif found != wanted:
        raise ConfigError(
            f"record.database: TimescaleDB {found}, and the backup is of {wanted}: create the database without the "
            "extension; the restore adds it"
        )


def _server(database: PostgresDatabase) -> int:
    ((number,),) = database.select("SELECT current_setting('server_version_num')::int / 10000")
    return int(number)


def _extension(database: PostgresDatabase) -> str:
    rows = database.select("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    return str(rows[0][0]) if rows else ""


def _relations(database: PostgresDatabase) -> list[str]:
    """Some tables and views that are there and belong to no extension."""
    rows = database.select(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' "
        "AND c.relkind IN ('r', 'p', 'v', 'm', 'S') AND NOT EXISTS (SELECT 1 FROM pg_depend d "
        "WHERE d.objid = c.oid AND d.deptype = 'e') ORDER BY 1 LIMIT 5"
    )
    return [str(row[0]) for row in rows]


# ---- both ------------------------------------------------------------------------------------------------------
def _refuse_used(where: str, there: list[str]) -> None:
    if there:
        raise ConfigError(f"{where}: is not empty ({', '.join(there)}): restore into a new one, nothing is overwritten")


def _difference(wanted: Facts, found: Facts) -> str:
    """The first thing that is not as it was."""
    if wanted.revision != found.revision:
        return f"schema {found.revision or 'none'}, and it was {wanted.revision}"
    for name, rows in wanted.rows.items():
        if found.rows.get(name) != rows:
            return f"{name} has {found.rows.get(name)} rows, and had {rows}"
    changed = [name for name, digest in wanted.digests.items() if found.digests.get(name) != digest]
    return f"rows of {', '.join(changed)} are other ones" if changed else "tables are there that were not"


def _sha256(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            total.update(piece)
    return total.hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
