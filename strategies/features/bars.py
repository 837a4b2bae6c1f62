"""One-minute bars of the session and the six features on closed ones. Knows state rows only, no market row.

A bar closes when the first row at or past its end comes. Bars begin with the minute of the session's first price; from
there on a minute without prints is a bar too: all four prices repeat the close before it.
"""

import math
from typing import Any, Final

from numba import njit, types

from strategies.decay import log_ratio
from strategies.features.catalogue import MINUTE_NS, bits
from strategies.features.grid import STATE
from strategies.features.state import BARS, FOREVER_NS

RSI_BARS: Final = 14
ATR_BARS: Final = 14
FAST_BARS: Final = 12
SLOW_BARS: Final = 26
SIGNAL_BARS: Final = 9
assert BARS == 20, "Bollinger, Parkinson and Garman-Klass look at the whole ring"

_LN2: Final = 0.6931471805599453
_RSI: Final = bits("rsi_14")
_MACD: Final = bits("macd_histogram")
_BOLLINGER: Final = bits("bollinger_position")
_ATR: Final = bits("atr_14")
_RANGES: Final = bits("parkinson_20", "garman_klass_20")
_void = types.void
_i8 = types.int64
_f8 = types.float64


@njit(_f8(_f8, _f8, _i8, _i8), cache=True, error_model="numpy")
def _wilder(mean: float, value: float, taken: int, bars: int) -> float:
    """Wilder's mean: plain up to `bars` values, then (mean (bars - 1) + value) / bars. `taken` counts this value."""
    if taken < bars:
        return mean + value  # the sum, until there are enough
    if taken == bars:
        return (mean + value) / bars
    return (mean * (bars - 1) + value) / bars


@njit(_f8(_f8, _f8, _i8, _i8, _i8), cache=True, error_model="numpy")
def _bar_mean(mean: float, value: float, taken: int, first: int, bars: int) -> float:
    """Exponential mean over bars, seeded by the plain mean of values first .. first + bars - 1 (counted from 1)."""
    if taken < first:
        return 0.0
    if taken < first + bars - 1:
        return mean + value
    if taken == first + bars - 1:
        return (mean + value) / bars
    return (value - mean) * (2.0 / (bars + 1)) + mean


@njit(_i8(STATE, _f8), cache=True, error_model="numpy")
def _momentum(x: Any, close: float) -> int:
    """RSI and MACD of the bar just counted; returns what of them is ready. `x["close"]` is still the one before."""
    n = x["bars"]
    mask = 0
    if n > 1:
        move = close - x["close"]
        x["gain"] = _wilder(x["gain"], move if move > 0.0 else 0.0, n - 1, RSI_BARS)
        x["loss"] = _wilder(x["loss"], -move if move < 0.0 else 0.0, n - 1, RSI_BARS)
        if n > RSI_BARS and x["gain"] + x["loss"] > 0.0:
            x["rsi_14"] = 100.0 * (x["gain"] / (x["gain"] + x["loss"]))
            mask |= _RSI
    # TA-Lib seeds the fast mean with the last 12 of the first 26 closes, so that both begin at one bar.
    x["fast"] = _bar_mean(x["fast"], close, n, SLOW_BARS - FAST_BARS + 1, FAST_BARS)
    x["slow"] = _bar_mean(x["slow"], close, n, 1, SLOW_BARS)
    if n >= SLOW_BARS:
        line = x["fast"] - x["slow"]
        x["signal"] = _bar_mean(x["signal"], line, n, SLOW_BARS, SIGNAL_BARS)
        if n >= SLOW_BARS + SIGNAL_BARS - 1:
            x["macd_histogram"] = (line - x["signal"]) / close * 1e4
            mask |= _MACD
    return mask


@njit(_i8(STATE), cache=True, error_model="numpy")
def _bands(x: Any) -> int:
    """Bollinger position, Parkinson and Garman-Klass over a full ring; returns what is ready."""
    mean = 0.0
    parkinson = 0.0
    garman_klass = 0.0
    for at in range(BARS):
        mean += x["closes"][at]
        parkinson += x["parkinsons"][at]
        garman_klass += x["garman_klasses"][at]
    mean /= BARS
    variance = 0.0
    for at in range(BARS):
        away = x["closes"][at] - mean
        variance += away * away
    x["parkinson_20"] = math.sqrt(parkinson / BARS) * 1e4
    x["garman_klass_20"] = math.sqrt(garman_klass / BARS) * 1e4
    width = 4.0 * math.sqrt(variance / BARS)
    if width <= 0.0:
        return _RANGES
    x["bollinger_position"] = (x["bar_close"] - mean) / width + 0.5
    return _RANGES | _BOLLINGER


@njit(_void(STATE), cache=True, error_model="numpy")
def _close_bar(x: Any) -> None:
    """Count the bar in the making and begin the next one, which repeats its close until a price comes."""
    close = x["bar_close"]
    high = x["bar_high"]
    low = x["bar_low"]
    x["bars"] += 1
    n = x["bars"]
    mask = _momentum(x, close)
    if n > 1:
        top = high if high > x["close"] else x["close"]
        bottom = low if low < x["close"] else x["close"]
        x["range"] = _wilder(x["range"], top - bottom, n - 1, ATR_BARS)
        if n > ATR_BARS:
            x["atr_14"] = x["range"] / close * 1e4
            mask |= _ATR
    span = log_ratio(high, low)
    drift = log_ratio(close, x["bar_open"])
    slot = n % BARS
    x["closes"][slot] = close
    x["parkinsons"][slot] = span * span / (4.0 * _LN2)
    x["garman_klasses"][slot] = 0.5 * span * span - (2.0 * _LN2 - 1.0) * drift * drift
    if n >= BARS:
        mask |= _bands(x)
    x["bar_mask"] = mask
    x["close"] = close
    x["bar_open"] = x["bar_high"] = x["bar_low"] = close
    x["bar_prints"] = 0
    x["bar_end_ns"] += MINUTE_NS


@njit(_void(STATE, _i8), cache=True, error_model="numpy")
def close_bars(x: Any, ts_ns: int) -> None:
    """Close every bar whose end is at or before a time."""
    while x["bar_end_ns"] <= ts_ns:
        _close_bar(x)


@njit(_void(STATE, _i8, _f8, _f8, _f8, _f8), cache=True, error_model="numpy")
def add_prices(x: Any, ts_ns: int, first: float, high: float, low: float, last: float) -> None:
    """Prices of one print (all four the same) or of one trade bar, within the session at ts_ns."""
    if x["bar_end_ns"] == FOREVER_NS:
        x["bar_end_ns"] = x["open_ns"] + ((ts_ns - x["open_ns"]) // MINUTE_NS + 1) * MINUTE_NS
    if x["bar_prints"] == 0:
        x["bar_open"] = first
        x["bar_high"] = high
        x["bar_low"] = low
    else:
        if high > x["bar_high"]:
            x["bar_high"] = high
        if low < x["bar_low"]:
            x["bar_low"] = low
    x["bar_close"] = last
    x["bar_prints"] += 1


@njit(_void(STATE), cache=True, error_model="numpy")
def forget_bars(x: Any) -> None:
    """A new session: no bar yet."""
    x["bar_end_ns"] = FOREVER_NS
    x["bar_prints"] = 0
    x["bars"] = 0
    x["gain"] = x["loss"] = x["range"] = 0.0
    x["fast"] = x["slow"] = x["signal"] = 0.0
    x["bar_mask"] = 0
