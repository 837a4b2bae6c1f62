"""The whole gateway serving real sockets on its own clock, in the test's process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from broker.gateway.server import GatewayServer
from daemon.gateway.clock import ScaledClock, origin_at
from daemon.gateway.turns import Turns
from tests.fakes.gateway_built import Run
from tests.fakes.gateway_wire import DEADLINE_S, WireClient
from tests.fakes.tape import OPEN_NS


class Serving:
    """A run that serves real sockets on its own clock. `bugs` holds what failed."""

    def __init__(self, run: Run, speed: float) -> None:
        self.run = run
        self.clock = ScaledClock(origin_at(OPEN_NS, speed=speed))
        built = run.built
        self.bugs: list[Exception] = []
        self._dialled: list[WireClient] = []
        self.server = GatewayServer(
            built.machine, built.registry, self.clock, accounts=run.config.gateway.accounts,
            limits=run.config.gateway.limits, before_flush=run.store.flush, on_bug=self.bugs.append,
        )  # fmt: skip
        self.server.farms = built.faults.farms
        self.turns = Turns(built.machine, self.clock, run.tape, self.flush)
        built.machine.catch_up = self.turns.before_input

    def flush(self) -> None:
        """The end of a turn."""
        self.run.store.flush()
        self.server.flush()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server.addresses[0][1]

    def fault(self, name: str, for_s: float = 0, **parameters: str) -> None:
        """A fault by command."""
        self.run.built.machine.operate(
            msgspec.json.encode(
                {"command": "fault", "id": 1, "name": name, "for_s": for_s, "parameters": parameters}
            ).decode()
        )

    async def dial(self) -> WireClient:
        """An open connection on which nothing was said. Raises ConnectionRefusedError."""
        opened = asyncio.open_connection("127.0.0.1", self.port)
        client = WireClient(*await asyncio.wait_for(opened, DEADLINE_S))
        self._dialled.append(client)
        return client

    async def client(self, client_id: int) -> WireClient:
        """A client that has sent its startApi."""
        client = await self.dial()
        await client.start(client_id)
        return client

    async def close(self) -> None:
        """End server, clients and timers."""
        await self.server.close()
        self.turns.stop()
        for client in self._dialled:
            client.writer.transport.abort()
        await asyncio.sleep(0)  # the transports tell their ends on the loop's next turn


@asynccontextmanager
async def serving(folder: Path, rows: Any, *, speed: float) -> AsyncIterator[Serving]:
    """A whole gateway on a free port, in this process; whatever failed in it fails the test."""
    run = Run(folder, rows)
    await run.start()
    while run.tape.wants_more:
        await run.tape.fill()
    made = Serving(run, speed)
    reading = asyncio.create_task(made.turns.read())
    await made.server.start([("127.0.0.1", 0)])
    run.built.faults.attach(made.server)
    made.turns.arm()
    try:
        yield made
    finally:
        await made.close()
        reading.cancel()
        await asyncio.wait({reading})
        run.store.close()
    for fault in (*made.bugs, made.turns.failure):
        if fault is not None:
            raise fault
