"""Features and mids of a tape once a second through its sessions, by the trader's own kernels.

A grid of its own, not the quotes of the tape: two profiles of one market are then seen at the same moments, and a
difference between them is the profile's. A moment sees every row received until then, itself included. Knows no label
beyond the mids, and no model.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from broker.feeds.columns import Rows
from core.market import new_market
from core.units import NANO
from strategies.features.catalogue import COUNT
from strategies.features.grid import STATES
from strategies.features.kernels import INTEGERS, MARKETS, ROWS, feature_emit, feature_step
from strategies.features.state import new_feature_state, set_session

STEP_NS: Final = NANO

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_values = types.Array(types.float32, 3, "C")
_masks = types.Array(types.int64, 2, "C")
_mids = types.Array(types.float64, 2, "C")


class Day(NamedTuple):
    """One session on the grid; the first axis is the moment, the second the instrument."""

    ts_ns: Ints
    values: NDArray[np.float32]  # [moment, instrument, feature of the catalogue]
    masks: Ints  # which were ready
    mids: Floats  # in nanos; NaN without a usable quote

    def ready(self, inst: int, feature: int) -> NDArray[np.bool_]:
        """The moments at which a feature could be told."""
        found: NDArray[np.bool_] = (self.masks[:, inst] >> feature & 1).astype(np.bool_)
        return found

    def moves_bp(self, inst: int, seconds: int) -> Floats:
        """From each moment's mid to the mid `seconds` later, basis points; NaN where there is none, or no later one."""
        mids = self.mids[:, inst]
        moves = np.full(len(mids), np.nan)
        moves[: len(mids) - seconds] = (mids[seconds:] / mids[: len(mids) - seconds] - 1.0) * 1e4
        return moves


@njit(types.int64(ROWS, INTEGERS, MARKETS, STATES, _values, _masks, _mids), cache=True, error_model="numpy")
def sample_grid(rows: Any, grid: Any, S: Any, X: Any, values: Any, masks: Any, mids: Any) -> int:
    """Step the rows up to each moment of the grid and emit for every instrument; returns how many rows were stepped."""
    k = 0
    for g in range(len(grid)):
        while k < len(rows) and rows[k]["ts_ns"] <= grid[g]:
            feature_step(S, X, rows, k)
            k += 1
        for i in range(len(S)):
            masks[g, i] = feature_emit(X, S, i, grid[g], values[g, i])
            mids[g, i] = np.nan
            if S[i]["usable"]:
                mids[g, i] = (S[i]["bid_px_nanos"] + S[i]["ask_px_nanos"]) * 0.5
    return k


def sample(
    rows: Rows, *, profile: int, leaders: Sequence[int], sessions: Sequence[tuple[int, int]], offset_ns: int = 0
) -> list[Day]:
    """A tape, as the profile serves it, each second of its sessions (open_ns, close_ns) from `offset_ns` after the open
    on; one `Day` per session, also for one without rows. `leaders[i]` is the leader of instrument i, -1 = none.
    """
    market, state = new_market(len(leaders)), new_feature_state(len(leaders), profile, leaders)
    days: list[Day] = []
    done = 0
    for open_ns, close_ns in sessions:
        for inst in range(len(leaders)):
            set_session(state, inst, open_ns, close_ns)
        grid = np.arange(open_ns + offset_ns, close_ns, STEP_NS, dtype=np.int64)
        day = Day(
            grid,
            np.zeros((len(grid), len(leaders), COUNT), np.float32),
            np.zeros((len(grid), len(leaders)), np.int64),
            np.zeros((len(grid), len(leaders))),
        )
        done += sample_grid(np.ascontiguousarray(rows[done:]), grid, market, state, day.values, day.masks, day.mids)
        days.append(day)
    return days
