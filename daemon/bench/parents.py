"""Many schedules at once: five hundred parents on a hundred symbols, one of each of five algorithms and symbol, in a
made-up market whose quotes wander. Every quote goes through `Runner.on_quote`, and what is due by then is in its time.

The broker is made up too: it takes every order at once and fills it where it reaches the far touch. Its answers are
stepped between the quotes and timed apart. Each child rests, is chased and crosses, so the schedules live as long as
they are looked at. What an opening, a plan anew and a choice cost is taken from the same worlds.
"""

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter_ns
from typing import Any, Final

import msgspec

from core import commands as c
from core import events as e
from core.fee_plans import DEFAULT_PLANS
from core.fees import FeeTable
from core.rows import PRINT, QUOTE
from core.units import NANO
from daemon.bench.orders import CENT, MARKET, MID, SHARES, quiet_collector
from daemon.bench.samples import Line, Samples, judged, reference_line
from daemon.bench.world import PORT_SINK, SinkPort, World, config_of, opened, tables_of
from daemon.reference.hours import number_of
from execution.algos.plan import DURATION_S_MAX
from execution.chance import mix
from execution.opening import Opening
from execution.pacing import begin_slice, terms_of
from execution.settings import DEFAULT_SETTINGS, ExecutionConfig, resolve
from execution.stage import stage_at
from execution.touch import Days
from execution.trajectory import even_weights

SYMBOLS: Final = 100
ALGOS: Final = (
    ("twap", "duration_s = 3600, slices = 120"),
    ("vwap", "duration_s = 3600, slices = 120"),
    ("pov", "duration_s = 3600, interval_s = 30, participation = 0.05, limit_bp = 500"),
    ("is", "duration_s = 1800, slices = 60, replan_move = 0.05"),
    ("adaptive", "duration_s = 3600, slices = 120"),
)
QUOTES_PER_SECOND: Final = 2_000  # of all symbols together
SECONDS: Final = 40  # every schedule has begun a slice and crossed in it
WARM_NS: Final = 30 * NANO  # between the quotes before the first order: each is a sample of volatility
WARM: Final = 14
HALF_SPREAD: Final = 2 * CENT
MOVES: Final = 4  # one quote in so many moves the mid, if at all
WANDER_CENTS: Final = 2  # a mid stays this close to where the strategies entered: none changes its mind
PRINT_EVERY: Final = 10  # quotes of a symbol for one trade
SLICES: Final = (12, 30, 60)  # of a plan made anew
CHOSEN: Final = (100, 1_000, 20_000, 500_000)  # shares of an opening that chooses by itself
CALLS: Final = 800
ADV: Final = 5_000_000 * NANO


def market_text(*, symbols: int, algos: int) -> str:
    """The bench's config: the shipped strategy once for each algorithm, on every symbol."""
    head, limits = MARKET.split("[[instruments]]")[0], MARKET[MARKET.index("[limits.account]") :]
    names = [f"S{number:03d}" for number in range(symbols)]
    listed = ", ".join(f'"{name}"' for name in names)
    terms = "tick = 0.01\nround_lot = 100\nlot = 1\n"
    instruments = "".join(f'[[instruments]]\nsymbol = "{name}"\n{terms}' for name in names)
    strategies = "".join(
        f"""[strategies.{algo}]
kind = "meanrev"
symbols = [{listed}]
[strategies.{algo}.params]
half_life_s = 86_400
enter_z = 1.5
leave_z = 0.5
position_shares = 1_200
cadence_s = 0.01
warm_up_s = {(WARM - 1) * WARM_NS // NANO}
quotes_min = {WARM}
sd_floor = 0.05
[strategies.{algo}.execution]
algo = "{algo}"
params = {{ {params} }}
"""
        for algo, params in ALGOS[:algos]
    )
    return head + instruments + strategies + limits


def _timed(call: Callable[[], None]) -> int:
    began = perf_counter_ns()
    call()
    return perf_counter_ns() - began


