"""The schema: what the migrations make is what the code writes to, in each dialect; and `quantd db`."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.errors import ConfigError
from daemon import cli
from daemon.config import load_config
from daemon.config.database_url import url_problem
from daemon.config.load import resolved_json
from daemon.follower import edition
from daemon.follower.address import Address, read_address
from daemon.follower.connect import connect
from daemon.follower.database import REVISION
from daemon.follower.fault import DatabaseFault
from daemon.follower.schema import TABLES
from daemon.follower.sql_follower import SqlFollower
from daemon.follower.upgrade import upgrade
from migrations.freeze import statements
from tests.fakes.trader import Rig, write_config

VERSIONS = Path(__file__).resolve().parents[2] / "migrations" / "versions"
SHAPE = {
    "sqlite": (
        'SELECT m.name, c.cid, c.name, c.type, c."notnull", c.pk FROM sqlite_master m, pragma_table_info(m.name) c '
        "WHERE m.type = 'table' AND m.name <> 'alembic_version' ORDER BY 1, 2",
        "SELECT name, sql FROM sqlite_master WHERE type IN ('view', 'index') AND sql IS NOT NULL ORDER BY 1",
    ),
    "postgresql": (
        "SELECT table_name, ordinal_position, column_name, data_type, numeric_precision, numeric_scale, is_nullable, "
        "column_default FROM information_schema.columns WHERE table_schema = 'public' "
        "AND table_name NOT IN ('alembic_version', 'equity_1h') ORDER BY 1, 2",
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version' "
        "UNION SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' AND viewname <> 'equity_1h' "
        "ORDER BY 1",
    ),
}


def test_the_newest_revision_ends_where_the_code_stands(sqlite_address: Address, tmp_path: Path) -> None:
    """A database that went through every revision is one that the code would make today."""
    fresh = tmp_path / "fresh.db"
    with closing(sqlite3.connect(fresh)) as connection:
        connection.executescript(";\n".join(statements("sqlite")))
    with (
        closing(connect(sqlite_address, timeout_s=10.0)) as upgraded,
        closing(sqlite3.connect(fresh)) as made,
    ):
        for question in SHAPE["sqlite"]:
            assert [tuple(row) for row in upgraded.select(question)] == made.execute(question).fetchall()


@pytest.mark.slow
def test_on_a_server_too(timescale_url: str) -> None:
    """The same on PostgreSQL."""
    found = []
    for name in ("schema_upgraded", "schema_fresh"):
        with psycopg.connect(timescale_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        address = read_address(f"{timescale_url.rpartition('/')[0]}/{name}")
        if name == "schema_upgraded":
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("daemon.follower.upgrade.add_extension", lambda _: "none")
                upgrade(address)
        with closing(connect(address, timeout_s=10.0)) as database:
            if name == "schema_fresh":
                for statement in statements("postgresql"):
                    database.execute(statement)
            found.append([database.select(question) for question in SHAPE["postgresql"]])
    assert found[0] == found[1]


def test_a_record_of_the_first_release_keeps_its_rows(tmp_path: Path) -> None:
    """What stood in `parents` before it had the new columns is there, with nothing in them; the view shows it."""
    address = read_address(f"sqlite:///{tmp_path}/old.db")
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        connection.executescript((VERSIONS / "r0001_record_sqlite.sql").read_text(encoding="utf-8"))
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        connection.execute("INSERT INTO alembic_version VALUES ('0001')")
        places = ", ".join("?" for _ in range(24))
        old = (1, 7, "alpha", 0, "AAA", 1, 100 * 10**9, "twap", 1, 2, 3, 0, 5, 1, 0, "DONE", 0, "", 6, 7, 8, 9, 0, "x")
        connection.execute(f"INSERT INTO parents VALUES ({places})", old)
        connection.commit()
    with pytest.raises(ConfigError, match="older"), closing(SqlFollower(tmp_path, address)) as follower:
        follower.run_once()
    done = upgrade(address)
    assert (done.before, done.after) == ("0001", REVISION)
    with closing(connect(address, timeout_s=10.0)) as database:
        assert database.select("SELECT parent_id, algo, why, slice_no, expected_cost FROM parents") == [
            (7, "twap", "", -1, 0)
        ]
        assert database.select("SELECT qty, expected_risk FROM parents_decimal") == [("100.000000000", "0.000000000")]


@pytest.mark.slow
def test_a_killed_upgrade_of_sqlite_leaves_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One transaction: the driver would commit before each CREATE if it were left to."""
    address = read_address(f"sqlite:///{tmp_path}/x.db")
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "CREATE TABLE a (b INTEGER);\nCREATE TABLE wrong (;\n")
    with pytest.raises(DatabaseFault, match="rolled back"):
        upgrade(address)
    monkeypatch.undo()
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    assert upgrade(address).after == REVISION


