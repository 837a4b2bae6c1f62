"""Plays one schedule with the real runner, engine, journal and venue, and hands every step to the checkers.

Owns the tape's place, crashes and the way back. Two kinds of crash: the venue dies with us and comes back through the
journal (`SHARED`), or the broker goes on while we are away and we come back as a live trader does (`APART`).
"""

from pathlib import Path
from typing import Any

import numpy as np

from broker.sim.agenda import FACT, SYNC
from broker.sim.exchange import Exchange
from broker.sim.outbox import LINK_DEGRADED, LINK_READY
from core import commands as c
from core import events as e
from core import records as r
from core.money.snapshot import dump
from core.money.state import READY, Money
from core.orders import State
from daemon.build import Restored, money_settings
from daemon.config import Config
from daemon.journal import JournalReader, JournalWriter
from daemon.machine import SESSION_READY, Machine
from daemon.rerun import Rerun
from daemon.runner import Rolls, Runner
from daemon.status_build import Tally
from tests.simulation.checkers import Watch
from tests.simulation.schedule import APART, END_MS, MS, RESTEPPED, SHARED, STOP_MS, Act, Schedule
from tests.simulation.world import DATE, START_NS, SYMBOLS, base_config, config_with, make_tape, new_machine

SEGMENT_BYTES = 256 << 10
RECONNECT_NS = 40 * MS


class CrashError(Exception):
    """The trader is gone."""


class SimRunner(Runner):
    """The real runner; the watch sees every step, and an armed crash strikes at its point."""

    watch: Watch
    armed = ""
    event: Any = None

    def step(self, event: Any, ts_ns: int) -> None:
        """As in the trader."""
        self.event = event
        super().step(event, ts_ns)
        self.event = None

    def _finish(self, cause_seq: int, ts_ns: int, records: list[tuple[int, int, Any]]) -> None:
        busy = any(kind == r.COMMAND and isinstance(message, c.BROKER_COMMANDS) for kind, _, message in records)
        if busy and self.armed == "before commit":
            raise CrashError
        super()._finish(cause_seq, ts_ns, records)
        self.watch.after_step(self.machine, self.event, ts_ns)

    def _dispatch(self, records: list[tuple[int, int, Any]], ts_ns: int) -> None:
        busy = any(kind == r.COMMAND and isinstance(message, c.BROKER_COMMANDS) for kind, _, message in records)
        if busy and self.armed == "before dispatch":
            raise CrashError
        if busy and self.armed == "within dispatch":
            for at, (kind, _, message) in enumerate(records):
                if kind == r.COMMAND and isinstance(message, c.BROKER_COMMANDS):
                    self._send(records[: at + 1], ts_ns)
                    raise CrashError
        self._send(records, ts_ns)

    def _send(self, records: list[tuple[int, int, Any]], ts_ns: int) -> None:
        self.watch.before_send(self.machine, records, ts_ns)
        super()._dispatch(records, ts_ns)


