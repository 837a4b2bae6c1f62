"""Seeded bad input for either end of the TWS protocol: noise, broken frames, valid messages with broken fields.

`Fuzz` knows no message: it is given valid ones and breaks them. What a client may send is `client_requests`.
"""

import random
import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from ib_async.client import Client as IbClient
from ib_async.contract import Stock
from ib_async.order import LimitOrder

from broker.gateway.wire import FRAME_BYTES_MAX

FieldList = Sequence[str | int | float | bool | None]
_LENGTH: Final = struct.Struct(">I")

# What comes in place of a good field.
BAD_FIELDS: Final = (
    "", "0", "-1", "1", "x", "nan", "inf", "-inf", "Infinite", "1e308", "1e9999", "-1e-9999", "0x10", "1_000", "१२",
    "½", "2147483647", "2147483648", "-2147483649", "9223372036854775808", "1.7976931348623157E308", "9" * 400,
    "1." + "3" * 300, "A" * 5_000, "é", "\ud83d\ude00", "\\u0041", "\n", "%s%n", "'; --", "../..", "true", "None",
    "NULL", " 1", "1 ", "+1", "--", "1,5", "1.5.5", "=;=;", ";", "20261332 25:61:61", "99999999-99:99:99 Mars/Base",
)  # fmt: skip


class Piece(NamedTuple):
    """Bytes to send. `ends`: the stream's frames are lost from here on, nothing after it means anything."""

    kind: str
    data: bytes
    ends: bool


class Fuzz:
    """The same seed gives the same pieces."""

    def __init__(self, seed: int, valid: Sequence[FieldList]) -> None:
        self._random = random.Random(seed)
        self._valid = valid
        # How often each; those that end a session or lose the stream's frames are rare, so that a session has a life.
        self._kinds = (
            (self._fields_broken, 400), (self._fields_lost, 150), (self._fields_more, 80), (self._fields_swapped, 80),
            (self._bits, 80), (self._good, 60), (self._unknown, 40), (self._no_id, 5), (self._framed_noise, 5),
            (self._empty, 2), (self._huge, 0.3), (self._noise, 3), (self._cut, 5), (self._too_long, 3),
            (self._wrong_length, 5),
        )  # fmt: skip

    def pieces(self, count: int) -> list[Piece]:
        """So many, or fewer: the last is one that ends the stream."""
        made: list[Piece] = []
        makers, weights = zip(*self._kinds, strict=True)
        while len(made) < count and not (made and made[-1].ends):
            made.append(self._random.choices(makers, weights)[0]())
        return made

    def hello(self) -> bytes:
        """The beginning of a connection, mostly broken."""
        good = b"API\0" + _LENGTH.pack(9) + b"v157..178"
        return self._random.choice(
            (
                good[: self._random.randrange(len(good))], self._flipped(good), self._random.randbytes(40),
                b"API\0" + _LENGTH.pack(2**31) + b"v", b"API\0" + _LENGTH.pack(0), good[4:], good + good,
                b"API\0" + _LENGTH.pack(12) + b"v99999..1\0\0\0", b"API\0" + _LENGTH.pack(6) + b"v1e5..",
            )
        )  # fmt: skip

    def chunks(self, data: bytes) -> list[bytes]:
        """The same bytes in segments of any size."""
        cuts = sorted(self._random.randrange(len(data) + 1) for _ in range(self._random.choice((0, 0, 1, 3))))
        return [data[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True)]

    # ---- kinds -------------------------------------------------------------------------------------------------
    def _message(self) -> list[Any]:
        return list(self._random.choice(self._valid))

    def _piece(self, kind: str, fields: FieldList) -> Piece:
        payload = "\0".join(
            "" if f is None else str(int(f)) if isinstance(f, bool) else str(f) for f in fields
        ) + "\0"  # fmt: skip
        encoded = payload.encode("utf-8", "surrogatepass")
        return Piece(kind, _LENGTH.pack(len(encoded)) + encoded, False)

    def _good(self) -> Piece:
        return self._piece("good", self._message())

    def _fields_broken(self) -> Piece:
        fields = self._message()
        for _ in range(self._random.choice((1, 1, 1, 2, 3, len(fields)))):
            fields[self._random.randrange(1 if len(fields) > 1 else 0, len(fields))] = self._random.choice(BAD_FIELDS)
        return self._piece("broken field", fields)

    def _fields_lost(self) -> Piece:
        fields = self._message()
        if self._random.random() < 0.5 or len(fields) < 2:
            return self._piece("fields missing", fields[: self._random.randrange(1, len(fields) + 1)])
        del fields[self._random.randrange(1, len(fields))]
        return self._piece("field missing", fields)

    def _fields_more(self) -> Piece:
        fields = self._message()
        at = self._random.randrange(len(fields) + 1)
        more = [self._random.choice(BAD_FIELDS)] * self._random.choice((1, 2, 500))
        return self._piece("more fields", fields[:at] + more + fields[at:])

    def _fields_swapped(self) -> Piece:
        fields, other = self._message(), self._message()
        return self._piece("another's fields", [fields[0], *other[1:]])

    def _unknown(self) -> Piece:
        return self._piece("unknown id", [self._random.choice((0, 26, 60, 105, 199, 99_999)), *self._message()[1:]])

    def _no_id(self) -> Piece:
        msg_id = self._random.choice(("-1", "1.0", " 1", "", "100000", "é", "API"))
        return self._piece("no id", [msg_id, *self._message()[1:]])

    def _bits(self) -> Piece:
        frame = self._good().data
        at = 4 if self._random.random() < 0.1 or len(frame) < 9 else 8  # mostly behind the id, which ends a session
        return Piece("flipped bits", frame[:at] + self._flipped(frame[at:]), False)

    def _flipped(self, data: bytes) -> bytes:
        flipped = bytearray(data)
        for _ in range(self._random.choice((1, 2, 8))):
            flipped[self._random.randrange(len(flipped))] ^= 1 << self._random.randrange(8)
        return bytes(flipped)

    def _framed_noise(self) -> Piece:
        noise = self._random.randbytes(self._random.choice((1, 3, 40, 4_000)))
        return Piece("framed noise", _LENGTH.pack(len(noise)) + noise, False)

    def _empty(self) -> Piece:
        return Piece("empty frame", _LENGTH.pack(0), False)

    def _huge(self) -> Piece:
        zeros = bytes(self._random.choice((100_000, 2_000_000)))
        return Piece("huge frame", _LENGTH.pack(len(zeros)) + zeros, False)

    def _noise(self) -> Piece:
        return Piece("noise", self._random.randbytes(self._random.choice((1, 5, 300))), True)

    def _cut(self) -> Piece:
        frame = self._good().data
        return Piece("cut frame", frame[: self._random.randrange(1, len(frame))], True)

    def _too_long(self) -> Piece:
        length = self._random.choice((FRAME_BYTES_MAX + 1, 2**31, 2**32 - 1))
        return Piece("frame too long", _LENGTH.pack(length) + self._good().data[4:], True)

    def _wrong_length(self) -> Piece:
        frame = self._good().data
        length = max(0, len(frame) - 4 + self._random.choice((-3, -1, 1, 7, 100_000)))
        return Piece("wrong length", _LENGTH.pack(length) + frame[4:], True)


