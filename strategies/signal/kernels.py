"""The compiled pass with features and signals: `strategies.kernels.step_row`, then the features' update, then, where a
score is due, all features and the model's own inputs. The score itself is the pipeline's: a model is no kernel.

Live (`quote_scored`, `step_scored`) and batch (`run_scored`) call the SAME step. Knows no model, order or clock.
"""

import math
from typing import Any, Final

import numpy as np
from numba import from_dtype, njit, types

from core.errors import Bug
from core.market import MARKET, new_market
from core.profiles import TBT
from core.rows import BAR_VOLUME, NOT_LAST, PRINT, QUOTE, ROW, SUSPICIOUS
from strategies.features.catalogue import COUNT as CATALOGUE_COUNT
from strategies.features.catalogue import INDEX
from strategies.features.kernels import feature_emit, feature_update
from strategies.features.state import EXTERNAL, FEATURE_STATE, new_external_state, new_feature_state, set_session
from strategies.kernels import (
    BAD_ROW,
    DECIDE,
    FEATURE,
    FOREVER_NS,
    check_features,
    check_rows,
    numbers_of,
    put_row,
    step_row,
)
from strategies.signal.state import (
    ASKED_STALE,
    COUNT,
    EXTERNAL_FROM,
    FIRST,
    INPUTS_MAX,
    NEEDED,
    ON_BAR,
    ON_PRINT,
    ON_QUOTE,
    SCORE,
    SIGNAL,
    new_signals,
    new_values,
    wanted_side,
)

_i8 = types.int64
_markets = types.Array(from_dtype(MARKET), 1, "C")
_features = types.Array(from_dtype(FEATURE), 2, "C")
_states = types.Array(from_dtype(FEATURE_STATE), 1, "C")
_signals = types.Array(from_dtype(SIGNAL), 2, "C")
_externals = types.Array(from_dtype(EXTERNAL), 2, "C")
_values = types.Array(types.float32, 2, "C")
_plans = types.Array(types.int64, 2, "C")
_ints = types.Array(types.int64, 1, "C")
_rows = types.Array(from_dtype(ROW), 1, "C")
# The arrays of one trader, in this order: S market, F features of the plain slots, W watch, X feature state, G signals,
# E features from outside, V values, M inputs of the models, out.
_world = (_markets, _features, _ints, _states, _signals, _externals, _values, _plans, _ints)
STEP_SIGNATURE: Final = _i8(*_world, _rows, _i8)
RUN_SIGNATURE: Final = _i8(*_world, _rows, _i8, _i8, _i8)
QUOTE_SIGNATURE: Final = _i8(*_world, _rows, *(_i8,) * 10)
_f8s = types.Array(types.float64, 1, "C")
# Besides the world: A inputs, T rows and instruments, L bands and C counts of the scores met on the way.
_ahead = (_values, types.Array(types.int64, 3, "C"), types.Array(types.float64, 3, "C"), _ints)
AHEAD_SIGNATURE: Final = _i8(*_world, _rows, *_ahead, _i8, _i8, _i8)

_BP: Final = 1e4
_VOLATILITY: Final = INDEX["vol_256s"]


@njit(types.int64(_externals, _values, _plans, _i8, _i8, _i8), cache=True, error_model="numpy")
def gather(E: Any, V: Any, M: Any, i: int, slot: int, ts_ns: int) -> int:
    """Copy a slot's inputs out of the whole emit; 0 when a feature from outside is missing or too old."""
    for at in range(M[slot, COUNT]):
        place = M[slot, FIRST + at]
        if place >= EXTERNAL_FROM:
            e = E[i, place - EXTERNAL_FROM]
            if e["as_of_ns"] <= 0 or ts_ns - e["as_of_ns"] > e["age_ns_max"]:
                return 0
            V[1 + slot, at] = e["value"]
        else:
            V[1 + slot, at] = V[0, place]
    return 1


