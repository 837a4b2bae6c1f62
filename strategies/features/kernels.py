"""The entry kernels of the features: `feature_update` per market row, `feature_emit` when numbers are wanted, and the
batch that loops the same two. They know rows, market and feature state; no strategy, model, order or clock.

One rule for what is missing or stale: a feature that cannot be computed from what has come is not ready: its bit in
the mask is 0 and its value 0.0. So a number is never NaN, infinite or older than it looks. In detail:

- State starts over with the first row of a session; rows outside [open, close) and suspicious rows touch nothing.
- Tick features rest on usable quotes. While the market's present quote is unusable, or when the last usable one is
  older than GAP_NS, none is ready; after such a silence they start over. The session's VWAP and bars go on.
- A value holds until the next usable quote, also through unusable ones.
- Profile `bar` has no tick features; its bars come from BAR rows, whose time is their end.
"""

import math
from typing import Any, Final

import numpy as np
from numba import from_dtype, njit, types

from core.market import MARKET, apply_row
from core.profiles import BAR as PROFILE_BAR
from core.rows import ALIVE, BAR, NOT_LAST, PRINT, QUOTE, ROW, SUSPICIOUS
from strategies.decay import keep_of
from strategies.features.bars import add_prices, close_bars, forget_bars
from strategies.features.catalogue import COUNT, GAP_NS, INDEX, MINUTE_NS, SECOND_NS, bits
from strategies.features.grid import STATE, STATES, grid_return
from strategies.features.state import EXTERNAL
from strategies.features.ticks import PER_HORIZON, forget_ticks, fourth, take_print, take_quote

_void = types.void
_i8 = types.int64
_f8 = types.float64
MARKET_ROW: Final = from_dtype(MARKET)
ROW_OF: Final = from_dtype(ROW)
MARKETS: Final = types.Array(MARKET_ROW, 1, "C")
ROWS: Final = types.Array(ROW_OF, 1, "C")
VALUES: Final = types.Array(types.float32, 1, "C")
MATRIX: Final = types.Array(types.float32, 2, "C")
INTEGERS: Final = types.Array(types.int64, 1, "C")
EXTERNALS: Final = types.Array(from_dtype(EXTERNAL), 2, "C")

STEP_SIGNATURE: Final = _void(MARKETS, STATES, ROWS, _i8)
UPDATE_SIGNATURE: Final = _void(STATES, MARKETS, ROWS, _i8)
EMIT_SIGNATURE: Final = _i8(STATES, MARKETS, _i8, _i8, VALUES)
EXTERNAL_SIGNATURE: Final = _i8(EXTERNALS, _i8, _i8, VALUES, _i8)
MATRIX_SIGNATURE: Final = _i8(ROWS, _i8, _i8, MARKETS, STATES, _i8, INTEGERS, MATRIX, INTEGERS, INTEGERS, INTEGERS)

SD_FLOOR_BP: Final = 0.1  # a deviation below this is not measured against: z would be rounding noise
CLOSE_MINUTES_MAX: Final = 60.0
PER_MINUTE: Final = 1.0 / MINUTE_NS

_AT_ONCE: Final = bits("spread", "micro_gap", "queue_imbalance")
_WARM_4: Final = bits("ema_gap_4s", "queue_imbalance_4s", "ofi_4s", "trade_imbalance_4s")
_WARM_16: Final = bits("ema_gap_16s", "ofi_16s", "trade_imbalance_16s", "trade_rate_16s", "quote_rate_16s")
_WARM_64: Final = bits("ema_gap_64s", "queue_imbalance_64s", "ofi_64s", "trade_imbalance_64s", "z_64s")
_WARM_256: Final = bits("ema_gap_256s", "z_256s")
_SPREAD_RATIO: Final = bits("spread_ratio")
_VWAP: Final = bits("vwap_gap")
_VWAP_256: Final = bits("vwap_gap_256s")
_VOLUME_RATIO: Final = bits("volume_ratio")
_LEADER_RET: Final = bits("leader_ret_16s")
_TIMES: Final = bits("day_fraction", "to_close")
_PAIRED: Final = bits("leader_correlation")
_ZEROED: Final = ((1 << COUNT) - 1) & ~(_PAIRED | _LEADER_RET)  # what is not ready of these is still to be zeroed


