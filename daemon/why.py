"""Walks a journal back from an order, or from a cross between two books, to the market row that caused it, and on to
what became of it.

PlaceOrder, its schedule (OpenParent), the target (SetTarget), the strategy's Decision, the row. A later slice is placed
by a timer or a fill: that is told too, and the walk goes on through the schedule. Reads records only, beside a live
trader as well as after its death; runs no strategy.
"""

from pathlib import Path
from typing import Any, Final

import msgspec

from core import commands as c
from core import events as e
from core import notes as n
from core import records as r
from core.book_commands import CrossBooks
from core.errors import JournalError, QuantdError
from core.ids import SIDE_NAMES
from core.rows import PRINT, QUOTE, ROW
from core.units import exact_text
from daemon.journal import JournalReader, Record, describe
from daemon.journal_fold import journal_settings
from daemon.status.rows import symbol_of

_LAST_WORDS: Final = (e.OrderCancelled, e.OrderRejected, c.SettleOrder, c.EndParent, c.NotSent)
WAITS_MAX: Final = 20  # reasons to wait shown between a decision and its order
AFTERWARDS_MAX: Final = 500
CROSS_PREFIX: Final = "cross-"  # before the seq of a cross, in place of an order


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One record of the chain; `what` is a line for people."""

    seq: int
    ts_ns: int
    kind: str
    what: str
    fields: dict[str, Any] = {}


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """Why an order was made, oldest first, and what happened to it."""

    order_id: int
    order_ref: str
    strategy: str
    symbol: str
    because: list[Step]
    afterwards: list[Step]


class _Target(msgspec.Struct):
    record: Record
    decision: Record | None


class _Schedule(msgspec.Struct):
    record: Record
    target: _Target | None


def why(directory: Path, order: str) -> Story:
    """The story of an order by number or order reference, or of `cross-SEQ`. Raises QuantdError when the journal does
    not hold it.
    """
    walk = _Walk(journal_settings(directory).symbols, order)
    for record in JournalReader(directory).messages():
        walk.take(record)
    if walk.placed is None:
        raise QuantdError(
            f"order {order}: not in {directory}; `quantd orders --all` shows the orders, older journals lie beside it "
            "as journal-<epoch>"
        )
    return _Telling(directory, walk).story()


class _Walk:
    """One pass over all records but the rows; keeps what the order's chain may need."""

    def __init__(self, symbols: tuple[str, ...], order: str) -> None:
        self.symbols = symbols
        self.placed: Record | None = None
        self.order: c.ApprovedOrder | None = None
        self.cross: CrossBooks | None = None
        self.schedules: list[_Schedule] = []  # of the order, or of both sides of the cross
        self.waits: list[Record] = []
        self.afterwards: list[Record] = []
        self._wanted_id = int(order) if order.isascii() and order.isdigit() else 0
        self._wanted_ref = order
        seq = order.removeprefix(CROSS_PREFIX)
        self._wanted_cross = int(seq) if seq != order and seq.isascii() and seq.isdigit() else 0
        self._decisions: dict[tuple[str, int], Record] = {}
        self._targets: dict[tuple[str, int], _Target] = {}
        self._schedules: dict[int, _Schedule] = {}
        self._waiting: dict[tuple[str, int], list[Record]] = {}
        self._executions: dict[str, None] = {}
        self._open = True  # nothing has ended the order yet

    def take(self, record: Record) -> None:
        """The next record."""
        if record.kind == r.REFERENCE:
            return
        message = r.decode(record.kind, record.payload)
        if self.placed is not None:
            self._take_after(record, message)
        elif type(message) is c.PlaceOrder:
            self._take_order(record, message.order)
        elif type(message) is n.Decision:
            key = (message.strategy, message.inst)
            self._decisions[key] = record
            self._waiting.pop(key, None)
        elif type(message) is c.SetTarget:
            key = (message.strategy, message.inst)
            decision = self._decisions.get(key)
            caused = decision is not None and decision.cause_seq == record.cause_seq
            self._targets[key] = _Target(record, decision if caused else None)
        elif type(message) is c.OpenParent:
            wanted = message.purpose == c.INTENT_SCHEDULE
            target = self._targets.get((message.strategy, message.inst)) if wanted else None
            self._schedules[message.parent_id] = _Schedule(record, target)
        elif type(message) is c.EndParent:
            self._schedules.pop(message.parent_id, None)
        elif type(message) is n.Blocked or type(message) is n.Refusal:
            self._wait(message.strategy, message.inst, record)
        elif type(message) is CrossBooks:
            if record.seq == self._wanted_cross:
                self.placed, self.cross = record, message
                self.schedules = self._known(message.buyer_parent, message.seller_parent)
            self._wait(message.buyer, message.inst, record)
            self._wait(message.seller, message.inst, record)

    def _wait(self, strategy: str, inst: int, record: Record) -> None:
        waiting = self._waiting.setdefault((strategy, inst), [])
        if len(waiting) < WAITS_MAX:
            waiting.append(record)

    def _known(self, *parents: int) -> list[_Schedule]:
        return [self._schedules[parent] for parent in parents if parent in self._schedules]

    def _take_order(self, record: Record, order: c.ApprovedOrder) -> None:
        intent = order.intent
        if intent.order_id != self._wanted_id and order.order_ref != self._wanted_ref:
            return
        self.placed, self.order = record, order
        self.schedules = self._known(intent.parent_id)
        self.waits = self._waiting.get((intent.strategy, intent.inst), [])

    def _take_after(self, record: Record, message: Any) -> None:
        known = type(message)
        if self.cross is not None:
            if known is c.EndParent and message.parent_id in (self.cross.buyer_parent, self.cross.seller_parent):
                self.afterwards.append(record)  # two at most
            return
        assert self.order is not None
        intent = self.order.intent
        if known is c.ReplaceOrder:
            about = message.order.intent.order_id == intent.order_id
        elif known is c.EndParent or known is c.PauseParent:
            about = message.parent_id == intent.parent_id
        elif known is CrossBooks:
            about = intent.parent_id in (message.buyer_parent, message.seller_parent)
        elif known is e.CommissionReported:
            about = message.exec_id in self._executions
        elif known is c.CancelAllOrders:
            about = self._open
        else:
            about = getattr(message, "order_id", 0) == intent.order_id
        if about and len(self.afterwards) < AFTERWARDS_MAX:
            if isinstance(message, e.OrderFilled | e.ExecutionReported | e.ExecutionCorrected):
                self._executions[message.exec_id] = None
            self.afterwards.append(record)
            self._open = self._open and known not in _LAST_WORDS


