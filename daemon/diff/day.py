"""One trading day of one journal as decisions and their executions. Folds with core's own code; reads no market rows.

A decision is one target of a strategy in an instrument, from the moment it was set until the next one, with every
schedule that traded towards it. What nobody decided (orders of others, schedules of the evening before) stands beside.
"""

from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from core import commands as c
from core import events as e
from core import notes as n
from core import records as r
from core.book_commands import CrossBooks
from core.errors import Bug, ConfigError, JournalError
from core.ids import BUY, SELL, Side
from core.ledger import UNCLAIMED, Execution
from core.money.fold import fold_command, fold_input, fold_outcome
from core.money.snapshot import load
from core.money.state import Money, MoneySettings
from core.parents import ParentState
from core.rows import ROW_BYTES
from daemon.journal import JournalReader, find_snapshot, snapshot_seqs
from daemon.journal_fold import MONEY_PART, journal_settings

COSTS_COME_NS: Final = 900 * 10**9  # a commission that is not in by then is not in this comparison
DECISIONS_MAX: Final = 1_000_000


class Decision(msgspec.Struct, kw_only=True, eq=False):
    """What was wanted once, and what became of it. Quantities are signed."""

    strategy: str
    inst: int
    ts_ns: int  # the target was set
    change_nanos: int  # to the target before
    target_nanos: int
    open_ns: int = 0  # its first schedule began; 0 = none did
    arrival_nanos: int = 0  # mid then
    parents: list[int] = []
    executions: list[Execution] = []
    note: str = ""  # why nothing or less was traded, as the journal has it
    carried: bool = False  # begun before the span that is compared

    @property
    def qty_nanos(self) -> int:
        """Executed."""
        return sum(x.side * x.qty_nanos for x in self.executions)

    @property
    def paid(self) -> int:
        """Value bought less value sold, in nanos times nanos: exact."""
        return sum(x.side * x.qty_nanos * x.px_nanos for x in self.executions)

    @property
    def cost_nanos(self) -> int:
        """Commissions and fees."""
        return sum(x.commission_nanos for x in self.executions)


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """A position that was there without a trade: at the start of the span, or taken over at `ts_ns`."""

    strategy: str
    inst: int
    ts_ns: int
    qty_nanos: int


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Where a trading day lies in a journal."""

    directory: Path
    date: int
    from_seq: int  # read from here: at or before the day
    state: bytes  # money state before it; b"" = the journal's beginning
    start_ns: int
    end_ns: int  # the next day's roll, or the last record
    begins: bool  # the journal's first day: nothing was before it


class Day(msgspec.Struct, kw_only=True):
    """What the journal holds of the span."""

    span: Span
    symbols: tuple[str, ...]
    currency: str
    decisions: list[Decision] = []
    carried: list[Carried] = []
    moved: list[tuple[int, int, str]] = []  # cash without a trade and without an owner's deposit: ts, amount, why
    uncharged: int = 0  # executions whose cost never came


def find_day(directory: Path, date: int) -> Span:
    """The day's place; 0 = the journal's last day. Raises ConfigError when the journal does not hold it."""
    wanted = date or _last_date(directory)
    from_seq, state, known = _state_before(directory, wanted)
    begins = False
    start_ns = end_ns = before = 0
    for record in JournalReader(directory, from_seq=from_seq).records():
        if record.kind == r.INPUT:
            event = r.decode(r.INPUT, record.payload)
            if type(event) is e.DayRolled:
                before, known = known, event.date
                if known == wanted and not start_ns:
                    start_ns, begins = record.ts_ns, not before
                elif known > wanted and start_ns:
                    end_ns = record.ts_ns
                    break
        if start_ns:
            end_ns = max(end_ns, record.ts_ns if not record.count else _last_ns(record))
    if not start_ns:
        raise ConfigError(f"{directory}: holds no trading day {wanted}: is it the right journal, the right day?")
    return Span(
        directory=directory,
        date=wanted,
        from_seq=from_seq,
        state=state,
        start_ns=start_ns,
        end_ns=end_ns,
        begins=begins,
    )


def _last_ns(record: Any) -> int:
    """Time of a block's last row; its first where retention has moved the rows."""
    payload = record.payload
    return int.from_bytes(payload[-ROW_BYTES:][:8], "little") if payload else int(record.ts_ns)


def _last_date(directory: Path) -> int:
    snapshot = find_snapshot(directory).snapshot
    from_seq, date = 0, 0
    if snapshot is not None:
        money = _loaded(directory, snapshot.seq, snapshot.parts.get(MONEY_PART, b""))
        from_seq, date = (0, 0) if money is None else (snapshot.seq + 1, money.trading_date)
    for record in JournalReader(directory, from_seq=from_seq).records(frozenset({r.INPUT})):
        event = r.decode(r.INPUT, record.payload)
        date = event.date if type(event) is e.DayRolled else date
    if not date:
        raise ConfigError(f"{directory}: no trading day began in this journal")
    return date


