"""The one place where texts and floats of the wire become our integers and words, and back. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core import commands as c
from core import events as e
from core.ids import BUY, SELL, Side
from core.units import NANO

UNSET_TEXTS: Final = frozenset(
    {"", "2147483647", "1.7976931348623157E308", "1.7976931348623157e+308", "1.7976931348623157E+308"}
)
UNSET_FROM: Final = 1e300  # a float at or above it is unset
WIRE_INTEGER_MAX: Final = 2**63 - 1
EPOCH_SECONDS_MAX: Final = 9_000_000_000  # within 64 bits of nanoseconds
NAME_LENGTH_MAX: Final = 128
TAGS_MAX: Final = 32  # of an algorithm of the broker's; it has ten at most
TEXTS_KEPT_MAX: Final = 65_536  # numbers whose text was seen; then the table starts over
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  # the difference of two times of the same offset

# orderStatus words. Those that say nothing about the broker's book are absent: PreCancelled, WarnState and what is
# not invented yet are logged by whoever asks.
STATUSES: Final[dict[str, int]] = {
    "ApiPending": e.PENDING_SUBMIT,
    "PendingSubmit": e.PENDING_SUBMIT,
    "PreSubmitted": e.PRE_SUBMITTED,
    "Submitted": e.SUBMITTED,
    "PendingCancel": e.PENDING_CANCEL,
    "Filled": e.STATUS_FILLED,
    "Cancelled": e.STATUS_CANCELLED,
    "ApiCancelled": e.STATUS_CANCELLED,  # cancelled before the gateway had accepted it
    "Inactive": e.STATUS_INACTIVE,
}
SIDES: Final[dict[str, Side]] = {"BUY": BUY, "BOT": BUY, "SELL": SELL, "SLD": SELL, "SSHORT": SELL}
ACTIONS: Final = {BUY: "BUY", SELL: "SELL"}
ORDER_TYPES: Final = {name: number for number, name in c.ORDER_TYPE_NAMES.items()}

# Zone names of Windows in execution times: the library's decoder knows only IANA names and loses the fill. Offsets of
# the rest are not guessed: the time is then unknown (0), and the fill is booked all the same.
WINDOWS_ZONES: Final = {
    "EST": "America/New_York",
    "EST5EDT": "America/New_York",
    "Eastern Standard Time": "America/New_York",
    "Central Standard Time": "America/Chicago",
    "Pacific Standard Time": "America/Los_Angeles",
    "GMT Standard Time": "Europe/London",
    "Central European Standard Time": "Europe/Warsaw",
    "W. Europe Standard Time": "Europe/Berlin",
    "Tokyo Standard Time": "Asia/Tokyo",
    "China Standard Time": "Asia/Hong_Kong",
    "AUS Eastern Standard Time": "Australia/Sydney",
}

_seen: dict[bytes, int] = {}


def nanos_of_bytes(raw: bytes) -> int:
    """A price or size of the wire in nanos, exactly; empty or unset is 0. Raises ValueError.

    The same few texts come again and again: those seen are kept (bounded).
    """
    known = _seen.get(raw)
    if known is not None:
        return known
    nanos = nanos_of(raw.decode("ascii"))
    if len(_seen) >= TEXTS_KEPT_MAX:
        _seen.clear()
    _seen[raw] = nanos
    return nanos


def nanos_of(text: str) -> int:
    """A decimal text in nanos, exactly to nine places (beyond: cut); empty or unset is 0. Raises ValueError."""
    if text in UNSET_TEXTS:
        return 0
    whole, dot, part = text.partition(".")
    if not dot:
        if "e" not in text and "E" not in text:
            return _bounded(int(text) * NANO, text)
    elif part.isdigit() and part.isascii():
        sign = -1 if whole.startswith("-") else 1
        return _bounded(int(whole or "0") * NANO + sign * int(part[:9].ljust(9, "0")), text)
    number = float(text)
    if not -9e9 < number < 9e9 or not text.isascii():  # also NaN
        raise ValueError(f"{text[:40]!r} is not a price or size")
    return round(number * NANO)


def _bounded(nanos: int, text: str) -> int:
    if not -WIRE_INTEGER_MAX <= nanos <= WIRE_INTEGER_MAX:
        raise ValueError(f"{text[:40]!r} does not fit in nanos")
    return nanos


def nanos_of_float(number: float | None) -> int:
    """A float of the library's decoder in nanos, by the shortest text that reads as the same float: the one that was on
    the wire, up to fifteen digits. Unset = 0. Raises ValueError for what is no amount.
    """
    if number is None or number >= UNSET_FROM:
        return 0
    if number != number or not -9e9 < number < 9e9:
        raise ValueError(f"{number} is not a price or size")
    return int(number) * NANO if number == int(number) else nanos_of(repr(float(number)))


def integer_of(text: str) -> int:
    """A whole number of at most 63 bits; empty or unset is 0. Raises ValueError."""
    return 0 if text in UNSET_TEXTS else bounded(int(text))


def bounded(number: int) -> int:
    """A number that fits where we keep it. Raises ValueError."""
    if not -WIRE_INTEGER_MAX <= number <= WIRE_INTEGER_MAX:
        raise ValueError("a number beyond 63 bits")
    return number


def seconds_of(text: str | int) -> int:
    """Epoch seconds in nanoseconds. Raises ValueError for a time that is none."""
    seconds = int(text)
    if not 0 <= seconds <= EPOCH_SECONDS_MAX:
        raise ValueError(f"{seconds} are no epoch seconds")
    return seconds * NANO


def currency_of(text: str) -> str:
    """Three letters. Raises ValueError."""
    if len(text) == 3 and text.isascii() and text.isalpha():
        return text
    raise ValueError(f"{text[:20]!r} is no currency")


def name_of(text: str) -> str:
    """A reference or id as the broker gives it, of bounded length. Raises ValueError."""
    if len(text) > NAME_LENGTH_MAX:
        raise ValueError(f"{text[:40]!r}… is longer than any name of the broker's")
    return text


def tags_of(pairs: Iterable[Any] | None) -> tuple[tuple[str, str], ...]:
    """The library's tags of an algorithm, of bounded number and length."""
    return tuple((one.tag[:NAME_LENGTH_MAX], one.value[:NAME_LENGTH_MAX]) for one in islice(pairs or (), TAGS_MAX))


