"""A gateway machine on the hand-made market of tests/fakes/tape.py, a client that records, and a part that does."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from broker.gateway.machine import GatewayMachine
from broker.gateway.part import NEVER, Client, Field, Fields, Handler, Part, World
from broker.sim.config import LatencyConfig, VenueConfig
from broker.sim.exchange import Exchange
from core.fee_plans import DEFAULT_PLANS
from core.fees import FeeTable
from core.market import new_market
from tests.fakes.tape import calendars, instrument

VENUE = VenueConfig(
    latency=LatencyConfig(up_ns=1_000_000, up_jitter_ns=0, down_ns=1_000_000, down_jitter_ns=0)
)  # fmt: skip


class RecordingClient:
    """A client that keeps what it is sent; fields as text, as on the wire."""

    def __init__(self, client_id: int = 11, *, version: int = 178, number: int = 1) -> None:
        self.number = number
        self.client_id = client_id
        self.version = version
        self.sent: list[tuple[Field, ...]] = []
        self.frames: list[bytes] = []

    def send(self, *fields: Field) -> None:
        """One message."""
        self.sent.append(fields)

    def send_frame(self, frame: bytes) -> None:
        """One frame."""
        self.frames.append(frame)

    def error(self, req_id: int, code: int, text: str, reject_json: str = "") -> None:
        """Message 4."""
        self.sent.append((4, 2, req_id, code, text, reject_json))

    def of(self, msg_id: int) -> list[tuple[Field, ...]]:
        """All messages of one kind so far."""
        return [fields for fields in self.sent if fields[0] == msg_id]


class RecordingPart:
    """A part that writes down what it is told, and when."""

    def __init__(self, world: World, answers: Mapping[int, Handler] | None = None) -> None:
        self.world = world
        self.told: list[tuple[Any, ...]] = []
        self.next_due_ns = NEVER
        self._answers = {} if answers is None else answers

    def handlers(self) -> Mapping[int, Handler]:
        """What it was made with."""
        return self._answers

    def opened(self, client: Client) -> None:
        """A session begins."""
        self.told.append(("opened", self.world.now_ns, client.client_id))

    def closed(self, client: Client) -> None:
        """It is over."""
        self.told.append(("closed", self.world.now_ns, client.client_id))

    def on_row(self, row: tuple[Any, ...]) -> None:
        """A row somebody wanted."""
        self.told.append(("row", self.world.now_ns, row[2], row[5]))

    def on_fact(self, ts_ns: int, fact: Any) -> None:
        """A fact."""
        self.told.append(("fact", ts_ns, type(fact).__name__))

    def on_link(self, data_lost: bool) -> None:
        """Faults have changed."""
        self.told.append(("link", self.world.now_ns, data_lost))

    def advance(self, ts_ns: int) -> None:
        """The moment it asked for."""
        self.told.append(("due", ts_ns, self.world.quotes[0]["bid_px_nanos"].item()))
        self.next_due_ns = NEVER

    def dump(self) -> bytes:
        """How much it was told."""
        return str(len(self.told)).encode()

    def load(self, state: bytes) -> None:
        """So much had been told before."""
        self.told = [("loaded",)] * int(state)


def new_world(instruments: int = 2, *, state: bytes | None = None, config: VenueConfig = VENUE) -> tuple[World, Any]:
    """A world with an exchange, and the exchange's watch counters."""
    made = tuple(instrument(number) for number in range(instruments))
    quotes, watch = new_market(instruments), np.zeros(instruments, np.int64)
    arguments: dict[str, Any] = {
        "instruments": made, "calendars": calendars(), "fees": FeeTable(DEFAULT_PLANS["ibkr_pro_fixed"]),
        "config": config, "watch": watch, "quotes": quotes,
    }  # fmt: skip
    exchange = Exchange(**arguments) if state is None else Exchange.restore(state, **arguments)
    world = World(
        accounts=("DU0000001",), instruments=made, calendars=calendars(), exchange=exchange, quotes=quotes
    )  # fmt: skip
    return world, watch


def new_machine(world: World, watch: Any, parts: Mapping[str, Part]) -> GatewayMachine:
    """A machine with these parts."""
    return GatewayMachine(world, parts, watch=watch)


class NoFields:
    """The fields of a request that has none."""

    def rest(self) -> list[str]:
        """None."""
        return []


NO_FIELDS: Fields = NoFields()  # type: ignore[assignment]  # a handler of a test reads none
