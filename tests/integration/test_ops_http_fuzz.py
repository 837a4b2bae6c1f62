"""Ten thousand pieces of nonsense on the HTTP port, and clients that never finish: no crash, no hang, no growth."""

import asyncio
import contextlib
import functools
import random
import resource
from pathlib import Path
from typing import cast

import pytest
import uvloop

from daemon.ops.http import connection, server
from tests.fakes.ops import DEADLINE_S, TOKEN, Ops, fake_trader, ops_config, serving

INPUTS = 10_000
AT_ONCE = 100
LEFT_OPEN = 0.02  # part of the clients that do not say that they are done
SEED = 20_261_128
GROWN_KIB_MAX = 32 * 1024
GOOD = b"GET /livez HTTP/1.1\r\nHost: ops\r\n\r\n"
MALFORMED = (400, 401, 403, 404, 405, 413, 414, 429, 503, 200)  # what may come back; never 500
PATHS = (
    b"/livez", b"/readyz", b"/metrics", b"/api/v1/status", b"/api/v1/fills?limit=-1", b"//api//v1//status", b"/%00",
    b"/api/v1/../../etc/passwd", b"/%2e%2e/%2e%2e/etc/passwd", b"/api/v1/why-not?symbol=%ff%fe", b"*", b"http://x/livez",
    b"/api/v1/orders?all=" + b"1" * 400, b"/\xff\xfe", b"/livez?" + b"a=b&" * 100, b"/" + b"a/" * 200, b"",
)  # fmt: skip
METHODS = (b"GET", b"HEAD", b"POST", b"OPTIONS", b"CONNECT", b"TRACE", b"get", b"G\x00T", b"A" * 300, b"")
VERSIONS = (b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.9", b"HTTP/", b"ICY", b"")
HEADERS = (
    b"Host: a", b"Host: a\r\nHost: b", b"Content-Length: -1", b"Content-Length: 99999999999999999999",
    b"Content-Length: 5\r\nContent-Length: 6", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 3", b"Authorization: Bearer", b"Authorization: Bearer \xff\xfe",
    b"Authorization: Bearer " + b"x" * 5_000, b"Expect: 100-continue", b"Connection: upgrade\r\nUpgrade: websocket",
    b"Upgrade: h2c\r\nConnection: Upgrade", b"X: " + b"y" * 20_000, b"X" * 300 + b": 1", b": empty", b"no colon",
    b" folded", b"X: a\r\n b", b"Range: bytes=0-", b"X: \x00", b"Cookie: " + b"=" * 1_000, b"Connection: keep-alive",
)  # fmt: skip
BODIES = (b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffff\r\n", b"\x00" * 2_000)
OTHERS = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\r\n" * 50, b"\n", b"\x00",
    b"SSH-2.0-x\r\n", b"{}\n", b"\x80\x01\x00\x02", b"GET", b"GET /", b"GET /livez HTTP/1.1\r\n", b"A" * 40_000,
)  # fmt: skip


def nonsense(chance: random.Random) -> bytes:
    """One input: parts of requests put together wrongly, other protocols, noise, and good requests cut or bitten."""
    kind = chance.random()
    if kind < 0.15:
        return chance.choice(OTHERS)
    if kind < 0.25:
        return chance.randbytes(chance.randrange(1, 400))
    line = b" ".join((chance.choice(METHODS), chance.choice(PATHS), chance.choice(VERSIONS)))
    headers = b"\r\n".join(chance.sample(HEADERS, chance.randrange(4)))
    made = line + b"\r\n" + headers + b"\r\n\r\n" + chance.choice(BODIES)
    if kind < 0.45:
        made = made[: chance.randrange(1, len(made) + 1)]
    elif kind < 0.6:
        at = chance.randrange(len(made))
        made = made[:at] + bytes([chance.randrange(256)]) + made[at + 1 :]
    elif kind < 0.7:
        made = GOOD * chance.randrange(1, 4) + made
    return made


class Client(asyncio.Protocol):
    """Sends its bytes, keeps the head of what comes, and is done when the line is closed."""

    def __init__(self, content: bytes, *, done: bool) -> None:
        self.content = content
        self.done = done
        self.head = b""
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say all of it."""
        line = cast(asyncio.Transport, transport)
        line.write(self.content)
        if self.done:
            line.write_eof()

    def data_received(self, data: bytes) -> None:
        """As much as tells what it is."""
        self.head += data[: 64 - len(self.head)]

    def connection_lost(self, exc: Exception | None) -> None:
        """However it ended."""
        if not self.closed.done():
            self.closed.set_result(None)


async def send_all(port: int, inputs: list[tuple[bytes, bool]]) -> None:
    """One after the other, each to its end."""
    loop = asyncio.get_running_loop()
    for content, done in inputs:
        async with asyncio.timeout(DEADLINE_S):
            _, client = await loop.create_connection(functools.partial(Client, content, done=done), "127.0.0.1", port)
            await client.closed
        assert not client.head or int(client.head.split()[1]) in MALFORMED, f"seed {SEED}: {content[:200]!r}"


@pytest.mark.slow
def test_nonsense_is_answered_or_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each input ends with an error or a closed line; memory is bounded, the process answers all the while."""
    monkeypatch.setattr(connection, "EXCHANGE_S", 0.2)
    monkeypatch.setattr(server, "KEEP_ALIVE_S", 0)
    monkeypatch.setattr(server, "SWEEP_S", 0.05)
    uvloop.run(much_nonsense(tmp_path))  # as the process itself does


async def much_nonsense(folder: Path) -> None:
    """All of it, through one server."""
    chance = random.Random(SEED)
    inputs = [(nonsense(chance), chance.random() > LEFT_OPEN) for _ in range(INPUTS)]
    async with fake_trader(config := ops_config(folder)), serving(config) as ops:
        await send_all_at_once(ops.http.port, inputs[: INPUTS // 5])
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await send_all_at_once(ops.http.port, inputs[INPUTS // 5 :])
        good = await ops.ask("/api/v1/ping", token=TOKEN)
        assert good.status == 200
        assert ops.http.counts.malformed > INPUTS // 10
        assert not [line for line in ops.log if line["event"] == "request failed"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < GROWN_KIB_MAX


async def send_all_at_once(port: int, inputs: list[tuple[bytes, bool]]) -> None:
    """Many clients side by side."""
    async with asyncio.TaskGroup() as tasks:
        for at in range(AT_ONCE):
            tasks.create_task(send_all(port, inputs[at::AT_ONCE]))


async def test_who_never_finishes_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A header a moment for ever, a request line without an end, an answer that is not read, a line left open: each is
    closed after a while, and others are served meanwhile.
    """
    monkeypatch.setattr(connection, "EXCHANGE_S", 0.2)
    monkeypatch.setattr(server, "SWEEP_S", 0.02)
    async with serving(ops_config(tmp_path)) as ops:
        lines = [await asyncio.open_connection("127.0.0.1", ops.http.port) for _ in range(4)]
        async with asyncio.timeout(DEADLINE_S):
            drip = asyncio.create_task(dripping(*lines[0]))
            lines[1][1].write(b"GET /livez")
            lines[2][1].write(GOOD * 20)
            served = [(await ops.ask("/livez")).status for _ in range(3)]
            assert await lines[1][0].read() == b""
            assert (await lines[2][0].read()).count(b"HTTP/1.1 200") == 20
            assert await lines[3][0].read() == b""
            await drip
        for _, writer in lines:
            writer.close()
    assert served == [200, 200, 200]


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A header every few milliseconds, until the server has had enough."""
    writer.write(b"GET /livez HTTP/1.1\r\n")
    with contextlib.suppress(ConnectionError):
        while not reader.at_eof():
            writer.write(b"X: y\r\n")
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.005)


async def test_more_connections_than_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is closed unheard; when one ends there is room again."""
    monkeypatch.setattr(connection, "CONNECTIONS_MAX", 3)
    async with serving(ops_config(tmp_path)) as ops:
        held = [await asyncio.open_connection("127.0.0.1", ops.http.port) for _ in range(3)]
        for reader, writer in held:
            writer.write(GOOD)
            await reader.readuntil(b"\r\n\r\n")
        with pytest.raises((ConnectionError, IndexError)):
            await ops.ask("/livez")
        held[0][1].close()
        await held[0][1].wait_closed()
        answer = await retried(ops)
        for _, writer in held:
            writer.close()
    assert answer == 200


async def retried(ops: Ops) -> int:
    """Until there is room: the server hears of a closed line a moment later."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            with contextlib.suppress(ConnectionError, IndexError):
                return (await ops.ask("/livez")).status
