"""Regular hours of ordinary NYSE days, for offline work on recorded tapes. The trader's own tables know holidays and
half days; this knows none of them.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_ZONE: Final = ZoneInfo("America/New_York")
_OPEN: Final = time(9, 30)
_CLOSE: Final = time(16)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def session_of(day: date) -> tuple[int, int]:
    """09:30 and 16:00 New York of a day."""
    return _at(day, _OPEN), _at(day, _CLOSE)


def regular_hours(first_ns: int, last_ns: int) -> list[tuple[int, int]]:
    """The sessions of every weekday from one moment to another."""
    found = []
    day = (_EPOCH + timedelta(microseconds=first_ns // 1_000)).astimezone(_ZONE).date()
    while (session := session_of(day))[0] <= last_ns:
        if day.weekday() < 5 and session[1] > first_ns:
            found.append(session)
        day += timedelta(days=1)
    return found


def utc_text(ts_ns: int) -> str:
    """ISO date and time, whole seconds."""
    return (_EPOCH + timedelta(seconds=ts_ns // 10**9)).isoformat()


def _at(day: date, moment: time) -> int:
    return (datetime.combine(day, moment, tzinfo=_ZONE) - _EPOCH) // timedelta(microseconds=1) * 1_000
