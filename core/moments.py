"""Moments as the broker's wire takes and gives them in UTC, `20250425-19:23:54`: a time that names no zone is read in
the zone of the log-in, so ours always are UTC. Pure.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from core.units import NANO

_FORMAT: Final = "%Y%m%d-%H:%M:%S"
_LENGTH: Final = 17
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def utc_text(ts_ns: int) -> str:
    """A moment in whole seconds, rounded down."""
    return (_EPOCH + timedelta(seconds=ts_ns // NANO)).strftime(_FORMAT)


def utc_ns(text: str) -> int | None:
    """The moment of such a text; None if it is none."""
    if len(text) != _LENGTH:
        return None
    try:
        stamp = datetime.strptime(text, _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None
    return (stamp - _EPOCH) // timedelta(seconds=1) * NANO
