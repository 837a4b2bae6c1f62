"""The HTTP server as a part of the ops process: one address, connections with bounds, an orderly end."""

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Any, Final

import structlog
import uvicorn
from starlette.routing import Route
from uvicorn.server import ServerState

from core.errors import ConfigError, QuantdError
from daemon.config import Config
from daemon.config.ops import OpsSettings
from daemon.ops.http.app import build_app
from daemon.ops.http.books import Books
from daemon.ops.http.connection import HEAD_BYTES_MAX, KEEP_ALIVE_S, Connection
from daemon.ops.http.counts import Counts
from daemon.ops.http.gate import Gate
from daemon.ops.http.tokens import Tokens, read_token, read_tokens
from daemon.ops.view import View

METRICS_FIELD: Final = "ops.metrics_token_file"
HANDSHAKE_S: Final = 5.0  # of TLS
BACKLOG: Final = 1_024  # of the kernel: a burst beyond it waits for its retransmissions
SWEEP_S: Final = 1.0  # connections that take too long are looked for this often
LEAVE_S: Final = 2.0  # for answers on their way, at the end


class HttpPart:
    """Listens until it is cancelled. Tokens and certificates are read at its making."""

    name = "http"

    def __init__(self, config: Config, log: structlog.typing.FilteringBoundLogger) -> None:
        ops = config.ops
        self._settings = ops
        self._log = log
        self._ssl = _ssl_context(ops)
        self._tokens = read_tokens(ops.tokens, "ops.tokens")
        self._metrics_tokens = Tokens(
            {"metrics": read_token(Path(ops.metrics_token_file), METRICS_FIELD)} if ops.metrics_token_file else {}
        )
        self.counts = Counts()
        self.port = 0  # the bound one
        self.listening = asyncio.Event()
        # The library logs each malformed request: they are counted instead, for anybody can send a million.
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)

    async def run(self, view: View) -> None:
        """Serve. Raises QuantdError when the address cannot be had."""
        books = Books(view.state)
        app = build_app(view, books)
        self.counts.know(route.path for route in app.routes if isinstance(route, Route))
        view.served = self.counts
        gate = Gate(
            app, self._log, tokens=self._tokens, metrics_tokens=self._metrics_tokens,
            per_minute=self._settings.requests_per_minute, tls=self._ssl is not None,
        )  # fmt: skip
        gate.counts = self.counts
        settings = uvicorn.Config(
            gate, interface="asgi3", log_config=None, access_log=False, ws="none", lifespan="off", proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S, h11_max_incomplete_event_size=HEAD_BYTES_MAX,
        )  # fmt: skip
        settings.load()
        state = ServerState()
        kind = type("_Connection", (Connection,), {"counts": self.counts, "tls": self._ssl is not None})
        server = await self._listen(lambda: kind(settings, state, {}))
        try:
            while True:
                await asyncio.sleep(SWEEP_S)
                _sweep(state)
        finally:
            self.listening.clear()
            server.close()
            await _leave(state)
            books.close()

    async def _listen(self, made: Any) -> asyncio.Server:
        host, port = self._settings.host.strip("[]"), self._settings.port
        try:
            server = await asyncio.get_running_loop().create_server(
                made, host, port, ssl=self._ssl, backlog=BACKLOG,
                ssl_handshake_timeout=HANDSHAKE_S if self._ssl else None,
            )  # fmt: skip
        except OSError as fault:
            raise QuantdError(
                f"{host}:{port}: {fault.strerror or fault}: choose another ops.host or ops.port"
            ) from fault
        self.port = server.sockets[0].getsockname()[1]
        self._log.info("http", host=host, port=self.port, tls=self._ssl is not None, api=bool(self._tokens))
        self.listening.set()
        return server


def _ssl_context(ops: OpsSettings) -> ssl.SSLContext | None:
    if not ops.certificate_file:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(ops.certificate_file, ops.key_file)
    except (OSError, ssl.SSLError) as fault:
        pair = f"{ops.certificate_file} with {ops.key_file}"
        raise ConfigError(f"ops.certificate_file: {pair}: {fault}: give a PEM pair that belongs together") from fault
    return context


def _sweep(state: ServerState) -> None:
    now_s = asyncio.get_running_loop().time()
    for connection in list(state.connections):
        if isinstance(connection, Connection) and connection.overdue(now_s):
            connection.transport.abort()


async def _leave(state: ServerState) -> None:
    """Answers on their way are finished, within bounds."""
    for connection in list(state.connections):
        connection.shutdown()
    if state.tasks:
        await asyncio.wait(state.tasks, timeout=LEAVE_S)
    for connection in list(state.connections):
        if isinstance(connection, Connection):
            connection.transport.abort()
    for task in list(state.tasks):
        task.cancel()
