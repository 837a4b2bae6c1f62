"""A made-up market with a small hidden signal, or without: the recipe that trains on some days and the config that
trades others, by the shipped commands alone. Knows no assertion.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.fakes.process import ROOT, run_whole

TRAIN_S = 600.0  # far above what it takes: a hang must end as a failure
SIGNAL_BP = 400.0  # a rank correlation of about 0.03 with the move of the next minute
START_CASH = 10_000_000

_MARKET = """
[feed]
kind = "synthetic"
profile = "l1_250"

[feed.synthetic]
seed = {seed}
start_date = "{start}"
days = {days}
jumps_per_hour = 0.0

{instruments}
"""
_INSTRUMENT = """
[[feed.synthetic.instruments]]
symbol = "{symbol}"
px = 400
events_per_second = 4.0
volatility_bp_per_hour = 480.0
reversion_ticks = 0.0
signal_seconds = 60.0
signal_bp_per_hour = {signal_bp}
signal_lean = 0.6

[[instruments]]
symbol = "{symbol}"
tick = 0.01
round_lot = 100
"""
_TRAIN = """
[train]
output = "planted.onnx"
features = ["queue_imbalance", "queue_imbalance_4s", "queue_imbalance_64s"]
horizon_s = 60
sample_s = 5
fee_bp = 0.2
leaves = 4
leaf_rows_min = 500
trees_max = 60
folds = 4
seed = 1
"""
_TRADE = """
mode = "replay"
state_dir = "state"

[account]
id = "DU0000001"
tag = "du1"
start_cash = 10_000_000

[strategies.signal]
kind = "signal"
symbols = ["AAA", "BBB"]

[strategies.signal.params]
model = "planted.onnx"
profile = "l1_250"
fee_bp = 0.2
hold_s = 30
position_dollars = 100_000
allow_untradable = {allow_untradable}

[strategies.signal.execution]
algo = "immediate"

[limits.account]
order_notional_max = 150_000
gross_max = 500_000
net_max = 500_000
"""


def _market(*, signal_bp: float, seed: int, start: str, days: int) -> str:
    instruments = "".join(_INSTRUMENT.format(symbol=symbol, signal_bp=signal_bp) for symbol in ("AAA", "BBB"))
    return _MARKET.format(seed=seed, start=start, days=days, instruments=instruments)


def train(folder: Path, *, signal_bp: float, seed: int, days: int) -> dict[str, Any]:
    """`quantd train` on the first days; what it printed. Raises RuntimeError with its words when it fails."""
    recipe = folder / "train.toml"
    recipe.write_text(_market(signal_bp=signal_bp, seed=seed, start="2026-01-05", days=days) + _TRAIN)
    command = [sys.executable, "-m", "daemon.cli", "train", "-c", str(recipe), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TRAIN_S, check=False
    )
    if done.returncode:
        raise RuntimeError(f"train: exit {done.returncode}: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def trade(folder: Path, *, signal_bp: float, seed: int, days: int, allow_untradable: bool = False) -> dict[str, Any]:
    """The trader on later days of another seed; its summary. Raises RuntimeError with its words when it refuses."""
    config = folder / "trade.toml"
    settings = _TRADE.format(allow_untradable=str(allow_untradable).lower())
    market = _market(signal_bp=signal_bp, seed=seed, start="2026-03-02", days=days)
    config.write_text(settings + market)
    return run_whole(config)


def net_gain(summary: dict[str, Any]) -> float:
    """What the account gained after all costs."""
    return float(summary["equity"]) - START_CASH
