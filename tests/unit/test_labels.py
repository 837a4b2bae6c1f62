"""Labels: fixed horizon, triple barrier, uniqueness; against published numbers and a plain re-implementation."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from research.labels import fixed_horizon, path_bars, triple_barrier, uniqueness, uniqueness_weights

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
FAR = 10**12


class Found(NamedTuple):
    """What a triple barrier said."""

    move_bp: Floats
    end_ns: Ints
    touched: Ints


def barrier(
    high: list[float], low: list[float], close: list[float], *, horizon: int, take: float, stop: float, until: int = FAR
) -> Found:
    """Bars at 1, 2, 3 …; samples at each, at its close."""
    n = len(close)
    ts, mid = np.arange(1, n + 1), np.array(close)
    found = Found(np.empty(n), np.empty(n, np.int64), np.empty(n, np.int64))
    triple_barrier(
        ts, np.array(high), np.array(low), mid, ts, mid, horizon, take, stop, np.full(n, until), *found
    )  # fmt: skip
    return found


def test_the_first_touch_wins() -> None:
    """100, 101, 99, 103 with barriers of 2 % and three bars to go: the upper one, at the fourth bar."""
    px = [100.0, 101.0, 99.0, 103.0]
    found = barrier(px, px, px, horizon=3, take=200.0, stop=200.0)
    assert (found.touched[0], found.end_ns[0], found.move_bp[0]) == (1, 4, 200.0)


def test_both_barriers_in_one_bar_are_a_loss() -> None:
    """The order within a bar is not known, so the worse one counts."""
    found = barrier([100.0, 103.0], [100.0, 97.0], [100.0, 100.0], horizon=5, take=200.0, stop=200.0)
    assert (found.touched[0], found.end_ns[0], found.move_bp[0]) == (-1, 2, -200.0)


def test_without_a_touch_the_mid_at_the_end_counts() -> None:
    """The label ends with the horizon and carries the move to the mid that holds then, also between two bars."""
    found = barrier([100.0, 101.0], [100.0, 101.0], [100.0, 101.0], horizon=7, take=200.0, stop=200.0)
    assert (found.touched[0], found.end_ns[0]) == (0, 8)
    assert found.move_bp[0] == pytest.approx(100.0)


def test_a_label_does_not_reach_past_the_close() -> None:
    """A horizon that ends at or after the close has no label: its end is 0."""
    px = [100.0] * 5
    found = barrier(px, px, px, horizon=2, take=50.0, stop=50.0, until=6)
    assert found.end_ns.tolist() == [3, 4, 5, 0, 0]
    move, end = np.empty(5), np.empty(5, np.int64)
    ts = np.arange(1, 6)
    fixed_horizon(ts, np.array(px), ts, np.array(px), 2, np.full(5, 6), move, end)
    assert end.tolist() == [3, 4, 5, 0, 0]


def test_moments_with_several_rows_become_one_bar() -> None:
    """Rows of equal time are merged: highest, lowest, last."""
    ts = np.array([1, 1, 1, 2, 5, 5])
    mids = np.array([10.0, 12.0, 11.0, 13.0, 9.0, 8.0])
    out = np.empty(6, np.int64), np.empty(6), np.empty(6), np.empty(6)
    assert path_bars(ts, mids, *out) == 3
    assert [column[:3].tolist() for column in out] == [[1, 2, 5], [12, 13, 9], [10, 13, 8], [11, 13, 8]]


steps = st.lists(st.tuples(st.integers(0, 3), st.integers(-30, 30)), min_size=2, max_size=60)


@pytest.mark.slow
@given(steps=steps, horizon=st.integers(1, 20), take=st.integers(1, 40), stop=st.integers(1, 40))
def test_labels_equal_a_plain_loop(steps: list[tuple[int, int]], horizon: int, take: int, stop: int) -> None:
    """Both labels agree with a search written from the definition, sample by sample."""
    ts = np.cumsum([step for step, _ in steps]).astype(np.int64)
    mids = 1000.0 + np.cumsum([move for _, move in steps]).astype(np.float64) / 10.0
    bars = np.empty(len(ts), np.int64), np.empty(len(ts)), np.empty(len(ts)), np.empty(len(ts))
    n = path_bars(ts, mids, *bars)
    bar_ts, high, low, close = bars[0][:n].copy(), bars[1][:n].copy(), bars[2][:n].copy(), bars[3][:n].copy()
    until = np.full(len(ts), int(ts[-1]) + 5)
    move, end, touched = np.empty(len(ts)), np.empty(len(ts), np.int64), np.empty(len(ts), np.int64)
    fixed_horizon(bar_ts, close, ts, mids, horizon, until, move, end)
    barriers = Found(np.empty(len(ts)), np.empty(len(ts), np.int64), touched)
    triple_barrier(
        bar_ts, high, low, close, ts, mids, horizon, float(take), float(stop), until, *barriers
    )  # fmt: skip
    for k in range(len(ts)):
        last = ts[k] + horizon
        if last >= until[k]:
            assert end[k] == barriers.end_ns[k] == 0
            continue
        held = close[bar_ts <= last][-1]
        assert (end[k], move[k]) == (last, 1e4 * (held - mids[k]) / mids[k])
        assert (barriers.move_bp[k], barriers.end_ns[k], touched[k]) == plain_barrier(
            bar_ts, high, low, close, start=int(ts[k]), last=int(last), mid=float(mids[k]), take=take, stop=stop
        )


def plain_barrier(
    ts: Ints, high: Floats, low: Floats, close: Floats, *, start: int, last: int, mid: float, take: float, stop: float
) -> tuple[float, int, int]:
    """(move, end, touched) by looking at every later bar."""
    for at in np.flatnonzero((ts > start) & (ts <= last)):
        if low[at] <= mid * (1.0 - stop / 1e4):
            return -stop, int(ts[at]), -1
        if high[at] >= mid * (1.0 + take / 1e4):
            return take, int(ts[at]), 1
    return 1e4 * (close[ts <= last][-1] - mid) / mid, last, 0


def test_uniqueness_of_three_labels() -> None:
    """Spans 1-3, 3-4 and 5-6: five sixths, three quarters, one (Lopez de Prado 2018, ch. 4)."""
    weight = np.empty(3)
    uniqueness(np.array([1, 3, 5]), np.array([3, 4, 6]), weight)
    assert weight.tolist() == pytest.approx([5 / 6, 3 / 4, 1.0])


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), min_size=1, max_size=40))
def test_uniqueness_weights_equal_a_count(spans: list[tuple[int, int]]) -> None:
    """With times instead of numbers: the mean over a label's own samples of one over the labels that hold."""
    start = np.cumsum([gap for gap, _ in spans]).astype(np.int64)
    end = start + np.array([length for _, length in spans])
    times = np.unique(start)
    for k, weight in enumerate(uniqueness_weights(start, end)):
        inside = times[(times >= start[k]) & (times <= end[k])]
        shares = [1.0 / np.count_nonzero((start <= t) & (end >= t)) for t in inside]
        assert weight == pytest.approx(np.mean(shares))
