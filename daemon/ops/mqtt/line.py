"""One connection to the trader's control socket, kept open so that a kill need not wait for it: several requests at
once, each with its answer and a deadline. For one loop.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from daemon.control.client import REPLY_BYTES_MAX, Answer, NotReachable, decode_answer
from daemon.control.endpoint import reachable
from daemon.control.messages import LINE_BYTES_MAX

ANSWER_S: Final = 5.0
CONNECT_S: Final = 1.0
PING_S: Final = 2.0  # the trader hangs up on whoever was silent longest
AGAIN_S: Final = 0.2  # between two tries to connect
WAITING_MAX: Final = 64  # requests without an answer


class TraderLine:
    """`keep` runs as long as the line is wanted; `request` at any time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: _Lines | None = None
        self._next_id = 1
        self._opening = asyncio.Lock()
        self._lost = asyncio.Event()

    async def keep(self) -> None:
        """Open it, open it again when it is lost, and say something now and then."""
        try:
            while True:
                self._lost.clear()
                with contextlib.suppress(NotReachable):
                    await self.request("ping")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(AGAIN_S if self._lines is None else PING_S):
                        await self._lost.wait()
        finally:
            self.hang_up()

    def hang_up(self) -> None:
        """Close it; a later request opens it again."""
        if self._lines is not None:
            self._lines.hang_up()

    async def request(self, command: str, **fields: Any) -> Answer:
        """The trader's answer. Raises NotReachable: nobody there, or no answer; nothing is sent twice."""
        try:
            async with asyncio.timeout(ANSWER_S):
                lines = self._lines or await self._open()
                return await lines.ask(self._numbered(command, fields))
        except TimeoutError:
            raise NotReachable(f"the trader did not answer within {ANSWER_S:g} s") from None
        except OSError as fault:
            raise NotReachable(f"the trader is not reachable: {fault.strerror or fault}") from fault

    def _numbered(self, command: str, fields: dict[str, Any]) -> tuple[int, bytes]:
        number, self._next_id = self._next_id, self._next_id + 1
        packed = msgspec.json.encode({"id": number, "command": command} | fields) + b"\n"
        if len(packed) > LINE_BYTES_MAX:
            raise OSError(f"the request is longer than {LINE_BYTES_MAX} bytes")
        return number, packed

    async def _open(self) -> "_Lines":
        async with self._opening:
            if self._lines is not None:
                return self._lines
            with reachable(self._path) as address:
                async with asyncio.timeout(CONNECT_S):
                    made = asyncio.get_running_loop().create_unix_connection(lambda: _Lines(self._ended), address)
                    self._lines = (await made)[1]
            return self._lines

    def _ended(self) -> None:
        self._lines = None
        self._lost.set()


class _Lines(asyncio.Protocol):
    """Cuts what the trader says into lines and hands each to whoever waits for it."""

    def __init__(self, ended: Any) -> None:
        self._ended = ended
        self._transport: asyncio.Transport | None = None
        self._left = bytearray()
        self._waiting: dict[int, asyncio.Future[Answer]] = {}

    async def ask(self, numbered: tuple[int, bytes]) -> Answer:
        """Send one line and wait for its answer. Raises OSError."""
        number, packed = numbered
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("it hung up")
        if len(self._waiting) >= WAITING_MAX:
            raise OSError(f"{WAITING_MAX} requests wait for its answer already")
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        try:
            self._transport.write(packed)  # short, and the trader reads at once: there is nothing to drain
            return await waiting
        finally:
            self._waiting.pop(number, None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The line is open."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Hand out every whole line; a line without end, or in another language, ends it."""
        *lines, self._left = (self._left + data).split(b"\n")
        try:
            for line in lines:
                answer = decode_answer(line)
                waiting = self._waiting.get(answer.id)
                if waiting is not None and not waiting.done():
                    waiting.set_result(answer)
        except msgspec.DecodeError:
            self.hang_up()
        if len(self._left) > REPLY_BYTES_MAX:
            self.hang_up()

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits hears no answer any more."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionResetError("it hung up; its state shows whether it took the command"))
        self._ended()

    def hang_up(self) -> None:
        """The end."""
        if self._transport is not None:
            self._transport.abort()
