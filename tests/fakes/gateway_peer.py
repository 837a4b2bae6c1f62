"""A gateway's orders and account on the hand-made market, and clients that speak to them as ib_async does: its own
encoder makes the requests, its own decoder reads the answers, at any protocol version.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from functools import cache
from types import SimpleNamespace
from typing import Any

from ib_async import Contract, Order, Stock
from ib_async.client import Client as Encoder
from ib_async.decoder import Decoder

from broker.gateway.account.part import AccountPart
from broker.gateway.account.settings import AccountSettings
from broker.gateway.contracts.book import ContractBook
from broker.gateway.machine import decode_state
from broker.gateway.orders.part import OrderPart
from broker.gateway.orders.settings import OrderSettings
from broker.gateway.part import Field, NoFaults
from broker.gateway.registry import Registry
from broker.gateway.wire import FieldReader, escape, frame_of, split_fields
from broker.sim.config import LatencyConfig, VenueConfig
from core.instruments import Instrument
from core.units import NANO
from tests.fakes.gateway import new_machine, new_world
from tests.fakes.tape import Tape, at

VENUE = VenueConfig(
    latency=LatencyConfig(
        up_ns=1_000_000, up_jitter_ns=0, down_ns=1_000_000, down_jitter_ns=0, commission_ns=100_000_000,
        commission_jitter_ns=0,
    ),
    fok_ends_inactive=True,
    silent_replace_of_filled=True,
)  # fmt: skip
Heard = tuple[str, tuple[Any, ...]]  # callback name and its arguments


@cache
def contract_book(instruments: tuple[Instrument, ...]) -> ContractBook:
    """The contracts of the first day: making the listed options anew for every rig would take most of a test's time."""
    return ContractBook(instruments, now_ns=lambda: at(0))


class Faults(NoFaults):
    """Faults a test switches; `due` are the names that strike once."""

    def __init__(self) -> None:
        self.server_lost = False
        self.hold_orders = False
        self.due: list[str] = []

    def strikes(self, name: str) -> bool:
        """Once for every entry."""
        if name in self.due:
            self.due.remove(name)
            return True
        return False


class Ears:
    """What ib_async's decoder calls: every callback is kept, in order."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.ib = SimpleNamespace(TimezoneTWS="")
        self.defaultTimezone = UTC

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: self.heard.append((name, arguments))


class Loud:
    """The decoder swallows its errors into this."""

    def exception(self, text: str) -> None:
        """None may happen."""
        raise AssertionError(text)


_encoder: Any = Encoder  # most of their methods have no types
_decoder: Any = Decoder


class Peer:
    """One connected client. `ask` is ib_async's encoder; what it sends is handled at once."""

    def __init__(self, rig: "Rig", client_id: int, version: int, number: int) -> None:
        self.rig = rig
        self.client_id = client_id
        self.version = version
        self.number = number
        self.sent: list[tuple[Field, ...]] = []
        self.ears = Ears()
        ears: Any = self.ears
        self._decoder: Any = _decoder(ears, version)
        self._decoder.logger = Loud()
        self.ask: Any = _encoder(ears)
        self.ask._serverVersion = version
        self.ask.isConnected = lambda: True
        self.ask.sendMsg = self._handle

    def _handle(self, text: str) -> None:
        fields = split_fields(text.encode())
        reader = FieldReader(fields, 1)
        assert self.rig.machine.handle(self, int(fields[0]), reader), f"nobody answers {fields[0]}"

    # ---- Client ------------------------------------------------------------------------------------------------
    def send(self, *fields: Field) -> None:
        """Through the real encoding of fields and the real decoder."""
        self.sent.append(fields)
        self._decoder.interpret(split_fields(frame_of(*fields)[4:]))

    def send_frame(self, frame: bytes, /) -> None:
        """One frame."""
        self._decoder.interpret(split_fields(frame[4:]))

    def error(self, req_id: int, code: int, text: str, reject_json: str = "") -> None:
        """Message 4 in the client's version."""
        tail = (reject_json,) if self.version >= 166 else ()
        self.send(4, 2, req_id, code, escape(text), *tail)

    # ---- asking and reading ------------------------------------------------------------------------------------
    def place(self, order_id: int, order: Order, *, symbol: str = "S0", contract: Contract | None = None) -> None:
        """placeOrder."""
        self.ask.placeOrder(order_id, contract or Stock(symbol, "SMART", "USD"), order)

    def news(self) -> list[str]:
        """What came since the last call, in short: `openOrder Submitted`, `error 202`, `execDetails 100@10.0`."""
        told = [short(name, arguments) for name, arguments in self.ears.heard]
        self.ears.heard.clear()
        return told

    def heard(self, name: str) -> list[tuple[Any, ...]]:
        """Arguments of one callback, all since the last `news`."""
        return [arguments for called, arguments in self.ears.heard if called == name]


