"""Market rows for kernel tests: synthetic ones of any length, and the recorded BAC/IBM tape where it is present."""

from pathlib import Path
from typing import Any

import numpy as np

from core.market import new_market
from core.rows import DUPLICATE, NOT_LAST, PRINT, QUOTE, ROW, SUSPICIOUS
from core.units import NANO
from strategies.kernels import new_features
from strategies.pipeline import KernelPipeline
from strategies.slots import Slot, SlotParams

START_NS = 1_700_000_000 * NANO
CENT = NANO // 100
PARAMS = SlotParams(
    tau_ns=30 * NANO,
    enter=2.0,
    leave=0.5,
    sd_floor_nanos=CENT // 2,
    short_side=-1,
    cadence_ns=NANO,
    warm_ns=10 * NANO,
    n_min=20,
    gap_ns=600 * NANO,
)


def synthetic_rows(count: int, *, seed: int = 1, instruments: int = 2) -> Any:
    """Random walks with bursts at one time, prints, crossed, one-sided, empty, duplicate and suspicious rows."""
    draw = np.random.default_rng(seed)
    rows = np.zeros(count, ROW)
    rows["ts_ns"] = START_NS + np.cumsum(draw.integers(0, 4, count) // 2 * draw.integers(1, 10**9, count))
    rows["exchange_ts_ns"] = rows["ts_ns"] - 1000
    rows["inst"] = draw.integers(0, instruments, count)
    rows["kind"] = np.where(draw.random(count) < 0.25, PRINT, QUOTE)
    flags = draw.random(count)
    rows["flags"] = np.select([flags < 0.01, flags < 0.03, flags < 0.05], [SUSPICIOUS, DUPLICATE, NOT_LAST], 0)
    bid = 50 * NANO + np.cumsum(draw.integers(-1, 2, count)) * CENT
    rows["bid_px_nanos"] = bid
    rows["ask_px_nanos"] = bid + draw.choice([-1, 0, 1, 1, 2], count) * CENT
    rows["ask_px_nanos"][draw.random(count) < 0.01] = 0
    rows["bid_qty_nanos"] = draw.integers(0, 20, count) * 100 * NANO
    rows["ask_qty_nanos"] = 100 * NANO
    return rows


def make_pipeline(*, instruments: int = 2, slots: int = 2, params: SlotParams = PARAMS) -> KernelPipeline:
    """A pipeline of its own with equal slots named s0, s1, …"""
    columns = [
        Slot(strategy=f"s{number}", slot=number, instruments=tuple(range(instruments)), params=params)
        for number in range(slots)
    ]
    return KernelPipeline(new_market(instruments), np.zeros(instruments, np.int64), columns)


def feature_array(params: SlotParams = PARAMS) -> Any:
    """One enabled slot of one instrument."""
    features = new_features(1, 1)
    features["enabled"] = 1
    for name in SlotParams.__struct_fields__:
        features[name] = getattr(params, name)
    return features


def recorded_rows(folder: Path, symbol: str, inst: int, limit: int) -> Any:
    """The first quotes of a recorded symbol as rows."""
    import pyarrow.parquet as parquet

    path = next((folder / "lean" / "equity_tick_quotes").glob(f"{symbol}_*.parquet"))
    batch = next(parquet.ParquetFile(path).iter_batches(batch_size=limit))
    columns = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in batch.schema.names}
    rows = np.zeros(batch.num_rows, ROW)
    rows["ts_ns"] = rows["exchange_ts_ns"] = columns["ts_ns"]
    rows["inst"] = inst
    rows["kind"] = QUOTE
    rows["flags"] = np.where(columns["suspicious"].astype(bool), SUSPICIOUS, 0)
    for side in ("bid", "ask"):
        rows[f"{side}_px_nanos"] = np.rint(np.nan_to_num(columns[side]) * 1e9).astype(np.int64)
        rows[f"{side}_qty_nanos"] = np.nan_to_num(columns[f"{side}_size"]).astype(np.int64) * NANO
    return rows


def run_all(pipeline: KernelPipeline, rows: Any) -> list[tuple[int, int]]:
    """The batch path over all rows: (row, code) of every stop."""
    stops = []
    at = 0
    while at < len(rows):
        at = pipeline.run(rows, at, len(rows), 1 << 62)
        if pipeline.code:
            stops.append((at - 1, pipeline.code))
    return stops


def quote_all(pipeline: KernelPipeline, rows: Any) -> list[tuple[int, int]]:
    """The live path over all rows: (row, code) of every row with a code."""
    stops = []
    for number, row in enumerate(rows.tolist()):
        code = pipeline.quote(0, *row)
        if code:
            stops.append((number, code))
    return stops
