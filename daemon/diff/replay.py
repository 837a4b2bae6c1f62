"""A second journal for a day: the live journal's own market rows and operator commands, stepped again from where its
books stood, with the same config, against the simulated venue. Not part of a running trader.

What the broker said is left out (that is what is compared): its answers, its link, its syncs. Features and strategies
begin warm where this code wrote the journal, else cold.
"""

import tempfile
from collections import deque
from pathlib import Path
from typing import Any, Final

import msgspec

from broker.sim.account import Position
from core import events as e
from core import records as r
from core.errors import JournalError, QuantdError
from core.money.fold import fold_command, fold_input, fold_outcome
from core.money.snapshot import dump
from core.money.state import READY, Money
from daemon.build import Restored, build_machine
from daemon.config import Config, config_from_json
from daemon.diff.day import Span, money_before
from daemon.diff.outside import moves_of
from daemon.follower.archived import ArchivedRows
from daemon.journal import JournalReader, JournalWriter, Record, find_snapshot, write_snapshot
from daemon.machine import SESSION_READY, Machine
from daemon.recovery import digests, go_on_with_tables, starts_cold, tables_of
from daemon.reference.tables import ReferenceTables
from daemon.rerun import Divergence, Rerun
from daemon.runner import Rolls, Runner, StepError
from daemon.status.build import Tally

EXEC_PREFIX: Final = "0000d1ff"  # executions of the replay never bear an id of the day's before

# What is not the broker's word: fed again as it was. Days roll and time passes by themselves.
FED: Final = frozenset(
    {
        e.HaltChanged, e.FeedGapped, e.FeedEnded, e.ShortableChanged, e.BandChanged, e.MarketRuleChanged,
        e.CorporateActionAnnounced, e.ExternalFeatureReceived, e.TriggerFired, e.LeaseGranted, e.RiskMeasured,
        e.DayRolled, e.OperatorHalted, e.OperatorKilled, e.OperatorFlattened, e.OperatorResumed, e.DeployArmed,
        e.TraderStarted, e.TraderStopped, e.DiskReserveChanged, e.CashAdjusted, e.ClockOffsetMeasured,
        e.ReferenceArrived, e.AccountAdopted, e.DifferenceAcknowledged, e.CommandRefused, e.LeaseLapsed,
        e.AlertAcknowledged, e.ScheduleSteered, e.HighWaterReset, e.CorporateActionApplied, e.BooksCorrected,
        e.OrderGiven, e.OrderWithdrawn,
    }
)  # fmt: skip


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """The journal that was made, and what a reader of the comparison must know."""

    journal: Path
    warm: bool
    remarks: tuple[str, ...]


def replay_day(span: Span, into: Path) -> Replayed:
    """Make the day's second journal in `into` (an empty folder). Raises JournalError, ConfigError, QuantdError."""
    start = _Start(span)
    machine, config, remarks = start.machine()
    journal = JournalWriter(
        into,
        now_ns=span.start_ns,
        first_seq=machine.engine.seq + 1,
        reserve_bytes=0,
        segment_bytes=8 << 20,
        background=False,
    )
    try:
        if not span.begins:
            write_snapshot(into, machine.engine.seq, {"money": dump(machine.engine.money)}, {})
        _feed(start, machine, config, journal, span)
    finally:
        journal.close()
    return Replayed(journal=into, warm=start.warm, remarks=tuple(remarks))


def scratch() -> tempfile.TemporaryDirectory[str]:
    """Where a replay's journal lives while it is compared."""
    return tempfile.TemporaryDirectory(prefix="quantd-diff-")