class Rig:
    """One run of one schedule."""

    def __init__(self, schedule: Schedule, directory: Path) -> None:
        self.schedule = schedule
        self.directory = directory
        self.config: Config = config_with(
            schedule.venue_config(base_config().venue), reconcile_s=schedule.reconcile_s
        )
        self.rows = make_tape(schedule.seed, seconds=END_MS // 1_000)
        self.times = self.rows["ts_ns"]
        self.watch = Watch()
        self.snapshot: tuple[int, int, dict[str, bytes]] | None = None
        self.epoch = 1
        self.crashes = 0
        self.base = 0  # first row of the present batch
        machine = new_machine(self.config)
        journal = JournalWriter(
            directory, now_ns=START_NS, segment_bytes=SEGMENT_BYTES, reserve_bytes=0, background=False
        )
        self._begin(machine, journal, at=0)

    # ---- reading -----------------------------------------------------------------------------------------------
    @property
    def machine(self) -> Machine:
        """The trader of this moment."""
        return self.runner.machine

    @property
    def money(self) -> Money:
        """Its books."""
        return self.runner.engine.money

    @property
    def exchange(self) -> Exchange:
        """The broker."""
        exchange = self.machine.exchange
        assert exchange is not None, "the simulation always has a venue"
        return exchange

    # ---- the run -----------------------------------------------------------------------------------------------
    def play(self) -> Watch:
        """Run the schedule to its end and check the end. Raises AssertionError and whatever the engine raises."""
        try:
            self._start(ended="new", ts_ns=START_NS)
            for act in (*self.schedule.acts, Act(at_ms=STOP_MS, kind="stop"), Act(at_ms=END_MS - 5, kind="end")):
                self._run_to(START_NS + act.at_ms * MS)
                self._do(act)
            self.watch.at_end(self.machine)
        finally:
            self.runner.journal.close()
        return self.watch

    def _start(self, *, ended: str, ts_ns: int, after: str = "as_latched") -> None:
        runner, apart = self.runner, self.schedule.venue == APART
        started = e.TraderStarted(
            epoch=self.epoch, mode="replay", ended=ended, after_crash=after, guard_fired=False, changed="",
            venue_in_process=not apart,
        )  # fmt: skip
        runner.step(started, ts_ns)
        if ended == "new":
            runner.step(e.DayRolled(date=DATE), ts_ns)
            runner.step(e.LinkRestored(reason=SESSION_READY), ts_ns)

    def _run_to(self, ts_ns: int) -> None:
        """The tape up to a moment, through any crash on the way."""
        while True:
            try:
                at = self.base + self.runner._applied
                upto = int(np.searchsorted(self.times, ts_ns, side="left"))
                if upto > at:
                    self.runner.run_batch(self.batch, at - self.base, upto - self.base)
                self.runner.advance_to(ts_ns)
                return
            except CrashError:
                self._crash(self.runner.now_ns)

    def _begin(self, machine: Machine, journal: JournalWriter, *, at: int) -> None:
        """A runner on a machine, at a row of the tape."""
        self.base = at
        self.batch = self.rows[at:].copy()
        self.runner = SimRunner(machine, journal, Tally(SYMBOLS), roll=Rolls(()))
        self.runner.watch = self.watch
        self.runner.armed = ""
        self.runner._begin_batch(self.batch)

    # ---- acts --------------------------------------------------------------------------------------------------
    def _do(self, act: Act) -> None:
        kind, runner = act.kind, self.runner
        if kind == "crash":
            self.crash = act
            if act.point == "between":
                self._crash(runner.now_ns)
            else:
                runner.armed = act.point
            return
        if kind == "snapshot":
            self._snapshot()
            return
        for event in _facts(act, self.money, self.exchange):
            try:
                runner.step(event, max(runner.now_ns, START_NS + act.at_ms * MS))
            except CrashError:
                self._crash(runner.now_ns)

    def _snapshot(self) -> None:
        engine = self.runner.engine
        parts = engine.dump() | {"exchange": self.exchange.snapshot()}
        self.snapshot = (engine.seq, self.base + self.runner._applied, parts)

    # ---- crash -------------------------------------------------------------------------------------------------
    def _crash(self, ts_ns: int) -> None:
        act, before = self.crash, self.money
        self.crashes += 1
        self.epoch += 1
        self.runner.journal.close()
        latches = self.watch.latches
        if self.schedule.venue == SHARED:
            machine, at, now_ns = self._recover_shared()
        else:
            machine, at, now_ns = self._recover_apart(ts_ns, act)
        journal = JournalWriter.open_existing(
            self.directory, segment_bytes=SEGMENT_BYTES, reserve_bytes=0, background=False
        )
        self._begin(machine, journal, at=at)
        self.runner.now_ns = now_ns
        self.watch.recovered(machine, latches, exact=act.point in ("between",), before=before)
        self._start(ended="crash", ts_ns=now_ns, after=act.after)
        if self.schedule.venue == APART:
            state = self.exchange._link.state
            if state == LINK_READY:
                self.runner.step(e.LinkRestored(reason="reconnected"), now_ns)
            elif state == LINK_DEGRADED:
                self.runner.step(e.LinkDegraded(reason="reconnected, no server"), now_ns)

    def _recover_shared(self) -> tuple[Machine, int, int]:
        seq, rows, parts = self.snapshot or (0, 0, None)
        restored = None
        if parts is not None:
            restored = Restored(money=parts["money"], opinion=parts, exchange=parts["exchange"])
        machine = new_machine(self.config, restored=restored)
        machine.engine.seq = seq
        rerun = self._rerun(machine, opinion=True, from_seq=seq + 1)
        return machine, rows + rerun.rows, max(machine.engine.ts_ns, START_NS)

    def _recover_apart(self, ts_ns: int, act: Act) -> tuple[Machine, int, int]:
        """The broker lives on without us: what it says meanwhile nobody hears, and the new session hears none of it."""
        exchange = self.exchange
        back_ns = ts_ns + act.down_ms * MS + RECONNECT_NS
        at = int(np.searchsorted(self.times, back_ns, side="right"))
        for row in self.rows[self.base + self.runner._applied : at]:
            while exchange.pop_due(int(row["ts_ns"])) is not None:
                pass
            _show(exchange, row)
        while exchange.pop_due(back_ns) is not None:
            pass
        exchange._agenda.remove_kind(FACT)
        exchange._agenda.remove_kind(SYNC)
        fresh = dump(Money(money_settings(self.config)))
        machine = new_machine(self.config, restored=Restored(money=fresh, exchange=exchange.snapshot()))
        survivor, machine.exchange = machine.exchange, None
        self._rerun(machine, opinion=act.opinion == RESTEPPED, from_seq=0)
        machine.exchange = survivor
        return machine, at, back_ns

    def _rerun(self, machine: Machine, *, opinion: bool, from_seq: int) -> Rerun:
        rerun = Rerun(machine, Tally(SYMBOLS), opinion=opinion)
        for frame in JournalReader(self.directory, from_seq=from_seq).frames():
            rerun.frame(frame)
        return rerun


def _show(exchange: Exchange, row: Any) -> None:
    ts_ns, _, inst, kind, flags, bid, ask, bid_qty, ask_qty = row.item()
    exchange.on_row(
        ts_ns=ts_ns, inst=inst, kind=kind, flags=flags, bid_px_nanos=bid, ask_px_nanos=ask, bid_qty_nanos=bid_qty,
        ask_qty_nanos=ask_qty,
    )  # fmt: skip


def _facts(act: Act, money: Money, exchange: Exchange) -> list[Any]:
    """The facts an act is made of."""
    scope: dict[str, Any] = {"level": act.level, "scope": act.scope, "reason": "simulated", "operator": "tester"}
    if act.kind == "halt":
        return [e.OperatorHalted(**scope)]
    if act.kind == "kill":
        return [e.OperatorKilled(**scope)]
    if act.kind == "flatten":
        return [e.OperatorFlattened(**scope)]
    if act.kind == "resume":
        return [e.OperatorResumed(**scope)]
    if act.kind == "acknowledge":
        return [e.DifferenceAcknowledged(sync_id=0, reason="simulated", operator="tester")]
    if act.kind == "trip":
        return [e.TriggerFired(name="TRIP", level=act.level, scope=act.scope, state=1 + act.choice % 2)]
    if act.kind == "gap":
        return [e.FeedGapped(inst=act.choice % len(SYMBOLS), dropped=3, reason="simulated")]
    if act.kind == "trading halt":
        return [e.HaltChanged(inst=act.choice % len(SYMBOLS), halted=1 if act.choice % 3 else 0)]
    if act.kind == "resolve":
        return _resolve(act, money, exchange)
    if act.kind == "trade on":
        return [e.HaltChanged(inst=inst, halted=0) for inst in range(len(SYMBOLS))]
    return [e.TraderStopped(reason="the schedule ends")] if act.kind == "stop" else []


def _resolve(act: Act, money: Money, exchange: Exchange) -> list[Any]:
    """An operator looks an UNKNOWN order up at the broker and settles it; one in five gets it wrong."""
    unknown = [order for order in money.live_orders.values() if order.state is State.UNKNOWN]
    if not unknown or money.link != READY:
        return []
    order = unknown[act.choice % len(unknown)]
    perm_id = exchange._venue.state.order_ids.get(order.order_id)
    theirs = None if perm_id is None else exchange._venue.state.orders.get(perm_id)
    outcome, qty = "lost", 0
    if act.choice % 5 == 0:
        outcome = ("lost", "cancelled", "filled")[act.choice // 5 % 3]
        qty = order.remaining_nanos if outcome == "filled" else 0
    elif theirs is not None:
        if not theirs.done:
            return []
        outcome = "cancelled"
    fact = e.OrderResolved(
        order_id=order.order_id, outcome=outcome, reason="simulated", operator="tester", qty_nanos=qty,
        px_nanos=order.limit_px_nanos,
    )  # fmt: skip
    return [fact]
