"""The trader's end of a feed process: starts it, reads frames one ahead, and tells a death from an end.

Imports neither pyarrow nor numba. Every await has a deadline; what the process does wrong is a BrokerFault, what its
spec says wrong a ConfigError.
"""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Final

import msgspec

from broker.feeds.merge import ControlFact
from broker.feeds.protocol import PREFIX, FeedEnd, FeedError, Frame, RowsBatch, decode, payload_bytes
from broker.feeds.spec import PROTOCOL_VERSION, FeedHeader, FeedSpec
from core.errors import BrokerFault, Bug, ConfigError

Item = RowsBatch | ControlFact | FeedEnd

STDERR_TAIL_BYTES: Final = 4_096
_STREAM_BYTES: Final = 1 << 20  # asyncio stops reading the pipe at twice this
_EXIT_SECONDS: Final = 5.0
_ROOT: Final = str(Path(__file__).resolve().parents[2])


class FeedClient:
    """One feed process. `start`, then `next` until FeedEnd, then `aclose`; one task at a time may call them."""

    def __init__(self, spec: FeedSpec, *, timeout_s: float = 60.0) -> None:
        self._spec = spec
        self._timeout_s = timeout_s
        self._process: Process | None = None
        self._header: FeedHeader | None = None
        self._ahead: asyncio.Task[Frame] | None = None
        self._errors: asyncio.Task[None] | None = None
        self._tail = b""
        self._ended: FeedEnd | None = None

    @property
    def header(self) -> FeedHeader:
        """What the feed said about itself; known after `start`."""
        if self._header is None:
            raise Bug("feed header asked for before start()")
        return self._header

    async def start(self) -> FeedHeader:
        """Start the process and read its header. Raises ConfigError on a bad spec or file, BrokerFault otherwise."""
        if self._process is not None:
            raise Bug("feed client started twice")
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "broker.feeds.process",
            stdin=PIPE, stdout=PIPE, stderr=PIPE, limit=_STREAM_BYTES, env=_environment(),
        )  # fmt: skip
        self._errors = asyncio.create_task(self._keep_tail(), name="feed stderr")
        try:
            await self._send_spec(process)
            first = await self._take()
            if isinstance(first, FeedError):
                raise ConfigError(first.text)
            if not isinstance(first, FeedHeader) or first.version != PROTOCOL_VERSION:
                raise BrokerFault("feed process speaks another protocol version: install one version of the program")
        except BaseException:  # edge: whatever ends the start, also a cancel, must not leave a process behind
            await self.aclose()
            raise
        self._header = first
        self._read_ahead()
        return first

    async def next(self) -> Item:
        """The next batch, control fact or end; the end again after the end. Cancelling loses nothing.

        Raises BrokerFault when the feed reports a fault, dies, or is silent for `timeout_s`.
        """
        if self._ended is not None:
            return self._ended
        if self._header is None:
            raise Bug("feed read before start()")
        item = await self._take()
        if isinstance(item, FeedError):
            raise BrokerFault(f"feed: {item.text}")
        if isinstance(item, FeedHeader):
            raise BrokerFault("feed process sent a second header: install one version of the program")
        if isinstance(item, FeedEnd):
            self._ended = item
        else:
            self._read_ahead()
        return item

    async def aclose(self) -> None:
        """End the process and every task of ours; safe at any time, also twice."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if process.returncode is None:
                process.kill()
        await _cancelled(self._ahead)
        self._ahead = None
        assert process.stdout is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_EXIT_SECONDS):
                while await process.stdout.read(_STREAM_BYTES):
                    pass  # to the end of file, else the loop never closes the pipe
                await process.wait()
        await _cancelled(self._errors)

    async def _send_spec(self, process: Process) -> None:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # dead already: the read says why
            async with asyncio.timeout(self._timeout_s):
                process.stdin.write(msgspec.json.encode(self._spec))
                await process.stdin.drain()
                process.stdin.close()
                await process.stdin.wait_closed()

    def _read_ahead(self) -> None:
        self._ahead = asyncio.create_task(self._read_frame(), name="feed read-ahead")

    async def _take(self) -> Frame:
        """Wait for the frame being read. The task outlives a cancel of ours, so that no half frame is ever lost."""
        if self._ahead is None:
            self._read_ahead()
        ahead = self._ahead
        assert ahead is not None
        done, _ = await asyncio.wait({ahead}, timeout=self._timeout_s)
        if not done:
            raise BrokerFault(f"feed process is silent for {self._timeout_s:g} s: look at its disk and processor")
        self._ahead = None
        return ahead.result()

    async def _read_frame(self) -> Frame:
        assert self._process is not None
        assert self._process.stdout is not None
        stdout = self._process.stdout
        try:
            kind, count = PREFIX.unpack(await stdout.readexactly(PREFIX.size))
            payload = await stdout.readexactly(payload_bytes(kind, count))
        except asyncio.IncompleteReadError:
            raise BrokerFault(await self._obituary(self._process)) from None
        return decode(kind, payload)

    async def _obituary(self, process: Process) -> str:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_EXIT_SECONDS):
                await process.wait()
                if self._errors is not None:
                    await asyncio.wait({self._errors})
        tail = self._tail.decode(errors="replace").strip() or "nothing on stderr"
        return f"feed process ended in mid-stream with status {process.returncode}: {tail}"

    async def _keep_tail(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        stderr = self._process.stderr
        while block := await stderr.read(STDERR_TAIL_BYTES):
            self._tail = (self._tail + block)[-STDERR_TAIL_BYTES:]


def _environment() -> dict[str, str]:
    """Ours, plus where this package lies (the trader may run from any folder) and who the parent is."""
    paths = [_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "QUANTD_FEED_PARENT": str(os.getpid())}


async def _cancelled(task: asyncio.Task[Frame] | asyncio.Task[None] | None) -> None:
    if task is None:
        return
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # seen, so that the loop does not report it once more
