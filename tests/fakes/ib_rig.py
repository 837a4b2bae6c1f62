"""The real adapter on the real paper gateway, both in this process, over a real socket on a free port. The test moves
the market row by row; the clock runs `speed` times as fast as the wall from one minute after the open.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
import numpy as np

from broker.gateway.account.part import AccountPart
from broker.gateway.account.settings import AccountSettings
from broker.gateway.contracts.book import ContractBook
from broker.gateway.contracts.part import ContractPart
from broker.gateway.faults.layer import FaultPart
from broker.gateway.general import General
from broker.gateway.machine import GatewayMachine
from broker.gateway.market.part import MarketPart
from broker.gateway.market.settings import MarketSettings
from broker.gateway.orders.by_hand import ByHand
from broker.gateway.orders.part import OrderPart
from broker.gateway.orders.settings import OrderSettings
from broker.gateway.part import Part, World
from broker.gateway.registry import ClientLimits, Registry
from broker.gateway.server import GatewayServer
from broker.ib.adapter import IbAdapter
from broker.ib.config import IbSettings
from broker.ib.seam import READY
from broker.sim.config import LatencyConfig, VenueConfig
from broker.sim.exchange import Exchange
from core import commands as c
from core import events as e
from core.fee_plans import DEFAULT_PLANS
from core.fees import FeeTable
from core.market import new_market
from core.reference import InstrumentReference
from core.rows import PRINT, QUOTE, ROW
from core.sessions import Calendar, Session
from tests.fakes.sim_driver import order
from tests.fakes.tape import CALENDAR, DATES, DAY, HOUR, OPEN_NS, SECOND, cents, instrument, session_table, shares

DEADLINE_S = 5.0  # of every wait in a test that works
PATIENCE_WALL_S = 0.05  # a time-out under a fast clock is no shorter; the adapter's own half second is too long here
ACCOUNT = "DU1"
TAG = "t"
HOST = "127.0.0.1"
VENUE = VenueConfig(
    latency=LatencyConfig(
        up_ns=1_000_000, up_jitter_ns=0, down_ns=1_000_000, down_jitter_ns=0, commission_ns=20_000_000,
        commission_jitter_ns=0,
    )
)  # fmt: skip
E = TypeVar("E")


def calendars() -> dict[str, Calendar]:
    """The three days of tests/fakes/tape.py, and thirty before them: history needs a past."""
    table = session_table()
    past = []
    for back in range(30, 0, -1):
        start_ns = OPEN_NS - back * DAY
        past.append(
            Session(
                date=int(datetime.fromtimestamp(start_ns / 1e9, UTC).strftime("%Y%m%d")),
                pre_open_ns=start_ns - 11 * HOUR // 2,
                open_ns=start_ns,
                close_ns=start_ns + 13 * HOUR // 2,
                post_close_ns=start_ns + 21 * HOUR // 2,
                moc_cutoff_ns=start_ns + 19 * HOUR // 3,
            )
        )
    longer = msgspec.structs.replace(table, sessions=(*past, *table.sessions), from_ns=OPEN_NS - 31 * DAY)
    return {CALENDAR: Calendar(longer)}


class RigClock:
    """The gateway's and the adapter's clock: they must not differ in these tests."""

    def __init__(self, *, speed: float = 1.0, start_ns: int = OPEN_NS + 60 * SECOND) -> None:
        self.speed = speed
        self._start_ns = start_ns - int(asyncio.get_running_loop().time() * 1e9 * speed)
        self.announced: list[tuple[int, float]] = []

    def now_ns(self) -> int:
        """The loop's time, so many times as fast."""
        return self._start_ns + int(asyncio.get_running_loop().time() * 1e9 * self.speed)

    def wall_s(self, duration_ns: int) -> float:
        """By the speed."""
        return duration_ns / 1e9 / self.speed

    def announce(self, ts_ns: int, speed: float) -> None:
        """What the gateway says is what this clock says."""
        self.announced.append((ts_ns, speed))


