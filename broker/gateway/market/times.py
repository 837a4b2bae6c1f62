"""What clients say about time: bar sizes, durations, ends. Pure: texts in, numbers or a refusal out."""

import re
from datetime import UTC, datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from broker.gateway.contracts.listing import Refusal, invalid
from core.units import NANO

SECOND: Final = NANO
MINUTE: Final = 60 * NANO
HOUR: Final = 3_600 * NANO
DAY: Final = 24 * HOUR

WEEKLY: Final = -7  # steps that are no fixed time
MONTHLY: Final = -30

# All that TWS takes; plural and singular are told apart there, and taken here in either form.
BAR_SIZES: Final[dict[str, int]] = {
    "1 secs": SECOND, "5 secs": 5 * SECOND, "10 secs": 10 * SECOND, "15 secs": 15 * SECOND, "30 secs": 30 * SECOND,
    "1 min": MINUTE, "2 mins": 2 * MINUTE, "3 mins": 3 * MINUTE, "5 mins": 5 * MINUTE, "10 mins": 10 * MINUTE,
    "15 mins": 15 * MINUTE, "20 mins": 20 * MINUTE, "30 mins": 30 * MINUTE,
    "1 hour": HOUR, "2 hours": 2 * HOUR, "3 hours": 3 * HOUR, "4 hours": 4 * HOUR, "8 hours": 8 * HOUR,
    "1 day": DAY, "1W": WEEKLY, "1M": MONTHLY,
}  # fmt: skip
_OTHER_NAMES: Final = {"1 sec": "1 secs", "1 mins": "1 min", "1 hours": "1 hour", "1 week": "1W", "1 month": "1M"}

_DURATION: Final = re.compile(r"(\d{1,6}) ?([SDWMY])", re.ASCII)
_COUNTS: Final = {"S": 86_400, "D": 365, "W": 52, "M": 12, "Y": 20}  # the most of each unit
_YEARS: Final = range(1980, 2100)  # outside, a time does not fit into what rows carry
_NEXT: Final = {"S": "days", "D": "years", "W": "years", "M": "years", "Y": "fewer years"}
_UTC: Final = re.compile(r"(\d{8})-(\d{2}:\d{2}:\d{2})", re.ASCII)
_LOCAL: Final = re.compile(r"(?:(\d{8}) {1,2})?(\d{2}:\d{2}:\d{2})(?: ([A-Za-z][A-Za-z0-9_+\-/]{1,40}))?", re.ASCII)
_BAD_TIME: Final = (
    10314,
    "{}: The date, time, or time-zone entered is invalid. The correct format is yyyymmdd hh:mm:ss xx/xxxx where "
    "yyyymmdd and xx/xxxx are optional. E.g.: 20031126 15:59:00 US/Eastern  Note that there is a space between the "
    "date and time, and between the time and time-zone.  If no date is specified, current date is assumed. If no "
    "time-zone is specified, local time-zone is assumed(deprecated).  You can also provide yyyymmddd-hh:mm:ss time is "
    "in UTC. Note that there is a dash between the date and time in UTC notation.",
)
NO_ZONE: Final = (
    2174,
    "Warning: You submitted request with date-time attributes without explicit time zone. Please switch to use "
    "yyyymmdd-HH:MM:SS in UTC or use instrument timezone, like US/Eastern. Implied time zone functionality will be "
    "removed in the next API release",
)


class Duration(NamedTuple):
    """So many S, D, W, M or Y."""

    number: int
    unit: str


class Moment(NamedTuple):
    """A time a client named; `warned`: without its zone."""

    ts_ns: int
    warned: bool = False


def bar_size(text: str) -> int | Refusal:
    """A bar's length in ns, or WEEKLY, MONTHLY."""
    found = BAR_SIZES.get(_OTHER_NAMES.get(text, text))
    if found is None:
        legal = ", ".join(BAR_SIZES)
        return invalid(f"Historical data bar size setting is invalid. Legal ones are: {legal}")
    return found


def duration(text: str) -> Duration | Refusal:
    """How far back."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or int(found[1]) < 1:
        return invalid(
            "Historical data query duration string did not parse. It should be a number, a space and one of S, D, W, "
            "M, Y"
        )
    count, unit = int(found[1]), found[2]
    if count > _COUNTS[unit]:
        most = f"{_COUNTS[unit]} {unit}"
        return invalid(f"Historical data requests for durations longer than {most} must be made in {_NEXT[unit]}")
    return Duration(count, unit)


def moment(text: str, *, now_ns: int, zone: ZoneInfo, field: str) -> Moment | Refusal:
    """A time in one of TWS's three spellings; empty is now. `zone` is that of times without one."""
    text = text.strip()
    if not text:
        return Moment(now_ns)
    refused = Refusal(_BAD_TIME[0], _BAD_TIME[1].format(field))
    if found := _UTC.fullmatch(text):
        return _moment(f"{found[1]} {found[2]}", ZoneInfo("UTC"), refused)
    found = _LOCAL.fullmatch(text)
    if found is None:
        return refused
    place = named_zone(found[3]) if found[3] else zone
    if place is None:
        return refused
    day = found[1] or f"{datetime.fromtimestamp(now_ns // NANO, UTC).astimezone(place):%Y%m%d}"
    made = _moment(f"{day} {found[2]}", place, refused)
    return made if isinstance(made, Refusal) or found[3] else Moment(made.ts_ns, warned=True)


def named_zone(name: str) -> ZoneInfo | None:
    """A zone by its IANA name; None for any other name, Windows' own included."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder of zones
        return None


def _moment(text: str, zone: ZoneInfo, refused: Refusal) -> Moment | Refusal:
    try:
        local = datetime.strptime(text, "%Y%m%d %H:%M:%S").replace(tzinfo=zone)
        return Moment(int(local.timestamp()) * NANO) if local.year in _YEARS else refused
    except (ValueError, OverflowError):
        return refused
