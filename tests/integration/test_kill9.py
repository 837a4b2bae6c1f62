"""kill -9 of the real trader process at points nobody chose; see tests/drills/kill9.py for the long form."""

import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.process import JournalSize, common, run_killed, run_whole, verify
from tests.fakes.trader import write_config

MARKET: dict[str, Any] = {"events_per_second": 1.2, "snapshot_every": 20_000, "mark_interval_s": 5.0}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], int]:
    """The summary of a run nobody interrupted, and its journal's size."""
    folder = tmp_path_factory.mktemp("whole")
    summary = run_whole(write_config(folder, **MARKET))
    assert summary["rows"] > 50_000
    assert summary["fills"] > 50
    return common(summary), JournalSize(folder / "journal").bytes()


def test_a_killed_trader_ends_like_one_that_was_not(tmp_path: Path, whole: tuple[dict[str, Any], int]) -> None:
    """Books, digest and counts of a run that died at a random size of its journal and was started again."""
    expected, size = whole
    offset = 4096 + secrets.randbelow(size - 8192)
    print(f"killed when the journal had {offset} of {size} bytes")
    config = write_config(tmp_path, **MARKET)
    summary, hits = run_killed(config, tmp_path / "journal", [offset])
    print(f"the kill hit the run: {hits}")
    assert common(summary) == expected
    assert verify(tmp_path / "journal")["difference"] == ""
