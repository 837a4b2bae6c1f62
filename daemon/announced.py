"""Asks a paper gateway what time it is before anything else happens: tables, recovery and the first record of a run
stand in its time. A connection of its own, which ends with the answer; the trader's comes after.
"""

import asyncio
import contextlib
import re
import struct
import time
from collections.abc import Callable
from typing import Final

from broker.gateway.wire import FrameReader, Malformed, frame_of, split_fields
from broker.ib.config import IbSettings
from core.errors import BrokerFault

CAPABILITY: Final = "quantd-clock"  # in startApi: whoever names it is told the clock
CLOCK_CODE: Final = 2999
CLIENT_ID_OFFSET: Final = 1_000  # the trader's own id must be free when it comes
VERSIONS: Final = b"v157..178"
START_API: Final = 71
ERROR: Final = "4"
ANSWER_SECONDS: Final = 2.0
TRY_AGAIN_SECONDS: Final = 0.1
READ_BYTES: Final = 65_536
FRAME_BYTES_MAX: Final = 1 << 20
_TEXT: Final = re.compile(rf"{CAPABILITY} ts_ns=(\d{{1,19}}) speed=([0-9.e+-]{{1,32}})")


async def announced_clock(settings: IbSettings, *, patience_s: float, stopped: Callable[[], bool]) -> tuple[int, float]:
    """(time, speed) as the gateway says them; it may still be starting. Raises BrokerFault when it does not."""
    end_s = time.monotonic() + patience_s
    while True:
        if stopped():
            raise BrokerFault("stopped before the gateway had said what time it is")
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                found = await _ask(settings)
            return found
        except (OSError, TimeoutError, Malformed, asyncio.IncompleteReadError) as fault:
            if time.monotonic() >= end_s:
                raise BrokerFault(
                    f"{settings.host}:{settings.port}: no clock from the gateway within {patience_s:g} s "
                    f"({type(fault).__name__}: {fault}); is `quantd gateway` running there? A real gateway has none: "
                    'set ib.clock = "wall"'
                ) from fault
        await asyncio.sleep(TRY_AGAIN_SECONDS)


async def _ask(settings: IbSettings) -> tuple[int, float]:
    reader, writer = await asyncio.open_connection(settings.host, settings.port)
    try:
        writer.write(b"API\0" + struct.pack(">I", len(VERSIONS)) + VERSIONS)
        frames = FrameReader(FRAME_BYTES_MAX)
        hello = True
        while True:
            chunk = await reader.read(READ_BYTES)
            if not chunk:
                raise Malformed("the connection was closed before the clock came")
            for payload in frames.feed(chunk):
                if hello:
                    hello = False
                    writer.write(frame_of(START_API, 2, settings.client_id + CLIENT_ID_OFFSET, CAPABILITY))
                    continue
                found = _clock_in(split_fields(payload))
                if found is not None:
                    return found
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                await writer.wait_closed()


def _clock_in(fields: list[str]) -> tuple[int, float] | None:
    """The announcement, if the message is one: an error without an order, of a code no broker uses."""
    if fields[:1] != [ERROR] or str(CLOCK_CODE) not in fields[2:5]:
        return None
    return next((found for text in fields if (found := clock_told(text)) is not None), None)


def clock_told(text: str) -> tuple[int, float] | None:
    """(time, speed) of an announcement's text."""
    found = _TEXT.fullmatch(text)
    return None if found is None else (int(found[1]), float(found[2]))
