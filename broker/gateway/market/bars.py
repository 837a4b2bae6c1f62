"""Bars of prints and quotes, made in the same compiled pass that conflates the tape: every row of every instrument goes
through `digest`, whether somebody subscribed or not, at some tens of nanoseconds.

A bar holds what all kinds of requests need: prints, bid, ask, mid, and the averages of bid and ask over time. A bar
begins with the quote that stood before it. Suspicious rows change nothing; prints that may not update last neither.
"""

from typing import Any, Final

import numpy as np
from numba import from_dtype, njit, types

from broker.feeds.conditions import CLOSING
from broker.sim.conflator import ENDS, HELD, conflate_rows
from core.profiles import L1_250
from core.rows import NOT_LAST, PRINT, QUOTE, ROW, SUSPICIOUS
from core.units import NANO

FIVE_NS: Final = 5 * NANO
MINUTE_NS: Final = 60 * NANO
SECOND_NS: Final = NANO

BAR: Final = np.dtype(
    [
        ("start_ns", np.int64),
        ("open", np.int64), ("high", np.int64), ("low", np.int64), ("close", np.int64),  # prints; 0 = none
        ("volume", np.int64), ("count", np.int64),
        ("value", np.float64),  # sum of price * size, in currency
        ("bid_open", np.int64), ("bid_high", np.int64), ("bid_low", np.int64), ("bid_close", np.int64),
        ("ask_open", np.int64), ("ask_high", np.int64), ("ask_low", np.int64), ("ask_close", np.int64),
        ("mid2_open", np.int64), ("mid2_high", np.int64), ("mid2_low", np.int64), ("mid2_close", np.int64),  # bid + ask
        ("bid_qty", np.int64), ("ask_qty", np.int64), ("last_qty", np.int64),  # at its end
        ("area_ns", np.int64),  # up to when the two sums below run
        ("bid_area", np.float64), ("ask_area", np.float64),  # nanos of price * ns
        ("bid_ns", np.int64), ("ask_ns", np.int64),  # of it, how long there was a bid, an ask
    ]
)  # fmt: skip

# What an instrument's day has come to, and the quote that stands. Prices in nanos, 0 = none.
DAY: Final = np.dtype(
    [
        ("open_ns", np.int64), ("close_ns", np.int64),  # of the regular session
        ("first_ns", np.int64),  # time of the first row ever; 0 = none yet
        ("bid", np.int64), ("ask", np.int64), ("bid_qty", np.int64), ("ask_qty", np.int64),
        ("open", np.int64), ("high", np.int64), ("low", np.int64),  # of the regular session
        ("regular_last", np.int64),  # last print of the regular session, closing auction included
        ("last", np.int64), ("last_qty", np.int64), ("last_ns", np.int64),
        ("volume", np.int64), ("count", np.int64),
        ("value", np.float64),
        ("previous_close", np.int64),
        ("date", np.int64),  # yyyymmdd of the session; 0 = before the first
        # The closing auction as far as it was printed after the regular session's last moment.
        ("auction_ns", np.int64), ("auction_px", np.int64), ("auction_qty", np.int64), ("auction_count", np.int64),
        ("auction_value", np.float64),
    ]
)  # fmt: skip

DAY_WIDTH: Final = len(DAY.names or ())  # all fields are eight bytes wide: Python reads the integers by memoryview
DAY_AT: Final = {name: at for at, name in enumerate(DAY.names or ())}

_HELD_MAX: Final = 1 << 62

_i8 = types.int64
_bar1 = types.Array(from_dtype(BAR), 1, "C")
_bar2 = types.Array(from_dtype(BAR), 2, "C")
_day = types.Array(from_dtype(DAY), 1, "C")
_rows = types.Array(from_dtype(ROW), 1, "C")
_ends = types.Array(from_dtype(ENDS), 1, "C")
_held = types.Array(from_dtype(HELD), 1, "C")
_counts = types.Array(_i8, 1, "C")


@njit(types.void(_bar1, _i8, _i8, _i8, _i8), cache=True, error_model="numpy")
def run_area(B: Any, k: int, bid: int, ask: int, upto_ns: int) -> None:
    """Let the standing quote count in a bar's averages up to a moment."""
    b = B[k]
    dt = upto_ns - b["area_ns"]
    if dt <= 0:
        return
    b["area_ns"] = upto_ns
    if bid > 0:
        b["bid_area"] += float(bid) * float(dt)
        b["bid_ns"] += dt
    if ask > 0:
        b["ask_area"] += float(ask) * float(dt)
        b["ask_ns"] += dt