@njit(types.void(from_dtype(SIGNAL), _i8), cache=True, error_model="numpy")
def set_band(g: Any, ts_ns: int) -> None:
    """The scores that leave the slot on its side. The hurdle is the cost of entering and of leaving again."""
    hurdle = g["cost_multiple"] * (g["half_spread_bp"] + g["fee_bp"]) * 2.0 + g["enter_bp"]
    g["hurdle_bp"] = hurdle
    g["low"], g["high"] = -hurdle, hurdle
    if g["side"] == 0:
        if g["short_side"] == 0:
            g["low"] = -math.inf
    elif ts_ns - g["since_ns"] < g["hold_ns"]:
        g["low"], g["high"] = -math.inf, math.inf
    elif g["side"] > 0:
        g["low"] = max(g["leave_bp"], -hurdle)
        g["high"] = math.inf
    else:
        g["low"] = -math.inf
        g["high"] = min(-g["leave_bp"], hurdle)


@njit(types.int64(from_dtype(MARKET), _rows, _i8, _i8), cache=True, error_model="numpy")
def trigger_of(m: Any, rows: Any, k: int, repeated: int) -> int:
    """What the row is to a signal: ON_QUOTE, ON_PRINT, ON_BAR or 0. `repeated` is the count of duplicates before it."""
    if rows[k]["flags"] & SUSPICIOUS or m["usable"] == 0 or m["halted"] != 0:
        return 0
    kind = rows[k]["kind"]
    if kind == QUOTE:
        return ON_QUOTE if m["duplicates"] == repeated else 0
    if kind == PRINT:
        if rows[k]["flags"] & NOT_LAST or rows[k]["bid_qty_nanos"] <= 0 or rows[k]["bid_px_nanos"] <= 0:
            return 0
        return ON_PRINT
    return ON_BAR if kind == BAR_VOLUME else 0


@njit(types.int64(from_dtype(SIGNAL)), cache=True, error_model="numpy")
def last_heard(g: Any) -> int:
    """When a side was last confirmed: by a score, by being taken, or by the opening of the session."""
    return max(g["scored_ns"], max(g["since_ns"], g["from_ns"]))


@njit(
    types.int64(_markets, _states, _signals, _externals, _values, _plans, _ints, _i8, _i8, _i8),
    cache=True,
    error_model="numpy",
)
def signal_due(
    S: Any, X: Any, G: Any, E: Any, V: Any, M: Any, out: Any, i: int, ts_ns: int, trigger: int
) -> int:  # fmt: skip
    """SCORE when a slot's inputs are all there and due: out[1] = instrument, out[2] = mask of slots. DECIDE when a side
    has had no score for too long. Features that are not ready ask nothing.
    """
    due = 0
    code = 0
    emitted = False
    ready = 0
    for slot in range(G.shape[1]):
        g = G[i, slot]
        if g["enabled"] == 0 or ts_ns < g["from_ns"] or ts_ns >= g["until_ns"]:
            continue
        if trigger & g["on"] and ts_ns >= g["next_ns"]:
            if not emitted:
                ready = feature_emit(X, S, i, ts_ns, V[0])
                emitted = True
            needed = M[slot, NEEDED]
            if (ready & needed) == needed and gather(E, V, M, i, slot, ts_ns):
                bid, ask = S[i]["bid_px_nanos"], S[i]["ask_px_nanos"]
                g["half_spread_bp"] = (ask - bid) / (ask + bid) * _BP
                g["volatility"] = V[0, _VOLATILITY]
                g["scored_ns"] = ts_ns
                g["scores"] += 1
                g["next_ns"] = ts_ns + g["cadence_ns"]
                set_band(g, ts_ns)
                due |= 1 << slot
                continue
        if g["side"] != 0 and g["stale_ns"] > 0 and ts_ns - last_heard(g) > g["stale_ns"]:
            if g["asked"] != ASKED_STALE:
                g["asks"] += 1
            g["asked"] = ASKED_STALE
            code = DECIDE
    if due:
        out[1] = i
        out[2] = due
        code |= SCORE
    return code


