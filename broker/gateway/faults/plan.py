"""When the faults of the file begin: once, so long after the gateway's first start, or every day at a local time. Knows
times only; what a fault does is elsewhere.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from broker.gateway.part import NEVER
from broker.gateway.settings import WEEKDAYS, FaultSettings
from core.units import NANO

DAYS_AHEAD: Final = 8  # the next of any weekday is within


class PlanState(msgspec.Struct, array_like=True, kw_only=True):
    """What outlives a restart."""

    started_ns: int = 0
    begun: list[int] = []  # entries that begin once and have
    last_ns: int = 0  # up to here daily entries were looked at


class Plan:
    """The entries of one file."""

    def __init__(self, entries: tuple[FaultSettings, ...], timezone: str) -> None:
        self._entries = entries
        self._zone = ZoneInfo(timezone)
        self.state = PlanState()

    def start(self, ts_ns: int) -> None:
        """The gateway's first start."""
        self.state = PlanState(started_ns=ts_ns, begun=[], last_ns=ts_ns)

    @property
    def next_ns(self) -> int:
        """When the next entry begins; NEVER if none does."""
        if not self.state.started_ns:
            return NEVER
        return min((self._next(at) for at in range(len(self._entries))), default=NEVER)

    def due(self, ts_ns: int) -> list[FaultSettings]:
        """Entries that begin by now, each once for a moment, in file order."""
        found = [at for at in range(len(self._entries)) if self._next(at) <= ts_ns]
        self.state.begun += [at for at in found if not self._entries[at].at]
        self.state.last_ns = ts_ns
        return [self._entries[at] for at in found]

    def _next(self, at: int) -> int:
        entry = self._entries[at]
        if entry.at:
            return self._next_daily(entry)
        return NEVER if at in self.state.begun else self.state.started_ns + round(entry.after_s * NANO)

    def _next_daily(self, entry: FaultSettings) -> int:
        """The first of its local times after what was looked at."""
        moment = time.fromisoformat(entry.at)
        today = datetime.fromtimestamp(self.state.last_ns // NANO, UTC).astimezone(self._zone).date()
        for day in (today + timedelta(days=ahead) for ahead in range(DAYS_AHEAD)):
            ts_ns = self._ns(day, moment)
            if ts_ns > self.state.last_ns and WEEKDAYS[day.weekday()] in entry.days:
                return ts_ns
        return NEVER

    def _ns(self, day: date, moment: time) -> int:
        return int(datetime.combine(day, moment, tzinfo=self._zone).timestamp()) * NANO