@njit(types.void(_bar1, _i8, _i8, _i8), cache=True, error_model="numpy")
def show_quote(B: Any, k: int, bid: int, ask: int) -> None:
    """Widen a bar by a quote; an empty side says nothing."""
    b = B[k]
    if bid > 0:
        if b["bid_open"] == 0:
            b["bid_open"] = b["bid_high"] = b["bid_low"] = bid
        b["bid_high"] = max(b["bid_high"], bid)
        b["bid_low"] = min(b["bid_low"], bid)
        b["bid_close"] = bid
    if ask > 0:
        if b["ask_open"] == 0:
            b["ask_open"] = b["ask_high"] = b["ask_low"] = ask
        b["ask_high"] = max(b["ask_high"], ask)
        b["ask_low"] = min(b["ask_low"], ask)
        b["ask_close"] = ask
    if bid > 0 and ask > 0:
        mid2 = bid + ask
        if b["mid2_open"] == 0:
            b["mid2_open"] = b["mid2_high"] = b["mid2_low"] = mid2
        b["mid2_high"] = max(b["mid2_high"], mid2)
        b["mid2_low"] = min(b["mid2_low"], mid2)
        b["mid2_close"] = mid2


@njit(types.void(_bar1, _i8, _i8, _i8), cache=True, error_model="numpy")
def show_print(B: Any, k: int, px: int, qty: int) -> None:
    """Add an eligible print to a bar."""
    b = B[k]
    if b["count"] == 0:
        b["open"] = b["high"] = b["low"] = px
    b["high"] = max(b["high"], px)
    b["low"] = min(b["low"], px)
    b["close"] = px
    b["last_qty"] = qty
    b["count"] += 1
    b["volume"] += min(qty, _HELD_MAX - b["volume"])
    b["value"] += (float(px) * 1e-9) * (float(qty) * 1e-9)


@njit(_i8(_bar1, _i8, _day, _i8, _i8, _i8), cache=True, error_model="numpy")
def open_bar(B: Any, n: int, D: Any, i: int, ts_ns: int, step_ns: int) -> int:
    """Make sure that the newest bar of a ring holds `ts_ns`; returns how many bars it ever had."""
    cap = len(B)
    start_ns = ts_ns // step_ns * step_ns
    d = D[i]
    if n > 0:
        k = (n - 1) % cap
        if B[k]["start_ns"] >= start_ns:
            return n
        run_area(B, k, d["bid"], d["ask"], B[k]["start_ns"] + step_ns)
    k = n % cap
    b = B[k]
    b["start_ns"] = b["area_ns"] = start_ns
    b["open"] = b["high"] = b["low"] = b["close"] = b["volume"] = b["count"] = 0
    b["value"] = b["bid_area"] = b["ask_area"] = 0.0
    b["bid_open"] = b["bid_high"] = b["bid_low"] = b["bid_close"] = 0
    b["ask_open"] = b["ask_high"] = b["ask_low"] = b["ask_close"] = 0
    b["mid2_open"] = b["mid2_high"] = b["mid2_low"] = b["mid2_close"] = 0
    b["bid_ns"] = b["ask_ns"] = 0
    b["bid_qty"] = d["bid_qty"]
    b["ask_qty"] = d["ask_qty"]
    b["last_qty"] = d["last_qty"]
    show_quote(B, k, d["bid"], d["ask"])
    return n + 1


@njit(types.void(_bar1, _i8, _day, _i8, _rows, _i8), cache=True, error_model="numpy")
def into_bar(B: Any, n: int, D: Any, i: int, rows: Any, at: int) -> None:
    """Enter one row, not suspicious, into the newest bar; the day still holds the quote before it."""
    k = (n - 1) % len(B)
    r = rows[at]
    if r["kind"] == QUOTE:
        d = D[i]
        run_area(B, k, d["bid"], d["ask"], r["ts_ns"])
        show_quote(B, k, r["bid_px_nanos"], r["ask_px_nanos"])
        B[k]["bid_qty"] = r["bid_qty_nanos"]
        B[k]["ask_qty"] = r["ask_qty_nanos"]
    elif r["flags"] & NOT_LAST == 0 and r["bid_px_nanos"] > 0 and r["bid_qty_nanos"] > 0:
        show_print(B, k, r["bid_px_nanos"], r["bid_qty_nanos"])