def _state_before(directory: Path, date: int) -> tuple[int, bytes, int]:
    """The newest snapshot of an earlier day: first seq after it, its money state, its trading date."""
    for seq in reversed(snapshot_seqs(directory)):
        snapshot = find_snapshot(directory, at_most_seq=seq).snapshot
        if snapshot is None:
            break
        state = snapshot.parts.get(MONEY_PART, b"")
        money = _loaded(directory, snapshot.seq, state)
        if money is not None and 0 < money.trading_date < date:
            return snapshot.seq + 1, state, money.trading_date
    return 0, b"", 0


def _loaded(directory: Path, seq: int, state: bytes) -> Money | None:
    """None when another release wrote it."""
    try:
        return load(_settings(directory, seq + 1), state)
    except (msgspec.DecodeError, JournalError):
        return None


def read_day(span: Span, *, start_ns: int, end_ns: int) -> Day:
    """Decisions, executions and cash between two moments of a day. Raises JournalError."""
    money = money_before(span)
    walk = _Walk(
        money, Day(span=span, symbols=money.settings.symbols, currency=money.settings.currency), start_ns, end_ns
    )
    for record in JournalReader(span.directory, from_seq=span.from_seq).messages():
        if record.ts_ns > end_ns + COSTS_COME_NS:
            break
        walk.take(record)
    return walk.finish()


def money_before(span: Span) -> Money:
    """The books at `from_seq`."""
    if span.state:
        return load(_settings(span.directory, span.from_seq), span.state)
    return Money(journal_settings(span.directory))


def _settings(directory: Path, seq: int) -> MoneySettings:
    """Of the run that a seq belongs to; the only one's in a journal that goes on from a snapshot."""
    try:
        return journal_settings(directory, until_seq=seq)
    except JournalError:
        return journal_settings(directory)


