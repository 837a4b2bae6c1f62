"""Where the record goes: the database's URL, with its password apart. The password is never part of a text of ours."""

import os
from pathlib import Path
from typing import Final

import msgspec
import sqlalchemy as sa

from core.errors import ConfigError
from daemon.config.database_url import url_problem
from daemon.config.schema import RecordSettings

FIELD: Final = "record.database"


class Secret:
    """A password that shows itself to nobody by accident."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Secret(***)" if self._value else "Secret()"

    def reveal(self) -> str:
        """For the connection alone."""
        return self._value


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A database that can be connected to."""

    url: str  # without the password
    secret: Secret = Secret("")

    @property
    def parts(self) -> sa.URL:
        """Taken apart."""
        return sa.make_url(self.url)

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of ours, and no server."""
        return self.parts.get_backend_name() == "sqlite"

    @property
    def path(self) -> Path:
        """SQLite's file."""
        return Path(self.parts.database or "")

    def engine_url(self) -> sa.URL:
        """For SQLAlchemy; its text hides the password."""
        if self.is_sqlite:
            return self.parts
        return self.parts.set(drivername="postgresql+psycopg", password=self.secret.reveal() or None)


def read_address(url: str, *, password_variable: str = "", password_file: str = "") -> Address:
    """The address with its password from the environment or a file. Raises ConfigError."""
    problem = url_problem(url)
    if problem is not None:
        raise ConfigError(f"{FIELD}: {'; '.join(problem)}")
    secret = ""
    if password_variable:
        secret = os.environ.get(password_variable, "")
        if not secret:
            raise ConfigError(f"record.password_variable: {password_variable} is not set: export it")
    elif password_file:
        try:
            secret = Path(password_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as fault:
            raise ConfigError(f"record.password_file: {password_file} cannot be read: {fault}") from fault
        if not secret:
            raise ConfigError(f"record.password_file: {password_file} is empty: write the password into it")
    return Address(url=url, secret=Secret(secret))


def address_of(record: RecordSettings) -> Address:
    """As `[record]` says. Raises ConfigError."""
    return read_address(record.database, password_variable=record.password_variable, password_file=record.password_file)
