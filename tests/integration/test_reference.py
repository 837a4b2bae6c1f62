"""Reference tables: known days of the calendar, the builder's process, and what the trader must not import for it."""

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from broker.feeds.spec import SyntheticSpec
from core.errors import ConfigError
from core.instruments import LotRule
from core.reference import FeesLoaded
from core.sessions import CLOSED, POST, PRE, REGULAR, Calendar, Session, SessionTable
from daemon.config import Config, parse_config
from daemon.config.feed_spec import feed_spec
from daemon.digests import ROOT
from daemon.reference import tables as reference
from daemon.reference.builder import build, main
from daemon.reference.hours import HOURS
from daemon.reference.tables import (
    build_in_child,
    build_reference,
    covered_days,
    day_rolls,
    from_records,
    session_table,
)
from tests.unit.test_config import GOOD


def utc(text: str) -> int:
    """An ISO time in UTC as nanoseconds."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


@pytest.fixture(scope="module")
def autumn_2013() -> SessionTable:
    return build("XNYS", first=date(2013, 9, 30), last=date(2013, 12, 6))


@pytest.fixture(scope="module")
def autumn_2026() -> SessionTable:
    return build("XNYS", first=date(2026, 9, 28), last=date(2026, 12, 31))


def on(table: SessionTable, day: int) -> Session:
    (found,) = [session for session in table.sessions if session.date == day]
    return found


def test_the_recorded_week_of_2013(autumn_2013: SessionTable) -> None:
    """Five regular days in daylight time, with the hours around them and the cut-off of the closing auction."""
    week = [session for session in autumn_2013.sessions if 20131007 <= session.date <= 20131011]
    assert [session.date for session in week] == [20131007, 20131008, 20131009, 20131010, 20131011]
    for session in week:
        day = f"2013-10-{session.date % 100:02d}"
        assert session.pre_open_ns == utc(f"{day}T08:00")
        assert session.open_ns == utc(f"{day}T13:30")
        assert session.moc_cutoff_ns == utc(f"{day}T19:50")
        assert session.close_ns == utc(f"{day}T20:00")
        assert session.post_close_ns == utc(f"{day}T00:00") + 24 * 3600 * 10**9
        assert not session.half_day


@pytest.mark.parametrize(("year", "day"), [(2013, 29), (2026, 27)])
def test_the_day_after_thanksgiving_is_half(
    year: int, day: int, autumn_2013: SessionTable, autumn_2026: SessionTable
) -> None:
    """It closes at 13:00 and goes on until 17:00 in New York; the cut-off moves with the close."""
    session = on(autumn_2013 if year == 2013 else autumn_2026, year * 10_000 + 1100 + day)
    assert session.half_day
    assert session.open_ns == utc(f"{year}-11-{day}T14:30")
    assert session.moc_cutoff_ns == utc(f"{year}-11-{day}T17:50")
    assert session.close_ns == utc(f"{year}-11-{day}T18:00")
    assert session.post_close_ns == utc(f"{year}-11-{day}T22:00")


def test_holidays_and_weekends_have_no_row(autumn_2026: SessionTable) -> None:
    """No row is what denies an order; the table still speaks for these days."""
    days = {session.date for session in autumn_2026.sessions}
    assert not days & {20261126, 20261225, 20261128, 20261129}
    calendar = Calendar(autumn_2026)
    noon = utc("2026-11-26T17:00")
    assert calendar.covers(noon)
    assert calendar.phase(noon) == CLOSED
    assert not calendar.covers(utc("2027-01-02T17:00"))


def test_the_clock_change_moves_the_open_in_utc(autumn_2026: SessionTable) -> None:
    """09:30 in New York is 13:30 UTC until 30 October 2026 and 14:30 UTC from 2 November on."""
    assert on(autumn_2026, 20261030).open_ns == utc("2026-10-30T13:30")
    assert on(autumn_2026, 20261102).open_ns == utc("2026-11-02T14:30")
    assert on(autumn_2026, 20261102).pre_open_ns == utc("2026-11-02T09:00")


def test_phases_of_a_day(autumn_2013: SessionTable) -> None:
    """The built table read by core's own calendar."""
    calendar = Calendar(autumn_2013)
    times = ("07:59", "08:00", "13:29", "13:30", "19:59", "20:00", "23:59")
    phases = [calendar.phase(utc(f"2013-10-07T{time}")) for time in times]
    assert phases == [CLOSED, PRE, PRE, REGULAR, REGULAR, POST, POST]