class TakingPort(SinkPort):
    """A broker that takes every order: keeps what was sent until the bench answers it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Any] = []

    def submit(self, command: Any, *, ts_ns: int) -> None:
        """What the machine dispatches to."""
        if type(command) in (c.PlaceOrder, c.ReplaceOrder, c.CancelOrder):
            self.sent.append(command)


class Crowd:
    """A world of many schedules, and its market."""

    def __init__(self, world: World, *, symbols: int) -> None:
        self.world, self.runner, self.port = world, world.runner, TakingPort()
        world.into(self.port)
        self.symbols = symbols
        self.facts = Samples(dropped=0)
        self._offsets = [0] * symbols  # in cents, from the mid
        self._resting: list[dict[int, c.OrderIntent]] = [{} for _ in range(symbols)]
        self._quotes = self._executions = 0
        self.step_ns = NANO // QUOTES_PER_SECOND
        first = number_of(date.fromisoformat(world.config.feed.synthetic.start_date))
        session = next(s for s in world.tables.sessions[0].table.sessions if s.date >= first and not s.half_day)
        self.ts_ns = session.open_ns
        world.begin(session.open_ns)
        money = world.runner.money
        for fact in (
            e.SyncStarted(sync_id=1),
            e.CashReported(sync_id=1, currency=money.settings.currency, cash_nanos=money.settings.start_cash_nanos),
            e.SyncCompleted(sync_id=1, complete=True),
            e.ClockOffsetMeasured(offset_ns=0, round_trip_ns=0),
            *(e.ShortableChanged(inst=inst, level_milli=3_000, shares_nanos=10**7 * NANO) for inst in range(symbols)),
            *(self._reference(inst, session.date) for inst in range(symbols)),
        ):
            self.runner.step(fact, session.open_ns)
        self._open()

    def _reference(self, inst: int, day: int) -> e.ReferenceArrived:
        return e.ReferenceArrived(
            inst=inst, effective_from=day, previous_close_nanos=MID, adv_nanos=ADV, curve_ppm=(2_564,) * 390,
            source="bench",
        )  # fmt: skip

    def _open(self) -> None:
        """Warm the market up, then let it jump: every strategy wants a position in every symbol."""
        for number in range(WARM):
            self.ts_ns += WARM_NS
            for inst in range(self.symbols):
                self._quote(inst, (-1) ** number * (inst % 2 + 1))
        self.ts_ns += WARM_NS
        for inst in range(self.symbols):
            self._offsets[inst] = 12 if inst % 2 else -12
            self.ts_ns += self.step_ns
            self._quote(inst, self._offsets[inst])
            self._answer()

    def _quote(self, inst: int, cents: int) -> None:
        """One quote, with everything that is due by then."""
        bid, ts_ns = MID + cents * CENT - HALF_SPREAD, self.ts_ns
        self.runner.on_quote(ts_ns, ts_ns, inst, QUOTE, 0, bid, bid + 2 * HALF_SPREAD, SHARES, SHARES)

    def tick(self) -> int:
        """The next quote of the next symbol, and what the broker answers; nanoseconds the quote took."""
        spent = self.counted(_timed)
        self.answer()
        return spent

    def counted(self, count: Callable[[Callable[[], None]], int]) -> int:
        """The next quote of the next symbol, by any measure of its work."""
        self.ts_ns += self.step_ns
        number, inst = divmod(self._quotes, self.symbols)
        self._quotes += 1
        home = 12 if inst % 2 else -12
        drawn = mix(inst, number)
        at = self._offsets[inst] + (0 if drawn % MOVES else drawn // MOVES % 3 - 1)
        at = self._offsets[inst] = min(max(at, home - WANDER_CENTS), home + WANDER_CENTS)
        return count(partial(self._quote, inst, at))

    def answer(self) -> None:
        """After a quote: now and then a trade; what reaches the far touch is filled, and what was sent is answered."""
        number, inst = divmod(self._quotes - 1, self.symbols)
        mid = MID + self._offsets[inst] * CENT
        if number % PRINT_EVERY == 0:
            self.runner.on_quote(self.ts_ns, self.ts_ns, inst, PRINT, 0, mid, 0, SHARES, 0)
        self._cross(inst, mid)
        self._answer()

    # ---- the broker --------------------------------------------------------------------------------------------
    def _answer(self) -> None:
        while self.port.sent:
            sent, self.port.sent = self.port.sent, []
            for command in sent:
                self._take(command)

    def _take(self, command: Any) -> None:
        if type(command) is c.CancelOrder:
            for resting in self._resting:
                resting.pop(command.order_id, None)
            self._tell(e.OrderCancelled(order_id=command.order_id))
            return
        intent = command.order.intent
        self._resting[intent.inst][intent.order_id] = intent
        if type(command) is c.PlaceOrder:
            self._tell(e.OrderAcknowledged(order_id=intent.order_id))
        else:
            self._tell(
                e.OrderReplaced(
                    order_id=intent.order_id, version=intent.version, qty_nanos=intent.qty_nanos,
                    limit_px_nanos=intent.limit_px_nanos,
                )
            )  # fmt: skip
        self._cross(intent.inst, MID + self._offsets[intent.inst] * CENT)

    def _cross(self, inst: int, mid: int) -> None:
        """Fill what reaches the far touch."""
        resting = self._resting[inst]
        for intent in list(resting.values()):
            far = mid + intent.side * HALF_SPREAD
            if (intent.limit_px_nanos - far) * intent.side >= 0:
                del resting[intent.order_id]
                order = self.runner.money.orders[intent.order_id]
                self._executions += 1
                self._tell(
                    e.OrderFilled(
                        order_id=intent.order_id, exec_id=f"crowd.{self._executions}.01", side=intent.side,
                        qty_nanos=order.remaining_nanos, px_nanos=far, inst=inst,
                    )
                )  # fmt: skip

    def _tell(self, fact: Any) -> None:
        began = perf_counter_ns()
        self.runner.step(fact, self.ts_ns)
        self.facts.add(perf_counter_ns() - began)


def parents(*, symbols: int = SYMBOLS, algos: int = len(ALGOS), seconds: int = SECONDS) -> Iterator[Line]:
    """The lines `parents.step_quote` (every quote), `parents.due` (those by which a schedule was due) and
    `parents.fact` (answers of the broker).
    """
    yield reference_line()
    with TemporaryDirectory() as folder:
        config = config_of(market_text(symbols=symbols, algos=algos), Path(folder))
        with opened(config, tables_of(config), Path(folder)) as world:
            crowd = Crowd(world, symbols=symbols)
            money = world.runner.money
            live = len(money.live_parents)
            world.machine.measurer = None  # a trader has it in another process
            every, due = Samples(), Samples(dropped=0)
            crowd.facts = Samples(dropped=0)
            with quiet_collector():
                for _ in range(seconds * QUOTES_PER_SECOND):
                    waits = world.runner.next_ns
                    spent = crowd.tick()
                    every.add(spent)
                    if waits <= crowd.ts_ns:
                        due.add(spent)
            planned, chosen = _replans(crowd), _choices(crowd)
            shared = {"parents": live, "at_end": len(money.live_parents), "symbols": symbols, "port": PORT_SINK}
            shared |= {"orders": world.runner.tally.children}
    yield judged({"name": "parents.step_quote", "samples": len(every.kept), **every.times} | shared, p50_us=10)
    yield {"name": "parents.due", "samples": len(due.kept), **due.times} | shared
    yield {"name": "parents.fact", "samples": len(crowd.facts.kept), **crowd.facts.times} | shared
    for slices, taken in planned.items():
        yield judged({"name": f"parents.replan_{slices}", "samples": len(taken.kept), **taken.times}, p50_us=50)
    for shares, taken in chosen.items():
        yield {"name": f"parents.auto_{shares}", "samples": len(taken.kept), **taken.times}


def _replans(crowd: Crowd) -> dict[int, Samples]:
    """Plans anew by an implementation shortfall that has begun: market, decay, weights of all that is left, command."""
    context, found = crowd.runner.engine.context, {}
    base = next((p for p in crowd.runner.money.live_parents.values() if p.algo == "is"), None)
    if base is None:
        return {}
    day = Days(context).regular(base.inst, crowd.ts_ns)
    assert day is not None, "the bench runs in regular hours"
    for slices in SLICES:
        # A decay of before that is far from any: every look plans anew.
        parent = msgspec.structs.replace(base, weights=even_weights(slices), slices=slices, kappa_nanos=10**15)
        ts_ns = parent.start_ts_ns + (parent.end_ts_ns - parent.start_ts_ns) // slices + 1
        stage, taken = stage_at(parent, DEFAULT_SETTINGS, NANO, ts_ns), Samples()
        for _ in range(CALLS):
            began = perf_counter_ns()
            command = begin_slice(context, parent, stage, day, ts_ns)
            taken.add(perf_counter_ns() - began)
            assert type(command) is c.ReplanParent, f"nothing was planned anew: {command}"
        found[slices] = taken
    return found


def _choices(crowd: Crowd) -> dict[int, Samples]:
    """Openings with algo = "auto": the choice among all of the day that is left, its estimate and its plan."""
    context = crowd.runner.engine.context
    table = FeeTable(DEFAULT_PLANS["ibkr_pro_tiered"])
    settings = resolve(
        ExecutionConfig(algo="auto", params={"duration_s": DURATION_S_MAX}, risk_weight=0.3), field="execution"
    )
    opening, found = Opening(context, table), {}
    day = Days(context).regular(0, crowd.ts_ns)
    assert day is not None, "the bench runs in regular hours"
    for shares in CHOSEN:
        taken = found[shares] = Samples()
        for _ in range(CALLS // 4):
            began = perf_counter_ns()
            terms = terms_of(context, 0, day, crowd.ts_ns, lots=shares, seed=1)
            plan = opening.plan(settings, terms, inst=0, side=1, qty_nanos=shares * NANO, lot_nanos=NANO)
            taken.add(perf_counter_ns() - began)
            assert plan.expected is not None, plan.why
    return found
