"""The session table: when an exchange trades, day by day, as UTC nanoseconds. Built in daemon/reference/; a day without
a row is a day without trading, and a time outside the table's range denies.
"""

from bisect import bisect_right
from typing import Final

import msgspec

CLOSED: Final = 0
PRE: Final = 1
REGULAR: Final = 2
POST: Final = 3
VOLUME_INTERVAL_NS: Final = 300 * 10**9  # slots of volume, on the clock: an exchange opens at the start of one
PHASE_NAMES: Final = {CLOSED: "closed", PRE: "pre-market", REGULAR: "regular", POST: "after-hours"}


class Session(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """One trading day of one calendar."""

    date: int  # yyyymmdd
    pre_open_ns: int
    open_ns: int
    close_ns: int
    post_close_ns: int
    moc_cutoff_ns: int  # last moment a market-on-close order may be entered
    half_day: bool = False


class SessionTable(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """The days of one calendar, ascending, and the range of time the table speaks for."""

    calendar: str
    timezone: str
    sessions: tuple[Session, ...]
    from_ns: int
    until_ns: int
    source: str = ""


class Calendar:
    """Reads one session table. Amortised O(1) for times that move forward."""

    __slots__ = ("_at", "_starts", "table")

    def __init__(self, table: SessionTable) -> None:
        self.table = table
        self._starts = [s.pre_open_ns for s in table.sessions]
        self._at = 0

    def session(self, ts_ns: int) -> Session | None:
        """The session whose pre-open..post-close holds `ts_ns`; None outside."""
        sessions = self.table.sessions
        at = self._at
        if at < len(sessions) and sessions[at].pre_open_ns <= ts_ns < sessions[at].post_close_ns:
            return sessions[at]
        found = bisect_right(self._starts, ts_ns) - 1
        if found < 0:
            return None
        self._at = found
        session = sessions[found]
        return session if ts_ns < session.post_close_ns else None

    def phase(self, ts_ns: int) -> int:
        """CLOSED, PRE, REGULAR or POST at a time."""
        session = self.session(ts_ns)
        if session is None:
            return CLOSED
        if ts_ns < session.open_ns:
            return PRE
        return REGULAR if ts_ns < session.close_ns else POST

    def date_after(self, date: int) -> int:
        """The next trading date (yyyymmdd); `date` itself at the end of the table."""
        return next((session.date for session in self.table.sessions if session.date > date), date)

    def session_of(self, date: int) -> Session | None:
        """The session of a trading date; None where the table has none."""
        return next((session for session in self.table.sessions if session.date == date), None)

    def covers(self, ts_ns: int) -> bool:
        """Whether the table speaks for this time at all."""
        return self.table.from_ns <= ts_ns < self.table.until_ns

    def next_boundary_ns(self, ts_ns: int) -> int:
        """The next moment the phase changes after `ts_ns`; the table's end if none."""
        session = self.session(ts_ns)
        if session is not None:
            for edge in (session.open_ns, session.close_ns, session.post_close_ns):
                if edge > ts_ns:
                    return edge
        found = bisect_right(self._starts, ts_ns)
        return self._starts[found] if found < len(self._starts) else self.table.until_ns