def test_the_table_covers_whole_local_days(autumn_2013: SessionTable) -> None:
    """From midnight to midnight in New York, first and last day included."""
    assert autumn_2013.from_ns == utc("2013-09-30T04:00")
    assert autumn_2013.until_ns == utc("2013-12-07T05:00")
    assert autumn_2013.source.startswith("exchange_calendars ")


def test_trading_days_roll_on_the_evening_of_a_session(autumn_2026: SessionTable) -> None:
    """At 20:00 the next session's day begins: over a weekend, over Thanksgiving, also after a half day."""
    rolls = dict(day_rolls(autumn_2026, day_roll="20:00", timezone="America/New_York"))
    assert rolls[utc("2026-11-24T01:00")] == 20261124
    assert rolls[utc("2026-11-26T01:00")] == 20261127
    assert rolls[utc("2026-11-28T01:00")] == 20261130
    assert list(rolls) == sorted(rolls)
    assert len(rolls) == len(autumn_2026.sessions) - 1


@pytest.mark.parametrize(
    ("calendar", "first", "last", "words"),
    [
        ("XLON", date(2026, 1, 1), date(2026, 2, 1), "'XLON' is unknown; use one of XNYS, XNAS"),
        ("XNYS", date(1600, 1, 3), date(1600, 2, 1), "has no sessions for 1600-01-03..1600-02-01"),
        ("XNYS", date(2026, 11, 28), date(2026, 11, 29), "has no sessions for 2026-11-28..2026-11-29"),
    ],
)
def test_what_the_library_does_not_know_is_a_config_error(calendar: str, first: date, last: date, words: str) -> None:
    """An unknown calendar and a range without sessions, in one line with a remedy."""
    with pytest.raises(ConfigError, match=r"^calendar: [^\n]*; [^\n]*$") as caught:
        build(calendar, first=first, last=last)
    assert words in str(caught.value)


