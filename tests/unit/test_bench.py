"""The benches in their smallest form: that every line is there and holds what docs/performance.md says it holds."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError
from daemon.bench import BENCHES, features, follow, kill, main, orders, parents, scored, tape, tca, wire
from daemon.bench import world as worlds
from daemon.bench.samples import Samples, judged, percentiles, reference_line, timer_us

pytestmark = pytest.mark.usefixtures("tables_built_once")


@pytest.fixture
def no_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without the recorded days."""
    monkeypatch.delenv(worlds.MARKET_DATA, raising=False)


def _timed(line: dict[str, Any]) -> None:
    assert 0 < line["p50_us"] <= line["p99_us"], line


def test_percentiles_are_ranks_of_the_samples() -> None:
    """Nearest rank over the sorted samples, in microseconds; no sample, no number."""
    assert percentiles(range(1000, 101_000, 1000)) == {"p50_us": 51.0, "p99_us": 100.0}
    assert percentiles([]) == {}


def test_the_first_samples_of_each_round_are_dropped() -> None:
    """A round warms up with samples that do not count."""
    samples = Samples(dropped=2)
    for _ in range(2):
        samples.begin_round()
        for number in range(5):
            samples.add(number)
    assert samples.kept == [2, 3, 4, 2, 3, 4]


def test_a_goal_is_met_by_all_its_fields_or_not_at_all() -> None:
    """Rates must reach their goal, everything else must stay below; a missing field never meets one."""
    assert judged({"p50_us": 2.0}, p50_us=2)["met"]
    assert not judged({"p50_us": 1.0, "p99_us": 9.0}, p50_us=2, p99_us=8)["met"]
    assert judged({"per_s": 300_000}, per_s=300_000)["met"]
    assert not judged({"per_s": 299_999}, per_s=300_000)["met"]
    assert not judged({}, p50_us=2)["met"]


def test_an_unknown_bench_is_refused_by_name() -> None:
    """Before anything is measured."""
    with pytest.raises(ConfigError, match="warp"):
        main(["warp"], as_json=True)


def test_the_reference_loop_and_the_timer_are_positive() -> None:
    """Both say what the machine is worth."""
    _timed(reference_line(rounds=200))
    assert timer_us(rounds=100) > 0


@pytest.mark.slow
def test_tick_to_order_lines() -> None:
    """Four lines, every quote an order; a path kept warm and a crowded book are measured too."""
    lines = list(orders.tick_to_order(rounds=1, hot=120, paced=12))
    names = [line["name"].removeprefix("tick_to_order.") for line in lines]
    assert names == ["hot", "paced", "paced_warm", "hot_1000"]
    assert [line["orders"] for line in lines] == [70, 11, 11, 10]
    for line in lines:
        _timed(line)
        assert line["port"] == worlds.PORT_SINK


@pytest.mark.slow
def test_gate_lines() -> None:
    """The empty book and a thousand working orders."""
    lines = list(orders.gate(rounds=1, each=80))
    assert [line["name"] for line in lines] == ["gate.empty", "gate.1000"]
    for line in lines:
        _timed(line)
        assert line["orders"] == 30


@pytest.mark.slow
def test_fsync_line() -> None:
    """One sync of the journal."""
    _timed(orders.fsync(syncs=3))


@pytest.mark.slow
def test_natural_lines_without_recordings(no_recordings: None) -> None:
    """A user without the recordings gets the made-up market and is told so."""
    lines = {line["name"]: line for line in tape.natural(rows_max=60_000)}
    falls = [f"tick_to_order.{name}" for name in ("natural", "timer", "natural_warm", "timer_warm")]
    assert list(lines) == ["step_quote", *falls]
    _timed(lines["step_quote"])
    for line in lines.values():
        assert line["data"].startswith("synthetic")
        assert line["rows"] >= 60_000


@pytest.mark.slow
def test_model_lines(no_recordings: None) -> None:
    """A model of 100 trees on every changed quote: every quote an order, and quiet scored quotes."""
    lines = {line["name"]: line for line in scored.tick_to_order(rounds=1, hot=80, paced=12)}
    assert {name: line["orders"] for name, line in lines.items()} == {
        "tick_to_order_model.hot": 30, "tick_to_order_model.paced": 11,
    }  # fmt: skip
    lines |= {line["name"]: line for line in scored.natural(rows_max=230_000)}
    assert lines["step_score"]["samples"] > 10_000
    for name in ("step_score", "tick_to_order_model.hot", "tick_to_order_model.paced"):
        _timed(lines[name])


