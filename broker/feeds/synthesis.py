"""The synthetic market's step: one compiled loop over the events of one instrument. Knows no spec, no process.

Every event consumes exactly `DRAWS` words of the random stream, so rows do not depend on how the stream is cut. Only
+ - * / and sqrt touch floats (IEEE says what they give); logarithms come from a table computed in decimal, normals from
sums of integers. So the same stream gives the same rows on every CPU: libm's exp and log do not (hotpath trap 3).

All kernels stand in this one module, because numba's cache looks at one file only: after a change of the constants
imported here, touch this file as well.
"""

from decimal import Decimal
from typing import Any, Final

import numba
import numpy as np
from numba import njit

from broker.feeds.conditions import AVERAGE_PRICE, OPENING, REGULAR
from broker.feeds.merge import GAP, HALT
from core.rows import NOT_LAST, PRINT, QUOTE, ROW, SUSPICIOUS

DRAWS: Final = 6
ROWS_PER_EVENT_MAX: Final = 8  # gap fact, halt facts, dirty quote or print, clean quote

# Kinds of wrong quotes, in the order of their cumulative chances in PARAMETERS["dirty"].
DIRTY_KINDS: Final = (
    "crossed", "locked", "one_sided", "empty_both", "zero_size", "duplicate", "suspicious", "backwards",
)  # fmt: skip

PARAMETERS: Final = np.dtype(
    [
        ("inst", np.int64), ("tick", np.int64), ("lot", np.int64), ("latency_ns", np.int64),
        ("spread", np.int64), ("size", np.float64), ("rate", np.float64), ("print_share", np.float64),
        ("walk", np.float64),  # ticks per square root of a second
        ("pull_s", np.float64), ("push", np.float64),  # time constant and noise of the transient part
        ("jump_hazard", np.float64), ("jump", np.float64),  # per second; ticks
        ("halt_hazard", np.float64), ("halt_ns", np.int64), ("gap_hazard", np.float64), ("gap_ns", np.int64),
        ("dirty", np.float64, (len(DIRTY_KINDS),)), ("not_last", np.float64),
        ("low", np.float64), ("high", np.float64),  # the walk is reflected here, in ticks
        ("signal_s", np.float64), ("drift", np.float64), ("lean", np.float64),  # seconds; ticks per second; 0..1
    ]
)  # fmt: skip
STATE: Final = np.dtype(
    [
        ("word", np.int64),  # the next one of the random stream
        ("ts", np.int64), ("open", np.int64), ("close", np.int64), ("over", np.int64), ("opening", np.int64),
        ("fresh", np.int64),  # the next row must be a quote around the value
        ("value", np.float64), ("transient", np.float64), ("signal", np.float64),
        ("busy", np.int64), ("rough", np.int64),
        ("bid", np.int64), ("ask", np.int64), ("bid_lots", np.int64), ("ask_lots", np.int64),
        ("gap_until", np.int64), ("dropped", np.int64),
        ("counts", np.int64, (len(DIRTY_KINDS) + 1,)),  # of wrong rows made; the last one is not_last prints
    ]
)  # fmt: skip

_BUSY_SECONDS: Final = 20.0  # Markov-modulated arrivals: mean stay in the busy and the calm regime
_CALM_SECONDS: Final = 60.0
_BUSY_TIMES: Final = 4.0  # rate in the busy regime over the calm one
_CALM_FACTOR: Final = (_BUSY_SECONDS + _CALM_SECONDS) / (_BUSY_SECONDS * _BUSY_TIMES + _CALM_SECONDS)
_ECHO: Final = 0.35  # chance that an event answers the one before within about a millisecond
_ECHO_SECONDS: Final = 0.0005
_ROUGH_SECONDS: Final = 600.0  # volatility regimes
_SMOOTH_SECONDS: Final = 1800.0
_ROUGH_TIMES: Final = 2.5
_INSIDE_SHARE: Final = 0.1  # of prints, where the spread leaves room
_U32: Final = 4_294_967_296.0
_NS: Final = 1e9
_TABLE_SIZE: Final = 256
_LN2: Final = 0.6931471805599453
_SUM_MEAN: Final = 131_070.0  # four uniforms on 0..65535
_SUM_SIGMA: Final = 37_837.0
_DIRTY_N: Final = len(DIRTY_KINDS)

