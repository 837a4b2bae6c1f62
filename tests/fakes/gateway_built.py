"""The whole gateway of daemon/gateway on the hand-made market of tests/fakes/tape.py: every part, its state on disk and
its restart, without process, socket or clock. The feed's items are cut by the feed's own code.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ib_async import Contract, Order, Stock
from ib_async.client import Client as Encoder

from broker.feeds.client import Item
from broker.feeds.merge import HALT, ControlFact, cut
from broker.feeds.protocol import FeedEnd, RowsBatch
from broker.feeds.spec import FeedTotals
from broker.gateway.machine import decode_state
from broker.gateway.wire import FieldReader, split_fields
from core.fee_plans import DEFAULT_PLANS
from core.reference import CodeVersion, ConfigResolved, FeesLoaded, InstrumentLoaded, SessionsLoaded
from core.rows import PRINT, QUOTE, ROW
from core.units import NANO
from daemon.gateway.build import Built, build_gateway, state_digest
from daemon.gateway.clock import ClockOrigin
from daemon.gateway.config import GatewayConfig, load_gateway
from daemon.gateway.recovery import run_again
from daemon.gateway.store import Store
from daemon.gateway.tape import Tape
from daemon.reference.tables import ReferenceTables
from tests.fakes.gateway import RecordingClient
from tests.fakes.tape import CENT, OPEN_NS, SECOND, instrument, session_table

FILE = """
state_dir = "{folder}"
[gateway]
listen = ["127.0.0.1:0"]
[feed]
kind = "synthetic"
speed = "1x"
[feed.synthetic]
start_date = 2026-01-05
[[instruments]]
symbol = "S0"
con_id = 1000
tick = 0.01
round_lot = 100
[[instruments]]
symbol = "S1"
con_id = 1001
tick = 0.01
round_lot = 100
"""
ORIGIN = ClockOrigin(tape_ns=OPEN_NS, wall_ns=0, speed=1.0)


def gateway_config(folder: Path, *, text: str = FILE) -> GatewayConfig:
    """A checked file in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "gateway.toml"
    path.write_text(text.format(folder=folder))
    return load_gateway(path, environment={})


def gateway_tables() -> ReferenceTables:
    """Reference tables of the hand-made market."""
    return ReferenceTables(
        config=ConfigResolved(json="{}", digest=""),
        code=CodeVersion(version="", source_digest="", kernel_digest="", platform=""),
        sessions=(SessionsLoaded(table=session_table()),),
        instruments=tuple(InstrumentLoaded(instrument=instrument(inst)) for inst in range(2)),
        fees=FeesLoaded(plan="ibkr_pro_fixed", rows=DEFAULT_PLANS["ibkr_pro_fixed"]),
        slow=(),
    )


def random_rows(seed: int, *, count: int, seconds: float, halts: int = 0) -> Any:
    """Quotes and prints of two instruments that walk by a cent, and some halts that end a second later."""
    chance = np.random.default_rng(seed)
    rows = np.zeros(count, ROW)
    times = np.sort(chance.integers(0, int(seconds * SECOND), count)) + OPEN_NS
    rows["ts_ns"] = rows["exchange_ts_ns"] = times
    rows["inst"] = chance.integers(0, 2, count)
    rows["kind"] = chance.choice([QUOTE, QUOTE, QUOTE, PRINT], count)
    middle = (1_000 + np.cumsum(chance.choice([-1, 0, 0, 1], count))) * CENT
    size = chance.integers(1, 20, (2, count)) * 100 * NANO
    quotes = rows["kind"] == QUOTE
    rows["bid_px_nanos"] = np.where(quotes, middle - CENT, middle)
    rows["ask_px_nanos"] = np.where(quotes, middle + CENT, 0)
    rows["bid_qty_nanos"] = size[0]
    rows["ask_qty_nanos"] = np.where(quotes, size[1], 0)
    for at in chance.choice(count - 1, 2 * halts, replace=False).tolist() if halts else []:
        rows[at]["kind"], rows[at]["bid_px_nanos"] = HALT, int(chance.integers(0, 2))
    return rows


