"""The drill `fuzz`: a million pieces of bad input, half of them into the gateway and half into the adapter."""

import asyncio
import logging
import random
import traceback
from collections import Counter, deque
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from core import events as e
from tests.fakes.fuzz_gateway import fuzz_gateway, running_gateway
from tests.fakes.ib_fuzz import EncodingSink, storm
from tests.fakes.ib_script import scripted_rig

PIECES: Final = 20_000  # a part
FIRST_SEED: Final = 1_000
ORDERS: Final = ("3", "4", "58")


def run_part(number: int) -> dict[str, Any]:
    """Even parts: a gateway with all its parts; odd ones: the adapter."""
    logging.disable(logging.WARNING)  # every piece that ends a session is logged
    seed = FIRST_SEED + number
    try:
        counts, failures = asyncio.run(_adapter_end(seed) if number % 2 else _gateway_end(seed))
    except Exception:  # edge: a drill goes on and reports
        counts, failures = Counter[str](), [f"seed {seed}: {traceback.format_exc()}"]
    finally:
        logging.disable(logging.NOTSET)
    return {"seed": seed, "counts": dict(counts), "failures": failures}


async def _gateway_end(seed: int) -> tuple[Counter[str], list[str]]:
    chance = random.Random(seed)
    with TemporaryDirectory() as folder:
        async with running_gateway(Path(folder)) as edge:
            bystander = await edge.client(1)
            sent = await fuzz_gateway(
                edge.port, seed=seed, frames=PIECES, bystander=bystander,
                between=lambda: edge.clock.move(chance.randrange(10**9)),
            )  # fmt: skip
            bystander.send(16, 1)
            bystander.send(99, 0)
            bystander.send(7, 3, 1, 0, "", "", "", "", "", "")
            found = {frame[0] for frame in await bystander.until("55")}
            failures = [f"seed {seed}: {fault!r}" for fault in edge.bugs]
            edge.bugs.clear()
            if found != {"53", "102", "55"}:
                failures.append(f"seed {seed}: orders or executions are there: {sorted(found)}")
            if len(edge.server.clients) != 1:
                failures.append(f"seed {seed}: {len(edge.server.clients)} clients instead of the bystander alone")
            counts = Counter({"gateway pieces": sent["frames"], "gateway sessions": sent["sessions"]})
            return counts + Counter({"gateway requests": edge.server.counts["requests"]}), failures


async def _adapter_end(seed: int) -> tuple[Counter[str], list[str]]:
    failures: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: failures.append(f"seed {seed}: {context.get('exception') or context['message']!r}")
    )
    async with scripted_rig(settings={"fault_quiet_s": 0.05}) as rig:
        rig.place(limit=1000)
        rig.place(limit=999)
        await rig.sent(3, 2)
        rig.adapter.session._faults = deque(maxlen=10**9)  # else ten faults a minute would end every session
        told, rig.adapter._sink = rig.sink, EncodingSink()
        pieces, sessions = await storm(rig, seed=seed * PIECES, frames=PIECES)
        rig.adapter._sink = told
        if rig.adapter.ended is not None and rig.adapter.ended.done():
            failures.append(f"seed {seed}: the adapter gave up: {rig.adapter.ended.exception()!r}")
            return Counter({"adapter pieces": pieces, "adapter sessions": sessions}), failures
        sent = {str(msg_id): len(rig.script.of(msg_id)) for msg_id in map(int, ORDERS)}
        if sent != {"3": 2, "4": 0, "58": 0}:
            failures.append(f"seed {seed}: orders, cancels and global cancels sent: {sent}")
        restored = len(told.of(e.LinkRestored))
        rig.script.hang_up()
        await rig.ready(restored + 1)
    return Counter({"adapter pieces": pieces, "adapter sessions": sessions}), failures