_RET_1: Final = INDEX["ret_1s"]
_EMA_GAP_4: Final = INDEX["ema_gap_4s"]
_VOL_64: Final = INDEX["vol_64s"]
_SPREAD: Final = INDEX["spread"]
_MICRO_GAP: Final = INDEX["micro_gap"]
_OFI_4: Final = INDEX["ofi_4s"]
_TRADE_4: Final = INDEX["trade_imbalance_4s"]
_VWAP_GAP: Final = INDEX["vwap_gap"]
_TRADE_RATE: Final = INDEX["trade_rate_16s"]
_Z_64: Final = INDEX["z_64s"]
_CORRELATION: Final = INDEX["leader_correlation"]
_LEADER: Final = INDEX["leader_ret_16s"]
_DAY: Final = INDEX["day_fraction"]
_RSI: Final = INDEX["rsi_14"]


@njit(_void(STATE, _i8, _i8, _i8, _i8, _i8), cache=True, error_model="numpy")
def _take_bar(x: Any, ts_ns: int, first: int, high: int, low: int, last: int) -> None:
    """A five-second bar that ends at ts_ns; one that contradicts itself is left out."""
    if low > 0 and low <= first and first <= high and low <= last and last <= high:
        add_prices(x, ts_ns - 1, first, high, low, last)
        close_bars(x, ts_ns)


@njit(_void(STATE, STATE, MARKET_ROW, ROW_OF), cache=True, error_model="numpy")
def take_row(x: Any, y: Any, m: Any, r: Any) -> None:
    """Take row r, just applied to m by `apply_row`; x is its instrument's state, y the leader's (any without)."""
    ts_ns = r["ts_ns"]
    if ts_ns < x["open_ns"] or ts_ns >= x["close_ns"] or r["flags"] & SUSPICIOUS or r["kind"] == ALIVE:
        return
    if x["session_ns"] != x["open_ns"]:
        x["session_ns"] = x["open_ns"]
        forget_ticks(x)
        forget_bars(x)
    kind = r["kind"]
    if x["profile"] == PROFILE_BAR:
        # A bar row of the same time may still follow: it belongs to the minute that ends now.
        close_bars(x, ts_ns - 1)
        if kind == BAR and ts_ns > x["open_ns"]:
            _take_bar(x, ts_ns, r["bid_px_nanos"], r["ask_px_nanos"], r["bid_qty_nanos"], r["ask_qty_nanos"])
        return
    close_bars(x, ts_ns)
    if kind == QUOTE:
        if m["usable"]:
            take_quote(x, y, ts_ns, m["bid_px_nanos"], m["ask_px_nanos"], m["bid_qty_nanos"], m["ask_qty_nanos"])
    elif kind == PRINT and not r["flags"] & NOT_LAST and r["bid_px_nanos"] > 0 and r["bid_qty_nanos"] > 0:
        px = r["bid_px_nanos"]
        add_prices(x, ts_ns, px, px, px, px)
        take_print(x, ts_ns, px, r["bid_qty_nanos"], m["usable"])


@njit(UPDATE_SIGNATURE, cache=True, error_model="numpy")
def feature_update(X: Any, S: Any, rows: Any, k: int) -> None:
    """Take rows[k], which `apply_row` has just applied to S; its instrument is within the arrays. (Without a leader
    the index -1 names the last state, which is then not looked at.)
    """
    i = rows[k]["inst"]
    take_row(X[i], X[X[i]["leader"]], S[i], rows[k])


