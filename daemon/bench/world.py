"""A trader without its process: config, reference tables, machine, journal and runner in a folder of the bench's own.

Everything that is timed is the real thing: `build_machine`, `Runner`, `JournalWriter` with durability "os". Only the
cheap port below is made for benches, and every line that used it says so.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

from broker.sim.exchange import Exchange
from core import commands as c
from core import events as e
from core import records as r
from daemon.build import build_machine
from daemon.config import Config, load_config, parse_config
from daemon.digests import ROOT
from daemon.journal import JournalWriter
from daemon.machine import NEVER, SESSION_READY, Machine
from daemon.recovery import RunnerState, take_snapshot
from daemon.reference.tables import ReferenceTables, build_reference, covered_days, day_rolls
from daemon.riskworker.asking import MeasuredHere
from daemon.runner import Rolls, Runner
from daemon.status.build import Tally

MARKET_DATA: Final = "QUANTD_MARKET_DATA"
RECORDED: Final = ROOT / "examples" / "bac_ibm_2013.toml"
MADE_UP: Final = ROOT / "examples" / "synthetic.toml"
PORT_SINK: Final = "the real dispatch into a sink"
PORT_VENUE: Final = "the real dispatch into the simulated venue"
# Limits of an account whose one strategy turns round without end: what counts over time would take it for a broken
# program.
TURNING: Final = """orders_minute_soft = 500_000
orders_minute_hard = 500_000
value_second_max = 4_000_000_000
value_minute_max = 4_000_000_000
value_hour_max = 4_000_000_000
quantity_second_max = 1_000_000_000
quantity_minute_max = 1_000_000_000
quantity_hour_max = 1_000_000_000
parents_day_max = 1_000_000
parents_unattended_max = 1_000_000
duplicate_window_seconds = 0.01
changes_day_max = 1_000_000
order_trade_ratio_max = 1_000_000
messages_second_max = 1_000_000
deployment_orders_day_max = 1_000_000
"""


class SinkPort:
    """Takes broker commands and keeps the last order and the time it took it; says nothing by itself."""

    next_due_ns = NEVER
    tells = False

    def __init__(self) -> None:
        self.orders = 0
        self.placed: c.PlaceOrder | None = None
        self.placed_at = 0  # of time.perf_counter_ns

    def submit(self, command: Any, *, ts_ns: int) -> None:
        """What the machine dispatches to."""
        if type(command) is c.PlaceOrder:
            self.placed_at = time.perf_counter_ns()
            self.placed = command
            self.orders += 1

    def pop_due(self, ts_ns: int) -> None:
        """Nothing is ever due."""

    def on_row(self, **row: int) -> None:
        """Rows are not watched."""

    def on_halt(self, inst: int, halted: bool, ts_ns: int) -> None:
        """Halts change nothing."""

    def session_ready(self, ts_ns: int) -> None:
        """What a venue would tell of borrow and time, the bench tells itself."""


class TimedVenue:
    """The simulated venue, noting when it has taken an order."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.orders = 0
        self.placed_at = 0
        self.pop_due = exchange.pop_due
        self.on_row = exchange.on_row
        self.on_halt = exchange.on_halt
        self.session_ready = exchange.session_ready
        self.tells = exchange.tells
        self.snapshot = exchange.snapshot

    @property
    def next_due_ns(self) -> int:
        """Of the venue."""
        return self._exchange.next_due_ns

    def submit(self, command: Any, *, ts_ns: int) -> None:
        """Hand on, then note the time."""
        self._exchange.submit(command, ts_ns=ts_ns)
        if type(command) is c.PlaceOrder:
            self.placed_at = time.perf_counter_ns()
            self.orders += 1


class World:
    """One trader's inside."""

    def __init__(self, config: Config, tables: ReferenceTables, folder: Path, *, durability: Any = "os") -> None:
        self.config = config
        self.tables = tables
        self.machine: Machine = build_machine(config, tables, with_venue=True)
        self.machine.measurer = MeasuredHere(config, tables)
        self.directory = folder / "journal"
        self.journal = JournalWriter(self.directory, now_ns=time.time_ns(), durability=durability, reserve_bytes=0)
        account = config.account
        rolls = day_rolls(tables.sessions[0].table, day_roll=account.day_roll, timezone=account.timezone)
        self.runner = Runner(self.machine, self.journal, Tally(config.symbols), roll=Rolls(rolls))

    def into(self, port: SinkPort | TimedVenue) -> None:
        """Put a bench's port in the place of the venue."""
        self.machine.exchange = cast(Exchange, port)

    def begin(self, now_ns: int) -> None:
        """The first records of a fresh run, as the trader writes them."""
        runner = self.runner
        seq = 0
        for record in self.tables.records():
            seq += 1
            self.journal.add(r.REFERENCE, seq, now_ns, 0, r.encode(record))
        self.journal.commit()
        runner.engine.seq = seq
        started = e.TraderStarted(
            epoch=1, mode=self.config.mode, ended="new", after_crash="as_latched", guard_fired=False, changed="",
            safe=False, venue_in_process=True,
        )  # fmt: skip
        runner.step(started, now_ns)
        runner.step(e.DayRolled(date=runner.roll.skip_to(now_ns)), now_ns)
        runner.step(e.LinkRestored(reason=SESSION_READY), now_ns)

    def measure(self, ts_ns: int) -> None:
        """What the engine asks for as soon as something works: the risk of this moment."""
        assert self.machine.measurer is not None
        measured = self.machine.measurer.measure(self.runner.engine, ts_ns)
        if measured is not None:
            self.runner.step(measured, ts_ns)

    def snapshot(self) -> Path:
        """Write the state of this moment, as the trader does."""
        runner = self.runner
        runner.flush()
        self.journal.sync()
        names = ("events", "rows", "decisions", "parents", "children", "fills", "alerts")
        state = RunnerState(
            rows=runner.rows_done, counts={name: getattr(runner.tally, name) for name in names},
            refusals=runner.tally.refusals, ended="crash", epoch=1, feed_ended=False, failures=[],
        )  # fmt: skip
        return take_snapshot(self.directory, self.machine, runner.tally, self.tables, state)

    def close(self) -> None:
        """Let go of the journal."""
        self.journal.close()


@contextmanager
def opened(config: Config, tables: ReferenceTables, folder: Path) -> Iterator[World]:
    """A world that is closed again."""
    world = World(config, tables, folder)
    try:
        yield world
    finally:
        world.close()


def shipped_config(folder: Path) -> tuple[Config, str]:
    """The shipped example on recorded data, or on a made-up market where they are absent; and which it is."""
    if (Path(os.environ.get(MARKET_DATA, "")) / "lean").is_dir() and os.environ.get(MARKET_DATA):
        return load_config(RECORDED, state_dir=folder), "BAC and IBM, 7 to 11 October 2013"
    return load_config(MADE_UP, state_dir=folder), f"synthetic: ${MARKET_DATA} does not hold the recordings"


def config_of(text: str, folder: Path) -> Config:
    """A bench's own config."""
    return parse_config(text, file="bench", folder=folder, state_dir=folder)


def tables_of(config: Config, *, first_ns: int = 0, last_ns: int = 0) -> ReferenceTables:
    """The reference tables of the days a feed covers."""
    first, last = covered_days(config, first_ns=first_ns, last_ns=last_ns)
    return build_reference(config, first=first, last=last)
