"""The runner: stamp, step, journal, dispatch. The only caller of the engine in a running trader.

Market rows that decide nothing stay in the batch they came in and are journalled as one block, at the latest with
the next thing that happens. One frame holds an input and all it caused; nothing is dispatched before it is committed.
"""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from core import commands as c
from core import events as e
from core import records as r
from core.money.state import Money
from core.rows import ROW_BYTES, unpack_row
from daemon.authority.trail import AuditChain
from daemon.hold import Hold
from daemon.instruments import OrderPath
from daemon.instruments import now_ns as measured_ns
from daemon.journal import JournalWriter
from daemon.machine import DECIDE, FEED_CONTROLS, LIVE_ROWS_MAX, NEVER, ORDERS, WATCHED, Machine
from daemon.status.build import Tally

if TYPE_CHECKING:
    from daemon.log import OrderLog

QUIET_ROWS_MAX: Final = 128  # rows journalled at once when nothing happens: an order never waits behind more (7 KB)
_WORDS: Final = ROW_BYTES // 8  # a row as 64-bit words; the first is its time

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
        self.path = machine.path = OrderPath()
        self.now_ns = machine.engine.ts_ns
        self.rows_done = 0
        self.controls_here: list[tuple[int, Any]] = []  # feed controls since the last row, for an exact resume
        self.hold: Hold | None = None  # with a live broker: orders wait for the disk while all else goes on
        self.audit: AuditChain | None = None  # of what people and protections do; sealed by the trader
        self.orders: OrderLog | None = None  # tells the life of every order to the log of the process
        self._fsync = journal.durability == "fsync"
        self._live = machine.live_rows
        assert len(machine.live_rows) == LIVE_ROWS_MAX, "the machine was built for another block"
        self._rows: Any = None  # the batch being run, or the block of live rows
        self._bytes = memoryview(b"")  # its memory, and the same as 64-bit words
        self._words = self._bytes.cast("q")
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
        words, pipeline = self._words, self.pipeline
        at = lo
        while at < hi:
            first = words[at * _WORDS]
            stop = self.next_ns
            if stop <= first:
                self.advance_to(first)
                stop = self.next_ns
            full = self._from + QUIET_ROWS_MAX
            at = pipeline.run(rows, at, full if full < hi else hi, stop)
            code = pipeline.code
            self._applied = at
            if code:
                self._stop_at(at - 1, code)
            if at - self._from >= QUIET_ROWS_MAX:
                self.flush()
        self.flush()
        if hi > lo:
            self.now_ns = max(self.now_ns, words[(hi - 1) * _WORDS])

    def on_quote(
        self, ts_ns: int, exchange_ts_ns: int, inst: int, kind: int, flags: int,
        bid_px_nanos: int, ask_px_nanos: int, bid_qty_nanos: int, ask_qty_nanos: int,
    ) -> None:  # fmt: skip
        """Apply one market row of a live feed (core/rows.py; integers only), received at `ts_ns`.

        Whatever is due before it is stepped first, as in `run_batch`; a receipt before `now_ns` counts as now. Quiet
        rows are journalled in blocks of at most `LIVE_ROWS_MAX`, and before anything else is. Raises StepError.
        """
        if ts_ns < self.now_ns:
            ts_ns = self.now_ns
        if self.machine.due_ns() <= ts_ns or self.roll.next_ns <= ts_ns:
            self.advance_to(ts_ns)
        if self._rows is not self._live:
            self._begin_batch(self._live)
        at = self._applied
        code = self.pipeline.quote(
            at, ts_ns, exchange_ts_ns, inst, kind, flags, bid_px_nanos, ask_px_nanos, bid_qty_nanos, ask_qty_nanos
        )
        self._applied = at + 1
        self.now_ns = ts_ns
        if code:
            self._stop_at(at, code)
        if at == LIVE_ROWS_MAX - 1:
            self.flush()
            self._from = self._applied = 0

    @property
    def next_ns(self) -> int:
        """When something is due without a market row."""
        due, roll = self.machine.due_ns(), self.roll.next_ns
        return due if due < roll else roll

    def _begin_batch(self, rows: Any) -> None:
        self.flush()
        self._rows = rows
        self._bytes = memoryview(rows.view(np.uint8)).cast("B")
        self._words = self._bytes.cast("q")
        self._from = 0
        self._applied = 0

    def _stop_at(self, at: int, code: int) -> None:
        """A row somebody asked for: the venue sees it first, then the strategies."""
        row = unpack_row(self._bytes, at * ROW_BYTES)
        if code & WATCHED:
            self.machine.show_row(row)
        if code & DECIDE:
            self._wake(at, row[0], row[2])

    def _wake(self, at: int, ts_ns: int, inst: int) -> None:
        engine = self.engine
        before = engine.seq
        seq = before + at + 1 - self._from
        began_ns = measured_ns()
        try:
            records = engine.wake(seq, ts_ns, inst)
        except Exception as fault:  # edge: whatever the engine raises is journalled with its input, then we leave
            self._put_rows(before)
            self._fail(seq, ts_ns, fault)
            raise StepError(str(fault)) from fault
        if not records:
            engine.seq = before  # nothing was decided: the row stays with its quiet neighbours
            return
        decided_ns = measured_ns()
        self._put_rows(before)
        self._finish(seq, ts_ns, records, began_ns, decided_ns, market=True)

    def _put_rows(self, seq: int) -> int:
        """Add the applied rows that are not journalled to the open frame, from seq + 1 on; returns the last seq."""
        count = self._applied - self._from
        if count <= 0:
            return seq
        ts_ns = self._words[self._from * _WORDS]
        block = self._bytes[self._from * ROW_BYTES : self._applied * ROW_BYTES]
        self.journal.add_rows(seq + 1, block, count, ts_ns)
        last_ns = self._words[(self._applied - 1) * _WORDS]
        if last_ns > self.engine.ts_ns:  # as the rerun does: the venue saw this row, so nothing may happen before it
            self.engine.ts_ns = last_ns
        self._from = self._applied
        self.rows_done += count
        self.controls_here = []
        self.tally.take_rows(count)
        return seq + count

    def flush(self) -> None:
        """Journal the rows that wait for it: before a snapshot, and when a live feed is silent."""
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
                # A roll that was missed (the trader was away) comes now: time never goes back.
                self.step(self.roll.take(), max(roll_ns, self.engine.ts_ns))
            else:
                break
        self.now_ns = max(self.now_ns, ts_ns)

    def step(self, event: Any, ts_ns: int) -> None:
        """Journal and step one fact, then dispatch what it caused. Raises StepError when the engine raises."""
        engine = self.engine
        seq = self._put_rows(engine.seq) + 1
        if type(event) in FEED_CONTROLS:
            self.controls_here.append((ts_ns, event))
        self.machine.before(event, ts_ns)
        payload = _encode(event)
        self.journal.add(r.INPUT, seq, ts_ns, 0, payload)
        if self.audit is not None:
            self.audit.add(r.INPUT, seq, ts_ns, payload)
        began_ns = measured_ns()
        try:
            records = engine.step(e.Stamped(seq, ts_ns, event))
        except Exception as fault:  # edge: whatever the engine raises is journalled with its input, then we leave
            self._fail(seq, ts_ns, fault)
            raise StepError(str(fault)) from fault
        self.now_ns = ts_ns if ts_ns > self.now_ns else self.now_ns
        self._finish(seq, ts_ns, records, began_ns, measured_ns())
        self.tally.take_event(seq, ts_ns, event, engine.money)
        if self.orders is not None:
            self.orders.take_event(ts_ns, seq, event)

    def _finish(
        self, cause_seq: int, ts_ns: int, records: list[tuple[int, int, Any]], began_ns: int, decided_ns: int, *,
        market: bool = False,
    ) -> None:  # fmt: skip
        """Journal a step's records in the open frame, commit, dispatch; what counts them comes after the order left."""
        journal = self.journal
        if not records:
            journal.commit()
            return
        encoded = [(kind, seq, _encode(message)) for kind, seq, message in records]
        journal.add_all(ts_ns, cause_seq, encoded)
        journal.commit()
        self.path.marks = (began_ns, decided_ns, measured_ns(), market)
        if self.audit is not None:
            for kind, seq, payload in encoded:
                self.audit.add(kind, seq, ts_ns, payload)
        if self.hold is not None:
            self._dispatch_holding(self.hold, records, ts_ns)
        elif self._fsync and any(type(x[2]) in ORDERS for x in records):
            # Cancels wait for nothing; orders wait until their record is on the device.
            orders = self._timed(records)
            self._dispatch([x for x in records if type(x[2]) not in ORDERS], ts_ns)
            journal.sync()
            self._dispatch(orders, ts_ns)
        else:
            self._dispatch(records, ts_ns)
        self.tally.take_records(ts_ns, records)
        if self.orders is not None:
            self.orders.take_records(ts_ns, cause_seq, records)

    def _timed(self, records: list[tuple[int, int, Any]]) -> list[tuple[int, int, Any]]:
        """The step's orders, which wait for the disk from now on."""
        orders = [record for record in records if type(record[2]) in ORDERS]
        for record in orders:
            self.path.keep(record[2].order.intent.order_id)
        return orders

    def _dispatch_holding(self, hold: "Hold", records: list[tuple[int, int, Any]], ts_ns: int) -> None:
        """Cancels leave now, orders when their records are on the device; an order cancelled before that never does."""
        orders = self._timed(records)
        taken: list[Any] = []
        leaving: list[tuple[int, int, Any]] = []
        for record in records:
            message = record[2]
            found = hold.take(message) if hold.waiting and type(message) in _CANCELS else []
            taken += found
            unknown = type(message) is c.CancelOrder and any(type(held) is c.PlaceOrder for held in found)
            if type(message) not in ORDERS and not unknown:  # the broker has never heard of what did not leave
                leaving.append(record)
        self._dispatch(leaving, ts_ns)
        if orders:
            hold.keep(orders)
        for held in taken:
            intent = held.order.intent
            self.path.drop(intent.order_id)
            if intent.version:
                fact = e.ReplaceRejected(order_id=intent.order_id, version=intent.version, code=0, text=NEVER_SENT)
                self.step(fact, ts_ns)
            else:
                self.step(e.OrderCancelled(order_id=intent.order_id, reason=NEVER_SENT), ts_ns)

    def release(self, records: list[tuple[int, int, Any]]) -> None:
        """Held orders may leave: their records are on the device."""
        self.flush()
        self._dispatch(records, self.now_ns)

    def _dispatch(self, records: list[tuple[int, int, Any]], ts_ns: int) -> None:
        refused = self.machine.dispatch(records, ts_ns)
        for seq, outcome in refused:
            self.journal.add(r.OUTCOME, seq, ts_ns, 0, _encode(outcome))
            if self.orders is not None:
                self.orders.take_event(ts_ns, seq, outcome)
        if refused:
            self.journal.commit()
            self.tally.not_sent += len(refused)
        measured = self.machine.measured
        while measured:
            self.step(measured.pop(), ts_ns)

    def _fail(self, failed_seq: int, ts_ns: int, fault: Exception) -> None:
        """Poison rule: the input that broke the step and the error are journalled; everything is cancelled."""
        text = f"{type(fault).__name__}: {fault}"
        event = e.StepFailed(failed_seq=failed_seq, error=text[:400])
        self.journal.add(r.INPUT, failed_seq + 1, ts_ns, failed_seq, _encode(event))
        self.journal.commit()
        if self.hold is not None:
            self.hold.drop()
        self.machine.cancel_all(text[:200], ts_ns)
        self.journal.sync()

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


