"""How the texts of a request are read: reasons, amounts, ends. What cannot be read is refused with its remedy."""

import re
from datetime import datetime
from typing import Final

from core.units import CASH_NANOS_MAX, NANO, parse_nanos
from daemon.control.messages import REASON_LENGTH_MAX

AMOUNT_LENGTH_MAX: Final = 30
_DURATION: Final = re.compile(r"(\d{1,6})(s|m|h|d)")
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_EPOCH_S_MAX: Final = 9_000_000_000


class Unacceptable(Exception):
    """A request that is understood and refused before it becomes a fact."""


def reason_of(text: str) -> str:
    """A reason is journalled and shown on terminals: not blank, bounded, printable."""
    text = text.strip()
    if not text:
        raise Unacceptable("a reason is required: --reason TEXT")
    if len(text) > REASON_LENGTH_MAX:
        raise Unacceptable(f"reason: {len(text)} characters, at most {REASON_LENGTH_MAX}")
    if not text.isprintable():
        raise Unacceptable("reason: has control characters or line breaks: write one plain line")
    return text


def amount_of(field: str, text: str) -> int:
    """A decimal above 0 as nanos."""
    nanos = signed_of(field, text)
    if nanos <= 0:
        raise Unacceptable(f"{field}: {text!r} must be above 0")
    return nanos


def signed_of(field: str, text: str) -> int:
    """A decimal as nanos."""
    if len(text) > AMOUNT_LENGTH_MAX:
        raise Unacceptable(f"{field}: {len(text)} characters are no amount")
    try:
        nanos = parse_nanos(text, field=field)
    except ValueError as fault:
        raise Unacceptable(str(fault)) from None
    if abs(nanos) > CASH_NANOS_MAX:
        raise Unacceptable(f"{field}: {text!r} is more than {CASH_NANOS_MAX // NANO}")
    return nanos


def end_of(text: str) -> tuple[int, int]:
    """When something ends: (moment in UTC ns, duration in ns), one of them 0; both 0 = no end. A duration counts by the
    trader's own clock, which on a tape is not the wall's.
    """
    if not text:
        return 0, 0
    duration = _DURATION.fullmatch(text)
    if duration is not None:
        lasts_s = int(duration[1]) * _UNIT_S[duration[2]]
        if not lasts_s:
            raise Unacceptable("until: 0 is no time: give 30s, 5m, 2h or 1d")
        return 0, lasts_s * NANO
    try:
        moment = datetime.fromisoformat(text[: AMOUNT_LENGTH_MAX + 5])
    except ValueError:
        raise Unacceptable(f"until {text[:40]!r}: give a duration (5m, 2h, 1d) or a time with its offset") from None
    if moment.tzinfo is None:
        raise Unacceptable(f"until {text!r}: whose time is it? Write the offset too, as in 2026-01-05T15:30:00-05:00")
    seconds = int(moment.timestamp())
    if not 0 < seconds < _EPOCH_S_MAX:
        raise Unacceptable(f"until {text!r}: is out of bounds")
    return seconds * NANO, 0
