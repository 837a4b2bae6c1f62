"""From a broker's minute bars to days of volume, and from those of all names to one name's curve (core/curves.py says
how). Knows sessions and bars; asks for nothing.

A slot is five minutes, as the trader counts volume. Where fewer days are known than the curve wants, what there is
stands in, and says so: few days of the name itself, else of all names.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from core.curves import DAYS_MIN, PPM, DayKind, DayVolume, curve_of, kind_of, median_curve
from core.sessions import VOLUME_INTERVAL_NS, Calendar, Session
from core.units import NANO

MINUTE_NS: Final = 60 * NANO
SLOT_MINUTES: Final = VOLUME_INTERVAL_NS // MINUTE_NS
SESSION_MINUTES_MAX: Final = 960
HALF_DAY_MINUTES: Final = 300  # a day that ends before is a half day, where no session table says
FULL: Final[DayKind] = "full"
EXPIRY: Final[DayKind] = "expiry"
DAY_NS: Final = 86_400 * NANO


def days_of(bars: Iterable[Any], calendar: Calendar, *, before: int) -> list[DayVolume]:
    """Regular volume by slot of each day before a date; a day without volume is none."""
    slots: dict[int, dict[int, int]] = {}
    lengths: dict[int, tuple[int, bool]] = {}  # slots of the session, half day
    first_ns: dict[int, int] = {}
    for bar in bars:
        ts_ns = int(bar.date) * NANO if str(bar.date).isdigit() else 0
        if bar.volume <= 0 or not ts_ns:
            continue
        session = calendar.session(ts_ns)
        if session is not None:
            if not session.open_ns <= ts_ns < session.close_ns:
                continue
            date, since = session.date, ts_ns - session.open_ns
            lengths[date] = (_slots(session), session.half_day)
        elif not calendar.covers(ts_ns):  # of days before the session table: the first bar opens the day
            day = ts_ns // DAY_NS
            date = int(datetime.fromtimestamp(ts_ns // NANO, UTC).strftime("%Y%m%d"))
            since = ts_ns - first_ns.setdefault(day, ts_ns)
            if since >= SESSION_MINUTES_MAX * MINUTE_NS:
                continue
        else:
            continue
        if date < before:
            held = slots.setdefault(date, {})
            slot = since // VOLUME_INTERVAL_NS
            held[slot] = held.get(slot, 0) + round(float(bar.volume) * NANO)
    return [_day(date, held, lengths.get(date)) for date, held in sorted(slots.items())]


def curve(
    own: list[DayVolume], everybody: list[DayVolume], session: Session | None, *, date: int
) -> tuple[tuple[int, ...], str]:
    """Share of each minute of the day's session in ppm, () = unknown; and in words what it is made of, "" = of the
    name's own days.
    """
    half = session is not None and session.half_day
    longest = max((len(day.slots) for day in everybody), default=0)
    slots = longest if session is None else _slots(session)
    own, everybody = _fitting(own, slots), _fitting(everybody, slots)
    kind = kind_of(date, half_day=half)
    told = ""
    for wanted in (kind, FULL) if kind == EXPIRY else (kind,):  # an expiry day is more like a full day than like none
        found = curve_of(own, everybody, kind=wanted, today=date, slots=slots) if slots else None
        if found is not None and found.source != "even":
            return _minutes(found.shares_ppm), found.told or told
        few = [day for day in own if day.kind == wanted] or [day for day in everybody if day.kind == wanted]
        if few and wanted != EXPIRY:
            return _minutes(median_curve(few)), f"{len(few)} {wanted} days, {DAYS_MIN} are wanted"
        told = "an expiry day, by full days"
    return (), ""


def _slots(session: Session) -> int:
    return (session.close_ns - session.open_ns) // VOLUME_INTERVAL_NS


def _day(date: int, held: dict[int, int], known: tuple[int, bool] | None) -> DayVolume:
    last = max(held) + 1
    count, half = known or (last, last * SLOT_MINUTES < HALF_DAY_MINUTES)
    return DayVolume(
        date=date, kind=kind_of(date, half_day=half), slots=tuple(held.get(slot, 0) for slot in range(max(count, last)))
    )  # fmt: skip


def _fitting(days: list[DayVolume], slots: int) -> list[DayVolume]:
    """Days as long as the session, those whose last slots had no bar filled up; longer ones are of other hours."""
    return [
        DayVolume(date=day.date, kind=day.kind, slots=day.slots + (0,) * (slots - len(day.slots)))
        for day in days
        if len(day.slots) <= slots and (day.kind == "half" or 2 * len(day.slots) > slots)
    ]


def _minutes(shares_ppm: tuple[int, ...]) -> tuple[int, ...]:
    """Each slot spread evenly over its minutes; the sum stays exact."""
    assert sum(shares_ppm) == PPM, "a curve's shares sum to one"
    found: list[int] = []
    for share in shares_ppm:
        found += [share * (at + 1) // SLOT_MINUTES - share * at // SLOT_MINUTES for at in range(SLOT_MINUTES)]
    return tuple(found)
