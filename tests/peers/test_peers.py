"""Client libraries that nobody here wrote, each in its own environment, against a real gateway process over TCP: what
they decoded is the market, the orders and the money that were. `scenario.py` says what they do.
"""

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers import expected
from tests.peers.expected import Report
from tests.peers.runs import PEERS, Peer, run_all


@pytest.mark.slow
def test_client_libraries_decode_what_was(tmp_path: Path) -> None:
    """Every step of every library, value by value; nothing in its log, no thread of it died. Side by side: one test."""
    reports = run_all(tmp_path)
    problems = [f"{peer.name}: {words}" for peer in PEERS for words in judged(peer, reports.get(peer.name))]
    problems += differences(reports)
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


def judged(peer: Peer, report: Report | None) -> Iterator[str]:
    """What is wrong with what one of them said."""
    if report is None:
        if peer.possible:
            yield "did not run"
        return
    for check in expected.CHECKS:
        try:
            check(report)
        except AssertionError as fault:
            yield f"{check.__name__}: {story(fault)}"
    if report["connect"]["version"] != peer.version:
        yield f"agreed on version {report['connect']['version']}, not {peer.version}"
    yield from report["end"]["faults"]


def story(fault: AssertionError) -> str:
    """The line of the check and what pytest found different."""
    line = traceback.extract_tb(fault.__traceback__)[-1]
    return f"line {line.lineno}: {line.line}: {fault}"


def differences(reports: dict[str, Report]) -> Iterator[str]:
    """What does not depend on the moment is the same, number by number, in every library."""
    for name in ("details", "rule", "search", "daily"):
        found: dict[str, Any] = {peer: expected.timeless(name, report[name]) for peer, report in reports.items()}
        first = next(iter(found.values()))
        if any(value != first for value in found.values()):
            yield f"{name} is not the same in all of them: {found}"


def test_a_missing_environment_is_a_failure_on_a_build_machine(tmp_path: Path) -> None:
    """A peer that is not there must not look like one that passed."""
    with pytest.raises(pytest.fail.Exception, match=r"make \.venv/\.peers"):
        Peer(name="nobody", version=178, driver="thread_driver").installed(folder=tmp_path, ci=True)