@njit(_i8(STATE, _i8, _i8), cache=True, error_model="numpy")
def _live(x: Any, usable: int, ts_ns: int) -> int:
    """1 if tick features can be told at a time: within their session, by a usable quote no older than a gap."""
    if usable == 0 or x["n"] == 0 or x["session_ns"] != x["open_ns"]:
        return 0
    if ts_ns < x["open_ns"] or ts_ns >= x["close_ns"] or ts_ns - x["quote_ts_ns"] > GAP_NS:
        return 0
    return 1


@njit(_i8(STATE, _i8, VALUES, _i8), cache=True, error_model="numpy")
def _emit_returns(x: Any, second: int, out: Any, base: int) -> int:
    """Features 1-5; the grid goes back to the second after the first."""
    mask = 0
    horizon = 1
    for at in range(_RET_1, _RET_1 + 5):
        out[base + at] = 0.0
        if second - horizon > x["first_second"]:
            out[base + at] = grid_return(x, second, horizon)
            mask |= 1 << at
        horizon *= 4
    return mask


@njit(_void(STATE, _f8, VALUES, _i8), cache=True, error_model="numpy")
def _emit_means(x: Any, keep_256: float, out: Any, base: int) -> None:
    """Features 6-9, 12-20, 29, 30, as they stand after a pause that keeps `keep_256` of the 256-s past (1 = none)."""
    keep_64 = fourth(keep_256)
    keep_16 = fourth(keep_64)
    keep_4 = fourth(keep_16)
    mid = x["mid"]
    bp = 1e4 / mid
    out[base + _EMA_GAP_4] = keep_4 * (mid - x["ema_4"]) * bp
    out[base + _EMA_GAP_4 + 1] = keep_16 * (mid - x["ema_16"]) * bp
    away_64 = mid - x["ema_64"]
    away_256 = mid - x["ema_256"]
    out[base + _EMA_GAP_4 + 2] = keep_64 * away_64 * bp
    out[base + _EMA_GAP_4 + 3] = keep_256 * away_256 * bp
    var_64 = keep_64 * (x["var_64"] + (1.0 - keep_64) * away_64 * away_64)
    var_256 = keep_256 * (x["var_256"] + (1.0 - keep_256) * away_256 * away_256)
    out[base + _Z_64] = keep_64 * away_64 * bp / max(math.sqrt(var_64) * bp, SD_FLOOR_BP)
    out[base + _Z_64 + 1] = keep_256 * away_256 * bp / max(math.sqrt(var_256) * bp, SD_FLOOR_BP)
    spread, imbalance, depth = x["spread"], x["imbalance"], x["depth"]
    out[base + _SPREAD] = spread
    out[base + _SPREAD + 1] = spread / (spread + keep_256 * (x["spread_256"] - spread))
    out[base + _MICRO_GAP] = spread * imbalance * 0.5
    out[base + _MICRO_GAP + 1] = imbalance
    out[base + _MICRO_GAP + 2] = imbalance + keep_4 * (x["imbalance_4"] - imbalance)
    out[base + _MICRO_GAP + 3] = imbalance + keep_64 * (x["imbalance_64"] - imbalance)
    out[base + _OFI_4] = keep_4 * x["ofi_4"] / (depth + keep_4 * (x["depth_4"] - depth))
    out[base + _OFI_4 + 1] = keep_16 * x["ofi_16"] / (depth + keep_16 * (x["depth_16"] - depth))
    out[base + _OFI_4 + 2] = keep_64 * x["ofi_64"] / (depth + keep_64 * (x["depth_64"] - depth))