class ListSource:
    """A feed that has everything already."""

    def __init__(self, rows: Any, *, skip_rows: int, batch_rows: int = 256) -> None:
        self._items = cut(iter([rows]), skip_rows=skip_rows, batch_rows=batch_rows)

    async def next(self) -> Item:
        """The next batch, fact or the end."""
        item = next(self._items, None)
        if item is None:
            return FeedEnd(FeedTotals(rows=0, sources=(), digest=""))
        return item if isinstance(item, ControlFact) else RowsBatch(np.ascontiguousarray(item))


class Run:
    """One gateway that can die. Times are seconds after the open."""

    def __init__(self, folder: Path, rows: Any) -> None:
        self.config = gateway_config(folder)
        self.tables = gateway_tables()
        self.rows = rows
        self.clients: dict[int, RecordingClient] = {}
        self.numbers = 0
        self.store: Store
        self.built: Built
        self.tape: Tape

    async def start(self) -> int:
        """Begin, or come back; how many inputs were run again."""
        self.clients.clear()
        self.store = Store(self.config.state_dir, config_digest=state_digest(self.config))
        self.store.lock()
        snapshot = self.store.load()
        state = None if snapshot is None else decode_state(snapshot.machine)
        self.built = build_gateway(self.config, self.tables, state=state)
        repeated = [] if snapshot is None else [ControlFact(*fact) for fact in snapshot.controls]
        source = ListSource(self.rows, skip_rows=0 if state is None else state.rows_done)
        machine = self.built.machine
        self.tape = Tape(source, machine, repeated)
        count = await run_again(machine, self.built.registry, self.tape, self.store.logged())
        if snapshot is None:
            machine.world.now_ns = OPEN_NS
            self.built.faults.start(OPEN_NS)
        self.built.new_session()
        self.save()
        machine.record = self.store.add
        return count

    async def until(self, seconds: float) -> None:
        """Let the market run."""
        ts_ns = OPEN_NS + round(seconds * SECOND)
        while not self.tape.run(ts_ns, rows_max=100) or self.tape.behind:
            if self.tape.wants_more:
                await self.tape.fill()
        self.built.machine.advance_to(ts_ns)

    def save(self) -> None:
        """A snapshot."""
        self.store.save(self.built.machine, origin=ORIGIN, controls=self.tape.controls)

    def die(self) -> None:
        """kill -9, in the middle of the next write."""
        self.store.close()
        torn = self.config.state_dir / f"gateway-{self.store.generation}.log"
        with torn.open("ab") as log:
            log.write(b"\x40\0\0\0half")

    def leave(self) -> None:
        """What a death means to the machine, without one: all clients are gone, the session is over."""
        for client in self.clients.values():
            self.built.registry.disconnect(client)
            self.built.machine.closed(client)
        self.clients.clear()
        self.built.new_session()

    # ---- clients -----------------------------------------------------------------------------------------------
    def client(self, client_id: int) -> RecordingClient:
        """The client of an id, connected now if it was not."""
        if client_id not in self.clients:
            self.numbers += 1
            self.clients[client_id] = client = RecordingClient(client_id, number=self.numbers)
            self.built.registry.connect(client)
            self.built.machine.opened(client)
        return self.clients[client_id]

    def hang_up(self, client_id: int) -> None:
        """A client leaves."""
        client = self.clients.pop(client_id, None)
        if client is not None:
            self.built.registry.disconnect(client)
            self.built.machine.closed(client)

    def ask(self, client_id: int, call: Callable[[Any], None]) -> RecordingClient:
        """One request, in the words of ib_async's own encoder."""
        client = self.client(client_id)
        made: Any = Encoder  # its methods are not typed
        encoder = made(None)
        encoder._serverVersion = client.version
        encoder.isConnected = lambda: True
        encoder.sendMsg = lambda text: self._handle(client, text)
        call(encoder)
        return client

    def place(
        self, client_id: int, order_id: int, order: Order, *, symbol: str = "S0", contract: Contract | None = None
    ) -> RecordingClient:
        """placeOrder."""
        made = contract or Stock(symbol, "SMART", "USD")
        return self.ask(client_id, lambda encoder: encoder.placeOrder(order_id, made, order))

    def _handle(self, client: RecordingClient, text: str) -> None:
        fields = split_fields(text.encode())
        assert self.built.machine.handle(client, int(fields[0]), FieldReader(fields, 1))
        self.store.flush()
