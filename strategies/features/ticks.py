"""Tick features' state: event-time decay of what held, quotes and prints taken. Knows state rows only, no market row.

All sums and means of an instrument stand at one time, `ts_ns`: an event first lets the past decay towards the values
that held until it, then counts itself. The horizons are powers of 4, so one exp per event (256 s) gives all of them.
"""

from typing import Any, Final

from numba import njit, types

from strategies.decay import keep_of
from strategies.features.catalogue import GAP_NS, SECOND_NS
from strategies.features.grid import STATE, close_seconds, start_grid

PER_HORIZON: Final = 1.0 / (256.0 * SECOND_NS)
_void = types.void
_i8 = types.int64
_f8 = types.float64


@njit(_f8(_f8), cache=True, error_model="numpy")
def fourth(keep: float) -> float:
    """What a horizon four times shorter keeps."""
    square = keep * keep
    return square * square


@njit(_void(STATE, _i8), cache=True, error_model="numpy")
def _decay(x: Any, ts_ns: int) -> None:
    """Bring all means and sums to a later time; at the same time nothing decays."""
    if ts_ns <= x["ts_ns"]:
        return
    keep_256 = keep_of((ts_ns - x["ts_ns"]) * PER_HORIZON)
    keep_64 = fourth(keep_256)
    keep_16 = fourth(keep_64)
    keep_4 = fourth(keep_16)
    x["ts_ns"] = ts_ns
    mid = x["mid"]
    x["ema_4"] += (1.0 - keep_4) * (mid - x["ema_4"])
    x["ema_16"] += (1.0 - keep_16) * (mid - x["ema_16"])
    away = mid - x["ema_64"]
    x["ema_64"] += (1.0 - keep_64) * away
    x["var_64"] = keep_64 * (x["var_64"] + (1.0 - keep_64) * away * away)
    away = mid - x["ema_256"]
    x["ema_256"] += (1.0 - keep_256) * away
    x["var_256"] = keep_256 * (x["var_256"] + (1.0 - keep_256) * away * away)
    x["spread_256"] += (1.0 - keep_256) * (x["spread"] - x["spread_256"])
    x["imbalance_4"] += (1.0 - keep_4) * (x["imbalance"] - x["imbalance_4"])
    x["imbalance_64"] += (1.0 - keep_64) * (x["imbalance"] - x["imbalance_64"])
    x["depth_4"] += (1.0 - keep_4) * (x["depth"] - x["depth_4"])
    x["depth_16"] += (1.0 - keep_16) * (x["depth"] - x["depth_16"])
    x["depth_64"] += (1.0 - keep_64) * (x["depth"] - x["depth_64"])
    x["ofi_4"] *= keep_4
    x["ofi_16"] *= keep_16
    x["ofi_64"] *= keep_64
    x["signed_4"] *= keep_4
    x["signed_16"] *= keep_16
    x["signed_64"] *= keep_64
    x["volume_4"] *= keep_4
    x["volume_16"] *= keep_16
    x["volume_64"] *= keep_64
    x["volume_256"] *= keep_256
    x["traded_256"] *= keep_256
    x["prints_16"] *= keep_16
    x["quotes_16"] *= keep_16
    x["span_16"] += (1.0 - keep_16) * (1.0 - x["span_16"])
    x["span_256"] += (1.0 - keep_256) * (1.0 - x["span_256"])


@njit(_f8(STATE, _f8, _f8, _f8, _f8), cache=True, error_model="numpy")
def _order_flow(x: Any, bid: float, ask: float, bid_qty: float, ask_qty: float) -> float:
    """Order flow of one quote after another: demand gained at the bid less supply gained at the ask."""
    flow = 0.0
    if bid >= x["bid"]:
        flow += bid_qty
    if bid <= x["bid"]:
        flow -= x["bid_qty"]
    if ask <= x["ask"]:
        flow -= ask_qty
    if ask >= x["ask"]:
        flow += x["ask_qty"]
    return flow


@njit(_void(STATE, _f8, _f8, _f8, _f8), cache=True, error_model="numpy")
def _hold(x: Any, bid: float, ask: float, bid_qty: float, ask_qty: float) -> None:
    """The quote that holds from now on, and what follows from it alone."""
    mid = (bid + ask) * 0.5
    x["bid"] = bid
    x["ask"] = ask
    x["bid_qty"] = bid_qty
    x["ask_qty"] = ask_qty
    x["mid"] = mid
    x["spread"] = (ask - bid) / mid * 1e4
    x["imbalance"] = (bid_qty - ask_qty) / (bid_qty + ask_qty)
    x["depth"] = (bid_qty + ask_qty) * 0.5


