"""The runbook has a section for everything that can wake a person, and every command in it exists."""

import ast
import re

from daemon.alerts.catalogue import BY_CODE, CRITICAL, EXTERNAL, INFO, KINDS, RUNBOOK, WARNING
from risk.checks import duplicate_order, repeated_execution
from risk.triggers import BY_LATCH
from tests.tidy.codes import codes, severities
from tests.tidy.commands import fault_of, quoted
from tests.tidy.source import ROOT

PAGE = ROOT / RUNBOOK
RULES = ROOT / "deploy" / "prometheus" / "rules"
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
LINK = re.compile(r"\]\((?:([^)#]+))?(?:#([a-z0-9_-]+))?\)")
FIRST_LINE = re.compile(r"\S+\n\n\*\*Money at risk[^\n]*\*\* `[^`]+`\n")
RANKS = (INFO, WARNING, CRITICAL)


def anchors(text: str) -> list[str]:
    """Of all headings, as a page's links name them."""
    return [re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)]


def alert_sections(text: str) -> list[str]:
    """Codes that have a section between the heading of alerts and that of Prometheus' rules."""
    part = text.partition("\n# Alerts\n")[2].partition("\n# Rules of Prometheus\n")[0]
    return re.findall(r"^### (\S+)$", part, re.MULTILINE)


def test_the_catalogue_is_what_the_code_raises() -> None:
    """Every code raised anywhere has its row, and no row is of a code that nobody raises."""
    raised = codes().keys() | BY_LATCH.keys() | {repeated_execution.CODE, duplicate_order.CODE}
    assert {"LINK_AWAY", "DISK_LOW", "COST_DRIFT", "NOT_COMPARABLE", "AUDIT"} <= raised, "the search is blind"
    assert sorted(raised - BY_CODE.keys()) == []
    assert sorted(BY_CODE.keys() - raised) == []


def test_a_severity_is_the_worst_that_is_raised() -> None:
    """Where the code says it in a word."""
    told = severities()
    assert told["KILL_UNVERIFIED"] == {CRITICAL}
    wrong = {
        code: (BY_CODE[code].severity, found)
        for code, found in told.items()
        if RANKS.index(BY_CODE[code].severity) < max(RANKS.index(one) for one in found)
    }
    assert wrong == {}


def test_every_alert_has_its_section_and_every_section_its_alert() -> None:
    """Named as the code, by which the link in a message finds it."""
    sections = alert_sections(PAGE.read_text(encoding="utf-8"))
    wanted = {kind.anchor for kind in KINDS} | {EXTERNAL.lower()}
    assert len(sections) == len(set(sections))
    assert {section.lower() for section in sections} == wanted


def test_a_section_begins_with_the_money_and_one_command() -> None:
    """Whoever is woken reads one line first."""
    text = PAGE.read_text(encoding="utf-8").partition("\n# Alerts\n")[2].partition("\n# Rules of Prometheus\n")[0]
    parts = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    assert [part.split("\n", 1)[0] for part in parts if not FIRST_LINE.match(part)] == []


def test_every_command_in_it_exists() -> None:
    """With its options, as the command line takes them."""
    lines = list(quoted(PAGE))
    assert len(lines) > 100
    assert fault_of("quantd why") != ""
    assert fault_of("quantd halt --reason TEXT --no-such") != ""
    assert {f"{number}: {line}": fault for number, line in lines if (fault := fault_of(line))} == {}


def test_every_link_in_it_leads_somewhere() -> None:
    """To a heading of its own, or to a page of the repository."""
    text = PAGE.read_text(encoding="utf-8")
    known = set(anchors(text))
    assert len(known) == len(anchors(text)), "two headings with one name"
    found = LINK.findall(text)
    assert sorted({anchor for page, anchor in found if not page and anchor not in known}) == []
    pages = {page for page, _ in found if page}
    assert sorted(page for page in pages if not (PAGE.parent / page).is_file()) == []


def test_every_rule_of_prometheus_has_its_section() -> None:
    """By the last part of its runbook_url, which is its name in small letters."""
    text = PAGE.read_text(encoding="utf-8").partition("\n# Rules of Prometheus\n")[2]
    files = [path.read_text(encoding="utf-8") for path in sorted(RULES.glob("*.yml"))]
    rules = {name.lower() for file in files for name in re.findall(r"^\s*- alert: (\S+)$", file, re.MULTILINE)}
    assert sorted(anchors(text)) == sorted(rules)


def test_the_search_for_severities_reads_calls() -> None:
    """A word in the second place of `alert`, or by its name."""
    tree = ast.parse('engine.alert("A", "info", "t")\nalert("B", "critical" if x else "warning", "t")')
    from tests.tidy.codes import severities_in

    assert dict(severities_in(tree, {})) == {"A": {"info"}, "B": {"critical", "warning"}}
