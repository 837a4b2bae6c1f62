"""The gateway's operator socket: one JSON object per line each way, answered as daemon/control/messages.py says.

Commands that change lasting state go through the machine, which records them; the others only look.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from broker.gateway.faults.layer import FaultPart
from broker.gateway.faults.registry import Value
from broker.gateway.machine import GatewayMachine
from broker.gateway.part import ManualDesk
from core.errors import ConfigError, QuantdError, Refused
from core.ids import BUY, SELL
from core.units import CASH_NANOS_MAX, parse_nanos
from daemon.control import messages as m
from daemon.control.lines import LineServer

TEXT: Final = Meta(max_length=200)
SIDES: Final = {"BUY": BUY, "SELL": SELL}
Text = Annotated[str, TEXT]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="command"):
    """Base of all requests."""

    id: Annotated[int, Meta(ge=0, le=1 << 53)]


class Ping(Request, frozen=True, tag="ping"):
    """Is anybody there?"""


class GetStatus(Request, frozen=True, tag="status"):
    """What the gateway is doing."""


class ListFaults(Request, frozen=True, tag="faults"):
    """Active faults."""


class ListOrders(Request, frozen=True, tag="orders"):
    """Orders of the day."""


class ListExecutions(Request, frozen=True, tag="executions"):
    """Executions of the day."""


class Lasting(Request, frozen=True, kw_only=True):
    """Base of the commands that are recorded."""


class BeginFault(Lasting, frozen=True, tag="fault"):
    """Begin a fault; 0 seconds = until it is cleared, or by its nature."""

    name: Text
    parameters: dict[Text, Text] = {}
    for_s: Annotated[float, Meta(ge=0, le=1e7)] = 0.0


class ClearFaults(Lasting, frozen=True, tag="clear"):
    """End a fault, or with 0 all."""

    number: Annotated[int, Meta(ge=0)] = 0


class PlaceManual(Lasting, frozen=True, tag="place"):
    """An order by hand."""

    symbol: Text
    side: Text
    quantity: Text
    limit: Text = "0"
    outside_rth: bool = False


class ModifyManual(Lasting, frozen=True, tag="modify"):
    """Change a working order."""

    perm_id: int
    quantity: Text = "0"
    limit: Text = "0"


class CancelManual(Lasting, frozen=True, tag="cancel"):
    """Cancel a working order, or with 0 all."""

    perm_id: int


class Correct(Lasting, frozen=True, tag="correct"):
    """Correct an execution; quantity 0 takes it back."""

    exec_id: Text
    quantity: Text
    price: Text


AnyLasting = BeginFault | ClearFaults | PlaceManual | ModifyManual | CancelManual | Correct
AnyRequest = Ping | GetStatus | ListFaults | ListOrders | ListExecutions | AnyLasting
_decode: Final = msgspec.json.Decoder(AnyRequest).decode
_decode_lasting: Final = msgspec.json.Decoder(AnyLasting).decode


class Commands:
    """Carries out what is recorded; `machine.command` is its `perform`."""

    def __init__(self, machine: GatewayMachine, faults: FaultPart, desk: ManualDesk | None) -> None:
        self.machine = machine
        self.faults = faults
        self._desk = desk
        machine.command = self.perform
        faults.place_manual = self._foreign

    @property
    def desk(self) -> ManualDesk:
        """Where orders are given by hand. Raises Refused."""
        if self._desk is None:
            raise Refused("this gateway has no orders")
        return self._desk

    def perform(self, text: str) -> str:
        """One recorded command; a line about it. Raises Refused or ConfigError."""
        command = _decode_lasting(text)
        if type(command) is BeginFault:
            return self.faults.begin(command.name, command.parameters, lasts_ns=round(command.for_s * 1e9))
        if type(command) is ClearFaults:
            count = self.faults.clear(command.number)
            if command.number and not count:
                raise Refused(f"no fault {command.number} is active: see `quantd gateway fault list`")
            return f"cleared: {count}"
        if type(command) is PlaceManual:
            return self._place(command)
        if type(command) is ModifyManual:
            quantity, limit = _amount("quantity", command.quantity), _amount("limit", command.limit)
            self.desk.modify(command.perm_id, qty_nanos=quantity, limit_px_nanos=limit)
            return f"order {command.perm_id}: modify sent"
        if type(command) is CancelManual:
            self.desk.cancel(command.perm_id)
            return f"order {command.perm_id}: cancel sent" if command.perm_id else "cancel of all orders sent"
        assert type(command) is Correct
        return self._correct(command)

    def _place(self, command: PlaceManual) -> str:
        symbols = [instrument.symbol for instrument in self.machine.world.instruments]
        if command.symbol not in symbols:
            raise Refused(f"symbol {command.symbol!r} is unknown: one of {', '.join(symbols)}")
        if command.side.upper() not in SIDES:
            raise Refused(f"side {command.side!r} is neither BUY nor SELL")
        quantity = _amount("quantity", command.quantity)
        if not quantity:
            raise Refused("quantity: must be above 0")
        perm_id = self.desk.place(
            inst=symbols.index(command.symbol),
            side=SIDES[command.side.upper()],
            qty_nanos=quantity,
            limit_px_nanos=_amount("limit", command.limit),
            outside_rth=command.outside_rth,
        )
        return f"order {perm_id}: placed"

    def _foreign(self, values: dict[str, Value]) -> str:
        """The same as a fault."""
        symbols = [instrument.symbol for instrument in self.machine.world.instruments]
        if values["symbol"] not in symbols:
            raise ConfigError(f"foreign_order.symbol: {values['symbol']!r} is unknown; use one of {', '.join(symbols)}")
        perm_id = self.desk.place(
            inst=symbols.index(str(values["symbol"])),
            side=SIDES[str(values["side"])],
            qty_nanos=int(values["quantity"]),
            limit_px_nanos=int(values["limit"]),
            outside_rth=False,
        )
        return f"order {perm_id}: placed"

    def _correct(self, command: Correct) -> str:
        world = self.machine.world
        quantity, price = _amount("quantity", command.quantity), _amount("price", command.price)
        if quantity and not price:
            raise Refused("price: must be above 0")
        known = world.exchange.correct_execution(
            command.exec_id, qty_nanos=quantity, px_nanos=price, ts_ns=world.now_ns
        )
        if not known:
            raise Refused(f"execution {command.exec_id!r} is not of today: see `quantd gateway order executions`")
        return f"execution {command.exec_id}: {'corrected' if quantity else 'taken back'}"


class GatewayControl(LineServer):
    """Serves the socket. `status` is the picture of this moment; `flush` sends clients what a command said."""

    def __init__(
        self, path: Path, commands: Commands, *, status: Callable[[], dict[str, Any]], flush: Callable[[], None]
    ) -> None:
        super().__init__(path)
        self._commands = commands
        self._status = status
        self._flush = flush

    def answer(self, line: bytes | bytearray, operator: str) -> bytes:
        """The reply line to one request line; never raises."""
        self.requests += 1
        try:
            request = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
            self.malformed += 1
            return m.not_done(0, f"not a request: {fault}", refused=False)
        try:
            return m.done(request.id, self._perform(request))
        except (Refused, ConfigError) as fault:
            return m.not_done(request.id, str(fault), refused=True)
        except QuantdError as fault:
            return m.not_done(request.id, f"failed: {fault}", refused=False)

    def _perform(self, request: AnyRequest) -> Any:
        if isinstance(request, Lasting):
            told = self._commands.machine.operate(msgspec.json.encode(request).decode())
            self._flush()
            return told
        if type(request) is GetStatus:
            return self._status()
        if type(request) is ListFaults:
            return self._commands.faults.listed()
        if type(request) is ListOrders:
            return self._commands.desk.listed()
        if type(request) is ListExecutions:
            return self._commands.desk.executions()
        return "pong"


def _amount(field: str, text: str) -> int:
    """A decimal as nanos, 0 or more. Raises Refused."""
    try:
        nanos = parse_nanos(text, field=field) if len(text) <= 30 else -1
    except ValueError as fault:
        raise Refused(str(fault)) from None
    if not 0 <= nanos <= CASH_NANOS_MAX:
        raise Refused(f"{field}: {text[:40]!r} is no amount")
    return nanos