class _Telling:
    """Turns the records of a walk into lines."""

    def __init__(self, directory: Path, walk: _Walk) -> None:
        self._directory = directory
        self._walk = walk

    def story(self) -> Story:
        """The whole chain."""
        walk = self._walk
        assert walk.placed is not None
        because = self._because(walk.placed, walk.schedules)
        afterwards = [self._step(record) for record in walk.afterwards]
        if walk.cross is not None:
            return Story(
                order_id=0,
                order_ref=f"{CROSS_PREFIX}{walk.placed.seq}",
                strategy=f"{walk.cross.buyer} and {walk.cross.seller}",
                symbol=symbol_of(walk.symbols, walk.cross.inst),
                because=because,
                afterwards=afterwards,
            )
        assert walk.order is not None
        intent = walk.order.intent
        return Story(
            order_id=intent.order_id,
            order_ref=walk.order.order_ref,
            strategy=intent.strategy,
            symbol=symbol_of(walk.symbols, intent.inst),
            because=because,
            afterwards=afterwards,
        )

    def _because(self, placed: Record, schedules: list[_Schedule]) -> list[Step]:
        """Cause before effect; a record that several point at is told once."""
        chain: list[Record | None] = []
        for schedule in schedules:
            target = schedule.target
            chain += [None if target is None else target.decision, None if target is None else target.record]
            chain.append(schedule.record)
        records = [*sorted((record for record in chain if record is not None), key=lambda record: record.seq), placed]
        told: dict[int, Step] = {}
        for record in records:
            if record.cause_seq and record.cause_seq not in told:
                told[record.cause_seq] = self._cause(record.cause_seq)
            told[record.seq] = self._step(record)
        begin = records[0].seq
        told |= {wait.seq: self._step(wait) for wait in self._walk.waits if begin < wait.seq < placed.seq}
        return [told[seq] for seq in sorted(told)]

    def _cause(self, seq: int) -> Step:
        """The input with this seq: a fact, or one row of a block."""
        for record in JournalReader(self._directory, from_seq=seq).records():
            if record.seq > seq:
                break
            return self._row(record, seq) if record.kind == r.ROWS else self._step(record)
        return Step(seq=seq, ts_ns=0, kind="missing", what="this record is no longer in the journal")

    def _row(self, record: Record, seq: int) -> Step:
        if record.payload:
            return self._row_step(seq, dict(zip(ROW.names or (), record.rows()[seq - record.seq].item(), strict=True)))
        fields = _archived_row(self._directory, seq)
        if fields is None:
            what = "a market row that retention moved to Parquet (rows-*.parquet, not found beside the segments)"
            return Step(seq=seq, ts_ns=record.ts_ns, kind="rows", what=what)
        return self._row_step(seq, fields)

    def _row_step(self, seq: int, fields: dict[str, int]) -> Step:
        symbol = symbol_of(self._walk.symbols, fields["inst"])
        bid, bid_qty = exact_text(fields["bid_px_nanos"]), exact_text(fields["bid_qty_nanos"])
        if fields["kind"] == QUOTE:
            ask, ask_qty = exact_text(fields["ask_px_nanos"]), exact_text(fields["ask_qty_nanos"])
            what = f"quote {symbol} {bid} x {bid_qty} / {ask} x {ask_qty}"
        else:
            what = f"print {symbol} {bid_qty} @ {bid}" if fields["kind"] == PRINT else f"bar {symbol}"
        return Step(seq=seq, ts_ns=fields["ts_ns"], kind="rows", what=what, fields=fields)

    def _step(self, record: Record) -> Step:
        described = describe(record)
        fields: Any = described.get("fields", {})
        try:
            what = self._told(r.decode(record.kind, record.payload))
        except msgspec.DecodeError:
            what = "a record of another release"
        return Step(seq=record.seq, ts_ns=record.ts_ns, kind=str(described["kind"]), what=what, fields=fields)

    def _told(self, message: Any) -> str:
        known = type(message)
        if known is n.Decision:
            values = ", ".join(f"{name} {value:.6g}" for name, value in message.features)
            symbol, target = symbol_of(self._walk.symbols, message.inst), exact_text(message.target_nanos)
            return f"{message.strategy} decides on {symbol}: score {message.score:.6g}, target {target}; {values}"
        if known is c.SetTarget:
            return f"target of {message.strategy} is {exact_text(message.qty_nanos)}"
        if known is c.OpenParent:
            what = f"schedule {message.parent_id} ({message.algo}, {message.slices} slices)"
            return f"{what}: {SIDE_NAMES[message.side]} {exact_text(message.qty_nanos)}"
        if known is c.PlaceOrder or known is c.ReplaceOrder:
            return _order_line(message.order, "sent" if known is c.PlaceOrder else "replaced")
        if known is CrossBooks:
            what = f"{message.buyer} bought {exact_text(message.qty_nanos)} from {message.seller}"
            quote = f"{exact_text(message.bid_px_nanos)} / {exact_text(message.ask_px_nanos)}"
            return f"crossed: {what} at {exact_text(message.px_nanos)}, the mid of {quote}; {message.reason}"
        if known is n.Refusal:
            return "refused: " + "; ".join(
                f"{f.control} {f.code} {f.value} against {f.limit}" for f in message.failures
            )
        if known is n.Blocked:
            return f"waits: {message.reason}"
        return _plain_line(message)


