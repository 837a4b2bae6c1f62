"""A broker's minute bars as days of volume and as a name's curve: kinds of days, fall-backs in words, exact sums."""

from itertools import count
from types import SimpleNamespace
from typing import Any, Final, cast

import numpy as np
import pytest

from broker.ib.config import IbSettings
from broker.ib.contracts import Contracts
from broker.ib.history import History
from broker.ib.seam import READY, Shell
from broker.ib.volume_days import curve, days_of
from core.curves import PPM, DayVolume
from core.events import ReferenceArrived
from core.sessions import Calendar, Session, SessionTable
from core.units import NANO
from tests.fakes.tape import OPEN_NS, instrument

DAY_NS: Final = 86_400 * NANO
HALF: Final = 20  # number of the half day among the sessions
U: Final = 0.55 + 1.35 * np.linspace(-1, 1, 390) ** 2


def session(number: int) -> Session:
    """One of forty days in a row, numbered 20260101 and on; one is a half day."""
    open_ns = OPEN_NS + number * DAY_NS
    minutes = 210 if number == HALF else 390
    close_ns = open_ns + minutes * 60 * NANO
    return Session(
        date=date(number), pre_open_ns=open_ns - 3600 * NANO, open_ns=open_ns, close_ns=close_ns,
        post_close_ns=close_ns + 3600 * NANO, moc_cutoff_ns=close_ns - 600 * NANO, half_day=number == HALF,
    )  # fmt: skip


def date(number: int) -> int:
    return 20260105 + number if number < 27 else 20260201 + number - 27


def calendar(sessions: int = 40) -> Calendar:
    return Calendar(
        SessionTable(
            calendar="XNYS", timezone="America/New_York", sessions=tuple(session(at) for at in range(sessions)),
            from_ns=OPEN_NS - DAY_NS, until_ns=OPEN_NS + 50 * DAY_NS,
        )
    )  # fmt: skip


