"""Frames of the journal to rows of the record: one batch at a time, and the place in the journal it reaches. Pure but
for the books it folds: the same frames give the same rows, whatever the database.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from crc32c import crc32c

from core.errors import JournalError
from core.records import KIND_NAMES, ROWS, decode
from core.reference import ConfigResolved
from core.rows import ROW, ROW_BYTES
from daemon.follower.books import Books, Moved, Row
from daemon.follower.market_bars import SPANS, Array, bars_of
from daemon.follower.messages import ORDER_EVENTS, TO_ROWS, Stamp
from daemon.follower.schema import BY_NAME
from daemon.journal import Record, plain
from daemon.journal.layout import SUB_HEADER

UNDECODABLE: Final = "?"  # type of a record that this release cannot read; its body is the bytes in hex
_NUL_TEXT: Final = re.compile(r"\x00|\\u0000")
_NUL: Final = _NUL_TEXT.search


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """How far a journal is in the record: the last seq, and its frame, so that it is known again."""

    seq: int = 0
    frame_seq: int = 0
    frame_mark: int = 0
    ts_ns: int = 0
    messages: int = 0
    market_rows: int = 0


class Batch(msgspec.Struct, kw_only=True):
    """What one transaction writes."""

    before: Place
    after: Place
    rows: dict[str, list[Row]]  # by table, in the order of its fields
    tick_seqs: Array  # empty unless ticks are recorded
    ticks: Array

    @property
    def records(self) -> int:
        """Records taken, market rows counted one by one."""
        messages = self.after.messages - self.before.messages
        return messages + self.after.market_rows - self.before.market_rows


class Projection:
    """Turns frames into batches. `books` stand where the journal stands at `place`."""

    def __init__(
        self, books: Books, place: Place, *, record_ticks: bool, archived: Callable[[Record], bytes] | None = None
    ) -> None:
        self.books = books
        self._archived = archived
        self.place = place
        self._record_ticks = record_ticks
        self._rows: dict[str, list[Row]] = {}
        self._blocks: list[tuple[int, memoryview | bytes]] = []
        self._frame: Sequence[Record] = ()  # the last one
        self._ts_ns, self._messages, self._market_rows = place.ts_ns, place.messages, place.market_rows
        self.taken = 0  # records since the last batch

    def add(self, table: str, row: Row) -> None:
        """Put one more row into the next batch."""
        self._rows.setdefault(table, []).append(row)

    def frame(self, records: Sequence[Record]) -> None:
        """Take one whole frame, in order."""
        messages = market_rows = 0
        for record in records:
            if record.kind == ROWS:
                self._take_rows(record)
                market_rows += record.count
            else:
                self._take(record)
                messages += 1
        self.taken += messages + market_rows
        self._ts_ns = max(self._ts_ns, records[-1].ts_ns)
        self._messages += messages
        self._market_rows += market_rows
        self._frame = records

    def batch(self) -> Batch:
        """Everything since the last batch."""
        self._take_books()
        seqs, rows = self._market()
        if len(rows):
            symbols = {inst: self.books.symbol(inst) for inst in np.unique(rows["inst"]).tolist()}
            for table, span_ns in SPANS.items():
                self._rows.setdefault(table, []).extend(bars_of(rows, symbols, span_ns))
            if not self._record_ticks:
                seqs, rows = seqs[:0], rows[:0]
        clean = {table: _newest(table, found) for table, found in self._rows.items() if found}
        made = Batch(before=self.place, after=self._reached(), rows=clean, tick_seqs=seqs, ticks=rows)
        self.place = made.after
        self._rows, self._blocks, self.taken = {}, [], 0
        return made

    def _reached(self) -> Place:
        frame = self._frame
        if not frame:
            return self.place
        return Place(
            seq=frame[-1].last_seq,
            frame_seq=frame[0].seq,
            frame_mark=frame_mark(frame),
            ts_ns=self._ts_ns,
            messages=self._messages,
            market_rows=self._market_rows,
        )

    def _take_books(self) -> None:
        for table, row in self.books.rows():
            self.add(table, row)

    # ---- messages ----------------------------------------------------------------------------------------------
    def _take(self, record: Record) -> None:
        stamp = Stamp(record.seq, record.ts_ns, record.cause_seq)
        try:
            message: Any = decode(record.kind, record.payload)
        except (msgspec.DecodeError, KeyError) as fault:
            self._put_record(record, UNDECODABLE, f'{{"hex":"{bytes(record.payload).hex()}"}}')
            self._note(stamp, "decode", str(fault))
            return
        self._put_record(record, type(message).__name__, msgspec.json.encode(plain(message)).decode())
        if type(message) is ConfigResolved:
            self._take_books()  # a new config makes new books: what ended under the old one is told first
        moved = self.books.take(record.kind, record.seq, record.ts_ns, message)
        if moved.fault:
            self._note(stamp, "fold", moved.fault)
        to_rows = TO_ROWS.get(type(message))
        if to_rows is not None:
            for table, row in to_rows(message, stamp, self.books.symbol):
                self.add(table, row)
        if moved.orders and type(message) in ORDER_EVENTS:
            self._put_order_events(stamp, message, moved)
        if moved.execution is not None:
            self._put_execution(stamp, message, moved)
        for kind, source, amount in moved.fees:
            self.add("fee_parts", (stamp.seq, stamp.ts_ns, moved.charged, kind, amount, source))

    def _put_record(self, record: Record, name: str, body: str) -> None:
        kind = KIND_NAMES.get(record.kind, str(record.kind))
        self.add("records", (record.seq, record.ts_ns, record.cause_seq, kind, name, body))

    def _note(self, stamp: Stamp, source: str, text: str) -> None:
        self.add("divergences", (stamp.seq, stamp.ts_ns, source, text))

    def _put_order_events(self, stamp: Stamp, message: Any, moved: Moved) -> None:
        told = [str(getattr(message, name)) for name in ("code", "reason", "text", "missing") if _has(message, name)]
        for order_id, order in moved.orders.items():
            state = None if order is None else order.state.name
            qty = filled = px = None
            if order is not None:
                qty, filled, px = order.qty_nanos, order.filled_nanos, order.limit_px_nanos
            name = type(message).__name__
            event = (stamp.seq, stamp.ts_ns, order_id, stamp.cause_seq, name, state, qty, filled, px, " ".join(told))
            self.add("order_events", event)

    def _put_execution(self, stamp: Stamp, message: Any, moved: Moved) -> None:
        x = moved.execution
        assert x is not None
        exchange_ts_ns, liquidity = getattr(message, "exchange_ts_ns", 0), getattr(message, "liquidity", 0)
        self.add(
            "executions",
            (stamp.seq, stamp.ts_ns, moved.exec_id, x.exec_id, x.order_id, x.strategy, x.inst,
             self.books.symbol(x.inst), x.side, x.qty_nanos, x.px_nanos, type(message).__name__, exchange_ts_ns,
             liquidity),
        )  # fmt: skip

    # ---- market rows -------------------------------------------------------------------------------------------
    def _take_rows(self, record: Record) -> None:
        content: memoryview | bytes = record.payload
        if len(content) != record.count * ROW_BYTES:
            if self._archived is None:
                raise JournalError(
                    f"rows {record.seq} to {record.last_seq} are in Parquet, and nobody reads them there"
                )
            content = self._archived(record)
        self._blocks.append((record.seq, content))

    def _market(self) -> tuple[Array, Array]:
        if not self._blocks:
            return np.empty(0, np.int64), np.empty(0, ROW)
        starts = np.array([seq for seq, _ in self._blocks], dtype=np.int64)
        counts = np.array([len(content) // ROW_BYTES for _, content in self._blocks], dtype=np.int64)
        before = np.cumsum(counts) - counts
        seqs = np.repeat(starts - before, counts) + np.arange(counts.sum(), dtype=np.int64)
        return seqs, np.frombuffer(b"".join(content for _, content in self._blocks), dtype=ROW)


def frame_mark(records: Sequence[Record]) -> int:
    """What a frame is known by: its headers and messages. Row bytes are left out: retention moves them elsewhere."""
    mark = 0
    for record in records:
        head = SUB_HEADER.pack(record.kind, record.count, 0, record.seq, record.ts_ns, record.cause_seq)
        mark = crc32c(head if record.kind == ROWS else head + bytes(record.payload), mark)
    return mark


def _newest(name: str, rows: list[Row]) -> list[Row]:
    """Clean rows; of a state only its newest, because one statement may write each only once."""
    table = BY_NAME[name]
    texts = [place for place, field in enumerate(table.fields) if field.kind in ("text", "json")]
    clean = [_clean(row) if any(_NUL(row[place] or "") for place in texts) else row for row in rows]
    if table.growth != "state":
        return clean
    at = [place for place, field in enumerate(table.fields) if field.name in table.key]
    return list({tuple(row[place] for place in at): row for row in clean}.values())


def _has(message: Any, name: str) -> bool:
    return getattr(message, name, "") not in ("", 0)


def _clean(row: Row) -> Row:
    """No database takes a NUL in a text: it becomes its picture, U+2400. JSON texts hold it escaped."""
    return tuple(_NUL_TEXT.sub("\u2400", value) if type(value) is str else value for value in row)
