"""Client libraries that nobody here wrote, each in its own environment, against a real gateway process over TCP:
what they decoded is the market, the orders and the money that were. `scenario.py` says what they do.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.peers import expected
from tests.peers.expected import Report
from tests.peers.runs import PEERS, Peer, run_all

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    """All of them at once, each with a gateway of its own."""
    return run_all(tmp_path_factory.mktemp("peers"))


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_client_library_decodes_what_was(reports: dict[str, Report], peer: Peer) -> None:
    """Every step of the scenario, value by value; nothing in the client's log, no thread of it died."""
    if not peer.possible:
        pytest.skip(f"{peer.name} needs Node.js")
    report = reports[peer.name]
    for check in expected.CHECKS:
        check(report)
    assert report["connect"]["version"] == peer.version
    assert report["end"]["faults"] == []


def test_all_of_them_decode_the_same(reports: dict[str, Report]) -> None:
    """What does not depend on the moment is the same text, number by number, in every library."""
    found: dict[str, list[Any]] = {name: [] for name in ("details", "rule", "search", "daily")}
    for report in reports.values():
        for name, values in found.items():
            values.append(expected.timeless(name, report[name]))
    for name, values in found.items():
        assert all(value == values[0] for value in values), (name, values)


def test_a_missing_environment_is_a_failure_on_a_build_machine(tmp_path: Path) -> None:
    """A peer that is not there must not look like one that passed."""
    with pytest.raises(pytest.fail.Exception, match=r"make \.venv/\.peers"):
        Peer(name="nobody", version=178, driver="thread_driver").installed(folder=tmp_path, ci=True)
