"""Market rows to bars of one minute, one hour and one day: exact integers, vectorised, additive. A bar of two batches
is the sum of its parts, so nothing is kept in memory between them. Knows rows and columns, no database.

Prices of trades come from prints that may move "last"; volume counts every print of a size. Suspicious rows count for
nothing, as in core's market state. A five-second bar of the feed counts as what it sums up.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core.rows import BAR, BAR_VOLUME, NOT_LAST, PRINT, QUOTE, SUSPICIOUS
from core.units import NANO

MINUTE_NS: Final = 60 * NANO
SPANS: Final = {"bars": MINUTE_NS, "bars_1h": 60 * MINUTE_NS, "bars_1d": 1_440 * MINUTE_NS}
NOTHING: Final = 0  # a price of zero: none

Array = npt.NDArray[Any]
Bar = tuple[Any, ...]


def bars_of(rows: Array, symbols: dict[int, str], span_ns: int) -> list[Bar]:
    """The bars these rows are part of, as rows of the table `bars`; in the order of their first row."""
    kind = rows["kind"]
    good = (rows["flags"] & SUSPICIOUS) == 0
    # The feed's bar carries the time of its end: it belongs to the minute in which that second lay.
    moment = rows["ts_ns"] - ((kind == BAR) | (kind == BAR_VOLUME))
    wanted = good & np.isin(kind, (QUOTE, PRINT, BAR, BAR_VOLUME))
    rows, moment = rows[wanted], moment[wanted]
    if not len(rows):
        return []
    begin = moment // span_ns * span_ns
    order = np.lexsort((np.arange(len(rows)), begin, rows["inst"]))
    rows, begin = rows[order], begin[order]
    inst = rows["inst"]
    edge = np.flatnonzero((np.diff(inst) != 0) | (np.diff(begin) != 0)) + 1
    starts = np.concatenate(([0], edge)).astype(np.intp)
    found = _columns(rows, starts)
    at = np.argsort(order[starts], kind="stable")
    first = starts[at]
    named = [symbols.get(number, "") for number in inst[first].tolist()]
    columns = [inst[first].tolist(), begin[first].tolist(), named]
    columns += [_plain(column[at], absent) for column, absent in found]
    return list(zip(*columns, strict=True))


def _columns(rows: Array, starts: Array) -> list[tuple[Array, bool]]:
    """Open, high, low, close, volume, turnover in two parts, trades, bid, ask, quotes of each bar; True = zero means
    none.
    """
    kind = rows["kind"]
    is_print = (kind == PRINT) & (rows["bid_qty_nanos"] > 0) & (rows["bid_px_nanos"] > 0)
    last = is_print & ((rows["flags"] & NOT_LAST) == 0)
    bar, volume, quote = kind == BAR, kind == BAR_VOLUME, kind == QUOTE
    opens = np.where(last | bar, rows["bid_px_nanos"], NOTHING)
    high = np.where(bar, rows["ask_px_nanos"], opens)
    low = np.where(bar, rows["bid_qty_nanos"], opens)
    closes = np.where(bar, rows["ask_qty_nanos"], opens)
    sized = is_print | volume
    qty = np.where(sized, rows["bid_qty_nanos"], 0)
    turnover = np.where(sized, notional(rows["bid_px_nanos"], qty), 0)
    trades = np.where(volume, rows["ask_qty_nanos"], is_print.astype(np.int64))
    bid, ask = np.where(quote, rows["bid_px_nanos"], 0), np.where(quote, rows["ask_px_nanos"], 0)
    top = np.iinfo(np.int64).max
    lows = np.minimum.reduceat(np.where(low > 0, low, top), starts)
    return [
        (_first(opens, starts), True),
        (np.maximum.reduceat(high, starts), True),
        (np.where(lows == top, NOTHING, lows), True),
        (_last(closes, starts), True),
        (np.add.reduceat(qty, starts), False),
        (np.add.reduceat(turnover // NANO, starts), False),
        (np.add.reduceat(turnover % NANO, starts), False),
        (np.add.reduceat(trades, starts), False),
        (_last(bid, starts), True),
        (_last(ask, starts), True),
        (np.add.reduceat(quote.astype(np.int64), starts), False),
    ]


def notional(px: Array, qty: Array) -> Array:
    """Price times quantity in cash nanos, half-even, as core.units.notional_nanos; both are not negative."""
    px_whole, px_part = px // NANO, px % NANO
    qty_whole, qty_part = qty // NANO, qty % NANO
    small, rest = np.divmod(px_part * qty_part, NANO)  # below 1e18: it fits
    total = px * qty_whole + px_whole * qty_part + small
    up = (2 * rest > NANO) | ((2 * rest == NANO) & (total & 1 == 1))
    return np.asarray(total + up)


def _first(values: Array, starts: Array) -> Array:
    """The first value of each group that is not zero, else zero."""
    size = len(values)
    places = np.minimum.reduceat(np.where(values != 0, np.arange(size), size), starts)
    return np.append(values, 0)[places]


def _last(values: Array, starts: Array) -> Array:
    places = np.maximum.reduceat(np.where(values != 0, np.arange(len(values)), -1), starts)
    return np.append(values, 0)[places]  # -1 is the appended zero


def _plain(column: Array, absent: bool) -> list[int | None]:
    values: list[int | None] = column.tolist()
    return [value or None for value in values] if absent else values