@njit(types.void(_day, _i8, _rows, _i8), cache=True, error_model="numpy")
def into_day(D: Any, i: int, rows: Any, at: int) -> None:
    """Enter one row, not suspicious, into its instrument's day."""
    d = D[i]
    r = rows[at]
    ts_ns = r["ts_ns"]
    if r["kind"] == QUOTE:
        d["bid"] = r["bid_px_nanos"]
        d["ask"] = r["ask_px_nanos"]
        d["bid_qty"] = r["bid_qty_nanos"]
        d["ask_qty"] = r["ask_qty_nanos"]
        return
    px, qty = r["bid_px_nanos"], r["bid_qty_nanos"]
    if r["flags"] & NOT_LAST or px <= 0 or qty <= 0:
        return
    d["last"] = px
    d["last_qty"] = qty
    d["last_ns"] = r["exchange_ts_ns"]
    d["volume"] += min(qty, _HELD_MAX - d["volume"])
    d["count"] += 1
    d["value"] += (float(px) * 1e-9) * (float(qty) * 1e-9)
    if ts_ns >= d["open_ns"] and (ts_ns < d["close_ns"] or r["ask_qty_nanos"] & CLOSING):
        if d["open"] == 0:
            d["open"] = d["high"] = d["low"] = px
        d["high"] = max(d["high"], px)
        d["low"] = min(d["low"], px)
        d["regular_last"] = px
        if ts_ns >= d["close_ns"]:
            if d["auction_ns"] == 0:
                d["auction_ns"] = ts_ns
            d["auction_px"] = px
            d["auction_qty"] += min(qty, _HELD_MAX - d["auction_qty"])
            d["auction_count"] += 1
            d["auction_value"] += (float(px) * 1e-9) * (float(qty) * 1e-9)


@njit(_i8(_rows, _i8, _i8, _i8, _ends, _held, _rows, _day, _bar2, _counts, _bar2, _counts, _rows, _counts), cache=True,
      error_model="numpy")  # fmt: skip
def digest(
    rows: Any, lo: int, hi: int, roll_ns: int, T: Any, H: Any, out: Any, D: Any, fives: Any, five_counts: Any,
    minutes: Any, minute_counts: Any, ring: Any, places: Any,
) -> int:  # fmt: skip
    """Take rows[lo:hi] up to the first at or past `roll_ns` into ring, days and bars, and conflate them; returns what
    `conflate_rows` does. `places`: rows the ring ever had, where this call stopped.
    """
    cap = len(ring)
    at = lo
    while at < hi and rows[at]["ts_ns"] < roll_ns:
        r = rows[at]
        i = r["inst"]
        if i < 0 or i >= len(D):
            return -1 - (at - lo)
        ring[places[0] % cap] = r
        places[0] += 1
        kind = r["kind"]
        if kind in (QUOTE, PRINT) and r["flags"] & SUSPICIOUS == 0:
            ts_ns = r["ts_ns"]
            if D[i]["first_ns"] == 0:
                D[i]["first_ns"] = ts_ns
            five_counts[i] = open_bar(fives[i], five_counts[i], D, i, ts_ns, FIVE_NS)
            into_bar(fives[i], five_counts[i], D, i, rows, at)
            minute_counts[i] = open_bar(minutes[i], minute_counts[i], D, i, ts_ns, MINUTE_NS)
            into_bar(minutes[i], minute_counts[i], D, i, rows, at)
            into_day(D, i, rows, at)
        at += 1
    places[1] = at
    return conflate_rows(T, H, rows[lo:at], L1_250, out)


@njit(_i8(_rows, _i8, _day, _bar1), cache=True, error_model="numpy")
def bars_of(rows: Any, step_ns: int, D: Any, out: Any) -> int:
    """Bars of one instrument's rows at any step, into `out`, which has room for all; `D` is one scratch day."""
    n = 0
    for at in range(len(rows)):
        kind = rows[at]["kind"]
        if (kind != QUOTE and kind != PRINT) or rows[at]["flags"] & SUSPICIOUS:
            continue
        n = open_bar(out, n, D, 0, rows[at]["ts_ns"], step_ns)
        into_bar(out, n, D, 0, rows, at)
        into_day(D, 0, rows, at)
    return n
