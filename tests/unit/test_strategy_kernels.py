"""The kernels against slow formulas, and live against batch, bit for bit."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import Bug
from core.market import new_market
from core.rows import PRINT, QUOTE, ROW, SUSPICIOUS
from core.units import NANO
from strategies import kernels
from strategies.decay import exp_minus
from strategies.kernels import DECIDE, WATCHED, assert_live_equals_batch, wanted_side
from strategies.slots import SlotParams
from tests.fakes.strategy_rows import (
    CENT,
    PARAMS,
    START_NS,
    feature_array,
    make_pipeline,
    quote_all,
    recorded_rows,
    run_all,
    synthetic_rows,
)


def changed(**fields: Any) -> SlotParams:
    return SlotParams(**{name: getattr(PARAMS, name) for name in SlotParams.__struct_fields__} | fields)


def quotes(mids_cents: list[int], *, step_ns: int = NANO, inst: int = 0) -> Any:
    """Quotes two cents wide around mids, evenly spaced."""
    rows = np.zeros(len(mids_cents), ROW)
    rows["ts_ns"] = START_NS + np.arange(len(rows)) * step_ns
    rows["inst"] = inst
    rows["kind"] = QUOTE
    mid = np.array(mids_cents, np.int64) * CENT
    rows["bid_px_nanos"], rows["ask_px_nanos"] = mid - CENT, mid + CENT
    rows["bid_qty_nanos"] = rows["ask_qty_nanos"] = 100 * NANO
    return rows


def test_exp_stays_within_its_documented_error() -> None:
    """Against the C library over the whole range, and exact at the ends."""
    xs = [*np.linspace(0.0, 707.9, 4001), *(10.0 ** np.linspace(-15, 2.8, 2000))]
    assert max(abs(exp_minus(x) - math.exp(-x)) / math.exp(-x) for x in xs) <= 1e-14
    assert exp_minus(0.0) == 1.0
    assert exp_minus(708.0) == exp_minus(1e300) == 0.0


def test_exp_is_the_same_compiled_and_interpreted() -> None:
    """Additions and products only: no contraction, no library, so plain Python gives the same bits."""
    for x in np.linspace(0.0, 50.0, 500):
        assert exp_minus(float(x)) == exp_minus.py_func(float(x))


def test_start_up_check_finds_a_stale_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """It passes on what is compiled here and raises when the batch steps differently."""
    assert_live_equals_batch()
    whole = kernels.run_rows

    def stale(S: Any, F: Any, W: Any, rows: Any, lo: int, hi: int, stop: int, out: Any) -> int:
        k: int = whole(S, F, W, rows, lo, hi, stop, out)
        F[0, 0]["mean_nanos"] += 1e-3
        return k

    monkeypatch.setattr(kernels, "run_rows", stale)
    with pytest.raises(Bug, match="live and batch kernels differ"):
        assert_live_equals_batch()


@pytest.mark.parametrize("count", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_live_equals_batch_on_synthetic_rows(count: int) -> None:
    """Same stops, same market and feature bytes, and decisions were asked for."""
    rows = synthetic_rows(count)
    live, batch, single = make_pipeline(), make_pipeline(), make_pipeline()
    stops = quote_all(live, rows)
    assert stops == run_all(batch, rows)
    for at in range(5_000):
        single.step(rows[at : at + 1])
    assert live.dump() == batch.dump()
    assert len(stops) > 50
    head = make_pipeline()
    run_all(head, rows[:5_000])
    assert head.dump() == single.dump()


@pytest.mark.slow
@pytest.mark.parametrize("symbol", ["BAC", "IBM"])
def test_live_equals_batch_on_recorded_quotes(market_data: Path, symbol: str) -> None:
    """A morning of real quotes, compared mid-session."""
    rows = recorded_rows(market_data, symbol, 1, 200_000)
    live, batch = make_pipeline(), make_pipeline()
    assert quote_all(live, rows) == run_all(batch, rows)
    assert live.dump() == batch.dump()


def oracle(rows: Any, tau_ns: int) -> tuple[float, float]:
    """Weighted mean and variance of the mid over time, by the definition: one weight for each interval between
    quotes, exp(-age of its end) - exp(-age of its start), and the rest of the mass on the first mid.
    """
    ts = (rows["ts_ns"] - rows["ts_ns"][0]).astype(np.float64)
    mids = (rows["bid_px_nanos"] + rows["ask_px_nanos"]) * 0.5
    age = (ts[-1] - ts) / tau_ns
    weights = np.exp(-age[1:]) - np.exp(-age[:-1])
    weights[0] += np.exp(-age[0])
    mean = float(mids[0] + np.sum(weights * (mids[:-1] - mids[0])))  # centred: the weights add up to 1 within 1e-15
    return mean, float(np.sum(weights * (mids[:-1] - mean) ** 2))


def test_mean_and_variance_match_the_definition() -> None:
    """Event-time moments of a path that is held between quotes, bursts at one time included."""
    rows = synthetic_rows(2_000, instruments=1)
    rows["kind"], rows["flags"] = QUOTE, 0
    rows["ask_px_nanos"] = rows["bid_px_nanos"] + CENT
    rows["bid_qty_nanos"] = 100 * NANO
    for count in (2, 3, 50, 2_000):
        pipeline = make_pipeline(instruments=1, slots=1)
        run_all(pipeline, rows[:count])
        feature = pipeline.features[0, 0]
        mean, variance = oracle(rows[:count], PARAMS.tau_ns)
        assert feature["mean_nanos"] == pytest.approx(mean, rel=1e-12)
        assert feature["var_nanos2"] == pytest.approx(variance, rel=1e-6, abs=1.0)
        mid = (rows["bid_px_nanos"][count - 1] + rows["ask_px_nanos"][count - 1]) * 0.5
        sd = max(math.sqrt(variance), PARAMS.sd_floor_nanos)
        assert feature["z"] == pytest.approx((mid - mean) / sd, rel=1e-5, abs=1e-6)


def test_nothing_decays_within_one_moment() -> None:
    """A burst at one timestamp moves the mid and the count, never the average."""
    pipeline = make_pipeline(instruments=1, slots=1)
    run_all(pipeline, quotes([5000, 5010]))
    before = pipeline.features[0, 0].copy()
    burst = quotes([5050, 4900, 5020], step_ns=0)
    burst["ts_ns"] = before["ts_ns"]
    run_all(pipeline, burst)
    after = pipeline.features[0, 0]
    assert (after["mean_nanos"], after["var_nanos2"]) == (before["mean_nanos"], before["var_nanos2"])
    assert (after["mid_nanos"], after["n"]) == (5020 * CENT, before["n"] + 3)


def test_the_future_never_changes_the_past() -> None:
    """State after k rows is the same whatever the rows after them say."""
    rows = synthetic_rows(3_000)
    other = rows.copy()
    other["bid_px_nanos"][1_500:] += 7 * CENT
    other["kind"][1_500:] = QUOTE
    states = []
    for tape in (rows, other):
        pipeline = make_pipeline()
        at = 0
        while at < 1_500:
            at = pipeline.run(tape, at, 1_500, 1 << 62)
        states.append(pipeline.dump())
    assert states[0] == states[1]


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": PRINT},
        {"flags": SUSPICIOUS},
        {"ask_px_nanos": 4000 * CENT},
        {"ask_px_nanos": 0},
        {"bid_px_nanos": 0},
        {"bid_qty_nanos": 0},
        {"kind": 9},
    ],
)
def test_unusable_rows_never_touch_the_features(fields: dict[str, int]) -> None:
    """Prints, suspicious, crossed, one-sided and empty rows."""
    pipeline = make_pipeline(instruments=1, slots=1)
    run_all(pipeline, quotes([5000, 5001, 5002]))
    before = pipeline.features.tobytes()
    row = quotes([5100])
    row["ts_ns"] += 10 * NANO
    for name, value in fields.items():
        row[name] = value
    pipeline.step(row)
    assert pipeline.features.tobytes() == before


def test_a_long_silence_starts_over() -> None:
    """Overnight the average would have decayed to one price and its deviation to nothing."""
    pipeline = make_pipeline(instruments=1, slots=1)
    run_all(pipeline, quotes([5000 + k % 3 for k in range(40)]))
    row = quotes([5300])
    row["ts_ns"] += 40 * NANO + PARAMS.gap_ns
    pipeline.step(row)
    feature = pipeline.features[0, 0]
    assert (feature["n"], feature["mean_nanos"], feature["z"]) == (1, 5300 * CENT, 0.0)


def test_hysteresis() -> None:
    """Enter at 2, hold to 0.5, flip straight through; long only never goes short."""
    cases = [(-2.0, 0, 1), (-1.9, 0, 0), (-0.5, 1, 1), (-0.4, 1, 0), (2.0, 1, -1), (0.5, -1, -1), (0.4, -1, 0),
             (-2.0, -1, 1), (1.9, 1, 0)]  # fmt: skip
    for z, side, wanted in cases:
        assert wanted_side(z, side, 2.0, 0.5, -1) == wanted, (z, side)
    assert wanted_side(3.0, 1, 2.0, 0.5, 0) == 0


def asks(pipeline: Any, rows: Any) -> list[int]:
    """Seconds after the start at which a decision was asked for."""
    return [int(rows["ts_ns"][at] - START_NS) // NANO for at, code in run_all(pipeline, rows) if code & DECIDE]


def test_a_decision_is_asked_for_at_most_once_per_cadence_and_not_before_warm_up() -> None:
    """An answer that never comes costs one wake-up per cadence, not one per row."""
    rows = quotes([5000 + (k % 2) for k in range(30)] + [5200 + k for k in range(30)])
    params = changed(cadence_ns=7 * NANO, tau_ns=3000 * NANO)
    assert asks(make_pipeline(instruments=1, slots=1, params=params), rows) == [30, 37, 44, 51, 58]
    late = changed(warm_ns=33 * NANO, tau_ns=3000 * NANO)
    assert asks(make_pipeline(instruments=1, slots=1, params=late), rows)[0] == 33
    many = changed(n_min=40, tau_ns=3000 * NANO)
    assert asks(make_pipeline(instruments=1, slots=1, params=many), rows)[0] == 39


def test_fences() -> None:
    """Decisions only within [from, until); features go on outside."""
    rows = quotes([5000 + (k % 2) for k in range(30)] + [5200 + k for k in range(30)])
    pipeline = make_pipeline(instruments=1, slots=1, params=changed(cadence_ns=2 * NANO, tau_ns=3000 * NANO))
    pipeline.fence("s0", 0, START_NS + 40 * NANO, START_NS + 44 * NANO)
    assert asks(pipeline, rows) == [40, 42]
    assert pipeline.features[0, 0]["n"] == 60


def test_run_stops_before_the_time_and_after_the_watched_row() -> None:
    """The stop row is not applied, the watched one is; the code says which it was."""
    rows = quotes([5000, 5001, 5002, 5003])
    pipeline = make_pipeline(instruments=1, slots=1)
    assert pipeline.run(rows, 0, 4, START_NS + 2 * NANO) == 2
    assert pipeline.code == 0
    pipeline._watch[0] = 1
    assert pipeline.run(rows, 2, 4, 1 << 62) == 3
    assert pipeline.code == WATCHED
    assert pipeline.features[0, 0]["n"] == 3


def test_bad_blocks_and_instruments_are_refused_untouched() -> None:
    """What the raw entry point would follow into foreign memory."""
    pipeline = make_pipeline(instruments=1, slots=1)
    before = pipeline.dump()
    rows = quotes([5000, 5001], inst=1)
    for call in (
        lambda: pipeline.step(rows[:1]),
        lambda: pipeline.run(rows, 0, 2, 1 << 62),
        lambda: pipeline.run(rows, 0, 3, 1 << 62),
        lambda: pipeline.run(rows[::2], 0, 1, 1 << 62),
        lambda: pipeline.run(rows.view(np.int64), 0, 1, 1 << 62),
        lambda: pipeline.quote(1, *rows.tolist()[0]),
        lambda: pipeline.quote(0, *rows.tolist()[0]),
        lambda: pipeline.load(before[:-8]),
    ):
        with pytest.raises(Bug):
            call()
    assert pipeline.dump() == before


def test_bind_refuses_what_the_entry_point_would_not_look_at() -> None:
    """Dimensions, layout, dtype and writability."""
    good = [new_market(2), feature_array(), np.zeros(2, np.int64), np.zeros(1, ROW)]
    kernels.bind(kernels.step_row, kernels.STEP_SIGNATURE, *good)
    frozen = np.zeros(2, np.int64)
    frozen.flags.writeable = False
    for at, bad in ((0, new_market(4)[::2]), (1, feature_array()[0]), (2, np.zeros(2)), (2, frozen)):
        arrays = [*good[:at], bad, *good[at + 1 :]]
        with pytest.raises(AssertionError):
            kernels.bind(kernels.step_row, kernels.STEP_SIGNATURE, *arrays)


def test_dump_and_load_continue_identically() -> None:
    """A snapshot in the middle changes nothing, and the bound arrays stay the same."""
    rows = synthetic_rows(4_000)
    whole, first, second = make_pipeline(), make_pipeline(), make_pipeline()
    run_all(whole, rows)
    run_all(first, rows[:2_000])
    second.load(first.dump())
    assert quote_all(second, rows[2_000:])
    assert second.dump() == whole.dump()
