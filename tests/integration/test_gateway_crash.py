"""kill -9 of trader and gateway, with faults on the line: the short form of the drill `gateway_crash`."""

import pytest

from tests.drills.gateway_crash import run_kills

SEED = 1002  # its first kills take the trader, the gateway and both at once


@pytest.mark.slow
def test_some_kills() -> None:
    """No order twice, no fill lost or doubled, every order accounted for, both ledgers the same; the drill has 270."""
    found = run_kills(SEED, kills=3)
    assert found["failures"] == []
    assert found["counts"]["kills"] >= 3
    assert found["counts"]["fills"] > 0
