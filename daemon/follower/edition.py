"""What kind of database it is, and what only TimescaleDB gives: hypertables in every edition, compression and
continuous aggregates in the community edition. Where an edition lacks one, a plain view of the same name stands in.

Every statement may be run again: an interrupted upgrade, or one to another edition, goes on where it has to.
"""

from typing import Final, Literal

import psycopg
import psycopg.errors

from daemon.follower.schema import TABLES

Edition = Literal["sqlite", "postgresql", "timescaledb-apache", "timescaledb-community"]

COMPRESSED: Final = {  # table: (segment by, order by, after)
    "ticks": ("journal_id, inst", "ts, seq", "7 days"),
    "records": ("journal_id", "ts, seq", "30 days"),
    "order_events": ("journal_id", "ts, seq, order_id", "90 days"),
}
_EQUITY_PLAIN: Final = """
    SELECT journal_id, date_bin('1 hour', ts, '2000-01-01Z') AS bucket,
        (array_agg(equity ORDER BY ts, seq))[1] AS first,
        max(equity) AS highest, min(equity) AS lowest, (array_agg(equity ORDER BY ts DESC, seq DESC))[1] AS last,
        count(*) AS marks
    FROM equity GROUP BY 1, 2"""
_EQUITY_CONTINUOUS: Final = """
    SELECT journal_id, time_bucket(INTERVAL '1 hour', ts) AS bucket, first(equity, ts) AS first,
        max(equity) AS highest, min(equity) AS lowest, last(equity, ts) AS last, count(*) AS marks
    FROM equity GROUP BY 1, 2"""


def detect(connection: psycopg.Connection[tuple[object, ...]]) -> Edition:
    """By the extension and its licence setting; never by catching an error: the same one means several things."""
    if connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'").fetchone() is None:
        return "postgresql"
    row = connection.execute("SELECT current_setting('timescaledb.license', true)").fetchone()
    return "timescaledb-community" if row is not None and row[0] == "timescale" else "timescaledb-apache"


def add_extension(connection: psycopg.Connection[tuple[object, ...]]) -> str:
    """Make the extension where the server has it ready; returns why it was left alone, "" = it is there.

    The library must be preloaded: asking for the extension without that would kill the connection.
    """
    if connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'").fetchone() is not None:
        return ""
    if connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'").fetchone() is None:
        return "the server has no timescaledb"
    loaded = connection.execute("SHOW shared_preload_libraries").fetchone()
    if loaded is None or "timescaledb" not in str(loaded[0]):
        return "timescaledb is installed but not in shared_preload_libraries"
    try:
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    except psycopg.errors.InsufficientPrivilege:
        return "this user may not CREATE EXTENSION timescaledb: let an owner of the database do it"
    return ""


def apply(connection: psycopg.Connection[tuple[object, ...]], edition: Edition) -> None:
    """Bring the tables to what the edition can do. `connection` commits each statement by itself."""
    if edition.startswith("timescaledb"):
        for table in TABLES:
            if table.chunk_days:
                connection.execute(
                    f"SELECT create_hypertable('{table.name}', by_range('ts', INTERVAL '{table.chunk_days} days'), "
                    "if_not_exists => true, migrate_data => true)".encode()
                )
    if edition == "timescaledb-community":
        _compress(connection)
    _equity_by_hour(connection, continuous=edition == "timescaledb-community")


def _compress(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    for table, (segment, order, after) in COMPRESSED.items():
        done = connection.execute(
            "SELECT compression_enabled FROM timescaledb_information.hypertables WHERE hypertable_name = %s", (table,)
        ).fetchone()
        if done is None or not done[0]:
            connection.execute(
                f"ALTER TABLE {table} SET (timescaledb.compress, timescaledb.compress_segmentby = '{segment}', "
                f"timescaledb.compress_orderby = '{order}')".encode()
            )
        connection.execute(
            f"SELECT add_compression_policy('{table}', INTERVAL '{after}', if_not_exists => true)".encode()
        )


def _equity_by_hour(connection: psycopg.Connection[tuple[object, ...]], *, continuous: bool) -> None:
    """Equity by the hour: a continuous aggregate that also shows what is not materialised yet, or a plain view."""
    if not continuous:
        connection.execute(f"CREATE OR REPLACE VIEW equity_1h AS {_EQUITY_PLAIN}".encode())
        return
    made = connection.execute(
        "SELECT 1 FROM timescaledb_information.continuous_aggregates WHERE view_name = 'equity_1h'"
    ).fetchone()
    if made is None:
        connection.execute("DROP VIEW IF EXISTS equity_1h")
        connection.execute(
            "CREATE MATERIALIZED VIEW equity_1h "
            "WITH (timescaledb.continuous, timescaledb.materialized_only = false) "
            f"AS {_EQUITY_CONTINUOUS} WITH NO DATA".encode()
        )
    connection.execute(
        "SELECT add_continuous_aggregate_policy('equity_1h', start_offset => INTERVAL '7 days', "
        "end_offset => INTERVAL '1 hour', schedule_interval => INTERVAL '1 hour', if_not_exists => true)"
    )
