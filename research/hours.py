"""Regular hours of ordinary NYSE days, for offline work on recorded tapes. The trader's own tables know holidays and
half days; this knows none of them.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_ZONE: Final = "America/New_York"
_OPEN: Final = time(9, 30)
_CLOSE: Final = time(16)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def regular_hours(first_ns: int, last_ns: int) -> list[tuple[int, int]]:
    """09:30 to 16:00 New York of every weekday from one moment to another."""
    zone = ZoneInfo(_ZONE)
    found = []
    day = (_EPOCH + timedelta(microseconds=first_ns // 1_000)).astimezone(zone).date()
    while (open_ns := _at(day, _OPEN, zone)) <= last_ns:
        if day.weekday() < 5 and _at(day, _CLOSE, zone) > first_ns:
            found.append((open_ns, _at(day, _CLOSE, zone)))
        day += timedelta(days=1)
    return found


def utc_text(ts_ns: int) -> str:
    """ISO date and time, whole seconds."""
    return (_EPOCH + timedelta(seconds=ts_ns // 10**9)).isoformat()


def _at(day: date, moment: time, zone: ZoneInfo) -> int:
    return (datetime.combine(day, moment, tzinfo=zone) - _EPOCH) // timedelta(microseconds=1) * 1_000
