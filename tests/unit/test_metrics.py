"""Metrics: every one of the catalogue is exported as it says, nothing else is, and nothing old is shown as new."""

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from daemon.instruments import BOUNDS_NS, BUCKETS, Histogram, OrderPath
from daemon.ops.metrics import page
from daemon.ops.metrics.catalogue import METRICS
from daemon.ops.metrics.collect import STALE_S, MetricsPage, ViewCollector
from daemon.ops.metrics.drift import SAMPLES_MIN, SPACING_NS, Drift
from daemon.ops.metrics.samples import Samples
from daemon.ops.view import ABSENT
from daemon.status import measures as m
from daemon.status.footprint import footprint
from strategies.models.card import CalibrationBin
from tests.fakes.metrics_view import ROOT, a_config, a_view, full_measures, full_seen

Values = dict[tuple[str, frozenset[tuple[str, str]]], float]


def exported(text: str) -> Values:
    """Every sample of an exposition, by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Values, name: str, **labels: str) -> float:
    """One of them."""
    return found[name, frozenset(labels.items())]


@pytest.fixture
def collector(tmp_path: Path) -> ViewCollector:
    """Over a view in which everything is there."""
    return ViewCollector(a_view(a_config(tmp_path), full_seen()))


def test_every_metric_of_the_catalogue_is_exported(collector: ViewCollector) -> None:
    """With the kind, the help and the labels it says; and no other is."""
    families = {metric.name: metric for metric in collector.collect()}
    full = {f"{name}_total" if family.type == "counter" else name: family for name, family in families.items()}
    assert full.keys() == METRICS.keys()
    for name, metric in METRICS.items():
        assert full[name].type == metric.kind
        assert full[name].documentation == metric.help
        labels = {label.name for label in metric.labels} | ({"le"} if metric.kind == "histogram" else set())
        assert {frozenset(s.labels) - {"le"} for s in full[name].samples} == {frozenset(labels - {"le"})}, name


def test_values_come_out_as_they_went_in(tmp_path: Path) -> None:
    """Units are seconds, bytes and whole currency; a symbol that never ticked is blind and has no age."""
    found = exported(MetricsPage(a_view(a_config(tmp_path), full_seen())).render().decode())
    assert value(found, "quantd_up") == 1
    assert value(found, "quantd_net_exposure") == -2_000.5
    assert value(found, "quantd_drawdown_ratio") == pytest.approx(0.1)
    assert value(found, "quantd_clock_offset_seconds") == -0.04
    assert value(found, "quantd_feed_age_seconds", symbol="BAC") == 0.25
    assert ("quantd_feed_age_seconds", frozenset({("symbol", "IBM")})) not in found
    assert value(found, "quantd_feed_blind", symbol="IBM") == 1
    assert value(found, "quantd_feed_blind", symbol="BAC") == 0
    assert value(found, "quantd_order_refusals_total", control="16", code="PRICE_BAND") == 2
    assert value(found, "quantd_latches", level="symbol", state="HALTED") == 2
    assert value(found, "quantd_orders_live", state="UNKNOWN") == 1
    assert value(found, "quantd_strategy_exposure", strategy="nobody") == 0
    assert 8 < value(found, "quantd_lease_remaining_seconds") <= 9
    assert value(found, "quantd_restart_window_start_seconds", window="weekly login", login="yes") >= 0
    assert value(found, "quantd_follower_snapshot_records") == 234
    assert value(found, "quantd_tick_to_order_seconds_count", cause="market") == 7
    assert value(found, "quantd_tick_to_order_seconds_bucket", cause="market", le="2.048e-06") == 3
    assert value(found, "quantd_tick_to_order_seconds_sum", cause="market") == 3e-6


@pytest.mark.parametrize("how", ["gone", "old", "looks stand still"])
def test_a_trader_that_does_not_answer_has_no_numbers(tmp_path: Path, how: str) -> None:
    """`quantd_up` says 0 and what came from it is absent; follower, guard and lease are told of all the same."""
    long_ago = time.monotonic() - STALE_S - 1
    ways: dict[str, dict[str, Any]] = {
        "gone": {"trader": ABSENT},
        "old": {"answered_s": long_ago},
        "looks stand still": {"at_s": long_ago},
    }
    found = exported(MetricsPage(a_view(a_config(tmp_path), full_seen(**ways[how]))).render().decode())
    names = {name for name, _ in found}
    assert value(found, "quantd_up") == 0
    trader = {name for name, metric in METRICS.items() if metric.source == "trader"}
    assert {name for name in names if name.startswith(tuple(trader))} == set()
    assert {
        "quantd_follower_up",
        "quantd_guard_up",
        "quantd_lease_remaining_seconds",
        "quantd_status_age_seconds",
    } <= names


def test_processes_beside_that_are_silent_count_as_gone(tmp_path: Path) -> None:
    """A file that a dead follower or guard has left says nothing of now; its differences stay."""
    full = full_seen()
    assert full.follower is not None
    assert full.guard is not None
    seen = msgspec.structs.replace(
        full,
        follower=msgspec.structs.replace(full.follower, wall_ns=1, differences=3),
        guard=msgspec.structs.replace(full.guard, wall_ns=1),
    )
    found = exported(MetricsPage(a_view(a_config(tmp_path), seen)).render().decode())
    assert value(found, "quantd_follower_up") == value(found, "quantd_guard_up") == 0
    assert value(found, "quantd_follower_differences_total") == 3
    gone = {name for name, metric in METRICS.items() if metric.source in ("follower", "guard")}
    assert gone & {name for name, _ in found} == {"quantd_follower_differences_total"}


def test_a_process_tells_what_it_takes(tmp_path: Path) -> None:
    """Of itself, in bytes, handles and seconds; one of an earlier release says nothing, and nothing is made up."""
    taken = footprint()
    assert taken.resident_bytes > 10 << 20
    with (tmp_path / "more").open("w"):
        assert footprint().fds == taken.fds + 1
    full = full_seen()
    assert full.guard is not None
    seen = msgspec.structs.replace(full, guard=msgspec.structs.replace(full.guard, footprint=None))
    found = exported(MetricsPage(a_view(a_config(tmp_path), seen)).render().decode())
    told = {dict(labels)["process"] for name, labels in found if name == "quantd_beside_resident_memory_bytes"}
    assert told == {"follower", "ship", "ops"}
    assert value(found, "quantd_beside_cpu_seconds_total", process="ship") == 1.5


def test_measures_of_another_release_leave_what_the_status_says(tmp_path: Path) -> None:
    """ops may be newer or older than the trader for a while."""
    seen = full_seen(measures=msgspec.Raw(b'{"ts_ns": "tomorrow"}'))
    found = exported(MetricsPage(a_view(a_config(tmp_path), seen)).render().decode())
    assert value(found, "quantd_measures_up") == 0
    assert value(found, "quantd_link_state", state="READY") == 1
    assert not any(name.startswith("quantd_order_path") for name, _ in found)


def test_no_label_is_without_a_bound() -> None:
    """A closed set, or words that say what bounds it; names end in their unit."""
    for metric in METRICS.values():
        assert (metric.kind == "counter") == metric.name.endswith("_total"), metric.name
        assert metric.kind != "histogram" or metric.name.endswith("_seconds"), metric.name
        assert metric.help.endswith("."), metric.name
        for label in metric.labels:
            assert bool(label.values) != bool(label.bound), f"{metric.name} {label.name}"


def test_a_label_outside_its_set_is_a_bug_here() -> None:
    """Nothing unbounded gets out by accident."""
    with pytest.raises(AssertionError, match="state is never"):
        Samples().put("link_state", 1, "WHATEVER")


def test_the_page_is_of_this_catalogue() -> None:
    """docs/metrics.md: run `python -m daemon.ops.metrics.page > docs/metrics.md`."""
    assert (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8") == page.page()


# ---- measures ------------------------------------------------------------------------------------------------------
def test_measures_fit_into_their_bound() -> None:
    """However many symbols, however long it has run; what did not fit is counted, and the ordinary case loses none."""
    full = m.Times(sum_ns=10**16, counts=(10**8,) * (BUCKETS + 1))
    symbols = tuple(
        m.SymbolMeasure(symbol=f"SYM{at}", age_ms=123_456, state=0, session=True, value_cents=-(10**9))
        for at in range(100)
    )
    names = full_measures().times
    packed = m.encode_measures(full_measures(symbols=symbols))
    assert len(packed) <= m.MEASURES_BYTES_MAX
    assert m.decode_measures(packed).symbols == symbols
    crowded = full_measures(
        times=dict.fromkeys(names, full),
        symbols=symbols * 3,
        models=full_measures().models * m.MODELS_MAX,
        strategies=full_measures().strategies * 16,
    )
    packed = m.encode_measures(crowded)
    kept = m.decode_measures(packed)
    assert len(packed) <= m.MEASURES_BYTES_MAX
    assert kept.more["symbols"] + len(kept.symbols) == 300
    assert kept.times == crowded.times


def test_a_time_falls_into_the_bucket_below_its_bound() -> None:
    """Bounds double; what is beyond the last has a bucket of its own."""
    histogram = Histogram()
    for took_ns in (0, 1_023, 1_024, 5_000, BOUNDS_NS[-1] - 1, BOUNDS_NS[-1], 10**12):
        histogram.add(took_ns)
    assert histogram.counts[:4] == [2, 1, 0, 1]
    assert histogram.counts[-2:] == [1, 2]
    assert sum(histogram.counts) == 7
    assert histogram.sum_ns == 1_023 + 1_024 + 5_000 + 2 * BOUNDS_NS[-1] - 1 + 10**12


def test_an_order_that_waits_for_the_disk_is_timed_from_its_own_read() -> None:
    """Not from the read in which it is released; one that is cancelled meanwhile is not timed at all."""
    path = OrderPath()
    path.read_began_ns = lambda: 40
    path.marks = (50, 60, 70, True)
    path.keep(1)
    path.keep(2)
    path.drop(2)
    path.read_began_ns = lambda: 0
    path.marks = (900, 910, 920, False)
    path.leaves()
    path.left(1)
    path.settle()
    assert path.receive.sum_ns == 10
    assert path.decide.sum_ns == 10
    assert path.journal.sum_ns == 10
    assert sum(path.ticks.counts) == sum(path.hold.counts) == 1
    assert sum(path.others.counts) == 0
    path.left(2)  # of the later step: what was held of it is forgotten
    path.settle()
    assert sum(path.others.counts) == 1


def test_stages_are_counted_once_for_each_step() -> None:
    """Two orders of one step: two ways to the socket, one decision."""
    path = OrderPath()
    path.marks = (50, 60, 70, True)
    for order_id in (1, 2):
        path.leaves()
        path.left(order_id)
    path.settle()
    assert sum(path.ticks.counts) == sum(path.wire.counts) == 2
    assert sum(path.decide.counts) == sum(path.journal.counts) == 1
    assert sum(path.receive.counts) == 0, "nothing was being read"


# ---- drift ---------------------------------------------------------------------------------------------------------
def tenths() -> tuple[CalibrationBin, ...]:
    """Scores from -5 to 5, evenly."""
    return tuple(
        CalibrationBin(score_low_bp=at - 5.0, score_high_bp=at - 4.0, rows=100, score_bp=at - 4.5, realised_bp=0.0)
        for at in range(10)
    )


def sampled(scores: list[float]) -> Drift:
    """All of one symbol, far enough apart."""
    drift = Drift(tenths())
    for at, score in enumerate(scores, 1):
        drift.take("BAC", at * SPACING_NS, score)
    return drift


def test_drift_is_zero_for_the_same_scores_and_large_for_others() -> None:
    """By the usual rule a quarter is another distribution."""
    same = sampled([at % 10 - 4.5 for at in range(1_000)]).ratio
    moved = sampled([4.5 if at % 2 else at % 10 - 4.5 for at in range(1_000)]).ratio
    assert same == pytest.approx(0.0, abs=1e-9)
    assert moved is not None
    assert moved > 0.25


def test_drift_says_nothing_before_it_knows_enough() -> None:
    """Few samples, the same score again, or a model that scores everything alike."""
    assert sampled([0.5] * (SAMPLES_MIN - 1)).ratio is None
    drift = Drift(tenths())
    for _ in range(2 * SAMPLES_MIN):
        drift.take("BAC", SPACING_NS, 0.5)
    assert drift.ratio is None
    alike = Drift(tuple(msgspec.structs.replace(part, score_low_bp=0.0) for part in tenths()))
    for at in range(1, SAMPLES_MIN + 2):
        alike.take("BAC", at * SPACING_NS, 0.0)
    assert alike.ratio is None
