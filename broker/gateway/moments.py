"""Moments as clients write them, and days as an account counts them. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.units import NANO

_LENGTH_MAX: Final = 64


def parse_moment(text: str, zone: str) -> int | None:
    """UTC ns of `yyyymmdd[ HH:MM:SS[ zone]]` or `yyyymmdd-HH:MM:SS` (UTC); two spaces count as one. A day alone is its
    end. None if it is none of them. `zone` speaks where the text names none.
    """
    if len(text) > _LENGTH_MAX:
        return None
    words = text.split()
    if len(words) == 1 and "-" in words[0]:
        words, zone = words[0].split("-", 1), "UTC"
    if len(words) == 3:
        zone = words.pop()
    try:
        place = ZoneInfo(zone)
        if len(words) == 1:
            moment = datetime.strptime(words[0], "%Y%m%d").replace(tzinfo=place) + timedelta(days=1)
        else:
            moment = datetime.strptime(" ".join(words), "%Y%m%d %H:%M:%S").replace(tzinfo=place)
        return int(moment.timestamp()) * NANO
    except (ValueError, OverflowError, OSError, ZoneInfoNotFoundError):
        return None


def algo_moment(text: str, zone: str, now_ns: int) -> int | None:
    """The same of an algorithm's tag, which may also be `HH:MM:SS[ zone]` of the present day there."""
    clock, _, named = text.partition(" ")
    if clock.count(":") != 2 or "-" in clock:
        return parse_moment(text, zone)
    try:
        day = datetime.fromtimestamp(now_ns // NANO, UTC).astimezone(ZoneInfo(named.strip() or zone))
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return None
    return parse_moment(f"{day:%Y%m%d} {text}", zone)


def midnight_ns(ts_ns: int, zone: str, *, days: int = 0) -> int:
    """The local midnight a moment's day began with; with `days` a later one."""
    place = ZoneInfo(zone)
    day = datetime.fromtimestamp(ts_ns // NANO, UTC).astimezone(place).date() + timedelta(days=days)
    return int(datetime(day.year, day.month, day.day, tzinfo=place).timestamp()) * NANO
