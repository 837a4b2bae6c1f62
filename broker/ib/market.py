"""Ticks become rows: the hot path of the adapter. One QUOTE per instrument and socket read, after all its ticks: the
single ticks would make crossed markets that never were.

Prints of a market-data line (`l1_250`) are increments of the day's volume (tick 8, in shares since version 159) at the
last price (tick 4): the total is cumulative, so a tick that was conflated or lost loses no volume, and it comes
unasked. RTVolume (tick 48) carries a total too, but leaves out trades that do not count for it; last size (tick 5) is
one trade of several. The first total of a subscription is the base and no trade, unless it is the size of the last
trade: then it is the first of the day. `tbt` tells every tick as it came, `bar` five-second bars beside the quotes of
the line.
"""

from typing import Any, Final

from broker.ib.line import ASK_KNOWN, BID_KNOWN, BOTH_KNOWN, LIVE_TYPE, Line
from broker.ib.seam import NEVER, Shell
from broker.ib.translate import bounded, integer_of, nanos_of, nanos_of_bytes, seconds_of
from core import events as e
from core.instruments import Instrument
from core.profiles import BAR as BAR_PROFILE
from core.profiles import TBT
from core.rows import ALIVE, BAR, BAR_VOLUME, NOT_LAST, PRINT, QUOTE
from core.units import NANO

ALIVE_SPACING_NS: Final = NANO  # proofs of life that change nothing are told at most this often
SHORTABLE_SPACING_NS: Final = 60 * NANO
BAR_SECONDS: Final = 5
_HALTED: Final = 49
_SHORTABLE: Final = 46
_UNREPORTED: Final = 2  # bit of a tick-by-tick trade: it does not count for last
# Sale conditions in tick-by-tick trades that must not move "last": the letters of the consolidated tapes for average
# price, cash, next day, seller, out of sequence, derivatively priced, prior reference, contingent, odd lot, official
# open and close (a copy, not a trade).
_NOT_LAST_LETTERS: Final = frozenset("BCGHILMNPQRUVWZ479")


