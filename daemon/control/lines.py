"""A unix socket that answers lines: who may talk, and how much. What a line means is for whoever derives from it.

No client can make it raise, hang or grow, block another client or the process: nothing here waits. When all connections
are taken the one that was silent longest makes room, so that an operator with a kill always gets in.
"""

import asyncio
import pwd
import socket
import struct
from pathlib import Path
from typing import Final, cast

from daemon.control import messages as m
from daemon.control.endpoint import bind_control, peer_is_trusted, remove_own_socket

CONNECTIONS_MAX: Final = 16
UNSENT_BYTES_MAX: Final = 256 * 1024  # a client that asks and does not read is cut off
REQUESTS_PER_SECOND_MAX: Final = 200  # by connection
LINGER_SECONDS: Final = 1.0

_PEER: Final = struct.Struct("3i")  # pid, uid, gid of SO_PEERCRED


class LineServer:
    """Serves one unix socket with mode 0600 to its owner and root. `malformed` counts what was no valid request."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.malformed = 0
        self.requests = 0
        self._connections: dict[_Connection, None] = {}  # silent longest first
        self._server: asyncio.AbstractServer | None = None
        self._socket: socket.socket | None = None
        self._inode = 0

    async def start(self) -> None:
        """Bind and listen. A dead daemon's socket is replaced; raises ConfigError when a live one answers."""
        self._socket, self._inode = bind_control(self.path)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Connection(self), sock=self._socket, backlog=16)

    async def close(self) -> None:
        """Stop listening, drop every client, remove the socket file if it is still ours."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.drop()
        self._connections.clear()
        remove_own_socket(self.path, self._inode)

    def admit(self, connection: "_Connection") -> None:
        """Take a new client in; the one silent longest makes room."""
        if len(self._connections) >= CONNECTIONS_MAX:
            oldest = next(iter(self._connections))
            self.forget(oldest)
            oldest.refuse(f"closed: {CONNECTIONS_MAX} clients are connected and this one was silent longest")
        self._connections[connection] = None

    def heard(self, connection: "_Connection") -> None:
        """A client said something: it goes to the end of the line."""
        if connection in self._connections:
            del self._connections[connection]
            self._connections[connection] = None

    def forget(self, connection: "_Connection") -> None:
        """A client is gone."""
        self._connections.pop(connection, None)

    def answer(self, line: bytes | bytearray, operator: str) -> bytes:
        """The reply line to one request line; never raises."""
        raise NotImplementedError


class _Connection(asyncio.Protocol):
    """One client: cuts its bytes into lines and answers each at once."""

    def __init__(self, server: LineServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._left = bytearray()
        self._operator = ""
        self._refused = False
        self._window_s = 0.0
        self._in_window = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Check who it is before a byte is read."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("socket")
        _pid, uid, _gid = _PEER.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        if not peer_is_trusted(uid):
            self._server.malformed += 1
            self.refuse("only the user who runs the trader, and root, may use this socket")
            return
        self._operator = _user_name(uid)
        self._server.admit(self)

    def data_received(self, data: bytes) -> None:
        """Answer every whole line; keep the rest, within bounds."""
        if self._transport is None or self._refused:
            return
        self._server.heard(self)
        *lines, rest = (self._left + data).split(b"\n")
        self._left = rest
        for line in lines:
            if not self._take(line):
                self._left = bytearray()
                return
        if len(rest) > m.LINE_BYTES_MAX:
            self._too_long()

    def _take(self, line: bytearray) -> bool:
        """Answer one line; False when the connection is closed by it."""
        if not line.strip():
            return True
        if len(line) > m.LINE_BYTES_MAX:
            return self._too_long()
        if self._too_fast():
            self._server.malformed += 1
            self.refuse(f"closed: more than {REQUESTS_PER_SECOND_MAX} requests in a second")
            return False
        transport = self._transport
        assert transport is not None, "data before connection_made"
        transport.write(self._server.answer(line, self._operator))
        if transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            self._server.malformed += 1
            self.drop()
            return False
        return True

    def _too_long(self) -> bool:
        self._server.malformed += 1
        self.refuse(f"closed: a line of more than {m.LINE_BYTES_MAX} bytes")
        return False

    def _too_fast(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        if now_s - self._window_s >= 1.0:
            self._window_s, self._in_window = now_s, 0
        self._in_window += 1
        return self._in_window > REQUESTS_PER_SECOND_MAX

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client; half a line is dropped with it."""
        self._server.forget(self)
        self._left.clear()

    def refuse(self, error: str) -> None:
        """Say why and end. Closing with bytes unread would reset the line before the client has read the reason, so
        what still comes is thrown away for a moment.
        """
        transport = self._transport
        if transport is None or transport.is_closing() or self._refused:
            return
        self._refused = True
        self._left.clear()
        transport.write(m.not_done(0, error, refused=False))
        transport.write_eof()
        asyncio.get_running_loop().call_later(LINGER_SECONDS, transport.abort)

    def drop(self) -> None:
        """Close without waiting for what it has not read."""
        if self._transport is not None:
            self._transport.abort()


def _user_name(uid: int) -> str:
    """The unix user behind a uid, for the journal."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
