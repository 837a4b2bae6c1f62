"""Where lines of the log go: a stream, the journal of systemd (systemd.journal-fields(7), its native protocol), or a
terminal. Owns descriptors and priorities; knows nothing of who speaks. A reader that is slow or gone raises or is
waited for here, never where somebody speaks.
"""

import contextlib
import errno
import os
import re
import select
import socket
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, TextIO

from daemon.log.line import encoded

JOURNAL_SOCKET: Final = Path("/run/systemd/journal/socket")
PIPE_BYTES: Final = 4_096  # PIPE_BUF: a pipe that can be written to has room for so many (pipe(7))
POLL_MS: Final = 200
FIELDS_MAX: Final = 48
NAME_MAX: Final = 64  # of a field's name in the journal
PRIORITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}  # syslog(3), as sd-daemon(3)
_NAME: Final = re.compile(r"[^A-Z0-9_]")
_SKIPPED: Final = frozenset({"timestamp", "level"})  # the journal has its own


class Out(Protocol):
    """One way out."""

    def write(self, fields: Mapping[str, Any]) -> None:
        """One line. Raises OSError when it is lost."""
        ...


def is_journal(fd: int) -> bool:
    """Whether systemd connected this descriptor to its journal: JOURNAL_STREAM is "device:inode" (systemd.exec(5))."""
    named = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(fd)
    except OSError:
        return False
    return (named[0], named[2]) == (str(found.st_dev), str(found.st_ino))


class StreamOut:
    """A descriptor, a whole line at a time; `<N>` before it for a reader that takes priorities that way."""

    def __init__(self, fd: int, *, priorities: bool, given_up: Callable[[], bool]) -> None:
        self._fd = fd
        self._priorities = priorities
        self._given_up = given_up

    def write(self, fields: Mapping[str, Any]) -> None:
        """Waits for the reader until given up."""
        prefix = b"<%d>" % PRIORITIES.get(fields["level"], 5) if self._priorities else b""
        write_whole(self._fd, prefix + encoded(fields) + b"\n", given_up=self._given_up)


class JournalOut:
    """The journal's own socket, with fields to search by; what it does not take goes to the stream instead."""

    def __init__(self, path: Path, process: str, otherwise: Out) -> None:
        self._path = str(path)
        self._identifier = f"quantd-{process}"
        self._otherwise = otherwise
        self._socket: socket.socket | None = None

    def write(self, fields: Mapping[str, Any]) -> None:
        """One datagram, tried on a new socket when the journal was started again."""
        datagram = journal_datagram(fields, self._identifier)
        try:
            self._send(datagram)
        except OSError:
            self._otherwise.write(fields)

    def close(self) -> None:
        """No more."""
        if self._socket is not None:
            self._socket.close()

    def _send(self, datagram: bytes) -> None:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.settimeout(POLL_MS / 1000)
        self._socket.sendto(datagram, self._path)


def journal_datagram(fields: Mapping[str, Any], identifier: str) -> bytes:
    """MESSAGE is the line as everywhere else; beside it its fields, each under QUANTD_ and its name."""
    head = {
        "PRIORITY": str(PRIORITIES.get(fields["level"], 5)),
        "SYSLOG_IDENTIFIER": identifier,
        "MESSAGE": encoded(fields).decode(),
    }
    for key, value in list(fields.items())[:FIELDS_MAX]:
        if key not in _SKIPPED and isinstance(value, (str, int, float)):
            head[f"QUANTD_{_NAME.sub('_', key.upper())}"[:NAME_MAX]] = str(value)
    return b"".join(_field(name, value.encode("utf-8", "backslashreplace")) for name, value in head.items())


def _field(name: str, value: bytes) -> bytes:
    """A value with a newline goes with its length, 64 bits little-endian."""
    if b"\n" in value:
        return b"%s\n%s%s\n" % (name.encode(), struct.pack("<Q", len(value)), value)
    return b"%s=%s\n" % (name.encode(), value)


class FileOut:
    """A Python file: a terminal or a test's, as lines for people or as JSON."""

    def __init__(self, file: TextIO, *, terminal: bool) -> None:
        self._file = file
        self._render: Any = None
        if terminal:
            import structlog.dev

            self._render = structlog.dev.ConsoleRenderer(colors=False)

    def write(self, fields: Mapping[str, Any]) -> None:
        """On a terminal a progress line makes room."""
        if self._render is None:
            self._file.write(encoded(fields).decode() + "\n")
        else:
            self._file.write(f"\r\x1b[K{self._render(None, '', dict(fields))}\n")
        self._file.flush()


def write_whole(fd: int, line: bytes, *, given_up: Callable[[], bool]) -> None:
    """All of it, in pieces a pipe has room for, so that no write ever blocks. Raises OSError when it is given up."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    rest = memoryview(line)
    while rest:
        if not poll.poll(0 if given_up() else POLL_MS):
            if given_up():
                raise OSError(errno.ETIMEDOUT, "nobody reads")
            continue
        with contextlib.suppress(BlockingIOError):
            rest = rest[os.write(fd, rest[:PIPE_BYTES]) :]


def say(text: str, *, fd: int = 2, seconds: float = 1.0) -> None:
    """Plain last words of a process, on a stream nobody may be reading: after so long they are lost, and it goes on."""
    end_s = time.monotonic() + seconds
    prefix = "<3>" if fd == 2 and is_journal(fd) else ""
    line = "".join(f"{prefix}{one}\n" for one in text.splitlines())
    with contextlib.suppress(OSError):
        write_whole(fd, line.encode("utf-8", "backslashreplace"), given_up=lambda: time.monotonic() >= end_s)
