"""The market as the gateway has seen it: days, bars and raw rows of every instrument, and the conflated rows that
market-data lines are made of. Owns the arrays that `bars.digest` writes; knows no client.

Time is cut where a session's pre-open begins: there an instrument's day starts anew.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from broker.gateway.market.bars import BAR, DAY, FIVE_NS, MINUTE_NS, bars_of, digest
from broker.gateway.market.settings import MarketSettings
from broker.gateway.market.windows import Windows
from broker.gateway.part import NEVER
from broker.sim.conflator import ENDS, FOREVER_NS, HELD, close_due
from core.errors import Bug
from core.instruments import Instrument
from core.profiles import L1_250
from core.rows import ROW
from core.sessions import Calendar

Rows = NDArray[np.void]
Deliver = Callable[[Rows], None]

FORMAT: Final = 1
FIVES_MAX: Final = 16 * 3600 // 5  # one session with its extended hours
MINUTES_A_DAY: Final = 16 * 60
# A snapshot is written while clients wait: it holds what delayed lines need, and minutes up to 7.6 MB in all.
MINUTES_SAVED: Final = 32_768
_OUT_PER_ROW: Final = 2
_OUT_PER_INSTRUMENT: Final = 3


class Auction(NamedTuple):
    """A closing auction's prints after the close: when the first came, the last price, and what they add up to."""

    ts_ns: int
    px_nanos: int
    qty_nanos: int
    prints: int
    value: float