def bars(numbers: range, *, tilt: float = 0.0, times: float = 1.0) -> list[Any]:
    """Minute bars of days, one of them before the open, whose volume leans to the afternoon by `tilt`."""
    found = [SimpleNamespace(date=str((OPEN_NS - 60 * NANO) // NANO), volume=10**9)]
    for number in numbers:
        for minute in range(210 if number == HALF else 390):
            at_s = (OPEN_NS + number * DAY_NS) // NANO + 60 * minute
            volume = times * 1000 * U[minute] * (1 + tilt * (minute / 195 - 1))
            found.append(SimpleNamespace(date=str(at_s), volume=round(volume)))
    return found


def test_bars_become_days_of_their_kind() -> None:
    """Regular minutes in slots of five; half day and third Friday apart; today and what comes after are not known."""
    days = days_of(bars(range(15)) + bars(range(19, 24)), calendar(), before=date(23))
    assert [day.date for day in days] == [date(at) for at in (*range(15), *range(19, 23))]
    kinds = {day.date: day.kind for day in days}
    assert kinds[date(HALF)] == "half"
    assert kinds[20260116] == "expiry"
    assert sorted(set(kinds.values())) == ["expiry", "full", "half"]
    assert {len(day.slots) for day in days if day.kind == "full"} == {78}
    assert len(next(day.slots for day in days if day.kind == "half")) == 42
    assert days[0].slots[0] == sum(round(1000 * U[minute]) for minute in range(5)) * NANO


def test_days_before_the_session_table_are_told_by_their_length() -> None:
    """The first bar opens the day; one that ends after three and a half hours is a half day."""
    table = SessionTable(
        calendar="XNYS", timezone="America/New_York", sessions=(), from_ns=OPEN_NS + 60 * DAY_NS,
        until_ns=OPEN_NS + 61 * DAY_NS,
    )  # fmt: skip
    days = days_of(bars(range(19, 22))[1:], Calendar(table), before=20270101)
    assert [(day.date, day.kind, len(day.slots)) for day in days] == [
        (20260124, "full", 78), (20260125, "half", 42), (20260126, "full", 78),
    ]  # fmt: skip


def made(numbers: range, **how: float) -> list[DayVolume]:
    return days_of(bars(numbers, **how), calendar(), before=date(39))


def test_the_curve_is_the_name_s_own_drawn_towards_all() -> None:
    """Twenty days and more: own; the sum over the minutes is exact and no minute is empty."""
    own = made(range(30), tilt=0.3)
    shares, told = curve(own, own + made(range(30)), session(30), date=date(30))
    assert (sum(shares), len(shares), told) == (PPM, 390, "")
    assert sum(shares[195:]) > sum(shares[:195]) * 1.2
    assert min(shares) > 0


@pytest.mark.parametrize(
    ("own_days", "others", "number", "words"),
    [
        (range(5), range(30), 30, "5 full days, 20 are needed: the curve of all names"),
        (range(5), range(0), 30, "5 full days, 20 are wanted"),
        (range(0), range(4), 30, "4 full days, 20 are wanted"),
        (range(30), range(30), 11, "11 full days, 20 are needed: the curve of all names"),
        (range(30), range(30), 38, ""),
    ],
)
def test_what_stands_in_is_said(own_days: range, others: range, number: int, words: str) -> None:
    """Few days of its own: all names'; few of those: what there is."""
    own, all_others = made(own_days), made(others)
    shares, told = curve(own, own + all_others, session(number), date=date(number))
    assert sum(shares) == PPM
    if number == 11:  # the third Friday: eleven full days of its own and eleven of the other before it
        assert "all names" in told
    else:
        assert told.endswith(words)


def test_half_days_and_nothing_at_all() -> None:
    """A half day is told by half days alone; no day at all is no curve."""
    own = made(range(30))
    shares, told = curve(own, own, session(HALF), date=20270101)
    assert (len(shares), told) == (210, "1 half days, 20 are wanted")
    assert curve([], [], session(30), date=date(30)) == ((), "")
    full_only = [day for day in own if day.kind == "full"]
    assert curve(full_only, full_only, session(HALF), date=date(HALF)) == ((), "")


class Asked:
    """What `History` knows of its adapter: time, requests out, facts in."""

    link = READY

    def __init__(self) -> None:
        self.now_ns = OPEN_NS + 30 * DAY_NS
        self.requests: list[tuple[int, str]] = []  # id, bar size
        self.facts: list[ReferenceArrived] = []
        self.numbers = count(1)

    def request_id(self) -> int:
        return next(self.numbers)

    def request(self, lane: int, name: str, request_id: int, *rest: Any) -> None:
        self.requests.append((request_id, rest[3]))

    def patience_ns(self, usual_ns: int) -> int:
        return usual_ns

    def fact(self, event: ReferenceArrived) -> None:
        self.facts.append(event)


def test_what_all_names_have_in_common_is_told_when_it_is_known() -> None:
    """The first name has five days and is told so; when the second has brought its thirty, the first is told again, by
    the curve of all.
    """
    asked = Asked()
    history = History(
        cast(Shell, asked), cast(Contracts, SimpleNamespace(known=["c", "c"])), IbSettings(),
        instruments=(instrument(0), instrument(1)), calendars=(calendar(), calendar()),
    )  # fmt: skip
    history.fetch(date(30))
    history.allow()
    for _ in range(4):
        history.tick(asked.now_ns)
        asked.now_ns += NANO
    assert [size for _, size in asked.requests] == ["1 day", "1 day", "1 min", "1 min"]
    for number, (request_id, size) in enumerate(asked.requests):
        day_bars = [SimpleNamespace(date=str(date(at)), volume=390_000, close=10.0) for at in range(30)]
        minutes = [
            SimpleNamespace(close=10.0, **vars(bar))
            for bar in (bars(range(5)) if number == 2 else bars(range(30), tilt=0.3))
        ]
        for bar in day_bars if size == "1 day" else minutes:
            history.bar(request_id, bar)
        history.end(request_id)
    told = [(fact.inst, fact.source.partition("; ")[2]) for fact in asked.facts]
    assert told == [
        (0, "volume curve: 5 full days, 20 are wanted"),
        (1, ""),
        (0, "volume curve: 5 full days, 20 are needed: the curve of all names"),
    ]
    assert all(sum(fact.curve_ppm) == PPM and not fact.missing for fact in asked.facts)
