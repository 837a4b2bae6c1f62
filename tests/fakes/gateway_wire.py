"""A gateway's TCP edge on a free port with a real machine behind it, and a client that speaks raw frames."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from broker.gateway.general import General
from broker.gateway.part import Client, Field, Fields, Handler, Part
from broker.gateway.registry import ClientLimits, Registry
from broker.gateway.server import GatewayServer
from broker.gateway.wire import frame_of
from tests.fakes.gateway import RecordingPart, new_machine, new_world

DEADLINE_S: Final = 5.0  # of every wait in a test that works
HOST: Final = "127.0.0.1"
DAY_NS: Final = 1_774_000_000 * 10**9  # 2026-03-20 09:46:40 UTC
_LENGTH: Final = struct.Struct(">I")


class SetClock:
    """A clock that stands where a test puts it; its stretches last on the wall as `speed` says."""

    def __init__(self, *, speed: float = 1.0) -> None:
        self.speed = speed
        self.ts_ns = DAY_NS

    def now_ns(self) -> int:
        """Where it was put."""
        return self.ts_ns

    def wall_s(self, duration_ns: int) -> float:
        """By the speed."""
        return duration_ns / 1e9 / self.speed

    def move(self, duration_ns: int) -> None:
        """Put it so much later."""
        self.ts_ns += duration_ns


class RunningClock(SetClock):
    """A clock that runs with the loop's."""

    def now_ns(self) -> int:
        """The loop's time, so many times as fast."""
        return DAY_NS + int(asyncio.get_running_loop().time() * 1e9 * self.speed)


def write_down(told: list[tuple[Any, ...]], msg_id: int) -> Handler:
    """Keeps what came, and answers 53 (openOrderEnd) to 5."""

    def handle(client: Client, fields: Fields) -> None:
        told.append((msg_id, client.client_id, *fields.rest()))
        if msg_id == 5:
            client.send(53, 1)

    return handle


class Edge:
    """A running server and everything behind it. `told` holds what the part was told, `bugs` what failed."""

    def __init__(
        self, server: GatewayServer, registry: Registry, clock: SetClock, told: list[Any], bugs: list[Exception]
    ) -> None:
        self.server = server
        self.registry = registry
        self.clock = clock
        self.told = told
        self.bugs = bugs
        self._dialled: list[WireClient] = []

    @property
    def port(self) -> int:
        """The first port listened on."""
        return self.server.addresses[0][1]

    async def dial(self, at: int = 0) -> "WireClient":
        """An open connection on which nothing was said; `at`: to which of the ports."""
        port = self.server.addresses[at][1]
        client = WireClient(*await asyncio.wait_for(asyncio.open_connection(HOST, port), DEADLINE_S))
        self._dialled.append(client)
        return client

    async def client(self, client_id: int = 1, *, at: int = 0, **how: Any) -> "WireClient":
        """A client that has sent its startApi."""
        client = await self.dial(at)
        await client.start(client_id, **how)
        return client

    async def close(self) -> None:
        """End the server and every client. Raises the first bug."""
        await self.server.close()
        for client in self._dialled:
            client.writer.transport.abort()
        await asyncio.sleep(0)  # the transports tell their ends on the loop's next turn
        if self.bugs:
            raise self.bugs[0]


@asynccontextmanager
async def running_edge(
    *, limits: ClientLimits | None = None, clock: SetClock | None = None, ports: int = 1, **options: Any
) -> AsyncIterator[Edge]:
    """A server over a real machine whose order messages are written down; a bug in a part fails the test."""
    world, watch = new_world()
    registry = Registry()
    answers: dict[int, Handler] = {}
    part = RecordingPart(world, answers)
    answers.update({msg_id: write_down(part.told, msg_id) for msg_id in (1, 3, 4, 5, 58)})
    parts: dict[str, Part] = {"general": General(world, registry), "orders": part}
    machine = new_machine(world, watch, parts)
    bugs: list[Exception] = []
    clock = clock or SetClock()
    server = GatewayServer(
        machine, registry, clock, accounts=world.accounts, limits=limits or ClientLimits(), on_bug=bugs.append,
        **options,
    )  # fmt: skip
    edge = Edge(server, registry, clock, part.told, bugs)
    machine.catch_up = lambda: machine.advance_to(max(world.now_ns, clock.now_ns()))
    await server.start([(HOST, 0)] * ports)
    try:
        yield edge
    finally:
        await edge.close()


class WireClient:
    """Raw bytes out, decoded frames in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.version = 0
        self.server_time = ""

    async def hello(self, versions: str = "v157..178") -> None:
        """Agree on a version."""
        self.write(b"API\0" + framed_text(versions))
        version, self.server_time = await self.receive()
        self.version = int(version)

    async def start(self, client_id: int = 1, *, versions: str = "v157..178", capabilities: str = "") -> None:
        """Handshake and startApi, without waiting for what the server says to it."""
        await self.hello(versions)
        self.send(71, 2, client_id, capabilities)

    def write(self, data: bytes) -> None:
        """Raw bytes."""
        self.writer.write(data)

    def send(self, *fields: Field) -> None:
        """One message."""
        self.write(frame_of(*fields))

    async def receive(self) -> list[str]:
        """The fields of the next frame. Raises IncompleteReadError when the server has closed."""
        async with asyncio.timeout(DEADLINE_S):
            length = _LENGTH.unpack(await self.reader.readexactly(4))[0]
            payload = await self.reader.readexactly(length)
        return payload.decode("ascii").split("\0")[:-1]

    async def until(self, *head: str) -> list[list[str]]:
        """Every frame up to and including the first that begins so."""
        frames: list[list[str]] = []
        while not frames or frames[-1][: len(head)] != list(head):
            frames.append(await self.receive())
        return frames

    async def ended(self) -> bytes:
        """Everything until the server closes."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await self.reader.read()
        except ConnectionResetError:
            return b""

    async def close(self) -> None:
        """Close our side."""
        self.writer.close()


def framed_text(text: str) -> bytes:
    """A frame without fields, as the hello has it."""
    return _LENGTH.pack(len(text)) + text.encode()


def opening_of(client_id: int) -> bytes:
    """A good handshake and startApi in one piece."""
    return b"API\0" + framed_text("v157..178") + frame_of(71, 2, client_id, "")


async def eventually(condition: Any) -> None:
    """Wait until it holds, turn by turn of the loop."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - what tests wait for has no event
            await asyncio.sleep(0.001)
