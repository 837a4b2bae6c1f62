"""From a quote to the broker port: hot, paced and as orders fall in the recorded days; the gate alone; one sync.

The made-up market of `hot` and `paced` jumps from one side of its mean to the other with every quote, so each quote
makes the shipped strategy want another side: decision, target, old schedule ended, new one opened, first TWAP child
approved, all of it journalled, then the port. Answers and marks in between are stepped untimed.
"""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter_ns
from typing import Final

from core import commands as c
from core import events as e
from core.money.fold import fold_command, fold_input
from core.rows import QUOTE
from core.units import NANO
from daemon.bench.samples import Line, Samples, judged, percentiles
from daemon.bench.world import PORT_SINK, TURNING, SinkPort, World, config_of, opened, tables_of
from daemon.reference.hours import number_of
from daemon.warm import KeepWarm

STEP_NS: Final = NANO // 50  # between two quotes: the shortest cadence of the strategy, twice
SLEEP_S: Final = 0.002
NAPS: Final = 4  # what a sleep is made of, with a beat between two of them where the path is kept warm
MID: Final = 100 * NANO
MOVE: Final = NANO // 10
CENT: Final = NANO // 100
SHARES: Final = 500 * NANO
MARKET: Final = f"""
mode = "replay"
state_dir = "."
[account]
id = "BENCH1"
tag = "bench"
start_cash = 100_000_000
[feed]
kind = "synthetic"
[feed.synthetic]
start_date = "2026-01-05"
[[instruments]]
symbol = "AAA"
tick = 0.01
round_lot = 100
[[instruments]]
symbol = "BBB"
tick = 0.01
round_lot = 100
[strategies.reversion]
kind = "meanrev"
symbols = ["AAA", "BBB"]
[strategies.reversion.params]
half_life_s = 86_400
enter_z = 1.5
leave_z = 0.5
position_shares = 1_000
cadence_s = 0.01
warm_up_s = 0
quotes_min = 2
sd_floor = 0.05
[limits.account]
rate_symbol_orders = 100_000
rate_strategy_orders = 100_000
rate_account_orders = 100_000
working_orders_max = 2_000
working_per_side_max = 2_000
{TURNING}clock_age_seconds_max = 1_000_000_000
borrow_age_seconds_max = 1_000_000_000
sync_seconds_soft = 1_000_000_000 # nobody answers here
sync_seconds_hard = 1_000_000_000
risk_seconds_soft = 1_000_000_000
whatif_notional_min = 4_000_000_000
"""


