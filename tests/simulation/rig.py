"""Plays one schedule with the real runner, engine, journal and venue, and hands every step to the checkers.

Owns the tape's place, crashes and the way back. Two kinds of crash: the venue dies with us and comes back through the
journal (`SHARED`), or the broker goes on while we are away and we come back as a live trader does (`APART`).
"""

from pathlib import Path
from typing import Any

import msgspec
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
from core.units import NANO
from daemon.build import Restored, money_settings
from daemon.config import Config
from daemon.journal import JournalReader, JournalWriter
from daemon.machine import SESSION_READY, Machine
from daemon.reference.tables import ReferenceTables
from daemon.rerun import Rerun
from daemon.riskworker.asking import MeasuredHere
from daemon.runner import Rolls, Runner
from daemon.status.build import Tally
from tests.simulation.apart import account_values, cut_tail, session_facts, show_row
from tests.simulation.checkers import Watch, latch_keys
from tests.simulation.schedule import (
    APART,
    CALM_MS,
    COLD,
    END_MS,
    LOST_TAIL,
    MS,
    RESTEPPED,
    SHARED,
    STOP_MS,
    Act,
    Schedule,
)
from tests.simulation.world import DATE, START_NS, SYMBOLS, base_config, config_with, make_tape, new_machine, tables

SEGMENT_BYTES = 256 << 10
RECONNECT_NS = 40 * MS


LAST_ACTS = (
    Act(at_ms=CALM_MS, kind="disarm"),  # a crash that waits for a command must not come into the peace
    Act(at_ms=STOP_MS - 9_000, kind="compare"),
    Act(at_ms=STOP_MS - 4_500, kind="compare"),
    Act(at_ms=STOP_MS, kind="compare"),
    Act(at_ms=STOP_MS, kind="stop"),
    Act(at_ms=END_MS - 5, kind="end"),
)


class CrashError(Exception):
    """The trader is gone."""


