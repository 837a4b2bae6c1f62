"""Bytes of the TWS socket protocol: frames, the fields in them, and the text of every kind of value.

Knows no message: which fields one has is its part's matter. Pure: no socket, no clock.
"""

import math
import re
import struct
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Final

from broker.gateway.part import Field
from core.units import NANO
from core.units import exact_text as nanos_text  # "12.34", "100": prices and sizes, never "100.0"

__all__ = [
    "FRAME_BYTES_MAX", "UNSET_DOUBLE", "UNSET_INTEGER", "FieldReader", "FrameReader", "Malformed", "escape",
    "field_text", "frame_of", "framed", "nanos_text", "split_fields", "tags_of", "tags_text",
]  # fmt: skip

UNSET_DOUBLE: Final = "1.7976931348623157E308"
UNSET_INTEGER: Final = "2147483647"
INFINITE: Final = "Infinite"
FRAME_BYTES_MAX: Final = 0xFFFFFF  # the clients refuse more, and so does this side
FIELDS_MAX: Final = 20_000  # of one message; the largest order has a few hundred
NUMBER_LENGTH_MAX: Final = 64  # characters of a number: beyond is garbage, and slow to convert
NANOS_MAX: Final = 2**63 - 1
INTEGER_MAX: Final = 2**63 - 1

_UNSET_NUMBERS: Final = frozenset({
    "", UNSET_DOUBLE, UNSET_INTEGER, "1.7976931348623157e308", "1.7976931348623157E+308", "1.7976931348623157e+308",
    "9223372036854775807",  # an unset long
    "170141183460469231731687303715884105727",  # an unset decimal: clients with decimal sizes send 2^127 - 1
})  # fmt: skip
_PLAIN_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_LENGTH: Final = struct.Struct(">I")
_EXACT: Final = Context(prec=NUMBER_LENGTH_MAX + 10, rounding=ROUND_HALF_EVEN)
_FLAGS: Final = {"": False, "0": False, "1": True, "false": False, "true": True, UNSET_INTEGER: False}


class Malformed(Exception):
    """What a client sent cannot be read; the text says which field and why, for error 320."""


class FieldReader:
    """The fields of one message after its id, read front to back. Raises `Malformed` for what is missing or wrong."""

    __slots__ = ("_at", "_fields")

    def __init__(self, fields: list[str], at: int = 0) -> None:
        self._fields = fields
        self._at = at

    def text(self) -> str:
        """The next field as it stands."""
        at = self._at
        try:
            value = self._fields[at]
        except IndexError:
            raise Malformed(f"field {at} is missing") from None
        self._at = at + 1
        return value

    def integer(self, default: int = 0) -> int:
        """A whole number within 64 bits, `100.0` too; unset: `default`."""
        text = self.text()
        if len(text) < 10 and text.isdigit() and text.isascii():
            return int(text)
        if text in _UNSET_NUMBERS:
            return default
        value = self._decimal(text)
        if not -INTEGER_MAX <= value <= INTEGER_MAX or value != value.to_integral_value():
            raise self._wrong(text, "a whole number")
        return int(value)

    def number(self) -> float | None:
        """A number; unset: None; `Infinite`: inf. Never NaN."""
        text = self.text()
        if text in _UNSET_NUMBERS:
            return None
        if text in (INFINITE, "Infinity"):
            return math.inf
        value = float(self._decimal(text))
        if math.isinf(value):
            raise self._wrong(text, "a number in range")
        return value

    def nanos(self) -> int | None:
        """A decimal number as nanos, half-even beyond nine decimals; unset: None."""
        text = self.text()
        if len(text) < 19 and text.isascii():  # nearly all of them: a few digits, a point, a few digits
            whole, point, rest = text.partition(".")
            if whole.isdigit() and len(whole) < 10:
                if not point:
                    return int(whole) * NANO
                if rest.isdigit() and len(rest) < 10:
                    return int(whole) * NANO + int(rest.ljust(9, "0"))
        if text in _UNSET_NUMBERS:
            return None
        value = self._decimal(text)
        if value.adjusted() > 10:
            raise self._wrong(text, "an amount in range")
        nanos = int(value.scaleb(9, _EXACT).to_integral_value(ROUND_HALF_EVEN))
        if not -NANOS_MAX <= nanos <= NANOS_MAX:
            raise self._wrong(text, "an amount in range")
        return nanos

    def flag(self) -> bool:
        """0 or 1, also as a word; empty: False; another whole number: whether it is not 0."""
        known = _FLAGS.get(self.text().lower())
        if known is not None:
            return known
        self._at -= 1
        return self.integer() != 0

    def skip(self, count: int) -> None:
        """Pass over fields that do not matter; they must be there."""
        if count < 0 or self._at + count > len(self._fields):
            raise Malformed(f"field {len(self._fields)} is missing")
        self._at += count

    @property
    def left(self) -> int:
        """Fields not read yet."""
        return len(self._fields) - self._at

    def rest(self) -> list[str]:
        """The fields not read yet, as they stand; they stay unread."""
        return self._fields[self._at :]

    def _decimal(self, text: str) -> Decimal:
        if len(text) <= NUMBER_LENGTH_MAX and _PLAIN_NUMBER.fullmatch(text):
            try:
                return Decimal(text)
            except InvalidOperation as fault:
                raise self._wrong(text, "a number") from fault
        raise self._wrong(text, "a number")

    def _wrong(self, text: str, wanted: str) -> Malformed:
        return Malformed(f"field {self._at - 1}: {text[:40]!r} is not {wanted}")


