"""What the follower says about itself in its file, and what an operator is told of it."""

import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.follower.lag import MOMENTS_MAX, Lag
from daemon.status.follower import (
    LOCK_NAME,
    DatabasePicture,
    FollowerPicture,
    LastDifference,
    Part,
    follower_news,
    is_running,
    read_picture,
    write_picture,
)


def say(directory: Path, **changes: Any) -> None:
    """A follower that is well, but for the changes."""
    fields: dict[str, Any] = {
        "pid": 7, "wall_ns": time.time_ns(), "journal": 1, "head_seq": 1_000, "state": "following",
        "restep": Part(seq=1_000), "database": DatabasePicture(part=Part(seq=999, lag_records=1), edition="sqlite"),
    }  # fmt: skip
    write_picture(directory, FollowerPicture(**(fields | changes)))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    """A state directory with a follower's lock held."""
    fd = os.open(tmp_path / LOCK_NAME, os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    yield tmp_path
    os.close(fd)


def test_nobody_follows(tmp_path: Path) -> None:
    """No lock, or nobody who holds it, whatever the file says."""
    assert not is_running(tmp_path)
    assert read_picture(tmp_path) is None
    assert follower_news(tmp_path).alarms == ("follower not running: start `quantd follow -c FILE`",)
    (tmp_path / LOCK_NAME).touch()
    say(tmp_path)
    assert follower_news(tmp_path).line == "follower not running"


def test_a_follower_that_is_well_is_one_line(running: Path) -> None:
    """Positions and lags of both parts; no alarm."""
    assert follower_news(running).line == "follower starting"
    say(running)
    news = follower_news(running)
    assert news.alarms == ()
    for word in ("following", "lag 0 (0.0 s)", "sqlite lag 1 (0.0 s)", "differences 0", "seq 1,000"):
        assert word in news.line


ALARMS: list[tuple[dict[str, Any], str]] = [
    ({"wall_ns": 1}, "no word for"),
    ({"state": "not comparable", "why": "code,kernels"}, "not compared: code,kernels"),
    ({"differences": 1, "last_difference": LastDifference(seq=5, wall_ns=1, text="recorded this")}, "recorded this"),
    ({"restep": Part(seq=1, lag_records=999, lag_s=11.0)}, "comparing is 999 (11.0 s) behind"),
    ({"snapshot_fault": "no snapshot at seq 7: No space left"}, "no snapshot at seq 7: No space left"),
    ({"database": DatabasePicture(fault="no route")}, "nothing is recorded: no route"),
    ({"database": DatabasePicture(part=Part(lag_records=9, lag_s=12.0))}, "recording is 9 (12.0 s) behind"),
]


@pytest.mark.parametrize(("changes", "told"), ALARMS, ids=[told for _, told in ALARMS])
def test_what_is_wrong_is_an_alarm(running: Path, changes: dict[str, Any], told: str) -> None:
    """One line each, with what it is."""
    say(running, **changes)
    (alarm,) = follower_news(running).alarms
    assert told in alarm


def test_the_file_of_another_release_counts_as_none(running: Path) -> None:
    """Never an error where an operator looks."""
    (running / "follower.json").write_text('{"pid": "seven"}')
    assert read_picture(running) is None
    assert follower_news(running).line == "follower starting"


def test_retention_may_have_what_both_have(running: Path) -> None:
    """The slower part counts."""
    say(running)
    picture = read_picture(running)
    assert picture is not None
    assert picture.kept_seq == 999


def test_a_lag_is_as_old_as_the_oldest_record_that_is_missing() -> None:
    """The head moves on, the part stays; then it catches up half way, then whole."""
    lag = Lag()
    assert lag.part(0, head_seq=0, now_s=0.0) == Part()
    assert lag.part(0, head_seq=10, now_s=1.0) == Part(seq=0, lag_records=10, lag_s=0.0)
    assert lag.part(0, head_seq=20, now_s=2.0) == Part(seq=0, lag_records=20, lag_s=1.0)
    assert lag.part(10, head_seq=20, now_s=5.0) == Part(seq=10, lag_records=10, lag_s=3.0)
    assert lag.part(20, head_seq=20, now_s=6.0) == Part(seq=20)


def test_a_lag_of_days_takes_little_memory() -> None:
    """And its age stays right."""
    lag = Lag()
    part = Part()
    for second in range(5 * MOMENTS_MAX):
        part = lag.part(0, head_seq=second + 1, now_s=float(second))
    assert part.lag_s == 5 * MOMENTS_MAX - 1
    assert len(lag._moments) <= MOMENTS_MAX + 1
