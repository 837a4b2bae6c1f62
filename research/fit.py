"""Fits one LightGBM model, seeded and on fixed threads, and scores rows with it in basis points. Knows tables and row
numbers; no split, no file.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from research.export import freeze_leaves
from research.job import TrainSettings
from research.table import Table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Told = Callable[[], None]


class Fitted(NamedTuple):
    """A frozen booster; for a classifier, the mean move when it is up and the mean fall when it is not."""

    booster: Any
    trees: int
    gain_bp: float
    loss_bp: float

    def shrunk(self, factor: float) -> "Fitted":
        """All scores times a factor; frozen again. The booster is changed in place."""
        if self.gain_bp or self.loss_bp:
            return self._replace(gain_bp=self.gain_bp * factor, loss_bp=self.loss_bp * factor)
        for tree, shape in enumerate(self.booster.dump_model()["tree_info"]):
            for leaf in range(shape["num_leaves"]):
                self.booster.set_leaf_output(tree, leaf, factor * self.booster.get_leaf_output(tree, leaf))
        freeze_leaves(self.booster)
        return self

    def scores(self, values: NDArray[np.float32], settings: TrainSettings) -> Floats:
        """Expected moves in basis points, as the trader computes them."""
        raw: Floats = self.booster.predict(values, raw_score=True)
        if settings.model == "regression":
            return raw
        chance = 1.0 / (1.0 + np.exp(-raw))
        found: Floats = chance * self.gain_bp - (1.0 - chance) * self.loss_bp
        return found


def parameters(settings: TrainSettings) -> dict[str, Any]:
    """LightGBM's own words for the settings. No missing values, no threads that race: the same trees every time."""
    return {
        "objective": "regression" if settings.model == "regression" else "binary",
        # The mean of the days trained on is no forecast; the share of rises is what a chance starts from.
        "boost_from_average": settings.model == "classification",
        "learning_rate": settings.learning_rate, "num_leaves": settings.leaves,
        "min_data_in_leaf": settings.leaf_rows_min, "feature_fraction": settings.feature_share,
        "bagging_fraction": settings.row_share, "bagging_freq": 1, "lambda_l2": settings.l2,
        "max_bin": settings.bins, "seed": settings.seed, "num_threads": settings.threads, "deterministic": True,
        "force_row_wise": True, "use_missing": False, "feature_pre_filter": False, "verbose": -1,
    }  # fmt: skip


def fit(
    settings: TrainSettings,
    table: Table,
    train: Ints,
    *,
    trees: int,
    stop: Ints | None = None,
    target_bp: Floats | None = None,
    told: Told | None = None,
) -> Fitted:
    """Train on rows `train`, at most `trees` trees; with `stop`, end when the error there no longer falls. `target_bp`
    replaces the labels, for controls.
    """
    import lightgbm

    move = table.move_bp if target_bp is None else target_bp
    target = move if settings.model == "regression" else (move > 0.0).astype(np.float64)
    counter = _Counter(told)
    callbacks: list[Any] = [counter]
    held = []
    data = lightgbm.Dataset(table.values[train], target[train], weight=table.weight[train])
    if stop is not None:
        held = [lightgbm.Dataset(table.values[stop], target[stop], weight=table.weight[stop], reference=data)]
        callbacks.append(lightgbm.early_stopping(settings.patience, verbose=False))
    booster = lightgbm.train(parameters(settings), data, trees, valid_sets=held, callbacks=callbacks)
    counter.finish(settings.trees_max)
    kept = booster.best_iteration if stop is not None and booster.best_iteration > 0 else booster.current_iteration()
    if kept < booster.current_iteration():
        booster = lightgbm.Booster(model_str=booster.model_to_string(num_iteration=kept))
    freeze_leaves(booster)
    gain_bp, loss_bp = _payoff(move[train], table.weight[train]) if settings.model == "classification" else (0.0, 0.0)
    return Fitted(booster, kept, gain_bp, loss_bp)


def _payoff(move: Floats, weight: Floats) -> tuple[float, float]:
    """Mean move of the rows that rose, mean fall of the others."""
    up = move > 0.0

    def mean(which: NDArray[np.bool_]) -> float:
        return float(np.average(move[which], weights=weight[which])) if which.any() else 0.0

    return mean(up), -mean(~up)


class _Counter:
    """Tells of each tree; at the end, of those that were not needed."""

    order = 0
    before_iteration = False

    def __init__(self, told: Told | None) -> None:
        self._told = told if told is not None else _nothing
        self._count = 0

    def __call__(self, env: Any) -> None:
        self._count += 1
        self._told()

    def finish(self, trees: int) -> None:
        for _ in range(self._count, trees):
            self._told()


def _nothing() -> None:
    """Nobody wants to hear."""