# -ln(1 - k/512), k = 0..256: an exponential variable is a geometric number of ln 2 plus one of these, interpolated.
LOG_TABLE: Final = np.array(
    [float(-(1 - Decimal(k) / (2 * _TABLE_SIZE)).ln()) for k in range(_TABLE_SIZE + 1)], np.float64
)

_row = numba.from_dtype(ROW)
_rows = _row[::1]
_parameters = numba.from_dtype(PARAMETERS)
_p = numba.types.Array(_parameters, 1, "C")
_s = numba.types.Array(numba.from_dtype(STATE), 1, "C")
_f8 = numba.float64
_i8 = numba.int64
_u8 = numba.uint64


@njit(_f8(_u8), cache=True)
def low_chance(word: Any) -> Any:
    """Uniform on [0, 1) from the low half of a word."""
    return np.float64(word & np.uint64(0xFFFFFFFF)) / _U32


@njit(_f8(_u8), cache=True)
def high_chance(word: Any) -> Any:
    """Uniform on [0, 1) from the high half of a word."""
    return np.float64(word >> np.uint64(32)) / _U32


@njit(_f8(_u8, _f8[::1]), cache=True)
def exponential(word: Any, table: Any) -> Any:
    """Exponential with mean 1, at most 32 ln 2 + ln 2."""
    halvings = 0
    bits = word & np.uint64(0xFFFFFFFF)
    while halvings < 32 and bits & np.uint64(1):
        halvings += 1
        bits >>= np.uint64(1)
    place = high_chance(word) * _TABLE_SIZE
    k = np.int64(place)
    return halvings * _LN2 + table[k] + (place - k) * (table[k + 1] - table[k])


@njit(_u8(_u8), cache=True)
def swapped(word: Any) -> Any:
    """The two halves exchanged: a second exponential draw from the same word, practically independent of the first."""
    return (word >> np.uint64(32)) | (word << np.uint64(32))


@njit(_f8(_u8), cache=True)
def normal(word: Any) -> Any:
    """Nearly standard normal: the sum of four 16-bit uniforms. The fat tails come from regimes and jumps."""
    total = np.float64(0.0)
    for shift in (0, 16, 32, 48):
        total += np.float64((word >> np.uint64(shift)) & np.uint64(0xFFFF))
    return (total - _SUM_MEAN) / _SUM_SIGMA


@njit(_i8(_s, _p, _u8, _i8, _f8[::1]), cache=True)
def drawn_lots(S: Any, P: Any, word: Any, side: Any, table: Any) -> Any:
    """A displayed size; the hidden signal makes that of the side it favours (1 = bid) larger on average."""
    leaning = P[0]["lean"] * max(-1.0, min(1.0, 0.5 * S[0]["signal"]))
    return 1 + np.int64(exponential(word, table) * (P[0]["size"] - 1.0) * (1.0 + side * leaning))


@njit(_i8(_s, _p, _rows, _i8, _i8, _i8), cache=True)
def put(S: Any, P: Any, R: Any, n: Any, kind: Any, value: Any) -> Any:
    """Write a control fact (never lost in a gap)."""
    r = R[n]
    r["ts_ns"] = r["exchange_ts_ns"] = S[0]["ts"]
    r["inst"] = P[0]["inst"]
    r["kind"] = kind
    r["flags"] = 0
    r["bid_px_nanos"] = value
    r["ask_px_nanos"] = r["bid_qty_nanos"] = r["ask_qty_nanos"] = 0
    return n + 1


@njit(_i8(_s, _p, _rows, _i8), cache=True)
def quote(S: Any, P: Any, R: Any, n: Any) -> Any:
    """Write the quote as it stands."""
    if S[0]["gap_until"] > 0:
        S[0]["dropped"] += 1
        return n
    r = R[n]
    r["ts_ns"] = S[0]["ts"]
    r["exchange_ts_ns"] = S[0]["ts"] - P[0]["latency_ns"]
    r["inst"] = P[0]["inst"]
    r["kind"] = QUOTE
    r["flags"] = 0
    r["bid_px_nanos"] = S[0]["bid"] * P[0]["tick"]
    r["ask_px_nanos"] = S[0]["ask"] * P[0]["tick"]
    r["bid_qty_nanos"] = S[0]["bid_lots"] * P[0]["lot"]
    r["ask_qty_nanos"] = S[0]["ask_lots"] * P[0]["lot"]
    return n + 1