class Market:
    """All instruments of one connection."""

    def __init__(self, shell: Shell, instruments: tuple[Instrument, ...], profile: int) -> None:
        self._shell = shell
        self.profile = profile
        self.lines = [Line(instrument.inst, instrument.symbol) for instrument in instruments]
        self.quotes: dict[bytes, Line] = {}  # request id -> whose line it is
        self.trades: dict[bytes, Line] = {}  # of tick-by-tick trades and five-second bars
        self.snapshots: dict[bytes, Any] = {}  # request id -> what waits for its ticks (life.Snapshot)
        self.tick_ns = 0  # the last tick of any line
        self._touched: list[Line] = []
        self._lendable: list[Line] = []  # lines with news of shares to borrow
        self._lined = profile != TBT  # quotes come from the line

    # ---- ticks, as raw fields ----------------------------------------------------------------------------------
    def tick_price(self, raw: list[bytes]) -> None:
        """tickPrice: version, request id, type, price, size, mask. -1 with size 0 is an empty side."""
        line = self.quotes.get(raw[2])
        if line is None:
            self._snapshot_tick(raw)
            return
        kind = raw[3]
        if not self._lined and (line.ticked or not line.blind):
            pass  # quotes come tick by tick: this line conflates them, and is behind. Only the first may be its own
        elif kind == b"1":
            px = nanos_of_bytes(raw[4])
            line.bid_px_nanos = px if px > 0 else 0
            if raw[5]:
                line.bid_qty_nanos = nanos_of_bytes(raw[5])
            line.known |= BID_KNOWN
        elif kind == b"2":
            px = nanos_of_bytes(raw[4])
            line.ask_px_nanos = px if px > 0 else 0
            if raw[5]:
                line.ask_qty_nanos = nanos_of_bytes(raw[5])
            line.known |= ASK_KNOWN
        elif kind == b"4":
            px = nanos_of_bytes(raw[4])
            line.last_px_nanos = px if px > 0 else 0
            if raw[5]:
                line.last_qty_nanos = nanos_of_bytes(raw[5])
        if not line.touched:
            line.touched = True
            self._touched.append(line)

    def tick_size(self, raw: list[bytes]) -> None:
        """tickSize: version, request id, type, size."""
        line = self.quotes.get(raw[2])
        if line is None:
            return
        kind = raw[3]
        if kind == b"89":
            line.shares_nanos = nanos_of(raw[4].decode())
            self._lends(line)
        elif not self._lined and (line.ticked or not line.blind):
            return
        elif kind == b"0":
            line.bid_qty_nanos = nanos_of_bytes(raw[4])
        elif kind == b"3":
            line.ask_qty_nanos = nanos_of_bytes(raw[4])
        elif kind == b"8":
            total = nanos_of(raw[4].decode())
            before = line.volume_nanos
            if before < 0 and total == line.last_qty_nanos:
                before = 0  # the day's first trade: no total comes before it
            if 0 <= before < total:
                line.traded_nanos += total - before
            line.volume_nanos = total
        if not line.touched:
            line.touched = True
            self._touched.append(line)

    def tick_by_tick(self, raw: list[bytes]) -> None:
        """tickByTick: request id, type, epoch seconds, then by type. Every one is a row of its own, as it came."""
        kind, exchange_ts_ns = raw[2], seconds_of(raw[3].decode())
        line = self.trades.get(raw[1])
        if line is None or line.market_type != LIVE_TYPE:
            return
        now_ns = self._shell.now_ns
        line.tick_ns = line.proof_ns = line.row_ns = self.tick_ns = now_ns
        if kind == b"3":
            line.bid_px_nanos, line.ask_px_nanos = nanos_of_bytes(raw[4]), nanos_of_bytes(raw[5])
            line.bid_qty_nanos, line.ask_qty_nanos = nanos_of_bytes(raw[6]), nanos_of_bytes(raw[7])
            line.known, line.ticked = BOTH_KNOWN, True
            self.show_quote(line, exchange_ts_ns)
        elif kind in (b"1", b"2"):
            unreported = int(raw[6]) & _UNREPORTED or not _NOT_LAST_LETTERS.isdisjoint(raw[8].decode(errors="replace"))
            self._shell.row(
                exchange_ts_ns, line.inst, PRINT, NOT_LAST if unreported else 0,
                nanos_of_bytes(raw[4]), 0, nanos_of_bytes(raw[5]), 0,
            )  # fmt: skip

    def real_time_bar(self, raw: list[bytes]) -> None:
        """realtimeBar: version, request id, epoch seconds of its START, open, high, low, close, volume, mean, count."""
        line = self.trades.get(raw[2])
        if line is None or line.market_type != LIVE_TYPE:
            return
        end_ns = seconds_of(raw[3].decode()) + BAR_SECONDS * NANO
        row, inst = self._shell.row, line.inst
        opened, high, low, closed = (nanos_of_bytes(raw[at]) for at in range(4, 8))
        volume, mean, count = nanos_of(raw[8].decode()), nanos_of(raw[9].decode()), integer_of(raw[10].decode())
        if volume <= 0 or count <= 0:
            return  # a bar without a trade: the feed of the models sends none either
        line.unbarred_ns = 0
        row(end_ns, inst, BAR, 0, opened, high, low, closed)
        row(end_ns, inst, BAR_VOLUME, 0, mean, 0, volume, count)

    def _snapshot_tick(self, raw: list[bytes]) -> None:
        waiting = self.snapshots.get(raw[2])
        if waiting is not None and raw[3] in (b"1", b"2"):
            waiting.tick(raw[3] == b"1", nanos_of_bytes(raw[4]))

    # ---- other ticks, decoded ----------------------------------------------------------------------------------
    def tick_generic(self, request_id: int, kind: int, value: float) -> None:
        """Halts and how hard it is to borrow."""
        line = self.quotes.get(b"%d" % request_id)
        if line is None:
            return
        if kind == _HALTED:
            self._halt(line, bounded(int(value)))
        elif kind == _SHORTABLE:
            line.shortable_milli = bounded(round(value * 1000))
            self._lends(line)

    def _halt(self, line: Line, value: int) -> None:
        """-1 is "not known": it makes no halt, and lifts none."""
        if value < 0:
            self._shell.log("halt_unknown", symbol=line.symbol)
        elif value != line.halted:
            line.halted = value
            self._shell.fact(e.HaltChanged(inst=line.inst, halted=value))

    def _lends(self, line: Line) -> None:
        if line not in self._lendable:
            self._lendable.append(line)

    def _tell_shortable(self) -> None:
        """Level and shares come one by one: told together at the end of a read, and not more often than is of use."""
        now_ns, waiting = self._shell.now_ns, self._lendable
        self._lendable = []
        for line in waiting:
            if line.shortable_milli < 0:
                continue
            if now_ns - line.short_told_ns < SHORTABLE_SPACING_NS:
                self._lendable.append(line)
                continue
            line.short_told_ns = now_ns
            self._shell.fact(
                e.ShortableChanged(inst=line.inst, level_milli=line.shortable_milli, shares_nanos=line.shares_nanos)
            )

    # ---- rows --------------------------------------------------------------------------------------------------
    def flush(self) -> None:
        """The end of a socket read: per instrument its volume increment, then its quote if it differs."""
        if self._lendable:
            self._tell_shortable()
        touched = self._touched
        if not touched:
            return
        self._touched = []
        now_ns = self._shell.now_ns
        self.tick_ns = now_ns
        for line in touched:
            line.touched = False
            if line.market_type != LIVE_TYPE:
                continue
            if not self._lined and (line.ticked or not line.blind):
                continue  # quotes and prints come tick by tick; the line tells halts
            line.tick_ns = line.proof_ns = now_ns
            if line.traded_nanos and line.last_px_nanos and self._lined:
                traded, line.traded_nanos = line.traded_nanos, 0
                if self.profile == BAR_PROFILE:
                    line.unbarred_ns = line.unbarred_ns or now_ns
                else:
                    line.row_ns = now_ns
                    self._shell.row(0, line.inst, PRINT, 0, line.last_px_nanos, 0, traded, 0)
            self._tell_quote(line, 0)

    def _tell_quote(self, line: Line, exchange_ts_ns: int) -> None:
        four = (line.bid_px_nanos, line.ask_px_nanos, line.bid_qty_nanos, line.ask_qty_nanos)
        if line.known == BOTH_KNOWN and (four != line.sent or line.blind):
            self.show_quote(line, exchange_ts_ns)
        else:
            self.show_alive(line)

    def show_quote(self, line: Line, exchange_ts_ns: int = 0) -> None:
        """Tell an instrument's quote as it stands: it is not blind any more."""
        line.sent = (line.bid_px_nanos, line.ask_px_nanos, line.bid_qty_nanos, line.ask_qty_nanos)
        line.row_ns = self._shell.now_ns
        if line.blind:
            line.blind = False
            line.why = ""
            line.backoff_ns = 0
            line.repair_ns = NEVER  # it needs none
            if line.quoted:
                self._shell.log("line_sees_again", symbol=line.symbol)
        line.quoted = True
        self._shell.row(
            exchange_ts_ns, line.inst, QUOTE, 0,
            line.bid_px_nanos, line.ask_px_nanos, line.bid_qty_nanos, line.ask_qty_nanos,
        )  # fmt: skip

    def show_alive(self, line: Line) -> None:
        """Tell that an unchanged quote still stands; at most once a second, and never of a blind line."""
        now_ns = self._shell.now_ns
        if not line.blind and now_ns - line.row_ns >= ALIVE_SPACING_NS:
            line.row_ns = now_ns
            self._shell.row(0, line.inst, ALIVE, 0, 0, 0, 0, 0)
