"""Recorded days of two stocks, at full speed: money exact, decisions the same every time, replay verified."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.drills.kill9 import drill_config
from tests.fakes.process import common, run_whole, verify


def days(folder: Path, market_data: Path, patch: pytest.MonkeyPatch, *, part: str = "") -> Path:
    """The shipped example's config with its state in `folder`, on all days or on a part of them."""
    patch.setenv("QUANTD_MARKET_DATA", str(market_data))
    folder.mkdir()
    path = drill_config(folder)
    path.write_text(path.read_text().replace('speed = "max"\n', f'speed = "max"\n{part}'))
    return path


def check(first: dict[str, Any], journal: Path) -> None:
    """It traded, and cash plus positions at their marks is the equity, to the last nano."""
    assert first["children"] > 0
    assert first["fills"] > 0
    value = sum(Decimal(p["qty"]) * Decimal(p["mark"]) for p in first["positions"])
    assert Decimal(first["cash"]) + value == Decimal(first["equity"])
    realised = sum(Decimal(p["realised"]) for p in first["positions"])
    fees = sum(Decimal(p["fees"]) for p in first["positions"])
    assert (realised, fees) == (Decimal(first["realised"]), Decimal(first["fees"]))
    unrealised = sum(Decimal(p["unrealised"]) for p in first["positions"])
    assert Decimal(first["equity"]) == Decimal(1_000_000) + realised - fees + unrealised
    replayed = verify(journal, hash_seed=4242)
    assert replayed["difference"] == ""
    assert replayed["rows"] == first["rows"]


def test_an_hour(tmp_path: Path, market_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The quick form: an hour, twice, under two hash seeds."""
    part = 'start = "2013-10-09T11:00"\nend = "2013-10-09T12:00"\n'
    first = run_whole(days(tmp_path / "a", market_data, monkeypatch, part=part), hash_seed=1)
    check(first, tmp_path / "a" / "journal")
    second = run_whole(days(tmp_path / "b", market_data, monkeypatch, part=part), hash_seed=2)
    assert common(second) == common(first)


@pytest.mark.slow
def test_over_a_night(tmp_path: Path, market_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An afternoon, the night and a morning, every oddity counted; made again under another hash seed by the replay
    (twice by the trader itself: the hour, and all five days in the drill `kill9`).
    """
    part = 'start = "2013-10-08T15:00"\nend = "2013-10-09T10:15"\n'
    first = run_whole(days(tmp_path / "a", market_data, monkeypatch, part=part), hash_seed=1)
    assert first["rows"] > 100_000
    assert first["open_orders"] == 0
    assert sum(first["oddities"]["BAC"].values()) > first["oddities"]["BAC"]["quotes"]
    check(first, tmp_path / "a" / "journal")