def test_the_builder_answers_bad_arguments_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    """One line on stderr, nothing on stdout."""
    assert main(["XNYS", "2026-13-01", "2026-12-01"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return parse_config(
        GOOD.replace("seed = 3", "seed = 3\nstart_date = 2026-10-05\ndays = 2"), file="x", folder=tmp_path
    )


@pytest.fixture
def without_child(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Build in this process; the list counts how often."""
    built: list[str] = []

    def build_here(calendar: str, *, first: date, last: date) -> SessionTable:
        built.append(calendar)
        return build(calendar, first=first, last=last)

    monkeypatch.setattr(reference, "build_in_child", build_here)
    return built


def test_reference_tables_of_a_config(config: Config, without_child: list[str]) -> None:
    """Sessions a week around the feed, contracts, fees and slow numbers, and back from their records."""
    first, last = covered_days(config)
    tables = build_reference(config, first=first, last=last)
    table = tables.session_table("XNYS")
    assert (table.sessions[0].date, first) == (20260928, date(2026, 10, 5))
    assert [c.symbol for c in tables.contracts] == ["AAA", "BBB"]
    assert tables.contracts[1].lots == (
        LotRule(effective_from=20130101, round_lot_nanos=100 * 10**9, increment_nanos=10**9, minimum_nanos=10**9),
    )
    assert tables.fees.plan == "ibkr_pro_fixed"
    assert tables.previous_close_nanos(20261005) == [0, 14_050_000_000]
    assert tables.previous_close_nanos(20261006) == [0, 0], "an old close must not stand in for today's"
    made_up, stated = tables.adv_nanos(20261005)
    assert (made_up > 10_000_000 * 10**9, stated) == (True, 1_000 * 10**9)
    assert tables.adv_nanos(20261006) == [made_up, made_up], "the market says what it trades where nobody else does"
    assert tables.adv_nanos(20260930) == [0, 0], "and nothing of days before it"
    assert from_records(tables.records()) == tables
    first_reader, second_reader = tables.calendars()
    assert first_reader is second_reader
    with pytest.raises(ConfigError, match="no FeesLoaded record"):
        from_records(record for record in tables.records() if not isinstance(record, FeesLoaded))


def test_the_synthetic_spec_follows_the_tables(config: Config, without_child: list[str]) -> None:
    """Sessions of the asked days, tick and round lot of the contract in force on the first of them."""
    first, last = covered_days(config)
    tables = build_reference(config, first=first, last=last)
    spec = feed_spec(config, instruments=tables.contracts, sessions=tables.session_table("XNYS"))
    assert isinstance(spec, SyntheticSpec)
    assert spec.sessions == (
        (utc("2026-10-05T13:30"), utc("2026-10-05T20:00")),
        (utc("2026-10-06T13:30"), utc("2026-10-06T20:00")),
    )
    assert [(m.symbol, m.tick_nanos, m.lot_nanos) for m in spec.instruments] == [
        ("AAA", 10_000_000, 100 * 10**9),
        ("BBB", 10_000_000, 100 * 10**9),
    ]


def test_a_table_is_built_once_and_a_broken_file_is_built_again(tmp_path: Path, without_child: list[str]) -> None:
    """The kept file answers the next start; garbage or another range in it does not."""
    days = {"first": date(2026, 10, 1), "last": date(2026, 10, 9)}
    table = session_table("XNYS", folder=tmp_path, **days)
    assert session_table("XNYS", folder=tmp_path, **days) == table
    assert without_child == ["XNYS"]
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"[1, 2")
    assert session_table("XNYS", folder=tmp_path, **days) == table
    assert len(without_child) == 2


def test_covered_days_come_from_config_or_header(tmp_path: Path) -> None:
    """A tape's days are its header's, in the feed's zone, unless the config cuts them; neither is an error."""
    (tmp_path / "a.parquet").touch()
    tape = GOOD.replace('kind = "synthetic"', 'quotes = ["a.parquet"]')
    config = parse_config(tape, file="x", folder=tmp_path)
    last_ns = utc("2013-10-12T00:00")  # the evening of the 11th in New York
    assert covered_days(config, first_ns=utc("2013-10-07T08:00"), last_ns=last_ns) == (
        date(2013, 10, 7),
        date(2013, 10, 11),
    )
    cut = parse_config(
        tape.replace("quotes", 'start = 2013-10-08T10:00:00\nend = "2013-10-09"\nquotes'), file="x", folder=tmp_path
    )
    assert covered_days(cut, last_ns=last_ns) == (date(2013, 10, 8), date(2013, 10, 9))
    with pytest.raises(ConfigError, match=r"^feed.start: .*; set feed.start and feed.end$"):
        covered_days(config)


def test_a_builder_that_fails_is_a_clear_error(tmp_path: Path) -> None:
    """No interpreter, a crash, garbage on stdout: one line that says what to do."""
    first, last = date(2026, 10, 1), date(2026, 10, 9)
    with pytest.raises(ConfigError, match=r"^instruments.calendar: [^\n]*cannot start [^\n]*; install again$"):
        build_in_child("XNYS", python=str(tmp_path / "none"), first=first, last=last)
    crash = "echo Traceback >&2; echo boom >&2; exit 1"
    for body, words in ((crash, "boom"), ("echo x", "no table"), ("exit 3", "status 3")):
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        python.chmod(0o755)
        with pytest.raises(ConfigError, match=rf"^instruments.calendar: [^\n]*{words}[^\n]*; install again$"):
            build_in_child("XNYS", python=str(python), first=first, last=last)


@pytest.mark.slow
def test_the_builder_in_its_own_process(autumn_2026: SessionTable) -> None:
    """The same table as built here, and the builder's own words when it cannot."""
    assert build_in_child("XNYS", first=date(2026, 9, 28), last=date(2026, 12, 31)) == autumn_2026
    assert "XNAS" in HOURS
    with pytest.raises(ConfigError, match=r"^instruments.calendar: [^\n]* has no sessions [^\n]*; change the days$"):
        build_in_child("XNAS", first=date(2026, 11, 28), last=date(2026, 11, 29))


@pytest.mark.slow
def test_the_trader_side_imports_no_heavy_library(tmp_path: Path) -> None:
    """Loading a config and building the tables leaves pandas, pyarrow, exchange_calendars and typer alone."""
    (tmp_path / "run.toml").write_text(GOOD, encoding="utf-8")
    program = (
        "import sys; from pathlib import Path\n"
        "from daemon.config import load_config\n"
        "from daemon.reference.tables import build_reference, covered_days\n"
        "config = load_config(Path(sys.argv[1])); first, last = covered_days(config)\n"
        "tables = build_reference(config, first=first, last=last)\n"
        "heavy = {'pandas', 'pyarrow', 'exchange_calendars', 'sqlalchemy', 'lightgbm', 'typer'}\n"
        "print(len(tables.sessions), sorted(heavy & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "run.toml")]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
    assert (ended.stdout.strip(), ended.stderr) == ("1 []", "")


def test_importing_the_reference_module_imports_no_heavy_library() -> None:
    """The quick form of the test above: nothing is built."""
    heavy = "{'pandas', 'pyarrow', 'exchange_calendars'}"
    program = f"import sys, daemon.reference.tables; print(sorted({heavy} & set(sys.modules)))"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert (ended.stdout.strip(), ended.stderr) == ("[]", "")
