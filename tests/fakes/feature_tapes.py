"""Tapes for feature tests and runs of the kernels over them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from broker.feeds.replay import read_rows
from broker.feeds.spec import ReplaySpec
from core.market import new_market
from core.profiles import TBT
from core.rows import DUPLICATE, NOT_LAST, PRINT, QUOTE, ROW, SUSPICIOUS
from core.units import NANO
from strategies.features.catalogue import COUNT
from strategies.features.kernels import EMIT_SIGNATURE, STEP_SIGNATURE, feature_emit, feature_matrix, feature_step
from strategies.features.state import new_feature_state, set_session

OPEN_NS = 1_381_239_000 * NANO  # 2013-10-08, 13:30 UTC
CLOSE_NS = OPEN_NS + 23_400 * NANO
CENT = NANO // 100
LOT = 100 * NANO


def recorded_day(market_data: Path) -> Any:
    """BAC (0) and IBM (1) on 8 October 2013, from before the open to after the close."""
    files = tuple(
        str(market_data / "lean" / f"equity_tick_{kind}" / f"{symbol}_20131007_20131011.parquet")
        for kind in ("quotes", "trades")
        for symbol in ("BAC", "IBM")
    )
    spec = ReplaySpec(files=files, symbols={"BAC": 0, "IBM": 1}, start="2013-10-08", end="2013-10-08")
    return np.concatenate(list(read_rows(spec)))


def made_up_rows(count: int, *, seed: int = 1, instruments: int = 2, mean_ns: int = 300_000_000) -> Any:
    """Random walks with bursts at one time, prints, and every kind of unusable row, beginning before the open."""
    draw = np.random.default_rng(seed)
    rows = np.zeros(count, ROW)
    steps = draw.integers(0, 2, count) * draw.integers(1, 4 * mean_ns, count)
    rows["ts_ns"] = OPEN_NS - 10 * NANO + np.cumsum(steps)
    rows["exchange_ts_ns"] = rows["ts_ns"] - 1000
    rows["inst"] = draw.integers(0, instruments, count)
    rows["kind"] = np.where(draw.random(count) < 0.25, PRINT, QUOTE)
    chance = draw.random(count)
    rows["flags"] = np.select([chance < 0.01, chance < 0.03, chance < 0.05], [SUSPICIOUS, DUPLICATE, NOT_LAST], 0)
    bid = 50 * NANO + np.cumsum(draw.integers(-1, 2, count)) * CENT
    rows["bid_px_nanos"] = bid
    rows["ask_px_nanos"] = bid + draw.choice([-1, 0, 1, 1, 2], count, p=[0.02, 0.03, 0.5, 0.25, 0.2]) * CENT
    rows["ask_px_nanos"][draw.random(count) < 0.01] = 0
    rows["bid_qty_nanos"] = draw.integers(0, 20, count) * LOT
    rows["ask_qty_nanos"] = draw.integers(1, 20, count) * LOT
    return rows


@dataclass
class Run:
    """State of a run and what it emitted: values[c] with masks[c] after row at[c]."""

    market: Any
    state: Any
    values: Any
    masks: Any
    at: Any


def new_run(
    instruments: int = 2, *, profile: int = TBT, leaders: Sequence[int] = (-1, 0), close_ns: int = CLOSE_NS
) -> Run:
    """Nothing seen; the session of 8 October 2013 is set."""
    state = new_feature_state(instruments, profile, leaders[:instruments])
    for inst in range(instruments):
        set_session(state, inst, OPEN_NS, close_ns)
    empty = np.zeros(0, np.int64)
    return Run(new_market(instruments), state, np.zeros((0, COUNT), np.float32), empty, empty)


def batch(run: Run, rows: Any, *, every_ns: int = 0, cuts: Sequence[int] = (), room: int = 4096) -> Run:
    """Run the batch kernel over rows, cut at `cuts`, with room for so many emissions at a time."""
    out, masks, at = np.zeros((room, COUNT), np.float32), np.zeros(room, np.int64), np.zeros(room, np.int64)
    due, count = np.zeros(len(run.state), np.int64), np.zeros(1, np.int64)
    parts: list[tuple[Any, Any, Any]] = []
    for lo, hi in zip((0, *cuts), (*cuts, len(rows)), strict=True):
        block = rows[lo:hi].copy()
        k = 0
        while k < len(block):
            k = feature_matrix(block, k, len(block), run.market, run.state, every_ns, due, out, masks, at, count)
            n = int(count[0])
            parts.append((out[:n].copy(), masks[:n].copy(), at[:n] + lo))
    run.values, run.masks, run.at = (np.concatenate(column) for column in zip(*parts, strict=True))
    return run


def entry(kernel: Any, signature: Any) -> Any:
    """The raw entry point that the trader binds."""
    return kernel.overloads[signature.args].entry_point


def live(run: Run, rows: Any) -> Run:
    """The same, one row at a time through the raw entry points, as the trader does."""
    step, emit = entry(feature_step, STEP_SIGNATURE), entry(feature_emit, EMIT_SIGNATURE)
    out, values, masks, at = np.zeros(COUNT, np.float32), [], [], []
    buffer = np.zeros(1, ROW)
    for k in range(len(rows)):
        buffer[0] = rows[k]
        inst, ts_ns = int(rows["inst"][k]), int(rows["ts_ns"][k])
        step(run.market, run.state, buffer, 0)
        usable = rows["kind"][k] == QUOTE and not rows["flags"][k] & SUSPICIOUS and run.market["usable"][inst]
        if usable and run.state["open_ns"][inst] <= ts_ns < run.state["close_ns"][inst]:
            masks.append(emit(run.state, run.market, inst, ts_ns, out))
            values.append(out.copy())
            at.append(k)
    run.values, run.masks, run.at = np.array(values, np.float32), np.array(masks), np.array(at)
    return run
