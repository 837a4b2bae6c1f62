"""What a feed profile leaves of a full tape: one compiled pass over market rows, live, in replays and in research.

`l1_250` serves as a market-data line does: time is cut into slots of 250 ms, [start, end), on one UTC grid, and each
slot leaves at its end, per instrument, first one print (the price of the last print that may update "last", the sizes
of all of those summed) and then one quote (the state at the end, if it differs from the one sent before). Print first:
its sign is judged by the quote that stood while it traded, and who decides on the quote has seen the volume. `bar`
serves the same quotes, and the prints as five-second bars; a bar without a print is not sent. `tbt` is every row.

A slot closes when the first row of any instrument at or past its end comes, or the tape ends, and carries its end as
time: only event time counts, so the output does not depend on how the input was cut. A row of any other kind (halt,
gap) first brings out what its instrument holds, at its own time, and passes; the next quote is then sent even if
unchanged, because the reader has been blind. Rows marked suspicious change nothing, as in `apply_row`. Prints that may
not update last add no volume: at the last price they would be trades that never were.

Knows rows; no file, no venue, no order. A tape in, a tape out.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numba import from_dtype, njit, types
from numpy.typing import NDArray

from core.errors import Bug
from core.profiles import BAR as BAR_PROFILE
from core.profiles import L1_250, TBT
from core.rows import BAR, BAR_VOLUME, NOT_LAST, PRINT, QUOTE, ROW, SUSPICIOUS

SLOT_NS: Final = 250_000_000
BAR_NS: Final = 5_000_000_000
assert BAR_NS % SLOT_NS == 0, "a bar ends where a slot ends"
FOREVER_NS: Final = (1 << 63) - 1
QTY_NANOS_MAX: Final = 1 << 62  # a sum of sizes stops here instead of turning negative
_BLOCK_ROWS: Final = 65_536  # of a whole tape at a time: bounds the room for the output
_ROWS_HELD_MAX: Final = 3  # by one instrument: a bar of two rows and a quote
_ROWS_PER_ROW_MAX: Final = 2  # a print may become the two rows of a bar

HELD: Final = np.dtype(
    [
        ("quoted", np.int64),  # 1 = a quote came since the last one was sent
        ("sent", np.int64),  # 1 = the four numbers below are the ones sent before
        ("bid_px_nanos", np.int64), ("ask_px_nanos", np.int64),
        ("bid_qty_nanos", np.int64), ("ask_qty_nanos", np.int64),
        ("quote_exchange_ts_ns", np.int64),
        ("sent_bid_px_nanos", np.int64), ("sent_ask_px_nanos", np.int64),
        ("sent_bid_qty_nanos", np.int64), ("sent_ask_qty_nanos", np.int64),
        ("prints", np.int64),  # eligible, in the open slot or bar; 0 = the fields below are stale
        ("open_nanos", np.int64), ("high_nanos", np.int64), ("low_nanos", np.int64), ("last_nanos", np.int64),
        ("qty_nanos", np.int64),
        ("print_exchange_ts_ns", np.int64),
        ("away", np.float64),  # sum of (price - open) * quantity, nanos^2
    ]
)  # fmt: skip
ENDS: Final = np.dtype([("slot_ns", np.int64), ("bar_ns", np.int64)])  # FOREVER_NS = nothing is held

Rows = NDArray[np.void]
_i8 = types.int64
_ends = types.Array(from_dtype(ENDS), 1, "C")
_held = types.Array(from_dtype(HELD), 1, "C")
_rows = types.Array(from_dtype(ROW), 1, "C")


@njit(inline="always", cache=True, error_model="numpy")
def write_row(
    out: Any, n: int, ts_ns: int, exchange_ts_ns: int, inst: int, kind: int, first: int, second: int, third: int,
    fourth: int,
) -> int:  # fmt: skip
    """Write one row without flags at out[n]; the four numbers in the order of core/rows.py."""
    r = out[n]
    r["ts_ns"] = ts_ns
    r["exchange_ts_ns"] = exchange_ts_ns
    r["inst"] = inst
    r["kind"] = kind
    r["flags"] = 0
    r["bid_px_nanos"] = first
    r["ask_px_nanos"] = second
    r["bid_qty_nanos"] = third
    r["ask_qty_nanos"] = fourth
    return n + 1


@njit(_i8(_held, _i8, _i8, _rows, _i8), cache=True, error_model="numpy")
def send_quote(H: Any, i: int, ts_ns: int, out: Any, n: int) -> int:
    """Write the quote an instrument holds, if it differs from the one sent before; returns the rows written so far."""
    h = H[i]
    if h["quoted"] == 0:
        return n
    h["quoted"] = 0
    if (
        h["sent"]
        and h["bid_px_nanos"] == h["sent_bid_px_nanos"]
        and h["ask_px_nanos"] == h["sent_ask_px_nanos"]
        and h["bid_qty_nanos"] == h["sent_bid_qty_nanos"]
        and h["ask_qty_nanos"] == h["sent_ask_qty_nanos"]
    ):
        return n
    h["sent"] = 1
    h["sent_bid_px_nanos"] = h["bid_px_nanos"]
    h["sent_ask_px_nanos"] = h["ask_px_nanos"]
    h["sent_bid_qty_nanos"] = h["bid_qty_nanos"]
    h["sent_ask_qty_nanos"] = h["ask_qty_nanos"]
    return write_row(out, n, ts_ns, h["quote_exchange_ts_ns"], i, QUOTE, h["bid_px_nanos"], h["ask_px_nanos"],
                     h["bid_qty_nanos"], h["ask_qty_nanos"])  # fmt: skip


@njit(_i8(_held, _i8, _i8, _i8, _rows, _i8), cache=True, error_model="numpy")
def send_prints(H: Any, i: int, ts_ns: int, profile: int, out: Any, n: int) -> int:
    """Write the prints an instrument holds as one volume increment or one bar; returns the rows written so far."""
    h = H[i]
    if h["prints"] == 0:
        return n
    count = h["prints"]
    h["prints"] = 0
    if profile != BAR_PROFILE:
        return write_row(out, n, ts_ns, h["print_exchange_ts_ns"], i, PRINT, h["last_nanos"], 0, h["qty_nanos"], 0)
    # The mean distance from the open keeps every digit a price has; a sum of price times quantity would not.
    mean = h["open_nanos"] + int(np.rint(h["away"] / h["qty_nanos"]))
    mean = min(max(mean, h["low_nanos"]), h["high_nanos"])
    exchange_ts_ns = h["print_exchange_ts_ns"]
    n = write_row(out, n, ts_ns, exchange_ts_ns, i, BAR, h["open_nanos"], h["high_nanos"], h["low_nanos"],
                  h["last_nanos"])  # fmt: skip
    return write_row(out, n, ts_ns, exchange_ts_ns, i, BAR_VOLUME, mean, 0, h["qty_nanos"], count)


@njit(_i8(_ends, _held, _i8, _i8, _rows, _i8), cache=True, error_model="numpy")
def close_due(T: Any, H: Any, ts_ns: int, profile: int, out: Any, n: int) -> int:
    """Close what ends at or before `ts_ns`: at most a slot and a later bar. Returns the rows written so far."""
    while True:
        slot_ns, bar_ns = T[0]["slot_ns"], T[0]["bar_ns"]
        end_ns = min(slot_ns, bar_ns)
        if end_ns > ts_ns:
            return n
        prints_ns = bar_ns if profile == BAR_PROFILE else slot_ns
        for i in range(len(H)):
            if prints_ns == end_ns:
                n = send_prints(H, i, end_ns, profile, out, n)
            if slot_ns == end_ns:
                n = send_quote(H, i, end_ns, out, n)
        if slot_ns == end_ns:
            T[0]["slot_ns"] = FOREVER_NS
        if bar_ns == end_ns:
            T[0]["bar_ns"] = FOREVER_NS


@njit(types.void(_held, _rows, _i8), cache=True, error_model="numpy")
def hold_quote(H: Any, rows: Any, k: int) -> None:
    """Take a quote as the instrument's state."""
    r = rows[k]
    h = H[r["inst"]]
    h["quoted"] = 1
    h["bid_px_nanos"] = r["bid_px_nanos"]
    h["ask_px_nanos"] = r["ask_px_nanos"]
    h["bid_qty_nanos"] = r["bid_qty_nanos"]
    h["ask_qty_nanos"] = r["ask_qty_nanos"]
    h["quote_exchange_ts_ns"] = r["exchange_ts_ns"]


