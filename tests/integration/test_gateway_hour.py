"""One real hour of BAC and IBM at fifty times real time: gateway and trader as processes that meet over TCP."""

from pathlib import Path

import pytest

from tests.drills.gateway_days import run_hours


@pytest.mark.slow
def test_hour(market_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ledgers are the same to the last cent, with every control on."""
    monkeypatch.setenv("QUANTD_MARKET_DATA", str(market_data))
    found = run_hours("2013-10-09T10:00", "2013-10-09T11:00", speed=50)
    assert found["failures"] == []
    assert found["counts"]["rows"] > 5_000
    assert found["counts"]["fills"] > 0
