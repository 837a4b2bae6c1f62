"""The ops process's parts in the test's own loop: a view over a fake trader's real control socket, HTTP over TCP. Knows
no assertion.
"""

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable, MutableMapping
from pathlib import Path
from typing import Any

import structlog

from daemon.config import Config, load_config
from daemon.control.server import ControlServer
from daemon.ops.http.server import HttpPart
from daemon.ops.view import View
from tests.fakes.operations import FakeOperations
from tests.fakes.operators import an_authority
from tests.fakes.trader import write_config

DEADLINE_S = 60.0
LOOK_S = 0.01
TOKEN = "0123456789abcdef" * 4


class Answer:
    """One HTTP answer."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


class Ops:
    """A view, its HTTP part and what was logged."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.log: list[MutableMapping[str, Any]] = []
        self.view = View(config, look_s=LOOK_S)
        self.http = HttpPart(config, quiet_log(self.log))

    async def seen(self, good: Callable[[View], bool]) -> None:
        """Wait for a look that is as wanted."""
        async with asyncio.timeout(DEADLINE_S):
            while not good(self.view):
                await self.view.next_look()

    async def raw(self, content: bytes, *, context: ssl.SSLContext | None = None) -> bytes:
        """Everything that comes back for some bytes, until the server hangs up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.http.port, ssl=context)
        try:
            async with asyncio.timeout(DEADLINE_S):
                writer.write(content)
                return await reader.read()
        finally:
            writer.close()

    async def ask(self, path: str, *, token: str = "", method: str = "GET", more: str = "", **kept: Any) -> Answer:
        """One request on a connection of its own."""
        bearer = f"Authorization: Bearer {token}\r\n" if token else ""
        request = f"{method} {path} HTTP/1.1\r\nHost: ops\r\nConnection: close\r\n{bearer}{more}\r\n"
        return parse(await self.raw(request.encode("latin-1"), **kept))


def parse(content: bytes) -> Answer:
    """The answer in some bytes."""
    head, _, body = content.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Answer(int(first.split()[1]), {name.lower(): value for name, value in headers.items()}, body)


def quiet_log(into: list[MutableMapping[str, Any]]) -> structlog.typing.FilteringBoundLogger:
    """A logger that keeps what it is told."""

    def keep(_: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        into.append({"level": method} | dict(event))
        raise structlog.DropEvent

    made: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(structlog.ReturnLogger(), processors=[keep])
    return made


def ops_config(folder: Path, more: str = "", **tokens: str) -> Config:
    """A checked config with the ops process on any free port; a token for each name given."""
    names = {"console": TOKEN} | tokens
    for name, token in names.items():
        give_token(folder / f"{name}.token", token)
    listed = "".join(f'{name} = "{name}.token"\n' for name in names)
    table = f"[ops]\nenabled = true\nport = 0\n{more}\n[ops.tokens]\n{listed}"
    return load_config(write_config(folder, more=table))


def give_token(path: Path, token: str, mode: int = 0o600) -> Path:
    """A token's file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(token + "\n")
    path.chmod(mode)
    return path


@contextlib.asynccontextmanager
async def serving(config: Config) -> AsyncIterator[Ops]:
    """The parts, until the end of the context."""
    ops = Ops(config)
    async with ops.view:
        task = asyncio.create_task(ops.http.run(ops.view))
        try:
            async with asyncio.timeout(DEADLINE_S):
                await ops.http.listening.wait()
            await ops.seen(lambda view: view.looks > 0)
            yield ops
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@contextlib.asynccontextmanager
async def fake_trader(config: Config) -> AsyncIterator[FakeOperations]:
    """A control server with nothing behind it, in the same loop."""
    operations = FakeOperations()
    server = ControlServer(
        Path(config.control.socket), operations, an_authority(), symbols=("AAA", "CCC"), strategies=("reversion",)
    )
    await server.start()
    try:
        yield operations
    finally:
        await server.close()


@contextlib.contextmanager
def deaf_trader(config: Config) -> Any:
    """Somebody listens on the control socket and never answers."""
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(config.control.socket)
        bound.listen(8)
        yield bound
    Path(config.control.socket).unlink()
