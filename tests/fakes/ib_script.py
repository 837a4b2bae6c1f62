"""A gateway that says exactly what a test tells it to, over a real socket, and the real adapter on it. It shakes hands,
logs in and answers contract look-ups by itself; all else is recorded and answered by the test.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from broker.gateway.wire import FrameReader, frame_of, split_fields
from broker.ib.config import IbSettings
from core import commands as c
from core import events as e
from tests.fakes.ib_rig import ACCOUNT, HOST, TAG, Gateway, Rig, RigClock
from tests.fakes.sim_driver import order
from tests.fakes.tape import instrument

DBL: Final = "1.7976931348623157E308"
_LENGTH: Final = struct.Struct(">I")
Handler = Callable[[list[str]], None]


class ScriptedGateway:
    """One listening socket; at most one connection matters: the last."""

    def __init__(self) -> None:
        self.requests: list[list[str]] = []
        self.connections = 0
        self.hello = True  # answer the greeting
        self.login = True  # answer startApi
        self.accounts = f"{ACCOUNT},"
        self.next_valid_id = 1
        self.version = 178
        self.close_at_accept = False
        self.answers: dict[str, Handler] = {"9": self._details, "49": self._time, "91": self._rule}
        self.now_s: Callable[[], int] = lambda: 0
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hang up and listen no more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.hang_up()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hang_up(self) -> None:
        """Cut every connection."""
        writers, self._writers = self._writers, []
        for writer in writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self._writers.append(writer)
        try:
            if not self.close_at_accept:
                await self._read(reader)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        await reader.readexactly(4)
        length = _LENGTH.unpack(await reader.readexactly(4))[0]
        await reader.readexactly(length)
        if self.hello:
            self.send(self.version, "20260105 09:31:00 EST")
        frames = FrameReader(1 << 22)
        while chunk := await reader.read(65_536):
            for payload in frames.feed(chunk):
                fields = split_fields(payload)
                self.requests.append(fields)
                if fields[0] == "71":
                    if self.login:
                        self.send_many((15, 1, self.accounts), (9, 1, self.next_valid_id))
                elif fields[0] in self.answers:
                    self.answers[fields[0]](fields)

    def raw(self, data: bytes) -> None:
        """Bytes as they are."""
        self._writers[-1].write(data)

    def send(self, *fields: Any) -> None:
        """One message."""
        self.raw(frame_of(*fields))

    def send_many(self, *messages: tuple[Any, ...]) -> None:
        """Several messages in one write: one socket read on the other side, unless it is huge."""
        self.raw(b"".join(frame_of(*message) for message in messages))

    def of(self, msg_id: int) -> list[list[str]]:
        """All requests of a kind so far."""
        return [fields for fields in self.requests if fields[0] == str(msg_id)]

    def always(self, msg_id: int, *message: Any) -> None:
        """Answer every request of a kind with this message; "ID" in it stands for the request's id."""

        def answer(fields: list[str]) -> None:
            self.send(*[fields[2] if field == "ID" else field for field in message])

        self.answers[str(msg_id)] = answer

    def empty_account(self) -> None:
        """Answer synchronisations: nothing open, nothing done, nothing held."""
        self.always(5, 53, 1)
        self.always(16, 53, 1)
        self.always(99, 102)
        self.always(7, 55, 1, "ID")
        self.always(61, 62, 1)
        self.always(76, 74, 1, "ID")

    # ---- what it says by itself --------------------------------------------------------------------------------
    def _details(self, fields: list[str]) -> None:
        """Details of S0 and S1, by contract id."""
        con_id = int(fields[3])
        self.send_many(details_of(fields[2], con_id), (52, 1, fields[2]))

    def _rule(self, fields: list[str]) -> None:
        self.send(93, fields[1], 2, "0", "0.0001", "1", "0.01")

    def _time(self, _: list[str]) -> None:
        self.send(49, 1, self.now_s())


def details_of(request_id: str, con_id: int, *, primary: str = "NYSE", symbol: str = "") -> tuple[Any, ...]:
    """One contractDetails of a stock."""
    symbol = symbol or f"S{con_id - 1000}"
    head = (10, request_id, symbol, "STK", "", "0", "", "SMART", "USD", symbol, symbol, symbol, con_id, "0.01", "")
    middle = ("LMT,MKT", "SMART,NYSE", 1, 0, "A name", primary, "", "", "", "", "US/Eastern", "", "", "", "", 0)
    return (*head, *middle, "1", "", "", "26,26", "", "COMMON", "1", "1", "100")


def open_order(
    order_id: int, status: str, *, perm_id: int = 501, ref: str = "", qty: str = "100", limit: str = "10",
    aux: str = "0", kind: str = "LMT", client_id: int = 11, account: str = ACCOUNT, con_id: int = 1000,
    action: str = "BUY",
) -> tuple[Any, ...]:  # fmt: skip
    """One openOrder as TWS 178 writes it."""
    ref = ref or f"q-{TAG}-1-{order_id}"
    symbol = f"S{con_id - 1000}"
    contract = (con_id, symbol, "STK", "", "0", "?", "", "SMART", "USD", symbol, symbol)
    head = (5, order_id, *contract, action, qty, kind, limit, aux, "DAY", "", account, "", 0, ref, client_id, perm_id)
    terms = (0, 0, 0, "", "", "", "", "", "", "", "", DBL, "", 0, "", -1, 0, DBL, DBL, DBL, DBL, DBL, 0, 0, 0, 0, "", 3)
    pegs = (0, 0, DBL, 0, 0, DBL, 0, "None", DBL, 0, "", "", "", "?", 0, 0, "", 0, 0, DBL, DBL, DBL, "", "", 0, 0, 0)
    scale = ("", "", DBL, "", 0, "", "IB", 0, 0, "", 0, 0, status, *[DBL] * 9, DBL, DBL, DBL, "", "")
    tail = (0, 0, 0, "None", DBL, DBL, DBL, DBL, DBL, DBL, 0, "", "", "", DBL, 0, 0, 0, 0, "", "", 0)
    return (*head, *terms, *pegs, *scale, *tail, "", "", DBL, DBL, DBL)


