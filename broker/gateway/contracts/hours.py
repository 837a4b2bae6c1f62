"""Trading hours as contract details spell them, from the session tables. Knows no contract."""

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from core.sessions import Calendar, Session
from core.units import NANO

DAYS_SHOWN: Final = 7
# The names TWS uses. Only IANA names ever leave: clients lose a whole message over any other.
_WIRE_ZONES: Final = {"America/New_York": "US/Eastern", "America/Chicago": "US/Central"}


def wire_zone(timezone: str) -> str:
    """A time zone as TWS names it."""
    return _WIRE_ZONES.get(timezone, timezone)


def hours_text(calendar: Calendar, ts_ns: int, *, regular: bool) -> str:
    """`20260406:0400-20260406:2000;20260407:CLOSED;…` from today on, as far as the table speaks."""
    zone = ZoneInfo(calendar.table.timezone)
    by_date = {session.date: session for session in calendar.table.sessions}
    today = datetime.fromtimestamp(ts_ns // NANO, UTC).astimezone(zone).date()
    days = [today + timedelta(days=ahead) for ahead in range(DAYS_SHOWN)]
    return ";".join(_day_text(day, by_date, zone, regular=regular) for day in days if _covered(calendar, day, zone))


def _covered(calendar: Calendar, day: date, zone: ZoneInfo) -> bool:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone)
    return calendar.covers(int(noon.timestamp()) * NANO)


def _day_text(day: date, by_date: dict[int, Session], zone: ZoneInfo, *, regular: bool) -> str:
    session = by_date.get(day.year * 10_000 + day.month * 100 + day.day)
    if session is None:
        return f"{day:%Y%m%d}:CLOSED"
    first, last = (session.open_ns, session.close_ns) if regular else (session.pre_open_ns, session.post_close_ns)
    return f"{_moment(first, zone)}-{_moment(last, zone)}"


def _moment(ts_ns: int, zone: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(ts_ns // NANO, UTC).astimezone(zone):%Y%m%d:%H%M}"
