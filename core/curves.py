"""How a day's volume spreads over the session: a curve by equal slots from past days, drawn towards what all names have
in common, and how the present day compares with it. Pure; knows no market row, order or clock: days of volumes in,
shares out.

1. *Own*: per slot the median over the trailing days of its share of the day's volume, made to sum to one. Only days of
   the same kind count: a half day and an expiry day have curves of their own. Fewer than `DAYS_MIN` days are no curve.
2. *Pooled*: the same over the days of all names together.
3. *Shrunk* (James and Stein 1961, positive part): pooled + w (own - pooled), w = 1 - (S - 3) v / |own - pooled|^2, at
   least 0, where S counts the slots and v is the mean variance of an own share: pi/2 times its variance over the days
   by the number of days, as of a median. A name with few or noisy days gets the common curve, one that truly differs
   keeps its own.
4. *Missing or stale*: pooled, then even parts; `Curve.told` says so.
5. *Through the day*: the level is what was seen over what the curve and the average day expected, drawn towards 1 by
   `LEVEL_PRIOR` of a day, within `LEVEL_MIN` and `LEVEL_MAX`; the rest of the day is expected at that level.
"""

from collections.abc import Sequence
from datetime import date as Date
from statistics import median
from typing import Final, Literal

import msgspec

from core.errors import ConfigError

PPM: Final = 1_000_000
DAYS_MIN: Final = 20
DAYS_MAX: Final = 60  # trailing
STALE_DAYS: Final = 14  # calendar days without a new one
LEVEL_PRIOR: Final = 0.1
LEVEL_MIN: Final = 0.25
LEVEL_MAX: Final = 4.0
_MEDIAN_TIMES: Final = 1.5707963267948966  # variance of a median over that of a mean, for normal shares
_FRIDAY: Final = 4
_LOST: Final = 3  # degrees of freedom: two of James and Stein, one because the shares sum to one

DayKind = Literal["full", "half", "expiry"]


