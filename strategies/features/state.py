"""Feature state: one structured row per instrument, all fields eight bytes wide, rings nested. Owns the layout and the
start values; the kernels beside it are its only writers, but for the session and its bounds, which are set here.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from core.errors import Bug
from core.profiles import PROFILE_NAMES

FOREVER_NS: Final = (1 << 63) - 1
RING: Final = 512  # grid seconds kept: above 256 + GAP_NS in seconds would be wasted, 256 + 1 is needed
BARS: Final = 20  # closed bars kept

_i8, _f8 = np.int64, np.float64

FEATURE_STATE: Final = np.dtype(
    [
        ("profile", _i8),
        ("leader", _i8),  # instrument, -1 = none
        ("open_ns", _i8),  # the session as it is set: rows within [open, close) count
        ("close_ns", _i8),
        ("session_ns", _i8),  # open of the session that the state belongs to
        # ---- ticks: everything stands at ts_ns
        ("n", _i8),  # usable quotes since the start, 0 = not started
        ("start_ts_ns", _i8),
        ("ts_ns", _i8),
        ("quote_ts_ns", _i8),
        ("bid", _f8),  # the quote that holds; prices and sizes in nanos
        ("ask", _f8),
        ("bid_qty", _f8),
        ("ask_qty", _f8),
        ("mid", _f8),
        ("spread", _f8),  # bp
        ("imbalance", _f8),
        ("depth", _f8),
        ("ema_4", _f8),
        ("ema_16", _f8),
        ("ema_64", _f8),
        ("ema_256", _f8),
        ("var_64", _f8),
        ("var_256", _f8),
        ("spread_256", _f8),
        ("imbalance_4", _f8),
        ("imbalance_64", _f8),
        ("depth_4", _f8),
        ("depth_16", _f8),
        ("depth_64", _f8),
        ("ofi_4", _f8),
        ("ofi_16", _f8),
        ("ofi_64", _f8),
        ("signed_4", _f8),
        ("signed_16", _f8),
        ("signed_64", _f8),
        ("volume_4", _f8),
        ("volume_16", _f8),
        ("volume_64", _f8),
        ("volume_256", _f8),
        ("traded_256", _f8),  # price times quantity
        ("prints_16", _f8),
        ("quotes_16", _f8),
        ("span_16", _f8),  # 1 - exp(-age of the start / 16 s)
        ("span_256", _f8),
        # ---- prints of the session
        ("last_px", _f8),
        ("last_sign", _f8),
        ("session_qty", _f8),
        ("session_traded", _f8),
        # ---- the second grid
        ("second", _i8),  # last grid second filled
        ("first_second", _i8),  # the second of the start: its own grid mid does not exist
        ("returns", _i8),  # 1-s returns taken
        ("weight_64", _f8),
        ("square_64", _f8),
        ("weight_256", _f8),
        ("square_256", _f8),
        ("pairs", _i8),  # seconds taken with the leader
        ("pair_w", _f8),
        ("pair_x", _f8),
        ("pair_y", _f8),
        ("pair_xx", _f8),
        ("pair_yy", _f8),
        ("pair_xy", _f8),
        ("vol_64", _f8),
        ("vol_256", _f8),
        ("correlation", _f8),
        ("second_mask", _i8),  # which of the three can be computed
        # ---- one-minute bars
        ("bar_end_ns", _i8),  # of the bar in the making; FOREVER before the first print
        ("bar_prints", _i8),
        ("bar_open", _f8),
        ("bar_high", _f8),
        ("bar_low", _f8),
        ("bar_close", _f8),
        ("bars", _i8),  # closed
        ("close", _f8),  # of the last closed bar
        ("gain", _f8),
        ("loss", _f8),
        ("range", _f8),  # Wilder's mean true range
        ("fast", _f8),
        ("slow", _f8),
        ("signal", _f8),
        ("rsi_14", _f8),
        ("macd_histogram", _f8),
        ("bollinger_position", _f8),
        ("atr_14", _f8),
        ("parkinson_20", _f8),
        ("garman_klass_20", _f8),
        ("bar_mask", _i8),
        ("closes", _f8, (BARS,)),
        ("parkinsons", _f8, (BARS,)),
        ("garman_klasses", _f8, (BARS,)),
        ("mids", _f8, (RING,)),  # mid at grid second s, at s % RING
    ]
)

# Features from elsewhere, E[inst, j]: the last value, the time it is of (0 = none came), how old it may be.
EXTERNAL: Final = np.dtype([("value", _f8), ("as_of_ns", _i8), ("age_ns_max", _i8)])


def new_feature_state(instruments: int, profile: int, leaders: Sequence[int]) -> Any:
    """State of `instruments` rows with no session set: nothing is ready. `leaders[i]` is an instrument or -1.

    Raises Bug on a profile that does not exist or a leader outside the array, which a kernel would follow.
    """
    if profile not in PROFILE_NAMES:
        raise Bug(f"feed profile {profile} does not exist")
    if len(leaders) != instruments or any(not -1 <= leader < instruments for leader in leaders):
        raise Bug(f"leaders {tuple(leaders)} of {instruments} instruments: one index or -1 for each")
    state = np.zeros(instruments, FEATURE_STATE)
    state["profile"] = profile
    state["leader"] = leaders
    state["session_ns"] = -1
    state["bar_end_ns"] = FOREVER_NS
    return state


def new_external_state(instruments: int, count: int, age_ns_max: Sequence[int]) -> Any:
    """E[inst, j] without a value yet; `age_ns_max[j]` is the age limit of external feature j."""
    if len(age_ns_max) != count or any(limit <= 0 for limit in age_ns_max):
        raise Bug(f"age limits {tuple(age_ns_max)} of {count} external features: one above 0 for each")
    state = np.zeros((instruments, count), EXTERNAL)
    state["age_ns_max"] = age_ns_max
    return state


def set_session(X: Any, i: int, open_ns: int, close_ns: int) -> None:
    """The session of instrument i. State starts over with the first row in a session of another open; to set the same
    open again changes the close only.
    """
    if not 0 <= open_ns < close_ns:
        raise Bug(f"session of instrument {i} from {open_ns} to {close_ns}")
    X[i]["open_ns"] = open_ns
    X[i]["close_ns"] = close_ns
