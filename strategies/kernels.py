"""All compiled strategy code and the drivers that run it: features of every (instrument, slot), one step per row.

Live (`quote_row`, `step_row`) and batch (`run_rows`) call the SAME step, so offline equals online bit for bit. One
module, because numba's cache watches only the file of the function it compiled: the shell names the cache directory by
a digest of `KERNEL_MODULES`, and `assert_live_equals_batch` runs at start. It knows no order, position or clock.

No `exp` of the C library (its last bit differs between CPUs), no fastmath, no parallel. Comments are measurements.
"""

import math
from typing import Any, Final

import numpy as np
from numba import from_dtype, njit, types
from numba.np.numpy_support import as_dtype

from core.errors import Bug
from core.market import MARKET, apply_row, new_market
from core.rows import PRINT, QUOTE, ROW, SUSPICIOUS
from strategies.decay import exp_minus

# Every module whose functions are compiled into the kernels below.
KERNEL_MODULES: Final = ("core.market", "strategies.decay", "strategies.kernels")

DECIDE: Final = 1  # some slot of the instrument asks for a decision
WATCHED: Final = 2  # a venue or reader wants this row
BAD_ROW: Final = -1  # instrument outside the arrays: nothing was touched

FOREVER_NS: Final = (1 << 63) - 1

# All fields are eight bytes wide: Python reads them one by one through two memoryviews.
FEATURE: Final = np.dtype(
    [
        ("enabled", np.int64),  # the slot's strategy trades this instrument
        ("n", np.int64),  # usable quotes since the (re)start
        ("start_ts_ns", np.int64),  # first of them
        ("ts_ns", np.int64),  # last of them
        ("mid_nanos", np.float64),  # mid of the last usable quote
        ("mean_nanos", np.float64),  # exponentially weighted mean of the mid over event time
        ("var_nanos2", np.float64),  # and its variance
        ("z", np.float64),  # (mid - mean) / max(sd, sd_floor)
        ("side", np.int64),  # side the strategy stands on: -1, 0, 1; written by the strategy
        ("asked", np.int64),  # 1 from the wake-up until the strategy answered
        ("asks", np.int64),
        ("next_decision_ns", np.int64),
        ("from_ns", np.int64),  # decisions only within [from, until)
        ("until_ns", np.int64),
        ("tau_ns", np.float64),
        ("enter", np.float64),
        ("leave", np.float64),
        ("sd_floor_nanos", np.float64),
        ("short_side", np.int64),  # -1 = may go short, 0 = long only
        ("cadence_ns", np.int64),
        ("warm_ns", np.int64),
        ("n_min", np.int64),
        ("gap_ns", np.int64),  # a longer silence starts the features over
    ]
)
FEATURE_FIELDS: Final = len(FEATURE.names or ())
FEATURE_INDEX: Final = {name: at for at, name in enumerate(FEATURE.names or ())}

_feature_record = from_dtype(FEATURE)


@njit(
    types.int64(types.float64, types.int64, types.float64, types.float64, types.int64), cache=True, error_model="numpy"
)
def wanted_side(z: float, side: int, enter: float, leave: float, short_side: int) -> int:
    """Mean reversion with hysteresis: enter against a deviation of `enter`, hold until it is back within `leave`."""
    if z <= -enter:
        return 1
    if z >= enter:
        return short_side
    if (side > 0 and z <= -leave) or (side < 0 and z >= leave):
        return side
    return 0


@njit(types.void(_feature_record, types.int64, types.float64), cache=True, error_model="numpy")
def update_feature(f: Any, ts_ns: int, mid: float) -> None:
    """Take a usable mid. The past decays towards the PREVIOUS mid, which held until now; at dt = 0 nothing decays.

    With weight a = 1 - exp(-dt / tau): mean += a d, var = (1 - a)(var + a d^2), d = previous mid - mean; the exact
    moments of the time-weighted mixture, so that a repeated quote changes nothing but the last bits.
    """
    dt = ts_ns - f["ts_ns"]
    if f["n"] == 0 or dt > f["gap_ns"]:
        f["n"] = 0
        f["start_ts_ns"] = ts_ns
        f["mean_nanos"] = mid
        f["var_nanos2"] = 0.0
    elif dt > 0:
        keep = exp_minus(dt / f["tau_ns"])
        weight = 1.0 - keep
        away = f["mid_nanos"] - f["mean_nanos"]
        f["mean_nanos"] += weight * away
        f["var_nanos2"] = keep * (f["var_nanos2"] + weight * away * away)
    f["n"] += 1
    f["ts_ns"] = ts_ns
    f["mid_nanos"] = mid
    sd = math.sqrt(f["var_nanos2"])
    if sd < f["sd_floor_nanos"]:
        sd = f["sd_floor_nanos"]
    f["z"] = (mid - f["mean_nanos"]) / sd