def order_status(
    order_id: int, status: str, *, filled: str = "0", remaining: str = "100", perm_id: int = 501, client_id: int = 11,
    why_held: str = "",
) -> tuple[Any, ...]:  # fmt: skip
    """One orderStatus."""
    return (3, order_id, status, filled, remaining, "0", perm_id, 0, "0", client_id, why_held, "0")


def execution(
    order_id: int, exec_id: str, *, shares: str = "100", price: str = "10", cumulative: str = "", perm_id: int = 501,
    ref: str = "", request_id: int = -1, time: str = "20260105 09:31:05 US/Eastern", side: str = "BOT",
    client_id: int = 11, account: str = ACCOUNT, con_id: int = 1000,
) -> tuple[Any, ...]:  # fmt: skip
    """One execDetails as TWS 178 writes it."""
    ref = ref or f"q-{TAG}-1-{order_id}"
    symbol = f"S{con_id - 1000}"
    contract = (con_id, symbol, "STK", "", "0", "", "", "NYSE", "USD", symbol, symbol)
    head = (11, request_id, order_id, *contract, exec_id, time, account, "NYSE", side, shares, price, perm_id)
    return (*head, client_id, 0, cumulative or shares, price, ref, "", "", "", 1, 0)


def commission(exec_id: str, amount: str = "1.00") -> tuple[Any, ...]:
    """One commissionReport."""
    return (59, 1, exec_id, amount, "USD", DBL, DBL, 0)


def error(number: int, code: int, text: str = "words") -> tuple[Any, ...]:
    """One error."""
    return (4, 2, number, code, text, "")


class ScriptRig(Rig):
    """The rig of tests/fakes/ib_rig.py with a scripted gateway."""

    def __init__(self, script: ScriptedGateway, clock: RigClock, settings: IbSettings, **how: Any) -> None:
        self.script = script
        super().__init__(_NoGateway(), clock, settings, **how)  # type: ignore[arg-type]  # what Rig reads of it is there

    async def sent(self, msg_id: int, count: int = 1) -> list[str]:
        """The `count`th request of a kind."""
        await self.until(lambda: len(self.script.of(msg_id)) >= count)
        return self.script.of(msg_id)[count - 1]

    async def working(self, **terms: Any) -> int:
        """An order that the gateway has acknowledged as Submitted."""
        order_id = self.place(**({"limit": 1000} | terms))
        before = len(self.sink.of(e.OrderAcknowledged))
        ref = order(order_id).order_ref
        perm_id = 500 + order_id
        self.script.send_many(
            open_order(order_id, "Submitted", perm_id=perm_id, ref=ref),
            order_status(order_id, "Submitted", perm_id=perm_id),
        )
        await self.fact(e.OrderAcknowledged, before + 1)
        return order_id

    async def told(self) -> None:
        """Until the adapter has read everything sent so far: it answers nothing, so a time is asked across it."""
        before = len(self.sink.facts)
        marker = 900_000 + len(self.script.requests) + before
        self.script.send(4, 2, -1, 2107, f"marker {marker}", "")
        await self.until(lambda: any(f"marker {marker}" in str(line) for line in self.log.lines[-50:]))

    def names(self, since: int = 0) -> list[str]:
        """Kinds of the facts told from a place on."""
        return [type(fact).__name__ for fact in self.sink.facts[since:]]


class _NoGateway:
    """What a Rig reads of its gateway."""

    bugs: tuple[Exception, ...] = ()

    class world:  # stands for an attribute
        """The instruments."""

        instruments = (instrument(0), instrument(1))


@asynccontextmanager
async def scripted_rig(
    *, start: bool = True, settings: dict[str, Any] | None = None, speed: float = 1.0, **how: Any
) -> AsyncIterator[ScriptRig]:
    """A scripted gateway, and an adapter that is READY on it."""
    clock = RigClock(speed=speed)
    script = ScriptedGateway()
    script.now_s = lambda: clock.now_ns() // 10**9
    await script.start()
    quick: dict[str, Any] = {"windows": (), "backoff_min_s": 0.05, "backoff_max_s": 0.2}
    made = IbSettings(port=script.port, **(quick | (settings or {})))
    rig = ScriptRig(script, clock, made, **how)
    try:
        if start:
            await rig.adapter.start()
            await rig.ready()
        yield rig
    finally:
        await rig.adapter.close()
        if rig.adapter.ended is not None and rig.adapter.ended.done():
            rig.adapter.ended.exception()
        await script.stop()


def cancel_of(order_id: int) -> c.CancelOrder:
    """A cancel."""
    return c.CancelOrder(order_id=order_id, reason="test")


__all__ = [
    "DBL", "Gateway", "ScriptRig", "ScriptedGateway", "cancel_of", "commission", "details_of", "error", "execution",
    "open_order", "order_status", "scripted_rig",
]  # fmt: skip
