"""Turns columns of a recorded tape into market rows, and counts what is odd about them. Knows no file format.

The one float-to-money conversion of recorded prices: nanos = half-even(price * 1e6) * 1000, because a double of a
decimal price is off by less than 1e-9, but no US price has more than six decimals.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker.feeds.conditions import KNOWN_MASK, NOT_LAST_MASK
from core.rows import NOT_LAST, PRINT, QUOTE, ROW, SUSPICIOUS
from core.units import NANO

Rows = NDArray[np.void]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Columns = Mapping[str, NDArray[Any]]
Oddities = Counter[str]

PX_MIN: Final = 1e-6  # the smallest price that is not zero nanos
PX_MAX: Final = 10_000_000.0  # ten times the dearest US share; keeps nanos far from 2**63
SIZE_MAX: Final = 1_000_000_000.0  # shares in one quote or print
TS_NS_MIN: Final = 315_532_800 * NANO  # 1980-01-01: before it a time is a wrong unit
TS_NS_MAX: Final = 4_102_444_800 * NANO  # 2100-01-01: one such row would hold the running clock for ever
_MICROS: Final = 1_000_000.0
_NANOS_PER_MICRO: Final = 1_000

# What is counted, and what becomes of the row.
ODDITIES: Final[dict[str, str]] = {
    "absurd_ts": "time is null or outside 1980..2099: dropped",
    "backwards": "time before an earlier row of the source: kept; receipt raised to the running maximum",
    "other_symbol": "a symbol that was not asked for, or none: dropped",
    "empty_bid": "quote without bid: passed, side 0",
    "empty_ask": "quote without ask: passed, side 0",
    "empty_both": "quote without either side: passed, both 0 (blind is a fact)",
    "negative_px": "price below zero: quote side emptied, print dropped",
    "absurd_px": "price infinite, above 1e7 or below 1e-6: quote side emptied, print dropped",
    "missing_px": "print with no price or price 0: dropped",
    "zero_size": "priced quote side of size 0: passed; print of size 0: dropped",
    "negative_size": "size below zero: quote size 0, print dropped",
    "absurd_size": "size not finite or above 1e9 shares: quote size 0, print dropped",
    "crossed": "bid above ask: passed",
    "locked": "bid equals ask: passed",
    "suspicious": "marked by the source: passed with SUSPICIOUS",
    "not_last": "print whose condition must not update last: passed with NOT_LAST",
    "unknown_condition": "print with a condition bit nobody knows: passed with NOT_LAST",
}


def count(oddities: Oddities, kind: str, mask: Bools) -> None:
    """Add the number of true elements under a kind of `ODDITIES`; a kind that never happened gets no entry."""
    found = int(np.count_nonzero(mask))
    if found:
        oddities[kind] += found


def quote_rows(columns: Columns, inst: NDArray[np.int32], oddities: Oddities) -> Rows:
    """Rows of quotes, one per element, in order; no element is dropped here. `ts_ns` is left to the caller."""
    rows = _blank(columns, inst, QUOTE, oddities)
    for side in ("bid", "ask"):
        px = _px_nanos(columns[side], oddities)
        qty = _qty_nanos(columns[f"{side}_size"], oddities)
        empty = px == 0
        count(oddities, f"empty_{side}", empty)
        count(oddities, "zero_size", ~empty & (qty == 0))
        rows[f"{side}_px_nanos"] = px
        rows[f"{side}_qty_nanos"] = np.where(empty, 0, qty)  # a size without a price is no offer
    bid, ask = rows["bid_px_nanos"], rows["ask_px_nanos"]
    count(oddities, "empty_both", (bid == 0) & (ask == 0))
    count(oddities, "crossed", (bid > ask) & (ask > 0))
    count(oddities, "locked", (bid == ask) & (ask > 0))
    return rows


def print_rows(columns: Columns, inst: NDArray[np.int32], oddities: Oddities) -> Rows:
    """Rows of prints, in order; those without a price or size are dropped. `ts_ns` is left to the caller."""
    rows = _blank(columns, inst, PRINT, oddities)
    px = _px_nanos(columns["price"], oddities)
    qty = _qty_nanos(columns["size"], oddities)
    condition = columns["condition"].astype(np.int64, copy=False)
    count(oddities, "missing_px", (columns["price"] == 0) | np.isnan(columns["price"]))
    count(oddities, "zero_size", columns["size"] == 0)
    unknown = (condition & ~KNOWN_MASK) != 0
    held_back = unknown | ((condition & NOT_LAST_MASK) != 0)
    count(oddities, "unknown_condition", unknown)
    count(oddities, "not_last", held_back)
    rows["bid_px_nanos"] = px
    rows["bid_qty_nanos"] = qty
    rows["ask_qty_nanos"] = condition
    rows["flags"] |= np.where(held_back, NOT_LAST, 0).astype(np.int16)
    usable = (px > 0) & (qty > 0)
    return rows if usable.all() else rows[usable]


def _blank(columns: Columns, inst: NDArray[np.int32], kind: int, oddities: Oddities) -> Rows:
    rows = np.zeros(len(inst), ROW)
    suspicious = columns["suspicious"].astype(np.bool_, copy=False)
    count(oddities, "suspicious", suspicious)
    rows["exchange_ts_ns"] = columns["ts_ns"]
    rows["inst"] = inst
    rows["kind"] = kind
    rows["flags"] = np.where(suspicious, SUSPICIOUS, 0)
    return rows


def _px_nanos(px: NDArray[Any], oddities: Oddities) -> Ints:
    good = (px >= PX_MIN) & (px <= PX_MAX)  # false for NaN
    if good.all():
        return np.rint(px * _MICROS).astype(np.int64) * _NANOS_PER_MICRO
    count(oddities, "negative_px", px < 0)
    count(oddities, "absurd_px", (px > PX_MAX) | ((px > 0) & (px < PX_MIN)))
    return np.rint(np.where(good, px, 0.0) * _MICROS).astype(np.int64) * _NANOS_PER_MICRO


def _qty_nanos(size: NDArray[Any], oddities: Oddities) -> Ints:
    """Shares (whole or fractional) to share nanos; what cannot be a size becomes 0."""
    good = (size >= 0) & (size <= SIZE_MAX)
    if not good.all():
        negative = size < 0
        count(oddities, "negative_size", negative)
        count(oddities, "absurd_size", ~good & ~negative)
        size = np.where(good, size, 0)
    if np.issubdtype(size.dtype, np.integer):
        return size.astype(np.int64) * NANO
    nanos: Ints = np.rint(size * NANO).astype(np.int64)
    return nanos


def raise_receipts(rows: Rows, running_ns: int, oddities: Oddities) -> int:
    """Fill `ts_ns` with the running maximum of the exchange times, starting at `running_ns`; returns the next one."""
    exchange = rows["exchange_ts_ns"]
    if not len(rows):
        return running_ns
    receipt = np.maximum.accumulate(exchange)
    np.maximum(receipt, running_ns, out=receipt)
    count(oddities, "backwards", exchange < receipt)
    rows["ts_ns"] = receipt
    return int(receipt[-1])
