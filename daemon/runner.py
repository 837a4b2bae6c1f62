"""The runner: stamp, step, journal, dispatch. The only caller of the engine in a running trader.

Market rows that decide nothing stay in the batch they came in and are journalled as one block, at the latest with
the next thing that happens. One frame holds an input and all it caused; nothing is dispatched before it is committed.
"""

from typing import Any, Final

import numpy as np

from core import commands as c
from core import events as e
from core import records as r
from core.money.state import Money
from core.rows import ROW_BYTES
from daemon.journal import JournalWriter
from daemon.machine import DECIDE, NEVER, WATCHED, Machine
from daemon.status_build import Tally

QUIET_ROWS_MAX: Final = 1024  # rows journalled at once when nothing happens

_encode = r.encode


class StepError(Exception):
    """The engine raised; the input and StepFailed are in the journal and everything was cancelled."""


class Runner:
    """Drives one machine and its journal."""

    def __init__(self, machine: Machine, journal: JournalWriter, tally: Tally, *, roll: "Rolls") -> None:
        self.machine = machine
        self.engine = machine.engine
        self.pipeline = machine.engine.pipeline
        self.journal = journal
        self.tally = tally
        self.roll = roll
        self.now_ns = machine.engine.ts_ns
        self.rows_done = 0
        self.controls_here = 0  # control facts taken since the last row, for an exact resume of the feed
        self._fsync = journal.durability == "fsync"
        self._rows: Any = None  # the batch being run
        self._bytes = memoryview(b"")
        self._from = 0  # first row of it that is not journalled
        self._applied = 0  # rows of it that were applied

    # ---- rows --------------------------------------------------------------------------------------------------
    def run_batch(self, rows: Any, lo: int, hi: int) -> None:
        """Apply rows[lo:hi], with every fact and deadline that is due in between, in time order.

        A batch is run front to back, in one or several calls. Raises StepError when the engine does.
        """
        if rows is not self._rows:
            self._begin_batch(rows)
        assert lo == self._applied, "rows must be run in order"
        times = rows["ts_ns"]
        machine, pipeline, roll = self.machine, self.pipeline, self.roll
        at = lo
        while at < hi:
            first = int(times[at])
            if machine.due_ns <= first or roll.next_ns <= first:
                self.advance_to(first)
            stop = machine.due_ns
            at = pipeline.run(rows, at, hi, stop if stop < roll.next_ns else roll.next_ns)
            code = pipeline.code
            self._applied = at
            if code:
                self._stop_at(rows, at - 1, code)
            if at - self._from >= QUIET_ROWS_MAX:
                self._flush()
        self._flush()
        if hi > lo:
            self.now_ns = max(self.now_ns, int(times[hi - 1]))

    def _begin_batch(self, rows: Any) -> None:
        self._rows = rows
        self._bytes = memoryview(rows.view(np.uint8)).cast("B")
        self._from = 0
        self._applied = 0

    def _stop_at(self, rows: Any, at: int, code: int) -> None:
        """A row somebody asked for: the venue sees it first, then the strategies."""
        row = rows[at]
        if code & WATCHED:
            self.machine.show_row(row)
        if code & DECIDE:
            self._wake(at, int(row["ts_ns"]), int(row["inst"]))

    def _wake(self, at: int, ts_ns: int, inst: int) -> None:
        engine = self.engine
        before = engine.seq
        seq = before + at + 1 - self._from
        try:
            records = engine.wake(seq, ts_ns, inst)
        except Exception as fault:  # edge: whatever the engine raises is journalled with its input, then we leave
            self._put_rows(before)
            self._fail(seq, ts_ns, fault)
            raise StepError(str(fault)) from fault
        if not records:
            engine.seq = before  # nothing was decided: the row stays with its quiet neighbours
            return
        self._put_rows(before)
        self._finish(seq, ts_ns, records)

    def _put_rows(self, seq: int) -> int:
        """Add the applied rows that are not journalled to the open frame, from seq + 1 on; returns the last seq."""
        count = self._applied - self._from
        if count <= 0:
            return seq
        ts_ns = int(self._rows[self._from]["ts_ns"])
        block = self._bytes[self._from * ROW_BYTES : self._applied * ROW_BYTES]
        self.journal.add_rows(seq + 1, block, count, ts_ns)
        self._from = self._applied
        self.rows_done += count
        self.controls_here = 0
        self.tally.take_rows(count)
        return seq + count

    def _flush(self) -> None:
        """Journal quiet rows."""
        if self._applied > self._from:
            self.engine.seq = self._put_rows(self.engine.seq)
            self.journal.commit()

    # ---- facts -------------------------------------------------------------------------------------------------
    def advance_to(self, ts_ns: int) -> None:
        """Step every fact, deadline and day roll due at or before `ts_ns`."""
        while True:
            roll_ns = self.roll.next_ns
            fact = self.machine.next_fact(ts_ns if ts_ns < roll_ns else roll_ns)
            if fact is not None:
                self.step(fact[1], fact[0])
            elif roll_ns <= ts_ns:
                self.step(self.roll.take(), roll_ns)
            else:
                break
        self.now_ns = max(self.now_ns, ts_ns)

    def step(self, event: Any, ts_ns: int) -> None:
        """Journal and step one fact, then dispatch what it caused. Raises StepError when the engine raises."""
        engine = self.engine
        seq = self._put_rows(engine.seq) + 1
        self.machine.before(event, ts_ns)
        self.journal.add(r.INPUT, seq, ts_ns, 0, _encode(event))
        try:
            records = engine.step(e.Stamped(seq, ts_ns, event))
        except Exception as fault:  # edge: whatever the engine raises is journalled with its input, then we leave
            self._fail(seq, ts_ns, fault)
            raise StepError(str(fault)) from fault
        self.now_ns = ts_ns if ts_ns > self.now_ns else self.now_ns
        self._finish(seq, ts_ns, records)
        self.tally.take_event(seq, ts_ns, event, engine.money)

    def _finish(self, cause_seq: int, ts_ns: int, records: list[tuple[int, int, Any]]) -> None:
        """Journal a step's records in the open frame, commit, dispatch."""
        journal, tally = self.journal, self.tally
        urgent = False
        for kind, seq, message in records:
            journal.add(kind, seq, ts_ns, cause_seq, _encode(message))
            if kind == r.COMMAND:
                tally.take_command(ts_ns, message)
                urgent = urgent or type(message) is c.PlaceOrder or type(message) is c.ReplaceOrder
            else:
                tally.take_note(ts_ns, message)
        journal.commit()
        if not records:
            return
        if urgent and self._fsync:
            # Cancels wait for nothing; orders wait until their record is on the device.
            self._dispatch([x for x in records if type(x[2]) in _FIRST], ts_ns)
            journal.sync()
            self._dispatch([x for x in records if type(x[2]) not in _FIRST], ts_ns)
        else:
            self._dispatch(records, ts_ns)

    def _dispatch(self, records: list[tuple[int, int, Any]], ts_ns: int) -> None:
        refused = self.machine.dispatch(records, ts_ns)
        for seq, outcome in refused:
            self.journal.add(r.OUTCOME, seq, ts_ns, 0, _encode(outcome))
        if refused:
            self.journal.commit()

    def _fail(self, failed_seq: int, ts_ns: int, fault: Exception) -> None:
        """Poison rule: the input that broke the step and the error are journalled; everything is cancelled."""
        text = f"{type(fault).__name__}: {fault}"
        event = e.StepFailed(failed_seq=failed_seq, error=text[:400])
        self.journal.add(r.INPUT, failed_seq + 1, ts_ns, failed_seq, _encode(event))
        self.journal.commit()
        self.journal.sync()
        if self.machine.exchange is not None:
            self.machine.exchange.submit(c.CancelAllOrders(reason=text[:200]), ts_ns=ts_ns)

    # ---- the rest ----------------------------------------------------------------------------------------------
    def watch_disk(self) -> None:
        """Tell the engine when the journal's reserve of disk space is lost or back."""
        available = self.journal.disk_available
        if available != self.engine.money.disk_available:
            free_mb = self.journal.free_bytes() >> 20
            self.step(e.DiskReserveChanged(available=available, free_mb=free_mb), self.now_ns)

    @property
    def money(self) -> Money:
        """The engine's money state."""
        return self.engine.money


_FIRST: Final = frozenset({c.CancelOrder, c.CancelAllOrders, c.RequestSync})


class Rolls:
    """When trading days begin: (ts_ns, date) ascending; each is taken once."""

    def __init__(self, rolls: tuple[tuple[int, int], ...]) -> None:
        self._rolls = rolls
        self._at = 0

    @property
    def next_ns(self) -> int:
        """The next roll."""
        return self._rolls[self._at][0] if self._at < len(self._rolls) else NEVER

    def take(self) -> e.DayRolled:
        """The fact of the next roll."""
        date = self._rolls[self._at][1]
        self._at += 1
        return e.DayRolled(date=date)

    def skip_to(self, ts_ns: int) -> int:
        """Pass over the rolls up to `ts_ns`; returns the date they lead to (0 = before the first)."""
        date = 0
        while self._at < len(self._rolls) and self._rolls[self._at][0] <= ts_ns:
            date = self._rolls[self._at][1]
            self._at += 1
        return date
