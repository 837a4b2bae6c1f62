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
        self._old = version < FRACTIONAL_SIZES
        self._windows = windows
        self._zone = f" {windows.wire_zone}" if version >= BAR_TIMEZONE else ""
        self._epoch = date_format == 2
        self._dated = step_ns < 0 or step_ns >= DAY
        self._offsets: dict[int, int] = {}  # by day in UTC

    def date(self, label: int) -> str:
        """A bar's time: a date for a day and longer, else local time or the epoch."""
        if self._dated:
            return str(label)
        return str(label // NANO) if self._epoch else self.time(label)

    def time(self, ts_ns: int) -> str:
        """A moment in local time, with its zone for clients that read one."""
        day = ts_ns // DAY
        offset_s = self._offsets.get(day)
        if offset_s is None:
            offset_s = self._offsets[day] = offset_at(ts_ns, self._windows.zone)
        text = local_text(ts_ns, offset_s)
        return text + self._zone if self._zone else text.replace(" ", "  ")

    def fields(self, bar: BarRow) -> BarFields | None:
        """What a bar says of the kind; None = nothing."""
        if self._kind == "BID_ASK":
            return _bid_ask(bar)
        first = _AT[_FIRST[self._kind]]
        o, h, low, c = bar[first : first + 4]
        if not o:
            return None
        if self._kind == "MIDPOINT":
            return (plain(o // 2), plain(h // 2), plain(low // 2), plain(c // 2), *_NO_VOLUME)
        if self._kind in ("BID", "ASK"):
            return (plain(o), plain(h), plain(low), plain(c), *_NO_VOLUME)
        volume, count, value = bar[_AT["volume"]], bar[_AT["count"]], bar[_AT["value"]]
        # value is in currency, volume in share nanos: their ratio is in micros of price at 1e15.
        wap = round(value / volume * 1e15) * _MICRO if volume else c
        shares = str(volume // NANO) if self._old else plain(volume)
        return plain(o), plain(h), plain(low), plain(c), shares, plain(wap), count


def _bid_ask(bar: BarRow) -> BarFields | None:
    """Open: average bid over time, high: highest ask, low: lowest bid, close: average ask."""
    bid_ns, ask_ns = bar[_AT["bid_ns"]], bar[_AT["ask_ns"]]
    if not bid_ns or not ask_ns:
        return None
    bid = round(bar[_AT["bid_area"]] / bid_ns / _MICRO) * _MICRO
    ask = round(bar[_AT["ask_area"]] / ask_ns / _MICRO) * _MICRO
    return plain(bid), plain(bar[_AT["ask_high"]]), plain(bar[_AT["bid_low"]]), plain(ask), *_NO_VOLUME
