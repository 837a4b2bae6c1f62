"""kill -9 of trader and gateway, with faults on the line: the short form of the drill `gateway_crash`."""

import pytest

from tests.drills.gateway_crash import run_kills


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1001, 1002, 1003, 1004])
def test_five_kills(seed: int) -> None:
    """Twenty runs in all: no order twice, no fill lost or doubled, every order accounted for, both ledgers the same."""
    found = run_kills(seed, kills=5)
    assert found["failures"] == []
    assert found["counts"]["kills"] >= 5
    assert found["counts"]["fills"] > 0