_CANCELS: Final = frozenset({c.CancelOrder, c.CancelAllOrders})
NEVER_SENT: Final = "cancelled before it was sent"


class Rolls:
    """When trading days begin: (ts_ns, date) ascending; each is taken once."""

    next_ns: int  # the next roll; read before every row, so it is kept

    def __init__(self, rolls: tuple[tuple[int, int], ...]) -> None:
        self._rolls = rolls
        self._stand_at(0)

    def _stand_at(self, at: int) -> None:
        self._at = at
        self.next_ns = self._rolls[at][0] if at < len(self._rolls) else NEVER

    def take(self) -> e.DayRolled:
        """The fact of the next roll."""
        date = self._rolls[self._at][1]
        self._stand_at(self._at + 1)
        return e.DayRolled(date=date)

    def skip_past(self, date: int) -> None:
        """Pass over the rolls that led to `date` or before: the books say which were taken, time alone does not."""
        while self._at < len(self._rolls) and self._rolls[self._at][1] <= date:
            self._stand_at(self._at + 1)

    def skip_to(self, ts_ns: int) -> int:
        """Pass over the rolls up to `ts_ns`; returns the date they lead to (0 = before the first)."""
        date = 0
        while self._at < len(self._rolls) and self._rolls[self._at][0] <= ts_ns:
            date = self._rolls[self._at][1]
            self._stand_at(self._at + 1)
        return date
