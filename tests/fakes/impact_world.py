"""A trader inside one process on a venue that feels its orders: one made-up market, and on it as many instruments as
there are ways to trade it, each with a strategy that wants what it is told. Engine, gate, executor, journal and venue
are the trader's own; only the rows pass the venue's impact one by one, as a paper gateway does it.

Costs are told apart by what nobody else can know: the market as it would be without us.
"""

from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import msgspec
import numpy as np

from broker.feeds.spec import SyntheticInstrument, SyntheticSpec
from broker.feeds.synthetic import read_rows
from broker.sim.config import VenueConfig
from broker.sim.exchange import Exchange
from broker.sim.impact import ImpactConfig
from core import events as e
from core import records as r
from core.fee_plans import DEFAULT_PLANS
from core.fees import FeeTable
from core.notes import Decision
from core.ports import Verdict
from core.reference import (
    CodeVersion,
    ConfigResolved,
    FeesLoaded,
    InstrumentLoaded,
    InstrumentReference,
    SessionsLoaded,
)
from core.rows import PRINT, QUOTE, ROW
from core.sessions import Calendar
from core.units import NANO
from daemon.bench.world import TURNING
from daemon.build import build_machine
from daemon.config import Config, instruments_of, parse_config
from daemon.journal import JournalWriter
from daemon.machine import SESSION_READY
from daemon.reference.tables import ReferenceTables
from daemon.riskworker.asking import MeasuredHere
from daemon.runner import Rolls, Runner
from daemon.status.build import Tally
from tests.fakes.operators import ONE_PERSON
from tests.fakes.tape import DATES, OPEN_NS, session_table

CENT: Final = NANO // 100
PX: Final = 100
ADV: Final = 1_000_000  # shares
WARM_S: Final = 600
GRACE_S: Final = 60
DAY_S: Final = 23_400
SEGMENT_BYTES: Final = 4 << 20
QUOTE_S: Final = 2  # a shifted quote is told with the next row: sparse ones would show a push that has faded
PRINT_S: Final = 6

_HEAD: Final = """
[account]
id = "DU0000001"
tag = "imp"
start_cash = 1_000_000_000
[feed]
kind = "synthetic"
[engine]
mark_interval_s = 10
reconcile_s = 60
ack_timeout_s = 20
"""
_LIMITS: Final = f"""
[limits.account]
{TURNING}order_notional_max = 100_000_000
order_equity_bp_max = 10_000
order_quantity_max = 10_000_000
position_long_max = 10_000_000
position_short_max = 10_000_000
position_equity_bp_max = 10_000
collar_bp = 3_000
adv_order_bp_max = 10_000
participation_bp_max = 1_000_000
adv_min = 0
gross_max = 1_000_000_000
net_max = 1_000_000_000
issuer_equity_bp_max = 10_000
sector_unknown_equity_bp_max = 10_000
deployment_order_notional_max = 100_000_000
deployment_position_notional_max = 100_000_000
whatif_notional_min = 4_000_000_000
jump_quiet_seconds = 0
age_seconds_max_regular = 60
slippage_soft_bp = 9_000
slippage_hard_bp = 10_000
volatility_soft_multiple = 1_000
volatility_hard_multiple = 2_000
children_slices_bp_max = 100_000
risk_seconds_soft = 600
line_seconds_soft = 600
rate_account_orders = 1_000
rate_strategy_orders = 1_000
rate_symbol_orders = 10_000
errors_soft = 10_000
errors_hard = 20_000
exit_days_soft = 1_000
exit_days_hard = 2_000
"""


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way to trade the market: an algorithm with its parameters, and how many shares (positive = bought)."""

    name: str
    algo: str
    params: dict[str, Any]
    shares: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What it cost, in dollars, fees apart; `cost` = `impact` + `market`. Positive = paid."""

    filled: int
    impact: float  # against the market as it would have been without us: half the spread, and what we pushed
    market: float  # what that market did meanwhile: zero on average
    exposure: float  # integral of the square of what was left, in shares squared and days
    kappa: float = 0.0  # decay of the schedule's first plan, per day

    @property
    def cost(self) -> float:
        """All of it."""
        return self.impact + self.market


