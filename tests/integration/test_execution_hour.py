"""Schedules of every algorithm through gateway and adapter, two real processes over TCP: a recorded hour, and the same
on a made-up market where no recording is. The drill `execution` has the five days.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.units import NANO
from tests.drills.execution import run_feed, run_window
from tests.drills.execution_plan import Window
from tests.fakes.live_pair import SYNTHETIC
from tests.fakes.recordings import recordings

FAST = 80
DAY_S = int(datetime(2026, 1, 5, 14, 30, tzinfo=UTC).timestamp())  # the open
MINUTES = 34
LEAD_S = 900  # a made-up market begins at its open: a trader that starts slowly has its history by then


def holds(found: dict[str, Any]) -> None:
    """Nothing failed (see the drill's own checks), and most of it was done in one go."""
    assert found["failures"] == [], found["refused"]
    counts = found["counts"]
    assert counts["schedules"] >= counts["planned"], found["schedules"]
    assert counts["filled"] >= counts["planned"] // 2, found["schedules"]
    assert counts["fills"] >= counts["filled"]
    assert counts["pairs"] >= 1, found["schedules"]


@pytest.mark.slow
def test_a_recorded_hour(market_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every schedule is done to the last share; schedules, children, books, journal and the venue's account agree."""
    monkeypatch.setenv("QUANTD_MARKET_DATA", str(market_data))
    holds(run_window(2, "10:00", "11:00", speed=FAST))


@pytest.mark.slow
@pytest.mark.skipif(recordings() is not None, reason="the recorded hour is stricter, and takes as long")
def test_a_made_up_half_hour() -> None:
    """The same where nothing is recorded."""
    from_s = DAY_S + LEAD_S
    window = Window(day=1, from_s=from_s, until_s=from_s + MINUTES * 60, adv={"BAC": 1_000_000, "IBM": 1_000_000})
    feed = SYNTHETIC.format(speed=f"{FAST}x", seed=3)
    ends_ns = (window.until_s + 5) * NANO
    holds(run_feed(window, feed, ends_ns, ends_ns + 600 * NANO, speed=FAST))
