"""What drives the trader on a live broker: its clock, the adapter, and a timer for what is due without a message.

Rows and facts come straight from the socket read (`LiveSink`): nothing is queued between the broker and the engine, so
that an order leaves within the read that caused it. The loop here only tends: it journals quiet rows, watches the disk,
looks for the end of a stop. Owns no state of the account.
"""

import asyncio
import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from broker.ib.adapter import IbAdapter
from core import commands as c
from core import events as e
from core.errors import BrokerFault, Bug, ConfigError
from core.latches import ACCOUNT
from core.ports import Clock
from core.units import NANO
from daemon.announced import announced_clock
from daemon.clock import GatewayClock, WallClock
from daemon.hold import Hold
from daemon.instruments import TEND_S  # quiet rows are journalled this late at most
from daemon.machine import NEVER, Machine
from daemon.recovery import Recovered
from daemon.reference.tables import ReferenceTables, build_reference
from daemon.riskworker.asking import Histories, rules_of
from daemon.riskworker.client import RiskWorker
from daemon.runner import Runner, StepError
from daemon.warm import BEAT_S

if TYPE_CHECKING:
    from daemon.trader import Trader

TIMER_S_MIN: Final = 0.0002
TIMER_S_MAX: Final = 60.0
GATEWAY_START_S: Final = 60.0  # a paper gateway may still be running its market up to now
LEAVE_S: Final = 1.0  # a broken engine's last cancel has so long to reach the socket
CLOSE_S: Final = 10.0
DAYS_BACK: Final = 30  # session tables reach so far back: the journal's tail is re-stepped with them
DAYS_AHEAD: Final = 60  # and so far ahead; each start renews them
BACKWARDS_NS: Final = 60 * NANO  # a clock further behind the journal is another market's
COLLECT_S: Final = 10.0  # between two collections of what outlived the one of every look

# What a shadow's engine is told of the real account's broker: the market. Its orders live at the simulated venue.
SHADOW_FACTS: Final = frozenset({
    e.FeedGapped, e.HaltChanged, e.ShortableChanged, e.BandChanged, e.MarketRuleChanged, e.ReferenceArrived,
    e.ClockOffsetMeasured, e.CorporateActionAnnounced,
})  # fmt: skip


class LiveSink:
    """Implements core.ports.BrokerSink: every row and fact is stepped at once, at the clock's present time."""

    def __init__(self, runner: Runner, clock: Clock, arm: Callable[[int], None], fail: Callable[[Exception], None]):
        self.armed_ns = NEVER  # what the timer waits for; kept here because every row compares with it
        self._runner = runner
        self._machine: Machine = runner.machine
        self._now_ns = clock.now_ns
        self._arm = arm
        self._fail = fail
        self._open = True
        self._early: list[Any] = []  # facts told while a step's commands were leaving

    def close(self) -> None:
        """Nothing is taken any more: the run is over, or the engine broke."""
        self._open = False

    def row(
        self, exchange_ts_ns: int, inst: int, kind: int, flags: int,
        bid_px_nanos: int, ask_px_nanos: int, bid_qty_nanos: int, ask_qty_nanos: int,
    ) -> None:  # fmt: skip
        """One market row, received now."""
        if not self._open:
            return
        runner = self._runner
        try:
            runner.on_quote(
                self._now_ns(), exchange_ts_ns, inst, kind, flags,
                bid_px_nanos, ask_px_nanos, bid_qty_nanos, ask_qty_nanos,
            )  # fmt: skip
        except Exception as fault:  # edge: the adapter must not take our failure for one of its socket
            self._fail(fault)
            return
        due_ns = runner.next_ns
        if due_ns < self.armed_ns:
            self._arm(due_ns)

    def fact(self, event: Any) -> None:
        """One fact, received now."""
        if not self._open:
            return
        if self._machine.dispatching:
            self._early.append(event)
            asyncio.get_running_loop().call_soon(self._take_early)
            return
        self._take_early()
        self._step(event)

    def _take_early(self) -> None:
        while self._early and self._open:
            self._step(self._early.pop(0))

    def _step(self, event: Any) -> None:
        try:
            self._runner.step(event, self.advance())
        except Exception as fault:  # edge: as in `row`
            self._fail(fault)
            return
        due_ns = self._runner.next_ns
        if due_ns < self.armed_ns:
            self._arm(due_ns)

    def advance(self) -> int:
        """Step what is due by now; the present time. Raises what the engine raises."""
        runner = self._runner
        now_ns = max(self._now_ns(), runner.now_ns)
        if runner.next_ns <= now_ns:
            runner.advance_to(now_ns)
        return now_ns


class ShadowSink(LiveSink):
    """The broker's market without its account: nothing of its orders, positions or link reaches the engine."""

    restored: Callable[[], None]  # the link is back: the account is looked at, which the engine does not ask for
    told: Callable[[Any], None]  # what the broker says of the account, for people

    def fact(self, event: Any) -> None:
        """Only what the market says."""
        if type(event) in SHADOW_FACTS:
            super().fact(event)
        elif type(event) is e.LinkRestored:
            self.restored()
        else:
            self.told(event)