def _order_line(order: c.ApprovedOrder, verb: str) -> str:
    intent = order.intent
    kind = c.ORDER_TYPE_NAMES[intent.order_type]
    limit = f" {exact_text(intent.limit_px_nanos)}" if intent.limit_px_nanos else ""
    side, qty = SIDE_NAMES[intent.side], exact_text(intent.qty_nanos)
    version = f" version {intent.version}" if intent.version else ""
    what = f"order {intent.order_id}{version} {verb}: {side} {qty} {kind}{limit}"
    return f"{what}, slice {intent.slice_no} ({order.order_ref})"


def _plain_line(message: Any) -> str:
    """Type and fields; amounts in units, fields that say nothing left out."""
    parts = []
    for name in message.__struct_fields__:
        value = getattr(message, name)
        if value in ("", 0, None) or name in ("order_id", "inst"):
            continue
        if name == "side":
            value = SIDE_NAMES[value]
        elif name.endswith("_nanos"):
            name, value = name.removesuffix("_nanos"), exact_text(value)
        parts.append(f"{name} {value}")
    return f"{type(message).__name__}" + (f": {', '.join(parts)}" if parts else "")


def _archived_row(directory: Path, seq: int) -> dict[str, int] | None:
    """A row out of the Parquet file that retention made of its segment; None when the file is gone.

    Raises JournalError when it is there and does not hold the row.
    """
    files = [path for path in sorted(directory.glob("rows-*.parquet")) if int(path.stem.removeprefix("rows-")) <= seq]
    if not files:
        return None
    import pyarrow.parquet as parquet

    found = parquet.read_table(files[-1], filters=[("seq", "=", seq)]).to_pylist()
    if len(found) != 1:
        raise JournalError(f"{files[-1].name}: row {seq} is not in it")
    return {name: found[0][name] for name in ROW.names or ()}
