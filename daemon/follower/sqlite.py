"""The record in a SQLite file: write-ahead log, every commit on the device. Knows SQL and its file, no journal."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import Any, Final

from daemon.follower.columns import Dialect
from daemon.follower.fault import DatabaseFault
from daemon.follower.market_bars import Array
from daemon.follower.schema import TICKS, RecordTable
from daemon.follower.statements import insert

_TICK_COLUMNS: Final = ("ts_ns", "exchange_ts_ns", "inst", "kind", "flags", "bid_px_nanos", "ask_px_nanos",
                        "bid_qty_nanos", "ask_qty_nanos")  # fmt: skip


class SqliteDatabase:
    """One connection to one file; makes the file when there is none."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: Path, *, timeout_s: float) -> None:
        self._path = path
        self._lock_fd = -1
        self._inserts: dict[str, str] = {}
        with self.faults():
            path.parent.mkdir(parents=True, exist_ok=True)
            # One thread at a time uses it, not always the one that made it.
            self.connection = sqlite3.connect(path, timeout=timeout_s, isolation_level=None, check_same_thread=False)
            self.connection.execute("PRAGMA journal_mode = WAL")
            self.connection.execute("PRAGMA synchronous = FULL")

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Turns what the driver raises into DatabaseFault."""
        try:
            yield
        except (sqlite3.Error, OSError) as fault:
            raise DatabaseFault(f"{self._path.name}: {fault}") from fault

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Takes the write lock at once: what is read inside stays true until the commit."""
        with self.faults():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:  # edge: nothing half-written stays; always raised again
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def select(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self.faults():
            return self.connection.execute(statement, values).fetchall()

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> int:
        """Run one statement; the number of rows it touched."""
        with self.faults():
            return self.connection.execute(statement, values).rowcount

    def put(self, table: RecordTable, journal_id: int, rows: list[tuple[Any, ...]]) -> None:
        """Write rows of a table, as its growth says."""
        with self.faults():
            self.connection.executemany(self._insert(table), [(journal_id, *row) for row in rows])

    def put_ticks(self, journal_id: int, seqs: Array, rows: Array) -> None:
        """Write market rows."""
        columns = [rows[name].tolist() for name in _TICK_COLUMNS]
        with self.faults():
            self.connection.executemany(
                self._insert(TICKS), zip(repeat(journal_id, len(rows)), seqs.tolist(), *columns, strict=True)
            )

    def _insert(self, table: RecordTable) -> str:
        if table.name not in self._inserts:
            self._inserts[table.name] = insert(table)
        return self._inserts[table.name]

    def hold(self, journal_id: int) -> None:
        """A lock file beside the database: the kernel lets go of it when we die."""
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
        path = self._path.with_name(f"{self._path.name}.journal-{journal_id}.lock")
        with self.faults():
            self._lock_fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            holder = os.read(self._lock_fd, 20).decode("ascii", "replace").strip()
            raise DatabaseFault(
                f"{self._path.name}: another follower (pid {holder}) records journal {journal_id}: stop it first"
            ) from fault
        os.ftruncate(self._lock_fd, 0)
        os.pwrite(self._lock_fd, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Let go."""
        self.connection.close()
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1
