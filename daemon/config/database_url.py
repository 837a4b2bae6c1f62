"""What a database URL must look like before anything connects to it. Reads no secret and imports no driver: the trader
loads this too. Never repeats the URL it refuses, because there may be a password in it.
"""

from typing import Final
from urllib.parse import SplitResult, parse_qs, urlsplit

SCHEMES: Final = ("sqlite", "postgresql", "postgresql+psycopg")
SQLITE_PREFIX: Final = "sqlite:///"  # what follows is the path; an absolute one begins with a fourth stroke


def url_problem(url: str) -> tuple[str, str] | None:
    """What is wrong with a URL, and the remedy; None = nothing."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is no database URL", "write postgresql://user@host:5432/name or sqlite:///quantd.db"
    if parts.scheme not in SCHEMES:
        return "is no URL of a supported database", "write postgresql://user@host:5432/name or sqlite:///quantd.db"
    if holds_password(parts):
        return "holds a password", "take it out and name record.password_variable or record.password_file"
    if parts.scheme == "sqlite":
        path = url.removeprefix(SQLITE_PREFIX)
        if path == url or path in ("", ":memory:") or parts.query:
            return "names no file", "write sqlite:///quantd.db or sqlite:////absolute/path.db"
    elif not parts.path.strip("/") or port == 0:
        return "names no database", "write postgresql://user@host:5432/name"
    return None


def holds_password(parts: SplitResult) -> bool:
    """Whether a secret stands in the user's part or among the options."""
    return parts.password is not None or any("pass" in name.lower() for name in parse_qs(parts.query, True))