def text_of(nanos: int) -> str:
    """Nanos as the wire takes them: the shortest exact decimal, "12.34", "100"."""
    whole, part = divmod(nanos if nanos >= 0 else -nanos, NANO)
    text = str(whole) if not part else f"{whole}.{part:09d}".rstrip("0")
    return text if nanos >= 0 else "-" + text


def zone_of(name: str) -> tzinfo | None:
    """A time zone by its IANA or Windows name; None if nobody knows it."""
    try:
        return ZoneInfo(WINDOWS_ZONES.get(name, name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def execution_time_ns(text: str) -> int:
    """`20250425 15:23:54 US/Eastern`, `20250425-19:23:54` (UTC) or an epoch in UTC ns; 0 = not readable, or no moment
    that a journal holds.

    Never raises: an execution with an odd time is an execution.
    """
    ns = _time_ns(text)
    return ns if 0 < ns <= EPOCH_SECONDS_MAX * NANO else 0


def _time_ns(text: str) -> int:
    try:
        if text.isdigit() and len(text) > 8:
            return int(text) * NANO
        if len(text) == 17 and text[8] == "-":
            stamp, zone = datetime.strptime(text, "%Y%m%d-%H:%M:%S"), zone_of("UTC")  # noqa: DTZ007
        else:
            day, _, rest = text.partition(" ")
            clock, _, name = rest.strip().partition(" ")
            stamp, zone = datetime.strptime(f"{day} {clock}", "%Y%m%d %H:%M:%S"), zone_of(name.strip())  # noqa: DTZ007
    except ValueError:
        return 0
    if zone is None:
        return 0
    offset = stamp.replace(tzinfo=zone).utcoffset() or timedelta(0)
    return int((stamp - _EPOCH - offset).total_seconds()) * NANO


def version_of(exec_id: str) -> tuple[str, int]:
    """An execution id without its last segment, and that segment: a correction counts it up. (id, 0) if it has none."""
    stem, dot, last = exec_id.rpartition(".")
    return (stem, int(last)) if dot and last.isdigit() else (exec_id, 0)
