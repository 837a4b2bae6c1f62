"""The compiled pass with features and signals: `strategies.kernels.step_row`, then the features' update, then, where a
score is due, all features and the model's own inputs. The score itself is the pipeline's: a model is no kernel.

Live (`quote_scored`, `step_scored`) and batch (`run_scored`) call the SAME step. Knows no model, order or clock.
"""

import math
from typing import Any, Final

import numpy as np
from numba import from_dtype, njit, types

from core.errors import Bug
from core.market import MARKET, apply_row, new_market
from core.profiles import TBT
from core.rows import BAR_VOLUME, NOT_LAST, PRINT, QUOTE, ROW, SUSPICIOUS
from strategies.features.catalogue import COUNT as CATALOGUE_COUNT
from strategies.features.catalogue import INDEX
from strategies.features.kernels import emit_row, take_row
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
    ASKED_SCORE,
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
    VALUES_WIDTH,
    new_signals,
    new_values,
    wanted_side,
)

_i8 = types.int64
_market = from_dtype(MARKET)
_signal = from_dtype(SIGNAL)
_row = from_dtype(ROW)
_markets = types.Array(_market, 1, "C")
_features = types.Array(from_dtype(FEATURE), 2, "C")
_states = types.Array(from_dtype(FEATURE_STATE), 1, "C")
_signals = types.Array(_signal, 2, "C")
_externals = types.Array(from_dtype(EXTERNAL), 2, "C")
_values = types.Array(types.float32, 1, "C")
_plans = types.Array(types.int64, 2, "C")
_ints = types.Array(types.int64, 1, "C")
_rows = types.Array(_row, 1, "C")
# The arrays of one trader, in this order: S market, F features of the plain slots, W watch, X feature state, G signals,
# E features from outside, V values, M inputs of the models, out.
_world = (_markets, _features, _ints, _states, _signals, _externals, _values, _plans, _ints)
STEP_SIGNATURE: Final = _i8(*_world, _rows, _i8)
RUN_SIGNATURE: Final = _i8(*_world, _rows, _i8, _i8, _i8)
QUOTE_SIGNATURE: Final = _i8(*_world, _rows, *(_i8,) * 10)
# Known scores: A inputs, T rows, L volatilities, Y scores, C how many of a slot, N the next of them.
_ints2 = types.Array(types.int64, 2, "C")
_floats2 = types.Array(types.float64, 2, "C")
_inputs = types.Array(types.float32, 2, "C")
_shadow = (_markets, _states, _signals, _externals, _values, _plans, _ints, _rows)
AHEAD_SIGNATURE: Final = _i8(*_shadow, _inputs, _ints2, _floats2, _ints, _i8, _i8)
KNOWN_SIGNATURE: Final = _i8(*_world, _rows, _ints2, _floats2, _floats2, _ints, _ints, _i8, _i8, _i8)

_BP: Final = 1e4
_VOLATILITY: Final = INDEX["vol_256s"]


@njit(inline="always", cache=True, error_model="numpy")
def set_band(g: Any, m: Any, ts_ns: int) -> None:
    """The scores that leave the slot on its side. The hurdle is the cost of entering and of leaving again."""
    bid, ask = m["bid_px_nanos"], m["ask_px_nanos"]
    half_spread = (ask - bid) / (ask + bid) * _BP
    hurdle = g["cost_multiple"] * (half_spread + g["fee_bp"]) * 2.0 + g["enter_bp"]
    low, high = -hurdle, hurdle
    if g["side"] == 0:
        if g["short_side"] == 0:
            low = -math.inf
    elif ts_ns - g["since_ns"] < g["hold_ns"]:
        low, high = -math.inf, math.inf
    elif g["side"] > 0:
        low, high = max(g["leave_bp"], -hurdle), math.inf
    else:
        low, high = -math.inf, min(-g["leave_bp"], hurdle)
    g["half_spread_bp"], g["hurdle_bp"], g["low"], g["high"] = half_spread, hurdle, low, high


