"""The boards: the committed files are the made ones, and each query asks for what is exported."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from daemon.ops.metrics.catalogue import METRICS, Metric
from tests.boards.board import FOLDER, RATE, SOURCE, json_of, queries_of
from tests.boards.every import BOARDS
from tests.servers.promtool import Promtool, provision
from tests.servers.required import required

PROVISIONING = FOLDER.parent / "provisioning"
SAMPLES = {"gauge": ("",), "counter": ("",), "histogram": ("_bucket", "_sum", "_count")}
EXPORTED: dict[str, Metric] = {
    f"{name}{ending}": metric for name, metric in METRICS.items() for ending in SAMPLES[metric.kind]
}
SCRAPED = {"instance", "job", "le"}  # labels that no metric of ours has: Prometheus adds them, and buckets have one
ALL = [(board.name, query) for board in BOARDS for query in queries_of(board)]


def selectors(query: str) -> list[tuple[str, str]]:
    """(metric, what stands in braces behind it) of a query."""
    return re.findall(r"\b(quantd_\w+|ALERTS)(?:\{([^}]*)\})?", query)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_the_committed_file_is_the_made_one(board) -> None:  # type: ignore[no-untyped-def]
    """A change by hand, or a change that was not written: python -m tests.boards."""
    assert (FOLDER / f"{board.name}.json").read_text(encoding="utf-8") == json_of(board)


def test_there_is_no_other_file() -> None:
    """A board that was renamed leaves nothing behind."""
    assert {path.stem for path in FOLDER.iterdir()} == {board.name for board in BOARDS}


@pytest.mark.parametrize(("board", "query"), ALL)
def test_every_metric_and_label_is_exported(board: str, query: str) -> None:
    """A panel that asks for what is not there is empty for ever, and nobody knows why."""
    named = selectors(query)
    assert named, f"{board}: {query} asks for nothing"
    labels = set(SCRAPED)
    for metric, braces in named:
        if metric == "ALERTS":  # Prometheus's own
            labels |= {"alertname", "alertstate", "severity"}
            continue
        assert metric in EXPORTED, f"{board}: {metric}"
        own = {label.name: label for label in EXPORTED[metric].labels}
        labels |= set(own)
        for label, value in re.findall(r'(\w+)=~?"([^"]*)"', braces):
            assert label in own or label in SCRAPED, f"{board}: {metric} has no label {label}"
            if label in own and own[label].values and not value.startswith("$"):
                assert value in own[label].values, f"{board}: {label} is never {value}"
    for group in re.findall(r"\bby \(([^)]*)\)", query):
        assert set(re.split(r",\s*", group)) <= labels, f"{board}: {query}"


def test_counters_are_rates_and_histograms_quantiles() -> None:
    """A counter as it stands says only how long the process runs; but of differences one is too many."""
    for board, query in ALL:
        for metric, _ in selectors(query):
            if metric == "ALERTS" or EXPORTED[metric].kind == "gauge" or metric == "quantd_follower_differences_total":
                continue
            assert re.search(rf"(rate|increase)\({metric}\{{[^}}]*\}}\[{re.escape(RATE)}\]\)", query), (
                f"{board}: {query}"
            )
            if EXPORTED[metric].kind == "histogram":
                assert query.startswith("histogram_quantile("), f"{board}: {query}"


def test_every_panel_tells_what_it_means_and_every_legend_has_its_label() -> None:
    """Unit, explanation, and labels in legends that the query leaves."""
    for board in BOARDS:
        titles = Counter(f"{row.title}/{chart.title}" for row in board.rows for chart in row.charts)
        assert titles.most_common(1)[0][1] == 1
        for row in board.rows:
            for chart in row.charts:
                assert chart.says.endswith((".", "?")), chart.title
                assert [value for value, _ in chart.steps] == sorted(
                    (value for value, _ in chart.steps), key=lambda value: float("-inf") if value is None else value
                ), chart.title
                for query, legend in chart.lines:
                    for label in re.findall(r"\{\{(\w+)\}\}", legend):
                        (metric, _) = selectors(query)[0]
                        own = {one.name for one in EXPORTED[metric].labels} | {"instance"}
                        groups = re.findall(r"\bby \(([^)]*)\)", query)
                        kept = set(re.split(r",\s*", groups[0])) if groups else own
                        assert label in kept, f"{board.name}: {chart.title}: {label}"


def test_every_board_finds_its_source_and_the_others() -> None:
    """The provisioned source is the one that the boards name; addresses are their own."""
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert (source["uid"], source["type"]) == (SOURCE.uid, SOURCE.type_val)
    made = [json.loads(json_of(board)) for board in BOARDS]
    assert len({board["uid"] for board in made}) == len(BOARDS)
    assert all(len(board["uid"]) <= 40 for board in made)  # Grafana's bound
    for board in made:
        assert {variable["name"] for variable in board["templating"]["list"]} == {"account", "strategy"}
        assert board["annotations"]["list"]
        for panel in board["panels"]:
            assert panel.get("type") == "row" or panel["datasource"]["uid"] == source["uid"]
            assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


@pytest.mark.slow
def test_prometheus_reads_every_query(tmp_path: Path) -> None:
    """As recording rules, by promtool: names the one that is no PromQL."""
    promtool = Promtool(required(provision))
    rules = [
        {"record": f"board:{board}:q{at}", "expr": query.replace(RATE, "1m")} for at, (board, query) in enumerate(ALL)
    ]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "boards", "rules": rules}]}), encoding="utf-8")
    assert promtool.rules(path) == ""
    rules[3]["expr"] += ")"
    path.write_text(yaml.safe_dump({"groups": [{"name": "boards", "rules": rules}]}), encoding="utf-8")
    assert "unexpected" in promtool.rules(path)
