"""The gateway as one synchronous machine: market rows, requests and time in; what the parts answer out. The only writer
of `World`. Deterministic given rows, inputs and their places, so that a restart comes to the same state by running the
rows and the recorded inputs once more. Knows no socket, file or clock.

Time stands at `world.now_ns` and never goes back. Inputs meet a machine that has been brought up to the present by
`catch_up`, which the process sets.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from broker.gateway.part import NEVER, Client, Fields, Handler, Part, World
from broker.gateway.scan import scan
from core.errors import Bug
from core.events import AnyEvent, FeedGapped, HaltChanged
from core.market import MARKET, MarketReader
from core.rows import ROW_BYTES, unpack_row

# Requests after which the gateway's lasting state is another one: orders, cancels, and what binds orders to a client.
# All others only ask, or subscribe, and a subscription ends with its connection.
AUTO_OPEN_ORDERS: Final = 15
LASTING: Final = (3, 4, 5, AUTO_OPEN_ORDERS, 58)

OPENED: Final = 0
CLOSED: Final = 1
REQUEST: Final = 2
COMMAND: Final = 3
ROWS: Final = 4  # market rows of a feed that cannot be asked for them again
FACT: Final = 5  # what such a feed says besides rows


class Input(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """Something from outside that changed lasting state, and where in the tape it came."""

    rows_done: int
    facts_done: int  # control facts of the feed before it
    ts_ns: int
    kind: int
    number: int = 0  # of the connection
    client_id: int = 0
    version: int = 0
    msg_id: int = 0
    fields: list[str] = []  # those after the id, or an operator's command as JSON
    packed: bytes = b""  # rows as they are, a fact as msgpack


class MachineState(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """What a snapshot keeps of the machine itself; exchange and parts have their own bytes."""

    now_ns: int
    rows_done: int
    facts_done: int
    quotes: bytes
    waiting: tuple[tuple[int, AnyEvent], ...]
    exchange: bytes
    parts: dict[str, bytes]


_encode: Final = msgspec.msgpack.Encoder().encode
_decoder: Final = msgspec.msgpack.Decoder(MachineState)


class GatewayMachine:
    """Raises Bug when parts contradict each other; whatever a handler raises goes through to the caller."""

    def __init__(self, world: World, parts: Mapping[str, Part], *, watch: NDArray[np.int64]) -> None:
        self.world = world
        self.parts = parts
        self.handlers: dict[int, Handler] = handlers_of(parts)
        self.rows_done = 0
        self.facts_done = 0
        self.catch_up: Callable[[], None] = _nothing
        self.record: Callable[[Input], None] | None = None
        self.command: Callable[[str], Any] | None = None  # carries out an operator's command
        self._all = tuple(parts.values())
        self._watch, self._watching = watch, watch.data
        self._wanting = world.wanted.data
        self._market = MarketReader(world.quotes)
        self._waiting: list[tuple[int, AnyEvent]] = []  # facts that the lost server has not told yet

    # ---- time --------------------------------------------------------------------------------------------------
    def due_ns(self) -> int:
        """The next moment something happens without a row or a request; NEVER if none."""
        due = self.world.exchange.next_due_ns
        for part in self._all:
            asked = part.next_due_ns
            if asked < due:
                due = asked
        return due

    def advance_to(self, ts_ns: int) -> None:
        """Let everything happen that is due at or before `ts_ns`, each at its own moment; time then stands there."""
        world, exchange = self.world, self.world.exchange
        while True:
            part, due = self._next_part()
            venue_ns = exchange.next_due_ns
            if venue_ns <= due and venue_ns <= ts_ns:
                told = exchange.pop_due(min(due, ts_ns))
                if told is not None:
                    self._fact(*told)
            elif part is not None and due <= ts_ns:
                world.now_ns = max(world.now_ns, due)
                part.advance(world.now_ns)
                if part.next_due_ns <= due:
                    raise Bug(f"{type(part).__name__} is due at {due} again after it was served")
            else:
                break
        world.now_ns = max(world.now_ns, ts_ns)

    def _next_part(self) -> tuple[Part | None, int]:
        found, due = None, NEVER
        for part in self._all:
            if part.next_due_ns < due:
                found, due = part, part.next_due_ns
        return found, due

    def _fact(self, ts_ns: int, fact: AnyEvent) -> None:
        world = self.world
        world.now_ns = max(world.now_ns, ts_ns)
        if world.faults.server_lost and not world.faults.facts_flow:
            self._waiting.append((ts_ns, fact))
            return
        for part in self._all:
            part.on_fact(ts_ns, fact)

    def link_changed(self, data_lost: bool) -> None:
        """`world.faults` has changed; with the server back, what it has not told yet comes first."""
        if not self.world.faults.server_lost and self._waiting:
            waiting, self._waiting = self._waiting, []
            for _, fact in waiting:
                self._fact(self.world.now_ns, fact)
        for part in self._all:
            part.on_link(data_lost)

    # ---- market ------------------------------------------------------------------------------------------------
    def run_rows(self, rows: NDArray[np.void], lo: int, hi: int) -> None:
        """Market rows in order, none before the present. Rows nobody asked for cost a few nanoseconds each; where
        our own trading moves the market, every row is shifted by what was traded before it.
        """
        if not self.world.exchange.moves_market:
            self._run(rows, lo, hi)
            return
        for at in range(lo, hi):
            row = rows[at : at + 1]
            self.advance_to(int(row["ts_ns"][0]))
            self._run(self.world.exchange.moved(row), 0, 1)

    def _run(self, rows: NDArray[np.void], lo: int, hi: int) -> None:
        world, packed = self.world, rows.view(np.uint8).data
        told = at = lo
        while at < hi:
            k = scan(world.quotes, self._watch, world.wanted, rows, at, hi, self.due_ns())
            if k < 0:
                at = -1 - k
                self._show_stretch(rows, told, at)
                told = at
                self.advance_to(unpack_row(packed, at * ROW_BYTES)[0])
            elif k < hi:
                told = self._show(rows, unpack_row(packed, k * ROW_BYTES), told, k + 1)
                at = k + 1
            else:
                at = hi
        self._show_stretch(rows, told, hi)
        self.rows_done += hi - lo
        if hi > lo:
            world.now_ns = max(world.now_ns, unpack_row(packed, (hi - 1) * ROW_BYTES)[0])

    def _show(self, rows: NDArray[np.void], row: tuple[int, ...], told: int, upto: int) -> int:
        """A row that was asked for, applied already; returns up to which row the tapes are told."""
        ts_ns, _, inst, kind, flags, bid, ask, bid_qty, ask_qty = row
        world = self.world
        world.now_ns = ts_ns
        if self._watching[inst] > 0:
            world.exchange.on_row(
                ts_ns=ts_ns, inst=inst, kind=kind, flags=flags,
                bid_px_nanos=bid, ask_px_nanos=ask, bid_qty_nanos=bid_qty, ask_qty_nanos=ask_qty,
            )  # fmt: skip
        if self._wanting[inst] <= 0:
            return told
        self._show_stretch(rows, told, upto)
        for part in self._all:
            part.on_row(row)
        return upto

    def _show_stretch(self, rows: NDArray[np.void], lo: int, hi: int) -> None:
        if hi > lo:
            for tape in self.world.tapes:
                tape(rows, lo, hi)

    def control(self, ts_ns: int, event: AnyEvent) -> None:
        """What the feed says besides rows: a halt or a gap."""
        self.advance_to(ts_ns)
        self.facts_done += 1
        if type(event) is HaltChanged:
            self._market.set_halt(event.inst, event.halted)
            self.world.exchange.on_halt(event.inst, event.halted > 0, self.world.now_ns)
        elif type(event) is FeedGapped:
            self._market.set_gap(event.inst)
        for part in self._all:
            part.on_fact(self.world.now_ns, event)

    # ---- inputs ------------------------------------------------------------------------------------------------
    def opened(self, client: Client) -> None:
        """A client has started its session."""
        self.catch_up()
        self._note(OPENED, client)
        for part in self._all:
            part.opened(client)

    def closed(self, client: Client) -> None:
        """A client's connection is gone."""
        self.catch_up()
        self._note(CLOSED, client)
        for part in self._all:
            part.closed(client)

    def handle(self, client: Client, msg_id: int, fields: Fields) -> bool:
        """One request; False when no part knows its id. Raises what the handler raises, `Malformed` mostly."""
        self.catch_up()
        handler = self.handlers.get(msg_id)
        if handler is None:
            return False
        if msg_id in LASTING:
            self._note(REQUEST, client, msg_id, fields.rest())
        handler(client, fields)
        return True

    def operate(self, command: str) -> Any:
        """An operator's command that changes lasting state, as JSON; returns what it answers."""
        self.catch_up()
        if self.command is None:
            raise Bug("a command came to a machine that nobody has taught any")
        self._record(COMMAND, fields=[command])
        return self.command(command)

    def _note(self, kind: int, client: Client, msg_id: int = 0, fields: list[str] | None = None) -> None:
        self._record(
            kind, number=client.number, client_id=client.client_id, version=client.version, msg_id=msg_id,
            fields=fields or [],
        )  # fmt: skip

    def _record(self, kind: int, **fields: Any) -> None:
        if self.record is not None:
            self.record(
                Input(
                    rows_done=self.rows_done,
                    facts_done=self.facts_done,
                    ts_ns=self.world.now_ns,
                    kind=kind,
                    **fields,
                )
            )

    # ---- state -------------------------------------------------------------------------------------------------
    def dump(self) -> bytes:
        """Everything that outlives a restart."""
        world = self.world
        return _encode(
            MachineState(
                now_ns=world.now_ns,
                rows_done=self.rows_done,
                facts_done=self.facts_done,
                quotes=world.quotes.tobytes(),
                waiting=tuple(self._waiting),
                exchange=world.exchange.snapshot(),
                parts={name: part.dump() for name, part in self.parts.items()},
            )
        )

    def load(self, state: MachineState) -> None:
        """From `decode_state`, right after construction; the exchange was built from the same state."""
        world = self.world
        world.now_ns, self.rows_done, self.facts_done = state.now_ns, state.rows_done, state.facts_done
        world.quotes[:] = np.frombuffer(state.quotes, MARKET)
        self._waiting = list(state.waiting)
        for name, part in self.parts.items():
            if kept := state.parts.get(name, b""):
                part.load(kept)


def decode_state(payload: bytes) -> MachineState:
    """The state a `dump` holds. Raises msgspec.DecodeError."""
    return _decoder.decode(payload)


def handlers_of(parts: Mapping[str, Part]) -> dict[int, Handler]:
    """Who answers which message. Raises Bug when two parts answer the same one."""
    found: dict[int, Handler] = {}
    owners: dict[int, str] = {}
    for name, part in parts.items():
        for msg_id, handler in part.handlers().items():
            if msg_id in found:
                raise Bug(f"requests of id {msg_id} are answered by {owners[msg_id]} and by {name}")
            found[msg_id], owners[msg_id] = handler, name
    return found


def ids(parts: Iterable[Part]) -> list[int]:
    """Message ids that are answered, ascending."""
    return sorted(msg_id for part in parts for msg_id in part.handlers())


def _nothing() -> None:
    """Alone, the machine is where its caller has brought it."""
