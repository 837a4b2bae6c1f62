"""When an instrument trades, as windows of time with their dates, and how those become text. Knows one calendar."""

from bisect import bisect_left, bisect_right
from datetime import UTC, date, datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from broker.gateway.contracts.hours import wire_zone
from core.sessions import Calendar
from core.units import NANO

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_DAY_SECONDS: Final = 86_400


class Window(NamedTuple):
    """Half-open time of one session."""

    date: int  # yyyymmdd
    start_ns: int
    end_ns: int
    offset_s: int  # local time minus UTC; the same all through a session

    def midnight_ns(self) -> int:
        """The local midnight before its start."""
        local_s = self.start_ns // NANO + self.offset_s
        return (local_s // _DAY_SECONDS * _DAY_SECONDS - self.offset_s) * NANO


class Windows:
    """The sessions of one calendar, with and without extended hours."""

    def __init__(self, calendar: Calendar) -> None:
        self.timezone = calendar.table.timezone
        self.wire_zone = wire_zone(self.timezone)
        self.zone = zone = ZoneInfo(self.timezone)
        self._all: dict[bool, list[Window]] = {True: [], False: []}
        for session in calendar.table.sessions:
            offset_s = offset_at(session.open_ns, zone)
            self._all[True].append(Window(session.date, session.open_ns, session.close_ns, offset_s))
            self._all[False].append(Window(session.date, session.pre_open_ns, session.post_close_ns, offset_s))
        self._starts = {regular: [window.start_ns for window in found] for regular, found in self._all.items()}
        self._by_date = [window.date for window in self._all[True]]

    def every(self, regular: bool) -> list[Window]:
        """All of them, ascending."""
        return self._all[regular]

    def begun(self, ts_ns: int, regular: bool) -> int:
        """How many have begun before a moment."""
        return bisect_left(self._starts[regular], ts_ns)

    def at(self, ts_ns: int, regular: bool) -> Window | None:
        """The one that holds a moment."""
        found = bisect_right(self._starts[regular], ts_ns) - 1
        if found < 0:
            return None
        window = self._all[regular][found]
        return window if ts_ns < window.end_ns else None

    def next_start_ns(self, ts_ns: int) -> int | None:
        """The next pre-open after a moment."""
        found = bisect_right(self._starts[False], ts_ns)
        return self._starts[False][found] if found < len(self._starts[False]) else None

    def index(self, day: int) -> int:
        """Where the session of a date stands; that of the next one if there is none."""
        return bisect_left(self._by_date, day)

    def local(self, ts_ns: int) -> datetime:
        """A moment in local time."""
        return datetime.fromtimestamp(ts_ns // NANO, UTC).astimezone(self.zone)


def offset_at(ts_ns: int, zone: ZoneInfo) -> int:
    """Seconds of local time before UTC at a moment."""
    offset = datetime.fromtimestamp(ts_ns // NANO, UTC).astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def local_text(ts_ns: int, offset_s: int) -> str:
    """`20131007 09:30:00`: fast, for thousands of bars."""
    days, seconds = divmod(ts_ns // NANO + offset_s, _DAY_SECONDS)
    day = date.fromordinal(_EPOCH_DAY + days)
    return f"{day:%Y%m%d} {seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def utc_text(ts_ns: int) -> str:
    """`20131007-13:30:00`: a moment in UTC as this protocol writes it."""
    return local_text(ts_ns, 0).replace(" ", "-")
