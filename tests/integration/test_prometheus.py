"""What Prometheus is given: a real exposition over TCP, rules, their unit tests and configuration, all read by a real
promtool; and that no rule is without a test, a section of the runbook, or a metric that exists.
"""

import functools
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.ops.metrics.catalogue import METRICS
from daemon.ops.metrics.collect import MetricsPage
from daemon.ops.view import ANSWERS
from tests.fakes.metrics_view import ROOT, a_config, a_view, full_measures, full_seen
from tests.fakes.ops import fake_trader, give_token, ops_config, serving
from tests.servers.promtool import Promtool, provision
from tests.servers.required import required

FOLDER = ROOT / "deploy" / "prometheus"
RULES = sorted((FOLDER / "rules").glob("*.yml"))
TESTS = sorted((FOLDER / "tests").glob("*.yml"))
RUNBOOK = "deploy/RUNBOOK.md"
METRIC = re.compile(r"(?<![\w:])quantd_\w+")
SELECTOR = re.compile(r"(?<![\w:])(quantd_\w+)\{([^}]*)\}")
FIRING = re.compile(r'^count\(ALERTS\{alertname="(\w+)", alertstate="firing"\}\) or vector\(0\)$')
SCRAPED = {"instance", "job", "le"}  # labels that Prometheus adds, and buckets have


@pytest.fixture(scope="module")
def promtool() -> Promtool:
    """Missing is a failure on a build machine and a skip elsewhere."""
    return Promtool(required(provision))


@functools.cache
def document(file: Path) -> dict[str, Any]:
    """Rules, or tests of rules."""
    return msgspec.yaml.decode(file.read_bytes(), type=dict[str, Any])


def rules() -> list[dict[str, Any]]:
    """All of them, recording rules too."""
    return [rule for file in RULES for group in document(file)["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """Those that tell somebody."""
    return [rule for rule in rules() if "alert" in rule]


def cases() -> list[dict[str, Any]]:
    """What the unit tests ask: one expression at one time."""
    return [case for file in TESTS for test in document(file)["tests"] for case in test["promql_expr_test"]]


def plain(name: str) -> str:
    """The metric a sample is of."""
    for ending in ("_bucket", "_sum", "_count"):
        if name.removesuffix(ending) in METRICS and METRICS[name.removesuffix(ending)].kind == "histogram":
            return name.removesuffix(ending)
    return name


# ---- the rules and what they stand on ------------------------------------------------------------------------------
def test_rules_ask_for_metrics_and_labels_that_exist() -> None:
    """In the catalogue, by the names they are exported under; a value that a label never has would never fire."""
    for rule in rules():
        for name in METRIC.findall(rule["expr"]):
            assert plain(name) in METRICS, f"{name} in {rule}"
        for name, inside in SELECTOR.findall(rule["expr"]):
            labels = {label.name: label.values for label in METRICS[plain(name)].labels}
            for label, asked in re.findall(r'(\w+)=~?"([^"]*)"', inside):
                assert label in labels.keys() | SCRAPED, f"{label} in {rule}"
                assert not labels.get(label) or set(asked.split("|")) <= set(labels[label]), f"{asked} in {rule}"


def test_recorded_names_are_recorded() -> None:
    """A rule or a test that asks for another name than is recorded gets nothing, and says nothing."""
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = {
        name
        for text in (*(rule["expr"] for rule in rules()), *(case["expr"] for case in cases()))
        for name in re.findall(r"instance:quantd_[\w:]+", text)
    }
    assert asked <= recorded
    assert recorded <= {name for case in cases() for name in re.findall(r"instance:quantd_[\w:]+", case["expr"])}


def test_every_alert_tells_what_a_person_needs() -> None:
    """How bad it is, what it is, what it means, and the section of the runbook that says what to do."""
    sections = set(re.findall(r"^#+ (\w+)$", (ROOT / RUNBOOK).read_text(encoding="utf-8"), re.MULTILINE))
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names)) >= 50
    for rule in alerts():
        name, told = rule["alert"], rule["annotations"]
        assert rule["labels"]["severity"] in ("info", "warning", "critical"), name
        assert told.keys() == {"summary", "description", "runbook_url"}, name
        assert told["runbook_url"] == f"{RUNBOOK}#{name.lower()}", name
        assert name in sections, f"{name} has no section in {RUNBOOK}"


def test_every_alert_is_seen_firing_and_quiet() -> None:
    """In the unit tests of the rules; each of them is run below."""
    firing: set[str] = set()
    quiet: set[str] = set()
    for case in cases():
        match = FIRING.match(case["expr"])
        if match is not None:
            (firing if case["exp_samples"][0]["value"] else quiet).add(match[1])
    names = {rule["alert"] for rule in alerts()}
    assert firing == names
    assert quiet == names


def test_what_can_be_planned_wakes_nobody() -> None:
    """Every rule that a restart of the broker trips asks whether one is on, or cannot fire in it."""
    window = "instance:quantd_restart_window:active"
    tripped = ("quantd_link_state", "quantd_feed_blind", "quantd_feed_age_seconds", "quantd_reconcile_age_seconds")
    for rule in alerts():
        asks = rule["expr"].startswith(tripped) or "(quantd_feed_blind" in rule["expr"]
        assert not asks or window in rule["expr"], rule["alert"]


# ---- a real promtool -----------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_promtool_reads_rules_and_configuration(promtool: Promtool, tmp_path: Path) -> None:
    """As Prometheus would; and it complains of a rule that is wrong."""
    assert promtool.rules(*RULES) == ""
    assert promtool.config(FOLDER / "prometheus.yml") == ""
    broken = tmp_path / "broken.yml"
    broken.write_text(RULES[0].read_text(encoding="utf-8").replace("> 0", "> > 0", 1), encoding="utf-8")
    assert "unexpected" in promtool.rules(broken)


@pytest.mark.slow
def test_promtool_runs_the_unit_tests_of_the_rules(promtool: Promtool) -> None:
    """Every alert fires when it should, not before, and not where its exception holds."""
    assert promtool.tests(*TESTS) == ""


@pytest.mark.slow
def test_promtool_accepts_every_metric(promtool: Promtool, tmp_path: Path) -> None:
    """Format, names and units of an exposition in which everything is there; and it complains of a bad one."""
    text = MetricsPage(a_view(a_config(tmp_path), full_seen())).render().decode()
    assert promtool.metrics(text) == ""
    assert "counter" in promtool.metrics("# HELP quantd_things Some.\n# TYPE quantd_things counter\nquantd_things 1\n")


@pytest.mark.slow
async def test_a_scrape_over_tcp(promtool: Promtool, tmp_path: Path) -> None:
    """The ops process as it is, over a trader's real socket; with a token the scrape needs it."""
    config = ops_config(tmp_path)
    token = "f" * 64
    give_token(tmp_path / "metrics", token)
    config = msgspec.structs.replace(
        config, ops=msgspec.structs.replace(config.ops, metrics_token_file=str(tmp_path / "metrics"))
    )
    async with fake_trader(config) as operations, serving(config) as ops:
        operations.numbers = full_measures()
        await ops.seen(lambda view: view.seen.trader == ANSWERS and b"PRICE_BAND" in bytes(view.measures or b""))
        refused = await ops.ask("/metrics")
        given = await ops.ask("/metrics", token=token)
    assert refused.status == 401
    assert (given.status, given.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    text = given.body.decode()
    assert "quantd_up 1.0\n" in text
    assert 'quantd_order_refusals_total{code="PRICE_BAND",control="16"} 2.0\n' in text
    assert promtool.metrics(text) == ""