@njit(_i8(_s, _p, _rows, _i8, _i8, _i8, _i8, _i8), cache=True)
def trade(S: Any, P: Any, R: Any, n: Any, px: Any, lots: Any, condition: Any, flags: Any) -> Any:
    """Write a print; `px` in ticks."""
    if S[0]["gap_until"] > 0:
        S[0]["dropped"] += 1
        return n
    n = put(S, P, R, n, PRINT, px * P[0]["tick"])
    r = R[n - 1]
    r["exchange_ts_ns"] = S[0]["ts"] - P[0]["latency_ns"]
    r["flags"] = flags
    r["bid_qty_nanos"] = lots * P[0]["lot"]
    r["ask_qty_nanos"] = condition
    return n


@njit(_i8(_s, _p, _rows, _i8, _f8), cache=True)
def wrong_quote(S: Any, P: Any, R: Any, n: Any, chance: Any) -> Any:
    """Now and then write a wrong version of the quote that comes next; the market itself stays right."""
    kind = 0
    while kind < _DIRTY_N and chance >= P[0]["dirty"][kind]:
        kind += 1
    if kind == _DIRTY_N or S[0]["gap_until"] > 0:
        return n
    S[0]["counts"][kind] += 1
    n = quote(S, P, R, n)
    r = R[n - 1]
    tick = P[0]["tick"]
    if kind == 0:
        r["bid_px_nanos"], r["ask_px_nanos"] = r["ask_px_nanos"] + tick, r["bid_px_nanos"]
    elif kind == 1:
        r["ask_px_nanos"] = r["bid_px_nanos"]
    elif kind == 2:
        r["bid_px_nanos"] = r["bid_qty_nanos"] = 0
    elif kind == 3:
        r["bid_px_nanos"] = r["bid_qty_nanos"] = r["ask_px_nanos"] = r["ask_qty_nanos"] = 0
    elif kind == 4:
        r["ask_qty_nanos"] = 0
    elif kind == 6:
        away = S[0]["bid"] // 10 * tick
        r["bid_px_nanos"] -= away
        r["ask_px_nanos"] += away
        r["flags"] = SUSPICIOUS
    elif kind == 7:
        r["exchange_ts_ns"] -= 1_000_000_000
    return n  # kind 5, a duplicate, is the right quote twice


@njit(numba.void(_s, _p, _u8, _f8[::1]), cache=True)
def recentre(S: Any, P: Any, word: Any, table: Any) -> Any:
    """Put the quote around the value and draw both sizes anew."""
    spread = P[0]["spread"] + S[0]["rough"]
    middle = S[0]["value"] + S[0]["transient"]
    bid = max(np.int64(np.floor(middle - 0.5 * spread + 0.5)), 1)
    S[0]["bid"] = bid
    S[0]["ask"] = bid + spread
    S[0]["bid_lots"] = drawn_lots(S, P, word, 1, table)
    S[0]["ask_lots"] = drawn_lots(S, P, swapped(word), -1, table)


@njit(numba.void(_s, _p, _u8, _u8, _f8[::1]), cache=True)
def move_quote(S: Any, P: Any, word: Any, sizes: Any, table: Any) -> Any:
    """One quote update: a new price when the value has left the spread, else a size, or the spread by a tick."""
    spread = S[0]["ask"] - S[0]["bid"]
    off = 2.0 * (S[0]["value"] + S[0]["transient"]) - (S[0]["bid"] + S[0]["ask"])
    if off > spread + 0.6 or off < -spread - 0.6:
        recentre(S, P, sizes, table)
        return
    chance = high_chance(word)
    usual = P[0]["spread"] + S[0]["rough"]
    buy_side = chance < 0.5
    lots = drawn_lots(S, P, sizes, 1 if buy_side else -1, table)
    shift = 0
    if spread > usual and chance % 0.5 < 0.25:
        shift = 1  # back to the usual spread
    elif spread == usual and chance % 0.5 < 0.01 and (S[0]["bid"] > 1 or not buy_side):
        shift = -1
    if buy_side:
        S[0]["bid"] += shift
        S[0]["bid_lots"] = lots + 1 if lots == S[0]["bid_lots"] and shift == 0 else lots  # an update changes something
    else:
        S[0]["ask"] -= shift
        S[0]["ask_lots"] = lots + 1 if lots == S[0]["ask_lots"] and shift == 0 else lots


