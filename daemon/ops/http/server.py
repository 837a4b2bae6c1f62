"""The HTTP server as a part of the ops process: uvicorn on one address."""

import asyncio
import contextlib
from collections.abc import Iterator

import structlog
import uvicorn

from daemon.config import Config
from daemon.ops.http.app import build_app
from daemon.ops.view import View


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the process's."""
        yield


class HttpPart:
    """Listens until it is cancelled. `port` is the bound one."""

    name = "http"

    def __init__(self, config: Config, log: structlog.typing.FilteringBoundLogger) -> None:
        self._settings = config.ops
        self._log = log
        self.port = 0

    async def run(self, view: View) -> None:
        """Serve."""
        settings = uvicorn.Config(
            build_app(view), host=self._settings.host, port=self._settings.port, log_config=None, access_log=False,
            http="h11", ws="none", lifespan="off", server_header=False,
        )  # fmt: skip
        server = _Server(settings)
        serving = asyncio.create_task(server.serve())
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await serving
