"""Bars of any length out of the bars that are kept: fills quiet intervals, adds up, labels. Knows no client and no
message.

An interval without a row keeps the quote that stood; one without a print is flat at the last print, with volume 0.
Neither goes over from one session into the next.
"""

from datetime import date, timedelta
from typing import Any, Final, NamedTuple

import numpy as np
from numba import from_dtype, njit, types
from numpy.typing import NDArray

from broker.gateway.market.bars import BAR, FIVE_NS, MINUTE_NS, run_area, show_quote
from broker.gateway.market.recorded import RecordedHistory
from broker.gateway.market.synthetic import SyntheticHistory
from broker.gateway.market.tape import MarketTape
from broker.gateway.market.times import DAY, MONTHLY, WEEKLY, Duration
from broker.gateway.market.windows import Window, Windows
from core.units import NANO

BASE_BARS_MAX: Final = 400_000  # of one request; beyond, it is refused as TWS refuses steps too small for the time
BeforeTape = SyntheticHistory | RecordedHistory  # what days before the tape are made of
_i8 = types.int64
_bars = types.Array(from_dtype(BAR), 1, "C")
_keys = types.Array(_i8, 1, "C")


class Span(NamedTuple):
    """A part of one session."""

    window: Window
    start_ns: int
    end_ns: int


@njit(types.void(_bars, _i8, _bars, _i8), cache=True, error_model="numpy")
def add_bar(out: Any, k: int, base: Any, j: int) -> None:
    """Add one base bar to a bigger one."""
    o, b = out[k], base[j]
    if b["count"] > 0:
        if o["count"] == 0:
            o["open"] = b["open"]
            o["high"] = b["high"]
            o["low"] = b["low"]
        o["high"] = max(o["high"], b["high"])
        o["low"] = min(o["low"], b["low"])
        o["close"] = b["close"]
        o["last_qty"] = b["last_qty"]
        o["count"] += b["count"]
        o["volume"] += b["volume"]
        o["value"] += b["value"]
    if b["bid_open"] > 0:
        if o["bid_open"] == 0:
            o["bid_open"] = o["bid_high"] = o["bid_low"] = b["bid_open"]
        o["bid_high"] = max(o["bid_high"], b["bid_high"])
        o["bid_low"] = min(o["bid_low"], b["bid_low"])
        o["bid_close"] = b["bid_close"]
    if b["ask_open"] > 0:
        if o["ask_open"] == 0:
            o["ask_open"] = o["ask_high"] = o["ask_low"] = b["ask_open"]
        o["ask_high"] = max(o["ask_high"], b["ask_high"])
        o["ask_low"] = min(o["ask_low"], b["ask_low"])
        o["ask_close"] = b["ask_close"]
    if b["mid2_open"] > 0:
        if o["mid2_open"] == 0:
            o["mid2_open"] = o["mid2_high"] = o["mid2_low"] = b["mid2_open"]
        o["mid2_high"] = max(o["mid2_high"], b["mid2_high"])
        o["mid2_low"] = min(o["mid2_low"], b["mid2_low"])
        o["mid2_close"] = b["mid2_close"]
    o["bid_area"] += b["bid_area"]
    o["ask_area"] += b["ask_area"]
    o["bid_ns"] += b["bid_ns"]
    o["ask_ns"] += b["ask_ns"]
    o["bid_qty"] = b["bid_qty"]
    o["ask_qty"] = b["ask_qty"]