@njit(_void(STATE, _i8), cache=True, error_model="numpy")
def _start(x: Any, ts_ns: int) -> None:
    """The quote that holds is the first: means stand on it, sums and spans are empty."""
    x["n"] = 0
    x["start_ts_ns"] = ts_ns
    x["ts_ns"] = ts_ns
    x["ema_4"] = x["ema_16"] = x["ema_64"] = x["ema_256"] = x["mid"]
    x["var_64"] = x["var_256"] = 0.0
    x["spread_256"] = x["spread"]
    x["imbalance_4"] = x["imbalance_64"] = x["imbalance"]
    x["depth_4"] = x["depth_16"] = x["depth_64"] = x["depth"]
    x["ofi_4"] = x["ofi_16"] = x["ofi_64"] = 0.0
    x["signed_4"] = x["signed_16"] = x["signed_64"] = 0.0
    x["volume_4"] = x["volume_16"] = x["volume_64"] = x["volume_256"] = 0.0
    x["traded_256"] = x["prints_16"] = x["quotes_16"] = x["span_16"] = x["span_256"] = 0.0
    start_grid(x, ts_ns // SECOND_NS)


@njit(_void(STATE, STATE, _i8, _f8, _f8, _f8, _f8), cache=True, error_model="numpy")
def take_quote(x: Any, y: Any, ts_ns: int, bid: float, ask: float, bid_qty: float, ask_qty: float) -> None:
    """A usable quote, prices and sizes in nanos; y is the leader's state."""
    if x["n"] == 0 or ts_ns - x["quote_ts_ns"] > GAP_NS:
        _hold(x, bid, ask, bid_qty, ask_qty)
        _start(x, ts_ns)
    else:
        second = ts_ns // SECOND_NS
        if second > x["second"]:
            close_seconds(x, y, second)
        _decay(x, ts_ns)
        flow = _order_flow(x, bid, ask, bid_qty, ask_qty)
        x["ofi_4"] += flow
        x["ofi_16"] += flow
        x["ofi_64"] += flow
        x["quotes_16"] += 1.0
        _hold(x, bid, ask, bid_qty, ask_qty)
    x["n"] += 1
    x["quote_ts_ns"] = ts_ns


@njit(_f8(STATE, _f8, _i8), cache=True, error_model="numpy")
def _sign(x: Any, px: float, quoted: int) -> float:
    """Buyer's trade 1, seller's -1, unknown 0. The tick test compares with the last other price of the session."""
    last = x["last_px"]
    if last > 0.0 and px != last:
        x["last_sign"] = 1.0 if px > last else -1.0
    x["last_px"] = px
    if quoted and px > x["mid"]:
        return 1.0
    if quoted and px < x["mid"]:
        return -1.0
    return x["last_sign"]


@njit(_void(STATE, _i8, _f8, _f8, _i8), cache=True, error_model="numpy")
def take_print(x: Any, ts_ns: int, px: float, qty: float, usable: int) -> None:
    """A print that may update last, in nanos; `usable` says whether the market's present quote is."""
    x["session_qty"] += qty
    x["session_traded"] += px * qty
    fresh = x["n"] > 0 and ts_ns - x["quote_ts_ns"] <= GAP_NS
    sign = _sign(x, px, 1 if fresh and usable else 0)
    if not fresh:
        return
    _decay(x, ts_ns)
    x["signed_4"] += sign * qty
    x["signed_16"] += sign * qty
    x["signed_64"] += sign * qty
    x["volume_4"] += qty
    x["volume_16"] += qty
    x["volume_64"] += qty
    x["volume_256"] += qty
    x["traded_256"] += px * qty
    x["prints_16"] += 1.0


@njit(_void(STATE), cache=True, error_model="numpy")
def forget_ticks(x: Any) -> None:
    """A new session: no quote holds, nothing was traded."""
    x["n"] = 0
    x["last_px"] = 0.0
    x["last_sign"] = 0.0
    x["session_qty"] = 0.0
    x["session_traded"] = 0.0
