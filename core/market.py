"""Market state: one structured row per instrument, written only by `apply_row`, the step kernel that live, replay,
recovery and back-test share. Knows rows and nothing else; no strategy, order or clock.

Kernels here use no `exp` of the C library (its last bit differs between CPUs), no fastmath, no parallel.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from core.rows import BAR_VOLUME, DUPLICATE, NOT_LAST, PRINT, QUOTE, SUSPICIOUS

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
    ]
)
FIELDS: Final = len(MARKET.names or ())
INDEX: Final = {name: at for at, name in enumerate(MARKET.names or ())}
COUNTERS: Final = (
    "quotes", "prints", "crossed", "locked", "one_sided", "size_zero", "duplicates", "suspicious", "not_last", "jumps",
    "gaps",
)  # fmt: skip

JUMP_SIGMAS: Final = 12.0  # a mid move this many times the recent root mean square is insane until confirmed
JUMP_MOVES_MIN: Final = 64  # moves seen before a jump can be called one
VOLUME_INTERVAL_NS: Final = 300 * 10**9  # slots of volume, on the clock: an exchange opens at the start of one
_MOVE_WEIGHT: Final = 1.0 / 256.0


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
    m["bid_px_nanos"] = bid
    m["ask_px_nanos"] = ask
    m["bid_qty_nanos"] = bid_qty
    m["ask_qty_nanos"] = ask_qty
    m["usable"] = usable
    m["quote_ts_ns"] = r["ts_ns"]
    m["blind"] = 0


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
def _count_volume(m: Any, qty_nanos: int, ts_ns: int) -> None:
    """Traded volume in slots of five minutes; a slot without a print leaves nothing to the one after it."""
    if ts_ns - m["volume_from_ns"] >= VOLUME_INTERVAL_NS:
        follows = ts_ns - m["volume_from_ns"] < 2 * VOLUME_INTERVAL_NS
        m["volume_before_nanos"] = m["volume_nanos"] if follows else 0
        m["volume_from_ns"] = ts_ns - ts_ns % VOLUME_INTERVAL_NS
        m["volume_nanos"] = 0
    m["volume_nanos"] += qty_nanos
    if m["volume_since_ns"] == 0:
        m["volume_since_ns"] = ts_ns


class MarketReader:
    """Reads single integers of the market array from Python at 20 ns each (an array scalar costs 240 ns)."""

    __slots__ = ("state", "view")

    def __init__(self, state: Any) -> None:
        assert state.dtype == MARKET, "the reader needs the engine's own market array"
        assert state.flags.c_contiguous, "the entry points and the memoryview need one contiguous block"
        self.state = state
        self.view = memoryview(state.view(np.int64)).cast("B").cast("q")

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

    def set_halt(self, inst: int, halted: int) -> None:
        """Record a trading halt."""
        self.state[inst]["halted"] = halted


_BID: Final = INDEX["bid_px_nanos"]
_ASK: Final = INDEX["ask_px_nanos"]
_USABLE: Final = INDEX["usable"]
_LAST: Final = INDEX["last_px_nanos"]
