"""The market of a journal as prefix sums: rows stream through in chunks, and questions are answered on the way. A point
holds everything up to a record, so an interval's volume-weighted price, time-weighted mid or volume is a difference of
two points. Memory grows with questions, never with rows. Knows rows and sessions, no order.

What counts: the mid of the last usable quote (two-sided, sizes, not crossed, not suspicious); of prints and bars those
that may move "last", the ones that core counts as volume. Time-weighted = the mean of the mids at full seconds.
Volatility = root mean square of one-minute moves of the mid in regular hours.
"""

from array import array
from bisect import bisect_left
from math import log, sqrt
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from broker.feeds.conditions import CLOSING, OPENING
from core.rows import BAR_VOLUME, NOT_LAST, PRINT, QUOTE, ROW, SUSPICIOUS
from core.sessions import Session, SessionTable
from core.units import BP, NANO
from daemon.follower.market_bars import notional

CHUNK_ROWS: Final = 1 << 16
LATE_NS: Final = 10 * NANO  # a question may lie this far back: an execution is told after it was made
AUCTION_NS: Final = 1_800 * NANO  # the closing auction may be printed this long after the close
MINUTE_NS: Final = 60 * NANO

Array = npt.NDArray[Any]
Content = bytes | memoryview


class Point(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The market of one instrument up to a moment; sums are since the beginning, and only differences mean anything."""

    bid_px_nanos: int
    ask_px_nanos: int
    turnover_nanos: int
    volume_nanos: int
    grid_sum_nanos: int  # of bid + ask at every full second
    grid_seconds: int

    @property
    def mid_nanos(self) -> int:
        """Down to a whole nano, as the engine marks; 0 = no quote yet."""
        return (self.bid_px_nanos + self.ask_px_nanos) // 2


class DayPrices(msgspec.Struct, gc=False, kw_only=True):
    """One instrument's regular day: its opening and closing print and the moves of its mid."""

    open_px_nanos: int = 0
    close_px_nanos: int = 0
    opened: bool = False  # by the auction itself
    squares: float = 0.0  # of one-minute moves in bp
    minutes: int = 0
    last_mid: float = 0.0

    @property
    def sigma_bp(self) -> float:
        """Standard deviation of one minute; 0 = not known."""
        return sqrt(self.squares / self.minutes) if self.minutes else 0.0


class _Line:
    """Running sums of one instrument."""

    __slots__ = ("ask", "bid", "grid_seconds", "grid_sum", "quote_ns", "turnover", "volume")

    def __init__(self) -> None:
        self.bid = self.ask = self.turnover = self.volume = self.grid_sum = self.grid_seconds = 0
        self.quote_ns = 0  # of the quote that stands; 0 = none yet


class _Chunk:
    """One instrument's rows of a chunk, as prefix arrays that begin with what stood before; places are of the chunk."""

    def __init__(self, line: _Line, rows: Array, places: Array) -> None:
        self.line = line
        kind, px, qty = rows["kind"], rows["bid_px_nanos"], rows["bid_qty_nanos"]
        bad = (rows["flags"] & SUSPICIOUS) != 0
        ask = rows["ask_px_nanos"]
        usable = (kind == QUOTE) & ~bad & (px > 0) & (ask >= px) & (qty > 0) & (rows["ask_qty_nanos"] > 0)
        self.quote_places = places[usable]
        self.bid = np.concatenate(([line.bid], px[usable]))
        self.ask = np.concatenate(([line.ask], ask[usable]))
        self.quote_ns = np.concatenate(([line.quote_ns], rows["ts_ns"][usable]))
        ticks = (self.quote_ns - 1) // NANO  # full seconds before each quote
        seconds = np.diff(ticks)
        if not line.quote_ns and len(seconds):
            seconds[0] = 0  # nothing stood before the first quote
        self.grid_seconds = np.concatenate(([0], np.cumsum(seconds)))
        self.grid_sum = np.concatenate(([0], np.cumsum(seconds * (self.bid + self.ask)[:-1])))
        traded = (
            ((kind == PRINT) & ((rows["flags"] & NOT_LAST) == 0) | (kind == BAR_VOLUME)) & ~bad & (px > 0) & (qty > 0)
        )
        self.print_places = places[traded]
        self.print_px, self.print_qty = px[traded], qty[traded]
        self.print_ns = rows["ts_ns"][traded]
        self.conditions = np.where(kind[traded] == PRINT, rows["ask_qty_nanos"][traded], 0)
        value = notional(self.print_px, self.print_qty)
        self.whole = np.concatenate(([0], np.cumsum(value // NANO)))
        self.part = np.concatenate(([0], np.cumsum(value % NANO)))
        self.qty = np.concatenate(([0], np.cumsum(self.print_qty)))

    def point(self, place: int, ts_ns: int) -> Point:
        """Everything before a place of the chunk, at a time."""
        line = self.line
        at = int(np.searchsorted(self.quote_places, place))
        printed = int(np.searchsorted(self.print_places, place))
        since = int(self.quote_ns[at])
        seconds = max(0, (ts_ns - 1) // NANO - (since - 1) // NANO) if since else 0
        bid, ask = int(self.bid[at]), int(self.ask[at])
        return Point(
            bid_px_nanos=bid,
            ask_px_nanos=ask,
            turnover_nanos=line.turnover + int(self.whole[printed]) * NANO + int(self.part[printed]),
            volume_nanos=line.volume + int(self.qty[printed]),
            grid_sum_nanos=line.grid_sum + int(self.grid_sum[at]) + seconds * (bid + ask),
            grid_seconds=line.grid_seconds + int(self.grid_seconds[at]) + seconds,
        )

    def close(self) -> None:
        """Carry the sums on to the next chunk."""
        line = self.line
        line.turnover += int(self.whole[-1]) * NANO + int(self.part[-1])
        line.volume += int(self.qty[-1])
        line.grid_sum += int(self.grid_sum[-1])
        line.grid_seconds += int(self.grid_seconds[-1])
        line.bid, line.ask, line.quote_ns = int(self.bid[-1]), int(self.ask[-1]), int(self.quote_ns[-1])


class _Marks:
    """Questions for a bid and ask, in columns: (instrument, key, strict) in, two prices out. 0 = no answer."""

    def __init__(self) -> None:
        self.count = 0
        self.new = array("q")  # ticket, inst, time, 1 = strictly before it; and so on
        self.waiting: Array = np.empty((0, 4), np.int64)
        self.bid: Array = np.zeros(1024, np.int64)
        self.ask: Array = np.zeros(1024, np.int64)

    def ask_for(self, inst: int, ts_ns: int, strict: int) -> int:
        ticket = self.count
        self.count += 1
        self.new.extend((ticket, inst, ts_ns, strict))
        return ticket

    def gather(self) -> Array:
        """All that wait; room for their answers."""
        if self.new:
            self.waiting = np.concatenate((self.waiting, np.frombuffer(self.new, np.int64).reshape(-1, 4)))
            self.new = array("q")  # another: the buffer of this one may still be looked at
        short = self.count - len(self.bid)
        if short > 0:
            more = np.zeros(max(short, len(self.bid)), np.int64)
            self.bid, self.ask = np.concatenate((self.bid, more)), np.concatenate((self.ask, more))
        return self.waiting


class Market:
    """Takes the rows of a journal in order; answers questions asked at most LATE_NS after their time."""

    def __init__(self, tables: dict[int, SessionTable]) -> None:
        self.days: dict[tuple[int, int], DayPrices] = {}  # by instrument and date
        self.points: dict[int, Point] = {}  # by ticket
        self._tables = tables  # by instrument
        self._lines: dict[int, _Line] = {}
        self._marks = _Marks()
        self._told: tuple[list[int], list[int]] = ([], [])  # the answers to marks, once no more rows come
        self._asked = 0
        self._points: list[tuple[int, int, int, int]] = []  # ticket, inst, seq, time
        self._seqs: list[int] = []  # blocks since the last chunk: first seq, rows, content
        self._counts: list[int] = []
        self._contents: list[Content] = []
        self._held = 0  # rows since the last chunk
        self._until_ns = 0  # end of the last chunk
        self._at: Array = np.empty(0, np.int64)  # seqs and rows that are held back
        self._rows: Array = np.empty(0, ROW)

    # ---- questions ---------------------------------------------------------------------------------------------
    def ask_point(self, inst: int, seq: int, ts_ns: int) -> int:
        """Everything before the record `seq` at its time; a ticket for `points`."""
        self._asked += 1
        self._points.append((self._asked, inst, seq, ts_ns))
        return self._asked

    def ask_mark(self, inst: int, ts_ns: int, *, before: bool = False) -> int:
        """The quote that stands at a time (or just before it); a ticket for `mark`."""
        return self._marks.ask_for(inst, ts_ns, int(before))

    def ask_marks(self, inst: int, ts_ns: int, later_ns: tuple[int, ...]) -> tuple[int, ...]:
        """The quotes that stand at several times after one; a ticket each."""
        ask = self._marks.ask_for
        return tuple([ask(inst, ts_ns + later, 0) for later in later_ns])

    def mark(self, ticket: int) -> tuple[int, int]:
        """Bid and ask, after `finish`; (0, 0) = none, or the journal ends before."""
        told = self._told
        return told[0][ticket], told[1][ticket]

    def mids_nanos(self, tickets: tuple[int, ...]) -> tuple[int, ...]:
        """Mids of marks; 0 = none."""
        bids, asks = self._told
        return tuple([(bids[ticket] + asks[ticket]) // 2 for ticket in tickets])

    # ---- rows --------------------------------------------------------------------------------------------------
    def take(self, seq: int, count: int, content: Content) -> None:
        """The next block: `count` rows as bytes, under consecutive seqs from `seq` on."""
        self._seqs.append(seq)
        self._counts.append(count)
        self._contents.append(content)
        self._held += count
        if self._held >= CHUNK_ROWS:
            self._run(last=False)

    def finish(self) -> None:
        """No more rows: what is not answered now has no answer."""
        self._run(last=True)
        self._told = (
            self._marks.bid.tolist(),
            self._marks.ask.tolist(),
        )  # one by one from an array costs five times that

    def _run(self, *, last: bool) -> None:
        counts = np.array(self._counts, np.int64)
        begun = np.cumsum(counts) - counts
        at = np.repeat(np.array(self._seqs, np.int64) - begun, counts) + np.arange(counts.sum())
        # As bytes: numpy takes seventy microseconds to join two structured arrays, whatever their size.
        rows = np.frombuffer(b"".join([self._rows.tobytes(), *self._contents]), dtype=ROW)
        at = np.concatenate((self._at, at))
        self._seqs, self._counts, self._contents = [], [], []
        ts_ns = rows["ts_ns"]
        cut = len(rows) if last or not len(rows) else int(np.searchsorted(ts_ns, ts_ns[-1] - LATE_NS))
        self._at, self._rows, self._held = at[cut:], rows[cut:], 0
        at, rows = at[:cut], rows[:cut]
        chunks = self._chunks(rows)
        end_ns = int(rows["ts_ns"][-1]) if len(rows) else 0
        self._answer_points(chunks, at, last)
        self._answer_marks(chunks, rows["ts_ns"], end_ns + int(last))
        if len(rows):
            begin_ns, self._until_ns = self._until_ns or int(rows["ts_ns"][0]), end_ns + 1
            for inst, chunk in chunks.items():
                self._note_days(inst, chunk, begin_ns, end_ns)
        for chunk in chunks.values():
            chunk.close()

    def _chunks(self, rows: Array) -> dict[int, _Chunk]:
        order = np.argsort(rows["inst"], kind="stable")
        insts, starts = np.unique(rows["inst"][order], return_index=True)
        places = np.split(order, starts[1:]) if len(insts) else []
        split = dict(zip(insts.tolist(), places, strict=True))
        for inst in split:
            self._lines.setdefault(inst, _Line())
        nothing = np.empty(0, np.int64)
        found = {}
        for inst, line in self._lines.items():
            mine = split.get(inst, nothing)
            found[inst] = _Chunk(line, rows[mine], mine)
        return found

    def _answer_points(self, chunks: dict[int, _Chunk], at: Array, last: bool) -> None:
        end = int(at[-1]) if len(at) else -1
        left = []
        for question in self._points:
            ticket, inst, seq, ts_ns = question
            if seq > end and not last:
                left.append(question)
                continue
            chunk = chunks.get(inst)
            if chunk is None:
                chunk = _Chunk(_Line(), self._rows[:0], at[:0])
            self.points[ticket] = chunk.point(int(np.searchsorted(at, seq)), ts_ns)
        self._points = left

    def _answer_marks(self, chunks: dict[int, _Chunk], ts_ns: Array, end_ns: int) -> None:
        marks = self._marks
        waiting = marks.gather()
        strict = waiting[:, 3] == 1
        ready = (waiting[:, 2] < end_ns) | (strict & (waiting[:, 2] == end_ns))
        now, marks.waiting = waiting[ready], waiting[~ready]
        if not len(now):
            return
        left, right = np.searchsorted(ts_ns, now[:, 2]), np.searchsorted(ts_ns, now[:, 2], side="right")
        place = np.where(now[:, 3] == 1, left, right)
        for inst, chunk in chunks.items():
            mine = now[:, 1] == inst
            found = np.searchsorted(chunk.quote_places, place[mine])
            marks.bid[now[mine, 0]], marks.ask[now[mine, 0]] = chunk.bid[found], chunk.ask[found]

    # ---- days --------------------------------------------------------------------------------------------------
    def _note_days(self, inst: int, chunk: _Chunk, from_ns: int, until_ns: int) -> None:
        table = self._tables.get(inst)
        sessions = table.sessions if table is not None else ()
        for at in range(bisect_left(sessions, from_ns - AUCTION_NS, key=_close_ns), len(sessions)):
            session = sessions[at]
            if session.open_ns > until_ns:
                break
            day = self.days.setdefault((inst, session.date), DayPrices())
            _note_prints(day, chunk, session.open_ns, session.close_ns)
            _note_moves(day, chunk, max(from_ns, session.open_ns), min(until_ns, session.close_ns))


def _close_ns(session: Session) -> int:
    return session.close_ns


def _note_prints(day: DayPrices, chunk: _Chunk, open_ns: int, close_ns: int) -> None:
    """The auctions' own prints where the tape marks them, else the first and the last print of regular hours."""
    ns, px = chunk.print_ns, chunk.print_px
    inside = np.flatnonzero((ns >= open_ns) & (ns < close_ns))
    if len(inside):
        auction = inside[(chunk.conditions[inside] & OPENING) != 0]
        if len(auction) and not day.opened:
            day.open_px_nanos, day.opened = int(px[auction[0]]), True
        day.open_px_nanos = day.open_px_nanos or int(px[inside[0]])
        day.close_px_nanos = int(px[inside[-1]])
    after = np.flatnonzero((ns >= close_ns) & (ns < close_ns + AUCTION_NS) & ((chunk.conditions & CLOSING) != 0))
    if len(after):
        day.close_px_nanos = int(px[after[0]])


def _note_moves(day: DayPrices, chunk: _Chunk, from_ns: int, until_ns: int) -> None:
    """Moves of the mid between full minutes."""
    minutes = np.arange(-(-from_ns // MINUTE_NS), until_ns // MINUTE_NS + 1, dtype=np.int64) * MINUTE_NS
    at = np.searchsorted(chunk.quote_ns[1:], minutes, side="right")
    for mid in ((chunk.bid[at] + chunk.ask[at]) / 2.0).tolist():
        if day.last_mid > 0.0 and mid > 0.0:
            day.squares += (BP * log(mid / day.last_mid)) ** 2
            day.minutes += 1
        day.last_mid = mid
