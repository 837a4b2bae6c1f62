"""A gateway machine with its market and contract parts, and a client whose every message ib_async's decoder reads."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from ib_async.decoder import Decoder

from broker.gateway.contracts.book import ContractBook
from broker.gateway.contracts.part import ContractPart
from broker.gateway.contracts.settings import ContractSettings
from broker.gateway.machine import GatewayMachine
from broker.gateway.market.part import MarketPart
from broker.gateway.market.recorded import RecordedDays
from broker.gateway.market.settings import MarketSettings
from broker.gateway.part import Field, NoFaults
from broker.gateway.wire import FieldReader, field_text, frame_of, split_fields
from core.reference import InstrumentReference
from core.rows import ROW
from tests.fakes.gateway import new_machine, new_world
from tests.fakes.tape import DATES, Tape, cents, shares

Call = tuple[Any, ...]
REFERENCE = tuple(
    InstrumentReference(
        inst=inst, effective_from=date, previous_close_nanos=cents(1000 + 100 * inst), adv_nanos=shares(2_000_000)
    )
    for inst in range(2)
    for date in DATES
)  # fmt: skip


class _Logger:
    """The decoder swallows errors into its log: here they end the test."""

    def exception(self, text: str) -> None:
        """An error."""
        raise AssertionError(text)


class _Wrapper:
    """Writes down every callback."""

    defaultTimezone = None

    def __init__(self, calls: list[Call]) -> None:
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self._calls.append((name, *arguments))


class DecodedClient:
    """Implements part.Client."""

    def __init__(self, version: int = 178, *, number: int = 1) -> None:
        self.number = self.client_id = number
        self.version = version
        self.calls: list[Call] = []
        decoder: Any = Decoder  # untyped, and its own wrapper is far bigger
        self._decoder = decoder(_Wrapper(self.calls), version)
        self._decoder.logger = _Logger()

    def send(self, *fields: Field) -> None:
        """One message."""
        self.send_frame(frame_of(*fields))

    def send_frame(self, frame: bytes) -> None:
        """One frame."""
        assert int.from_bytes(frame[:4], "big") == len(frame) - 4
        assert frame.endswith(b"\0")
        self._decoder.interpret(split_fields(frame[4:] + b"\0")[: frame[4:].count(b"\0")])

    def error(self, req_id: int, code: int, text: str, reject_json: str = "") -> None:
        """Message 4."""
        self.calls.append(("error", req_id, code, text))

    def of(self, *names: str) -> list[Call]:
        """The callbacks of these names, in order."""
        return [call for call in self.calls if call[0] in names]

    def taken(self) -> list[Call]:
        """Everything since the last time."""
        calls, self.calls[:] = list(self.calls), []
        return calls

    @property
    def errors(self) -> list[tuple[int, int]]:
        """(request, code) of every error so far."""
        return [(call[1], call[2]) for call in self.of("error")]


class Market:
    """A machine with market and contracts, without sockets."""

    def __init__(
        self, settings: MarketSettings | None = None, *, instruments: int = 2, slow: Iterable[InstrumentReference] = (),
        contracts: tuple[ContractSettings, ...] = (), recorded: tuple[RecordedDays, ...] = (),
    ) -> None:  # fmt: skip
        self.world, watch = new_world(instruments)
        self.world.faults = self.faults = Faulty()
        self.book = ContractBook(self.world.instruments, now_ns=lambda: self.world.now_ns, settings=contracts)
        self.part = MarketPart(self.world, self.book, settings or MarketSettings(), tuple(slow), recorded)
        self.contracts = ContractPart(self.world, self.book)
        self.machine: GatewayMachine = new_machine(
            self.world, watch, {"market": self.part, "contracts": self.contracts}
        )  # fmt: skip

    def play(self, tape: Tape | np.ndarray[Any, Any]) -> "Market":
        """Rows."""
        rows = tape if isinstance(tape, np.ndarray) else tape.array()
        assert rows.dtype == ROW
        self.machine.run_rows(rows, 0, len(rows))
        return self

    def until(self, ts_ns: int) -> "Market":
        """Time goes on without a row."""
        self.machine.advance_to(ts_ns)
        return self

    def ask(self, client: DecodedClient, msg_id: int, *fields: Field) -> None:
        """One request, through its text."""
        texts = [str(msg_id), *(field_text(field) for field in fields)]
        assert self.machine.handle(client, msg_id, FieldReader(texts, 1))

    def fault(self, *, data_lost: bool = False, **changed: bool) -> None:
        """Something of the link changes."""
        for name, value in changed.items():
            setattr(self.faults, name, value)
        self.machine.link_changed(data_lost)


class Faulty(NoFaults):
    """Faults that can be set."""

    server_lost: bool = False
    market_stopped: bool = False
    history_stopped: bool = False
    contracts_stopped: bool = False
    competing: bool = False


def stock(inst: int = 0, exchange: str = "SMART") -> tuple[Field, ...]:
    """The twelve fields of a stock of tests/fakes/tape.py."""
    return (0, f"S{inst}", "STK", "", 0.0, "", "", exchange, "", "USD", "", "")


def line(req_id: int, inst: int = 0, *, generics: str = "", snapshot: bool = False) -> tuple[Field, ...]:
    """The fields of reqMktData."""
    return (11, req_id, *stock(inst), False, generics, snapshot, False, "")


def history(
    req_id: int, size: str, length: str, *, inst: int = 0, end: str = "", regular: bool = True, kind: str = "TRADES",
    date_format: int = 1, live: bool = False,
) -> tuple[Field, ...]:  # fmt: skip
    """The fields of reqHistoricalData."""
    return (req_id, *stock(inst), False, end, size, length, regular, kind, date_format, live, "")