@njit(_i8(_bars, _keys, _keys, _i8, _i8, _bars), cache=True, error_model="numpy")
def add_up(base: Any, keys: Any, sessions: Any, step_ns: int, now_ns: int, out: Any) -> int:
    """Bigger bars of base bars that lie on an unbroken grid; a base bar with area_ns 0 is absent. `keys` names the bar
    each belongs to, `sessions` where nothing is carried over. Fills `base` too. Returns how many bars there are.
    """
    n = 0
    bid = ask = last = bid_qty = ask_qty = 0
    for j in range(len(base)):
        b = base[j]
        if j == 0 or sessions[j] != sessions[j - 1]:
            bid = ask = last = bid_qty = ask_qty = 0
        upto_ns = min(b["start_ns"] + step_ns, now_ns)
        if b["area_ns"] == 0:
            b["area_ns"] = b["start_ns"]
            b["bid_qty"] = bid_qty
            b["ask_qty"] = ask_qty
            show_quote(base, j, bid, ask)
        else:
            bid, ask, bid_qty, ask_qty = b["bid_close"], b["ask_close"], b["bid_qty"], b["ask_qty"]
        run_area(base, j, bid, ask, upto_ns)
        if n == 0 or keys[j] != out[n - 1]["start_ns"]:
            out[n]["start_ns"] = keys[j]
            n += 1
        add_bar(out, n - 1, base, j)
        if b["count"] > 0:
            last = b["close"]
        elif out[n - 1]["count"] == 0 and last > 0:
            out[n - 1]["open"] = out[n - 1]["high"] = out[n - 1]["low"] = out[n - 1]["close"] = last
    return n


def spans(windows: Windows, end_ns: int, length: Duration, *, regular: bool) -> list[Span]:
    """The parts of sessions that a request covers, ascending: seconds are counted in trading time, days in sessions,
    longer units in the calendar.
    """
    every = windows.every(regular)
    begun = windows.begun(end_ns, regular)
    found: list[Span] = []
    left_ns = length.number * NANO
    first = _first_day(windows, end_ns, length)
    for at in range(begun - 1, -1, -1):
        window = every[at]
        span = Span(window, window.start_ns, min(window.end_ns, end_ns))
        if length.unit == "S":
            span = span._replace(start_ns=max(span.start_ns, span.end_ns - left_ns))
            left_ns -= span.end_ns - span.start_ns
            found.append(span)
            if left_ns <= 0:
                break
        elif window.date < first or (length.unit == "D" and len(found) == length.number):
            break
        else:
            found.append(span)
    return found[::-1]


def _first_day(windows: Windows, end_ns: int, length: Duration) -> int:
    """The first date (yyyymmdd) of weeks, months and years up to a moment."""
    day = windows.local(end_ns - 1).date()
    if length.unit == "W":
        day -= timedelta(days=7 * length.number - 1)
    elif length.unit in ("M", "Y"):
        months = day.year * 12 + day.month - 1 - length.number * (12 if length.unit == "Y" else 1)
        year, month = divmod(months, 12)
        if year < date.min.year + 1:
            return 0
        day = date(year, month + 1, min(day.day, 28)) + timedelta(days=1)
    else:
        return 0
    return day.year * 10_000 + day.month * 100 + day.day


def base_step(step_ns: int) -> int:
    """The kind of kept bars a bar of this length is made of."""
    if step_ns < 0 or step_ns >= MINUTE_NS:
        return MINUTE_NS
    return FIVE_NS if step_ns >= FIVE_NS else NANO


def series(
    tape: MarketTape, before: BeforeTape | None, inst: int, covered: list[Span], step_ns: int, now_ns: int
) -> NDArray[Any]:
    """Bars of a length over parts of sessions. Their `start_ns` is the label: the start, or for a day and longer the
    date (yyyymmdd) of the session, of the last one in a week or month. Raises ValueError when there would be too many.
    """
    base = base_step(step_ns)
    kept = tape.fine_bars(inst, base) if base == NANO else tape.bars(inst, base)
    check_length(covered, base)
    parts: list[NDArray[Any]] = []
    keys: list[NDArray[np.int64]] = []
    marks: list[NDArray[np.int64]] = []
    for span in covered:
        if before is not None and span.window.date < _first_date(tape, inst):
            part = _earlier(before, tape.windows_of(inst), span, base)
        else:
            part = _seen(kept, span, base)
        if len(part):
            parts.append(part)
            keys.append(_labels(part["start_ns"], span, step_ns))
            marks.append(np.full(len(part), span.window.date, np.int64))
    if not parts:
        return np.zeros(0, BAR)
    joined = np.ascontiguousarray(np.concatenate(parts))
    labels = np.concatenate(keys)
    out = np.zeros(len(joined), BAR)
    made = add_up(joined, labels, np.concatenate(marks), base, now_ns, out)
    bars = out[:made].copy()  # a year of days, kept as a part of `out`, would keep the minutes' room too
    if step_ns in (DAY, WEEKLY, MONTHLY):
        _add_auctions(bars, tape, inst, covered, step_ns)
    return bars