class _Walk:
    """Folds records and sorts what it sees to decisions."""

    def __init__(self, money: Money, day: Day, start_ns: int, end_ns: int) -> None:
        self.money = money
        self.day = day
        self._start_ns, self._end_ns = start_ns, end_ns
        self._begun = False
        self._current: dict[tuple[str, int], Decision] = {}
        self._by_parent: dict[int, Decision] = {}
        self._by_order: dict[int, Decision] = {}  # of orders without a schedule
        self._known = len(money.ledger.executions)

    def take(self, record: Any) -> None:
        """One record in order."""
        if record.ts_ns > self._start_ns and not self._begun:
            self._begin()
        inside = self._begun and record.ts_ns <= self._end_ns
        if record.kind == r.NOTE:
            if inside:
                self._note(r.decode(r.NOTE, record.payload))
            return
        message = r.decode(record.kind, record.payload)
        if inside and record.kind == r.COMMAND:
            self._command(record.ts_ns, message)
        elif inside and type(message) is e.CashAdjusted:
            self._cash(record.ts_ns, message.currency, message.amount_nanos, message.kind, message.reason)
        self._fold(record, message)
        new = len(self.money.ledger.executions) - self._known
        if new > 0 and inside:
            for execution in list(islice(reversed(self.money.ledger.executions.values()), new))[::-1]:
                self._executed(execution)
        self._known = len(self.money.ledger.executions)

    def _fold(self, record: Any, message: Any) -> None:
        fold = {r.INPUT: fold_input, r.COMMAND: fold_command, r.OUTCOME: fold_outcome}.get(record.kind)
        if fold is None:
            return
        try:
            fold(self.money, record.seq, record.ts_ns, message)
        except (Bug, KeyError, IndexError) as fault:
            raise JournalError(f"{self.day.span.directory}: record {record.seq} cannot be folded: {fault}") from fault
        self.money.odds.clear()

    def finish(self) -> Day:
        """The day, complete."""
        if not self._begun:
            self._begin()
        day = self.day
        day.uncharged = sum(not x.commission_known for d in day.decisions for x in d.executions)
        return day

    def _begin(self) -> None:
        """Positions and schedules that the span begins with."""
        self._begun = True
        for (strategy, inst), position in self.money.ledger.positions.items():
            if position.qty_nanos:
                self._carry(self._start_ns, strategy, inst, position.qty_nanos)
        for parent in self.money.live_parents.values():
            decision = Decision(
                strategy=parent.strategy,
                inst=parent.inst,
                ts_ns=self._start_ns,
                open_ns=self._start_ns,
                change_nanos=parent.side * parent.remaining_nanos,
                target_nanos=self.money.ledger.book_of(parent.strategy).targets.get(parent.inst, 0),
                parents=[parent.parent_id],
                carried=True,
            )
            self._by_parent[parent.parent_id] = decision
            self._current[parent.strategy, parent.inst] = decision
            self._add(decision)

    def _add(self, decision: Decision) -> None:
        if len(self.day.decisions) >= DECISIONS_MAX:
            raise JournalError(f"{self.day.span.directory}: more than {DECISIONS_MAX} decisions in one day")
        self.day.decisions.append(decision)

    def _carry(self, ts_ns: int, strategy: str, inst: int, qty_nanos: int) -> None:
        self.day.carried.append(Carried(strategy=strategy, inst=inst, ts_ns=ts_ns, qty_nanos=qty_nanos))

    def _command(self, ts_ns: int, command: Any) -> None:
        known = type(command)
        if known is c.SetTarget:
            self._target(ts_ns, command)
        elif known is c.OpenParent:
            self._open(ts_ns, command)
        elif known is c.EndParent:
            decision = self._by_parent.get(command.parent_id)
            if decision is not None and command.state != ParentState.DONE:
                decision.note = f"{ParentState(command.state).name.lower()}: {command.reason}"
        elif known is c.TransferPosition:
            self._carry(ts_ns, command.strategy, command.inst, command.qty_nanos)
        elif known is CrossBooks:
            self._crossed(ts_ns, command, command.buyer, BUY, command.buyer_parent)
            self._crossed(ts_ns, command, command.seller, SELL, command.seller_parent)
        elif known is c.AdjustCash:
            self._cash(ts_ns, command.currency, command.amount_nanos, command.kind, command.reason)

    def _target(self, ts_ns: int, command: c.SetTarget) -> None:
        ledger = self.money.ledger
        held = ledger.held_nanos(command.strategy, command.inst)
        before = ledger.book_of(command.strategy).targets.get(command.inst, held)
        decision = Decision(
            strategy=command.strategy,
            inst=command.inst,
            ts_ns=ts_ns,
            change_nanos=command.qty_nanos - before,
            target_nanos=command.qty_nanos,
        )
        self._current[command.strategy, command.inst] = decision
        self._add(decision)

    def _open(self, ts_ns: int, command: c.OpenParent) -> None:
        key = command.strategy, command.inst
        decision = self._current.get(key)
        if decision is None:  # towards a target of an earlier day, or an operator's flatten
            target = self.money.ledger.book_of(command.strategy).targets.get(command.inst, 0)
            decision = Decision(
                strategy=command.strategy,
                inst=command.inst,
                ts_ns=ts_ns,
                change_nanos=command.side * command.qty_nanos,
                target_nanos=target,
            )
            self._current[key] = decision
            self._add(decision)
        if not decision.open_ns:
            decision.open_ns, decision.arrival_nanos = ts_ns, command.arrival_mid_nanos
        decision.parents.append(command.parent_id)
        self._by_parent[command.parent_id] = decision

    def _executed(self, execution: Execution) -> None:
        order = self.money.orders.get(execution.order_id)
        decision = None if order is None else self._by_parent.get(order.parent_id)
        if decision is None:
            decision = self._by_order.get(execution.order_id) if execution.order_id else None
        if decision is None:
            decision = Decision(
                strategy=execution.strategy,
                inst=execution.inst,
                ts_ns=execution.ts_ns,
                open_ns=execution.ts_ns,
                change_nanos=execution.side * execution.qty_nanos,
                target_nanos=0,
                note="not one of our schedules" if execution.strategy == UNCLAIMED else "an order without a schedule",
            )
            if execution.order_id:
                self._by_order[execution.order_id] = decision
            self._add(decision)
        if all(execution is not there for there in decision.executions):  # a correction adds an id, not an execution
            decision.executions.append(execution)

    def _crossed(self, ts_ns: int, command: CrossBooks, strategy: str, side: Side, parent_id: int) -> None:
        """An execution without a cost, of the decision whose schedule it belongs to."""
        decision = self._by_parent.get(parent_id)
        if decision is None:
            self._carry(ts_ns, strategy, command.inst, side * command.qty_nanos)
            return
        decision.executions.append(
            Execution(
                exec_id="cross",
                order_id=0,
                strategy=strategy,
                inst=command.inst,
                side=side,
                qty_nanos=command.qty_nanos,
                px_nanos=command.px_nanos,
                ts_ns=ts_ns,
                seq=0,
                commission_known=True,
            )
        )

    def _cash(self, ts_ns: int, currency: str, amount_nanos: int, kind: str, reason: str) -> None:
        if kind != "deposit" and currency == self.day.currency:
            self.day.moved.append((ts_ns, amount_nanos, f"{kind} {reason}".strip()))

    def _note(self, note: Any) -> None:
        if type(note) is n.Blocked:
            decision = self._current.get((note.strategy, note.inst))
            if decision is not None:
                decision.note = f"waited: {note.reason}"
        elif type(note) is n.Refusal:
            decision = self._by_parent.get(note.parent_id)
            if decision is not None and note.failures:
                decision.note = f"refused: {note.failures[0].code}"
