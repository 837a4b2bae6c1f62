"""Out-of-fold scores: every sample scored by a model that has seen neither it nor a label that overlaps its own. Owns
what is fitted how often; knows no metric and no file.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError
from research.fit import Told, fit
from research.job import TrainSettings
from research.table import Table
from research.validate import Split, inner_fold, leaky_folds, purged_folds

STOP_SHARE: Final = 0.2  # of a fold's training rows, its latest: they say when to stop

Floats = NDArray[np.float64]


class OutOfFold(NamedTuple):
    """Scores in the order of the table, and how many trees each fold kept."""

    score_bp: Floats
    trees: tuple[int, ...]


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


def out_of_fold(table: Table, settings: TrainSettings, splits: Iterable[Split], told: Told) -> OutOfFold:
    """Fit and score fold by fold; each stops early on a purged run of its own training rows."""
    scores, trees = np.zeros(len(table.ts_ns)), []
    for split in splits:
        inner = inner_fold(
            split, table.ts_ns, table.end_ns, share=STOP_SHARE, embargo_ns=settings.embargo_ns
        )  # fmt: skip
        fitted = fit(settings, table, inner.train, trees=settings.trees_max, stop=inner.test, told=told)
        scores[split.test] = fitted.scores(table.values[split.test], settings)
        trees.append(fitted.trees)
    return OutOfFold(scores, tuple(trees))


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
