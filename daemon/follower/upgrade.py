"""`quantd db upgrade`: the schema to this release's revision, by Alembic, and the edition's own additions. Never run by
the follower itself: a database may serve several traders, and a person decides when it changes.
"""

from contextlib import closing
from pathlib import Path
from typing import Any, Final

import alembic.command
import msgspec
import sqlalchemy as sa
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from sqlalchemy.exc import SQLAlchemyError

import migrations
from core.errors import ConfigError
from daemon.follower.address import Address
from daemon.follower.connect import connect
from daemon.follower.database import REVISION, revision_of
from daemon.follower.edition import Edition, add_extension, apply, detect
from daemon.follower.fault import DatabaseFault
from daemon.follower.postgres import LOCK_CLASS, PostgresDatabase

UPGRADE_LOCK: Final = 0  # no journal has this number
TIMEOUT_S: Final = 3_600.0  # a migration of a large table takes its time


class Upgraded(msgspec.Struct, frozen=True, kw_only=True):
    """What an upgrade did."""

    before: str  # revision; empty = no tables
    after: str
    edition: Edition
    remark: str = ""  # why it is plain PostgreSQL, where that is so


def upgrade(address: Address) -> Upgraded:
    """Bring a database to this release. Raises ConfigError when it is newer, DatabaseFault when it fails."""
    with closing(connect(address, timeout_s=TIMEOUT_S)) as database:
        before = revision_of(database)
        if before and before not in _known():
            raise ConfigError(
                f"record.database: schema {before} is newer than {REVISION}, the newest this release knows: "
                "upgrade with the release that made it"
            )
        remark = ""
        edition: Edition = "sqlite"
        if isinstance(database, PostgresDatabase):
            if not database.select("SELECT pg_try_advisory_lock(?, ?)", (LOCK_CLASS, UPGRADE_LOCK))[0][0]:
                raise DatabaseFault("database: another upgrade is running: wait for it")
            with database.faults():
                remark = add_extension(database.connection)
        _migrate(address)
        if isinstance(database, PostgresDatabase):
            with database.faults():
                edition = detect(database.connection)
                apply(database.connection, edition)
        return Upgraded(before=before, after=revision_of(database), edition=edition, remark=remark)


def _known() -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def _config() -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _migrate(address: Address) -> None:
    engine = sa.create_engine(address.engine_url(), poolclass=sa.NullPool)
    if address.is_sqlite:
        # The driver would commit before each CREATE: a killed upgrade must leave the old schema or the new one.
        sa.event.listen(engine, "connect", _leave_transactions_to_us)
        sa.event.listen(engine, "begin", _begin)
    config = _config()
    try:
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, "head")
    except SQLAlchemyError as fault:
        reason = " ".join(str(getattr(fault, "orig", fault)).split())
        raise DatabaseFault(f"the upgrade failed and was rolled back: {reason}") from fault
    finally:
        engine.dispose()


def _leave_transactions_to_us(connection: Any, _record: Any) -> None:
    connection.isolation_level = None


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