@njit(_i8(_market, _row, _i8), cache=True, error_model="numpy")
def trigger_of(m: Any, r: Any, repeated: int) -> int:
    """What the row is to a signal: ON_QUOTE, ON_PRINT, ON_BAR or 0. `repeated` is the count of duplicates before it."""
    if r["flags"] & SUSPICIOUS or m["usable"] == 0 or m["halted"] != 0:
        return 0
    kind = r["kind"]
    if kind == QUOTE:
        return ON_QUOTE if m["duplicates"] == repeated else 0
    if kind == PRINT:
        return 0 if r["flags"] & NOT_LAST or r["bid_qty_nanos"] <= 0 or r["bid_px_nanos"] <= 0 else ON_PRINT
    return ON_BAR if kind == BAR_VOLUME else 0


@njit(_i8(_signal, _i8), cache=True, error_model="numpy")
def is_stale(g: Any, ts_ns: int) -> int:
    """1 if the side was confirmed too long ago: by a score, by being taken, or by the opening of the session."""
    if g["side"] == 0 or g["stale_ns"] == 0:
        return 0
    return 1 if ts_ns - max(g["scored_ns"], max(g["since_ns"], g["from_ns"])) > g["stale_ns"] else 0


@njit(types.void(_signal, _market, types.float64, _i8), cache=True, error_model="numpy")
def count_score(g: Any, m: Any, volatility: float, ts_ns: int) -> None:
    """A score is made now: its band, and when the next one may be."""
    g["volatility"] = volatility
    g["scored_ns"] = ts_ns
    g["scores"] += 1
    g["next_ns"] = ts_ns + g["cadence_ns"]
    set_band(g, m, ts_ns)


@njit(types.void(_signal), cache=True, error_model="numpy")
def ask_stale(g: Any) -> None:
    """The side has had no score for too long."""
    if g["asked"] != ASKED_STALE:
        g["asks"] += 1
    g["asked"] = ASKED_STALE


# The rest is inlined: an array handed to a function costs a reference count each time.
@njit(inline="always", cache=True, error_model="numpy")
def gather(E: Any, V: Any, M: Any, i: int, slot: int, ts_ns: int) -> int:
    """Copy a slot's inputs out of the whole emit; 0 when a number from outside is missing or too old."""
    base = (1 + slot) * VALUES_WIDTH
    for at in range(M[slot, COUNT]):
        place = M[slot, FIRST + at]
        if place < EXTERNAL_FROM:
            V[base + at] = V[place]
            continue
        j = place - EXTERNAL_FROM
        if E[i, j]["as_of_ns"] <= 0 or ts_ns - E[i, j]["as_of_ns"] > E[i, j]["age_ns_max"]:
            return 0
        V[base + at] = E[i, j]["value"]
    return 1