@njit(_void(STATE, _f8, VALUES, _i8), cache=True, error_model="numpy")
def _emit_trades(x: Any, keep_256: float, out: Any, base: int) -> None:
    """Features 21-28."""
    keep_16 = fourth(fourth(keep_256))
    out[base + _TRADE_4] = x["signed_4"] / x["volume_4"] if x["volume_4"] > 0.0 else 0.0
    out[base + _TRADE_4 + 1] = x["signed_16"] / x["volume_16"] if x["volume_16"] > 0.0 else 0.0
    out[base + _TRADE_4 + 2] = x["signed_64"] / x["volume_64"] if x["volume_64"] > 0.0 else 0.0
    mid = x["mid"]
    bp = 1e4 / mid
    out[base + _VWAP_GAP] = (mid - x["session_traded"] / x["session_qty"]) * bp
    out[base + _VWAP_GAP + 1] = (mid - x["traded_256"] / x["volume_256"]) * bp
    span_16 = (1.0 - keep_16 * (1.0 - x["span_16"])) * 16.0
    span_256 = (1.0 - keep_256 * (1.0 - x["span_256"])) * 256.0
    per_s = keep_16 / span_16
    out[base + _TRADE_RATE] = x["prints_16"] * per_s
    out[base + _TRADE_RATE + 1] = x["quotes_16"] * per_s
    out[base + _TRADE_RATE + 2] = x["volume_16"] * per_s * span_256 / (keep_256 * x["volume_256"])


@njit(_i8(STATE, _i8), cache=True, error_model="numpy")
def _warm(x: Any, age_ns: int) -> int:
    """Which tick features are ready `age_ns` after the start; but for returns, the grid's and the leader's."""
    mask = _AT_ONCE
    if x["session_qty"] > 0.0:
        mask |= _VWAP
    if age_ns >= 4 * SECOND_NS:
        mask |= _WARM_4
    if age_ns >= 16 * SECOND_NS:
        mask |= _WARM_16
    if age_ns >= 64 * SECOND_NS:
        mask |= _WARM_64
    if age_ns >= 256 * SECOND_NS:
        mask |= _WARM_256
        if x["spread_256"] > 0.0:
            mask |= _SPREAD_RATIO
        if x["volume_256"] > 0.0:
            mask |= _VWAP_256 | _VOLUME_RATIO
    return mask


@njit(_i8(STATE, STATE, _i8, _i8, VALUES, _i8), cache=True, error_model="numpy")
def _emit_ticks(x: Any, y: Any, led: int, ts_ns: int, out: Any, base: int) -> int:
    """Features 1-32 of an instrument whose quote holds; `led` = it has a leader whose quote holds, and that is y."""
    keep_256 = 1.0
    if ts_ns > x["ts_ns"]:
        keep_256 = keep_of((ts_ns - x["ts_ns"]) * PER_HORIZON)
    second = ts_ns // SECOND_NS
    _emit_means(x, keep_256, out, base)
    _emit_trades(x, keep_256, out, base)
    mask = _emit_returns(x, second, out, base) | _warm(x, ts_ns - x["start_ts_ns"]) | x["second_mask"]
    out[base + _VOL_64] = x["vol_64"]
    out[base + _VOL_64 + 1] = x["vol_256"]
    out[base + _CORRELATION] = x["correlation"] if x["second_mask"] & _PAIRED else 0.0
    out[base + _LEADER] = 0.0
    if led and second - 16 > y["first_second"]:
        out[base + _LEADER] = grid_return(y, second, 16)
        mask |= _LEADER_RET
    return mask


