"""Which database class an address means."""

from daemon.follower.address import Address
from daemon.follower.postgres import PostgresDatabase
from daemon.follower.sqlite import SqliteDatabase


def connect(address: Address, *, timeout_s: float) -> SqliteDatabase | PostgresDatabase:
    """A new connection. Raises DatabaseFault."""
    if address.is_sqlite:
        return SqliteDatabase(address.path, timeout_s=timeout_s)
    return PostgresDatabase(address, timeout_s=timeout_s)