class _Start:
    """The live journal up to the day's first frame."""

    def __init__(self, span: Span) -> None:
        self.span = span
        self.warm = True
        self.at_broker = False  # the day's orders went to a real broker
        self.tables: ReferenceTables | None = None
        self.first: list[Record] = []  # the day's first frame
        self.frames = JournalReader(span.directory, from_seq=span.from_seq).frames()
        self._rerun: Rerun | None = None
        self._money = money_before(span)
        if span.from_seq:
            self._from_snapshot()
        if not span.begins:
            self._step_to_the_day()

    def _from_snapshot(self) -> None:
        """Opinion state too, where this very program and config wrote it."""
        seq = self.span.from_seq - 1
        self.tables = tables_before(self.span.directory, seq)
        snapshot = find_snapshot(self.span.directory, at_most_seq=seq).snapshot
        if snapshot is None or snapshot.seq != seq or snapshot.digests != digests(self.tables):
            self.warm = False
            return
        restored = Restored(money=snapshot.parts["money"], opinion=snapshot.parts)
        machine = build_machine(
            config_from_json(self.tables.config.json), self.tables, with_venue=False, restored=restored
        )
        machine.engine.seq = seq
        self._rerun = Rerun(machine, Tally(machine.engine.symbols), opinion=True)

    def _step_to_the_day(self) -> None:
        for frame in self.frames:
            if _rolls_to(frame, self.span.date):
                self.first = frame
                return
            if frame[0].kind == r.REFERENCE:
                before, self.tables = self.tables, tables_of(frame)
                if before is not None and self._rerun is not None:
                    go_on_with_tables(self._rerun, before, self.tables)
            _fold(self._money, frame)
            if self.warm:
                self._step(frame)

    def _step(self, frame: list[Record]) -> None:
        assert self.tables is not None, "a journal begins with its reference records"
        if frame[0].kind == r.REFERENCE:
            if self._rerun is None:
                self._rerun = _rerun(self.tables, None)
            self._rerun.engine.seq = frame[-1].seq
            return
        assert self._rerun is not None, "reference records come first"
        if starts_cold(frame[0]):
            self._rerun = _rerun(self.tables, self._rerun)
        try:
            self._rerun.frame(frame)
        except (Divergence, JournalError):  # another program's journal, or rows that are archived
            self.warm = False

    def machine(self) -> tuple[Machine, Config, list[str]]:
        """Engine and venue as the day begins."""
        if self.span.begins:
            self.first = next(self.frames)
            self.tables = tables_of(self.first)
        assert self.tables is not None, "a journal begins with its reference records"
        config = config_from_json(self.tables.config.json)
        self.at_broker = not config.venue_in_process
        if config.broker_feed:  # data of the broker, orders to the simulated venue: what shadow means
            config = msgspec.structs.replace(config, mode="shadow")
        if self.span.begins:
            return build_machine(config, self.tables, with_venue=True), config, []
        venue = msgspec.structs.replace(config.venue, exec_prefix=EXEC_PREFIX)
        config = msgspec.structs.replace(config, venue=venue)
        parts = self._rerun.engine.dump() if self.warm and self._rerun is not None else None
        restored = Restored(money=dump(self._money), opinion=parts)
        machine = build_machine(config, self.tables, with_venue=True, restored=restored)
        machine.engine.seq, machine.engine.ts_ns = self._money.seq, self._money.ts_ns
        remarks = [] if self.warm else ["features and strategies of the replay began cold: not this program's journal"]
        if self._money.live_orders:
            remarks.append(f"{len(self._money.live_orders)} orders worked when the day began: the replay lacks them")
        if not self.warm:
            for strategy in machine.engine.strategies.values():
                strategy.adopt()
        _settle_account(machine, self._money)
        return machine, config, remarks


def _settle_account(machine: Machine, money: Money) -> None:
    """The venue's account holds what the books hold."""
    assert machine.exchange is not None
    state = machine.exchange.account.state
    state.cash_nanos |= money.ledger.cash
    state.positions.clear()
    for inst, qty in enumerate(money.ledger.holdings[: len(machine.engine.symbols)]):
        if qty:
            cost = sum(p.cost_nanos for p in money.ledger.positions.values() if p.inst == inst)
            state.positions[inst] = Position(qty_nanos=qty, cost_nanos=cost)