class Bidden:
    """Implements core.ports.Strategy: wants what it is told, once."""

    def __init__(self, name: str, inst: int) -> None:
        self.name = name
        self.instruments = (inst,)
        self.wanted_nanos: int | None = None

    def decide(self, ts_ns: int, inst: int) -> Verdict:
        """The order, when there is one."""
        wanted, self.wanted_nanos = self.wanted_nanos, None
        if wanted is None:
            return Verdict()
        return Verdict(
            decision=Decision(
                strategy=self.name, inst=inst, features=(), score=0.0, target_nanos=wanted, bid_px_nanos=0,
                ask_px_nanos=0,
            )
        )  # fmt: skip

    def forget(self, inst: int) -> None:
        """Nothing is remembered."""

    def adopt(self) -> None:
        """Nothing is remembered."""


class _Runner(Runner):
    """The real one; it keeps executions."""

    fills: list[e.OrderFilled]

    def step(self, event: Any, ts_ns: int) -> None:
        """As in the trader."""
        if type(event) is e.OrderFilled:
            self.fills.append(event)
        super().step(event, ts_ns)


def made_market(
    seed: int, *, seconds: int, volatility_bp_hour: float, events_per_second: float = 0.5, times: float = 1.0
) -> Any:
    """Rows of one instrument from the open on, warm-up included; `times`: its moves after the warm-up are so many
    times as large as before.
    """
    spec = SyntheticSpec(
        seed=seed,
        instruments=(
            SyntheticInstrument(
                inst=0, symbol="S", px_nanos=PX * NANO, tick_nanos=CENT, lot_nanos=100 * NANO, size_lots=1_000.0,
                events_per_second=events_per_second, volatility_bp_per_hour=volatility_bp_hour, reversion_ticks=0.0,
            ),
        ),
        sessions=((OPEN_NS, OPEN_NS + (WARM_S + seconds + GRACE_S) * NANO),),
        jumps_per_hour=0.0,
    )  # fmt: skip
    rows = np.concatenate([batch.copy() for batch in read_rows(spec)])
    if times != 1.0:
        later = rows["ts_ns"] >= OPEN_NS + WARM_S * NANO
        quotes = rows["kind"] == QUOTE
        first = rows[quotes & ~later][-1]
        centre = (int(first["bid_px_nanos"]) + int(first["ask_px_nanos"])) // 2
        away = np.rint((times - 1.0) * (rows["bid_px_nanos"] - centre) / CENT).astype(np.int64) * CENT
        rows["bid_px_nanos"][later] += away[later]  # a quote's other side moves with it: the spread stays
        rows["ask_px_nanos"][later & quotes] += away[later & quotes]
    return rows


