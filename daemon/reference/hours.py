"""What the calendar library does not know: the hours around a session, and the cut-off of closing-auction orders.
Also the few conversions between days and nanoseconds that building tables needs. Knows no config.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """Local times of one exchange's extended hours."""

    timezone: str
    pre_open: time
    post_close: time
    post_close_half_day: time
    moc_cutoff_ns: int  # before the close


# IBKR's hours for US stocks: 04:00 to 20:00 New York, to 17:00 on half days. The closing auction takes
# market-on-close orders until 15:50 at NYSE and 15:55 at Nasdaq: the earlier one holds for both.
_US: Final = Hours(
    timezone="America/New_York",
    pre_open=time(4),
    post_close=time(20),
    post_close_half_day=time(17),
    moc_cutoff_ns=600_000_000_000,
)
HOURS: Final[dict[str, Hours]] = {"XNYS": _US, "XNAS": _US}


def local_ns(day: date, moment: time, zone: ZoneInfo) -> int:
    """A local wall-clock time as UTC nanoseconds."""
    return (datetime.combine(day, moment, tzinfo=zone) - _EPOCH) // _MICROSECOND * 1_000


def local_day(ts_ns: int, zone: ZoneInfo) -> date:
    """The local day of a moment."""
    return (_EPOCH + timedelta(microseconds=ts_ns // 1_000)).astimezone(zone).date()


def number_of(day: date) -> int:
    """A day as yyyymmdd."""
    return day.year * 10_000 + day.month * 100 + day.day


def day_of(number: int) -> date:
    """The day of a yyyymmdd number. Raises ValueError when there is none."""
    return date(number // 10_000, number // 100 % 100, number % 100)
