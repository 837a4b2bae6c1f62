"""One TCP connection after another. The next is opened only when the one before is really closed: a gateway that still
sees the old socket answers the new one with "client id in use". Knows bytes only.
"""

import asyncio
from collections.abc import Callable
from time import perf_counter_ns
from typing import Final, cast

from broker.ib.config import IbSettings
from core.errors import Bug

CLOSE_S: Final = 2.0  # for a close in good order; then the socket is aborted
# What is taken in one turn of the loop, about 500 ticks: a kill waits behind no more than this. A read brings up to
# 256 kB when the gateway is ahead of us; the rest of it waits here, and the next bytes at the other end.
TURN_BYTES_MAX: Final = 1 << 14


class _Protocol(asyncio.Protocol):
    """What asyncio tells about one socket, as long as it is the present one."""

    def __init__(self, owner: "Socket") -> None:
        self._owner: Socket | None = owner
        self._received = owner.take
        self._transport: asyncio.Transport | None = None
        self._waiting = b""  # of a long read, at most that one: nothing is read meanwhile
        self._taken = 0  # of it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Bytes, straight from the read; a long read in turns, between which the loop looks at everything else."""
        if len(data) <= TURN_BYTES_MAX and not self._waiting:
            self._received(data)
            return
        self._waiting += data  # two reads in one turn: the loop had the second one already
        if self._transport is not None and len(self._waiting) == len(data):
            self._transport.pause_reading()
            self._turn()

    def _turn(self) -> None:
        if not self._waiting:
            return
        begin = self._taken
        self._taken = end = begin + TURN_BYTES_MAX
        try:
            self._received(self._waiting[begin:end])
        except Exception:  # edge: what asyncio does where a read fails; reading would stay paused for good
            self.drop()  # nothing more is told to a receiver that broke
            if self._transport is not None:
                self._transport.abort()
            raise
        if end < len(self._waiting):
            asyncio.get_running_loop().call_soon(self._turn)
            return
        self.drop()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def drop(self) -> None:
        """What waits is not wanted any more: all of it is taken, or the connection was given up."""
        self._waiting, self._taken = b"", 0

    def connection_lost(self, exc: Exception | None) -> None:
        """Really closed. What had come before is taken first: there may be fills in it."""
        self._transport = None
        rest = self._waiting[self._taken :]
        self.drop()
        if rest:
            self._received(rest)
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.lost(str(exc) if exc else "the gateway closed the connection")


class Socket:
    """At most one connection, or one attempt at it."""

    def __init__(
        self,
        settings: IbSettings,
        *,
        opened: Callable[[], None],
        received: Callable[[bytes], None],
        closed: Callable[[str], None],
    ) -> None:
        self._host, self._port = settings.host, settings.port
        self._timeout_s = settings.connect_timeout_s
        self._opened = opened
        self._received = received
        self.read_began_ns = 0  # by the performance counter; 0 = nothing is being read
        self.read_took: Callable[[int], None] | None = None  # told how long each turn of reading was
        self._closed = closed
        self._transport: asyncio.Transport | None = None
        self._protocol: _Protocol | None = None
        self._task: asyncio.Task[None] | None = None
        self._abort: asyncio.TimerHandle | None = None
        self._free = asyncio.Event()
        self._free.set()

    def open(self) -> None:
        """Start to connect."""
        if self._task is not None or self._transport is not None:
            raise Bug("a socket is opened while another one lives")
        self._free.clear()
        self._task = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_s):
                self._transport, self._protocol = await loop.create_connection(
                    lambda: _Protocol(self), self._host, self._port
                )
        except (OSError, TimeoutError) as fault:
            self._task = None
            self._free.set()
            self._closed(f"{self._host}:{self._port}: {fault or 'no connection in time'}")
            return
        except asyncio.CancelledError:
            self._task = None
            self._free.set()
            self._closed("given up")
            return
        self._task = None
        self._opened()

    def take(self, received: bytes) -> None:
        """One turn of reading, from its first message to the orders it causes."""
        self.read_began_ns = began_ns = perf_counter_ns()
        try:
            self._received(received)
        finally:
            self.read_began_ns = 0
        if self.read_took is not None:
            self.read_took(perf_counter_ns() - began_ns)

    def write(self, frames: bytes) -> None:
        """Hand bytes to the kernel, or to the buffer before it."""
        if self._transport is not None:
            self._transport.write(frames)

    @property
    def unsent(self) -> int:
        """Bytes the kernel has not taken."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def close(self, *, abort: bool) -> None:
        """`closed` is called when it is really gone."""
        if self._task is not None:
            self._task.cancel()
        elif self._transport is not None:
            if self._protocol is not None:
                self._protocol.drop()
            if abort:
                self._transport.abort()
            else:
                self._transport.close()
                self._abort = asyncio.get_running_loop().call_later(CLOSE_S, self._transport.abort)

    def lost(self, why: str) -> None:
        """Told by the protocol."""
        self._transport = self._protocol = None
        if self._abort is not None:
            self._abort.cancel()
            self._abort = None
        self._free.set()
        self._closed(why)

    async def wait_closed(self, timeout_s: float) -> None:
        """Until there is no connection; an abort when that takes too long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._free.wait()
        except TimeoutError:
            if self._transport is not None:
                self._transport.abort()