def check_length(covered: list[Span], base: int) -> None:
    """Raises ValueError when bars of the base would be too many."""
    if sum((span.end_ns - span.start_ns) // base for span in covered) > BASE_BARS_MAX:
        raise ValueError("too many bars")


def _add_auctions(bars: NDArray[Any], tape: MarketTape, inst: int, covered: list[Span], step_ns: int) -> None:
    """A regular day ends with its closing auction, although that is printed some seconds after the close."""
    for span in covered:
        found = tape.auction(inst, span.window.date)
        if found is None or found.ts_ns < span.window.end_ns or span.end_ns < span.window.end_ns:
            continue
        for at in np.flatnonzero(bars["start_ns"] == _period(span.window.date, step_ns)):
            bar = bars[at]
            bar["close"] = found.px_nanos
            bar["high"], bar["low"] = max(bar["high"], found.px_nanos), min(bar["low"], found.px_nanos)
            bar["volume"] += found.qty_nanos
            bar["count"] += found.prints
            bar["value"] += found.value


def _first_date(tape: MarketTape, inst: int) -> int:
    """The date of the first session the tape has seen; far ahead if none."""
    first_ns = int(tape.days[inst]["first_ns"])
    if not first_ns:
        return 99_999_999
    day = tape.windows_of(inst).local(first_ns)
    return day.year * 10_000 + day.month * 100 + day.day


def _seen(kept: NDArray[Any], span: Span, base: int) -> NDArray[Any]:
    """Kept bars of a span on an unbroken grid, from the first one there is."""
    starts = kept["start_ns"]
    # A bar that begins before the span but reaches into it belongs to it: spans of seconds end anywhere.
    first, last = np.searchsorted(starts, (span.start_ns // base * base, span.end_ns), side="left")
    if first == last:
        return np.zeros(0, BAR)
    origin = int(starts[first])
    count = (span.end_ns - 1 - origin) // base + 1
    grid = np.zeros(count, BAR)
    grid["start_ns"] = origin + np.arange(count) * base
    grid[(starts[first:last] - origin) // base] = kept[first:last]
    return grid


def _earlier(before: BeforeTape, windows: Windows, span: Span, base: int) -> NDArray[Any]:
    if base != MINUTE_NS:
        return np.zeros(0, BAR)
    bars = before.minutes(windows.index(span.window.date))
    starts = bars["start_ns"]
    return bars[(starts >= span.start_ns // MINUTE_NS * MINUTE_NS) & (starts < span.end_ns)].copy()


def _labels(starts: NDArray[np.int64], span: Span, step_ns: int) -> NDArray[np.int64]:
    """Which bar each base bar belongs to."""
    window = span.window
    if step_ns in (DAY, WEEKLY, MONTHLY):
        return np.full(len(starts), _period(window.date, step_ns), np.int64)
    midnight = window.midnight_ns()
    labels: NDArray[np.int64] = np.maximum((starts - midnight) // step_ns * step_ns + midnight, window.start_ns)
    return labels


def label_of(window: Window, start_ns: int, step_ns: int) -> int:
    """The label of the bar of a session that begins at a moment."""
    return _period(window.date, step_ns) if step_ns in (DAY, WEEKLY, MONTHLY) else start_ns


def _period(day: int, step_ns: int) -> int:
    """A date as itself, as the Friday of its week, or as the last day of its month."""
    if step_ns == DAY:
        return day
    when = date(day // 10_000, day // 100 % 100, day % 100)
    if step_ns == WEEKLY:
        when += timedelta(days=4 - when.weekday())
    else:
        when = (when.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return when.year * 10_000 + when.month * 100 + when.day
