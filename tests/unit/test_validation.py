"""Validation: purged folds, combinatorial splits, Sharpe ratios by their worth; the published numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError
from research.correlation import blocked_correlation, rank_correlation, ranks
from research.sharpe import (
    Moments,
    best_by_chance,
    deflated_sharpe,
    moments,
    probabilistic_sharpe,
    track_record_min,
)
from research.validate import (
    Split,
    combinatorial,
    combinatorial_paths,
    fold_bounds,
    inner_fold,
    leaky_folds,
    purged_folds,
)

spans = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 12)), min_size=12, max_size=60)


def times(given: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Ascending starts, ends after them."""
    start = np.cumsum([gap for gap, _ in given]).astype(np.int64)
    return start, start + np.array([length for _, length in given], np.int64)


@pytest.mark.slow
@given(given=spans, folds=st.integers(2, 6), embargo=st.integers(0, 10))
def test_no_training_span_meets_a_tested_one(given: list[tuple[int, int]], folds: int, embargo: int) -> None:
    """Every sample is tested once; no trained label overlaps the tested run, none starts within the embargo; all
    others are trained on.
    """
    start, end = times(given)
    tested: list[int] = []
    for split in purged_folds(start, end, folds=folds, embargo_ns=embargo):
        tested += split.test.tolist()
        low, high = start[split.test].min(), end[split.test].max()
        kept = set(split.train.tolist())
        for k in range(len(start)):
            clear = end[k] < low or start[k] > high + embargo
            assert (k in kept) == clear
    assert tested == list(range(len(start)))


@pytest.mark.slow
@given(given=spans, embargo=st.integers(0, 10))
def test_combinatorial_splits_purge_around_every_group(given: list[tuple[int, int]], embargo: int) -> None:
    """Two groups of four are tested at a time; nothing trained overlaps either of them."""
    start, end = times(given)
    bounds = fold_bounds(len(start), 4)
    seen = []
    for chosen, split in combinatorial(start, end, groups=4, tested=2, embargo_ns=embargo):
        seen.append(chosen)
        for low, high in (bounds[group] for group in chosen):
            first, last = start[low], end[low:high].max()
            assert ((end[split.train] < first) | (start[split.train] > last + embargo)).all()
    assert seen == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


@pytest.mark.parametrize(("groups", "tested", "splits", "paths"), [(6, 2, 15, 5), (10, 2, 45, 9)])
def test_number_of_splits_and_paths(groups: int, tested: int, splits: int, paths: int) -> None:
    """(6, 2) makes 15 splits and 5 paths, (10, 2) 45 and 9."""
    start = np.arange(groups * 3)
    made = list(combinatorial(start, start, groups=groups, tested=tested, embargo_ns=0))
    assert (len(made), combinatorial_paths(groups, tested)) == (splits, paths)


def test_leaky_folds_train_on_all_the_rest() -> None:
    """Without purging the two parts are each other's complement."""
    for split in leaky_folds(np.arange(20), folds=3):
        assert sorted([*split.train.tolist(), *split.test.tolist()]) == list(range(20))


@pytest.mark.slow
@given(given=spans, embargo=st.integers(0, 10))
def test_the_run_that_stops_a_fit_is_the_latest_and_purged(given: list[tuple[int, int]], embargo: int) -> None:
    """It is cut from the end of a fold's own training rows, and no row that is fitted overlaps it."""
    start, end = times(given)
    split = Split(np.arange(0, len(start), 2), np.arange(1, len(start), 2))
    inner = inner_fold(split, start, end, share=0.2, embargo_ns=embargo)
    assert inner.test.tolist() == split.train[len(split.train) - len(inner.test) :].tolist()
    assert set(inner.train.tolist()) <= set(split.train.tolist())
    assert (end[inner.train] < start[inner.test].min()).all()


def test_too_many_folds_are_refused() -> None:
    """More folds than samples name the field."""
    with pytest.raises(ConfigError, match=r"train\.folds is 5: 3 samples"):
        fold_bounds(3, 5)


@pytest.mark.parametrize(("skew", "kurtosis", "expected"), [(0.0, 3.0, 0.9817), (-2.448, 10.164, 0.9134)])
def test_probabilistic_sharpe(skew: float, kurtosis: float, expected: float) -> None:
    """A monthly ratio of 0.458 over 24 months, normal and as skewed as hedge funds are."""
    found = probabilistic_sharpe(Moments(n=24, sharpe=0.458, skew=skew, kurtosis=kurtosis))
    assert found == pytest.approx(expected, abs=5e-5)


def test_deflated_sharpe() -> None:
    """An annual ratio of 2.5 over 1,250 days, the best of 100 trials whose ratios vary by one half a year: the bar is
    0.1132 a day, the probability 0.9004.
    """
    daily = 1.0 / math.sqrt(250.0)
    assert best_by_chance(0.5 / 250.0, 100) == pytest.approx(0.1132, abs=5e-5)
    m = Moments(n=1250, sharpe=2.5 * daily, skew=-3.0, kurtosis=10.0)
    assert deflated_sharpe(m, variance=0.5 / 250.0, trials=100) == pytest.approx(0.9004, abs=5e-5)
    assert deflated_sharpe(m, variance=0.5 / 250.0, trials=1) == probabilistic_sharpe(m)


def test_the_minimum_track_record_reaches_its_confidence() -> None:
    """With exactly as many observations the probability is the one asked for; below the benchmark none suffice."""
    m = Moments(n=24, sharpe=0.458, skew=-2.448, kurtosis=10.164)
    needed = track_record_min(m, confidence=0.95)
    assert (
        probabilistic_sharpe(m._replace(n=math.ceil(needed)))
        >= 0.95
        > probabilistic_sharpe(m._replace(n=math.floor(needed) - 1))
    )
    assert track_record_min(m._replace(sharpe=-0.1)) == math.inf


def test_moments_of_a_known_sample() -> None:
    """Mean 2, deviation 1.5811; a sample without spread or length has no ratio."""
    found = moments(np.array([0.0, 1.0, 2.0, 3.0, 4.0]))
    assert found.sharpe == pytest.approx(2.0 / 1.5811388)
    assert (found.skew, found.kurtosis) == pytest.approx((0.0, 1.7))
    assert moments(np.full(5, 2.0)).sharpe == moments(np.zeros(0)).sharpe == 0.0


@pytest.mark.slow
@given(st.lists(st.integers(0, 6), min_size=2, max_size=50), st.integers(0, 2**32 - 1))
def test_rank_correlation_equals_another_library(values: list[int], seed: int) -> None:
    """Ranks share ties as SciPy's do, and so does Spearman's correlation."""
    from scipy import stats  # type: ignore[import-untyped]

    a = np.array(values, np.float64)
    b = np.random.default_rng(seed).integers(0, 5, len(a)).astype(np.float64)
    assert (ranks(a) + 1.0).tolist() == stats.rankdata(a).tolist()
    if len(np.unique(a)) > 1 and len(np.unique(b)) > 1:
        assert rank_correlation(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    else:
        assert rank_correlation(a, b) == 0.0


def test_a_correlation_in_blocks_has_an_error() -> None:
    """A strong relation in many blocks has a large t, chance a small one."""
    rng = np.random.default_rng(1)
    block = np.repeat(np.arange(20), 200)
    a, noise = rng.standard_normal(4000), rng.standard_normal(4000)
    mean, t = blocked_correlation(a, a + noise, block)
    assert mean == pytest.approx(0.69, abs=0.03)
    assert t > 30.0
    assert abs(blocked_correlation(a, noise, block)[1]) < 4.0