class TapeState(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """What a snapshot keeps: days, and the newest bars, oldest first. Raw rows are not kept."""

    format: int
    symbols: tuple[str, ...]
    days: bytes
    fives: tuple[bytes, ...]
    minutes: tuple[bytes, ...]
    roll_ns: int
    auctions: tuple[dict[int, Auction], ...]  # by date


class MarketTape:
    """`take` is a `part.Tape`. `deliver` gets conflated rows in time order, maybe of several slots."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        calendars: Mapping[str, Calendar],
        settings: MarketSettings,
        *,
        closes: Mapping[tuple[int, int], int] | None = None,
        deliver: Deliver,
        begun: Callable[[int], None],
    ) -> None:
        """`closes`: known previous closes by (inst, date). `begun` is told of every instrument whose day begins."""
        count = len(instruments)
        self.windows = {name: Windows(calendar) for name, calendar in calendars.items()}
        self._symbols = tuple(instrument.symbol for instrument in instruments)
        self._calendar_of = tuple(instrument.calendar for instrument in instruments)
        self._closes = closes or {}
        self._deliver, self._begun = deliver, begun
        self._fives_saved = settings.delay_s // 5 + 2
        self.days = np.zeros(count, DAY)
        self.day_numbers = self.days.view(np.int64).data  # [inst * DAY_WIDTH + DAY_AT[name]], integers only
        # Untouched pages of these cost no memory: the room is a bound, not a price.
        self.fives = np.zeros((count, FIVES_MAX), BAR)
        self.minutes = np.zeros((count, MINUTES_A_DAY * settings.history_days), BAR)
        self._five_counts = np.zeros(count, np.int64)
        self._minute_counts = np.zeros(count, np.int64)
        self._ring = np.zeros(settings.rows_kept, ROW)
        self._places = np.zeros(2, np.int64)  # rows the ring ever had, where `digest` stopped
        self._place = self._places.data
        self._ends = np.full(1, FOREVER_NS, np.int64).repeat(2).view(ENDS)
        self._slot = self._ends.view(np.int64).data  # read at every step of the machine
        self._held = np.zeros(count, HELD)
        self._room = _OUT_PER_INSTRUMENT * count
        self._out = np.empty(1_024 + self._room, ROW)
        self._auctions: list[dict[int, Auction]] = [{} for _ in range(count)]
        self._history_days = settings.history_days
        self._roll_ns = 0  # the next moment a day begins anew; 0 = not looked up yet

    # ---- the tape ----------------------------------------------------------------------------------------------
    def take(self, rows: Rows, lo: int, hi: int) -> None:
        """Rows in order, as the machine shows them."""
        while True:
            lo = self._digest(rows, lo, hi)
            if lo == hi:
                return
            self._roll(int(rows[lo]["ts_ns"]))

    @property
    def slot_ns(self) -> int:
        """When the open slot of the lines ends; NEVER while nothing waits in it."""
        return self._slot[0]

    def close_slot(self, ts_ns: int) -> None:
        """Deliver what ends at or before a moment, although no row has come."""
        if self._slot[0] <= ts_ns:
            made = close_due(self._ends, self._held, ts_ns, L1_250, self._out, 0)
            if made:
                self._deliver(self._out[:made])

    def shown_quote(self, inst: int) -> tuple[int, int, int, int] | None:
        """The quote that lines have been sent last: bid, ask, bid size, ask size."""
        held = self._held[inst]
        if not held["sent"]:
            return None
        return (
            int(held["sent_bid_px_nanos"]), int(held["sent_ask_px_nanos"]),
            int(held["sent_bid_qty_nanos"]), int(held["sent_ask_qty_nanos"]),
        )  # fmt: skip

    def shown_volume(self, inst: int) -> int:
        """The day's volume as lines know it: without the prints of the open slot."""
        held = self._held[inst]
        return int(self.days[inst]["volume"]) - (int(held["qty_nanos"]) if held["prints"] else 0)

    def _digest(self, rows: Rows, lo: int, hi: int) -> int:
        """Take rows up to where a day begins; returns where that is."""
        room = _OUT_PER_ROW * (hi - lo) + self._room
        if room > len(self._out):
            self._out = np.empty(room, ROW)
        made = digest(
            rows, lo, hi, self._roll_ns, self._ends, self._held, self._out, self.days, self.fives, self._five_counts,
            self.minutes, self._minute_counts, self._ring, self._places,
        )  # fmt: skip
        if made > 0:
            self._deliver(self._out[:made])
        elif made < 0:
            raise Bug(f"market row of instrument {int(rows[lo - 1 - made]['inst'])}: there are {len(self.days)}")
        return self._place[1]

    def _roll(self, ts_ns: int) -> None:
        """Begin the day of every instrument whose session holds the moment; what waits in a slot is yesterday's."""
        self.close_slot(ts_ns)
        nearest = NEVER
        for windows in self.windows.values():
            upcoming = windows.next_start_ns(ts_ns)
            nearest = min(nearest, NEVER if upcoming is None else upcoming)
        self._roll_ns = nearest
        for inst, name in enumerate(self._calendar_of):
            regular, extended = self.windows[name].every(True), self.windows[name].at(ts_ns, False)
            if extended is None or self.days[inst]["date"] == extended.date:
                continue
            session = regular[self.windows[name].index(extended.date)]
            self._begin_day(inst, extended.date, session.start_ns, session.end_ns)

    def _begin_day(self, inst: int, day: int, open_ns: int, close_ns: int) -> None:
        before = self.days[inst]
        known = self._closes.get((inst, day), 0) or int(before["regular_last"]) or int(before["last"])
        first_ns = int(before["first_ns"])
        self._keep_auction(inst)
        self.days[inst] = np.zeros(1, DAY)[0]
        now = self.days[inst]
        now["date"], now["open_ns"], now["close_ns"] = day, open_ns, close_ns
        now["previous_close"], now["first_ns"] = known, first_ns
        self._begun(inst)

    def _keep_auction(self, inst: int) -> None:
        """Of the day that ends; as many are kept as days of bars."""
        kept, date = self._auctions[inst], int(self.days[inst]["date"])
        if (found := self.auction(inst, date)) is not None:
            kept[date] = found
            while len(kept) > self._history_days:
                del kept[min(kept)]

    # ---- reading -----------------------------------------------------------------------------------------------
    def windows_of(self, inst: int) -> Windows:
        """The sessions of an instrument."""
        return self.windows[self._calendar_of[inst]]

    def previous_close(self, inst: int, day: int) -> int:
        """The close before a date as far as anybody said so; 0 = nobody did."""
        return self._closes.get((inst, day), 0)

    def auction(self, inst: int, date: int) -> Auction | None:
        """The closing auction of a day, as far as it was printed after the close."""
        day = self.days[inst]
        if day["date"] != date:
            return self._auctions[inst].get(date)
        if not day["auction_ns"]:
            return None
        return Auction(
            int(day["auction_ns"]), int(day["auction_px"]), int(day["auction_qty"]), int(day["auction_count"]),
            float(day["auction_value"]),
        )  # fmt: skip

    def bars(self, inst: int, step_ns: int) -> NDArray[Any]:
        """Bars of five seconds or a minute, oldest first; the newest may still grow."""
        store, counts = (self.fives, self._five_counts) if step_ns == FIVE_NS else (self.minutes, self._minute_counts)
        return unrolled(store[inst], int(counts[inst]))

    def newest(self, inst: int, step_ns: int, count: int) -> NDArray[Any]:
        """The last bars of five seconds or a minute, a copy; fewer if there are not so many."""
        store, counts = (self.fives, self._five_counts) if step_ns == FIVE_NS else (self.minutes, self._minute_counts)
        ever = int(counts[inst])
        places = np.arange(max(0, ever - min(count, store.shape[1])), ever)
        found: NDArray[Any] = store[inst].take(places, mode="wrap")
        return found

    def rows(self, inst: int) -> Rows:
        """The raw rows of an instrument that are still kept, oldest first."""
        kept = unrolled(self._ring, int(self._places[0]))
        found: Rows = kept[kept["inst"] == inst]
        return found

    def fine_bars(self, inst: int, step_ns: int) -> NDArray[Any]:
        """Bars of any step, from the raw rows."""
        rows = np.ascontiguousarray(self.rows(inst))
        out = np.zeros(max(1, len(rows)), BAR)
        return out[: bars_of(rows, step_ns, np.zeros(1, DAY), out)]

    # ---- state -------------------------------------------------------------------------------------------------
    def dump(self) -> bytes:
        """Days and bars; not the slot that is open, which a line sees again with the next quote."""
        count = len(self.days)
        most = max(1, MINUTES_SAVED // max(1, count))
        return msgspec.msgpack.encode(
            TapeState(
                format=FORMAT,
                symbols=self._symbols,
                days=self.days.tobytes(),
                fives=tuple(self.newest(inst, FIVE_NS, self._fives_saved).tobytes() for inst in range(count)),
                minutes=tuple(self.newest(inst, MINUTE_NS, most).tobytes() for inst in range(count)),
                roll_ns=self._roll_ns,
                auctions=tuple(self._auctions),
            )
        )

    def load(self, payload: bytes) -> None:
        """From `dump`. Other instruments or another format: the market is seen from now on."""
        state = msgspec.msgpack.decode(payload, type=TapeState)
        if state.format != FORMAT or state.symbols != self._symbols:
            return
        self.days[:] = np.frombuffer(state.days, DAY)
        self._roll_ns = state.roll_ns
        self._auctions = list(state.auctions)
        for kept, store, counts in (
            (state.fives, self.fives, self._five_counts),
            (state.minutes, self.minutes, self._minute_counts),
        ):
            for inst, payload_of_one in enumerate(kept):
                bars = np.frombuffer(payload_of_one, BAR)[-store.shape[1] :]
                store[inst, : len(bars)] = bars
                counts[inst] = len(bars)


def unrolled(ring: NDArray[Any], count: int) -> NDArray[Any]:
    """A ring's elements, oldest first; a view as long as it has not wrapped."""
    if count <= len(ring):
        return ring[:count]
    at = count % len(ring)
    return np.concatenate((ring[at:], ring[:at])) if at else ring
