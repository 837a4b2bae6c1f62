"""The follower end to end: a journal of the recorded days into SQL with every market row, and how far behind it stays
while a journal grows at 10,000 rows a second. SQLite always; TimescaleDB (or plain PostgreSQL) where
QUANTD_TEST_TIMESCALE names a server, in a database of its own that is dropped again.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import psycopg

from core.errors import ConfigError
from core.rows import QUOTE, ROW, ROW_BYTES
from daemon.bench.orders import quiet_collector
from daemon.bench.samples import Line, judged
from daemon.bench.tape import Tape, fill
from daemon.bench.world import opened
from daemon.follower.address import Address, read_address
from daemon.follower.sql_follower import SqlFollower
from daemon.follower.upgrade import upgrade
from daemon.journal import JournalWriter

SERVER: Final = "QUANTD_TEST_TIMESCALE"
EVENTS: Final = 500_000
LAG_ROWS_PER_S: Final = 10_000
LAG_SECONDS: Final = 10.0
BLOCK_ROWS: Final = 64
POLL_S: Final = 0.02


def follow(*, events: int = EVENTS, seconds: float = LAG_SECONDS) -> Iterator[Line]:
    """The lines `follow.<database>` and `follow.<database>.lag`."""
    with TemporaryDirectory() as name:
        tape = Tape(Path(name))
        with opened(tape.config, tape.tables, Path(name)) as world, quiet_collector():
            fill(world, tape, events)
            world.runner.flush()
        for label, address in _databases(Path(name) / "whole"):
            with address as one:
                yield _throughput(label, world.directory, one) | {"data": tape.source}
        for label, address in _databases(Path(name) / "lag"):
            with address as one, TemporaryDirectory() as folder:
                yield _lag(label, Path(folder) / "journal", one, seconds)


def _databases(folder: Path) -> Iterator[tuple[str, AbstractContextManager[Address]]]:
    yield "sqlite", _sqlite(folder)
    if os.environ.get(SERVER):
        yield "timescale", _server(os.environ[SERVER])


@contextmanager
def _sqlite(folder: Path) -> Iterator[Address]:
    folder.mkdir(parents=True, exist_ok=True)
    address = read_address(f"sqlite:///{folder}/quantd.db")
    upgrade(address)
    yield address
    for path in folder.iterdir():
        path.unlink()


@contextmanager
def _server(url: str) -> Iterator[Address]:
    database = f"quantd_bench_{os.getpid()}_{time.time_ns()}"
    address = read_address(f"{url.rpartition('/')[0]}/{database}")
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {database}".encode())
    except psycopg.Error as fault:
        reason = " ".join(str(fault).split())
        raise ConfigError(f"{SERVER}: {reason}; name a server where databases can be made") from fault
    try:
        upgrade(address)
        yield address
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {database} WITH (FORCE)".encode())


def _throughput(label: str, journal: Path, address: Address) -> Line:
    """From the first frame to the commit of the last row."""
    with closing(SqlFollower(journal, address, record_ticks=True)) as follower:
        began = time.perf_counter()
        records = 0
        while taken := follower.run_once():
            records += taken
        spent = time.perf_counter() - began
        place = follower.place
        edition = follower.edition
    line: Line = {
        "name": f"follow.{label}",
        "edition": edition,
        "market_rows": place.market_rows,
        "messages": place.messages,
        "s": round(spent, 2),
        "per_s": round(records / spent),
    }
    return judged(line, per_s=50_000)


def _lag(label: str, journal: Path, address: Address, seconds: float) -> Line:
    """The age of the oldest row of each batch when it was committed; a process of its own writes at a fixed rate."""
    command = [sys.executable, "-m", "daemon.bench.follow", str(journal), str(seconds)]
    lags: list[float] = []
    with subprocess.Popen(command) as writer, closing(SqlFollower(journal, address, record_ticks=True)) as follower:
        while True:
            ended = writer.poll() is not None
            before = follower.place.seq
            taken = follower.run_once()
            if taken:
                assert follower.database is not None
                ((first_ns,),) = follower.database.select("SELECT ts_ns FROM ticks WHERE seq = ?", (before + 1,))
                lags.append((time.time_ns() - first_ns) / 1e9)
            elif ended:
                break
            else:
                time.sleep(POLL_S)
        rows = follower.place.market_rows
    line: Line = {
        "name": f"follow.{label}.lag",
        "market_rows": rows,
        "batches": len(lags),
        "p50_lag_s": round(float(np.median(lags)), 3),
        "max_lag_s": round(max(lags), 3),
    }
    return judged(line, max_lag_s=1)


def write_rows(journal: Path, seconds: float, *, per_s: int = LAG_ROWS_PER_S) -> None:
    """A journal that grows by rows of this moment; one frame for each block, as the runner writes them."""
    rows = np.zeros(BLOCK_ROWS, ROW)
    rows["kind"] = QUOTE
    rows["bid_px_nanos"], rows["ask_px_nanos"] = 100 * 10**9, 100 * 10**9 + 10**7
    rows["bid_qty_nanos"] = rows["ask_qty_nanos"] = 100 * 10**9
    rows["inst"] = np.arange(BLOCK_ROWS) % 4
    flat = rows.data.cast("B")
    with closing(JournalWriter(journal, now_ns=time.time_ns(), reserve_bytes=0)) as writer:
        began, seq = time.monotonic(), 1
        while (now := time.monotonic() - began) < seconds:
            if seq > 1 + now * per_s:
                time.sleep(0.001)
                continue
            rows["ts_ns"] = rows["exchange_ts_ns"] = time.time_ns()
            writer.add_rows(seq, flat[: BLOCK_ROWS * ROW_BYTES], BLOCK_ROWS, int(rows["ts_ns"][0]))
            writer.commit()
            seq += BLOCK_ROWS


if __name__ == "__main__":
    write_rows(Path(sys.argv[1]), float(sys.argv[2]))