@njit(STEP_SIGNATURE, cache=True, error_model="numpy")
def step_scored(
    S: Any, F: Any, W: Any, X: Any, G: Any, E: Any, V: Any, M: Any, out: Any, rows: Any, k: int
) -> int:  # fmt: skip
    """Apply rows[k] to market, plain slots, features and signals; returns its code."""
    i = rows[k]["inst"]
    if i < 0 or i >= S.shape[0]:
        return BAD_ROW
    repeated = S[i]["duplicates"]
    code = step_row(S, F, W, rows, k)
    feature_update(X, S, rows, k)
    trigger = trigger_of(S[i], rows, k, repeated)
    return code | signal_due(S, X, G, E, V, M, out, i, rows[k]["ts_ns"], trigger)


@njit(RUN_SIGNATURE, cache=True, error_model="numpy")
def run_scored(
    S: Any, F: Any, W: Any, X: Any, G: Any, E: Any, V: Any, M: Any, out: Any, rows: Any,
    lo: int, hi: int, stop_ts_ns: int,
) -> int:  # fmt: skip
    """As `strategies.kernels.run_rows`: a score that is due stops it too."""
    out[0] = 0
    for k in range(lo, hi):
        if rows[k]["ts_ns"] >= stop_ts_ns:
            return k
        code = step_scored(S, F, W, X, G, E, V, M, out, rows, k)
        if code != 0:
            out[0] = code
            return k if code == BAD_ROW else k + 1
    return hi


@njit(QUOTE_SIGNATURE, cache=True, error_model="numpy")
def quote_scored(
    S: Any, F: Any, W: Any, X: Any, G: Any, E: Any, V: Any, M: Any, out: Any, B: Any,
    n: int, ts_ns: int, exchange_ts_ns: int, inst: int, kind: int, flags: int,
    bid_px_nanos: int, ask_px_nanos: int, bid_qty_nanos: int, ask_qty_nanos: int,
) -> int:  # fmt: skip
    """Write a row into the row buffer at B[n] and step it."""
    put_row(B, n, ts_ns, exchange_ts_ns, inst, kind, flags, bid_px_nanos, ask_px_nanos, bid_qty_nanos, ask_qty_nanos)
    return step_scored(S, F, W, X, G, E, V, M, out, B, n)


@njit(AHEAD_SIGNATURE, cache=True, error_model="numpy")
def run_ahead(
    S: Any, F: Any, W: Any, X: Any, G: Any, E: Any, V: Any, M: Any, out: Any, rows: Any,
    A: Any, T: Any, L: Any, C: Any, lo: int, hi: int, stop_ts_ns: int,
) -> int:  # fmt: skip
    """As `run_scored`, but a score that is due stops nothing: its inputs go to A[slot], its row and instrument to
    T[slot], its band to L[slot], and C[slot] counts them. Right as long as every score stays within its band.
    """
    out[0] = 0
    C[:] = 0
    for k in range(lo, hi):
        if rows[k]["ts_ns"] >= stop_ts_ns:
            return k
        code = step_scored(S, F, W, X, G, E, V, M, out, rows, k)
        if code == 0:
            continue
        if code == BAD_ROW:
            out[0] = code
            return k
        if code & SCORE:
            i = out[1]
            for slot in range(G.shape[1]):
                if out[2] >> slot & 1:
                    at, width = C[slot], M[slot, COUNT]
                    for j in range(width):
                        A[slot, at * width + j] = V[1 + slot, j]
                    T[slot, at, 0] = k
                    T[slot, at, 1] = i
                    L[slot, at, 0] = G[i, slot]["low"]
                    L[slot, at, 1] = G[i, slot]["high"]
                    C[slot] = at + 1
        code &= ~SCORE
        if code != 0:
            out[0] = code
            return k + 1
    return hi


