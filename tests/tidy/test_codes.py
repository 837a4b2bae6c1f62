"""Every code of an alert or a latch stands in the operator's guide or the runbook, every trigger and refusal on the
page of risk.
"""

import re

from daemon.alerts.catalogue import RUNBOOK
from risk.checks import CHECKS
from risk.triggers import TRIGGERS
from tests.tidy.codes import codes
from tests.tidy.source import ROOT
from tests.tidy.test_runbook import alert_sections

CODE_IN_ROW = re.compile(r"[A-Z][A-Z_]+[A-Z]")


def told_in(page: str) -> set[str]:
    """Codes that stand in the first cell of a row of a table of this page."""
    rows = [line for line in (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    return {code for row in rows for code in CODE_IN_ROW.findall(row.split("|")[1])}


def test_an_operator_finds_every_code() -> None:
    """Who meets one at night finds what it means and what to do."""
    used = codes()
    assert {"LINK_LOST", "LEASE", "DEPLOY", "GUARD_FIRED", "SECOND_TRADER", "HALT"} <= used.keys(), (
        "the search is blind"
    )
    guide = told_in("operator.md") | set(alert_sections((ROOT / RUNBOOK).read_text(encoding="utf-8")))
    assert {code: path for code, path in used.items() if code not in guide} == {}


def test_every_trigger_and_refusal_is_on_the_page_of_risk() -> None:
    """By its code; of a trigger with a soft and a hard level without their endings."""
    page = (ROOT / "docs" / "risk.md").read_text(encoding="utf-8")
    known = {check.CODE for check in CHECKS} | {trigger.code for trigger in TRIGGERS}
    assert sorted(code for code in known if f"`{code}`" not in page) == []
