"""Bars as the fields of messages, by the kind of data that was asked for. Knows bars and versions; no market."""

from typing import Any, Final

from broker.gateway.market.bars import BAR
from broker.gateway.market.ticks import plain
from broker.gateway.market.times import DAY
from broker.gateway.market.windows import Windows, local_text, offset_at
from broker.gateway.versions import BAR_TIMEZONE, FRACTIONAL_SIZES
from core.units import NANO

KINDS: Final = ("TRADES", "MIDPOINT", "BID", "ASK", "BID_ASK", "ADJUSTED_LAST")
_AT: Final = {name: at for at, name in enumerate(BAR.names or ())}
_VOLUME, _COUNT, _VALUE = _AT["volume"], _AT["count"], _AT["value"]
_HALF_DAY_NS: Final = DAY // 2
_DAY_SECONDS: Final = 86_400
_MICRO: Final = 1_000  # nanos: averages are told to six decimals
_FIRST: Final = {
    "TRADES": "open",
    "ADJUSTED_LAST": "open",
    "MIDPOINT": "mid2_open",
    "BID": "bid_open",
    "ASK": "ask_open",
}
_NO_VOLUME: Final = ("-1", "-1", -1)

BarRow = tuple[Any, ...]  # the fields of a BAR
BarFields = tuple[str, str, str, str, str, str, int]  # open, high, low, close, volume, wap, count


class BarText:
    """How bars are told to one client for one request."""

    def __init__(self, kind: str, *, version: int, windows: Windows, date_format: int, step_ns: int) -> None:
        self._kind = kind
        self._first = _AT[_FIRST.get(kind, "open")]
        self._old = version < FRACTIONAL_SIZES
        self._windows = windows
        self._zone = f" {windows.wire_zone}" if version >= BAR_TIMEZONE else ""
        self._epoch = date_format == 2
        self._dated = step_ns < 0 or step_ns >= DAY
        # What makes up a time, kept for the request: thousands of bars share it.
        self._days: dict[int, int] = {}
        self._dates: dict[int, str] = {}
        self._clocks: dict[int, str] = {}

    def date(self, label: int) -> str:
        """A bar's time: a date for a day and longer, else local time or the epoch."""
        if self._dated:
            return str(label)
        return str(label // NANO) if self._epoch else self.time(label)

    def time(self, ts_ns: int) -> str:
        """A moment in local time, with its zone for clients that read one."""
        half_day = ts_ns // _HALF_DAY_NS  # no session of a stock market reaches over the change of the clocks
        known = self._days.get(half_day)
        if known is None:
            known = self._days[half_day] = offset_at(ts_ns, self._windows.zone)
        days, seconds = divmod(ts_ns // NANO + known, _DAY_SECONDS)
        day = self._dates.get(days)
        if day is None:
            day = self._dates[days] = local_text(ts_ns, known)[:8] + (" " if self._zone else "  ")
        clock = self._clocks.get(seconds)
        if clock is None:
            clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{self._zone}"
            self._clocks[seconds] = clock
        return day + clock

    def fields(self, bar: BarRow) -> BarFields | None:
        """What a bar says of the kind; None = nothing."""
        if self._kind == "BID_ASK":
            return _bid_ask(bar)
        first = self._first
        o, h, low, c = bar[first : first + 4]
        if not o:
            return None
        if self._kind == "MIDPOINT":
            return (plain(o // 2), plain(h // 2), plain(low // 2), plain(c // 2), *_NO_VOLUME)
        if self._kind in ("BID", "ASK"):
            return (plain(o), plain(h), plain(low), plain(c), *_NO_VOLUME)
        volume, count, value = bar[_VOLUME], bar[_COUNT], bar[_VALUE]
        # value is in currency, volume in share nanos: their ratio is in micros of price at 1e15.
        wap = round(value / volume * 1e15) * _MICRO if volume else c
        shares = str(volume // NANO) if self._old or volume % NANO == 0 else plain(volume)
        return plain(o), plain(h), plain(low), plain(c), shares, plain(wap), count


def _bid_ask(bar: BarRow) -> BarFields | None:
    """Open: average bid over time, high: highest ask, low: lowest bid, close: average ask."""
    bid_ns, ask_ns = bar[_AT["bid_ns"]], bar[_AT["ask_ns"]]
    if not bid_ns or not ask_ns:
        return None
    bid = round(bar[_AT["bid_area"]] / bid_ns / _MICRO) * _MICRO
    ask = round(bar[_AT["ask_area"]] / ask_ns / _MICRO) * _MICRO
    return plain(bid), plain(bar[_AT["ask_high"]]), plain(bar[_AT["bid_low"]]), plain(ask), *_NO_VOLUME
