"""Recovery as replay: step the journal's inputs through the same machine again and compare what comes out.

With `opinion` the engine runs (strategies, algos and checks included) and every record it makes must equal the one that
was journalled; without, recorded inputs, commands and outcomes are folded into money state alone. The simulated venue,
where there is one, is run along in both cases and must say what it said.
"""

import gc
from collections.abc import Callable
from typing import Any, Final

from core import commands as c
from core import events as e
from core import records as r
from core.errors import JournalError
from core.money.fold import fold_command, fold_input, fold_outcome
from core.records import decode, encode
from core.rows import ROW_BYTES, unpack_row
from daemon.journal import Record
from daemon.machine import DECIDE, FEED_CONTROLS, NEVER, ORDERS, VENUE_FACTS, VENUE_OR_BROKER_FACTS, WATCHED, Machine
from daemon.status.build import Tally

POISON_WINDOW_NS: Final = 3_600 * 10**9  # the second failure of one error within an hour starts in SAFE
# Before these the venue has done all that was due; a halt most of all: what arrived before it was still matched.
_VENUE_MOVES_FIRST: Final = frozenset({e.TimeAdvanced, e.DayRolled, e.HaltChanged})
_VENUE_COMMANDS: Final = frozenset(c.BROKER_COMMANDS)


class Divergence(JournalError):
    """A rerun made something else than what was journalled: code, config and models are the same, so this is a bug."""


