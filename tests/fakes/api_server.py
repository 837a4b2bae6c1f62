"""The API server of a cluster over HTTP or HTTPS, as far as leases go: real sockets, versions of objects, a token that
changes, and faults on request. Knows no assertion.
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from tests.fakes.leases import Leases

PREFIX = "/apis/coordination.k8s.io/v1/namespaces/"


class ApiServer:
    """Serves `leases`. `fault` is asked before and after each request is done; "" = none."""

    def __init__(self, leases: Leases, token: str) -> None:
        self.leases = leases
        self.token = token
        self.requests: list[tuple[str, str, int]] = []  # method, path, status
        self.fault = ""  # "500" | "hang" before | "lost" after it was done | "garbage" | "cut" | "huge"
        self.port = 0
        self.released = asyncio.Event()  # whoever hangs may end
        self.done = asyncio.Event()  # set with each request
        self.lines: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.lines[writer] = asyncio.current_task()
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            while await self._one(reader, writer):
                pass
        del self.lines[writer]
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split()
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        content = await reader.readexactly(int(headers.get("content-length", 0)))
        fault = self.fault
        if fault == "hang":
            await self.released.wait()
            return False
        status, body = self._answer(method, path, headers, content, fault)
        self.requests.append((method, path, status))
        self.done.set()
        self.done = asyncio.Event()
        if fault == "lost":
            return False
        packed = b"<html>" if fault == "garbage" else json.dumps(body).encode()
        packed = packed + b" " * 400_000 if fault == "huge" else packed
        length = len(packed) + (50 if fault == "cut" else 0)
        writer.write(
            b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, length)
        )
        writer.write(packed)
        await writer.drain()
        return fault != "cut"

    def _answer(
        self, method: str, path: str, headers: dict[str, str], content: bytes, fault: str
    ) -> tuple[int, dict[str, Any]]:
        if fault == "500":
            return 500, {"message": "etcdserver: request timed out"}
        if headers.get("authorization") != f"bearer {self.token}":
            return 401, {"kind": "Status", "message": "Unauthorized", "code": 401}
        namespace, _, name = path.removeprefix(PREFIX).partition("/leases")
        body = json.loads(content) if content else None
        name = name.removeprefix("/") or (body or {}).get("metadata", {}).get("name", "")
        return self.leases.at(method, f"{namespace}/{name}", body)

    async def until(self, good: Callable[[], bool]) -> None:
        """Wait until something holds after a request."""
        while not good():
            await self.done.wait()


@contextlib.asynccontextmanager
async def api_server(
    leases: Leases, token: str, *, certificate: tuple[Path, Path] | None = None, port: int = 0
) -> AsyncIterator[ApiServer]:
    """Listening on a port of its own."""
    made = ApiServer(leases, token)
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    server = await asyncio.start_server(made.serve, "127.0.0.1", port, ssl=context)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        tasks = [task for task in made.lines.values() if task is not None]
        for line in list(made.lines):
            line.transport.abort()
        made.released.set()
        await asyncio.gather(*tasks, return_exceptions=True)
