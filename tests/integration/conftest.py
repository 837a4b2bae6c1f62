"""Databases for the tests of the record: a SQLite file, and a real TimescaleDB that runs as long as the session."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import psycopg
import pytest

from daemon.follower.address import Address, read_address
from daemon.follower.upgrade import upgrade
from tests.fakes import trader
from tests.fakes.trader import Rig
from tests.servers import mosquitto
from tests.servers.required import required
from tests.servers.timescale import URL_VARIABLE, TimescaleServer, provision

TEMPLATE = "record_template"
_numbers = count()


@pytest.fixture(scope="session")
def timescale_programs() -> Path:
    """Where the server's programs are. Missing is a failure on a build machine and a skip elsewhere."""
    return required(provision)


@pytest.fixture(scope="session")
def timescale(timescale_programs: Path) -> Iterator[TimescaleServer]:
    """A server of our own."""
    folder = Path(tempfile.mkdtemp(prefix="quantd-timescale-data-"))
    folder.chmod(0o755)  # the server's user must get in
    try:
        with TimescaleServer(timescale_programs, folder / "data") as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def timescale_url(request: pytest.FixtureRequest) -> str:
    """A server that runs: the one named in the environment, else our own."""
    named = os.environ.get(URL_VARIABLE)
    if named:
        return named
    server: TimescaleServer = request.getfixturevalue("timescale")
    return server.url()


@pytest.fixture(scope="session")
def new_timescale(timescale_url: str) -> Callable[[], Address]:
    """Makes a database with our tables: a copy of one that was upgraded once, which costs a tenth of an upgrade."""
    template = f"{TEMPLATE}_{os.getpid()}"
    with psycopg.connect(timescale_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {template}".encode())
    upgrade(read_address(_database_of(timescale_url, template)))
    with psycopg.connect(timescale_url, autocommit=True) as connection:
        # The extension's own workers would hold it open.
        connection.execute(f"ALTER DATABASE {template} WITH ALLOW_CONNECTIONS false".encode())
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (template,))

    def make() -> Address:
        name = f"record_{os.getpid()}_{next(_numbers)}"
        with psycopg.connect(timescale_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return read_address(_database_of(timescale_url, name))

    return make


def _database_of(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{name}"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty record in SQLite, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    upgrade(read_address(f"sqlite:///{path}"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture
def sqlite_address(sqlite_template: Path, tmp_path: Path) -> Address:
    """An empty record in SQLite."""
    shutil.copy(sqlite_template, tmp_path / "quantd.db")
    return read_address(f"sqlite:///{tmp_path}/quantd.db")


@pytest.fixture(params=["sqlite", "timescale"])
def address(request: pytest.FixtureRequest) -> Address:
    """An empty database of ours, of each kind."""
    if request.param == "sqlite":
        found: Address = request.getfixturevalue("sqlite_address")
        return found
    make: Callable[[], Address] = request.getfixturevalue("new_timescale")
    return make()


@pytest.fixture(scope="session")
def journal_rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """A day of a real trader: about 1,500 market rows, orders, fills, refusals, halts; several segments."""
    with pytest.MonkeyPatch.context() as patch:
        trader.install(patch)
        rig = Rig(tmp_path_factory.mktemp("recorded"), events_per_second=0.03, halts_per_hour=0.5, chase_s=20.0)
        rig.run()
    return rig


@pytest.fixture(scope="session")
def mosquitto_programs() -> Path:
    """Where the MQTT broker's programs are. Missing is a failure on a build machine and a skip elsewhere."""
    return required(mosquitto.provision)


@pytest.fixture(scope="session")
def mosquitto_server(
    mosquitto_programs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[mosquitto.MosquittoServer]:
    """A broker that lets anybody in, for all tests that leave it as it is."""
    with mosquitto.MosquittoServer(mosquitto_programs, tmp_path_factory.mktemp("mosquitto") / "broker") as server:
        yield server
