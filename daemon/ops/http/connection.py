"""One HTTP connection: uvicorn's, with a bound on how many there are and on how long each may take for one exchange.

The server we build on waits for ever for the rest of a request, and for a client that does not read its answer.
"""

import asyncio
from typing import Final, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from daemon.ops.http.answers import Refusal, every_header
from daemon.ops.http.counts import Counts

CONNECTIONS_MAX: Final = 128  # at once; one more is closed unheard
HEAD_BYTES_MAX: Final = 16 * 1024  # request line and headers
KEEP_ALIVE_S: Final = 5  # an idle connection is closed
EXCHANGE_S: Final = 15.0  # for a request to be there whole, and again for its answer to be read
_BAD: Final = Refusal(400, "this is no HTTP request", "send GET /readyz HTTP/1.1, with at most 16 KiB of headers")


class Connection(H11Protocol):
    """`counts` is set on the class the server makes for itself."""

    counts: Counts
    tls = False
    mark_s = 0.0  # when the exchange that goes on began, or the last one ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """One more, if there is room."""
        super().connection_made(cast(asyncio.Transport, transport))
        self.mark_s = self.loop.time()
        if len(self.connections) > CONNECTIONS_MAX:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Some bytes. Whatever they are, at worst this connection ends."""
        cycle = self.cycle
        try:
            super().data_received(data)
        except (h11.ProtocolError, UnicodeError):  # also while an answer is on its way, when no error can be sent
            self.counts.malformed += 1
            self.transport.abort()
            return
        if self.cycle is not cycle:
            self.mark_s = self.loop.time()

    def on_response_complete(self) -> None:
        """The clock begins anew for the next request."""
        self.mark_s = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """As our other errors look."""
        self.counts.malformed += 1
        response = _BAD.response()
        headers = [*response.raw_headers, *every_header(tls=self.tls), (b"connection", b"close")]
        for event in (
            h11.Response(status_code=response.status_code, headers=headers, reason=b"Bad Request"),
            h11.Data(data=bytes(response.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def overdue(self, now_s: float) -> bool:
        """Whether it takes too long: to ask, to be answered, to read, or to go."""
        return now_s - self.mark_s > EXCHANGE_S