@njit(RUN_SIGNATURE, cache=True, error_model="numpy")
def run_through(
    S: Any, F: Any, W: Any, X: Any, G: Any, E: Any, V: Any, M: Any, out: Any, rows: Any,
    lo: int, hi: int, stop_ts_ns: int,
) -> int:  # fmt: skip
    """Step rows[lo:hi] whatever their codes are; returns the last one's. The rows were run before: none is bad."""
    code = 0
    for k in range(lo, hi):
        code = step_scored(S, F, W, X, G, E, V, M, out, rows, k)
    return code


@njit(types.void(_signals, types.Array(types.int64, 3, "C"), _f8s, _i8, _i8, _i8), cache=True, error_model="numpy")
def put_scores(G: Any, T: Any, scores: Any, slot: int, count: int, last: int) -> None:
    """Keep the scores of a slot up to and with row `last`, as if each had been made at its row."""
    for at in range(count):
        if T[slot, at, 0] > last:
            return
        G[T[slot, at, 1], slot]["score"] = scores[at]


def new_plans(slots: int) -> Any:
    """What the models read: nothing yet. As wide as the widest model."""
    return np.zeros((max(1, slots), FIRST + INPUTS_MAX), np.int64)


# ---- start-up check ---------------------------------------------------------------------------------------------
_CHECK_SCORE: Final = INDEX["ema_gap_64s"]  # stands for a score in the check


def assert_scored_live_equals_batch(rows: int = 1000) -> None:
    """As `strategies.kernels.assert_live_equals_batch`, with features and signals. Raises Bug."""
    tape = check_rows(rows)
    states = [_state_after(tape, mode) for mode in ("quote", "step", "run")]
    if not states[0] == states[1] == states[2]:
        raise Bug("live and batch features differ: clear the kernel cache (quantd warm) before trading")


def _state_after(tape: Any, mode: str) -> bytes:
    """Bytes of all arrays after all rows of the check in one of the three ways; one feature stands for a model."""
    world = _check_world(tape)
    kernels: tuple[Any, ...] = (run_scored, step_scored, quote_scored)
    batch, single, live = kernels
    G, V, out = world[4], world[6], world[8]
    B = np.zeros(1, ROW)
    at, asked = 0, 0
    while at < len(tape):
        if mode == "run":
            at, code = batch(*world, tape, at, len(tape), FOREVER_NS), int(out[0])
        else:
            code = single(*world, tape, at) if mode == "step" else live(*world, B, 0, *numbers_of(tape[at]))
            at += 1
        if code == BAD_ROW:
            raise Bug("the kernels refuse a row of their own check")
        if code & SCORE:
            asked += 1
            g, score = G[out[1], 0], float(V[1, 0])
            g["score"] = score
            if not g["low"] <= score <= g["high"]:
                g["side"] = wanted_side(score, g["side"], g["hurdle_bp"], g["leave_bp"], g["short_side"])
                g["since_ns"] = tape[at - 1]["ts_ns"]
                g["asks"] += 1
    if len(tape) >= 1000 and not (asked and G["asks"].all()):
        raise Bug("the signal check never reached a decision: it would prove nothing")
    return b"".join(array.tobytes() for array in world[:-1])


def _check_world(tape: Any) -> tuple[Any, ...]:
    """Two instruments, each the other's leader, one signal slot that reads every feature and waits for none."""
    state = new_feature_state(2, TBT, [1, 0])
    for inst in range(2):
        set_session(state, inst, int(tape[0]["ts_ns"]), int(tape[-1]["ts_ns"]) + 1)
    signals, plans = new_signals(2, 1), new_plans(1)
    for name, value in (("enabled", 1), ("on", ON_QUOTE | ON_PRINT), ("short_side", -1), ("cost_multiple", 0.1)):
        signals[name] = value
    places = [_CHECK_SCORE, *(at for at in range(CATALOGUE_COUNT) if at != _CHECK_SCORE)]
    plans[0, COUNT], plans[0, FIRST : FIRST + len(places)] = len(places), places
    return (new_market(2), check_features(), np.zeros(2, np.int64), state, signals, new_external_state(2, 1, [1]),
            new_values(1), plans, np.zeros(3, np.int64))  # fmt: skip