@contextmanager
def quiet_collector() -> Iterator[None]:
    """The collector as the trader runs: everything so far frozen, no collections."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


class Seesaw:
    """A world whose every quote makes an order."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.port = SinkPort()
        world.into(self.port)
        first = number_of(date.fromisoformat(world.config.feed.synthetic.start_date))  # the market begins to exist
        self._sessions = [s for s in world.tables.sessions[0].table.sessions if not s.half_day and s.date >= first]
        open_ns = self._sessions[0].open_ns
        self._session = 0
        self.ts_ns = open_ns + NANO
        self._side = 1
        self._executions = 0
        world.begin(open_ns)
        money = world.runner.money
        for fact in (  # the first complete synchronisation of the link: an empty account that explains itself
            e.SyncStarted(sync_id=1),
            e.CashReported(sync_id=1, currency=money.settings.currency, cash_nanos=money.settings.start_cash_nanos),
            e.SyncCompleted(sync_id=1, complete=True),
            e.ClockOffsetMeasured(offset_ns=0, round_trip_ns=0),
            *(e.ShortableChanged(inst=inst, level_milli=3_000) for inst in (0, 1)),
        ):
            world.runner.step(fact, open_ns)
        for _ in range(4):
            self.quote(0)
            self.ts_ns += STEP_NS

    def quote(self, offset: int) -> None:
        """A quote at the mean plus an offset, on the first instrument; the second one only ticks."""
        bid = MID + offset - CENT
        ts_ns = self.ts_ns
        self.world.runner.on_quote(ts_ns, ts_ns, 0, QUOTE, 0, bid, bid + 2 * CENT, SHARES, SHARES)

    def order_ns(self, *, sleep_s: float = 0.0, warm: KeepWarm | None = None) -> int:
        """One quote that makes an order; nanoseconds until the port had it. `warm` beats while it sleeps."""
        self._settle()
        for left in range(NAPS - 1, -1, -1) if sleep_s else ():
            time.sleep(sleep_s / NAPS)
            if warm is not None and left:
                warm.beat()
        self._side = -self._side
        offset = self._side * MOVE
        port = self.port
        before = port.orders
        began = perf_counter_ns()
        self.quote(offset)
        assert port.orders == before + 1, f"the quote made no order: {self._why()}"
        return port.placed_at - began

    def _why(self) -> str:
        """What stands against an order of this world."""
        engine = self.world.runner.engine
        latches = [latch.code for latch in engine.money.latches.held()]
        blockers = [str(blocker) for name in engine.strategies for blocker in engine.gate.blockers(0, name, self.ts_ns)]
        return f"latches {latches}, blockers {blockers}, waiting {engine.blocked}"

    def _settle(self) -> None:
        """Answer the last order with its whole fill and step what is due before the next quote."""
        runner, order = self.world.runner, self.port.placed
        if order is not None:
            intent = order.order.intent
            self._executions += 1
            runner.step(
                e.OrderFilled(
                    order_id=intent.order_id, exec_id=f"bench.{self._executions}.01", side=intent.side,
                    qty_nanos=intent.qty_nanos, px_nanos=intent.limit_px_nanos, inst=intent.inst,
                ),
                self.ts_ns,
            )  # fmt: skip
            self.port.placed = None
        self.ts_ns += STEP_NS
        if self.ts_ns >= self._sessions[self._session].close_ns - 700 * NANO:
            self._next_session()
        runner.advance_to(self.ts_ns)

    def _next_session(self) -> None:
        self._session += 1
        self.ts_ns = self._sessions[self._session].open_ns + 10 * NANO
        self.world.runner.advance_to(self.ts_ns)
        for _ in range(2):
            self.quote(0)
            self.ts_ns += STEP_NS