class Rerun:
    """Feeds recorded frames to one machine."""

    def __init__(self, machine: Machine, tally: Tally, *, opinion: bool) -> None:
        self.machine = machine
        self.engine = machine.engine
        self.tally = tally
        self.opinion = opinion
        self.rows = 0
        self.controls_here: list[tuple[int, Any]] = []  # feed controls since the last row, for an exact resume
        self.failures: list[tuple[int, str]] = []  # (ts_ns, error) of every StepFailed
        self.ended = ""  # how the recorded run ended so far: "" = no record at all
        self.epoch = 0
        self.feed_ended = False
        self.commands = 0
        self.unfoldable_seq = 0  # an input that could not be booked at all: the start must be SAFE
        self.running = False  # between a start and its stop or failure
        self.venue_in_process: bool | None = None  # as the newest run said; None = no run seen
        self._refused: list[tuple[int, c.NotSent]] = []
        self._recorded: list[Any] = []  # commands of a frame that is only folded, for the venue

    def frame(self, records: list[Record]) -> None:
        """Run one frame. Raises Divergence."""
        poisoned = _poisoned(records)
        expected: list[tuple[int, int, Any]] | None = None
        for record in records:
            if record.kind == r.ROWS:
                expected = self._run_rows(record, poisoned)
            elif record.kind == r.INPUT:
                self._nothing_left(expected, record)
                self._send_recorded()
                expected = self._run_input(record, poisoned)
            elif record.kind in (r.NOTE, r.COMMAND):
                self._take_record(record, expected)
            elif record.kind == r.OUTCOME:
                self._take_outcome(record)
            else:
                self.engine.seq = record.seq  # reference: read when the machine was built
        self._nothing_left(expected, records[-1])
        self._send_recorded()

    # ---- rows --------------------------------------------------------------------------------------------------
    def _run_rows(self, record: Record, poisoned: int) -> list[tuple[int, int, Any]] | None:
        """Apply a block. Only its last row can have caused records: a block ends where something happens."""
        rows = record.rows()
        engine, machine, pipeline = self.engine, self.machine, self.engine.pipeline
        at, count = 0, record.count
        made: list[tuple[int, int, Any]] | None = None
        while at < count:
            stop = NEVER if machine.exchange is None else machine.exchange.next_due_ns
            done = pipeline.run(rows, at, count, stop)
            if done == at:
                self._settle_venue(int(rows[at]["ts_ns"]), record.seq + at)
                continue
            at, code = done, pipeline.code
            if not code:
                continue
            row = unpack_row(record.payload, (at - 1) * ROW_BYTES)
            if code & WATCHED:
                machine.show_row(row)
            seq = record.seq + at - 1
            if code & DECIDE and self.opinion and seq != poisoned:
                made = engine.wake(seq, row[0], row[2])
                if made and at < count:
                    raise Divergence(f"row {seq} decides now and did not: {made[0][2]!r}")
        engine.seq = record.last_seq if not made else engine.seq
        last_ns: int = unpack_row(record.payload, (count - 1) * ROW_BYTES)[0]
        engine.ts_ns = max(engine.ts_ns, last_ns)
        self.rows += count
        self.controls_here.clear()
        self.tally.take_rows(count)
        if made:
            self._dispatch(made, last_ns)
        return made

    def _settle_venue(self, ts_ns: int, seq: int) -> None:
        """Let the venue work up to a row; it may move inside, but every fact it tells is in the journal."""
        assert self.machine.exchange is not None
        fact = self.machine.exchange.pop_due(ts_ns)
        if fact is not None:
            raise Divergence(f"before seq {seq}: the venue says {fact[1]!r}, which was not recorded")

    # ---- inputs ------------------------------------------------------------------------------------------------
    def _run_input(self, record: Record, poisoned: int) -> list[tuple[int, int, Any]] | None:
        event = decode(r.INPUT, record.payload)
        self._meet_venue(record, event)
        self._remember(record, event)
        self.machine.before(event, record.ts_ns)
        engine = self.engine
        made: list[tuple[int, int, Any]] | None = None
        if self.opinion and record.seq != poisoned and type(event) is not e.StepFailed:
            made = engine.step(e.Stamped(record.seq, record.ts_ns, event))  # type: ignore[arg-type]
        else:
            self._fold_only(record, event, poisoned)
            engine.money.odds.clear()
            engine.seq, engine.ts_ns = record.seq, record.ts_ns
            if type(event) is e.StepFailed and self.machine.exchange is not None:
                # What the shell did last, after its last record.
                self.machine.exchange.submit(c.CancelAllOrders(reason=event.error[:200]), ts_ns=record.ts_ns)
        self.tally.take_event(record.seq, record.ts_ns, event, engine.money)
        if made:
            self._dispatch(made, record.ts_ns)
        return made

    def _fold_only(self, record: Record, event: Any, poisoned: int) -> None:
        """Money state alone. An input that breaks even that is left out, or no start would ever get past it."""
        try:
            fold_input(self.engine.money, record.seq, record.ts_ns, event)
        except Exception:  # edge: the poisoned input may break the fold too; the trader then starts in SAFE
            if record.seq != poisoned:
                raise
            self.unfoldable_seq = record.seq
        if type(event) is e.DayRolled:  # the tables of the day go with the books
            self.engine.context.roll(self.engine.money.trading_date)

    def _meet_venue(self, record: Record, event: Any) -> None:
        exchange = self.machine.exchange
        if exchange is None:
            return
        shared = type(event) in VENUE_OR_BROKER_FACTS and exchange.next_due_ns <= record.ts_ns
        told = type(event) in VENUE_FACTS or shared
        if told or type(event) in _VENUE_MOVES_FIRST:
            fact = exchange.pop_due(record.ts_ns)
            if (fact[1] if fact else None) != (event if told else None) or (fact and fact[0] != record.ts_ns):
                raise Divergence(f"seq {record.seq}: recorded {event!r}, the venue says {fact!r}")

    def _remember(self, record: Record, event: Any) -> None:
        known = type(event)
        if known in FEED_CONTROLS:
            self.controls_here.append((record.ts_ns, event))
        elif known is e.TraderStarted:
            self.ended = "crash"
            self.running = True
            self.epoch = event.epoch
            self.venue_in_process = event.venue_in_process
        elif known is e.TraderStopped:
            self.ended = "clean"
            self.running = False
            if is_poisoned(self.failures):
                self.failures.clear()  # SAFE was seen and stopped on purpose: the next start is an ordinary one
        elif known is e.FeedEnded:
            self.feed_ended = True
        elif known is e.StepFailed:
            self.running = False
            self.failures.append((record.ts_ns, event.error))

    @property
    def settled(self) -> bool:
        """Nothing of the last frame is still to be told by the next: a snapshot may be taken here."""
        return not self._refused

    def go_on_with(self, build: Callable[[], Machine]) -> None:
        """Continue on another machine, with this one's counts and history. The old one goes before the new one is
        built: a live one is a ring of references, and Python's collector would let those of several days pile up.
        """
        del self.machine, self.engine
        self._refused = []
        gc.collect()
        self.machine = build()
        self.engine = self.machine.engine

    # ---- what the step made ------------------------------------------------------------------------------------
    def _dispatch(self, made: list[tuple[int, int, Any]], ts_ns: int) -> None:
        """Send to the venue; what the port refuses is compared with the outcome records that follow."""
        if self.machine.exchange is not None:
            self._refused = self.machine.dispatch(made, ts_ns)

    def _take_record(self, record: Record, expected: list[tuple[int, int, Any]] | None) -> None:
        if self.opinion:
            if not expected:
                raise Divergence(
                    f"seq {record.seq}: recorded {decode(record.kind, record.payload)!r}, the rerun: nothing"
                )
            kind, seq, message = expected.pop(0)
            if (kind, seq) != (record.kind, record.seq) or encode(message) != record.payload:
                was = decode(record.kind, record.payload)
                raise Divergence(f"seq {record.seq}: recorded {was!r}, the rerun made {message!r} as {seq}")
        else:
            message = decode(record.kind, record.payload)
            if record.kind == r.COMMAND:
                fold_command(self.engine.money, record.seq, record.ts_ns, message)
                if type(message) in _VENUE_COMMANDS and self.machine.exchange is not None:
                    self._recorded.append((message, record.ts_ns))
            self.engine.seq = record.seq
        if record.kind == r.COMMAND:
            self.commands += 1
            self.tally.take_command(record.ts_ns, message)
        else:
            self.tally.take_note(record.ts_ns, message)

    def _send_recorded(self) -> None:
        """To the venue, in the order in which the trader sent: with durability "fsync" orders left last."""
        exchange, recorded = self.machine.exchange, self._recorded
        if not recorded or exchange is None:
            return
        self._recorded = []
        if self.machine.cancels_first:
            recorded.sort(key=lambda one: type(one[0]) in ORDERS)
        for message, ts_ns in recorded:
            exchange.submit(message, ts_ns=ts_ns)

    def _take_outcome(self, record: Record) -> None:
        outcome = decode(r.OUTCOME, record.payload)
        if self.opinion and self.machine.exchange is not None:
            if not self._refused or self._refused.pop(0) != (record.seq, outcome):
                raise Divergence(f"seq {record.seq}: recorded outcome {outcome!r} did not happen again")
            return
        fold_outcome(self.engine.money, record.seq, record.ts_ns, outcome)  # type: ignore[arg-type]
        self.engine.seq = record.seq

    def _nothing_left(self, expected: list[tuple[int, int, Any]] | None, record: Record) -> None:
        if expected:
            raise Divergence(f"at seq {record.seq}: the rerun also made {expected[0][2]!r}, which was not recorded")


def is_poisoned(failures: list[tuple[int, str]]) -> bool:
    """Whether the newest failure repeats an error of the hour before it."""
    if len(failures) < 2:
        return False
    last_ns, last = failures[-1]
    return any(error == last and last_ns - ts_ns <= POISON_WINDOW_NS for ts_ns, error in failures[:-1])


def _poisoned(records: list[Record]) -> int:
    """Seq of the input in this frame on which the engine raised (0 = none): it reaches money state only.

    The failure is the last record of the frame that holds the input, so a frame of one record needs no look.
    """
    last = records[-1]
    if last.kind != r.INPUT or len(records) == 1:
        return 0
    event = decode(r.INPUT, last.payload)
    return event.failed_seq if type(event) is e.StepFailed else 0
