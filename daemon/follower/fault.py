"""The one error of everything that can happen to a database."""

from core.errors import QuantdError


class DatabaseFault(QuantdError):
    """The database is away, full, slow, locked or not ours to write. Nothing is lost: its records are taken again."""