def tick_to_order(*, rounds: int = 12, hot: int = 450, paced: int = 150) -> Iterator[Line]:
    """The lines `.hot`, `.paced`, `.paced_warm` and `.hot_1000` (with 1,000 other working orders on the book)."""
    with TemporaryDirectory() as one, TemporaryDirectory() as two:
        config = config_of(MARKET, Path(one))
        tables = tables_of(config)
        with opened(config, tables, Path(one)) as bare, opened(config, tables, Path(two)) as full:
            calm, crowded = Seesaw(bare), Seesaw(full)
            crowd(crowded, 1000)
            cold = min(10, paced // 10)
            taken = {"hot": Samples(), "paced": Samples(dropped=cold), "paced_warm": Samples(dropped=cold)}
            taken["hot_1000"] = Samples()
            warm = KeepWarm(config, tables)
            assert not warm.fault, warm.fault
            with quiet_collector():
                for _ in range(rounds):
                    for samples in taken.values():
                        samples.begin_round()
                    for _ in range(hot):
                        taken["hot"].add(calm.order_ns())
                    for _ in range(paced):
                        taken["paced"].add(calm.order_ns(sleep_s=SLEEP_S))
                    for _ in range(paced):
                        taken["paced_warm"].add(calm.order_ns(sleep_s=SLEEP_S, warm=warm))
                    for _ in range(hot // 2):
                        taken["hot_1000"].add(crowded.order_ns())
    goals = {"hot": {"p50_us": 12, "p99_us": 30}, "paced": {"p50_us": 60}, "paced_warm": {"p50_us": 60}, "hot_1000": {}}
    for name, samples in taken.items():
        line = {"name": f"tick_to_order.{name}", "orders": len(samples.kept), **samples.times, "port": PORT_SINK}
        yield judged(line | {"data": "made-up quotes"}, **goals[name])


def crowd(seesaw: Seesaw, orders: int) -> None:
    """Put working orders on the book, each approved by the gate, of the second instrument."""
    engine, ts_ns = seesaw.world.runner.engine, seesaw.ts_ns
    bid = MID - CENT
    seesaw.world.runner.on_quote(ts_ns, ts_ns, 1, QUOTE, 0, bid, bid + 2 * CENT, SHARES, SHARES)
    seesaw.world.runner.flush()
    seesaw.world.measure(ts_ns)
    for number in range(orders):
        intent = trial(engine.money.next_order_id, number, inst=1)
        approved = engine.gate.approve(intent, ts_ns, engine.seq + 1)
        assert isinstance(approved, c.ApprovedOrder), f"the bench's own limits refuse: {approved}"
        engine.seq += 1
        fold_command(engine.money, engine.seq, ts_ns, c.PlaceOrder(order=approved))
        engine.seq += 1
        fold_input(engine.money, engine.seq, ts_ns, e.OrderAcknowledged(order_id=intent.order_id))


def trial(order_id: int, number: int, *, inst: int) -> c.OrderIntent:
    """A small order of nobody's schedule, each of another size, at one of fifty prices on its own side."""
    side = 1 if number % 2 else -1
    return c.OrderIntent(
        order_id=order_id, parent_id=0, slice_no=number, strategy="reversion", inst=inst, side=side,
        qty_nanos=(1 + number // 50 % 20) * NANO,
        order_type=c.LMT, limit_px_nanos=MID - side * (1 + number % 50) * CENT,
    )  # fmt: skip


def gate(*, rounds: int = 10, each: int = 1000) -> Iterator[Line]:
    """The lines `gate.empty` and `gate.1000`: one order through every control."""
    with TemporaryDirectory() as one, TemporaryDirectory() as two:
        config = config_of(MARKET, Path(one))
        tables = tables_of(config)
        with opened(config, tables, Path(one)) as bare, opened(config, tables, Path(two)) as full:
            worlds = {"empty": Seesaw(bare), "1000": Seesaw(full)}
            crowd(worlds["1000"], 1000)
            taken = {name: Samples() for name in worlds}
            with quiet_collector():
                for _ in range(rounds):
                    for name, seesaw in worlds.items():
                        taken[name].begin_round()
                        _approve(seesaw, each, taken[name])
    for name, samples in taken.items():
        line = {"name": f"gate.{name}", "orders": len(samples.kept), **samples.times}
        yield judged(line, p50_us=8, p99_us=15)


def _approve(seesaw: Seesaw, count: int, samples: Samples) -> None:
    engine, ts_ns = seesaw.world.runner.engine, seesaw.ts_ns
    approve, seq = engine.gate.approve, engine.seq + 1
    first = engine.money.next_order_id
    intents = [trial(first + number, 1_000_000 + number, inst=0) for number in range(count)]
    for intent in intents:
        began = perf_counter_ns()
        verdict = approve(intent, ts_ns, seq)
        spent = perf_counter_ns() - began
        assert isinstance(verdict, c.ApprovedOrder), f"the bench's own limits refuse: {verdict}"
        samples.add(spent)


def fsync(*, syncs: int = 200) -> Line:
    """One sync of the journal after one frame: what durability "fsync" adds to an order."""
    with TemporaryDirectory() as one:
        config = config_of(MARKET, Path(one))
        with opened(config, tables_of(config), Path(one)) as world:
            seesaw = Seesaw(world)
            spent = []
            for _ in range(syncs):
                seesaw.order_ns()
                began = perf_counter_ns()
                world.journal.sync()
                spent.append(perf_counter_ns() - began)
    return {"name": "fsync", "syncs": syncs, **percentiles(spent)}
