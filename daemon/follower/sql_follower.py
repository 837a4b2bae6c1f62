"""Tails the journal into a database, exactly once. The loop around it (back-off, signals, status) is somebody else's: a
DatabaseFault is raised, and the next `run_once` connects anew and goes on with the same rows.
"""

import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from core.errors import JournalError
from core.records import REFERENCE
from daemon.config.schema import RecordSettings
from daemon.follower.address import Address, address_of, read_address
from daemon.follower.archived import ArchivedRows
from daemon.follower.books import restored
from daemon.follower.connect import connect
from daemon.follower.database import (
    Identity,
    check_revision,
    journal_number,
    new_branch,
    place_of,
    write,
)
from daemon.follower.edition import Edition, detect
from daemon.follower.fault import DatabaseFault
from daemon.follower.postgres import PostgresDatabase
from daemon.follower.project import Batch, Place, Projection, frame_mark
from daemon.follower.retention import TABLES_OF, drop_old
from daemon.follower.sources import Sources
from daemon.follower.sqlite import SqliteDatabase
from daemon.journal import JournalReader, Record
from daemon.journal.folder import JournalFolder
from daemon.vocabulary import check_vocabulary

RECORDS_MAX: Final = 20_000  # of one batch
RETENTION_EVERY_S: Final = 3_600.0
NOTES_MAX: Final = 1_000  # divergences waiting for the next batch


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """Something found beside the journal that belongs into its record."""

    seq: int
    ts_ns: int
    source: str
    text: str


class Attached(msgspec.Struct, kw_only=True):
    """The journal being taken, and how far."""

    folder: JournalFolder
    identity: Identity
    journal_id: int
    place: Place
    reader: JournalReader
    projection: Projection | None = None  # made with the first new frame: a finished journal needs none
    segment: int = -1  # first seq of the newest segment noted
    lost: str = ""


