"""The inside of a trader on a live broker, in the test's process: the real machine, runner, journal and sink, a clock
the test moves, and a broker that writes down what it is sent. Knows no assertion.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from core import commands as c
from core import events as e
from core import records as r
from core.rows import ALIVE, QUOTE
from core.units import NANO
from daemon import digests
from daemon.build import build_machine
from daemon.config import Config, parse_config
from daemon.journal import JournalWriter
from daemon.live import LiveSink
from daemon.recovery import Recovered, recover
from daemon.reference import tables as reference
from daemon.reference.hours import day_of
from daemon.reference.tables import ReferenceTables, build_reference, day_rolls
from daemon.riskworker.asking import MeasuredHere
from daemon.runner import Rolls, Runner
from daemon.status.build import Tally
from tests.fakes.operators import ONE_PERSON

SECOND: Final = NANO
CENT: Final = NANO // 100
DATE: Final = 20261005
NOON: Final = 1_791_216_000 * SECOND  # 2026-10-05 12:00 in New York, a Monday
CONFIG: Final = (
    """
mode = "paper"
state_dir = "{state}"
[account]
id = "DU0000001"
tag = "du1"
[feed]
kind = "ib"
profile = "l1_250"
[[instruments]]
symbol = "AAA"
tick = 0.01
round_lot = 100
[[instruments]]
symbol = "CCC"
tick = 0.01
round_lot = 100
[strategies.reversion]
kind = "meanrev"
symbols = ["AAA", "CCC"]
[strategies.reversion.params]
half_life_s = 60
enter_z = 0.5
leave_z = 0.1
position_shares = 100
cadence_s = 0.01
warm_up_s = 0
quotes_min = 2
[strategies.reversion.execution]
{execution}
"""
    + ONE_PERSON
    + """
[journal]
durability = "{durability}"
reserve_mib = 0
segment_mib = 1
[limits.account]
order_notional_max = 60_000
{more}"""
)

DEFAULTS: Final = {"durability": "os", "more": "", "execution": 'algo = "immediate"'}

_table: Callable[..., Any] = functools.lru_cache(reference.build_in_child)
_code: Callable[..., Any] = functools.lru_cache(digests.code_version)


class HandClock:
    """Time stands until the test moves it."""

    def __init__(self, ts_ns: int = NOON) -> None:
        self.ts_ns = ts_ns

    def now_ns(self) -> int:
        """The present."""
        return self.ts_ns

    def wall_s(self, duration_ns: int) -> float:
        """As on the wall."""
        return duration_ns / 1e9

    def announce(self, ts_ns: int, speed: float) -> None:
        """Nobody tells it."""


class ScriptedBroker:
    """Implements core.ports.BrokerPort: everything is written down; `refuses` is its answer to orders."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.refuses = ""
        self.on_submit: Callable[[Any], None] = lambda command: None
        self.dates: list[int] = []

    def submit(self, command: Any, *, ts_ns: int) -> str:
        """Take a command."""
        if self.refuses and type(command) in (c.PlaceOrder, c.ReplaceOrder):
            return self.refuses
        self.sent.append(command)
        self.on_submit(command)
        return ""

    def fetch_reference(self, date: int) -> None:
        """Write it down."""
        self.dates.append(date)

    def orders(self) -> list[c.OrderIntent]:
        """Orders that left."""
        return [command.order.intent for command in self.sent if type(command) is c.PlaceOrder]

    def kinds(self) -> list[str]:
        """Names of all that was sent, in order."""
        return [type(command).__name__ for command in self.sent]


def config_of(folder: Path, **changes: Any) -> Config:
    """A paper account at a broker; `more` are further tables."""
    text = CONFIG.format(state=folder, **(DEFAULTS | changes))
    return parse_config(text, file="live.toml", folder=folder)