@pytest.mark.slow
def test_recover_lines(no_recordings: None) -> None:
    """With a snapshot half way and without one."""
    lines = list(tape.recover_lines(events=20_000))
    assert [line["name"] for line in lines] == ["recover.snapshot", "recover.cold"]
    for line in lines:
        assert line["s"] > 0
        assert line["events"] >= 20_000


@pytest.mark.slow
def test_memory_line(no_recordings: None) -> None:
    """Measured in a process of its own."""
    line = tape.memory(first=10_000, last=30_000)
    assert line["mb"] > line["private_mb"] > 0
    assert line["events"] >= 30_000


def test_the_command_prints_one_json_object_a_line(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """And nothing of what was not asked for."""
    monkeypatch.setitem(BENCHES, "gate", lambda: iter([{"name": "gate.empty"}, {"name": "gate.1000"}]))
    assert main(["gate.1000"], as_json=True) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [{"name": "gate.1000"}]


def test_the_sink_takes_orders_and_says_nothing(tmp_path: Path) -> None:
    """It stands in for the venue: never due, nothing to tell."""
    port = worlds.SinkPort()
    port.pop_due(10**18)
    assert (port.orders, port.next_due_ns > 10**18) == (0, True)


@pytest.mark.slow
def test_feature_lines(no_recordings: None) -> None:
    """A live update and emission of one instrument, and the batch over a made-up market."""
    live, batch = features.features(live_rows=600, rounds=1, rows_max=40_000)
    assert [live["name"], batch["name"]] == ["features.live", "features.batch"]
    _timed(live)
    assert live["samples"] > 100
    assert live["ready"] > 20
    assert batch["per_s"] > 0
    assert batch["rows"] > batch["emitted"] > 10_000
    assert live["data"].startswith("synthetic")


@pytest.mark.slow
def test_tca_line(no_recordings: None) -> None:
    """Every execution that the real runner booked is in the report."""
    reference, line = tca.tca(fills=2 * tca.PIECES)
    _timed(reference)
    assert (line["name"], line["schedules"], line["fills"]) == ("tca", 2, 2 * tca.PIECES)
    assert line["s"] > 0
    assert line["goal"]


@pytest.mark.slow
def test_parents_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every schedule lives to the end; quotes, due ones, answers, plans anew and openings that choose are timed."""
    monkeypatch.setattr(parents, "CALLS", 240)
    lines = {line["name"]: line for line in parents.parents(symbols=2, seconds=3)}
    wanted = [f"parents.replan_{slices}" for slices in parents.SLICES]
    wanted += [f"parents.auto_{shares}" for shares in parents.CHOSEN]
    assert list(lines) == ["reference", "parents.step_quote", "parents.due", "parents.fact", *wanted]
    for line in lines.values():
        if line["samples"] or line["name"] not in ("parents.due", "parents.fact"):  # a quiet market asks for none
            _timed(line)
    assert lines["parents.step_quote"]["parents"] == lines["parents.step_quote"]["at_end"] == 10


@pytest.mark.slow
def test_follow_lines(no_recordings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Throughput into SQLite with every row of the journal, then the lag behind one that grows."""
    monkeypatch.delenv(follow.SERVER, raising=False)
    whole, lag = follow.follow(events=3_000, seconds=0.3)
    assert (whole["name"], whole["edition"], lag["name"]) == ("follow.sqlite", "sqlite", "follow.sqlite.lag")
    assert whole["market_rows"] + whole["messages"] >= 3_000
    assert whole["per_s"] > 0
    assert lag["market_rows"] >= follow.BLOCK_ROWS
    assert 0 < lag["p50_lag_s"] <= lag["max_lag_s"]


@pytest.mark.slow
def test_kill_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real trader process under ticks: every kill reaches the wire, and is answered."""
    monkeypatch.setattr(wire, "SYMBOLS", 3)
    monkeypatch.setattr(kill, "WARM", 0)
    sent, latched = kill.kill(kills=2, ticks=1_000)
    assert [sent["name"], latched["name"]] == ["kill.wire", "kill.latched"]
    for line in (sent, latched):
        _timed(line)
        assert line["samples"] == 2


@pytest.mark.slow
def test_wire_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real trader process answers ticks with orders at both rates, and reads a long write to its end."""
    for name, small in (("SYMBOLS", 3), ("WARM", 0), ("PROMPT_ORDERS", 2), ("PROMPT_S", 1.0)):
        monkeypatch.setattr(wire, name, small)
    slow, fast, blast = wire.wire(orders=3, messages=2_000)
    assert [slow["name"], fast["name"], blast["name"]] == ["wire.200", "wire.2000", "wire.blast"]
    for line in (slow, fast):
        _timed(line)
        assert line["samples"] == 3
    assert blast["per_s"] > 0
