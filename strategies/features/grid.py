"""The second grid of an instrument: mids at whole UTC seconds, their squared returns, and pairs with the leader's.

A grid second is filled by the first usable quote at or past it; its mid is the one that held just before it, so what
comes later never changes it. Knows state rows only; no market row.
"""

import math
from typing import Any, Final

from numba import from_dtype, njit, types

from strategies.features.catalogue import GAP_NS, SECOND_NS, bits
from strategies.features.state import FEATURE_STATE, RING

STATES: Final = types.Array(from_dtype(FEATURE_STATE), 1, "C")
STATE: Final = from_dtype(FEATURE_STATE)

_SLOT: Final = RING - 1
assert RING & _SLOT == 0, "a power of two: the slot of a second is its low bits"
assert GAP_NS // SECOND_NS + 2 < RING, "a follower that lags by a whole gap still finds its leader's mids"

# exp(-1 / 64), exp(-1 / 256): correctly rounded, the same on every machine.
KEEP_64: Final = 0.9844964370054085
KEEP_256: Final = 0.9961013694701175
_VOL_64: Final = bits("vol_64s")
_VOL_256: Final = bits("vol_256s")
_CORRELATION: Final = bits("leader_correlation")


@njit(types.float64(STATE, types.int64), cache=True, error_model="numpy")
def mid_at(x: Any, second: int) -> float:
    """Mid at a grid second after `first_second` and at most RING - 1 before the last one filled."""
    if second > x["second"]:
        return x["mid"]
    return x["mids"][second & _SLOT]


@njit(types.float64(STATE, types.int64, types.int64), cache=True, error_model="numpy")
def grid_return(x: Any, second: int, horizon: int) -> float:
    """Mid that holds now over the mid at the grid second `horizon` before `second`, in bp."""
    before = mid_at(x, second - horizon)
    return (x["mid"] - before) / before * 1e4


@njit(types.void(STATE, STATE, types.int64, types.float64), cache=True, error_model="numpy")
def _take_pair(x: Any, y: Any, second: int, own: float) -> None:
    """Take a second's return together with the leader's, if it has one."""
    if y["n"] == 0 or second - 1 <= y["first_second"] or second * SECOND_NS - y["quote_ts_ns"] > GAP_NS:
        return
    before = mid_at(y, second - 1)
    other = (mid_at(y, second) - before) / before * 1e4
    x["pairs"] += 1
    x["pair_w"] = KEEP_256 * x["pair_w"] + 1.0
    x["pair_x"] = KEEP_256 * x["pair_x"] + own
    x["pair_y"] = KEEP_256 * x["pair_y"] + other
    x["pair_xx"] = KEEP_256 * x["pair_xx"] + own * own
    x["pair_yy"] = KEEP_256 * x["pair_yy"] + other * other
    x["pair_xy"] = KEEP_256 * x["pair_xy"] + own * other


@njit(types.void(STATE), cache=True, error_model="numpy")
def _settle(x: Any) -> None:
    """The features of the second cadence, once per filling."""
    mask = 0
    if x["returns"] >= 64:
        mask |= _VOL_64
        x["vol_64"] = math.sqrt(x["square_64"] / x["weight_64"])
    if x["returns"] >= 256:
        mask |= _VOL_256
        x["vol_256"] = math.sqrt(x["square_256"] / x["weight_256"])
    if x["pairs"] >= 256:
        w = x["pair_w"]
        xx = w * x["pair_xx"] - x["pair_x"] * x["pair_x"]
        yy = w * x["pair_yy"] - x["pair_y"] * x["pair_y"]
        if xx > 0.0 and yy > 0.0:
            mask |= _CORRELATION
            x["correlation"] = (w * x["pair_xy"] - x["pair_x"] * x["pair_y"]) / math.sqrt(xx * yy)
    x["second_mask"] = mask


@njit(types.void(STATE, STATE, types.int64), cache=True, error_model="numpy")
def close_seconds(x: Any, y: Any, second: int) -> None:
    """Fill the grid up to and with `second`; the caller has seen that it lies ahead, by a gap at the most. y is the
    leader's state, or any if there is none.
    """
    leader = x["leader"]
    while x["second"] < second:
        at = x["second"] + 1
        x["mids"][at & _SLOT] = x["mid"]
        x["second"] = at
        if at - 1 > x["first_second"]:
            before = x["mids"][(at - 1) & _SLOT]
            own = (x["mid"] - before) / before * 1e4
            x["returns"] += 1
            x["weight_64"] = KEEP_64 * x["weight_64"] + 1.0
            x["square_64"] = KEEP_64 * x["square_64"] + own * own
            x["weight_256"] = KEEP_256 * x["weight_256"] + 1.0
            x["square_256"] = KEEP_256 * x["square_256"] + own * own
            if leader >= 0:
                _take_pair(x, y, at, own)
    _settle(x)


@njit(types.void(STATE, types.int64), cache=True, error_model="numpy")
def start_grid(x: Any, second: int) -> None:
    """Forget the grid: the first mid comes within `second`."""
    x["second"] = second
    x["first_second"] = second
    x["returns"] = 0
    x["weight_64"] = 0.0
    x["square_64"] = 0.0
    x["weight_256"] = 0.0
    x["square_256"] = 0.0
    x["pairs"] = 0
    x["pair_w"] = 0.0
    x["pair_x"] = 0.0
    x["pair_y"] = 0.0
    x["pair_xx"] = 0.0
    x["pair_yy"] = 0.0
    x["pair_xy"] = 0.0
    x["second_mask"] = 0
