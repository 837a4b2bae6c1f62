"""Builds one session table as JSON on stdout: `python -m daemon.reference.builder CALENDAR FIRST LAST`.

The one place that imports exchange_calendars (and so pandas, 0.5 s and 80 MB); always a process of its own.
Exit status 2 and one line on stderr when the calendar is unknown or the library does not cover the range.
"""

import sys
import warnings
from datetime import date, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from core.errors import ConfigError
from core.sessions import Session, SessionTable
from daemon.reference.hours import HOURS, Hours, local_ns, number_of


def build(calendar: str, *, first: date, last: date) -> SessionTable:
    """The table for [first, last], both included, as local days of the exchange. Raises ConfigError."""
    hours = HOURS.get(calendar)
    if hours is None:
        raise ConfigError(f"calendar: {calendar!r} is unknown; use one of {', '.join(HOURS)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas deprecates what exchange_calendars still uses: not ours to repair
        return _build(calendar, hours, first=first, last=last)


def _build(calendar: str, hours: Hours, *, first: date, last: date) -> SessionTable:
    import exchange_calendars

    try:
        found = exchange_calendars.get_calendar(calendar, start=str(first), end=str(last))
    except (ValueError, exchange_calendars.errors.CalendarError) as fault:  # pandas' errors are ValueErrors
        reason = " ".join(str(fault).split()).rstrip(".")
        raise ConfigError(
            f"calendar: {calendar} has no sessions for {first}..{last}: {reason}; change the days"
        ) from fault
    zone = ZoneInfo(hours.timezone)
    early = {day.date() for day in found.early_closes}
    days = zip(found.sessions, found.opens, found.closes, strict=True)
    return SessionTable(
        calendar=calendar,
        timezone=hours.timezone,
        sessions=tuple(
            _session(day.date(), start, end, hours, half_day=day.date() in early) for day, start, end in days
        ),
        from_ns=local_ns(first, time.min, zone),
        until_ns=local_ns(last + timedelta(days=1), time.min, zone),
        source=f"exchange_calendars {exchange_calendars.__version__}",
    )


def _session(day: date, opens: Any, closes: Any, hours: Hours, *, half_day: bool) -> Session:
    """`opens` and `closes` are pandas timestamps in UTC."""
    zone = ZoneInfo(hours.timezone)
    close_ns = int(closes.value)
    return Session(
        date=number_of(day),
        pre_open_ns=local_ns(day, hours.pre_open, zone),
        open_ns=int(opens.value),
        close_ns=close_ns,
        post_close_ns=local_ns(day, hours.post_close_half_day if half_day else hours.post_close, zone),
        moc_cutoff_ns=close_ns - hours.moc_cutoff_ns,
        half_day=half_day,
    )


def main(arguments: list[str]) -> int:
    """Entry point."""
    try:
        calendar, first, last = arguments
        days = [date.fromisoformat(text) for text in (first, last)]
        table = build(calendar, first=days[0], last=days[1])
    except (ConfigError, ValueError) as fault:
        print(" ".join(str(fault).split()), file=sys.stderr)
        return 2
    sys.stdout.buffer.write(msgspec.json.encode(table))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