class FrameReader:
    """Cuts a byte stream into frames; holds at most one unfinished frame of at most `max_bytes`."""

    __slots__ = ("_held", "max_bytes")

    def __init__(self, max_bytes: int = FRAME_BYTES_MAX) -> None:
        self.max_bytes = max_bytes
        self._held = bytearray()

    @property
    def held(self) -> int:
        """Bytes of an unfinished frame."""
        return len(self._held)

    def feed(self, received: bytes) -> list[bytes]:
        """Payloads complete by now, in order. Raises `Malformed` for a length no frame may have; the frames before it
        are lost with the connection.
        """
        stream: bytes | bytearray = received
        if self._held:
            self._held += received
            if len(self._held) < 4 or len(self._held) < 4 + self._length(self._held, 0):
                return []
            stream = self._held
        frames: list[bytes] = []
        at, end = 0, len(stream)
        while end - at >= 4:
            stop = at + 4 + self._length(stream, at)
            if stop > end:
                break
            frames.append(bytes(stream[at + 4 : stop]))
            at = stop
        self._held = bytearray(stream[at:])
        return frames

    def _length(self, stream: bytes | bytearray, at: int) -> int:
        length: int = _LENGTH.unpack_from(stream, at)[0]
        if length > self.max_bytes:
            raise Malformed(f"a frame of {length} bytes: at most {self.max_bytes}")
        return length


def split_fields(payload: bytes) -> list[str]:
    """The fields of one frame; none for a frame with more than `FIELDS_MAX`. Clients write UTF-8, what is none becomes
    U+FFFD; every field ends with NUL, a last field without it counts.
    """
    if len(payload) > FIELDS_MAX and payload.count(0) > FIELDS_MAX:
        return []
    fields = payload.decode(errors="replace").split("\0")
    if not fields[-1]:
        fields.pop()
    return fields


def framed(payload: bytes) -> bytes:
    """A payload with its length in front."""
    return _LENGTH.pack(len(payload)) + payload


def frame_of(*fields: Field) -> bytes:
    """One message as it goes out: length, then every field with its NUL; the first field is the message id."""
    payload = "\0".join([field if type(field) is str else field_text(field) for field in fields]) + "\0"
    if not payload.isascii():
        payload = _ascii(payload)
    return _LENGTH.pack(len(payload)) + payload.encode("ascii")


def field_text(field: Field) -> str:
    """One value as the clients read it: unset is empty, bools are 1 and 0, whole floats have no `.0`."""
    if field is None:
        return ""
    if field is True:
        return "1"
    if field is False:
        return "0"
    if isinstance(field, float):
        return _float_text(field)
    return str(field)


def _float_text(value: float) -> str:
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return INFINITE if value > 0 else f"-{INFINITE}"
    text = repr(value)
    if text == "1.7976931348623157e+308":
        return UNSET_DOUBLE
    return text.removesuffix(".0")


def escape(text: str) -> str:
    r"""Text for the fields that clients unicode-escape-decode (error texts, long names): ASCII, backslashes doubled."""
    return _ascii(text.replace("\\", "\\\\"))


def _ascii(text: str) -> str:
    r"""Everything beyond ASCII as \uXXXX, in UTF-16 units as Java writes it."""
    if text.isascii():
        return text
    return "".join([letter if letter.isascii() else _escaped(letter) for letter in text])


def _escaped(letter: str) -> str:
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def tags_of(text: str) -> list[tuple[str, str]]:
    """`tag=value;tag=value;` as pairs. Raises `Malformed` for an entry without `=`."""
    pairs = []
    for entry in text.split(";"):
        tag, equals, value = entry.partition("=")
        if equals:
            pairs.append((tag, value))
        elif entry:
            raise Malformed(f"{entry[:40]!r} is not tag=value")
    return pairs


def tags_text(pairs: Iterable[tuple[str, str]]) -> str:
    """Pairs as `tag=value;tag=value;`."""
    return "".join([f"{tag}={value};" for tag, value in pairs])