@njit(_i8(_s, _p, _rows, _i8, _u8, _u8, _f8[::1]), cache=True)
def print_and_quote(S: Any, P: Any, R: Any, n: Any, word: Any, sizes: Any, table: Any) -> Any:
    """A print at or inside the quote as it stands, then the quote with what is left of the size it took."""
    bid, ask = S[0]["bid"], S[0]["ask"]
    off = 2.0 * (S[0]["value"] + S[0]["transient"]) - (bid + ask)
    lean = max(-0.4, min(0.4, 0.2 * off))  # who trades knows where the value is
    chance = high_chance(word)
    buys = chance < 0.5 + lean
    condition = OPENING if S[0]["opening"] else REGULAR
    S[0]["opening"] = 0
    lots = 1 + np.int64(exponential(sizes, table) * P[0]["size"] * 0.15)
    if ask - bid >= 2 and chance % 0.125 < 0.125 * _INSIDE_SHARE:
        return trade(S, P, R, n, (bid + ask) // 2, lots, condition, 0)
    lots = min(lots, S[0]["ask_lots"] if buys else S[0]["bid_lots"])
    n = trade(S, P, R, n, ask if buys else bid, lots, condition, 0)
    refill = drawn_lots(S, P, swapped(sizes), -1 if buys else 1, table)
    if buys:
        S[0]["ask_lots"] -= lots
        if S[0]["ask_lots"] == 0:
            S[0]["ask"], S[0]["ask_lots"] = ask + 1, refill
    else:
        S[0]["bid_lots"] -= lots
        if S[0]["bid_lots"] == 0:
            S[0]["bid"], S[0]["bid_lots"] = max(bid - 1, 1), refill
    return quote(S, P, R, n)


@njit(_i8(_s, _p, _rows, _i8, _f8, _f8, _f8), cache=True)
def interrupt(S: Any, P: Any, R: Any, n: Any, dt: Any, halt_chance: Any, gap_chance: Any) -> Any:
    """End a gap whose time has come; begin a gap or a halt by chance. A halt is over when this returns."""
    if S[0]["gap_until"] > 0 and S[0]["ts"] >= S[0]["gap_until"]:
        n = put(S, P, R, n, GAP, S[0]["dropped"])
        S[0]["gap_until"] = S[0]["dropped"] = 0
        S[0]["fresh"] = 1
    elif S[0]["gap_until"] == 0 and gap_chance < dt * P[0]["gap_hazard"]:
        S[0]["gap_until"] = S[0]["ts"] + P[0]["gap_ns"]
    if halt_chance < dt * P[0]["halt_hazard"]:
        n = put(S, P, R, n, HALT, 2)
        S[0]["ts"] = min(S[0]["ts"] + P[0]["halt_ns"], S[0]["close"] - 1)
        n = put(S, P, R, n, HALT, 0)
        S[0]["fresh"] = 1
    return n


@njit(numba.void(_s, _p, _f8, _f8, _f8, _u8, _u8, _u8), cache=True)
def move_value(S: Any, P: Any, dt: Any, chance: Any, jump_chance: Any, walk: Any, pull: Any, hidden: Any) -> Any:
    """Advance regimes, random walk, jumps, the mean-reverting part and the hidden signal, of variance one, which
    drifts the value, by `dt` seconds (implicit Euler: stable).
    """
    if chance < dt / (_BUSY_SECONDS if S[0]["busy"] else _CALM_SECONDS):
        S[0]["busy"] = 1 - S[0]["busy"]
    if (chance * 1024.0) % 1.0 < dt / (_ROUGH_SECONDS if S[0]["rough"] else _SMOOTH_SECONDS):
        S[0]["rough"] = 1 - S[0]["rough"]
    root = np.sqrt(dt)
    z = normal(walk)
    value = S[0]["value"] + P[0]["walk"] * (_ROUGH_TIMES if S[0]["rough"] else 1.0) * root * z
    if jump_chance < dt * P[0]["jump_hazard"]:
        value += P[0]["jump"] if z > 0.0 else -P[0]["jump"]
    value += P[0]["drift"] * S[0]["signal"] * dt
    S[0]["signal"] = S[0]["signal"] / (1.0 + dt / P[0]["signal_s"]) + np.sqrt(2.0 / P[0]["signal_s"]) * root * normal(
        hidden
    )
    if value < P[0]["low"]:
        value = min(2.0 * P[0]["low"] - value, P[0]["high"])
    if value > P[0]["high"]:
        value = max(2.0 * P[0]["high"] - value, P[0]["low"])
    S[0]["value"] = value
    S[0]["transient"] = S[0]["transient"] / (1.0 + dt / P[0]["pull_s"]) + P[0]["push"] * root * normal(pull)


@njit(_f8(_s, _p, _u8, _f8, _f8[::1]), cache=True)
def waiting_seconds(S: Any, P: Any, word: Any, echo_chance: Any, table: Any) -> Any:
    """Time to the next event: U-shaped over the session (mean 1), clustered by regime and by echoes."""
    draw = exponential(word, table)
    if echo_chance < _ECHO and S[0]["fresh"] == 0:
        return draw * _ECHO_SECONDS
    x = 2.0 * (S[0]["ts"] - S[0]["open"]) / (S[0]["close"] - S[0]["open"]) - 1.0
    shape = 0.55 + 1.35 * x * x
    regime = _CALM_FACTOR * (_BUSY_TIMES if S[0]["busy"] else 1.0)
    return draw / (P[0]["rate"] * (1.0 - _ECHO) * shape * regime)


@njit(_i8(_s, _p, _rows, _i8), cache=True)
def close_gap(S: Any, P: Any, R: Any, n: Any) -> Any:
    """At the session's end: rows lost are told even if no later row would tell it."""
    if S[0]["gap_until"] > 0:
        S[0]["ts"] = S[0]["close"] - 1
        n = put(S, P, R, n, GAP, S[0]["dropped"])
        S[0]["gap_until"] = S[0]["dropped"] = 0
    return n


@njit(_i8(_s, _p, _u8[::1], _rows, _f8[::1]), cache=True)
def generate(S: Any, P: Any, W: Any, R: Any, table: Any) -> Any:
    """Run events from word `word` on until words, room or session end (`over`); returns the rows written."""
    n = 0
    at = S[0]["word"]
    while at + DRAWS <= len(W) and n + ROWS_PER_EVENT_MAX <= len(R) and S[0]["over"] == 0:
        w0, w1, w2, w3, w4, w5 = W[at], W[at + 1], W[at + 2], W[at + 3], W[at + 4], W[at + 5]
        at += DRAWS
        # Halves of one word serve two unlike chances each; products by odd constants give further independent ones.
        mixed = (w1 ^ (w5 >> np.uint64(7))) * np.uint64(0xD1342543DE82EF95)
        dt = waiting_seconds(S, P, w0, low_chance(mixed), table)
        S[0]["ts"] += np.int64(dt * _NS)
        if S[0]["ts"] >= S[0]["close"]:
            S[0]["over"] = 1
            n = close_gap(S, P, R, n)
            break
        other = (w5 ^ (w1 >> np.uint64(11))) * np.uint64(0x9E3779B97F4A7C15)
        hidden = (w2 ^ (w3 >> np.uint64(9))) * np.uint64(0xDA942042E4DD58B5)
        move_value(S, P, dt, high_chance(w1), high_chance(mixed), w2, w3, hidden)
        n = interrupt(S, P, R, n, dt, low_chance(other), high_chance(other))
        if S[0]["fresh"]:
            recentre(S, P, w4, table)
            S[0]["fresh"] = 0
            n = quote(S, P, R, n)
        elif low_chance(w1) < P[0]["print_share"]:
            n = print_and_quote(S, P, R, n, w5, w4, table)
            if low_chance(w5) < P[0]["not_last"] and S[0]["gap_until"] == 0:
                S[0]["counts"][_DIRTY_N] += 1
                n = trade(S, P, R, n, S[0]["bid"] + S[0]["bid"] // 50 + 1, 1, AVERAGE_PRICE, NOT_LAST)
        else:
            move_quote(S, P, w5, w4, table)
            n = wrong_quote(S, P, R, n, low_chance(w5))
            n = quote(S, P, R, n)
    S[0]["word"] = at
    return n
