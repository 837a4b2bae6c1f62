"""Market state: one structured row per instrument, written only by `apply_row`, the step kernel that live, replay,
recovery and back-test share. Knows rows and nothing else; no strategy, order or clock.

Kernels here use no `exp` of the C library (its last bit differs between CPUs), no fastmath, no parallel.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from core.rows import BAR_VOLUME, DUPLICATE, NOT_LAST, PRINT, QUOTE, SUSPICIOUS
from core.sessions import VOLUME_INTERVAL_NS as VOLUME_INTERVAL_NS

# The reference price of a price band is the mean of the prints of five minutes (Limit Up / Limit Down plan), kept in
# slots, so that the window is at most one slot short; it moves by one per cent at least, and stands for 30 seconds.
BAND_SLOT_NS: Final = 15_000_000_000
BAND_SLOTS: Final = 20
BAND_HOLD_NS: Final = 30_000_000_000
BAND_MOVE_PARTS: Final = 100
_MICRO: Final = 1_000

# All fields are eight bytes wide, so that Python reads single integers through one memoryview (`INDEX`).
MARKET: Final = np.dtype(
    [
        ("bid_px_nanos", np.int64),
        ("ask_px_nanos", np.int64),
        ("bid_qty_nanos", np.int64),
        ("ask_qty_nanos", np.int64),
        ("usable", np.int64),  # 1 = two-sided, sizes > 0, not crossed
        ("quote_ts_ns", np.int64),  # last quote that was taken
        ("alive_ts_ns", np.int64),  # last proof of life: any row of this instrument
        ("last_px_nanos", np.int64),  # last print that may update "last"
        ("last_qty_nanos", np.int64),
        ("last_ts_ns", np.int64),
        ("blind", np.int64),  # 1 = never quoted, or gapped since the last quote
        ("halted", np.int64),  # 0 trading, 1 general, 2 volatility, -1 unknown
        ("jump_ts_ns", np.int64),  # last mid move beyond JUMP_SIGMAS
        ("changed_ts_ns", np.int64),  # last quote that differed from the one before
        ("resumed_ts_ns", np.int64),  # end of the last halt
        ("band_ref_nanos", np.int64),  # reference price of the price bands; 0 = no print of the day yet
        ("band_told_ts_ns", np.int64),  # when the broker told bands; 0 = never
        ("low_px_nanos", np.int64),  # lowest print of the day's regular hours
        ("band_ref_ts_ns", np.int64),
        ("band_lower_nanos", np.int64),  # bands the broker told
        ("band_upper_nanos", np.int64),
        ("band_limit_state", np.int64),
        ("open_ns", np.int64),  # regular hours of the day, set by the engine
        ("close_ns", np.int64),
        ("move_var", np.float64),  # mean square of mid moves, nanos^2, last ~256 moves
        ("moves", np.int64),
        ("quotes", np.int64),
        ("prints", np.int64),
        ("crossed", np.int64),
        ("locked", np.int64),
        ("one_sided", np.int64),
        ("size_zero", np.int64),
        ("duplicates", np.int64),
        ("suspicious", np.int64),
        ("not_last", np.int64),
        ("jumps", np.int64),
        ("gaps", np.int64),
        ("volume_from_ns", np.int64),  # start of the five-minute slot of the last print
        ("volume_nanos", np.int64),  # traded in it so far
        ("volume_before_nanos", np.int64),  # traded in the slot before it
        ("volume_since_ns", np.int64),  # first print since the start or the last gap; 0 = none yet
        ("volume_day_nanos", np.int64),  # traded since the day's session was set, as far as we saw it
        ("sample_px_nanos", np.float64),  # mid at the last sample of volatility; 0 = none yet
        ("sample_ts_ns", np.int64),
        ("sample_square", np.float64),  # of the moves between samples, nanos^2, recent ones weighing more
        ("sample_span_ns", np.float64),  # the time they took, weighted alike
        ("sample_spread", np.float64),  # mean spread at the samples, recent ones weighing more
        ("samples", np.int64),
        ("band_slot", np.int64),  # number of the newest slot of prints
        ("band_sum", np.int64),  # of all slots, prices in micros
        ("band_count", np.int64),
        ("band_sums", np.int64, (BAND_SLOTS,)),
        ("band_counts", np.int64, (BAND_SLOTS,)),
    ]
)
FIELDS: Final = MARKET.itemsize // 8  # words of a row
INDEX: Final = {name: MARKET.fields[name][1] // 8 for name in MARKET.names or ()} if MARKET.fields else {}
COUNTERS: Final = (
    "quotes", "prints", "crossed", "locked", "one_sided", "size_zero", "duplicates", "suspicious", "not_last", "jumps",
    "gaps",
)  # fmt: skip

JUMP_SIGMAS: Final = 12.0  # a mid move this many times the recent root mean square is insane until confirmed
JUMP_MOVES_MIN: Final = 64  # moves seen before a jump can be called one
_MOVE_WEIGHT: Final = 1.0 / 256.0
SAMPLE_NS: Final = 30 * 10**9  # mids this far apart make the volatility: closer ones mostly show the spread
SAMPLE_GAP_NS: Final = 10 * SAMPLE_NS  # after a longer silence (night, halt) the next sample begins anew
_SAMPLE_KEPT: Final = 1.0 - 1.0 / 60.0  # weight half an hour ago: 1/e


def new_market(instruments: int) -> Any:
    """Market state for `instruments` rows: everything unknown, blind."""
    state = np.zeros(instruments, MARKET)
    state["blind"] = 1
    return state


@njit(inline="never", cache=True, error_model="numpy")
def apply_row(m: Any, r: Any) -> None:
    """Apply one market row to its instrument's state. Order of tests: suspicious, duplicate, kind.

    Of a bar the volume counts; ALIVE proves life and changes nothing else.
    """
    m["alive_ts_ns"] = r["ts_ns"]
    if r["flags"] & SUSPICIOUS:
        m["suspicious"] += 1
        return
    if r["kind"] == PRINT:
        m["prints"] += 1
        if r["bid_qty_nanos"] <= 0 or r["bid_px_nanos"] <= 0:
            m["size_zero"] += 1
        elif r["flags"] & NOT_LAST:
            m["not_last"] += 1
        else:
            m["last_px_nanos"] = r["bid_px_nanos"]
            m["last_qty_nanos"] = r["bid_qty_nanos"]
            m["last_ts_ns"] = r["ts_ns"]
            _count_volume(m, r["bid_qty_nanos"], r["ts_ns"])
            _count_print(m, r["bid_px_nanos"], r["ts_ns"])
        return
    if r["kind"] != QUOTE:
        if r["kind"] == BAR_VOLUME:
            _count_volume(m, r["bid_qty_nanos"], r["ts_ns"])
        return
    m["quotes"] += 1
    bid, ask = r["bid_px_nanos"], r["ask_px_nanos"]
    bid_qty, ask_qty = r["bid_qty_nanos"], r["ask_qty_nanos"]
    same_px = bid == m["bid_px_nanos"] and ask == m["ask_px_nanos"]
    if r["flags"] & DUPLICATE or (same_px and bid_qty == m["bid_qty_nanos"] and ask_qty == m["ask_qty_nanos"]):
        m["duplicates"] += 1
    else:
        m["changed_ts_ns"] = r["ts_ns"]
    usable = 1
    if bid <= 0 or ask <= 0:
        m["one_sided"] += 1
        usable = 0
    elif bid > ask:
        m["crossed"] += 1
        usable = 0
    elif bid == ask:
        m["locked"] += 1
    if usable and (bid_qty <= 0 or ask_qty <= 0):
        m["size_zero"] += 1
        usable = 0
    if usable and m["usable"] and not same_px:
        _count_move(m, (bid + ask - m["bid_px_nanos"] - m["ask_px_nanos"]) * 0.5, r["ts_ns"])
    if usable and r["ts_ns"] - m["sample_ts_ns"] >= SAMPLE_NS:
        _count_sample(m, (bid + ask) * 0.5, ask - bid, r["ts_ns"])
    m["bid_px_nanos"] = bid
    m["ask_px_nanos"] = ask
    m["bid_qty_nanos"] = bid_qty
    m["ask_qty_nanos"] = ask_qty
    m["usable"] = usable
    m["quote_ts_ns"] = r["ts_ns"]
    m["blind"] = 0


@njit(inline="always", cache=True, error_model="numpy")
def _count_print(m: Any, px_nanos: int, ts_ns: int) -> None:
    """The day's low and the bands' reference price; prints outside regular hours count for neither."""
    if ts_ns < m["open_ns"] or ts_ns >= m["close_ns"]:
        return
    if m["low_px_nanos"] == 0 or px_nanos < m["low_px_nanos"]:
        m["low_px_nanos"] = px_nanos
    slot = ts_ns // BAND_SLOT_NS
    if slot != m["band_slot"]:
        for number in range(max(slot - BAND_SLOTS, m["band_slot"]) + 1, slot + 1):
            at = number % BAND_SLOTS
            m["band_sum"] -= m["band_sums"][at]
            m["band_count"] -= m["band_counts"][at]
            m["band_sums"][at] = 0
            m["band_counts"][at] = 0
        m["band_slot"] = slot
    at = slot % BAND_SLOTS
    px = px_nanos // _MICRO
    m["band_sums"][at] += px
    m["band_counts"][at] += 1
    m["band_sum"] += px
    m["band_count"] += 1
    reference = m["band_ref_nanos"]
    if reference == 0:
        m["band_ref_nanos"] = px_nanos  # the day's first print stands for the opening price
        m["band_ref_ts_ns"] = ts_ns
    elif ts_ns - m["band_ref_ts_ns"] >= BAND_HOLD_NS:
        mean = m["band_sum"] // m["band_count"] * _MICRO
        if abs(mean - reference) * BAND_MOVE_PARTS >= reference:
            m["band_ref_nanos"] = mean
            m["band_ref_ts_ns"] = ts_ns


@njit(inline="always", cache=True, error_model="numpy")
def _count_move(m: Any, move: float, ts_ns: int) -> None:
    """Track the mean square of mid moves and mark a jump; a jump enters the average clipped, so it cannot blind us."""
    square = move * move
    if m["moves"] >= JUMP_MOVES_MIN and square > JUMP_SIGMAS * JUMP_SIGMAS * m["move_var"]:
        m["jumps"] += 1
        m["jump_ts_ns"] = ts_ns
        square = JUMP_SIGMAS * JUMP_SIGMAS * m["move_var"]
    if m["moves"] == 0:
        m["move_var"] = square
    else:
        m["move_var"] += (square - m["move_var"]) * _MOVE_WEIGHT
    m["moves"] += 1


@njit(inline="always", cache=True, error_model="numpy")
def _count_sample(m: Any, mid: float, spread: int, ts_ns: int) -> None:
    """Realised variance: squares of mid moves over half a minute or more, and their time, both decaying by sample."""
    span = ts_ns - m["sample_ts_ns"]
    if m["sample_px_nanos"] > 0 and span < SAMPLE_GAP_NS:
        move = mid - m["sample_px_nanos"]
        m["sample_square"] = m["sample_square"] * _SAMPLE_KEPT + move * move
        m["sample_span_ns"] = m["sample_span_ns"] * _SAMPLE_KEPT + span
        m["sample_spread"] = m["sample_spread"] * _SAMPLE_KEPT + spread * (1.0 - _SAMPLE_KEPT)
        m["samples"] += 1
    else:
        m["sample_spread"] = m["sample_spread"] if m["samples"] else spread
    m["sample_px_nanos"] = mid
    m["sample_ts_ns"] = ts_ns


@njit(inline="always", cache=True, error_model="numpy")
def _count_volume(m: Any, qty_nanos: int, ts_ns: int) -> None:
    """Traded volume in slots of five minutes; a slot without a print leaves nothing to the one after it."""
    if ts_ns - m["volume_from_ns"] >= VOLUME_INTERVAL_NS:
        follows = ts_ns - m["volume_from_ns"] < 2 * VOLUME_INTERVAL_NS
        m["volume_before_nanos"] = m["volume_nanos"] if follows else 0
        m["volume_from_ns"] = ts_ns - ts_ns % VOLUME_INTERVAL_NS
        m["volume_nanos"] = 0
    m["volume_nanos"] += qty_nanos
    m["volume_day_nanos"] += qty_nanos
    if m["volume_since_ns"] == 0:
        m["volume_since_ns"] = ts_ns


class MarketReader:
    """Reads single integers of the market array from Python at 20 ns each (an array scalar costs 240 ns); what is a
    float in it from `floats`, at the same places.
    """

    __slots__ = ("floats", "state", "view")

    def __init__(self, state: Any) -> None:
        assert state.dtype == MARKET, "the reader needs the engine's own market array"
        assert state.flags.c_contiguous, "the entry points and the memoryview need one contiguous block"
        self.state = state
        block = memoryview(state.view(np.int64)).cast("B")
        self.view = block.cast("q")
        self.floats = block.cast("d")

    def get(self, inst: int, name: str) -> int:
        """One integer field; not for the hot path (use `view[inst * FIELDS + INDEX[name]]`)."""
        return self.view[inst * FIELDS + INDEX[name]]

    def mark_nanos(self, inst: int) -> int:
        """The price a position is marked at: mid of a usable quote (down to a whole nano), else last, else 0."""
        at = inst * FIELDS
        view = self.view
        if view[at + _USABLE]:
            return (view[at + _BID] + view[at + _ASK]) // 2
        return view[at + _LAST]

    def set_gap(self, inst: int) -> None:
        """Mark an instrument blind until its next quote."""
        self.state[inst]["blind"] = 1
        self.state[inst]["usable"] = 0
        self.state[inst]["gaps"] += 1
        self.state[inst]["volume_since_ns"] = 0

    def set_halt(self, inst: int, halted: int, ts_ns: int = 0) -> None:
        """Record a trading halt, or its end."""
        if self.state[inst]["halted"] and not halted:
            self.state[inst]["resumed_ts_ns"] = ts_ns
            self.state[inst]["blind"] = 1  # the quote of before the halt is no price: the first one after it is
            self.state[inst]["usable"] = 0
        self.state[inst]["halted"] = halted

    def set_session(self, inst: int, open_ns: int, close_ns: int) -> None:
        """The regular hours of the day; another day's low, prints and bands are over. Again the same: no change."""
        row = self.state[inst]
        if row["open_ns"] == open_ns and row["close_ns"] == close_ns:
            return
        row["open_ns"], row["close_ns"] = open_ns, close_ns
        for name in _OF_THE_DAY:
            row[name] = 0

    def forget(self, inst: int) -> None:
        """Everything seen so far was of other shares (a split): unknown and blind until the next quote."""
        row = self.state[inst]
        kept = {name: int(row[name]) for name in ("open_ns", "close_ns", "halted")}
        self.state[inst] = new_market(1)[0]
        for name, value in kept.items():
            row[name] = value

    def set_bands(self, inst: int, lower_nanos: int, upper_nanos: int, limit_state: bool, ts_ns: int) -> None:
        """Price bands as the broker tells them."""
        row = self.state[inst]
        row["band_lower_nanos"], row["band_upper_nanos"] = lower_nanos, upper_nanos
        row["band_limit_state"] = 1 if limit_state else 0
        row["band_told_ts_ns"] = ts_ns


_OF_THE_DAY: Final = (
    "low_px_nanos", "band_ref_nanos", "band_ref_ts_ns", "band_lower_nanos", "band_upper_nanos", "band_told_ts_ns",
    "band_limit_state", "volume_day_nanos", "band_slot", "band_sum", "band_count", "band_sums", "band_counts",
)  # fmt: skip
_BID: Final = INDEX["bid_px_nanos"]
_ASK: Final = INDEX["ask_px_nanos"]
_USABLE: Final = INDEX["usable"]
_LAST: Final = INDEX["last_px_nanos"]