def tables_of(config: Config, first: int = 20260928, last: int = 20261012) -> ReferenceTables:
    """Reference tables of some days; the builder's process is asked once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "build_in_child", _table)
        patch.setattr(reference, "code_version", _code)
        return build_reference(config, first=day_of(first), last=day_of(last))


class LiveWorld:
    """One run on one journal directory; a second one with `recovered` goes on where a first one was left."""

    def __init__(
        self, config: Config, tables: ReferenceTables, *, recovered: Recovered | None = None, ts_ns: int = NOON
    ) -> None:
        self.config, self.tables = config, tables
        self.clock = HandClock(ts_ns)
        self.broker = ScriptedBroker()
        self.directory = Path(config.state_dir) / "journal"
        self.failures: list[Exception] = []
        self.armed: list[int] = []
        settings = config.journal
        if recovered is None:
            self.machine = build_machine(config, tables, with_venue=True)
            tally = Tally(config.symbols)
            self.journal = JournalWriter(
                self.directory, now_ns=ts_ns, durability=settings.durability, segment_bytes=1 << 20, reserve_bytes=0
            )
        else:
            self.machine, tally = recovered.machine, recovered.tally
            self.journal = JournalWriter.open_existing(
                self.directory, durability=settings.durability, segment_bytes=1 << 20, reserve_bytes=0
            )
        rolls = Rolls(day_rolls(tables.sessions[0].table, day_roll="20:00", timezone="America/New_York"))
        self.runner = Runner(self.machine, self.journal, tally, roll=rolls)
        self.machine.port = self.broker
        self.machine.measurer = MeasuredHere(config, tables)
        self.sink = LiveSink(self.runner, self.clock, self._arm, self.failures.append)
        self._bids: dict[int, int] = {}
        self._execs = 0

    def _arm(self, due_ns: int) -> None:
        self.sink.armed_ns = due_ns
        self.armed.append(due_ns)

    # ---- what the shell does -----------------------------------------------------------------------------------
    def begin(self, *, ended: str = "new", epoch: int = 1) -> None:
        """The first records of a run, as the trader writes them."""
        runner = self.runner
        seq = runner.engine.seq
        for record in self.tables.records():
            seq += 1
            self.journal.add(r.REFERENCE, seq, self.clock.ts_ns, 0, r.encode(record))
        self.journal.commit()
        runner.engine.seq = seq
        started = e.TraderStarted(
            epoch=epoch, mode="paper", ended=ended, after_crash="as_latched", guard_fired=False, changed=""
        )
        runner.step(started, self.clock.ts_ns)
        if runner.money.trading_date:
            runner.roll.skip_past(runner.money.trading_date)
        else:
            runner.step(e.DayRolled(date=runner.roll.skip_to(self.clock.ts_ns)), self.clock.ts_ns)

    def close(self) -> None:
        """Let go of the journal, as a crash does."""
        self.journal.close()

    def recover(self) -> Recovered:
        """What the next start would begin with."""
        return recover(self.directory, self.config, self.tables)

    # ---- what the broker says ----------------------------------------------------------------------------------
    def tell(self, *facts: Any) -> None:
        """Facts, received now."""
        for fact in facts:
            self.sink.fact(fact)

    def ready(self, *, order_id_next: int = 801, sync_id: int = 1, cash: int = 1_000_000, **evidence: Any) -> None:
        """Log-in, link and a complete synchronisation; `evidence` are facts of it."""
        self.tell(e.OrderIdsSeen(order_id_next=order_id_next), e.LinkRestored(reason="session"))
        self.tell(e.ClockOffsetMeasured(offset_ns=0, round_trip_ns=0))
        self.tell(*(e.ShortableChanged(inst=at, level_milli=3_000) for at in range(len(self.config.instruments))))
        self.sync(sync_id=sync_id, cash=cash, facts=evidence.get("facts", ()))

    def sync(self, *, sync_id: int, cash: int = 1_000_000, facts: Any = ()) -> None:
        """One complete synchronisation."""
        self.tell(e.SyncStarted(sync_id=sync_id), *facts)
        self.tell(e.CashReported(sync_id=sync_id, currency="USD", cash_nanos=cash * NANO))
        funds = cash * NANO
        self.tell(
            e.AccountValued(sync_id=sync_id, equity_with_loan_nanos=funds, available_nanos=funds, excess_nanos=funds)
        )
        self.tell(e.SyncCompleted(sync_id=sync_id, complete=True))

    def reference(self, inst: int, date: int = DATE, missing: str = "", adv: int = 10_000_000) -> None:
        """The slow numbers of a day."""
        self.tell(
            e.ReferenceArrived(
                inst=inst,
                effective_from=date,
                previous_close_nanos=20 * NANO,
                adv_nanos=adv * NANO,
                missing=missing,
                source="test",
            )
        )

    def quote(self, inst: int, bid: int, *, spread: int = CENT, after_ns: int = SECOND) -> None:
        """A quote, `after_ns` later."""
        self.clock.ts_ns += after_ns
        self._bids[inst] = bid
        self.sink.row(self.clock.ts_ns, inst, QUOTE, 0, bid, bid + spread, 1000 * NANO, 1000 * NANO)

    def alive(self, inst: int, *, after_ns: int = SECOND) -> None:
        """A proof of life."""
        self.clock.ts_ns += after_ns
        self.sink.row(0, inst, ALIVE, 0, 0, 0, 0, 0)

    def make_it_buy(self, inst: int = 0, px: int = 20 * NANO) -> None:
        """Quotes that fall away from their mean."""
        self.quote(inst, px)
        self.quote(inst, px)
        self.quote(inst, px - 5 * CENT)

    def fill(self, intent: c.OrderIntent, px_nanos: int) -> None:
        """An order is done, with its commission."""
        self._execs += 1
        exec_id = f"0001.{self._execs:04d}.01"
        self.tell(
            e.OrderAcknowledged(order_id=intent.order_id, perm_id=77 + intent.order_id),
            e.OrderFilled(
                order_id=intent.order_id, exec_id=exec_id, side=intent.side, qty_nanos=intent.qty_nanos,
                px_nanos=px_nanos, inst=intent.inst,
            ),
            e.CommissionReported(exec_id=exec_id, commission_nanos=NANO),
        )  # fmt: skip


def opened(folder: Path, **changes: Any) -> LiveWorld:
    """A fresh run that is ready to trade AAA and CCC."""
    config = config_of(folder, **changes)
    world = LiveWorld(config, tables_of(config))
    world.begin()
    world.ready()
    world.reference(0)
    world.reference(1)
    return world
