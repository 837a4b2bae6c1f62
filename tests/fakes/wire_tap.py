"""Stands between clients and a gateway and writes down what clients say, with the machine's time: whole frames, by the
client id of their connection. Where it is asked to, also the gateway's tick-by-tick rows. Changes nothing and loses
nothing. Two threads a connection, so that a client that does not read holds up nobody else; knows no assertion.
"""

import contextlib
import socket
import struct
import threading
from array import array
from typing import Final, NamedTuple, Protocol

from broker.gateway.wire import FrameReader
from daemon.lease import boottime_ns

START_API: Final = b"71"
TICK_BY_TICK: Final = b"99\0"
READ_BYTES: Final = 1 << 16
_LENGTH: Final = struct.Struct(">I")


class Said(NamedTuple):
    """One frame of a client."""

    ts_ns: int  # CLOCK_BOOTTIME, at its arrival here
    client_id: int
    fields: list[bytes]


class Taker(Protocol):
    """Whoever looks at one direction of a connection."""

    def take(self, content: bytes) -> None:
        """The next bytes."""


class Ticks:
    """The tick-by-tick rows that went to clients, each with the machine's time, in the order they came."""

    def __init__(self) -> None:
        self.times_ns = array("q")
        self.frames: list[bytes] = []
        self.connections = 0

    def begin(self) -> "TickNotes":
        """A new connection."""
        self.connections += 1
        return TickNotes(self)


class TickNotes:
    """Rows out of one gateway's stream."""

    def __init__(self, ticks: Ticks) -> None:
        self._ticks = ticks
        self._reader = FrameReader()

    def take(self, content: bytes) -> None:
        """The next bytes."""
        ts_ns = boottime_ns()
        for frame in self._reader.feed(content):
            if frame.startswith(TICK_BY_TICK):
                self._ticks.times_ns.append(ts_ns)
                self._ticks.frames.append(bytes(frame))


class WireTap:
    """Use as a context; `port` is where clients call."""

    def __init__(self, ticks: Ticks | None = None) -> None:
        self.said: list[Said] = []
        self._ticks = ticks
        self.behind = 0  # the gateway's port; set before the first call
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> "WireTap":
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for side in self._sockets:
            _hang_up(side)
        for thread in self._threads:
            thread.join(5.0)

    def of(self, client_id: int, *kinds: bytes) -> list[Said]:
        """What one client has said, of some kinds of message."""
        return [one for one in list(self.said) if one.client_id == client_id and one.fields[0] in kinds]

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                gateway = socket.create_connection(("127.0.0.1", self.behind), timeout=5.0)
            except OSError:
                client.close()
                continue
            gateway.settimeout(None)
            self._sockets += [client, gateway]
            back = None if self._ticks is None else self._ticks.begin()
            for source, target, notes in ((client, gateway, Notes(self.said)), (gateway, client, back)):
                thread = threading.Thread(target=_pass_on, args=(source, target, notes))
                self._threads.append(thread)
                thread.start()


class Notes:
    """Frames out of one client's stream."""

    def __init__(self, said: list[Said]) -> None:
        self._said = said
        self._client_id = -1
        self._held = b""
        self._greeted = False

    def take(self, content: bytes) -> None:
        """The next bytes."""
        ts_ns = boottime_ns()
        self._held += content
        if not self._greeted:
            if len(self._held) < 8:
                return
            self._greeted, self._held = True, self._held[8 + _LENGTH.unpack(self._held[4:8])[0] :]
        while len(self._held) >= 4:
            end = 4 + _LENGTH.unpack(self._held[:4])[0]
            if len(self._held) < end:
                return
            fields = self._held[4:end].split(b"\0")
            self._held = self._held[end:]
            if fields[0] == START_API:
                self._client_id = int(fields[2])
            self._said.append(Said(ts_ns, self._client_id, fields))


def _pass_on(source: socket.socket, target: socket.socket, notes: Taker | None) -> None:
    with contextlib.suppress(OSError):
        while content := source.recv(READ_BYTES):
            if notes is not None:
                notes.take(content)
            target.sendall(content)
    _hang_up(target)
    _hang_up(source)


def _hang_up(side: socket.socket) -> None:
    with contextlib.suppress(OSError):
        side.shutdown(socket.SHUT_RDWR)
    side.close()