def sent_by_ib_async(method: str, *arguments: Any, version: int = 178) -> list[str]:
    """The fields of a request as the real client library writes them."""
    made: Any = IbClient
    client = made(None)
    sent: list[str] = []
    client.sendMsg, client.connState, client._serverVersion = sent.append, IbClient.CONNECTED, version
    getattr(client, method)(*arguments)
    return sent[0].split("\0")[:-1]


def order_of_ib_async(symbol: str, *, order_id: int = 1, px: float = 12.34, version: int = 178) -> list[str]:
    """The fields of a limit order as the real client library writes them."""
    order = LimitOrder("BUY", 100, px, account="DU0000001")
    return sent_by_ib_async("placeOrder", order_id, Stock(symbol, "SMART", "USD"), order, version=version)


def client_requests(symbol: str, *, order_symbol: str) -> list[FieldList]:
    """One valid message of every request at version 178. If `order_symbol` is nothing's, no order can come of them."""
    contract: tuple[str | float, ...] = (0, symbol, "STK", "", 0.0, "", "", "SMART", "", "USD", "", "")
    scanner: FieldList = (22, 8, -1, "STK", "STK.US.MAJOR", "TOP_PERC_GAIN", *[""] * 16, "", "")
    return [
        (1, 11, 1, *contract, 0, "233", 0, 0, ""), (2, 2, 1), order_of_ib_async(order_symbol), (4, 1, 1, ""), (5, 1),
        (6, 2, 1, "DU0000001"), (7, 3, 2, 0, "", "", "", "", "", ""), (8, 1, 1), (9, 8, 3, *contract, 0, "", "", ""),
        (10, 5, 4, *contract, 5, 0, ""), (11, 1, 4, 0), (12, 1, 1), (13, 1), (14, 1, 2), (15, 1, 1), (16, 1), (17, 1),
        (18, 1, 1), (19, 1, 1, "<xml/>", 5),
        (20, 6, *contract, 0, "", "1 min", "1 D", 1, "TRADES", 1, 0, ""), (25, 1, 6),
        (21, 2, 7, *contract[:8], "USD", "", "", 1, 1, "DU0000001", 0), scanner, (23, 1, 8), (24, 1), (49, 1),
        (50, 3, 9, *contract, 5, "TRADES", 0, ""), (51, 1, 9), (52, 2, 10, *contract[:4], "ReportSnapshot", ""),
        (53, 1, 10), (54, 3, 11, *contract, 1.5, 100.0, ""), (55, 3, 12, *contract, 0.2, 100.0, ""), (56, 1, 11),
        (57, 1, 12), (58, 1), (59, 1, 3), (61, 1), (62, 1, 13, "All", "NetLiquidation,BuyingPower"), (63, 1, 13),
        (64, 1), (67, 1, 14), (68, 1, 15, 1), (69, 1, 15, "none"), (70, 1, 15), (71, 2, 1, ""),
        (74, 1, 16, "DU0000001", ""), (75, 1, 16), (76, 1, 17, "DU0000001", "", 0), (77, 1, 17),
        (78, 18, symbol, "", "STK", 1), (79, 19), (80,), (81, 20, "I"), (82,), (83, 21, "9c0001"),
        (84, 22, "BRFG", "BRFG$1", ""), (85,), (86, 23, 8314, "BRFG", "", "", 10, ""),
        (87, 24, *contract, 0, 1, "TRADES", 1), (88, 25, *contract, 0, 1, "3 days"), (89, 25), (90, 24), (91, 26),
        (92, 26, "DU0000001", ""), (93, 26), (94, 27, "DU0000001", "", 8314), (95, 27),
        (96, 28, *contract, 0, "20260320 09:30:00 US/Eastern", "", 10, "TRADES", 1, 0, ""),
        (97, 29, *contract, "Last", 0, 0), (98, 29), (99, 0), (100, 30), (101, 30), (102, 31, 8314),
        (103, 31), (104, 32),
    ]  # fmt: skip