def short(name: str, arguments: tuple[Any, ...]) -> str:
    """One callback in a word or two."""
    if name == "openOrder":
        return f"openOrder {arguments[3].status}"
    if name == "orderStatus":
        return f"orderStatus {arguments[1]}"
    if name == "error":
        return f"error {arguments[1]}"
    if name == "execDetails":
        return f"execDetails {arguments[2].shares:g}@{arguments[2].price:g}"
    return name


@dataclass
class Rig:
    """A machine with three parts; time is in seconds after the open."""

    settings: OrderSettings = field(default_factory=OrderSettings)
    config: VenueConfig = VENUE
    master: int = -1
    accounts: tuple[str, ...] = ("DU0000001",)
    faults: Faults = field(default_factory=Faults)
    shortable: dict[str, int] = field(default_factory=dict)  # by symbol; others: plenty

    def __post_init__(self) -> None:
        self.registry = Registry(master_client_id=self.master)
        self._connected = 0
        self._build(None)

    def _build(self, state: bytes | None) -> None:
        self.world, watch = new_world(state=state, config=self.config)
        self.world.accounts = self.accounts
        self.world.faults = self.faults
        book = contract_book(self.world.instruments)
        account = AccountSettings()
        common: Mapping[str, Any] = {"currency": "USD", "timezone": "America/New_York"}
        self.orders = OrderPart(
            self.world, registry=self.registry, book=book, settings=self.settings, account=account,
            shortable=lambda symbol: self.shortable.get(symbol, 1_000_000), **common,
        )  # fmt: skip
        self.account = AccountPart(self.world, book=book, settings=account, **common)
        self.machine = new_machine(self.world, watch, {"orders": self.orders, "account": self.account})

    def restart(self) -> "Rig":
        """Kill the gateway and start it from what it wrote down; every client is gone."""
        payload = self.machine.dump()
        state = decode_state(payload)
        self._build(state.exchange)
        self.machine.load(state)
        assert self.machine.dump() == payload
        return self

    def client(self, client_id: int = 11, *, version: int = 178) -> Peer:
        """A client that has started its session."""
        self._connected += 1
        peer = Peer(self, client_id, version, self._connected)
        self.machine.opened(peer)
        return peer

    def play(self, tape: Tape) -> "Rig":
        """Show market rows."""
        rows = tape.array()
        self.machine.run_rows(rows, 0, len(rows))
        return self

    def until(self, seconds: float) -> "Rig":
        """Let time pass."""
        self.machine.advance_to(at(seconds))
        return self

    def wait(self, seconds: float = 0.01) -> "Rig":
        """Let a little time pass: answers of the venue take two milliseconds."""
        self.machine.advance_to(self.world.now_ns + round(seconds * NANO))
        return self

    @property
    def position(self) -> float:
        """Shares held of the first instrument."""
        held = self.world.exchange.account.state.positions.get(0)
        return held.qty_nanos / NANO if held is not None else 0.0


def market_rig(**arguments: Any) -> Rig:
    """A rig with a quote of 10.00 / 10.02, 500 shares each side, one second after the open."""
    return Rig(**arguments).play(Tape().quote(1, 1000, 1002, 500, 500).print(1, 1001, 100))
