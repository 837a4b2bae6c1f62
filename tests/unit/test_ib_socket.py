"""A long read of the broker's socket is taken in turns, and the loop looks at everything else between two of them."""

import asyncio
from collections.abc import Awaitable, Callable

from broker.ib.config import IbSettings
from broker.ib.socket import TURN_BYTES_MAX, Socket

LONG = bytes(range(256)) * 1_024  # what one read of the loop brings at most
WAIT_S = 10.0


class Reader:
    """The socket's owner: what came, turn by turn, and what else the loop did meanwhile."""

    def __init__(self, port: int) -> None:
        self.turns: list[bytes] = []
        self.others = 0  # calls of another reader of the loop, by the time of the last turn
        self.closed = asyncio.Event()
        self.counted: list[int] = []
        self.close_at = 0  # give the connection up at this turn
        self.socket = Socket(
            IbSettings(port=port), opened=lambda: None, received=self._take, closed=lambda _: self.closed.set()
        )

    def _take(self, data: bytes) -> None:
        self.turns.append(data)
        self.counted.append(self.others)
        if len(self.turns) == self.close_at:
            self.socket.close(abort=True)


async def played(act: Callable[[asyncio.StreamWriter], Awaitable[None]], *, close_at: int = 0) -> Reader:
    """A gateway that does one thing and closes; the reader when the connection is gone."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await act(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, asyncio.timeout(WAIT_S):
        reader = Reader(server.sockets[0].getsockname()[1])
        reader.close_at = close_at

        async def count() -> None:
            while not reader.closed.is_set():
                reader.others += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        reader.socket.open()
        await reader.closed.wait()
        await counting
    return reader


async def _long(writer: asyncio.StreamWriter) -> None:
    writer.write(LONG * 3)
    await writer.drain()


def test_a_long_read_is_taken_in_turns() -> None:
    """No turn is longer than its bound, others come between two of them, and every byte arrives once and in order."""
    reader = asyncio.run(played(_long))
    assert b"".join(reader.turns) == LONG * 3
    assert max(map(len, reader.turns)) <= TURN_BYTES_MAX
    assert len(reader.turns) >= len(LONG) * 3 // TURN_BYTES_MAX
    assert len(set(reader.counted)) == len(reader.counted)


def test_what_came_before_a_loss_is_taken() -> None:
    """The gateway resets the connection behind its last bytes: whatever the system had read is not thrown away."""

    async def lost(writer: asyncio.StreamWriter) -> None:
        await _long(writer)
        await asyncio.sleep(0)
        writer.transport.abort()

    reader = asyncio.run(played(lost))
    got = b"".join(reader.turns)
    assert got
    assert (LONG * 3).startswith(got)


def test_nothing_is_taken_after_giving_up() -> None:
    """Who closes in the middle of a long read gets no more of it."""
    reader = asyncio.run(played(_long, close_at=2))
    assert len(reader.turns) == 2