def _rerun(tables: ReferenceTables, before: Rerun | None) -> Rerun:
    restored = None if before is None else Restored(money=before.engine.dump()["money"])
    machine = build_machine(config_from_json(tables.config.json), tables, with_venue=False, restored=restored)
    if before is not None:
        machine.engine.seq, machine.engine.ts_ns = before.engine.seq, before.engine.ts_ns
    return Rerun(machine, Tally(machine.engine.symbols), opinion=True)


def tables_before(directory: Path, seq: int) -> ReferenceTables:
    """The reference records of the newest run that began at or before a seq. Raises JournalError."""
    found: list[Record] = []
    for record in JournalReader(directory).references():
        if record.seq > seq:
            break
        found = [*found, record] if found and record.seq == found[-1].seq + 1 else [record]
    if not found:
        raise JournalError(f"{directory}: no reference records before seq {seq}")
    return tables_of(found)


def _rolls_to(frame: list[Record], date: int) -> bool:
    record = frame[0]
    if record.kind == r.ROWS and len(frame) > 1:
        record = frame[1]
    if record.kind != r.INPUT:
        return False
    event = r.decode(r.INPUT, record.payload)
    return type(event) is e.DayRolled and event.date == date


def _fold(money: Money, frame: list[Record]) -> None:
    folds: dict[int, Any] = {r.INPUT: fold_input, r.COMMAND: fold_command, r.OUTCOME: fold_outcome}
    for record in frame:
        fold = folds.get(record.kind)
        if fold is not None:
            fold(money, record.seq, record.ts_ns, r.decode(record.kind, record.payload))
        money.seq = max(money.seq, record.last_seq)
    money.odds.clear()


def _feed(start: _Start, machine: Machine, config: Config, journal: JournalWriter, span: Span) -> None:
    """Run the day's rows and commands through the machine, journalling as the trader does."""
    assert start.tables is not None
    runner = Runner(machine, journal, Tally(config.symbols), roll=Rolls(()))
    seq = machine.engine.seq
    for told in start.tables.records():
        seq += 1
        journal.add(r.REFERENCE, seq, span.start_ns, 0, r.encode(told))
    journal.commit()
    machine.engine.seq = seq
    archive = ArchivedRows(span.directory)
    reader = JournalReader(span.directory, from_seq=start.first[0].seq)
    # A simulated venue's account moves by its config alone, which the replay's venue has too.
    moves = deque(moves_of(span, from_seq=start.first[0].seq) if start.at_broker else ())
    try:
        for record in reader.records(frozenset({r.INPUT, r.ROWS})):
            if record.ts_ns > span.end_ns:
                break
            while moves and moves[0].ts_ns <= record.ts_ns:
                assert machine.exchange is not None, "the replay has a venue of its own"
                moves.popleft().apply(machine.exchange.account.state)
            if record.kind == r.ROWS:
                rows = _rows(record, reader, archive)
                runner.run_batch(rows, 0, len(rows))
            else:
                _feed_event(runner, r.decode(r.INPUT, record.payload), record.ts_ns)
        runner.advance_to(span.end_ns)
        runner.flush()
    except StepError as fault:
        raise QuantdError(f"the replay of {span.date} stopped: {fault}") from fault


def _rows(record: Record, reader: JournalReader, archive: ArchivedRows) -> Any:
    if record.payload:
        return record.rows()
    assert reader.header is not None, "a record was read from a segment"
    payload = archive.rows(reader.header.first_seq, record.seq, record.count)
    return record._replace(payload=memoryview(payload)).rows()


def _feed_event(runner: Runner, event: Any, ts_ns: int) -> None:
    known = type(event)
    if known is e.LinkRestored:
        if runner.money.link != READY:  # the first of a run; the venue's own outages say when they end
            runner.step(e.LinkRestored(reason=SESSION_READY), max(ts_ns, runner.now_ns))
        return
    if known not in FED:
        return
    if known is e.TraderStarted:
        event = msgspec.structs.replace(event, venue_in_process=True)
    elif known is e.DifferenceAcknowledged:
        event = msgspec.structs.replace(event, sync_id=0)  # the replay numbers its own
    runner.advance_to(ts_ns)
    runner.step(event, ts_ns)
