"""Out-of-fold scores: every sample scored by a model that has seen neither it nor a label that overlaps its own. Owns
what is fitted how often; knows no metric and no file.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError
from research.evaluate import blocks
from research.fit import Told, fit
from research.job import TrainSettings
from research.table import Table
from research.validate import Split, inner_fold, leaky_folds, purged_folds

ERRORS_MIN: Final = 2.0
STOP_SHARE: Final = 0.2  # of a fold's training rows, its latest: they say when to stop

Floats = NDArray[np.float64]


class OutOfFold(NamedTuple):
    """Scores in the order of the table, how many trees each fold kept, and what of the scores came true."""

    raw_bp: Floats  # as the folds' models say
    score_bp: Floats  # shrunk, each fold by what the others say
    trees: tuple[int, ...]
    shrink: float  # by what all folds say


def purged_splits(table: Table, settings: TrainSettings) -> list[Split]:
    """The folds of validation. Raises ConfigError when purging leaves a fold nothing to train on."""
    splits = list(
        purged_folds(table.ts_ns, table.end_ns, folds=settings.folds, embargo_ns=settings.embargo_ns)
    )  # fmt: skip
    least = min(len(split.train) for split in splits)
    if least < 2 * settings.leaf_rows_min:
        raise ConfigError(
            f"train.embargo_s: purging and embargo leave {least} samples to a fold; take more days, or shorten "
            "horizon_s or embargo_s"
        )
    return splits


def out_of_fold(table: Table, settings: TrainSettings, splits: Sequence[Split], told: Told) -> OutOfFold:
    """Fit and score fold by fold; each stops early on a purged run of its own training rows."""
    scores, trees = np.zeros(len(table.ts_ns)), []
    for split in splits:
        inner = inner_fold(
            split, table.ts_ns, table.end_ns, share=STOP_SHARE, embargo_ns=settings.embargo_ns
        )  # fmt: skip
        fitted = fit(settings, table, inner.train, trees=settings.trees_max, stop=inner.test, told=told)
        scores[split.test] = fitted.scores(table.values[split.test], settings)
        trees.append(fitted.trees)
    shrink = _slope(table, settings, scores)
    shrunk = _shrunk(table, settings, splits, scores) if shrink > 0.0 else np.zeros(len(scores))
    return OutOfFold(scores, shrunk, tuple(trees), shrink)


def _shrunk(table: Table, settings: TrainSettings, splits: Sequence[Split], scores: Floats) -> Floats:
    """Each fold's scores times the slope of the other folds."""
    found = scores.copy()
    for split in splits:
        others = np.ones(len(scores), np.bool_)
        others[split.test] = False
        found[split.test] *= _slope(table, settings, scores, others)
    return found


def _slope(
    table: Table, settings: TrainSettings, scores: Floats, which: NDArray[np.bool_] | None = None
) -> float:  # fmt: skip
    """How much of a score came true, less one standard error, within [0, 1]: the slope through the origin of moves on
    scores; 0 when it is below ERRORS_MIN errors. The error is counted over blocks of time, because the labels of one
    overlap. Noise has a slope of 0, so a model of noise scores nothing; a model that fits its rows too closely promises
    too much, and is taken down to what it keeps.
    """
    rows = slice(None) if which is None else which
    score, move, block = scores[rows], table.move_bp[rows], blocks(table.ts_ns[rows], settings.horizon_ns)
    square = float((score**2).sum())
    if square == 0.0:
        return 0.0
    slope = float((score * move).sum()) / square
    rest = np.bincount(block - block.min(), weights=score * (move - slope * score))
    error = float(np.sqrt((rest**2).sum())) / square
    return min(slope - error, 1.0) if slope > ERRORS_MIN * error else 0.0


def leaky_scores(table: Table, settings: TrainSettings, *, trees: int, told: Told) -> Floats:
    """The same folds without purging and embargo."""
    scores = np.zeros(len(table.ts_ns))
    for split in leaky_folds(table.ts_ns, folds=settings.folds):
        fitted = fit(settings, table, split.train, trees=trees, told=told)
        scores[split.test] = fitted.scores(table.values[split.test], settings)
    return scores


def control_scores(
    table: Table, settings: TrainSettings, split: Split, *, moves: Floats, trees: int, told: Told
) -> Floats:
    """Scores of one fold by a model of other labels."""
    fitted = fit(settings, table, split.train, trees=trees, target_bp=moves, told=told)
    return fitted.scores(table.values[split.test], settings)
