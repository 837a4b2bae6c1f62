"""The frames between a feed process and its reader: `u32 kind, u32 count`, little-endian, then the payload.

`count` is rows for a batch and payload bytes for all else. Knows bytes and structs only; no process, no file format.
"""

from struct import Struct
from typing import Final, NamedTuple

import msgspec
import numpy as np

from broker.feeds.columns import Rows
from broker.feeds.merge import ControlFact
from broker.feeds.spec import BATCH_ROWS_MAX, FeedHeader, FeedTotals
from core.errors import BrokerFault
from core.events import AnyEvent
from core.rows import ROW, ROW_BYTES

HEADER: Final = 0  # JSON FeedHeader; the first frame
ROWS: Final = 1  # count * 56 bytes
CONTROL: Final = 2  # i64 ts_ns, then one core event as msgpack
END: Final = 3  # JSON FeedTotals; the last frame of a feed that ended well
ERROR: Final = 4  # one line of UTF-8 naming file or field and remedy; the last frame of one that did not

PREFIX: Final = Struct("<II")
TEXT_BYTES_MAX: Final = 1 << 20
_TS: Final = Struct("<q")
_encode_event: Final = msgspec.msgpack.Encoder().encode
_event_decoder: Final = msgspec.msgpack.Decoder(AnyEvent)
_header_decoder: Final = msgspec.json.Decoder(FeedHeader)
_totals_decoder: Final = msgspec.json.Decoder(FeedTotals)


class RowsBatch(NamedTuple):
    """Market rows in time order; the array is the reader's own and writable."""

    rows: Rows


class FeedEnd(NamedTuple):
    """The feed has no more to give."""

    totals: FeedTotals


class FeedError(NamedTuple):
    """The feed gave up; the text names file or field and remedy."""

    text: str


Frame = FeedHeader | RowsBatch | ControlFact | FeedEnd | FeedError


def frame(kind: int, payload: bytes) -> bytes:
    """A frame of any kind but ROWS."""
    return PREFIX.pack(kind, len(payload)) + payload


def control_frame(fact: ControlFact) -> bytes:
    """The frame of one control fact."""
    return frame(CONTROL, _TS.pack(fact.ts_ns) + _encode_event(fact.event))


def payload_bytes(kind: int, count: int) -> int:
    """How many bytes follow a prefix. Raises BrokerFault for one no feed sends."""
    if kind == ROWS and count <= BATCH_ROWS_MAX:
        return count * ROW_BYTES
    if kind in (HEADER, CONTROL, END, ERROR) and count <= TEXT_BYTES_MAX:
        return count
    raise BrokerFault(f"feed process sent frame kind {kind} of {count}: reader and process are of different versions")


def decode(kind: int, payload: bytes) -> Frame:
    """One frame's content. Raises BrokerFault on a payload that does not decode."""
    if kind == ROWS:
        # Through a bytearray: kernels with explicit signatures refuse read-only arrays.
        return RowsBatch(np.frombuffer(bytearray(payload), ROW))
    try:
        if kind == CONTROL:
            return ControlFact(_TS.unpack_from(payload)[0], _event_decoder.decode(memoryview(payload)[_TS.size :]))
        if kind == HEADER:
            return _header_decoder.decode(payload)
        if kind == END:
            return FeedEnd(_totals_decoder.decode(payload))
        return FeedError(payload.decode())
    except (msgspec.DecodeError, ValueError) as fault:
        raise BrokerFault(f"feed process sent frame kind {kind} that does not decode: {fault}") from fault
