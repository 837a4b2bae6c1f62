"""Samples and the training table: the trader's features bit for bit, whatever the blocks, and labels that fit them."""

from pathlib import Path

import numpy as np
import pytest

from broker.feeds.columns import Rows
from broker.feeds.merge import ControlFact
from core.errors import ConfigError
from core.events import FeedGapped, HaltChanged
from core.market import MarketReader, apply_row, new_market
from core.profiles import L1_250
from core.rows import QUOTE
from research.dataset import Collector, Tape, collect
from research.job import TrainSettings
from research.reading import collector_of
from research.table import training_table
from strategies.features.catalogue import COUNT, INDEX
from strategies.features.kernels import feature_emit, feature_update
from strategies.features.state import new_feature_state, set_session
from tests.fakes.training import DAY_NS, OPEN_NS, job, market, rows_of

FEED = market(hours=0.5, days=2)


def whole(**fields: object) -> Collector:
    """A collector of all features of FEED."""
    given = {"profile": L1_250, "leaders": (1, 1), "sessions": (FEED.sessions, FEED.sessions)} | fields
    return Collector(**given)  # type: ignore[arg-type]


def taken(rows: Rows, block: int, collector: Collector) -> Tape:
    """The tape in blocks."""
    return collect(iter([rows[at : at + block] for at in range(0, len(rows), block)]), collector)


@pytest.mark.slow
def test_samples_are_what_the_trader_computes() -> None:
    """Row by row as the trader steps, with the sessions set where the days change: the same features, masks, mids."""
    rows = rows_of(FEED)
    samples = taken(rows, 4096, whole()).samples
    market_state, state = new_market(2), new_feature_state(2, L1_250, (1, 1))
    out, k = np.zeros(COUNT, np.float32), 0
    for at in range(len(rows)):
        ts_ns, inst = int(rows[at]["ts_ns"]), int(rows[at]["inst"])
        for session in FEED.sessions:
            if session[0] <= ts_ns < session[1] and state[inst]["open_ns"] != session[0]:
                set_session(state, 0, *session)
                set_session(state, 1, *session)
        apply_row(market_state[inst], rows[at])
        feature_update(state, market_state, rows, at)
        if rows[at]["kind"] == QUOTE and market_state[inst]["usable"] and ts_ns < state[inst]["close_ns"]:
            mask = feature_emit(state, market_state, inst, ts_ns, out)
            assert (samples.ts_ns[k], samples.inst[k], samples.masks[k]) == (ts_ns, inst, mask)
            assert samples.values[k].tobytes() == out.tobytes()
            assert int(samples.mid[k]) == MarketReader(market_state).mark_nanos(inst)
            k += 1
    assert k == len(samples.ts_ns) > 5000


@pytest.mark.slow
@pytest.mark.parametrize("fact", [FeedGapped(inst=0, dropped=5, reason="test"), HaltChanged(inst=0, halted=0)])
def test_a_gap_or_halt_starts_tick_features_over_as_in_the_trader(fact: FeedGapped | HaltChanged) -> None:
    """Right after it the warm features of its instrument, and of no other, are not ready."""
    rows = rows_of(FEED)
    half = len(rows) // 4
    warm = 1 << INDEX["ema_gap_256s"]
    found = collect(iter([rows[:half], ControlFact(int(rows[half]["ts_ns"]), fact), rows[half:]]), whole()).samples
    after = found.only((found.ts_ns > rows[half]["ts_ns"]) & (found.ts_ns < rows[half]["ts_ns"] + 60 * 10**9))
    assert len(after.ts_ns) > 20
    assert not (after.masks[after.inst == 0] & warm).any()
    assert (after.masks[after.inst == 1] & warm).all()


@pytest.mark.slow
def test_samples_do_not_depend_on_the_blocks() -> None:
    """Blocks of any length give the same samples and paths."""
    rows = rows_of(FEED)
    wanted = taken(rows, len(rows), whole())
    for block in (1000, 37):
        found = taken(rows, block, whole())
        assert found.rows == len(rows)
        for name in wanted.samples._fields:
            assert getattr(found.samples, name).tobytes() == getattr(wanted.samples, name).tobytes()
        for one, other in zip(found.paths, wanted.paths, strict=True):
            assert [column.tobytes() for column in one] == [column.tobytes() for column in other]


@pytest.mark.slow
def test_samples_are_thinned_and_only_whole_ones_kept() -> None:
    """`every_ns` holds per instrument, and nothing is kept before all wanted features are ready."""
    rows, spec = rows_of(FEED), job(Path("m.onnx"), FEED)
    every = taken(rows, 4096, collector_of(spec, expected=1)).samples
    for inst in (0, 1):
        assert np.diff(every.ts_ns[every.inst == inst]).min() >= spec.train.sample_ns
    assert (every.masks & spec.spec.ready_mask == spec.spec.ready_mask).all()
    assert every.ts_ns[0] >= OPEN_NS + 64 * 10**9
    second = every.ts_ns[every.ts_ns >= OPEN_NS + DAY_NS]
    assert second[0] >= OPEN_NS + DAY_NS + 64 * 10**9, "each session warms up anew"


@pytest.mark.slow
def test_the_table_has_the_moves_that_came() -> None:
    """Each labelled sample's move is the one to the last mid within the horizon; none ends past its session's close;
    time ascends.
    """
    settings = TrainSettings(output="m.onnx", horizon_s=20.0, folds=2, leaf_rows_min=10)
    tape = taken(rows_of(FEED), 4096, whole())
    table = training_table(tape, settings)
    assert (np.diff(table.ts_ns) >= 0).all()
    assert len(table.ts_ns) < len(tape.samples.ts_ns), "those before the close have no label"
    rng = np.random.default_rng(1)
    for k in rng.integers(0, len(table.ts_ns), 200):
        path = tape.paths[table.inst[k]]
        now = path.ts_ns <= table.ts_ns[k]
        later = path.close[path.ts_ns <= table.end_ns[k]][-1]
        assert table.end_ns[k] == table.ts_ns[k] + settings.horizon_ns
        assert table.move_bp[k] == pytest.approx(1e4 * (later / path.close[now][-1] - 1.0), abs=0.6)
    closes = np.array([close for _, close in FEED.sessions])
    assert (table.end_ns < closes[np.searchsorted(closes, table.ts_ns, side="right")]).all()


@pytest.mark.slow
def test_too_few_samples_are_refused() -> None:
    """A table that cannot fill the leaves of its folds names the setting."""
    settings = TrainSettings(output="m.onnx", leaf_rows_min=100_000)
    with pytest.raises(ConfigError, match="leaf_rows_min"):
        training_table(taken(rows_of(FEED), 4096, whole()), settings)


def test_a_feed_without_a_sample_is_refused() -> None:
    """Rows outside every session give no sample, and that is said."""
    closed = whole(sessions=(((1, 2),), ((1, 2),)))
    with pytest.raises(ConfigError, match="not one sample"):
        taken(rows_of(FEED)[:500], 100, closed)


def test_a_feed_without_a_row_is_refused() -> None:
    """An empty feed is said to be one, like a feed without a sample."""
    with pytest.raises(ConfigError, match="not one sample"):
        collect(iter([]), whole())


def test_a_row_of_an_unknown_instrument_is_refused() -> None:
    """A row outside the arrays never reaches a kernel."""
    rows = rows_of(FEED)[:50].copy()
    rows["inst"][20] = 2
    with pytest.raises(ConfigError, match="instrument 2"):
        whole().take(rows)