class RecordingSink:
    """Implements core.ports.BrokerSink; `told` holds rows and facts in order. `on_row` may send orders from within."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.facts: list[Any] = []
        self.rows: list[tuple[int, ...]] = []
        self.on_row: Any = None
        self.on_fact: Any = None

    def row(self, *row: int) -> None:
        """A market row."""
        self.rows.append(row)
        self.told.append(row)
        if self.on_row is not None:
            self.on_row(row)

    def fact(self, event: Any) -> None:
        """A fact."""
        self.facts.append(event)
        self.told.append(event)
        if self.on_fact is not None:
            self.on_fact(event)

    def of(self, kind: type[E]) -> list[E]:
        """All facts of one kind so far."""
        return [fact for fact in self.facts if type(fact) is kind]

    def quotes(self, inst: int = 0) -> list[tuple[int, ...]]:
        """Quotes of an instrument: bid, ask and their sizes."""
        return [row[4:] for row in self.rows if row[1] == inst and row[2] == QUOTE]


class Logged:
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        """One line."""
        self.lines.append((event, fields))


class Gateway:
    """Everything behind the port."""

    def __init__(self, clock: RigClock, *, orders: OrderSettings, market: MarketSettings, limits: ClientLimits) -> None:
        made = tuple(instrument(number) for number in range(2))
        quotes, watch = new_market(2), np.zeros(2, np.int64)
        exchange = Exchange(
            instruments=made, calendars=calendars(), fees=FeeTable(DEFAULT_PLANS["ibkr_pro_fixed"]), config=VENUE,
            watch=watch, quotes=quotes,
        )  # fmt: skip
        self.world = world = World(
            accounts=(ACCOUNT,), instruments=made, calendars=calendars(), exchange=exchange, quotes=quotes
        )
        self.registry = Registry(master_client_id=11)
        self.faults = FaultPart(world, (), seed=1)
        world.faults = self.faults
        book = ContractBook(made, now_ns=lambda: world.now_ns)
        account = AccountSettings()
        self.orders = OrderPart(
            world, registry=self.registry, book=book, settings=orders, account=account, currency="USD",
            timezone="America/New_York",
        )  # fmt: skip
        slow = [
            InstrumentReference(
                inst=inst, effective_from=DATES[0], previous_close_nanos=cents(1000), adv_nanos=shares(1e6)
            )
            for inst in range(2)
        ]
        parts: dict[str, Part] = {
            "orders": self.orders,
            "account": AccountPart(world, book=book, settings=account, currency="USD", timezone="America/New_York"),
            "contracts": ContractPart(world, book),
            "market": MarketPart(world, book, market, slow),
            "general": General(world, self.registry),
            "faults": self.faults,
        }
        self.machine = machine = GatewayMachine(world, parts, watch=watch)
        self.by_hand = ByHand(world, book, self.orders)
        self.clock = clock
        self.bugs: list[Exception] = []
        self.server = GatewayServer(
            machine, self.registry, clock, accounts=world.accounts, limits=limits, on_bug=self.bugs.append
        )
        self.faults.link_changed = machine.link_changed
        self.faults.roll_back_ids = self.registry.roll_back_all
        self.faults.new_session = self.orders.new_session
        machine.catch_up = self._catch_up
        machine.world.now_ns = clock.now_ns()
        self.faults.start(machine.world.now_ns)
        self._timer: asyncio.TimerHandle | None = None
        self.port = 0
        self._closed = False

    async def start(self) -> None:
        """Listen on a free port."""
        await self.server.start([(HOST, self.port)])
        self.port = self.server.addresses[0][1]
        self.faults.attach(self.server)
        self.arm()

    async def close(self) -> None:
        """End; raises the first bug."""
        await self.server.close()
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self.bugs:
            raise self.bugs[0]

    def _catch_up(self) -> None:
        self.machine.advance_to(max(self.world.now_ns, self.clock.now_ns()))
        asyncio.get_running_loop().call_soon(self.arm)  # what this input makes due

    def _on_timer(self) -> None:
        self._timer = None
        self._catch_up()
        self.server.flush()
        self.arm()

    def arm(self) -> None:
        """Something may be due earlier now."""
        if self._timer is not None:
            self._timer.cancel()
        if self._closed:
            return
        delay_s = min(1.0, max(0.0005, self.clock.wall_s(self.machine.due_ns() - self.clock.now_ns())))
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_timer)

    # ---- the market --------------------------------------------------------------------------------------------
    def quote(self, bid: float, ask: float, bid_size: float = 1000, ask_size: float = 1000, *, inst: int = 0) -> None:
        """A best bid and offer, in cents and shares, now."""
        self._row(inst, QUOTE, cents(bid), cents(ask), shares(bid_size), shares(ask_size))

    def trade(self, price: float, size: float, *, inst: int = 0) -> None:
        """A print, now."""
        self._row(inst, PRINT, cents(price), 0, shares(size), 0)

    def _row(self, inst: int, kind: int, *four: int) -> None:
        now_ns = max(self.world.now_ns, self.clock.now_ns())
        rows = np.array([(now_ns, now_ns, inst, kind, 0, *four)], ROW)
        self.machine.advance_to(now_ns)
        self.machine.run_rows(rows, 0, 1)
        self.server.flush()
        self.arm()

    def fault(self, name: str, given: dict[str, str] | None = None, *, lasts_s: float = 0.0, **more: str) -> str:
        """As `quantd gateway fault add`; `lasts_s` in this clock's seconds, 0 = until cleared."""
        self._catch_up()
        answer = self.faults.begin(name, (given or {}) | more, lasts_ns=round(lasts_s * SECOND))
        self.server.flush()
        self.arm()
        return answer

    def clear(self, number: int = 0) -> None:
        """As `quantd gateway fault clear`; 0 = all of them."""
        self._catch_up()
        self.faults.clear(number)
        self.server.flush()
        self.arm()