@njit(types.void(_held, _rows, _i8), cache=True, error_model="numpy")
def hold_print(H: Any, rows: Any, k: int) -> None:
    """Add an eligible print to the open slot or bar."""
    r = rows[k]
    h = H[r["inst"]]
    px, qty = r["bid_px_nanos"], r["bid_qty_nanos"]
    if h["prints"] == 0:
        h["open_nanos"] = h["high_nanos"] = h["low_nanos"] = px
        h["qty_nanos"] = 0
        h["away"] = 0.0
    h["prints"] += 1
    h["high_nanos"] = max(h["high_nanos"], px)
    h["low_nanos"] = min(h["low_nanos"], px)
    h["last_nanos"] = px
    h["qty_nanos"] += min(qty, QTY_NANOS_MAX - h["qty_nanos"])
    h["away"] += float(px - h["open_nanos"]) * float(qty)
    h["print_exchange_ts_ns"] = r["exchange_ts_ns"]


@njit(_i8(_ends, _held, _rows, _i8, _rows), cache=True, error_model="numpy")
def conflate_rows(T: Any, H: Any, rows: Any, profile: int, out: Any) -> int:
    """Pass a block through; returns the rows written to `out`, or -1 - k when rows[k] names no instrument of ours."""
    n = 0
    for k in range(len(rows)):
        i = rows[k]["inst"]
        if i < 0 or i >= len(H):
            return -1 - k
        ts_ns = rows[k]["ts_ns"]
        if ts_ns >= T[0]["slot_ns"] or ts_ns >= T[0]["bar_ns"]:
            n = close_due(T, H, ts_ns, profile, out, n)
        kind = rows[k]["kind"]
        is_print = kind == PRINT
        if kind != QUOTE and not is_print:
            n = send_prints(H, i, ts_ns, profile, out, n)
            n = send_quote(H, i, ts_ns, out, n)
            H[i]["sent"] = 0
            out[n] = rows[k]
            n += 1
            continue
        if rows[k]["flags"] & SUSPICIOUS:
            continue
        if is_print:
            if rows[k]["flags"] & NOT_LAST or rows[k]["bid_px_nanos"] <= 0 or rows[k]["bid_qty_nanos"] <= 0:
                continue
            hold_print(H, rows, k)
        else:
            hold_quote(H, rows, k)
        if is_print and profile == BAR_PROFILE:
            if T[0]["bar_ns"] == FOREVER_NS:
                T[0]["bar_ns"] = (ts_ns // BAR_NS + 1) * BAR_NS
        elif T[0]["slot_ns"] == FOREVER_NS:
            T[0]["slot_ns"] = (ts_ns // SLOT_NS + 1) * SLOT_NS
    return n


class Conflator:
    """One tape's passage through a profile. Not for `tbt`, where there is nothing to do."""

    def __init__(self, *, profile: int, instruments: int) -> None:
        if profile not in (L1_250, BAR_PROFILE):
            raise Bug(f"profile {profile} is not conflated")
        self._profile = profile
        self._ends = np.full(1, FOREVER_NS, np.int64).repeat(2).view(ENDS)
        self._held = np.zeros(instruments, HELD)

    def take(self, rows: Rows) -> Rows:
        """The rows that leave now. `rows` continue the tape; the result is an array of its own, maybe empty."""
        out = np.empty(_ROWS_PER_ROW_MAX * len(rows) + _ROWS_HELD_MAX * len(self._held), ROW)
        made = conflate_rows(self._ends, self._held, np.require(rows, requirements=["C", "W"]), self._profile, out)
        if made < 0:
            raise Bug(f"conflator: row of instrument {int(rows[-1 - made]['inst'])}: it has {len(self._held)}")
        return out[:made]

    def finish(self) -> Rows:
        """What was held when the tape ended, at the ends of its slot and bar."""
        out = np.empty(_ROWS_HELD_MAX * len(self._held), ROW)
        return out[: close_due(self._ends, self._held, FOREVER_NS - 1, self._profile, out, 0)]


def conflated(slabs: Iterator[Rows], *, profile: int, instruments: int) -> Iterator[Rows]:
    """The slabs of a tape as the profile serves them; none is empty."""
    if profile == TBT:
        yield from slabs
        return
    conflator = Conflator(profile=profile, instruments=instruments)
    for slab in slabs:
        if len(left := conflator.take(slab)):
            yield left
    if len(left := conflator.finish()):
        yield left


def conflate(rows: Rows, *, profile: int) -> Rows:
    """A whole tape as the profile serves it."""
    if profile == TBT or not len(rows):
        return rows
    blocks = (rows[at : at + _BLOCK_ROWS] for at in range(0, len(rows), _BLOCK_ROWS))
    parts = list(conflated(blocks, profile=profile, instruments=int(rows["inst"].max()) + 1))
    return np.concatenate([np.zeros(0, ROW), *parts])
