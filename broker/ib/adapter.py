"""The adapter: implements the broker port on one account at Interactive Brokers and tells the trader's sink what comes.
It owns the socket, the timer and the order of things; what messages mean is decided by its parts, which are sans-IO.

Everything happens within a socket read, a timer or a `submit`, in one thread: a tick's order leaves in the read that
brought the tick. Facts come in the order of receipt, quotes at the end of the read.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from broker.ib.book import Book
from broker.ib.codec import Codec
from broker.ib.config import REQUEST_ID_FIRST, IbSettings
from broker.ib.contracts import Contracts
from broker.ib.history import History
from broker.ib.life import Life
from broker.ib.market import Market
from broker.ib.orders import Orders
from broker.ib.out import Out
from broker.ib.pacing import Pacer
from broker.ib.router import CAPABILITY, Router
from broker.ib.seam import DOWN, LANE_CANCEL, LANE_SYNC, NEVER, READY
from broker.ib.session import Phase, Session
from broker.ib.socket import Socket
from broker.ib.sync import Sync
from broker.ib.wrapper import Wrapper
from core import commands as c
from core import events as e
from core.errors import BrokerFault, ConfigError
from core.instruments import Instrument
from core.orders import Order
from core.ports import BrokerSink, Clock
from core.profiles import PROFILES
from core.sessions import Calendar
from core.units import NANO

PATIENCE_WALL_S: Final = 0.5  # no time-out is shorter on the wall
SECOND_NS: Final = NANO
CLOSE_S: Final = 3.0
DRAIN_S: Final = 5.0  # a kill of two hundred orders takes so long
DRAIN_POLL_S: Final = 0.02


class TraderFailed(Exception):
    """The sink raised: nothing more is read; `ended` has the reason."""


class IbAdapter:
    """One account on one gateway, over any number of connections. `ended` is set with the error that ends it all."""

    def __init__(
        self,
        settings: IbSettings,
        *,
        instruments: tuple[Instrument, ...],
        account: str,
        account_tag: str,
        clock: Clock,
        sink: BrokerSink,
        log: Any = None,
        profile: str = "l1_250",
        calendars: tuple[Calendar, ...] = (),  # by instrument, readers of the adapter's own
        orders: Iterable[Order] = (),  # what the journal knows
        executions: Iterable[str] = (),  # ids booked already
        order_id_next: int = 1,
    ) -> None:
        self.settings = settings
        self.patience_wall_s = PATIENCE_WALL_S
        self.clock = clock
        self._sink = sink
        self._log = log
        self._now_ns = 0
        self._request_id = REQUEST_ID_FIRST
        self.ended: asyncio.Future[None] | None = None
        self._over = False
        self._timer: asyncio.TimerHandle | None = None
        self._armed_s = 0.0
        self._second_ns = 0
        self.wrapper = Wrapper()
        self.codec = Codec(self.wrapper)
        self.pacer = Pacer()
        self.session = Session(self, settings, account=account)
        self.book = Book(
            account_tag=account_tag, client_id=settings.client_id, orders=orders, executions=executions,
            order_id_next=order_id_next,
        )  # fmt: skip
        self.contracts = Contracts(self, instruments, qualified=lambda inst: self.life.qualified(inst))
        self.orders = Orders(self, self.book, account=account, instruments_of=self.contracts.inst_of)
        self.sync = Sync(self, self.orders, settings, account=account, settled=lambda: self.contracts.settled)
        self.market = Market(self, instruments, PROFILES[profile])
        self.life = Life(
            self, self.market, settings, contract_of=self.contracts.contract, calendars=calendars
        )  # fmt: skip
        self.history = History(self, self.contracts, settings, instruments=instruments, calendars=calendars)
        self.out = Out(self, account=account)
        self.socket = Socket(settings, opened=self._opened, received=self._received, closed=self._closed)
        self.router = Router(self)
        self._wire_up()

    def _wire_up(self) -> None:
        watch, market = self.codec.watch, self.market
        for msg_id, handler in (
            (1, market.tick_price), (2, market.tick_size), (50, market.real_time_bar), (99, market.tick_by_tick),
        ):  # fmt: skip
            watch(msg_id, handler)
        # In their place among the other messages, but not through the library's decoder.
        watch(5, self._open_order)
        watch(101, self._completed_order)
        watch(3, lambda raw: self.wrapper.inbox.append(("orderStatus", raw)))
        watch(11, lambda raw: self.wrapper.inbox.append(("execDetails", raw)))
        watch(59, lambda raw: self.wrapper.inbox.append(("commissionReport", raw)))
        self.codec.hello = self._greeted

    def _open_order(self, raw: list[bytes]) -> None:
        """The library's decoder, unless an order that is not ours has something it does not know."""
        self.codec.decode_or(raw, 23, self.book.is_ours, lambda: self.wrapper.inbox.append(("foreignOrder", raw)))

    def _completed_order(self, raw: list[bytes]) -> None:
        self.codec.decode_or(raw, 22, self.book.is_ours, lambda: None)

    # ---- life of the adapter -----------------------------------------------------------------------------------
    async def start(self) -> None:
        """Begin to connect; returns at once. The link's facts tell how it goes, `ended` what ends it."""
        self.ended = asyncio.get_running_loop().create_future()
        self.refresh_now()
        self.session.start(self.mono_ns())
        self._leave()

    async def close(self) -> None:
        """Close for good, once the cancels that wait for the message budget have left; orders stay at the broker."""
        try:
            async with asyncio.timeout(DRAIN_S):
                while self.pacer.waiting(LANE_CANCEL):  # noqa: ASYNC110  # once, at the end of a run
                    await asyncio.sleep(DRAIN_POLL_S)
        except TimeoutError:
            self.log("ib_cancels_lost", waiting=self.pacer.waiting(LANE_CANCEL))
        self._over = True
        self.session.stop()
        await self.socket.wait_closed(CLOSE_S)
        self.pacer.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.ended is not None and not self.ended.done():
            self.ended.set_result(None)

    @property
    def link(self) -> int:
        """DOWN, DEGRADED or READY."""
        return self.session.link

    @property
    def reason(self) -> str:
        """Why the link is not READY, in words."""
        return self.session.reason

    @property
    def now_ns(self) -> int:
        """The clock's time of this read, timer or command."""
        return self._now_ns

    def blind(self) -> dict[str, str]:
        """Symbols whose data must not be traded on, and why."""
        return {line.symbol: line.why for line in self.market.lines if line.blind}

    # ---- the way out -------------------------------------------------------------------------------------------
    def submit(self, command: Any, *, ts_ns: int) -> str:
        """Implements core.ports.BrokerPort."""
        self.refresh_now()
        if type(command) is c.RequestSync:
            if self.link != DOWN:  # else the trader asks again when the link is back
                self.sync.ask(command.reason, command.since_ns, at_ns=self._now_ns)
                self._wake_soon()
            return ""
        reason = self.out.submit(command)
        if self.pacer.next_ns < NEVER:
            self._arm()
        return reason

    def fetch_reference(self, date: int) -> None:
        """Implements core.ports.BrokerPort."""
        self._now_ns = self.clock.now_ns()
        self.history.fetch(date)
        self.contracts.refresh_rules()
        if self.ended is not None:
            self._arm()

    def request(self, lane: int, name: str, *arguments: Any) -> bool:
        """Implements broker.ib.seam.Shell."""
        if self.session.phase is not Phase.UP:
            return False
        taken = self.pacer.put(lane, self.codec.encode(name, *arguments))
        self.pump()
        return taken

    def pump(self) -> None:
        """Write what the budget lets go."""
        frames = self.pacer.pump(self._now_ns)
        if frames:
            self.socket.write(b"".join(frames))

    def request_id(self) -> int:
        """Implements broker.ib.seam.Shell."""
        self._request_id += 1
        if self._request_id >= 2**31 - 1:
            self._request_id = REQUEST_ID_FIRST + 1
        return self._request_id

    # ---- the way in --------------------------------------------------------------------------------------------
    def fact(self, event: Any) -> None:
        """Implements broker.ib.seam.Shell."""
        if self._over:
            return
        try:
            self._sink.fact(event)
        except Exception as fault:  # edge: the trader's own failure must not pass for the broker's
            self._end(fault)
            raise TraderFailed from fault
        if type(event) is e.SyncCompleted and event.complete:
            self.pacer.data_limited = self.link == READY
            self.history.allow()

    def row(
        self, exchange_ts_ns: int, inst: int, kind: int, flags: int,
        bid_px_nanos: int, ask_px_nanos: int, bid_qty_nanos: int, ask_qty_nanos: int,
    ) -> None:  # fmt: skip
        """Implements broker.ib.seam.Shell."""
        if not self._over:
            self._sink.row(exchange_ts_ns, inst, kind, flags, bid_px_nanos, ask_px_nanos, bid_qty_nanos, ask_qty_nanos)

    def doubt(self, reason: str) -> None:
        """Implements broker.ib.seam.Shell."""
        self.log("ib_doubt", reason=reason)
        if self.link != DOWN:
            self.sync.doubt(reason, self._now_ns)

    def fault(self, reason: str) -> None:
        """Implements broker.ib.seam.Shell."""
        self.session.fault(reason, self.mono_ns())

    def fatal(self, reason: str) -> None:
        """Implements broker.ib.seam.Shell: nothing leaves any more, and the trader is told to stop."""
        self.log("ib_fatal", reason=reason)
        self.session.stop()
        self._end(ConfigError(reason))

    def _end(self, error: Exception) -> None:
        self._over = True
        if self.ended is not None and not self.ended.done():
            self.ended.set_exception(error)

    def log(self, event: str, **fields: Any) -> None:
        """Implements broker.ib.seam.Shell."""
        if self._log is not None:
            self._log.info(event, **fields)

    def patience_ns(self, timeout_ns: int) -> int:
        """Implements broker.ib.seam.Shell."""
        return max(timeout_ns, int(self.patience_wall_s / self.clock.wall_s(NANO) * NANO))

    # ---- reads and timers --------------------------------------------------------------------------------------
    def refresh_now(self) -> None:
        """Something begins, or the clock was set."""
        self._now_ns = self.clock.now_ns()

    def _received(self, received: bytes) -> None:
        """One socket read, from its first message to the orders it causes."""
        self._now_ns = self.clock.now_ns()
        try:
            try:
                self.codec.feed(received)
            except BrokerFault as fault:
                self.session.fail(str(fault), abort=True)
            if not self.wrapper.inbox:
                self.market.flush()
                return
            self.router.drain()
            self.market.flush()
            self._leave()
        except TraderFailed:
            return  # `ended` tells whoever waits for it

    def _on_timer(self) -> None:
        self._timer = None
        self.refresh_now()
        try:
            if not self._over:
                self._tick(self._now_ns)
            self._leave()
        except TraderFailed:
            return

    def _tick(self, now_ns: int) -> None:
        self.session.tick(self.mono_ns(), now_ns)
        for part in (self.sync, self.contracts, self.life, self.history):
            if part.next_ns <= now_ns:
                part.tick(now_ns)
        if self._second_ns <= now_ns:
            self._second_ns = now_ns + SECOND_NS
            self.orders.executions.check_late(now_ns)

    def _leave(self) -> None:
        self.pump()
        self._arm()

    def _wake_soon(self) -> None:
        asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._on_timer()

    def mono_ns(self) -> int:
        """The network's time."""
        return int(asyncio.get_running_loop().time() * NANO)

    def _arm(self) -> None:
        """One timer for everything: the earliest of the wall's and the clock's deadlines."""
        if self.ended is None or (self._over and self.pacer.next_ns == NEVER):
            return
        loop = asyncio.get_running_loop()
        up = self.session.phase is Phase.UP
        due_ns = min(self.sync.next_ns, self.life.next_ns, self.history.next_ns, self.pacer.next_ns)
        due_ns = min(due_ns, self.contracts.next_ns if up else NEVER, self._second_ns)
        at_s = loop.time() + max(0.0, self.clock.wall_s(due_ns - self._now_ns))
        at_s = min(at_s, self.session.next_ns / NANO)
        if self._timer is not None:
            if self._armed_s <= at_s:
                return
            self._timer.cancel()
        self._armed_s = at_s
        self._timer = loop.call_at(at_s, self._on_timer)

    # ---- the socket, as the session wants it -------------------------------------------------------------------
    def open_socket(self) -> None:
        """Implements broker.ib.session.Line."""
        self.codec.renew(self.settings.client_id, CAPABILITY if self.settings.clock == "gateway" else "")
        self.wrapper.take()
        self.socket.open()

    def close_socket(self, *, abort: bool) -> None:
        """Implements broker.ib.session.Line."""
        self.socket.close(abort=abort)

    def greet(self) -> None:
        """Implements broker.ib.session.Line."""
        self.socket.write(self.codec.opening())

    def ping(self) -> None:
        """Implements broker.ib.session.Line."""
        self.request(LANE_SYNC, "reqCurrentTime")

    def session_up(self) -> None:
        """Implements broker.ib.session.Line: kills and cancels first, then everything that lives on a session."""
        self.pacer.clear()
        self.pacer.data_limited = False
        self.out.session_up()
        self.contracts.session_up()
        self.life.session_up()

    def link_changed(self, link: int, event: e.LinkRestored | e.LinkDegraded | e.LinkLost) -> None:
        """Implements broker.ib.session.Line."""
        self.pacer.data_limited = False  # until the first synchronisation: no order leaves before it
        self.sync.link_changed(link)
        self.log("ib_link", fact=type(event).__name__, reason=event.reason)
        if link == DOWN:
            self.pacer.clear()
            self.orders.link_lost()
            self.history.session_lost()
        self.fact(event)
        if link == DOWN:
            self.life.session_lost()

    def data_restored(self, *, lost: bool) -> None:
        """Implements broker.ib.session.Line."""
        self.life.server_back(lost=lost)

    def _opened(self) -> None:
        self.refresh_now()
        self.session.opened(self.mono_ns())
        self._leave()

    def _closed(self, why: str) -> None:
        self.refresh_now()
        try:
            self.session.closed(why, self.mono_ns(), self._now_ns)
            self._leave()
        except TraderFailed:
            return

    def _greeted(self, version: int, server_time: str) -> None:
        self.out.version_agreed()
        self.socket.write(self.codec.encode("startApi"))
        self.session.greeted(version, server_time)
