"""The scripted kill, whole: real processes, bytes on the wire, the gateway's list, the journal on the disk."""

import pytest

from daemon.drill.kill import run_kill_drill


@pytest.mark.slow
def test_the_kill_drill() -> None:
    """Every check of `quantd drill kill`, at twice real time; the drill `kill` runs it at one, ten times."""
    report = run_kill_drill(speed=2)
    assert [f"{check.name}: {check.found}" for check in report.checks if not check.ok] == []
    assert report.ok
    assert (report.orders_open, report.others_open) == (35, 5)
