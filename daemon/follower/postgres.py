"""The record in PostgreSQL or TimescaleDB: binary COPY in, every statement with a time limit on both ends. Knows SQL
and its connection, no journal.
"""

import contextlib
import math
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
import psycopg.errors

from daemon.follower import copy_binary
from daemon.follower.address import Address
from daemon.follower.columns import Dialect
from daemon.follower.fault import DatabaseFault
from daemon.follower.market_bars import Array
from daemon.follower.schema import TICKS, RecordTable
from daemon.follower.statements import copy, merge, stage

LOCK_CLASS: Final = 0x71746466  # "qtdf": the first half of our advisory locks; the second is the journal
GRACE_S: Final = 2.0  # the server's own limit speaks first
WATCH_S: Final = 0.5  # between two looks at the time
POLL_S: Final = 0.05


class PostgresDatabase:
    """One connection to one server."""

    dialect: Dialect = "postgresql"

    def __init__(self, address: Address, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        parts = address.parts
        with self.faults():
            self.connection = psycopg.connect(
                host=parts.host,
                port=parts.port,
                user=parts.username,
                password=address.secret.reveal() or None,
                dbname=parts.database,
                connect_timeout=max(2, round(timeout_s)),
                application_name="quantd follow",
                autocommit=True,
                client_encoding="UTF8",
                **dict(parts.query),  # type: ignore[arg-type]  # connection options as in any PostgreSQL URL
            )
        self._limit_s = math.inf  # by the monotonic clock: when the statement at hand has had its time
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="statements", daemon=True).start()
        try:
            with self.faults(), self._limited():
                for name, value in (
                    ("statement_timeout", f"{round(timeout_s * 1000)}ms"),
                    ("lock_timeout", f"{round(timeout_s * 1000)}ms"),
                    ("synchronous_commit", "on"),
                    ("timezone", "UTC"),
                ):
                    self.connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        except BaseException:  # edge: no connection and no thread stay behind an error; always raised again
            self.close()
            raise

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Turns what the driver raises into DatabaseFault."""
        try:
            yield
        except (psycopg.Error, OSError) as fault:
            text = " ".join(str(fault).split())
            state = getattr(fault, "sqlstate", None)
            raise DatabaseFault(f"database: {text}{f' (SQLSTATE {state})' if state else ''}") from fault

    @contextmanager
    def _limited(self) -> Iterator[None]:
        """A server that stands still answers no time limit of its own: the socket is shut under the wait."""
        self._limit_s = time.monotonic() + self._timeout_s + GRACE_S
        try:
            yield
        finally:
            self._limit_s = math.inf

    def _watch(self) -> None:
        """In a thread that lives as long as the connection: one for each statement would be hundreds a second."""
        while not self._closed.wait(WATCH_S):
            if time.monotonic() > self._limit_s:
                self._shut()

    def _shut(self) -> None:
        with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=self.connection.fileno()) as wire:
            try:
                wire.shutdown(socket.SHUT_RDWR)
            finally:
                wire.detach()  # the descriptor is the driver's

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction; a connection that broke needs no rollback."""
        with self.faults():
            self._run("BEGIN")
            try:
                yield
                self._run("COMMIT")
            except BaseException:  # edge: nothing half-written stays; always raised again
                with contextlib.suppress(psycopg.Error, OSError):
                    if not self.connection.closed:
                        self._run("ROLLBACK")
                raise

    def _run(self, statement: str) -> None:
        with self._limited():
            self.connection.execute(statement.encode())

    def select(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self.faults(), self._limited():
            return self.connection.execute(_placed(statement), values).fetchall()

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> int:
        """Run one statement; the number of rows it touched."""
        with self.faults(), self._limited():
            return self.connection.execute(_placed(statement), values).rowcount

    def put(self, table: RecordTable, journal_id: int, rows: list[tuple[Any, ...]]) -> None:
        """COPY, straight into a table that only grows, else by way of a stage."""
        content = copy_binary.rows(table, journal_id, rows)
        with self.faults():
            if table.growth == "append":
                self._copy(copy(table.name, table), content)
                return
            self._run(stage(table))
            self._copy(copy(f"stage_{table.name}", table), content)
            self._run(merge(table))

    def put_ticks(self, journal_id: int, seqs: Array, rows: Array) -> None:
        """Write market rows."""
        with self.faults():
            self._copy(copy(TICKS.name, TICKS), copy_binary.ticks(journal_id, seqs, rows))

    def _copy(self, statement: str, content: bytes) -> None:
        with self._limited(), self.connection.cursor() as cursor, cursor.copy(statement.encode()) as stream:
            stream.write(content)

    def hold(self, journal_id: int) -> None:
        """A lock of this session. The server lets go of it when it notices that a connection has ended, so a follower
        that was killed may still seem to be there for a moment.
        """
        deadline = time.monotonic() + GRACE_S
        while not self.select("SELECT pg_try_advisory_lock(?, ?)", (LOCK_CLASS, journal_id))[0][0]:
            if time.monotonic() > deadline:
                raise DatabaseFault(f"database: another follower records journal {journal_id}: stop it first")
            time.sleep(POLL_S)

    def close(self) -> None:
        """Let go, of the lock first: the server would notice the end of the connection a moment later."""
        with contextlib.suppress(psycopg.Error, OSError), self._limited():
            self.connection.execute("SELECT pg_advisory_unlock_all()")
        self._closed.set()
        with contextlib.suppress(psycopg.Error, OSError):
            self.connection.close()


def _placed(statement: str) -> bytes:
    return statement.replace("?", "%s").encode()
