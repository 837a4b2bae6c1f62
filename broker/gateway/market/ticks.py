"""Ticks as bytes: what follows the request id is made once per change and shared by all lines that carry it.

A tail is (kind, bytes, bytes for clients that know no fractional sizes); a frame is length + the line's head + a tail.
Knows numbers and tick ids; no client and no market.
"""

import struct
from typing import Final, NamedTuple

from core.units import NANO

PRICE, SIZE, GENERIC, STRING = 0, 1, 2, 3
_STARTS: Final = (b"1\x006\x00", b"2\x006\x00", b"45\x006\x00", b"46\x006\x00")  # message id, version
_LENGTH: Final = struct.Struct(">I")
_LENGTHS: Final = tuple(_LENGTH.pack(length) for length in range(512))
_TEXTS_MAX: Final = 65_536
_texts: dict[int, bytes] = {}
_words: dict[int, str] = {}

Tail = tuple[int, bytes, bytes]

# Tick ids, live and delayed.
BID_SIZE, BID, ASK, ASK_SIZE, LAST, LAST_SIZE, HIGH, LOW, VOLUME, CLOSE, OPEN = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14
LAST_TIME, HALTED = 45, 49
AVERAGE_VOLUME, SHORTABLE, SHORTABLE_SHARES, MARK, RT_VOLUME, RT_TRADE_VOLUME = 21, 46, 89, 37, 48, 77
TRADE_COUNT, TRADE_RATE, VOLUME_RATE = 54, 55, 56
DELAYED: Final = {
    BID_SIZE: 69, BID: 66, ASK: 67, ASK_SIZE: 70, LAST: 68, LAST_SIZE: 71, HIGH: 72, LOW: 73, VOLUME: 74, CLOSE: 75,
    OPEN: 76, LAST_TIME: 88, HALTED: 90,
}  # fmt: skip
LIVE: Final = {number: number for number in DELAYED}
EXECUTABLE: Final = 1  # attribute of a price that can be traded at
NO_PRICE: Final = b"-1"


class State(NamedTuple):
    """What a line shows; prices and sizes in nanos, 0 = nothing to show."""

    bid: int = 0
    ask: int = 0
    bid_qty: int = 0
    ask_qty: int = 0
    last: int = 0
    last_qty: int = 0
    last_s: int = 0
    volume: int = 0
    open: int = 0
    high: int = 0
    low: int = 0
    close: int = 0


NOTHING: Final = State()


def text(nanos: int) -> bytes:
    """A price or size as bytes; the same numbers come again and again."""
    found = _texts.get(nanos)
    if found is None:
        if len(_texts) >= _TEXTS_MAX:
            _texts.clear()
        found = _texts[nanos] = _plain(nanos).encode()
    return found


def plain(nanos: int) -> str:
    """A price or size as text: "12.34", "100", "-0.5"."""
    found = _words.get(nanos)
    if found is None:
        if len(_words) >= _TEXTS_MAX:
            _words.clear()
        found = _words[nanos] = _plain(nanos)
    return found


def _plain(nanos: int) -> str:
    """Six times as fast as by way of Decimal."""
    if nanos < 0:
        return "-" + _plain(-nanos)
    whole, rest = divmod(nanos, NANO)
    return f"{whole}.{rest:09d}".rstrip("0") if rest else str(whole)


def heads(req_id: int) -> tuple[bytes, bytes, bytes, bytes]:
    """What stands before the tails of a line, by kind."""
    number = b"%d\x00" % req_id
    return _STARTS[0] + number, _STARTS[1] + number, _STARTS[2] + number, _STARTS[3] + number


def frame(head: bytes, tail: bytes) -> bytes:
    """One message."""
    length = len(head) + len(tail)
    return (_LENGTHS[length] if length < 512 else _LENGTH.pack(length)) + head + tail


def price(tick: int, px: int, qty: int, mask: int) -> Tail:
    """tickPrice; an empty side is -1 with size 0."""
    front = b"%d\x00%b\x00" % (tick, text(px) if px > 0 else NO_PRICE)
    size = qty if px > 0 else 0
    new = b"%b%b\x00%d\x00" % (front, text(size), mask)
    return PRICE, new, new if size % NANO == 0 else b"%b%d\x00%d\x00" % (front, size // NANO, mask)


def size(tick: int, qty: int) -> Tail:
    """tickSize."""
    new = b"%d\x00%b\x00" % (tick, text(qty))
    return SIZE, new, new if qty % NANO == 0 else b"%d\x00%d\x00" % (tick, qty // NANO)


def generic(tick: int, value: str) -> Tail:
    """tickGeneric."""
    made = f"{tick}\0{value}\0".encode()
    return GENERIC, made, made


def string(tick: int, value: str) -> Tail:
    """tickString."""
    made = f"{tick}\0{value}\0".encode()
    return STRING, made, made


def quote(ids: dict[int, int], before: State, after: State) -> list[Tail]:
    """What a change of the quote sends: a price with its size inline, and a size of its own when that has changed too,
    as TWS does.
    """
    tails: list[Tail] = []
    for px_tick, size_tick, px, qty, px_before, qty_before in (
        (BID, BID_SIZE, after.bid, after.bid_qty, before.bid, before.bid_qty),
        (ASK, ASK_SIZE, after.ask, after.ask_qty, before.ask, before.ask_qty),
    ):
        if px != px_before:
            tails.append(price(ids[px_tick], px, qty, EXECUTABLE if px > 0 else 0))
        if qty != qty_before:
            tails.append(size(ids[size_tick], qty))
    return tails


def trade(ids: dict[int, int], before: State, after: State) -> list[Tail]:
    """What prints send: time, last price and size, the day's volume and range, as far as they changed."""
    tails: list[Tail] = []
    if after.last_s != before.last_s:
        tails.append(string(ids[LAST_TIME], str(after.last_s)))
    if after.last != before.last:
        tails.append(price(ids[LAST], after.last, after.last_qty, 0))
    if after.last_qty != before.last_qty:
        tails.append(size(ids[LAST_SIZE], after.last_qty))
    if after.volume != before.volume:
        tails.append(size(ids[VOLUME], after.volume))
    for tick, px, px_before in (
        (HIGH, after.high, before.high),
        (LOW, after.low, before.low),
        (OPEN, after.open, before.open),
        (CLOSE, after.close, before.close),
    ):
        if px != px_before and px > 0:
            tails.append(price(ids[tick], px, 0, 0))
    return tails