@njit(_i8(STATE, STATE, _i8, _i8, _i8, VALUES, _i8), cache=True, error_model="numpy")
def emit_row(x: Any, y: Any, usable: int, leader_usable: int, ts_ns: int, out: Any, base: int) -> int:
    """All features of state x with leader y into out[base : base + COUNT]; returns the mask."""
    mask = 0
    if x["profile"] != PROFILE_BAR and _live(x, usable, ts_ns):
        led = 1 if x["leader"] >= 0 and _live(y, leader_usable, ts_ns) else 0
        mask = _emit_ticks(x, y, led, ts_ns, out, base)
    if ts_ns >= x["open_ns"] and ts_ns < x["close_ns"]:
        mask |= _TIMES
        out[base + _DAY] = (ts_ns - x["open_ns"]) / (x["close_ns"] - x["open_ns"])
        out[base + _DAY + 1] = min((x["close_ns"] - ts_ns) * PER_MINUTE, CLOSE_MINUTES_MAX)
        if x["session_ns"] == x["open_ns"]:
            mask |= x["bar_mask"]
            out[base + _RSI] = x["rsi_14"]
            out[base + _RSI + 1] = x["macd_histogram"]
            out[base + _RSI + 2] = x["bollinger_position"]
            out[base + _RSI + 3] = x["atr_14"]
            out[base + _RSI + 4] = x["parkinson_20"]
            out[base + _RSI + 5] = x["garman_klass_20"]
    if mask & _ZEROED != _ZEROED:
        for at in range(COUNT):
            if not mask >> at & 1:
                out[base + at] = 0.0
    return mask


@njit(EMIT_SIGNATURE, cache=True, error_model="numpy")
def feature_emit(X: Any, S: Any, i: int, ts_ns: int, out: Any) -> int:
    """Write all COUNT features of instrument i at ts_ns, which is not before its last row, to `out`; returns the
    readiness mask (bit j = feature j). State is only read.
    """
    leader = X[i]["leader"]
    return emit_row(X[i], X[leader], S[i]["usable"], S[leader]["usable"], ts_ns, out, 0)


@njit(EXTERNAL_SIGNATURE, cache=True, error_model="numpy")
def external_emit(E: Any, i: int, ts_ns: int, out: Any, at: int) -> int:
    """Write the external features of instrument i to out[at:]; returns their mask (bit j = column j). One that never
    came, is older than its limit or is no finite float32 is not ready: bit 0, value 0.0.
    """
    mask = 0
    for j in range(E.shape[1]):
        value = np.float32(E[i, j]["value"])
        out[at + j] = 0.0
        if E[i, j]["as_of_ns"] > 0 and ts_ns - E[i, j]["as_of_ns"] <= E[i, j]["age_ns_max"] and np.isfinite(value):
            out[at + j] = value
            mask |= 1 << j
    return mask


@njit(STEP_SIGNATURE, cache=True, error_model="numpy")
def feature_step(S: Any, X: Any, rows: Any, k: int) -> None:
    """Apply rows[k] to market and features."""
    apply_row(S[rows[k]["inst"]], rows[k])
    feature_update(X, S, rows, k)


@njit(MATRIX_SIGNATURE, cache=True, error_model="numpy")
def feature_matrix(
    rows: Any, lo: int, hi: int, S: Any, X: Any, every_ns: int, due: Any, out: Any, masks: Any, at: Any, count: Any
) -> int:
    """Step rows[lo:hi] and emit on usable quotes within the session, per instrument no sooner than `every_ns` after
    the last time (0 = on each). Row `at[c]` of the block gave out[c] and masks[c], c < count[0].

    Returns the first row not stepped: below `hi` only when `out` is full. `due[i]` is carried from block to block.
    The caller has checked that instruments are within the arrays and that `out` has COUNT columns.
    """
    written = 0
    room = out.shape[0]
    flat = out.reshape(room * COUNT)
    for k in range(lo, hi):
        if written == room:
            count[0] = written
            return k
        r = rows[k]
        i = r["inst"]
        x = X[i]
        leader = x["leader"]
        apply_row(S[i], r)
        take_row(x, X[leader], S[i], r)
        if r["kind"] != QUOTE or r["flags"] & SUSPICIOUS or S[i]["usable"] == 0:
            continue
        ts_ns = r["ts_ns"]
        if ts_ns < due[i] or ts_ns < x["open_ns"] or ts_ns >= x["close_ns"]:
            continue
        masks[written] = emit_row(x, X[leader], S[i]["usable"], S[leader]["usable"], ts_ns, flat, written * COUNT)
        at[written] = k
        written += 1
        due[i] = ts_ns + every_ns
    count[0] = written
    return hi
