"""PostgreSQL's binary COPY format, exact: rows one by one, and ticks as whole arrays. Knows bytes, no connection.

NUMERIC goes over as digits in base 10,000; the server drops zeros in front and at the end, so an amount of 64 bits
always takes the same six digits (three before the point, three behind) and an array of them is one array of bytes.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np

from core.units import NANO
from daemon.follower.columns import Field, Kind
from daemon.follower.market_bars import Array
from daemon.follower.schema import TICKS, RecordTable

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"
EPOCH_US: Final = 946_684_800_000_000  # PostgreSQL counts from 2000-01-01
NULL: Final = b"\xff\xff\xff\xff"

_NEGATIVE: Final = 0x4000
_SCALE: Final = 9
_DIGITS_MAX: Final = 10_000**3 - 1  # before the point, in the short form
_big: Final = struct.Struct(">iq").pack
_integer: Final = struct.Struct(">ii").pack
_real: Final = struct.Struct(">id").pack
_short: Final = struct.Struct(">ihhHH6H").pack
_length: Final = struct.Struct(">i").pack
_count: Final = struct.Struct(">h").pack


def numeric(nanos: int) -> bytes:
    """Whole nanos as NUMERIC with nine decimals."""
    sign = _NEGATIVE if nanos < 0 else 0
    whole, part = divmod(abs(nanos), NANO)
    behind = (part // 100_000, part // 10 % 10_000, part % 10 * 1_000)
    if whole <= _DIGITS_MAX:
        return _short(20, 6, 2, sign, _SCALE, whole // 100_000_000, whole // 10_000 % 10_000, whole % 10_000, *behind)
    digits: list[int] = []
    while whole:
        whole, digit = divmod(whole, 10_000)
        digits.insert(0, digit)
    weight = len(digits) - 1
    digits += behind
    return struct.pack(f">ihhHH{len(digits)}H", 8 + 2 * len(digits), len(digits), weight, sign, _SCALE, *digits)


def _text(value: str) -> bytes:
    content = value.encode()
    return _length(len(content)) + content


def _json(value: str) -> bytes:
    content = value.encode()
    return _length(len(content) + 1) + b"\x01" + content  # the one version of JSONB's wire form


_PACK: Final[dict[Kind, Callable[[Any], bytes]]] = {
    "big": lambda value: _big(8, value),
    "integer": lambda value: _integer(4, value),
    "text": _text,
    "nanos": numeric,
    "real": lambda value: _real(8, value),
    "flag": lambda value: b"\0\0\0\1\1" if value else b"\0\0\0\1\0",
    "json": _json,
    "time": lambda ts_ns: _big(8, ts_ns // 1_000 - EPOCH_US),
}


def rows(table: RecordTable, journal_id: int, found: Iterable[Sequence[Any]]) -> bytes:
    """A whole COPY of rows that carry the table's own fields."""
    stored = table.stored("postgresql")
    timed = len(stored) - 1 - len(table.fields)
    head = _count(len(stored)) + _big(8, journal_id)
    pack = [_PACK[field.kind] for field in table.fields]
    time, ts_at = _PACK["time"], table.ts_at if timed else 0
    pieces = [HEADER]
    for row in found:
        pieces.append(head)
        if timed:
            pieces.append(time(row[ts_at]))
        pieces += [NULL if value is None else one(value) for one, value in zip(pack, row, strict=True)]
    pieces.append(TRAILER)
    return b"".join(pieces)


_FORMS: Final[dict[Kind, tuple[Any, int]]] = {
    "big": (">i8", 8),
    "integer": (">i4", 4),
    "time": (">i8", 8),
    "nanos": ((">u2", (10,)), 20),
}


def _tick_form(fields: tuple[Field, ...]) -> np.dtype[Any]:
    form: list[tuple[Any, ...]] = [("fields", ">i2")]
    for field in fields:
        kind = _FORMS[field.kind][0]
        form.append((f"{field.name}_bytes", ">i4"))
        form.append((field.name, *kind) if isinstance(kind, tuple) else (field.name, kind))
    return np.dtype(form)


_TICK_FIELDS: Final = TICKS.stored("postgresql")
_TICK: Final = _tick_form(_TICK_FIELDS)
_SOURCES: Final = {"bid_px": "bid_px_nanos", "ask_px": "ask_px_nanos", "bid_qty": "bid_qty_nanos",
                   "ask_qty": "ask_qty_nanos"}  # fmt: skip


def ticks(journal_id: int, seqs: Array, market: Array) -> bytes:
    """A whole COPY of market rows."""
    out = np.zeros(len(market), _TICK)
    out["fields"] = len(_TICK_FIELDS)
    for field in _TICK_FIELDS:
        out[f"{field.name}_bytes"] = _FORMS[field.kind][1]
    out["journal_id"] = journal_id
    out["seq"] = seqs
    out["ts"] = market["ts_ns"] // 1_000 - EPOCH_US
    for name in ("ts_ns", "exchange_ts_ns", "inst", "kind", "flags"):
        out[name] = market[name]
    for name, source in _SOURCES.items():
        out[name] = numerics(market[source])
    return b"".join((HEADER, out.tobytes(), TRAILER))


def numerics(nanos: Array) -> Array:
    """Ten 16-bit words for each amount, as `numeric` writes them."""
    words = np.empty((len(nanos), 10), np.uint16)
    words[:, 0], words[:, 1], words[:, 3] = 6, 2, _SCALE
    words[:, 2] = np.where(nanos < 0, _NEGATIVE, 0)
    whole, part = np.divmod(np.abs(nanos).astype(np.uint64), np.uint64(NANO))
    words[:, 4], words[:, 5], words[:, 6] = whole // 100_000_000, whole // 10_000 % 10_000, whole % 10_000
    words[:, 7], words[:, 8], words[:, 9] = part // 100_000, part // 10 % 10_000, part % 10 * 1_000
    return words
