"""Kill: from the command's bytes on the control socket to the global cancel's bytes at the gateway, while 20,000 ticks
a second come in; and to the answer, by when the latch is committed. The trader is the real process, as in bench wire.

The first kill latches; each later one of a scope that is or was being killed asks for its cancels again, the same way.
"""

import asyncio
import gc
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from core.errors import QuantdError
from daemon.bench.samples import Line, Samples, judged
from daemon.bench.wire import WAIT_S, Peer

TICKS_PER_SECOND: Final = 20_000
KILLS: Final = 40
WARM: Final = 5
EVERY_S: Final = 0.25
GLOBAL_CANCEL: Final = b"58\0"


class Killer(Peer):
    """The peer, which also notes when the bytes of a global cancel are read."""

    async def __aenter__(self) -> "Killer":
        await super().__aenter__()
        self._cancelled = asyncio.Event()
        self._cancelled_ns = 0
        server = self._gateway.server
        received = server.received

        def read(connection: Any, payloads: list[bytes]) -> None:
            if any(payload.startswith(GLOBAL_CANCEL) for payload in payloads):
                self._cancelled_ns = time.perf_counter_ns()
                self._cancelled.set()
            received(connection, payloads)

        server.received = read  # type: ignore[method-assign]
        self._reader, self._writer = await asyncio.open_unix_connection(self._folder / "control.sock")
        return self

    async def __aexit__(self, *ended: object) -> None:
        self._writer.close()
        await super().__aexit__(*ended)

    async def kill(self) -> tuple[int, int]:
        """One kill: nanoseconds to the bytes of its cancel, and to its answer."""
        await asyncio.sleep(EVERY_S)
        self._cancelled.clear()
        began_ns = time.perf_counter_ns()
        self._writer.write(b'{"id":1,"command":"kill","reason":"bench"}\n')
        async with asyncio.timeout(WAIT_S):
            answer = await self._reader.readline()
            answered_ns = time.perf_counter_ns()
            await self._cancelled.wait()
        if b'"ok":true' not in answer:
            raise QuantdError(f"bench kill: {answer.decode(errors='replace').strip()[:200]}")
        return self._cancelled_ns - began_ns, answered_ns - began_ns


def kill(*, kills: int = KILLS, ticks: int = TICKS_PER_SECOND) -> Iterator[Line]:
    """The lines `kill.wire` and `kill.latched`."""
    import uvloop

    with TemporaryDirectory() as name, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield from runner.run(_measure(Path(name), kills, ticks))


async def _measure(folder: Path, kills: int, ticks: int) -> list[Line]:
    wire, latched = Samples(dropped=WARM), Samples(dropped=WARM)
    async with Killer(folder) as peer:
        peer.open_lines()
        await asyncio.sleep(1.0)  # what a start still has to ask for
        playing = asyncio.create_task(peer._play(ticks))
        gc.collect()
        gc.disable()
        try:
            for _ in range(kills + WARM):
                sent, answered = await peer.kill()
                wire.add(sent)
                latched.add(answered)
        finally:
            gc.enable()
            playing.cancel()
            await asyncio.wait({playing})
    load = {"ticks_per_s": ticks, "samples": len(wire.kept)}
    return [
        judged({"name": "kill.wire", **load, **wire.times, "max_us": max(wire.kept) / 1000}, p99_us=10_000),
        judged({"name": "kill.latched", **load, **latched.times, "max_us": max(latched.kept) / 1000}),
    ]