@njit(types.int64(_feature_record, types.int64), cache=True, error_model="numpy")
def ask(f: Any, ts_ns: int) -> int:
    """1 if the slot wants another side and may say so now. Asking moves the next chance by the cadence whatever the
    answer, so a strategy that is blocked is not woken on every row.
    """
    if ts_ns < f["next_decision_ns"] or ts_ns < f["from_ns"] or ts_ns >= f["until_ns"]:
        return 0
    if f["n"] < f["n_min"] or ts_ns - f["start_ts_ns"] < f["warm_ns"]:
        return 0
    if wanted_side(f["z"], f["side"], f["enter"], f["leave"], f["short_side"]) == f["side"]:
        return 0
    f["asked"] = 1
    f["asks"] += 1
    f["next_decision_ns"] = ts_ns + f["cadence_ns"]
    return DECIDE


_i8 = types.int64
_markets = types.Array(from_dtype(MARKET), 1, "C")
_features = types.Array(_feature_record, 2, "C")
_watch = types.Array(types.int64, 1, "C")
_rows = types.Array(from_dtype(ROW), 1, "C")
STEP_SIGNATURE: Final = _i8(_markets, _features, _watch, _rows, _i8)
RUN_SIGNATURE: Final = _i8(_markets, _features, _watch, _rows, _i8, _i8, _i8, _watch)
QUOTE_SIGNATURE: Final = _i8(_markets, _features, _watch, _rows, *(_i8,) * 10)


@njit(STEP_SIGNATURE, cache=True, error_model="numpy")
def step_row(S: Any, F: Any, W: Any, rows: Any, k: int) -> int:
    """Apply rows[k] to market and features; returns its code. S[inst], F[inst, slot], W[inst]."""
    i = rows[k]["inst"]
    if i < 0 or i >= S.shape[0]:
        return BAD_ROW
    apply_row(S[i], rows[k])
    code = 0
    if W[i] > 0:
        code = WATCHED
    if rows[k]["kind"] != QUOTE or rows[k]["flags"] & SUSPICIOUS or S[i]["usable"] == 0:
        return code
    ts_ns = rows[k]["ts_ns"]
    mid = (S[i]["bid_px_nanos"] + S[i]["ask_px_nanos"]) * 0.5
    for slot in range(F.shape[1]):
        if F[i, slot]["enabled"]:
            update_feature(F[i, slot], ts_ns, mid)
            code |= ask(F[i, slot], ts_ns)
    return code


@njit(RUN_SIGNATURE, cache=True, error_model="numpy")
def run_rows(S: Any, F: Any, W: Any, rows: Any, lo: int, hi: int, stop_ts_ns: int, out: Any) -> int:
    """Step rows[lo:hi] until one has a code (it is applied) or is at or past the stop (it is not). Returns the first
    row not applied; out[0] is the last applied row's code.
    """
    out[0] = 0
    for k in range(lo, hi):
        if rows[k]["ts_ns"] >= stop_ts_ns:
            return k
        code = step_row(S, F, W, rows, k)
        if code != 0:
            out[0] = code
            return k if code == BAD_ROW else k + 1
    return hi


@njit(types.void(_rows, *(_i8,) * 10), cache=True, error_model="numpy")
def put_row(
    B: Any, n: int, ts_ns: int, exchange_ts_ns: int, inst: int, kind: int, flags: int,
    bid_px_nanos: int, ask_px_nanos: int, bid_qty_nanos: int, ask_qty_nanos: int,
) -> None:  # fmt: skip
    """Write a row into the row buffer at B[n]."""
    r = B[n]
    r["ts_ns"] = ts_ns
    r["exchange_ts_ns"] = exchange_ts_ns
    r["inst"] = inst
    r["kind"] = kind
    r["flags"] = flags
    r["bid_px_nanos"] = bid_px_nanos
    r["ask_px_nanos"] = ask_px_nanos
    r["bid_qty_nanos"] = bid_qty_nanos
    r["ask_qty_nanos"] = ask_qty_nanos


@njit(QUOTE_SIGNATURE, cache=True, error_model="numpy")
def quote_row(
    S: Any, F: Any, W: Any, B: Any, n: int, ts_ns: int, exchange_ts_ns: int, inst: int, kind: int, flags: int,
    bid_px_nanos: int, ask_px_nanos: int, bid_qty_nanos: int, ask_qty_nanos: int,
) -> int:  # fmt: skip
    """Write a row into the row buffer at B[n] and step it."""
    put_row(B, n, ts_ns, exchange_ts_ns, inst, kind, flags, bid_px_nanos, ask_px_nanos, bid_qty_nanos, ask_qty_nanos)
    return step_row(S, F, W, B, n)