class Rig:
    """A gateway and an adapter on it."""

    def __init__(self, gateway: Gateway, clock: RigClock, settings: IbSettings, **how: Any) -> None:
        self.gateway = gateway
        self.clock = clock
        self.settings = settings
        self.log = Logged()
        self.sink = RecordingSink()
        self._how = how
        self.adapter = self.make()
        self._next_id = 0

    def synchronise(self) -> None:
        """Ask for a synchronisation whenever the link is back, and again for what was missing, as the engine does."""

        def ask(event: Any) -> None:
            if type(event) is e.LinkRestored:
                self.submit(c.RequestSync(reason="link restored"))
            elif type(event) is e.SyncCompleted and not event.complete:
                self.submit(c.RequestSync(reason=f"{event.missing} missing"))

        self.sink.on_fact = ask

    async def synced(self, count: int = 1) -> e.SyncCompleted:
        """The `count`th complete synchronisation."""
        await self.until(lambda: sum(fact.complete for fact in self.sink.of(e.SyncCompleted)) >= count)
        return self.sink.of(e.SyncCompleted)[-1]

    def make(self, **more: Any) -> IbAdapter:
        """Another adapter on the same settings, telling the same sink."""
        adapter = IbAdapter(
            self.settings,
            instruments=self.gateway.world.instruments,
            account=ACCOUNT,
            account_tag=TAG,
            clock=self.clock,
            sink=self.sink,
            log=self.log,
            calendars=tuple(calendars()[CALENDAR] for _ in range(2)),
            **(self._how | more),
        )
        adapter.patience_wall_s = PATIENCE_WALL_S
        return adapter

    async def ready(self, count: int = 1) -> None:
        """Until the link is READY and every contract known."""
        await self.until(
            lambda: (
                len(self.sink.of(e.LinkRestored)) >= count
                and self.adapter.link == READY
                and None not in self.adapter.contracts.known
                and None not in self.adapter.contracts.rules
            )
        )

    async def until(self, condition: Any) -> None:
        """Until it holds, turn by turn of the loop; what was told so far explains a failure."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not condition():
                    if self.gateway.bugs:
                        raise self.gateway.bugs[0]
                    if self.adapter.ended is not None and self.adapter.ended.done() and self.adapter.ended.exception():
                        return
                    await asyncio.sleep(0.001)
        except TimeoutError:
            told = "\n".join(str(item) for item in (*self.sink.facts[-40:], *self.log.lines[-40:]))
            raise AssertionError(f"waited in vain; told so far:\n{told}") from None

    async def fact(self, kind: type[E], count: int = 1) -> E:
        """The `count`th fact of a kind."""
        await self.until(lambda: len(self.sink.of(kind)) >= count)
        found = self.sink.of(kind)
        assert len(found) >= count, f"{kind.__name__}: {self.log.lines[-5:]}"
        return found[count - 1]

    # ---- commands ----------------------------------------------------------------------------------------------
    def order_id(self) -> int:
        """The next id, as the engine counts."""
        self._next_id = max(self._next_id + 1, self.adapter.book.order_id_next)
        return self._next_id

    def submit(self, command: Any) -> str:
        """To the port, at the present time."""
        return self.adapter.submit(command, ts_ns=self.clock.now_ns())

    def place(self, order_id: int = 0, **terms: Any) -> int:
        """A new order; returns its id. The port must take it."""
        order_id = order_id or self.order_id()
        made = order(order_id, **terms)
        reason = self.submit(c.PlaceOrder(order=made))
        assert reason == "", reason
        return order_id

    def replace(self, order_id: int, version: int = 1, **terms: Any) -> str:
        """A new version."""
        return self.submit(c.ReplaceOrder(order=order(order_id, version=version, **terms)))

    def cancel(self, order_id: int) -> str:
        """Take it off the book."""
        return self.submit(c.CancelOrder(order_id=order_id, reason="test"))

    async def sync(self, since_ns: int = 0) -> list[Any]:
        """One synchronisation; returns its facts."""
        done, first = len(self.sink.of(e.SyncCompleted)), len(self.sink.facts)
        assert self.submit(c.RequestSync(reason="test", since_ns=since_ns)) == ""
        await self.until(lambda: len(self.sink.of(e.SyncCompleted)) > done)
        return self.sink.facts[first:]


@asynccontextmanager
async def running_rig(
    *, speed: float = 1.0, orders: OrderSettings | None = None, market: MarketSettings | None = None,
    limits: ClientLimits | None = None, start: bool = True, settings: dict[str, Any] | None = None, **how: Any,
) -> AsyncIterator[Rig]:  # fmt: skip
    """A gateway with a quote on each side of ten dollars, and an adapter that is READY."""
    clock = RigClock(speed=speed)
    gateway = Gateway(
        clock, orders=orders or OrderSettings(), market=market or MarketSettings(), limits=limits or ClientLimits()
    )
    await gateway.start()
    for inst in range(2):
        gateway.quote(1000, 1001, inst=inst)
    made = IbSettings(port=gateway.port, **({"windows": ()} | (settings or {})))
    rig = Rig(gateway, clock, made, **how)
    try:
        if start:
            await rig.adapter.start()
            await rig.ready()
        yield rig
    finally:
        await rig.adapter.close()
        if rig.adapter.ended is not None and rig.adapter.ended.done():
            rig.adapter.ended.exception()
        await gateway.close()