@njit(inline="always", cache=True, error_model="numpy")
def signal_due(S: Any, X: Any, G: Any, E: Any, V: Any, M: Any, out: Any, i: int, ts_ns: int, trigger: int) -> int:
    """SCORE when a slot's inputs are all there and due: out[1] = instrument, out[2] = mask of slots. DECIDE when a side
    has had no score for too long. Features that are not ready ask nothing.
    """
    due = 0
    code = 0
    ready = -1
    for slot in range(G.shape[1]):
        g = G[i, slot]
        if g["enabled"] == 0 or ts_ns < g["from_ns"] or ts_ns >= g["until_ns"]:
            continue
        scored = 0
        if trigger & g["on"] and ts_ns >= g["next_ns"]:
            if ready < 0:
                x = X[i]
                leader = x["leader"]
                ready = emit_row(x, X[leader], S[i]["usable"], S[leader]["usable"], ts_ns, V, 0)
            needed = M[slot, NEEDED]
            if ready & needed == needed:
                scored = gather(E, V, M, i, slot, ts_ns)
        if scored:
            count_score(g, S[i], V[_VOLATILITY], ts_ns)
            due |= 1 << slot
        elif is_stale(g, ts_ns):
            ask_stale(g)
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
    take_row(X[i], X[X[i]["leader"]], S[i], rows[k])
    trigger = trigger_of(S[i], rows[k], repeated)
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
def look_ahead(
    S: Any, X: Any, G: Any, E: Any, V: Any, M: Any, out: Any, rows: Any, A: Any, T: Any, L: Any, C: Any,
    lo: int, hi: int,
) -> int:  # fmt: skip
    """Step copies of market, features and signals through rows[lo:hi]. Whatever a score will be due for: its inputs go
    to A[slot], its row to T[slot], the volatility to L[slot], and C[slot] counts them. Sides do not matter here: when a
    score is due depends on rows and fences alone. Returns the first row not stepped.
    """
    C[:] = 0
    for k in range(lo, hi):
        i = rows[k]["inst"]
        if i < 0 or i >= S.shape[0]:
            return k
        repeated = S[i]["duplicates"]
        apply_row(S[i], rows[k])
        take_row(X[i], X[X[i]["leader"]], S[i], rows[k])
        trigger = trigger_of(S[i], rows[k], repeated)
        if trigger and signal_due(S, X, G, E, V, M, out, i, rows[k]["ts_ns"], trigger) & SCORE:
            for slot in range(G.shape[1]):
                if out[2] >> slot & 1:
                    at, width = C[slot], M[slot, COUNT]
                    for j in range(width):
                        A[slot, at * width + j] = V[(1 + slot) * VALUES_WIDTH + j]
                    T[slot, at] = k
                    L[slot, at] = V[_VOLATILITY]
                    C[slot] = at + 1
    return hi


@njit(KNOWN_SIGNATURE, cache=True, error_model="numpy")
def run_known(
    S: Any, F: Any, W: Any, X: Any, G: Any, E: Any, V: Any, M: Any, out: Any, rows: Any,
    T: Any, L: Any, Y: Any, C: Any, N: Any, lo: int, hi: int, stop_ts_ns: int,
) -> int:  # fmt: skip
    """As `run_scored` with scores that are known: Y[slot] for the rows T[slot], the next of them N[slot]. It stops
    where a score leaves its band, with the inputs of that row in V.
    """
    out[0] = 0
    for k in range(lo, hi):
        ts_ns = rows[k]["ts_ns"]
        if ts_ns >= stop_ts_ns:
            return k
        i = rows[k]["inst"]
        if i < 0 or i >= S.shape[0]:
            out[0] = BAD_ROW
            return k
        code = step_row(S, F, W, rows, k)
        take_row(X[i], X[X[i]["leader"]], S[i], rows[k])
        left = 0
        for slot in range(G.shape[1]):
            g = G[i, slot]
            at = N[slot]
            if at < C[slot] and T[slot, at] == k:
                N[slot] = at + 1
                count_score(g, S[i], L[slot, at], ts_ns)
                g["score"] = Y[slot, at]
                if not g["low"] <= Y[slot, at] <= g["high"]:
                    g["asked"] = ASKED_SCORE
                    g["asks"] += 1
                    left |= 1 << slot
            elif g["enabled"] and g["from_ns"] <= ts_ns and ts_ns < g["until_ns"] and is_stale(g, ts_ns):
                ask_stale(g)
                code |= DECIDE
        if left:
            code |= DECIDE
            x = X[i]
            leader = x["leader"]
            emit_row(x, X[leader], S[i]["usable"], S[leader]["usable"], ts_ns, V, 0)
            for slot in range(G.shape[1]):
                if left >> slot & 1:
                    gather(E, V, M, i, slot, ts_ns)
        if code != 0:
            out[0] = code
            return k + 1
    return hi


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
            g, score = G[out[1], 0], float(V[VALUES_WIDTH])
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
