"""The training table: samples with their labels, in time order. Owns how labels meet samples; knows no model."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError
from research.dataset import Path, Samples, Tape
from research.job import TrainSettings
from research.labels import fixed_horizon, triple_barrier, uniqueness_weights

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Table(NamedTuple):
    """One row per labelled sample."""

    values: NDArray[np.float32]  # columns in the order of the spec
    inst: Ints
    ts_ns: Ints
    end_ns: Ints  # when the label is known
    move_bp: Floats  # the label: what the mid did
    weight: Floats
    half_spread_bp: Floats


def label_moves(samples: Samples, mine: Ints, path: Path, settings: TrainSettings) -> tuple[Floats, Ints]:
    """(move in bp, end) of one instrument's samples `mine`; end 0 = no label, the session closes before."""
    ts_ns, mid, until_ns = samples.ts_ns[mine], samples.mid[mine], samples.until_ns[mine]
    move, end = np.empty(len(mine)), np.empty(len(mine), np.int64)
    if settings.label == "fixed_horizon":
        fixed_horizon(path.ts_ns, path.close, ts_ns, mid, settings.horizon_ns, until_ns, move, end)
    else:
        triple_barrier(
            path.ts_ns, path.high, path.low, path.close, ts_ns, mid, settings.horizon_ns, settings.take_bp,
            settings.stop_bp, until_ns, move, end, np.empty(len(mine), np.int64),
        )  # fmt: skip
    return move, end


def training_table(tape: Tape, settings: TrainSettings) -> Table:
    """Label and weigh every sample. Raises ConfigError when too few are left to train on."""
    samples = tape.samples
    move, end = np.zeros(len(samples.ts_ns)), np.zeros(len(samples.ts_ns), np.int64)
    weight = np.ones(len(samples.ts_ns))
    for inst, path in enumerate(tape.paths):
        mine = np.flatnonzero(samples.inst == inst)
        if not len(mine):
            continue
        move[mine], end[mine] = label_moves(samples, mine, path, settings)
        labelled = mine[end[mine] > 0]
        if settings.weights == "uniqueness" and len(labelled):
            weight[labelled] = uniqueness_weights(samples.ts_ns[labelled], end[labelled])
    kept = np.flatnonzero(end > 0)
    needed = 2 * settings.folds * settings.leaf_rows_min
    if len(kept) < needed:
        raise ConfigError(
            f"train.leaf_rows_min: {len(kept)} labelled samples, {settings.folds} folds need {needed}; take more days, "
            "or smaller leaves"
        )
    return Table(
        values=samples.values[kept], inst=samples.inst[kept], ts_ns=samples.ts_ns[kept],
        end_ns=end[kept], move_bp=move[kept], weight=weight[kept] / weight[kept].mean(),
        half_spread_bp=samples.half_spread_bp[kept],
    )  # fmt: skip
