"""Splits of samples into training and test that share no information: by time, purged by label spans, embargoed.

A sample of time `start` whose label is known at `end` belongs to the span [start, end]. A test fold is a run of samples
in time order; a training sample is dropped (purged) when its span meets the fold's span, and (embargo) when it starts
within `embargo_ns` after the fold's end, because features look back over it. Knows times only.
"""

from collections.abc import Iterator
from itertools import combinations, pairwise
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Split(NamedTuple):
    """Sample numbers: to train on, and to test on."""

    train: Ints
    test: Ints


def fold_bounds(count: int, folds: int) -> list[tuple[int, int]]:
    """[from, until) of `folds` runs of nearly equal length. Raises ConfigError when a fold would be empty."""
    if not 2 <= folds <= count:
        raise ConfigError(f"train.folds is {folds}: {count} samples allow 2 to {count}; change it or take more days")
    edges = [count * fold // folds for fold in range(folds + 1)]
    return list(pairwise(edges))


def kept(start_ns: Ints, end_ns: Ints, tests: list[tuple[int, int]], *, embargo_ns: int) -> Bools:
    """Which samples may train when the runs `tests` are tested."""
    free = np.ones(len(start_ns), np.bool_)
    for low, high in tests:
        test_from, test_until = start_ns[low], end_ns[low:high].max()
        free &= (end_ns < test_from) | (start_ns > test_until + embargo_ns)
    return free


def purged_folds(start_ns: Ints, end_ns: Ints, *, folds: int, embargo_ns: int) -> Iterator[Split]:
    """k-fold: each run tested once. `start_ns` ascending."""
    for low, high in fold_bounds(len(start_ns), folds):
        free = kept(start_ns, end_ns, [(low, high)], embargo_ns=embargo_ns)
        yield Split(np.flatnonzero(free), np.arange(low, high))


def leaky_folds(start_ns: Ints, *, folds: int) -> Iterator[Split]:
    """The same runs without purging or embargo: to see what they take away."""
    for low, high in fold_bounds(len(start_ns), folds):
        free = np.ones(len(start_ns), np.bool_)
        free[low:high] = False
        yield Split(np.flatnonzero(free), np.arange(low, high))


def combinatorial(
    start_ns: Ints, end_ns: Ints, *, groups: int, tested: int, embargo_ns: int
) -> Iterator[tuple[tuple[int, ...], Split]]:
    """Combinatorial purged cross-validation (Lopez de Prado 2018, ch. 12): every choice of `tested` groups out of
    `groups`, with the groups' numbers.
    """
    bounds = fold_bounds(len(start_ns), groups)
    for chosen in combinations(range(groups), tested):
        runs = [bounds[group] for group in chosen]
        free = kept(start_ns, end_ns, runs, embargo_ns=embargo_ns)
        yield chosen, Split(np.flatnonzero(free), np.concatenate([np.arange(low, high) for low, high in runs]))


def combinatorial_paths(groups: int, tested: int) -> int:
    """How many whole paths through all groups the splits make up."""
    return comb(groups, tested) * tested // groups


def inner_fold(split: Split, start_ns: Ints, end_ns: Ints, *, share: float, embargo_ns: int) -> Split:
    """The training part of a split in two: what is fitted, and the run at its end, purged, that says when to stop."""
    train = split.train
    low = int(len(train) * (1.0 - share))
    test = train[low:]
    free = kept(start_ns[train], end_ns[train], [(low, len(train))], embargo_ns=embargo_ns)
    return Split(train[free], test)