@pytest.mark.slow
def test_timescale_has_hypertables_and_a_plain_view_where_there_is_no_aggregate(
    new_timescale: Callable[[], Address],
) -> None:
    """The Apache edition: detected by its setting, chunks as wide as the schema says, upgraded twice without harm."""
    address = new_timescale()
    assert upgrade(address).edition == "timescaledb-apache"
    with closing(connect(address, timeout_s=10.0)) as database:
        found = database.select(
            "SELECT hypertable_name, extract(epoch FROM time_interval)::int / 86400 "
            "FROM timescaledb_information.dimensions"
        )
        assert sorted(found) == sorted((table.name, table.chunk_days) for table in TABLES if table.chunk_days)
        assert database.select("SELECT count(*) FROM equity_1h") == [(0,)]


@pytest.mark.slow
def test_a_server_without_the_extension_is_plain_postgresql(timescale_url: str, journal_rig: Rig) -> None:
    """The same schema without hypertables takes the same record; later the extension takes the tables over."""
    with psycopg.connect(timescale_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE plain_record")
    address = read_address(f"{timescale_url.rpartition('/')[0]}/plain_record")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("daemon.follower.upgrade.add_extension", lambda _: "the server has no timescaledb")
        done = upgrade(address)
    assert (done.edition, done.remark) == ("postgresql", "the server has no timescaledb")
    counts = []
    for _ in range(2):
        with closing(SqlFollower(journal_rig.journal, address, record_ticks=True)) as follower:
            while follower.run_once():
                pass
        with closing(connect(address, timeout_s=10.0)) as database:
            counts.append(database.select("SELECT (SELECT count(*) FROM ticks), (SELECT sum(marks) FROM equity_1h)"))
        assert upgrade(address).edition == "timescaledb-apache"
    assert counts[0] == counts[1]
    assert counts[0][0][0] > 1_000


class Statements:
    """Stands for a connection of the community edition, which no test machine has: keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def execute(self, statement: Any, values: Any = ()) -> "Statements":
        """Remember."""
        self.asked.append(statement.decode() if isinstance(statement, bytes) else statement)
        return self

    def fetchone(self) -> None:
        """Nothing is there yet."""


def test_the_community_edition_gets_compression_and_a_continuous_aggregate() -> None:
    """Policies are asked for with if_not_exists; the aggregate is made without data."""
    connection: Any = Statements()
    edition.apply(connection, "timescaledb-community")
    asked = "\n".join(connection.asked)
    assert asked.count("create_hypertable") == sum(1 for table in TABLES if table.chunk_days)
    assert asked.count("add_compression_policy") == len(edition.COMPRESSED)
    assert "timescaledb.continuous" in asked
    assert "WITH NO DATA" in asked
    assert asked.count("if_not_exists => true") == len(connection.asked) - asked.count("ALTER TABLE") - asked.count(
        "FROM timescaledb_information"
    ) - asked.count("DROP VIEW") - asked.count("CREATE MATERIALIZED VIEW")


@pytest.mark.slow
def test_sqlite_shows_amounts_as_decimals_that_are_exact(sqlite_address: Address, journal_rig: Rig) -> None:
    """`<table>_decimal` against the whole nanos in the table, for every amount there is."""
    with closing(SqlFollower(journal_rig.journal, sqlite_address)) as follower:
        while follower.run_once():
            pass
    with closing(connect(sqlite_address, timeout_s=10.0)) as database:
        shown = 0
        for table in TABLES:
            for field in table.fields:
                if field.kind == "nanos":
                    query = f"SELECT t.{field.name}, d.{field.name} FROM {table.name} t JOIN {table.name}_decimal d"
                    using = ", ".join(("journal_id", *table.key))
                    for nanos, text in database.select(f"{query} USING ({using}) LIMIT 50"):
                        assert nanos is None if text is None else Decimal(text) == Decimal(nanos).scaleb(-9)
                        shown += text is not None
        assert shown > 500
        assert database.select("SELECT count(*) FROM trades WHERE commission IS NULL") == [(0,)]


# ---- config and secrets ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("postgresql://u:hunter2@h/d", "password"),
        ("postgresql://u@h/d?password=hunter2", "password"),
        ("postgresql://u@h/d?passfile=/hunter2", "password"),
        ("mysql://h/hunter2", "supported"),
        ("postgresql://u@h", "no database"),
        ("postgresql://u@h:port/hunter2", "URL"),
        ("sqlite://", "no file"),
        ("sqlite:///:memory:", "no file"),
        ("hunter2", "supported"),
    ],
)
def test_a_url_that_will_not_do_is_refused_without_being_repeated(url: str, wrong: str) -> None:
    """It may hold a secret, so the error never does."""
    problem = url_problem(url)
    assert problem is not None
    assert wrong in problem[0]
    assert "hunter2" not in " ".join(problem)
    with pytest.raises(ConfigError, match=r"record\.database") as caught:
        read_address(url)
    assert "hunter2" not in str(caught.value)


def test_the_password_comes_from_outside_and_is_shown_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By variable or file; not in the resolved config, nor in a repr or an error."""
    path = write_config(tmp_path)
    (tmp_path / "secret").write_text("hunter2\n")
    settings = '\n[record]\ndatabase = "postgresql://q@127.0.0.1:1/record"\npassword_file = "secret"\n'
    path.write_text(path.read_text() + settings)
    config = load_config(path)
    assert "hunter2" not in resolved_json(config)
    assert config.record.password_file == str(tmp_path / "secret")
    address = read_address(config.record.database, password_file=config.record.password_file)
    assert address.secret.reveal() == "hunter2"
    assert "hunter2" not in f"{address!r} {address.engine_url()}"
    with pytest.raises(DatabaseFault) as caught:
        connect(address, timeout_s=2.0)
    assert "hunter2" not in str(caught.value)
    monkeypatch.setenv("RECORD_PASSWORD", "hunter2")
    assert read_address("postgresql://h/d", password_variable="RECORD_PASSWORD").secret.reveal() == "hunter2"
    for options in ({"password_variable": "NOT_SET"}, {"password_file": str(tmp_path / "none")}):
        with pytest.raises(ConfigError, match=r"record\.password_"):
            read_address("postgresql://h/d", **options)


def test_paths_and_variables_of_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing given: in the state directory. A file is relative to the config. A variable must be set."""
    path = write_config(tmp_path)
    text = path.read_text()
    assert load_config(path).record.database == f"sqlite:///{tmp_path}/quantd.db"
    monkeypatch.setenv("HOST", "db.example")
    for given, found in (
        ("sqlite:///books/q.db", f"sqlite:///{tmp_path}/books/q.db"),
        ("postgresql://$HOST/d", "postgresql://db.example/d"),
    ):
        path.write_text(f'{text}\n[record]\ndatabase = "{given}"\n')
        assert load_config(path).record.database == found
    path.write_text(
        f'{text}\n[record]\ndatabase = "postgresql://$NOT_SET/d"\npassword_variable = "A"\npassword_file = "b"\n'
    )
    with pytest.raises(ConfigError, match=r"NOT_SET is not set(.|\n)*record\.password_file: is set beside"):
        load_config(path)


# ---- quantd db ---------------------------------------------------------------------------------------------------
def quantd(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    code = cli.main(arguments)
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.mark.slow
def test_db_upgrade_and_status(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, journal_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From no file to a database that is behind, then level with, its journal; a look makes no file."""
    config = str(journal_rig.config_path)
    text = journal_rig.config_path.read_text()
    database = tmp_path / "q.db"
    journal_rig.config_path.write_text(f'{text}\n[record]\ndatabase = "sqlite:///{database}"\n')
    try:
        code, out, _ = quantd(capsys, "db", "status", "-c", config)
        assert (code, database.exists()) == (1, False)
        assert "NOT usable" in out
        assert "quantd db upgrade" in out
        code, out, _ = quantd(capsys, "db", "upgrade", "-c", config, "--json")
        assert (code, json.loads(out)["after"]) == (0, REVISION)
        with closing(SqlFollower(journal_rig.journal, f"sqlite:///{database}")) as follower:
            follower.run_once(1_000)
            lag = json.loads(quantd(capsys, "db", "status", "-c", config, "--json")[1])["lag"]
            assert lag["records"] == lag["journal_seq"] - follower.position[1] > 0
            assert lag["seconds"] > 0
            while follower.run_once():
                pass
        code, out, _ = quantd(capsys, "db", "status", "-c", config)
        assert code == 0
        assert "behind the journal by 0 records, 0.000 s" in out
        assert "journal 1 DU0000001 du1 of" in out
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
            connection.commit()
        assert quantd(capsys, "db", "status", "-c", config)[0] == 1
        code, _, err = quantd(capsys, "db", "upgrade", "-c", config)
        assert code == 2
        assert "9999 is newer" in err
    finally:
        journal_rig.config_path.write_text(text)


def test_a_database_that_is_away_is_one_line_and_a_failure(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Exit code 1, no traceback."""
    path = write_config(tmp_path)
    path.write_text(path.read_text() + '\n[record]\ndatabase = "postgresql://q@127.0.0.1:1/record"\n')
    for command in ("status", "upgrade"):
        code, _, err = quantd(capsys, "db", command, "-c", str(path))
        assert code == 1
        assert err.startswith("quantd: database: ")
        assert err.count("\n") == 1
