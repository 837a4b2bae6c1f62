"""When an order may trade, read from one session table. Knows no order: only the moment and whether it trades outside
regular hours.
"""

from bisect import bisect_right

from core.sessions import Calendar, Session


class Hours:
    """One calendar's sessions, looked up in any order of time. Half-open windows: [start, end)."""

    __slots__ = ("_ends", "_extended_ends", "_sessions", "_starts")

    def __init__(self, calendar: Calendar) -> None:
        self._sessions = calendar.table.sessions
        self._starts = [session.pre_open_ns for session in self._sessions]
        self._ends = [session.close_ns for session in self._sessions]
        self._extended_ends = [session.post_close_ns for session in self._sessions]

    def session_for(self, ts_ns: int, outside_rth: bool) -> Session | None:
        """The session an order entered now trades in: the running or else the next one; None past the table."""
        found = bisect_right(self._extended_ends if outside_rth else self._ends, ts_ns)
        return self._sessions[found] if found < len(self._sessions) else None

    def date_of(self, ts_ns: int) -> int:
        """The broker's day: the date (yyyymmdd) of the last session whose pre-open has come; 0 before the first.

        A real front rolls at midnight; here the list of the day's executions lives until the next pre-open, so a
        weekend sync still shows Friday.
        """
        found = bisect_right(self._starts, ts_ns) - 1
        return self._sessions[found].date if found >= 0 else 0


def window(session: Session, outside_rth: bool) -> tuple[int, int]:
    """The half-open window an order trades in on a day."""
    return (session.pre_open_ns, session.post_close_ns) if outside_rth else (session.open_ns, session.close_ns)