class LiveDriver:
    """Implements daemon.trader.Driver."""

    def __init__(self, trader: "Trader") -> None:
        self._trader = trader
        self._config = trader.config
        self.clock: WallClock | GatewayClock = WallClock()
        self.adapter: IbAdapter | None = None
        self._sink: LiveSink | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()
        self._disk = ThreadPoolExecutor(1, "fsync")
        self.risk_worker: RiskWorker | None = None
        self._reference_date = 0
        self._collect_s = 0.0

    # ---- stages ------------------------------------------------------------------------------------------------
    async def open(self) -> ReferenceTables:
        """The clock first: everything else happens in its time."""
        if self._config.ib.clock == "gateway":
            found = await announced_clock(
                self._config.ib, patience_s=GATEWAY_START_S, stopped=lambda: bool(self._trader.stop_reason)
            )
            self.clock = GatewayClock(*found)
        today = datetime.fromtimestamp(self.clock.now_ns() // NANO, UTC).date()
        return build_reference(
            self._config, first=today - timedelta(days=DAYS_BACK), last=today + timedelta(days=DAYS_AHEAD)
        )

    async def resume(self, recovered: Recovered) -> None:
        """The journal is of the same time as the clock. Raises ConfigError."""
        stands_ns = recovered.machine.now_ns
        if self.clock.now_ns() < stands_ns - BACKWARDS_NS:
            there, here = (_text(ts_ns) for ts_ns in (stands_ns, self.clock.now_ns()))
            raise ConfigError(f"state_dir: its journal stands at {there}, the clock at {here}; use a fresh state_dir")

    async def first_ns(self, now_ns: int, *, fresh: bool) -> int:
        """Now; with a venue of our own where the journal stands, because what it did since then comes in order."""
        return now_ns if self._config.venue_in_process and not fresh else max(now_ns, self.clock.now_ns())

    async def close(self) -> None:
        """Let the last bytes leave, then the socket."""
        if self._sink is not None:
            self._sink.close()
        if self._timer is not None:
            self._timer.cancel()
        if self.risk_worker is not None:
            await self.risk_worker.close()
        adapter, self.adapter = self.adapter, None
        if adapter is not None:
            try:
                async with asyncio.timeout(CLOSE_S):
                    await adapter.close()
            except TimeoutError:
                self._trader.log.warning("the broker's socket does not close", seconds=CLOSE_S)
        self._disk.shutdown(wait=True, cancel_futures=True)

    # ---- the run -----------------------------------------------------------------------------------------------
    async def run(self) -> bool:
        """Until a stop has drained; never the end of a tape."""
        trader, runner = self._trader, self._trader.active_runner
        shadow = self._config.mode == "shadow"
        kind = ShadowSink if shadow else LiveSink
        self._sink = sink = kind(runner, self.clock, self._arm, self._fail)
        if isinstance(sink, ShadowSink):
            sink.restored, sink.told = self._look, self._told
        self.adapter = adapter = self._adapter(sink)
        trader.measuring.attach(adapter)
        if not shadow:
            runner.machine.port = adapter
            if self._config.journal.durability == "fsync":
                runner.hold = Hold(runner.journal, self._disk, self._release, self._fail)
        rules = rules_of(self._config, trader.tables)
        self.risk_worker = RiskWorker(rules, Histories(trader.tables), self._step, trader.log)
        runner.machine.measurer = self.risk_worker
        self.risk_worker.start()
        self._blind("the trader was away")
        self._fetch(runner.money.trading_date)
        async with asyncio.timeout(CLOSE_S):
            await adapter.start()
        self._resend_kill(runner)
        self._arm(runner.next_ns)
        self._beat()
        while not self._over():
            self._wake.clear()
            try:
                async with asyncio.timeout(TEND_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
        if trader.failure is not None:
            await asyncio.sleep(0)  # what the socket did not take at once it takes now
            await self._leave()
        trader.leave_on_failure()
        return False

    def _resend_kill(self, runner: Runner) -> None:
        """A kill that is not verified is the first thing a new session is sent (journalled before; asked again)."""
        if self._config.mode != "shadow" and any(k.level <= ACCOUNT and not k.verified_ns for k in runner.money.kills):
            runner.machine.cancel_all("kill: not verified before the trader ended", runner.now_ns)

    def _beat(self) -> None:
        """With `engine.keep_warm`: the order path of a shadow runs whenever there is nothing to read."""
        warm = self._trader.warm
        if warm is not None and self.adapter is not None and self._trader.failure is None:
            warm.beat()
            asyncio.get_running_loop().call_later(BEAT_S, self._beat)

    def _adapter(self, sink: LiveSink) -> IbAdapter:
        config, trader = self._config, self._trader
        money = trader.active_runner.money
        own = money if sink.__class__ is LiveSink else None  # a shadow's orders are none of the broker's
        return IbAdapter(
            config.ib,
            instruments=trader.tables.contracts,
            account=config.account.id,
            account_tag=config.account.tag,
            clock=self.clock,
            sink=sink,
            log=trader.log,
            profile=config.feed.profile,
            calendars=trader.tables.calendars(),  # readers of its own: each keeps its place
            orders=() if own is None else tuple(own.orders.values()),
            executions=() if own is None else tuple(own.ledger.executions),
            order_id_next=money.next_order_id,
        )

    def _look(self) -> None:
        """A shadow's engine asks nothing of the real account; it is looked at once per link."""
        if self.adapter is not None:
            self.adapter.submit(c.RequestSync(reason="shadow"), ts_ns=self.clock.now_ns())

    def _told(self, event: Any) -> None:
        if type(event) in (e.PositionReported, e.CashReported, e.LinkLost, e.LinkDegraded, e.SyncCompleted):
            self._trader.log.info("account", **{"fact": type(event).__name__} | msgspec.structs.asdict(event))

    def _over(self) -> bool:
        """Tend; whether a stop has drained, the engine failed or the adapter gave up."""
        trader, runner = self._trader, self._trader.active_runner
        if trader.failure is not None:
            return True
        ended = None if self.adapter is None else self.adapter.ended
        if ended is not None and ended.done() and (fault := ended.exception()) is not None:
            self._fail(fault if isinstance(fault, Exception) else BrokerFault(str(fault)))
            return True
        try:
            self.catch_up()
            runner.flush()
            self._fetch(runner.money.trading_date)
            trader.tend()
            over = trader.drained()
            trader.turned()
        except StepError as fault:
            self._fail(fault)
            return True
        self.acted()
        self._collect()
        return over

    def _collect(self) -> None:
        """The collector is off while trading; what is left in cycles goes little and often: it holds up everything."""
        loop = asyncio.get_running_loop()
        due = loop.time() >= self._collect_s
        if due:
            self._collect_s = loop.time() + COLLECT_S
        gc.collect(1 if due else 0)

    def _fetch(self, date: int) -> None:
        """Ask for the slow numbers of a trading day, once."""
        if date and date != self._reference_date and self.adapter is not None:
            self._reference_date = date
            self.adapter.fetch_reference(date)

    def _blind(self, reason: str) -> None:
        """Every symbol that has a quote loses it."""
        runner = self._trader.active_runner
        for inst in range(len(self._config.instruments)):
            if not runner.engine.market.get(inst, "blind"):
                self._step(e.FeedGapped(inst=inst, dropped=0, reason=reason))

    def _step(self, event: Any) -> None:
        if self._sink is not None:
            LiveSink.fact(self._sink, event)

    def _release(self, records: Any) -> None:
        try:
            self._trader.active_runner.release(records)
        except Exception as fault:  # edge: called by the loop, which would only log it
            self._fail(fault)

    # ---- time --------------------------------------------------------------------------------------------------
    def _arm(self, due_ns: int) -> None:
        """Call when `due_ns` has come; an earlier call finds nothing due and arms again."""
        sink = self._sink
        if sink is None:
            raise Bug("the timer is armed before there is a sink")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        sink.armed_ns = due_ns
        if due_ns >= NEVER:
            return
        wall_s = self.clock.wall_s(due_ns - self.clock.now_ns())
        delay_s = min(TIMER_S_MAX, max(TIMER_S_MIN, wall_s))
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._due)

    def _due(self) -> None:
        self._timer = None
        if self._trader.failure is not None:
            return
        try:
            self.catch_up()
        except Exception as fault:  # edge: called by the loop, which would only log it
            self._fail(fault)
            return
        self._arm(self._trader.active_runner.next_ns)

    def catch_up(self) -> int:
        """Step what is due by now."""
        if self._sink is None:
            return max(self.clock.now_ns(), self._trader.active_runner.now_ns)
        return self._sink.advance()

    @property
    def link_why(self) -> str:
        """Why the adapter has no session that is READY."""
        return "" if self.adapter is None else self.adapter.reason

    def acted(self) -> None:
        """A deadline may have moved."""
        due_ns = self._trader.active_runner.next_ns
        if self._sink is not None and due_ns < self._sink.armed_ns:
            self._arm(due_ns)

    # ---- the way out -------------------------------------------------------------------------------------------
    def _fail(self, fault: Exception) -> None:
        """The engine or the journal broke: take nothing more, leave. The runner has cancelled what the engine broke on;
        for any other failure it is done here.
        """
        trader = self._trader
        if self._sink is not None:
            self._sink.close()
        if trader.failure is None:
            trader.failure = fault
            if not isinstance(fault, StepError):
                runner = trader.active_runner
                runner.machine.cancel_all(str(fault)[:200], runner.now_ns)
        self._wake.set()

    async def _leave(self) -> None:
        """The last cancel reaches the socket, or its time is over."""
        await asyncio.sleep(LEAVE_S if self.adapter is not None else 0)


def _text(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns // NANO, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
