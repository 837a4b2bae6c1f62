"""Coverage of the controls and the self-assessment: every row is held by something that exists, nothing is left out."""

import ast
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from core import commands as c
from core import events as e
from core import notes as n
from core import records as r
from core.errors import ConfigError
from core.reference import ConfigResolved
from daemon import coverage as covered
from daemon.assessment import assess, evidence_of, limits_digest
from daemon.assessment_page import page_of
from daemon.config import parse_config, resolved_json
from daemon.coverage import account_limits, configured_limits, coverage
from daemon.history import History, read_history
from daemon.journal import JournalWriter
from risk.checks import CHECKS
from risk.controls import CONTROLS, IN_FORCE, IN_PART
from risk.evidence import CONTRACT, CONTROL_TESTS, COUNTING, SIGNS
from risk.limit_rows import ROWS
from risk.limits import AccountLimits, Limits
from tests.contract.test_checks import CASES
from tests.contract.test_counting_checks import CASES as COUNTED_CASES
from tests.fakes.operators import OPERATORS

ROOT = Path(__file__).resolve().parents[2]
NOW_NS = 1_767_225_600_000_000_000
CONFIG = f"""
[account]
id = "DU0000001"
tag = "du1"
[feed]
kind = "synthetic"
[[instruments]]
symbol = "AAA"
tick = 0.01
round_lot = 100
[strategies.reversion]
kind = "meanrev"
symbols = ["AAA"]
params = {{ position_shares = 100 }}
[limits.account]
gross_max = 250_000
[limits.strategy.reversion]
gross_max = 100_000
[limits.ceiling]
gross_max = 300_000
{OPERATORS}"""


@cache
def functions_of(path: str) -> set[str]:
    """Names of the tests of a file."""
    tree = ast.parse((ROOT / path).read_bytes())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_control_is_in_force_and_tested() -> None:
    """48 rows and our own; each names modules and tests that exist, contract rows included."""
    rows = coverage(History(), {})
    assert [row["control"] for row in rows] == list(range(1, 50))
    codes = {CONTRACT: {case.code for case in CASES}, COUNTING: {case.code for case in COUNTED_CASES}}
    for row in rows:
        assert row["status"] == IN_FORCE or (row["status"] == IN_PART and row["note"]), row
        for module in row["where"].split(", "):
            assert (ROOT / module).is_file(), row
        assert row["tests"], row
        for test in row["tests"]:
            path, _, name = test.partition("::")
            table = codes.get(test.partition("[")[0])
            if table is not None:
                assert name.removeprefix("test_check[").removesuffix("-*]") in table, test
            else:
                assert name in functions_of(path), test


def test_nothing_is_named_twice_or_for_no_control() -> None:
    """Evidence belongs to controls that exist; a code shows one control acting."""
    numbers = {control.number for control in CONTROLS}
    assert set(CONTROL_TESTS) <= numbers
    assert set(SIGNS) <= numbers
    codes = [code for codes in SIGNS.values() for code in codes]
    assert len(codes) == len(set(codes))
    assert {check.CONTROL for check in CHECKS} <= numbers
    assert {row.control for row in ROWS.values()} <= numbers


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A refusal, a latch and its lift, changed limits, an override and its use, a start, an operator's command."""
    refusal = n.Refusal(
        order_id=1, parent_id=0, strategy="reversion", inst=0, side=1, qty_nanos=1, limit_px_nanos=1,
        failures=(n.Failure(control=2, code="MAX_ORDER_NOTIONAL", value="5", limit="4", lift="nobody"),),
    )  # fmt: skip
    latch = c.MoveLadder(level=1, scope="", state=2, code="DAY_LOSS_HARD", reason="lost", by="monitor")
    lift = c.MoveLadder(level=1, scope="", state=0, code="DAY_LOSS_HARD", reason="seen", by="ann")
    start = e.TraderStarted(epoch=1, mode="paper", ended="new", after_crash="halted", guard_fired=False, changed="")
    grant = c.GrantOverride(
        control=2, strategy="reversion", inst=0, side=1, qty_nanos=1, px_nanos=0, until_ns=5, reason="x", by="ann",
        second="bob",
    )  # fmt: skip
    change = c.SetLimit(scope="account", name="gross_max", value="9", old="7", until_ns=5, reason="x", by="ann")
    messages: list[tuple[int, Any]] = [
        (r.REFERENCE, ConfigResolved(json='{"limits": {"account": {"gross_max": 7}}}', digest="d")),
        (r.INPUT, start),
        (r.NOTE, refusal),
        (r.NOTE, refusal),
        (r.COMMAND, latch),
        (r.COMMAND, lift),
        (r.COMMAND, change),
        (r.COMMAND, c.RevertLimit(change_id=7, reason="its time is over", by="trader")),
        (r.COMMAND, grant),
        (r.INPUT, e.OperatorHalted(level=1, scope="", reason="lunch", operator="ann", authority="peer")),
        (r.COMMAND, c.RaiseAlert(code="LIMIT_CHANGED", severity="warning", text="gross_max")),
    ]  # fmt: skip
    folder = tmp_path / "journal"
    writer = JournalWriter(folder, now_ns=NOW_NS, first_seq=1, reserve_bytes=0, background=False)
    for seq, (kind, message) in enumerate(messages, 1):
        writer.add(kind, seq, NOW_NS + seq * 10**9, 0, r.encode(message))
        writer.commit()
    writer.close()
    return folder