class SimRunner(Runner):
    """The real runner; the watch sees every step, and an armed crash strikes at its point."""

    watch: Watch
    armed = ""
    event: Any = None

    broker: Exchange | None = None  # where it is not in our process: an adapter closes a sync with the account's values

    def step(self, event: Any, ts_ns: int) -> None:
        """As in the trader."""
        if self.broker is not None and type(event) is e.SyncCompleted and event.complete:
            self.step(account_values(self.broker, event.sync_id), ts_ns)
        self.event = event
        super().step(event, ts_ns)
        self.event = None

    def _finish(
        self, cause_seq: int, ts_ns: int, records: list[tuple[int, int, Any]], began_ns: int, decided_ns: int, *,
        market: bool = False,
    ) -> None:  # fmt: skip
        busy = any(kind == r.COMMAND and isinstance(message, c.BROKER_COMMANDS) for kind, _, message in records)
        if busy and self.armed == "before commit":
            raise CrashError
        super()._finish(cause_seq, ts_ns, records, began_ns, decided_ns, market=market)
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

    def __init__(
        self,
        schedule: Schedule,
        directory: Path,
        *,
        config: Config | None = None,
        rows: Any = None,
        reference: ReferenceTables | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.schedule = schedule
        self.directory = directory
        self.config: Config = config or config_with(
            schedule.venue_config(base_config().venue), reconcile_s=schedule.reconcile_s, algo=schedule.algo
        )
        self.reference = reference or tables()
        self.rows = make_tape(schedule.seed, seconds=END_MS // 1_000) if rows is None else rows
        self.times = self.rows["ts_ns"]
        self.watch = watch or Watch()
        self.snapshot: tuple[int, int, dict[str, bytes]] | None = None
        self.epoch = 1
        self.base = 0  # first row of the present batch
        machine = self._new_machine()
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
            for act in sorted((*self.schedule.acts, *LAST_ACTS), key=lambda act: act.at_ms):
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
                self._crash()

    def _new_machine(self, restored: Restored | None = None) -> Machine:
        machine = new_machine(self.config, restored=restored, reference=self.reference)
        machine.measurer = MeasuredHere(self.config, self.reference)
        return machine

    def _begin(self, machine: Machine, journal: JournalWriter, *, at: int) -> None:
        """A runner on a machine, at a row of the tape."""
        self.base = at
        self.batch = self.rows[at:].copy()
        self.runner = SimRunner(machine, journal, Tally(SYMBOLS), roll=Rolls(()))
        self.runner.watch = self.watch
        self.runner.armed = ""
        self.runner.broker = machine.exchange if self.schedule.venue == APART else None
        self.runner._begin_batch(self.batch)

    # ---- acts --------------------------------------------------------------------------------------------------
    def _do(self, act: Act) -> None:
        kind, runner = act.kind, self.runner
        if kind == "crash":
            self.crash = act
            if act.point in ("between", LOST_TAIL):
                self._crash()
            else:
                runner.armed = act.point
            return
        if kind == "snapshot":
            self._snapshot()
            return
        if kind == "restart":
            self._restart(act)
            return
        if kind == "foreign order":
            self._foreign(act)
            return
        if kind == "disarm":
            runner.armed = ""
            return
        if kind == "compare":
            self.watch.in_peace(self.machine, runner.now_ns)
            return
        for event in _facts(act, self.money, self.exchange):
            if type(event) is e.DifferenceAcknowledged and self.money.differences:
                self.watch.note_mistake()
            if type(event) is e.OrderResolved and act.choice % 5 == 0:
                self.watch.note_mistake()
            try:
                runner.step(event, max(runner.now_ns, START_NS + act.at_ms * MS))
            except CrashError:
                self._crash()

    def _restart(self, act: Act) -> None:
        """A stop on purpose: cancels get two seconds for their answers, then the trader leaves and comes back."""
        if self.runner.armed:
            return  # one trouble at a time
        self.watch.counts["restarts"] = self.watch.counts.get("restarts", 0) + 1
        self.runner.step(e.TraderStopped(reason="restart"), self.runner.now_ns)
        self._run_to(START_NS + (act.at_ms + 2_000) * MS)
        self.crash = msgspec.structs.replace(act, point="between", opinion=COLD if act.choice % 2 else RESTEPPED)
        self._crash(ended="clean")

    def _foreign(self, act: Act) -> None:
        """A person trades the account by hand."""
        inst, side = act.choice % len(SYMBOLS), 1 if act.choice % 3 else -1
        quote = self.machine.engine.market
        px = quote.get(inst, "bid_px_nanos") or 30 * NANO
        self.exchange.foreign_order(
            inst=inst, side=side, qty_nanos=(20 + act.choice % 50) * NANO, order_type=c.LMT, tif=c.DAY,
            ts_ns=max(self.runner.now_ns, self.machine.now_ns), limit_px_nanos=px,
        )  # fmt: skip

    def _snapshot(self) -> None:
        engine = self.runner.engine
        parts = engine.dump() | {"exchange": self.exchange.snapshot()}
        self.snapshot = (engine.seq, self.base + self.runner._applied, parts)

    # ---- crash -------------------------------------------------------------------------------------------------
    def _crash(self, *, ended: str = "crash") -> None:
        act, before = self.crash, self.money
        ts_ns = max(self.runner.now_ns, self.machine.now_ns)
        if ended == "crash":
            self.watch.counts["crashes"] = self.watch.counts.get("crashes", 0) + 1
        self.epoch += 1
        self.runner.journal.close()
        # What was not committed did not happen; what was, did, whoever had seen it.
        latches = self.watch.latches if act.point == "before commit" else latch_keys(before)
        if self.schedule.venue == SHARED:
            machine, at, now_ns = self._recover_shared()
        else:
            machine, at, now_ns = self._recover_apart(ts_ns, act)
        journal = JournalWriter.open_existing(
            self.directory, segment_bytes=SEGMENT_BYTES, reserve_bytes=0, background=False
        )
        self._begin(machine, journal, at=at)
        self.runner.now_ns = now_ns
        if act.point == LOST_TAIL:
            self.watch.tail_lost(machine, self.exchange)
        else:
            self.watch.recovered(machine, latches, exact=act.point == "between", before=before)
        self._start(ended=ended, ts_ns=now_ns, after=act.after)
        if self.schedule.venue == APART:
            self.watch.in_doubt(machine, crashed=ended == "crash")
            state = self.exchange._link.state
            if state == LINK_READY:
                self.runner.step(e.LinkRestored(reason="reconnected"), now_ns)
                for fact in session_facts(self.exchange, len(SYMBOLS)):
                    self.runner.step(fact, now_ns)
            elif state == LINK_DEGRADED:
                self.runner.step(e.LinkDegraded(reason="reconnected, no server"), now_ns)

    def _recover_shared(self) -> tuple[Machine, int, int]:
        seq, rows, parts = self.snapshot or (0, 0, None)
        restored = None
        if parts is not None:
            restored = Restored(money=parts["money"], opinion=parts, exchange=parts["exchange"])
        machine = self._new_machine(restored)
        machine.engine.seq = seq
        rerun = self._rerun(machine, opinion=True, from_seq=seq + 1)
        return machine, rows + rerun.rows, max(machine.now_ns, START_NS)

    def _recover_apart(self, ts_ns: int, act: Act) -> tuple[Machine, int, int]:
        """The broker lives on without us: what it says meanwhile nobody hears, and the new session hears none of it."""
        exchange = self.exchange
        back_ns = ts_ns + act.down_ms * MS + RECONNECT_NS
        at = int(np.searchsorted(self.times, back_ns, side="right"))
        for row in self.rows[self.base + self.runner._applied : at]:
            while exchange.pop_due(int(row["ts_ns"])) is not None:
                pass
            show_row(exchange, row)
        while exchange.pop_due(back_ns) is not None:
            pass
        if act.point == LOST_TAIL:
            cut_tail(self.directory, frames=1 + act.choice % 40, keep_seq=self.snapshot[0] if self.snapshot else 0)
        exchange._agenda.remove_kind(FACT)
        exchange._agenda.remove_kind(SYNC)
        warm = act.opinion == RESTEPPED
        seq, _, parts = self.snapshot or (0, 0, {"money": dump(Money(money_settings(self.config)))})
        opinion = parts if warm and "opinion" in parts else None
        restored = Restored(money=parts["money"], opinion=opinion, exchange=exchange.snapshot())
        machine = self._new_machine(restored)
        machine.engine.seq = seq
        survivor, machine.exchange = machine.exchange, None
        self._rerun(machine, opinion=warm, from_seq=seq + 1)
        machine.exchange = survivor
        if not warm:  # what comes now cannot be stepped again from before it
            self.snapshot = (machine.engine.seq, 0, machine.engine.dump())
        return machine, at, back_ns

    def _rerun(self, machine: Machine, *, opinion: bool, from_seq: int) -> Rerun:
        rerun = Rerun(machine, Tally(SYMBOLS), opinion=opinion)
        for frame in JournalReader(self.directory, from_seq=from_seq).frames():
            rerun.frame(frame)
        return rerun


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