def flat_market(seed: int, *, instruments: int, volatility: float, adv: int) -> Any:
    """A day of independent random walks with the same volume all day long: a quote and a print every few seconds."""
    chance, parts = np.random.default_rng(seed), []
    for inst in range(instruments):
        quotes, prints = np.zeros(DAY_S // QUOTE_S, ROW), np.zeros(DAY_S // PRINT_S, ROW)
        for rows in (quotes, prints):
            rows["ts_ns"] = np.sort(chance.integers(0, DAY_S * NANO, len(rows))) + OPEN_NS
            rows["exchange_ts_ns"], rows["inst"] = rows["ts_ns"], inst
        times = quotes["ts_ns"]
        steps = chance.normal(0.0, volatility * PX * np.sqrt(np.diff(times, prepend=OPEN_NS) / (DAY_S * NANO)))
        bid = np.rint((PX + steps.cumsum()) / 0.01).astype(np.int64) * CENT
        quotes["kind"], prints["kind"] = QUOTE, PRINT
        quotes["bid_px_nanos"], quotes["ask_px_nanos"] = bid, bid + CENT
        quotes["bid_qty_nanos"] = quotes["ask_qty_nanos"] = adv * NANO
        prints["bid_px_nanos"] = bid[np.searchsorted(times, prints["ts_ns"]).clip(1) - 1]
        prints["bid_qty_nanos"] = chance.multinomial(adv, np.full(len(prints), 1.0 / len(prints))) * NANO
        parts += [quotes, prints[prints["bid_qty_nanos"] > 0]]
    return np.sort(np.concatenate(parts), order=["ts_ns", "inst", "kind"])


class ImpactWorld:
    """One market, traded in several ways at once; they do not feel each other."""

    def __init__(
        self, ways: tuple[Way, ...], impact: ImpactConfig, folder: Path, *, seed: int = 1, adv: int = ADV
    ) -> None:
        self.ways = ways
        self.config = _config(ways, folder)
        self.tables = _tables(self.config, adv)
        venue = msgspec.structs.replace(self.config.venue, impact=impact, seed=seed)
        with patch("strategies.pipeline.assert_live_equals_batch"):
            machine = build_machine(self.config, self.tables, with_venue=False)
        self.exchange = machine.exchange = self._venue(venue, machine)
        machine.measurer = MeasuredHere(self.config, self.tables)
        self.strategies = [Bidden(f"s{inst}", inst) for inst in range(len(ways))]
        machine.engine.traders = tuple((strategy,) for strategy in self.strategies)
        machine.engine.strategies = {strategy.name: strategy for strategy in self.strategies}
        self.journal = JournalWriter(
            folder / "journal", now_ns=OPEN_NS, segment_bytes=SEGMENT_BYTES, reserve_bytes=0, background=False
        )
        self.runner = _Runner(machine, self.journal, Tally(self.config.symbols), roll=Rolls(()))
        self.runner.fills = []

    def _venue(self, venue: VenueConfig, machine: Any) -> Exchange:
        """As daemon/build.py makes it: that one refuses impact, because its rows would not pass it."""
        calendars = {loaded.table.calendar: Calendar(loaded.table) for loaded in self.tables.sessions}
        return Exchange(
            instruments=self.tables.contracts, calendars=calendars, fees=FeeTable(self.tables.fee_rows), config=venue,
            watch=machine.engine.pipeline._watch, quotes=machine.engine.context.market.state,
        )  # fmt: skip

    def play(self, rows: Any) -> list[Outcome]:
        """The whole tape; the orders are given after the warm-up. Raises AssertionError when one was not filled."""
        self._start()
        begin_ns = OPEN_NS + WARM_S * NANO
        runner, exchange, ways = self.runner, self.exchange, range(len(self.ways))
        moved, given = exchange.moved_px, False
        for ts_ns, exchange_ts_ns, _, kind, flags, bid, ask, bid_qty, ask_qty in rows.tolist():
            if not given and ts_ns >= begin_ns:
                runner.advance_to(begin_ns)
                self._give(begin_ns)
                given = True
            if runner.next_ns <= ts_ns:
                runner.advance_to(ts_ns)
            for inst in ways:
                px = moved(inst, kind, bid, ask, ts_ns)
                runner.on_quote(ts_ns, exchange_ts_ns, inst, kind, flags, *px, bid_qty, ask_qty)
        runner.advance_to(int(rows["ts_ns"][-1]) + 5 * NANO)
        runner.flush()
        self.journal.close()
        return [self._outcome(inst, rows, begin_ns) for inst in ways]

    def trade(self, rows: Any, bids: list[tuple[int, int, int]]) -> None:
        """A tape of all instruments, and at each moment (ns) what position in shares one of them should have."""
        self._start()
        runner, moved, waiting = self.runner, self.exchange.moved_px, sorted(bids, reverse=True)
        for ts_ns, exchange_ts_ns, inst, kind, flags, bid, ask, bid_qty, ask_qty in rows.tolist():
            while waiting and waiting[-1][0] <= ts_ns:
                at_ns, wanting, shares = waiting.pop()
                runner.advance_to(at_ns)
                self._want(wanting, shares, at_ns)
            if runner.next_ns <= ts_ns:
                runner.advance_to(ts_ns)
            px = moved(inst, kind, bid, ask, ts_ns)
            runner.on_quote(ts_ns, exchange_ts_ns, inst, kind, flags, *px, bid_qty, ask_qty)
        runner.advance_to(int(rows["ts_ns"][-1]) + 5 * NANO)
        runner.flush()
        self.journal.close()

    def _start(self) -> None:
        runner, now_ns = self.runner, OPEN_NS - NANO
        seq = 0
        for record in self.tables.records():
            seq += 1
            self.journal.add(r.REFERENCE, seq, now_ns, 0, r.encode(record))
        self.journal.commit()
        runner.engine.seq = seq
        started = e.TraderStarted(
            epoch=1, mode="paper", ended="new", after_crash="as_latched", guard_fired=False, changed="", safe=False,
            venue_in_process=True,
        )  # fmt: skip
        runner.step(started, now_ns)
        runner.step(e.DayRolled(date=DATES[0]), now_ns)
        runner.step(e.LinkRestored(reason=SESSION_READY), now_ns)

    def _give(self, ts_ns: int) -> None:
        for inst, way in enumerate(self.ways):
            self._want(inst, way.shares, ts_ns)

    def _want(self, inst: int, shares: int, ts_ns: int) -> None:
        runner = self.runner
        runner.flush()
        self.strategies[inst].wanted_nanos = shares * NANO
        runner._wake(runner._from - 1, ts_ns, inst)

    def _outcome(self, inst: int, rows: Any, begin_ns: int) -> Outcome:
        way = self.ways[inst]
        side, size = (1 if way.shares > 0 else -1), abs(way.shares)
        quotes = rows[rows["kind"] == QUOTE]
        times = quotes["ts_ns"]
        mids = (quotes["bid_px_nanos"] + quotes["ask_px_nanos"]) / (2.0 * NANO)
        fills = [fill for fill in self.runner.fills if fill.inst == inst]
        left, filled, impact, market, exposure, last_ns = size, 0, 0.0, 0.0, 0.0, begin_ns
        arrival = float(mids[np.searchsorted(times, begin_ns, side="right") - 1])
        for fill in sorted(fills, key=lambda fill: fill.exchange_ts_ns):
            qty, ts_ns = fill.qty_nanos // NANO, fill.exchange_ts_ns
            mid = float(mids[np.searchsorted(times, ts_ns, side="right") - 1])
            impact += side * qty * (fill.px_nanos / NANO - mid)
            market += side * qty * (mid - arrival)
            exposure += left * left * (ts_ns - last_ns) / NANO / DAY_S
            left, filled, last_ns = left - qty, filled + qty, ts_ns
        why = self.runner.engine.blocked
        assert filled == size, f"{way.name}: {filled} of {size} filled; waiting {why}, {self.runner.tally.refusals}"
        (parent,) = [parent for parent in self.runner.money.parents.values() if parent.inst == inst]
        return Outcome(
            kappa=parent.kappa_first_nanos / NANO, filled=filled, impact=impact, market=market, exposure=exposure,
        )  # fmt: skip


def _config(ways: tuple[Way, ...], folder: Path) -> Config:
    parts = [_HEAD, ONE_PERSON]
    for at, way in enumerate(ways):
        parts.append(f'[[instruments]]\nsymbol = "S{at}"\ntick = 0.01\nround_lot = 100\n')
        params = ", ".join(f"{name} = {value!r}" for name, value in way.params.items())
        parts.append(
            f'[strategies.s{at}]\nkind = "meanrev"\nsymbols = ["S{at}"]\n'
            "params = { enter_z = 100, position_shares = 1, half_life_s = 86_400, sd_floor = 1_000 }\n"
            f'execution = {{ algo = "{way.algo}", params = {{ {params} }}, patience = 0.0, cross_ticks_max = 100, '
            'backoff_s = 0.5, edge_policy = "off" }\n'
        )
    parts.append(_LIMITS)
    return parse_config("".join(parts), file="impact", folder=folder, state_dir=folder)


def _tables(config: Config, adv: int) -> ReferenceTables:
    return ReferenceTables(
        config=ConfigResolved(json="{}", digest=""),
        code=CodeVersion(version="", source_digest="", kernel_digest="", platform=""),
        sessions=(SessionsLoaded(table=session_table()),),
        instruments=tuple(InstrumentLoaded(instrument=instrument) for instrument in instruments_of(config)),
        fees=FeesLoaded(plan="ibkr_pro_fixed", rows=DEFAULT_PLANS["ibkr_pro_fixed"]),
        slow=tuple(
            InstrumentReference(inst=inst, effective_from=DATES[0], adv_nanos=adv * NANO, until=DATES[-1])
            for inst in range(len(config.symbols))
        ),
    )