def test_the_journal_tells_when_a_control_last_acted(journal: Path) -> None:
    """Refusals by number, latches and alerts by code; a lift is no trigger; limits as the newest config has them."""
    history = read_history(journal)
    limits = configured_limits(history)
    rows = {row["control"]: row for row in coverage(history, limits)}
    assert (rows[2]["triggers"], rows[2]["last_trigger"]) == (2, "2026-01-01T00:00:04Z")
    assert rows[2]["last"] == "5 against 4"
    assert (rows[24]["triggers"], rows[24]["last"]) == (1, "lost")
    assert (rows[39]["triggers"], rows[39]["last"]) == (1, "gross_max")
    assert (rows[1]["triggers"], rows[1]["last_trigger"]) == (0, "")
    assert rows[6]["limits"]["gross_max"] == "7"
    assert rows[6]["limits"]["gross_equity_bp_max"] == "10000"


def test_the_pack_is_complete(journal: Path, tmp_path: Path) -> None:
    """Inventory, rationale and owner of each limit, evidence, breaches, changes, overrides, commands, digests."""
    text = CONFIG + '[authority]\nowner = "risk@example"\ncontrol_owners = { "24" = "cfo@example" }\n'
    config = parse_config(text, file="test", folder=tmp_path)
    (tmp_path / "junit.xml").write_text('<testsuite tests="5" failures="1" errors="0" skipped="2" timestamp="t"/>')
    pack = assess(config, read_history(journal), ts_ns=NOW_NS, audit={"verified": "yes"}, evidence=(tmp_path,))
    assert json.loads(json.dumps(pack)) == pack
    (strategy,) = pack["inventory"]
    assert (strategy["strategy"], strategy["approved_operators"]) == ("reversion", ["ann", "bob"])
    assert strategy["limits"] == {"gross_max": "100000"}
    owners = {row["control"]: row["owner"] for row in pack["controls"]}
    assert (owners[1], owners[24]) == ("risk@example", "cfo@example")
    limits = {row["limit"]: row for row in pack["limits"]}
    assert len(limits) == len(ROWS)
    assert all(row["rationale"] for row in limits.values())
    gross = limits["gross_max"]
    assert (gross["in_force"], gross["ceiling"], gross["set"]) == ("250000", "300000", True)
    drills = [entry["drill"] for entry in pack["evidence"] if "drill" in entry]
    assert "faults" in drills
    (tests,) = [entry for entry in pack["evidence"] if "junit" in entry]
    assert (tests["tests"], tests["failures"]) == (5, 1)
    assert [entry["what"] for entry in pack["limit_changes"]] == ["SetLimit", "RevertLimit"]
    assert [entry["second"] for entry in pack["overrides"]] == ["bob"]
    assert [entry["state"] for entry in pack["breaches"]] == ["HALTED", "ACTIVE"]
    assert [entry["reason"] for entry in pack["operator_commands"]] == ["lunch"]
    assert pack["digests"]["limits"] == limits_digest(config.limits)
    page = page_of(pack)
    for words in (
        "risk@example",
        "gross_max",
        "drill faults",
        "MoveLadder",
        "second bob",
        "verified yes",
        "5 run, 1 failed",
    ):
        assert words in page
    assert resolved_json(config)


def test_limits_have_a_digest_of_their_own() -> None:
    """A factory value that is written out changes nothing that binds; another value does."""
    assert limits_digest(Limits()) == limits_digest(Limits())
    assert limits_digest(Limits()) != limits_digest(Limits(account=AccountLimits(gross_max=1)))
    assert account_limits(Limits())["gross_max"] == "5000000"
    assert covered.tests_of(3)[0] == f"{CONTRACT}[PRICE_COLLAR-*]"


@pytest.mark.parametrize(("name", "text"), [("a.json", "{"), ("a.xml", "<a")])
def test_evidence_that_cannot_be_read_is_named(tmp_path: Path, name: str, text: str) -> None:
    """A broken record is an error with its file, never silently passed over."""
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=name):
        evidence_of((tmp_path,))
