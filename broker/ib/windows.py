"""Restarts that are known in advance: when the next one begins and whether one is on. Pure but for the zone's rules."""

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from broker.ib.config import WEEKDAYS, IbSettings, RestartWindow, ns
from broker.ib.seam import NEVER
from core.errors import ConfigError
from core.units import NANO

_DAYS_AHEAD: Final = 8  # a window that begins once a week begins within them
_MINUTE_NS: Final = 60 * NANO


class Windows:
    """Asked with times that move forward; looks at the calendar once per window."""

    def __init__(self, settings: IbSettings) -> None:
        try:
            self._zone = ZoneInfo(settings.windows_timezone)
        except (ZoneInfoNotFoundError, ValueError) as fault:
            raise ConfigError(f"ib.windows_timezone: {settings.windows_timezone!r} is no time zone") from fault
        self._zone_name = settings.windows_timezone
        self._windows = settings.windows
        self._lead_ns = ns(settings.window_lead_s)
        self._from_ns = self._until_ns = 0
        self._text = ""

    def now(self, now_ns: int) -> str:
        """The window that is on or about to begin, in words; "" = none."""
        if now_ns >= self._until_ns:
            self._find(now_ns)
        return self._text if now_ns >= self._from_ns else ""

    def until_ns(self, now_ns: int) -> int:
        """When the window is over that is on or about to begin; 0 = none is."""
        return self._until_ns if self.now(now_ns) else 0

    def next(self, now_ns: int) -> tuple[int, str]:
        """When orders stop for the next window (or stopped for the present one), and its name."""
        self.now(now_ns)
        return self._from_ns, self._text

    def next_change_ns(self, now_ns: int) -> int:
        """When the answer of `now` changes."""
        self.now(now_ns)
        return self._from_ns if now_ns < self._from_ns else self._until_ns

    def _find(self, now_ns: int) -> None:
        today = datetime.fromtimestamp(now_ns / NANO, tz=UTC).astimezone(self._zone).date()
        self._from_ns = self._until_ns = NEVER
        self._text = ""
        for window in self._windows:
            for day in range(-1, _DAYS_AHEAD):
                start = today + timedelta(days=day)
                if WEEKDAYS[start.weekday()] not in window.days:
                    continue
                start_ns = self._start_ns(start, window)
                until_ns = start_ns + window.minutes * _MINUTE_NS
                if until_ns > now_ns:
                    if start_ns - self._lead_ns < self._from_ns:
                        self._from_ns, self._until_ns = start_ns - self._lead_ns, until_ns
                        self._text = f"{window.name}, from {window.start} {self._zone_name} for {window.minutes} min"
                    break

    def _start_ns(self, day: date, window: RestartWindow) -> int:
        hour, minute = window.start.split(":")
        local = datetime(day.year, day.month, day.day, int(hour), int(minute), tzinfo=self._zone)
        return int(local.timestamp()) * NANO
