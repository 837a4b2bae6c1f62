"""Minute bars of past days as volumes in five minutes, and the volume curve of a name from them. Pure; core/curves.py
has the rule, and what is drawn towards what. Medians of single minutes would be zero for a name that trades seldom.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from broker.ib.translate import nanos_of_float
from core.curves import DayVolume, curve_of, kind_of, median_curve
from core.sessions import Calendar
from core.units import NANO
from core.volume import MINUTE_NS, SLOT_MINUTES

USUAL_MINUTES: Final = 390  # of a session, where the table has no full one
FULL_DAY_MINUTES: Final = 300  # a day that ends sooner is a half day, or not all there


def session_minutes(calendar: Calendar) -> int:
    """Minutes of a full session."""
    full = (session for session in calendar.table.sessions if not session.half_day)
    return next(((session.close_ns - session.open_ns) // MINUTE_NS for session in full), USUAL_MINUTES)


def days_of(bars: Iterable[Any], calendar: Calendar, *, before: int) -> list[DayVolume]:
    """What traded in each slot of the full days before one (yyyymmdd), from bars with epoch times."""
    slots = -(-session_minutes(calendar) // SLOT_MINUTES)
    volumes: dict[int, dict[int, int]] = {}
    first_ns: dict[int, int] = {}  # of days before the session table: the first bar opens the day
    for bar in bars:
        ts_ns = int(bar.date) * NANO if str(bar.date).isdigit() else 0
        if bar.volume <= 0 or not ts_ns:
            continue
        session = calendar.session(ts_ns)
        if session is not None:
            if not session.half_day and session.open_ns <= ts_ns < session.close_ns:
                minute, date = (ts_ns - session.open_ns) // MINUTE_NS, session.date
                volumes.setdefault(date, {})[minute] = nanos_of_float(bar.volume)
        elif not calendar.covers(ts_ns):
            date = int(f"{datetime.fromtimestamp(ts_ns // NANO, UTC):%Y%m%d}")
            minute = (ts_ns - first_ns.setdefault(date, ts_ns)) // MINUTE_NS
            volumes.setdefault(date, {})[minute] = nanos_of_float(bar.volume)
    days = []
    for date, traded in sorted(volumes.items()):
        if date < before and max(traded) >= FULL_DAY_MINUTES:
            by_slot = [0] * slots
            for minute, volume in traded.items():
                if minute < slots * SLOT_MINUTES:
                    by_slot[minute // SLOT_MINUTES] += volume
            days.append(DayVolume(date=date, kind=kind_of(date, half_day=False), slots=tuple(by_slot)))
    return days


def curve_ppm(own: Sequence[DayVolume], everybody: Sequence[DayVolume], *, today: int, minutes: int) -> tuple[int, ...]:
    """Share of each minute of a full day, by core's rule; from fewer days than it asks for, their plain medians; () =
    no day. Within a slot the minutes are even.
    """
    found = curve_of(own, everybody, kind="full", today=today, slots=-(-minutes // SLOT_MINUTES))
    shares = found.shares_ppm
    if found.source == "even":
        usable = [day for day in own if day.kind == "full" and any(day.slots)] or [day for day in own if any(day.slots)]
        if not usable:
            return ()
        shares = median_curve(usable)
    parts: list[int] = []
    for at, share in enumerate(shares):
        count = min(SLOT_MINUTES, minutes - at * SLOT_MINUTES)
        parts += [share * (part + 1) // count - share * part // count for part in range(count)]
    return tuple(parts)