def new_features(instruments: int, slots: int) -> Any:
    """Feature state, shape (instruments, slots): nothing enabled, nothing seen."""
    features = np.zeros((instruments, slots), FEATURE)
    features["tau_ns"] = 1.0
    features["until_ns"] = FOREVER_NS
    return features


def bind(kernel: Any, signature: Any, *arrays: Any) -> Any:
    """The raw entry point of a kernel: half the cost of the dispatcher. It looks at dtypes only, so everything else is
    asserted here, once, on the arrays it will be called with: dimensions, layout, writability.
    """
    expected = [argument for argument in signature.args if isinstance(argument, types.Array)]
    assert len(arrays) == len(expected), f"{len(arrays)} arrays for {len(expected)} arguments"
    for array, argument in zip(arrays, expected, strict=True):
        assert array.ndim == argument.ndim, f"{array.ndim} dimensions where the kernel has {argument.ndim}"
        wanted = argument.dtype.dtype if isinstance(argument.dtype, types.Record) else as_dtype(argument.dtype)
        assert array.dtype == wanted, f"{array.dtype} does not fit the kernel"
        assert array.flags.c_contiguous, "one contiguous block"
        assert array.flags.writeable, "a read-only array matches no explicit signature"
    return kernel.overloads[signature.args].entry_point


_CHECK_ROWS: Final = 1000


def assert_live_equals_batch(rows: int = _CHECK_ROWS) -> None:
    """Start-up check against stale compiled code: the same rows through the live entry, the single
    step and the batch must leave equal bytes. Raises Bug.
    """
    tape = check_rows(rows)
    states = [_state_after(tape, mode) for mode in ("quote", "step", "run")]
    if not states[0] == states[1] == states[2]:
        raise Bug("live and batch kernels differ: clear the kernel cache (quantd warm) before trading")


def _state_after(tape: Any, mode: str) -> bytes:
    """Market and feature bytes after all rows of the check in one of the three ways."""
    S, F, W, B = new_market(2), check_features(), np.zeros(2, np.int64), np.zeros(1, ROW)
    out = np.zeros(1, np.int64)
    at = 0
    while at < len(tape):
        if mode == "run":
            at, code = run_rows(S, F, W, tape, at, len(tape), FOREVER_NS, out), int(out[0])
        else:
            code = step_row(S, F, W, tape, at) if mode == "step" else quote_row(S, F, W, B, 0, *numbers_of(tape[at]))
            at += 1
        if code == BAD_ROW:
            raise Bug("the kernels refuse a row of their own check")
    if len(tape) >= _CHECK_ROWS and not F["asks"].all():
        raise Bug("the kernel check never reached a decision: it would prove nothing")
    return S.tobytes() + F.tobytes()


def check_features() -> Any:
    """Two instruments with one plain slot each, made to decide often: for the start-up checks."""
    features = new_features(2, 1)
    for name, value in (("enabled", 1), ("tau_ns", 2e9), ("enter", 1.0), ("leave", 0.2), ("sd_floor_nanos", 1e6),
                        ("short_side", -1), ("n_min", 5), ("gap_ns", 10**12)):  # fmt: skip
        features[name] = value
    return features


def check_rows(count: int) -> Any:
    """A tape of quotes, prints and bad rows from a linear congruential generator (Numerical Recipes constants)."""
    rows = np.zeros(count, ROW)
    seed, mid, ts_ns = 1, 50_000_000_000, 10**18
    for k in range(count):
        seed = (seed * 1664525 + 1013904223) % (1 << 32)
        draw = seed >> 16
        ts_ns += (draw % 7) * 50_000_000
        mid += (draw % 5 - 2) * 10_000_000
        rows[k]["ts_ns"] = rows[k]["exchange_ts_ns"] = ts_ns
        rows[k]["inst"] = draw // 8 % 2
        rows[k]["kind"] = PRINT if draw % 11 == 0 else QUOTE
        rows[k]["flags"] = SUSPICIOUS if draw % 37 == 0 else 0
        rows[k]["bid_px_nanos"] = mid
        rows[k]["ask_px_nanos"] = mid + (-10_000_000 if draw % 41 == 0 else 10_000_000)
        rows[k]["bid_qty_nanos"] = rows[k]["ask_qty_nanos"] = 100_000_000_000
    return rows


def numbers_of(row: Any) -> tuple[int, ...]:
    """The fields of a row, as the live entry takes them."""
    return tuple(int(row[name]) for name in ROW.names or ())
