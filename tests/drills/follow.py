"""The drill `follow`: the follower, or the database server under it, is killed with kill -9 at a random moment and
started again; in the end SQL is the journal, row by row. Even parts use SQLite, odd ones a TimescaleDB of our own.
"""

import atexit
import functools
import random
import shutil
import signal
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from daemon.follower.address import Address, read_address
from daemon.follower.connect import connect
from daemon.follower.upgrade import upgrade
from tests.fakes import follow_process, record, trader
from tests.fakes.trader import Rig
from tests.servers.timescale import TimescaleServer, provision

EVENTS_PER_SECOND = 0.15
PAUSE_S_MAX = 0.05  # longer than any batch takes: the kill falls anywhere in one
DEADLINE_S = 120.0


@functools.lru_cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="quantd-follow-"))
    folder.chmod(0o755)  # the server's user must get in
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.lru_cache
def _journal() -> Path:
    """A day of a real trader, made once."""
    with pytest.MonkeyPatch.context() as patch:
        trader.install(patch)
        rig = Rig(_folder() / "recorded", events_per_second=EVENTS_PER_SECOND, halts_per_hour=0.5)
        rig.run()
    return rig.journal


@functools.lru_cache
def _server() -> TimescaleServer:
    server = TimescaleServer(provision(), _folder() / "server")
    server.start()
    atexit.register(server.kill)
    return server


def run_part(number: int) -> dict[str, Any]:
    """One kill, by the part's number."""
    chance = random.Random(number)
    victim = ("follower", "follower", "follower", "server")[number % 4]
    journal, address = _journal(), _new_database(number)
    batch = chance.randrange(200, 3_000)
    lines, pause_s = chance.randrange(6), chance.random() * PAUSE_S_MAX
    hit = _follow(journal, address, batch, victim, lines=lines, pause_s=pause_s)
    with closing(connect(address, timeout_s=300.0)) as database:
        wrong = record.differences(database, 1, journal)
        ((rows,),) = database.select("SELECT messages + market_rows FROM follower_position")
    _drop(address)
    return {
        "database": "sqlite" if address.is_sqlite else "timescale",
        "victim": victim,
        "batch": batch,
        "after_batches": lines,
        "hit": hit,
        "records": rows,
        "counts": {f"kills_of_{victim}": int(hit), "records": rows},
        "failures": [f"part {number}: {text}" for text in wrong],
    }


def _follow(journal: Path, address: Address, batch: int, victim: str, *, lines: int, pause_s: float) -> bool:
    """Follow to the end over one kill; whether it fell while the follower was at work."""
    with follow_process.start(journal, address.url, batch=batch) as process:
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        time.sleep(pause_s)
        hit = process.poll() is None
        if victim == "server":
            _server().kill()
            _server().start()
        else:
            process.send_signal(signal.SIGKILL)
        process.communicate(timeout=DEADLINE_S)
    if process.returncode != 0:
        with follow_process.start(journal, address.url, batch=batch) as again:
            again.communicate(timeout=DEADLINE_S)
        assert again.returncode == 0, "the follower did not get to the end"
    return hit


def _new_database(number: int) -> Address:
    if number % 2 == 0:
        address = read_address(f"sqlite:///{_folder()}/part-{number}.db")
    else:
        with psycopg.connect(_server().url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE part_{number}".encode())
        address = read_address(_server().url(f"part_{number}"))
    upgrade(address)
    return address


def _drop(address: Address) -> None:
    if address.is_sqlite:
        for path in address.path.parent.glob(f"{address.path.name}*"):
            path.unlink()
        return
    with psycopg.connect(_server().url(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {address.parts.database} WITH (FORCE)".encode())
