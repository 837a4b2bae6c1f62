"""Real minutes of BAC and IBM at forty times real time: gateway and trader as processes that meet over TCP."""

from pathlib import Path

import pytest

from tests.drills.gateway_crash import STRATEGY
from tests.drills.gateway_days import run_hours


@pytest.mark.slow
def test_twenty_minutes(market_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ledgers are the same to the last cent, with every control on; the drill `gateway_days` has five days."""
    monkeypatch.setenv("QUANTD_MARKET_DATA", str(market_data))
    found = run_hours("2013-10-09T10:00", "2013-10-09T10:20", speed=40, strategy=STRATEGY)
    assert found["failures"] == []
    assert found["counts"]["rows"] > 500, found
    assert found["counts"]["fills"] > 0, found
