"""Minute bars as days of volumes, and the curve of a name from them."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec

from broker.ib.minutes import curve_ppm, days_of, session_minutes
from core.curves import DayVolume, curve_of
from core.sessions import Calendar
from tests.fakes.tape import DATES, DAY, OPEN_NS, SECOND, session_table, shares

MINUTES = 390


def bars(day: int, volumes: dict[int, float]) -> list[Any]:
    """Bars of a day (counted from the table's first; negative: before it), by the minute."""
    start_s = (OPEN_NS + day * DAY) // SECOND
    return [SimpleNamespace(date=str(start_s + minute * 60), volume=size) for minute, size in volumes.items()]


def whole(first: float = 100.0) -> dict[int, float]:
    """A day that begins with `first` and trades 100 in each other minute."""
    return {minute: first if minute == 0 else 100.0 for minute in range(MINUTES)}


def test_days_are_full_days_before_today_in_five_minutes() -> None:
    """Of the session table and before it; a half day, a day that is not all there and today itself are left out."""
    table = session_table()
    half = msgspec.structs.replace(table.sessions[1], half_day=True)
    calendar = Calendar(msgspec.structs.replace(table, sessions=(table.sessions[0], half, table.sessions[2])))
    assert session_minutes(calendar) == MINUTES
    told = [
        *bars(-40, whole(600)),
        *bars(-39, {0: 1.0, 200: 1.0}),
        *bars(0, whole()),
        *bars(1, whole()),
        *bars(2, whole()),
    ]
    told.append(SimpleNamespace(date="20260105", volume=5.0))  # a daily bar by mistake
    past, first = days_of(told, calendar, before=DATES[2])
    assert (past.date, first.date) == (
        int(f"{datetime.fromtimestamp((OPEN_NS - 40 * DAY) / 1e9, UTC):%Y%m%d}"),
        DATES[0],
    )
    assert (len(past.slots), past.slots[:2], first.slots[77]) == (78, (shares(1000), shares(500)), shares(500))


def days(count: int, slots: tuple[int, ...]) -> list[DayVolume]:
    """So many alike days of January 2026."""
    return [
        DayVolume(date=20260101 + at, kind="full", slots=tuple(shares(slot) for slot in slots)) for at in range(count)
    ]


def test_the_curve_is_the_one_rule_of_the_program() -> None:
    """Twenty days: what core/curves.py says of slots, spread evenly over their minutes; the sum is exact."""
    own, others = days(20, (40, 10, 10)), days(20, (20, 20, 20))
    rule = curve_of(own, [*own, *others], kind="full", today=20260201, slots=3).shares_ppm
    found = curve_ppm(own, [*own, *others], today=20260201, minutes=13)
    assert (sum(found[:5]), sum(found[5:10]), sum(found[10:])) == rule
    assert (len(found), sum(found)) == (13, 1_000_000)
    assert max(found[:5]) - min(found[:5]) <= 1


def test_fewer_days_are_better_than_none() -> None:
    """Their plain medians; without any day there is no curve. Too few of its own, but enough of all: the common one."""
    few = days(3, (60, 20, 20))
    assert curve_ppm(few, few, today=20260201, minutes=15)[0] == 120_000
    assert curve_ppm([], few, today=20260201, minutes=15) == ()
    assert curve_ppm([], days(20, (50, 25, 25)), today=20260201, minutes=15)[0] == 100_000
    assert curve_ppm(days(2, (0, 0, 0)), [], today=20260201, minutes=15) == ()
