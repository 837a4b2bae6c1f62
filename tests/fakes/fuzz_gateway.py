"""Bad input for a gateway that listens somewhere, and what must hold whatever is sent: no hang, no crash, every answer
well formed, a session ends only for what ends one, and others never notice.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from broker.gateway.registry import ClientLimits
from broker.gateway.server import GatewayServer
from broker.gateway.wire import frame_of
from daemon.gateway.build import build_gateway
from tests.fakes.gateway_built import gateway_config, gateway_tables, random_rows
from tests.fakes.gateway_wire import DEADLINE_S, HOST, Edge, SetClock, WireClient, opening_of
from tests.fakes.wire_fuzz import Fuzz, Piece, client_requests

PIECES_PER_SESSION: Final = 25
UNPACED: Final = ClientLimits(messages_per_s_max=100_000)
NOTHING: Final = "NOSUCH"  # a symbol no gateway has
LAST_REQUEST: Final = 987_654_321
HELLO_SHARE: Final = 0.08


@asynccontextmanager
async def running_gateway(folder: Path) -> AsyncIterator[Edge]:
    """The whole gateway, every part of it, behind a socket; the market of its two instruments stands still.
    Messages are not paced. Raises the first bug of a part, unless it was taken off `bugs`.
    """
    config = gateway_config(folder)
    built = build_gateway(config, gateway_tables())
    machine, clock, bugs = built.machine, SetClock(), list[Exception]()
    rows = random_rows(1, count=200, seconds=20)
    machine.run_rows(rows, 0, len(rows))
    clock.ts_ns = machine.world.now_ns
    built.faults.start(machine.world.now_ns)
    machine.catch_up = lambda: machine.advance_to(max(machine.world.now_ns, clock.now_ns()))
    server = GatewayServer(
        machine, built.registry, clock, accounts=config.gateway.accounts, limits=UNPACED,
        on_bug=bugs.append,
    )  # fmt: skip
    edge = Edge(server, built.registry, clock, [], bugs)
    await server.start([(HOST, 0)])
    try:
        yield edge
    finally:
        await edge.close()


async def fuzz_gateway(
    port: int,
    *,
    seed: int,
    frames: int,
    bystander: WireClient,
    symbol: str = "S0",
    between: Callable[[], None] = lambda: None,
) -> Counter[str]:
    """So many frames or a few more; those behind the end of a session do not count. Raises AssertionError; returns how
    many of each kind. `between` is called after each session.
    """
    fuzz = Fuzz(seed, client_requests(symbol, order_symbol=NOTHING))
    chance, counts = random.Random(~seed), Counter[str]()
    while counts["frames"] < frames:
        counts["sessions"] += 1
        if chance.random() < HELLO_SHARE:
            await _exchange(port, [fuzz.hello()])
            counts["frames"] += 1
            counts["hello"] += 1
            continue
        pieces = fuzz.pieces(PIECES_PER_SESSION)
        await _session(port, fuzz, pieces, client_id=100 + counts["sessions"] % 1000)
        garbage = [ends_a_session(piece.data) or piece.ends for piece in pieces]
        seen = pieces[: garbage.index(True) + 1] if True in garbage else pieces
        counts["frames"] += len(seen)
        counts.update(piece.kind for piece in seen)
        between()
        bystander.send(49, 1)
        await bystander.until("49")
    return counts


async def _session(port: int, fuzz: Fuzz, pieces: list[Piece], *, client_id: int) -> None:
    stream = b"".join(piece.data for piece in pieces)
    opening = opening_of(client_id)
    heard = frames_of(await _exchange(port, [opening, *fuzz.chunks(stream), frame_of(104, LAST_REQUEST)]))
    if pieces[-1].ends:
        return
    alive = bool(heard) and heard[-1] == ["107", str(LAST_REQUEST), ""]
    garbage = [piece for piece in pieces if ends_a_session(piece.data)]
    assert alive != bool(garbage), f"{'lives' if alive else 'ended'}; garbage: {garbage[:1]}, sent: {pieces}"


def ends_a_session(frame: bytes) -> bool:
    """Whether a frame has no message id: up to five digits before the first NUL."""
    head = frame[4:].split(b"\0", 1)[0]
    return not (0 < len(head) <= 5 and all(48 <= byte <= 57 for byte in head))


async def _exchange(port: int, pieces: list[bytes]) -> bytes:
    """Send all, close our direction, read until the other side closes too."""
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection(HOST, port)
        heard = bytearray()
        try:
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0)
            writer.write_eof()
            while received := await reader.read(1 << 16):
                heard += received
        except (OSError, RuntimeError):
            pass  # cut off while we were sending; uvloop says it with a RuntimeError
        finally:
            writer.transport.abort()
        return bytes(heard)


def frames_of(stream: bytes) -> list[list[str]]:
    """Every whole frame, checked for its form; the first is the hello."""
    frames, at = [], 0
    while at + 4 <= len(stream):
        stop = at + 4 + int.from_bytes(stream[at : at + 4], "big")
        if stop > len(stream):
            break  # cut off in the middle of it
        payload = stream[at + 4 : stop]
        assert payload.endswith(b"\0"), payload[:80]
        fields = payload.decode("ascii").split("\0")[:-1]
        assert fields[0].isdigit(), fields
        frames.append(fields)
        at = stop
    return frames
