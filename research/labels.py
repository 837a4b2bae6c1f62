"""What a model is to predict: how the mid moves after a sample, and when that is known. Compiled; knows paths of mids
and times, no feature.

A path is one instrument's usable mids in time order, rows of equal time merged to one bar (high, low, close): what
happens within one moment has no order. A label never looks past its session's close: a sample whose horizon ends later
has none, and its end is 0.
"""

from typing import Any, Final

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

BP: Final = 1e4
_i8, _f8 = types.int64, types.float64
_ints, _floats = types.Array(types.int64, 1, "C"), types.Array(types.float64, 1, "C")

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@njit(_i8(_ints, _floats, _ints, _floats, _floats, _floats), cache=True, error_model="numpy")
def path_bars(ts: Any, mids: Any, out_ts: Any, high: Any, low: Any, close: Any) -> int:
    """Merge mids of equal time into bars; returns how many there are."""
    n = -1
    for k in range(len(ts)):
        if n < 0 or ts[k] != out_ts[n]:
            n += 1
            out_ts[n] = ts[k]
            high[n] = low[n] = mids[k]
        high[n] = max(high[n], mids[k])
        low[n] = min(low[n], mids[k])
        close[n] = mids[k]
    return n + 1


@njit(types.void(_ints, _floats, _ints, _floats, _i8, _ints, _floats, _ints), cache=True, error_model="numpy")
def fixed_horizon(
    ts: Any, close: Any, at_ts: Any, at_mid: Any, horizon_ns: int, until_ns: Any, move_bp: Any, end_ns: Any
) -> None:
    """The move from each sample's mid to the mid that holds `horizon_ns` later. `at_ts` ascending, `until_ns` the
    session's close for each.
    """
    j = 0
    for k in range(len(at_ts)):
        end = at_ts[k] + horizon_ns
        if end >= until_ns[k]:
            move_bp[k], end_ns[k] = 0.0, 0
            continue
        while j + 1 < len(ts) and ts[j + 1] <= end:
            j += 1
        move_bp[k] = BP * (close[j] - at_mid[k]) / at_mid[k]
        end_ns[k] = end


@njit(
    types.void(_ints, _floats, _floats, _floats, _ints, _floats, _i8, _f8, _f8, _ints, _floats, _ints, _ints),
    cache=True,
    error_model="numpy",
)
def triple_barrier(
    ts: Any, high: Any, low: Any, close: Any, at_ts: Any, at_mid: Any, horizon_ns: int, take_bp: float, stop_bp: float,
    until_ns: Any, move_bp: Any, end_ns: Any, touched: Any,
) -> None:  # fmt: skip
    """First touch of mid + take, mid - stop, or the end of the horizon: 1, -1 or 0 in `touched`. Both in one bar is a
    loss: the order within it is not known. A touch counts at the barrier, the end at the mid that holds.
    """
    first = 0
    for k in range(len(at_ts)):
        end = at_ts[k] + horizon_ns
        move_bp[k], end_ns[k], touched[k] = 0.0, 0, 0
        if end >= until_ns[k]:
            continue
        while first < len(ts) and ts[first] <= at_ts[k]:
            first += 1
        upper = at_mid[k] * (1.0 + take_bp / BP)
        lower = at_mid[k] * (1.0 - stop_bp / BP)
        j = first
        end_ns[k] = end
        while j < len(ts) and ts[j] <= end:
            if low[j] <= lower:
                move_bp[k], end_ns[k], touched[k] = -stop_bp, ts[j], -1
                break
            if high[j] >= upper:
                move_bp[k], end_ns[k], touched[k] = take_bp, ts[j], 1
                break
            j += 1
        if touched[k] == 0 and j > 0:
            move_bp[k] = BP * (close[j - 1] - at_mid[k]) / at_mid[k]


@njit(types.void(_ints, _ints, _floats), cache=True, error_model="numpy")
def uniqueness(first: Any, last: Any, weight: Any) -> None:
    """Mean over each label's span [first, last], in steps 0, 1, 2 …, of one over the labels that hold there."""
    steps = 0
    for k in range(len(first)):
        steps = max(steps, last[k] + 1)
    share = np.zeros(steps + 1)
    for k in range(len(first)):
        share[first[k]] += 1.0
        share[last[k] + 1] -= 1.0
    holding = 0.0
    total = np.zeros(steps + 1)
    for step in range(steps):
        holding += share[step]
        total[step + 1] = total[step] + (1.0 / holding if holding > 0.5 else 0.0)
    for k in range(len(first)):
        weight[k] = (total[last[k] + 1] - total[first[k]]) / (last[k] + 1 - first[k])


def uniqueness_weights(start_ns: Ints, end_ns: Ints) -> Floats:
    """Uniqueness of labels whose samples start in ascending order: steps are the samples' own times."""
    times = start_ns[np.append(True, start_ns[1:] != start_ns[:-1])]
    first = np.searchsorted(times, start_ns)
    last = np.maximum(np.searchsorted(times, end_ns, side="right") - 1, first)
    weight = np.empty(len(start_ns))
    uniqueness(first, last, weight)
    return weight