class SqlFollower:
    """One follower of one state directory's journals. Not thread-safe, but for `note`."""

    def __init__(
        self,
        journal: Path,
        address: Address | str,
        *,
        record_ticks: bool = False,
        timeout_s: float = 10.0,
        keep_days: Mapping[str, int] | None = None,
    ) -> None:
        self._sources = Sources(journal)
        self._address = read_address(address) if isinstance(address, str) else address
        self._record_ticks = record_ticks
        self._timeout_s = timeout_s
        self._keep_days = dict(keep_days or {})
        self._database: SqliteDatabase | PostgresDatabase | None = None
        self._attached: Attached | None = None
        self._pending: Batch | None = None
        self._notes: deque[Divergence] = deque(maxlen=NOTES_MAX)
        self._retention_due = 0.0
        self.edition: Edition | None = None  # known once connected

    @classmethod
    def of(cls, journal: Path, record: RecordSettings) -> "SqlFollower":
        """As `[record]` says. Raises ConfigError when the password cannot be had."""
        address = address_of(record)
        keep_days = {name: getattr(record, name) for name in TABLES_OF}
        return cls(journal, address, record_ticks=record.ticks, timeout_s=record.timeout_s, keep_days=keep_days)

    # ---- what the loop asks --------------------------------------------------------------------------------------
    @property
    def position(self) -> tuple[int, int]:
        """(journal number, last seq recorded); zeros before the first journal."""
        attached = self._attached
        return (0, 0) if attached is None else (attached.journal_id, attached.place.seq)

    @property
    def place(self) -> Place:
        """All that is known of the position."""
        return Place() if self._attached is None else self._attached.place

    @property
    def identity(self) -> Identity | None:
        """The journal at hand."""
        return None if self._attached is None else self._attached.identity

    @property
    def database(self) -> SqliteDatabase | PostgresDatabase | None:
        """The open connection."""
        return self._database

    def note(self, divergence: Divergence) -> None:
        """Have a divergence written with the next batch, into the journal at hand."""
        self._notes.append(divergence)

    def run_once(self, max_records: int = RECORDS_MAX) -> int:
        """Record at most about so many records (whole frames); returns how many, 0 = nothing new.

        Raises DatabaseFault (try again later), ConfigError (a person must act: wrong schema), JournalError.
        """
        try:
            database = self._connect()
            taken = self._write(database) if self._pending is not None else 0
            if not taken and self._collect(database, max_records):
                taken = self._write(database)
            self._drop_old(database)
            return taken
        except DatabaseFault:
            self._disconnect()
            raise
        except JournalError:
            self._detach()
            raise

    def close(self) -> None:
        """Let go of database and journal. What was not committed is taken again by the next follower."""
        self._disconnect()
        self._detach()

    # ---- connection ----------------------------------------------------------------------------------------------
    def _connect(self) -> SqliteDatabase | PostgresDatabase:
        if self._database is not None:
            return self._database
        database = connect(self._address, timeout_s=self._timeout_s)
        try:
            check_revision(database)
            self.edition = "sqlite"
            if isinstance(database, PostgresDatabase):
                with database.faults():
                    self.edition = detect(database.connection)
            if self._attached is not None:
                database.hold(self._attached.journal_id)
                self._meet(place_of(database, self._attached.journal_id))
        except BaseException:  # edge: no connection stays open behind an error; always raised again
            database.close()
            raise
        self._database = database
        return database

    def _meet(self, place: Place) -> None:
        """After a fault: was the batch we were writing committed or not? Anything else means another database."""
        attached, pending = self._attached, self._pending
        assert attached is not None
        if pending is not None and place == pending.after:
            attached.place, self._pending = place, None
        elif place != attached.place:
            self._detach()

    def _disconnect(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    # ---- journal -------------------------------------------------------------------------------------------------
    def _attach(self, database: SqliteDatabase | PostgresDatabase) -> Attached | None:
        if self._attached is not None:
            return self._attached
        found = self._sources.next()
        if found is None:
            return None
        folder, identity = found
        try:
            self._attached = self._find_place(database, folder, identity)
        except BaseException:  # edge: the folder is held open by nobody; always raised again
            folder.close()
            raise
        return self._attached

    def _find_place(
        self, database: SqliteDatabase | PostgresDatabase, folder: JournalFolder, identity: Identity
    ) -> Attached:
        journal_id = journal_number(database, identity)
        database.hold(journal_id)
        place = place_of(database, journal_id)
        reader = JournalReader(folder.path, from_seq=place.frame_seq)
        lost = ""
        if place.seq:
            frame = next(reader.frames(), None)
            if frame is None or frame_mark(frame) != place.frame_mark:
                lost = f"the journal lost its tail: journal {journal_id} holds records up to {place.seq} of it"
                journal_id = new_branch(database, identity)
                database.hold(journal_id)
                place = place_of(database, journal_id)
                reader = JournalReader(folder.path)
        return Attached(folder=folder, identity=identity, journal_id=journal_id, place=place, reader=reader, lost=lost)

    def _detach(self) -> None:
        if self._attached is not None:
            self._attached.folder.close()
        self._attached = None
        self._pending = None

    def _collect(self, database: SqliteDatabase | PostgresDatabase, max_records: int) -> bool:
        """Put the next batch together; False when there is nothing to write."""
        while (attached := self._attach(database)) is not None:
            replaced = attached.folder.replaced  # asked first: what is read after it is all there will be
            self._take_frames(attached, max_records)
            projection = attached.projection
            if (projection is not None and projection.taken) or self._notes:
                self._pending = self._batch(attached)
                return True
            if not replaced and not self._left_behind(attached):
                return False
            self._sources.finish(attached.identity)
            self._detach()
        return False

    def _left_behind(self, attached: Attached) -> bool:
        """A journal of an earlier tape: it has another name than the one that grows, and never will again."""
        return attached.folder.named != self._sources.growing

    def _take_frames(self, attached: Attached, max_records: int) -> None:
        for frame in attached.reader.frames():
            if frame[0].kind == REFERENCE:
                for record in frame:
                    check_vocabulary(record)
            projection = self._projection(attached)
            self._note_segment(attached, projection)
            projection.frame(frame)
            if projection.taken >= max_records:
                return

    def _projection(self, attached: Attached) -> Projection:
        if attached.projection is None:
            books = restored(attached.folder.path, attached.place.seq)
            archive = ArchivedRows(attached.folder.path)

            def archived(record: Record) -> bytes:
                assert attached.reader.header is not None
                return archive.rows(attached.reader.header.first_seq, record.seq, record.count)

            attached.projection = Projection(books, attached.place, record_ticks=self._record_ticks, archived=archived)
        return attached.projection

    def _note_segment(self, attached: Attached, projection: Projection) -> None:
        header = attached.reader.header
        if header is not None and header.first_seq != attached.segment:
            attached.segment = header.first_seq
            name = attached.reader.position[0]
            row = (header.first_seq, name, header.created_ts_ns, header.previous_digest.hex())
            projection.add("segments", row)

    def _batch(self, attached: Attached) -> Batch:
        projection = self._projection(attached)
        if attached.lost:
            projection.add("divergences", (0, attached.place.ts_ns, "tail", attached.lost))
            attached.lost = ""
        while self._notes:
            note = self._notes.popleft()
            projection.add("divergences", (note.seq, note.ts_ns, note.source, note.text))
        return projection.batch()

    # ---- writing -------------------------------------------------------------------------------------------------
    def _write(self, database: SqliteDatabase | PostgresDatabase) -> int:
        attached, batch = self._attached, self._pending
        assert attached is not None
        assert batch is not None
        write(database, attached.journal_id, batch)
        attached.place, self._pending = batch.after, None
        return max(1, batch.records)

    def _drop_old(self, database: SqliteDatabase | PostgresDatabase) -> None:
        now = time.monotonic()
        if now < self._retention_due or self._attached is None or not any(self._keep_days.values()):
            return
        chunks = self.edition is not None and self.edition.startswith("timescaledb")
        place = self._attached.place
        drop_old(database, self._attached.journal_id, self._keep_days, place.ts_ns, chunks=chunks)
        self._retention_due = now + RETENTION_EVERY_S
