"""`python -m research.bench_model FILE.onnx`: the model that benchmarks run. 100 trees of 31 leaves over all features
that need no leader, on made-up inputs; worth nothing but its size. Most of its score hangs on the queue imbalance, so
that a bench can move it by hand. The same bytes every time.
"""

import sys
from pathlib import Path
from typing import Final

import numpy as np

from research.export import freeze_leaves, to_onnx
from strategies.features.catalogue import NAMES
from strategies.features.spec import LEADER_FEATURES

TREES: Final = 100
LEAVES: Final = 31
ROWS: Final = 20_000
INPUTS: Final = tuple(name for name in NAMES if name not in LEADER_FEATURES)
IMBALANCE_BP: Final = 4.0


def bench_onnx() -> bytes:
    """Train it and return its ONNX bytes."""
    import lightgbm

    chance = np.random.default_rng(1)
    rows = chance.standard_normal((ROWS, len(INPUTS))).astype(np.float32)
    at = INPUTS.index("queue_imbalance")
    rows[:, at] = chance.uniform(-1.0, 1.0, ROWS)
    weights = chance.standard_normal(len(INPUTS)) * 0.1
    label = IMBALANCE_BP * rows[:, at] + rows @ weights + chance.standard_normal(ROWS)
    settings = {"objective": "regression", "num_leaves": LEAVES, "num_threads": 1, "deterministic": True, "seed": 1,
                "force_row_wise": True, "use_missing": False, "verbose": -1, "learning_rate": 0.1}  # fmt: skip
    booster = lightgbm.train(settings, lightgbm.Dataset(rows, label), TREES)
    freeze_leaves(booster)
    return to_onnx(booster, width=len(INPUTS))


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(bench_onnx())