class DayVolume(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What one name traded in each slot of one session."""

    date: int  # yyyymmdd
    kind: DayKind
    slots: tuple[int, ...]  # share nanos


class Curve(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """Shares of the slots, ppm, which sum to exactly 10^6. `version` = the last day it knows."""

    kind: DayKind
    shares_ppm: tuple[int, ...]
    source: Literal["own", "pooled", "even"]
    days: int = 0  # of the name itself
    version: int = 0
    own_ppm: int = 0  # weight of the own curve in it
    told: str = ""  # why it is not the name's own; "" = it is

    def part_ppm(self, first: int, last: int) -> int:
        """Share of the slots [first, last)."""
        return sum(self.shares_ppm[first:last])


def kind_of(date: int, *, half_day: bool) -> DayKind:
    """A half day, the third Friday (options and index futures expire), or a full day like any other."""
    if half_day:
        return "half"
    day = Date(date // 10_000, date // 100 % 100, date % 100)
    return "expiry" if day.weekday() == _FRIDAY and 15 <= day.day <= 21 else "full"


def curve_of(
    own_days: Sequence[DayVolume], all_days: Sequence[DayVolume], *, kind: DayKind, today: int, slots: int
) -> Curve:
    """Rules 1 to 4. `all_days`: of all names, this one's too. Only days before today count. Raises ConfigError when a
    day has another number of slots.
    """
    own = _shares(own_days, kind, today, slots, most=DAYS_MAX)
    common = _shares(all_days, kind, today, slots, most=0)
    version = max((day.date for day in own_days if day.kind == kind and day.date < today), default=0)
    stale = bool(version) and days_between(version, today) > STALE_DAYS
    if len(own) >= DAYS_MIN and not (stale and kind == "full"):
        mine, theirs = _medians(own), _medians(common)
        weight = _weight(own, mine, theirs)
        drawn = [there + weight * (here - there) for here, there in zip(mine, theirs, strict=True)]
        return Curve(
            kind=kind, shares_ppm=_as_ppm(drawn), source="own", days=len(own), version=version,
            own_ppm=round(weight * PPM),
        )  # fmt: skip
    why = f"its last day is {version}" if len(own) >= DAYS_MIN else f"{len(own)} {kind} days, {DAYS_MIN} are needed"
    if len(common) >= DAYS_MIN:
        return Curve(
            kind=kind, shares_ppm=_as_ppm(_medians(common)), source="pooled", days=len(own), version=version,
            told=f"{why}: the curve of all names",
        )  # fmt: skip
    even = _as_ppm([1.0] * slots)
    told = f"{why}, and {len(common)} of all names: even parts"
    return Curve(kind=kind, shares_ppm=even, source="even", days=len(own), version=version, told=told)


def median_curve(days: Sequence[DayVolume]) -> tuple[int, ...]:
    """Rule 1 alone, in ppm, of days of one kind and as many as there are: for research, which says how few."""
    totals = [(day, sum(day.slots)) for day in days]
    return _as_ppm(_medians([[slot / total for slot in day.slots] for day, total in totals if total > 0]))


def days_between(earlier: int, later: int) -> int:
    """Calendar days from one yyyymmdd to another."""
    first, last = (Date(one // 10_000, one // 100 % 100, one % 100) for one in (earlier, later))
    return (last - first).days


def day_level(*, seen_nanos: int, expected_ppm: int, adv_nanos: int) -> float:
    """Rule 5: how much more the day trades than an average one, from what was seen in the slots that are over."""
    if adv_nanos <= 0:
        return 1.0
    seen = seen_nanos / adv_nanos  # det-ok: a ratio of volumes, no money
    level = (seen + LEVEL_PRIOR) / (expected_ppm / PPM + LEVEL_PRIOR)
    return min(max(level, LEVEL_MIN), LEVEL_MAX)


def rest_nanos(curve: Curve, *, slot: int, seen_nanos: int, adv_nanos: int) -> int:
    """Volume expected in the slots from `slot` on, after `seen_nanos` in those before."""
    level = day_level(seen_nanos=seen_nanos, expected_ppm=curve.part_ppm(0, slot), adv_nanos=adv_nanos)
    return adv_nanos * curve.part_ppm(slot, len(curve.shares_ppm)) // PPM * round(level * PPM) // PPM


def _shares(days: Sequence[DayVolume], kind: DayKind, today: int, slots: int, *, most: int) -> list[list[float]]:
    """Shares of each usable day by slot, the latest `most` of them (0 = all)."""
    used = sorted((day for day in days if day.kind == kind and day.date < today), key=_date_of)
    for day in used:
        if len(day.slots) != slots:
            raise ConfigError(f"volume curve: {day.date} has {len(day.slots)} slots, {slots} are needed; cut it again")
    totals = [(day, sum(day.slots)) for day in (used[-most:] if most else used)]
    return [[slot / total for slot in day.slots] for day, total in totals if total > 0]


def _date_of(day: DayVolume) -> int:
    return day.date


def _medians(days: list[list[float]]) -> list[float]:
    """Rule 1's shares, summing to one; of days whose medians are all zero the means."""
    found = [median(column) for column in zip(*days, strict=True)]
    total = sum(found)
    if total <= 0.0:
        found = [sum(column) for column in zip(*days, strict=True)]
        total = sum(found)
    return [share / total for share in found]


def _weight(days: list[list[float]], own: list[float], pooled: list[float]) -> float:
    """Rule 3's w."""
    apart = sum((here - there) ** 2 for here, there in zip(own, pooled, strict=True))
    if apart <= 0.0:
        return 0.0
    squares = sum((share - here) ** 2 for day in days for share, here in zip(day, own, strict=True))
    variance = _MEDIAN_TIMES * squares / (len(days) - 1) / len(days) / len(own)
    return max(0.0, 1.0 - (len(own) - _LOST) * variance / apart)


def _as_ppm(shares: list[float]) -> tuple[int, ...]:
    """Rounded cumulatively, so that the sum is exact and no slot is off by more than one."""
    total, cumulative, before, found = sum(shares), 0.0, 0, []
    for share in shares[:-1]:
        cumulative += share
        upto = round(cumulative / total * PPM)
        found.append(upto - before)
        before = upto
    return (*found, PPM - before)
