"""The daily report: one for each day that is over, once, kept bounded; an alert where costs or estimates are off."""

import json
import logging
import time
from pathlib import Path

import msgspec
import pytest
import structlog

from core.units import NANO
from daemon import cli
from daemon.alerts.delivery import Delivery
from daemon.alerts.desk import Alert
from daemon.alerts.left import LEFT, LEFT_MAX, leave, take_left
from daemon.config.guarding import AlertSettings
from daemon.follower.reporter import Reporter
from daemon.state_dir import StateDirectory
from daemon.tca import daily
from daemon.tca.daily import DayLine, judge, write_days
from tests.fakes.cost_story import DAY, CostStory

LOG = structlog.wrap_logger(logging.getLogger("test"))


def day(date: int, total_bp: float | None, *, z: float | None = None, z_n: int = 0) -> DayLine:
    """A day's line."""
    return DayLine(
        date=date, schedules=40, orders=90, bad=0, cost_nanos=NANO, total_bp=total_bp, low_bp=None, high_bp=None, z=z,
        z_n=z_n,
    )  # fmt: skip


def test_each_day_that_is_over_has_one_page_and_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The day that goes on has none yet; given again nothing is written; a report that was lost is made again."""
    CostStory(tmp_path / "journal").tell()
    assert cli.main(["tca", "--state", str(tmp_path), "--daily", "--json"]) == 0
    (line,) = json.loads(capsys.readouterr().out)
    assert (line["date"], line["schedules"], line["orders"], line["bad"]) == (DAY, 2, 4, 2)
    assert line["cost_nanos"] == 19 * NANO
    page = tmp_path / "reports" / f"costs-{DAY}.html"
    text = page.read_text(encoding="utf-8")
    for words in (
        "What trading cost, 2023-11-14",
        "Fees by kind",
        "not split",
        "KILL: enough",
        "rejected: 201 no margin",
    ):
        assert words in text, words
    assert cli.main(["tca", "--state", str(tmp_path), "--daily"]) == 0
    assert "no day is over" in capsys.readouterr().out
    page.with_suffix(".json").unlink()
    assert cli.main(["tca", "--state", str(tmp_path), "--daily"]) == 0
    assert f"reports/costs-{DAY}.html" in capsys.readouterr().out
    assert cli.main(["tca", "--state", str(tmp_path), "--daily", "--day", "last"]) == 2
    assert take_left(tmp_path) == []


def test_old_reports_go_and_an_unusual_day_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says it too; what is no line of a day is passed over."""
    CostStory(tmp_path / "journal").tell()
    monkeypatch.setattr(daily, "KEPT_MAX", 7)
    folder = tmp_path / "reports"
    folder.mkdir()
    for number in range(7):
        (folder / f"costs-{DAY - 10 + number}.json").write_bytes(msgspec.json.encode(day(DAY - 10 + number, 0.5)))
        (folder / f"costs-{DAY - 10 + number}.html").write_text("old")
    (folder / f"costs-{DAY - 1}.json").write_text("{}")
    write_days(tmp_path, tmp_path / "journal")
    kept = sorted(int(path.stem.removeprefix("costs-")) for path in folder.glob("*.json"))
    assert kept == [*range(DAY - 8, DAY - 3), DAY - 1, DAY]
    assert not (folder / f"costs-{DAY - 10}.html").exists()
    (alert,) = take_left(tmp_path)
    assert (alert.code, alert.source, alert.severity) == ("COST_DRIFT", "report", "warning")
    assert "usually 0.50 over 6 days" in alert.text
    assert "usually 0.50 over 6 days" in (folder / f"costs-{DAY}.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (day(9, 2.0, z=0.4, z_n=400), ""),
        (day(9, 2.0, z=3.0, z_n=19), ""),
        (day(9, 2.0, z=0.9, z_n=40), "trading was dearer than estimated: mean z 0.90 over 40 schedules"),
        (day(9, 2.0, z=-0.9, z_n=40), "trading was cheaper than estimated: mean z -0.90 over 40 schedules"),
        (day(9, 2.6), ""),
        (day(9, 8.0), "cost 8.00 bp, usually 2.00 over 6 days"),
        (day(9, None), ""),
    ],
)
def test_what_is_unusual(line: DayLine, told: str) -> None:
    """Estimates that are off over enough schedules; a cost beyond the spread of the days before, never by little."""
    before = [day(number, cost) for number, cost in enumerate((1.0, 2.0, 3.0, 2.0, 1.5, 2.5), start=1)]
    assert judge(line, before) == ([told] if told else [])
    assert judge(day(9, 800.0), before[:4]) == []


def test_alerts_that_were_left_are_delivered_once(tmp_path: Path) -> None:
    """By the guard's thread; a folder full of them, or of something else, does no harm."""
    for number in range(LEFT_MAX + 3):
        alert = Alert(code=f"C{number}", severity="warning", text="t", source="report", ts_ns=number)
        assert leave(tmp_path, alert) == (number < LEFT_MAX)
    assert leave(tmp_path, Alert(code="C0", severity="critical", text="again", source="report", ts_ns=99))
    (tmp_path / LEFT / "x.json").write_text("no alert")
    found = take_left(tmp_path)
    assert [(alert.code, alert.text) for alert in (found[0], found[-1])] == [("C1", "t"), ("C0", "again")]
    assert take_left(tmp_path) == []
    leave(tmp_path, Alert(code="COST_DRIFT", severity="warning", text="t", source="report", ts_ns=1))
    delivery = Delivery(StateDirectory(tmp_path), AlertSettings(), LOG, by="guard")
    delivery._turn(look=False)
    assert list(delivery.desk.open) == ["COST_DRIFT"]


@pytest.mark.slow
def test_the_follower_has_them_written(tmp_path: Path) -> None:
    """By a process of its own, at the start for days that are over; the loop never waits for it."""
    CostStory(tmp_path / "journal").tell()
    reporter = Reporter(tmp_path, LOG)
    reporter.look()
    reporter.follow(tmp_path / "journal", 0)
    line = tmp_path / "reports" / f"costs-{DAY}.json"
    deadline = time.monotonic() + 120.0
    while not line.exists() and time.monotonic() < deadline:
        reporter.look()
        time.sleep(0.05)
    reporter.close()
    assert line.exists()
