"""One TCP connection: the handshake, frames in, frames out, and what `part.Client` promises. Knows no request but
startApi; who may connect and what a request means is the server's matter.

Nothing is sent between the hello and startApi: ibapi drops bytes that ride in the same read as the hello.
"""

import asyncio
import re
from typing import TYPE_CHECKING, Final, cast

from broker.gateway.edge import CUT
from broker.gateway.held import Held
from broker.gateway.part import Field
from broker.gateway.versions import ADVANCED_REJECT, agreed
from broker.gateway.wire import FrameReader, Malformed, escape, frame_of

if TYPE_CHECKING:
    from broker.gateway.server import GatewayServer

PREAMBLE: Final = b"API\0"
HELLO_BYTES_MAX: Final = 512  # versions and connect options
START_BYTES_MAX: Final = 65_536  # held of a stranger, who has not sent startApi
LINGER_SECONDS: Final = 1.0  # for a client that is told why before it is cut off
ERROR: Final = 4

HELLO, AWAITS_START, STARTED, IGNORED, CLOSED = range(5)  # stages

_VERSIONS: Final = re.compile(rb"v(\d{1,5})(?:\.\.(\d{1,5}))?(?: (.*))?", re.DOTALL)


class Connection(asyncio.Protocol):
    """A client from its first byte on; after startApi it is a `part.Client`. `send` is an append: the server writes
    everything at the end of its turn.
    """

    def __init__(self, server: "GatewayServer", port: int) -> None:
        self.port = port
        self.number = 0
        self.client_id = -1
        self.version = 0
        self.capabilities = ""
        self.connect_options = ""
        self.stage = HELLO
        self.peer = ""
        self.out: list[bytes] = []
        self.start_deadline: asyncio.TimerHandle | None = None
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._hello = bytearray()
        self._frames = FrameReader()
        self._held_out = Held(self._write_piece, self._overflow)
        self._held_in = Held(self._take_late, self._overflow)

    # ---- part.Client -------------------------------------------------------------------------------------------
    def send(self, *fields: Field) -> None:
        """One message, at the end of the turn."""
        self.out.append(frame_of(*fields))

    def send_frame(self, frame: bytes, /) -> None:
        """One complete frame, at the end of the turn."""
        self.out.append(frame)

    def error(self, req_id: int, code: int, text: str, reject_json: str = "") -> None:
        """Message 4 in this client's version."""
        if self.version >= ADVANCED_REJECT:
            self.send(ERROR, 2, req_id, code, escape(text), escape(reject_json))
        else:
            self.send(ERROR, 2, req_id, code, escape(text))

    # ---- in ----------------------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody connected."""
        self._transport = cast(asyncio.Transport, transport)
        self.peer = str(transport.get_extra_info("peername"))
        self._server.admit(self)

    def data_received(self, data: bytes) -> None:
        """Whole frames go to the server, in order."""
        if self.stage >= IGNORED:
            return
        if self.stage == HELLO:
            data = self._take_hello(data)
            if not data:
                return
        try:
            frames = self._frames.feed(data)
        except Malformed as fault:
            self._server.cut(self, str(fault))
            return
        if frames:
            self._server.received(self, frames)
        if self.stage == AWAITS_START and self._frames.held > START_BYTES_MAX:
            self._server.cut(self, f"more than {START_BYTES_MAX} bytes and no startApi")

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, whoever ended it."""
        self.stage = CLOSED
        self._expect_nothing()
        self.out.clear()
        self._held_out.clear()
        self._held_in.clear()
        self._server.gone(self)

    def take_later(self, delay_ns: int, payload: bytes) -> None:
        """A message of this client that a fault holds back."""
        self._held_in.put(self._server.clock.wall_s(delay_ns), payload)

    def _take_late(self, payload: bytes) -> None:
        self._server.received_late(self, payload)

    def _overflow(self, reason: str) -> None:
        self._server.cut(self, reason)

    def _take_hello(self, data: bytes) -> bytes:
        """Bytes until the hello is whole; returns what came after it."""
        hello = self._hello
        hello += data
        if not PREAMBLE.startswith(hello[:4]):
            self._server.cut(self, "no API preamble: a client older than 2013, or none")
            return b""
        if len(hello) < 8:
            return b""
        length = int.from_bytes(hello[4:8], "big")
        if length > HELLO_BYTES_MAX:
            self._server.cut(self, f"a hello of {length} bytes: at most {HELLO_BYTES_MAX}")
            return b""
        if len(hello) < 8 + length:
            return b""
        self._answer_hello(bytes(hello[8 : 8 + length]))
        rest = bytes(hello[8 + length :])
        hello.clear()
        return rest if self.stage == AWAITS_START else b""

    def _answer_hello(self, offer: bytes) -> None:
        found = _VERSIONS.fullmatch(offer.rstrip(b"\0"))
        if found is None:
            self._server.cut(self, f"no versions in the hello: {offer[:40]!r}")
            return
        oldest, newest, options = found.groups()
        self.version = agreed(int(oldest), int(newest or oldest))
        if not self.version:
            self._server.cut(self, f"its versions {offer[:40]!r} are not served")
            return
        self.connect_options = (options or b"").decode(errors="replace")
        self.stage = AWAITS_START
        self.write(frame_of(self.version, self._server.hello_time()))

    # ---- out ---------------------------------------------------------------------------------------------------
    def flush(self) -> None:
        """Write what was sent in this turn, at once."""
        out = self.out
        if not out:
            return
        faults = self._server.faults
        if faults is None:
            self.write(out[0] if len(out) == 1 else b"".join(out))
            out.clear()
            return
        frames = out[:]
        out.clear()
        for frame in frames:
            verdict = faults.outbound(self, frame)
            if verdict is None:
                self.write(frame)
                continue
            for delay_ns, piece in verdict:
                if delay_ns <= 0:
                    self._write_piece(piece)
                else:
                    self._held_out.put(self._server.clock.wall_s(delay_ns), piece)

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket. A client that reads too slowly is cut off, as TWS does it: others never wait."""
        transport = self._transport
        if transport is None or self.stage == CLOSED or transport.is_closing():
            return
        transport.write(data)
        unsent = transport.get_write_buffer_size()
        if unsent > self._server.limits.unsent_bytes_max:
            self._server.cut(self, f"it reads too slowly: {unsent} bytes unsent")

    @property
    def unsent_bytes(self) -> int:
        """What the socket has not taken yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def _write_piece(self, piece: bytes) -> None:
        if piece == CUT:
            self._server.cut(self, "a fault ends it here", told=True)
        else:
            self.write(piece)

    # ---- end ---------------------------------------------------------------------------------------------------
    def pause_reading(self, paused: bool) -> None:
        """Stop or go on reading from the socket: the client's own buffers fill up, and then it waits."""
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.pause_reading() if paused else transport.resume_reading()

    def started(self) -> None:
        """Its session begins."""
        self.stage = STARTED
        self._expect_nothing()

    def _expect_nothing(self) -> None:
        if self.start_deadline is not None:
            self.start_deadline.cancel()
            self.start_deadline = None

    @property
    def is_read(self) -> bool:
        """Whether its socket is read at present."""
        return self._transport is not None and self._transport.is_reading()

    def end(self, reason: str) -> None:
        """Cut this client off once it has received what was sent so far."""
        self.flush()
        self._server.cut(self, reason, told=True)

    def close(self, *, told: bool) -> None:
        """End the connection; `told`: after what was written so far has reached the client."""
        transport = self._transport
        self.stage = CLOSED
        self.out.clear()
        if transport is None or transport.is_closing():
            return
        if told:
            transport.close()
            asyncio.get_running_loop().call_later(LINGER_SECONDS, transport.abort)
        else:
            transport.abort()
