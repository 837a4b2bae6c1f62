"""`python -m daemon.health ROLE [URL]`: whether one process of ours lives, for a container's health check; state folder
from $QUANTD_STATE. Exit 0 and a line, or 1 and what is wrong.

Alive means that its own loop turns: never whether the broker, the database or a network is there, for a restart mends
none of them. Roles: trader (answers on its socket); follower, guard and ship (have written their picture within a
minute); ops (answers its /livez at URL; without one only that anything answers there). Imports nothing heavy.
"""

import os
import sys
import time
from pathlib import Path
from typing import Final

SILENT_SECONDS_MAX: Final = 60.0  # they write once a second, but a database may hold the follower for ten
ANSWER_SECONDS_MAX: Final = 5.0
ROLES: Final = ("trader", "follower", "guard", "ship", "ops")


def main(arguments: list[str]) -> int:
    """Ask, tell, return the exit code."""
    if not arguments or arguments[0] not in ROLES or len(arguments) != 1 + (arguments[0] == "ops"):
        print("usage: python -m daemon.health trader|follower|guard|ship, or ops URL", file=sys.stderr)
        return 2
    fault = _ops(arguments[1]) if arguments[0] == "ops" else _fault(arguments[0])
    print(f"{arguments[0]}: {fault or 'alive'}")
    return 1 if fault else 0


def _fault(role: str) -> str:
    from daemon.state_dir import state_directory

    directory = state_directory(None)
    return _trader(directory.socket_in_use()) if role == "trader" else _silence(role, directory.path)


def _trader(socket: Path) -> str:
    from daemon.control.client import is_alive

    return "" if is_alive(socket, timeout_s=ANSWER_SECONDS_MAX) else f"no answer on {socket}"


def _silence(role: str, directory: Path) -> str:
    """Of a process that reports in a file."""
    from daemon.status.follower import read_picture
    from daemon.status.guard import read_guard
    from daemon.status.ship import read_ship

    picture = {"follower": read_picture, "guard": read_guard, "ship": read_ship}[role](directory)
    if picture is None:
        return f"has written nothing to {directory}"
    silent_s = time.time() - picture.wall_ns / 1e9
    return f"no word for {silent_s:.0f} s" if silent_s > SILENT_SECONDS_MAX else ""


def _ops(url: str) -> str:
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None:
        return f"{url}: not a URL of the form http://127.0.0.1:PORT/livez"
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=ANSWER_SECONDS_MAX)
    try:
        connection.request("GET", parts.path or "/livez")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as fault:
        return f"{url}: {fault or type(fault).__name__}"
    finally:
        connection.close()
    return "" if status == 200 else f"{url} answers {status}"


if __name__ == "__main__":
    os.environ.setdefault("QUANTD_STATE", "state")
    sys.exit(main(sys.argv[1:]))
