"""What trader and risk worker say to each other: frames of four bytes of length (little endian) and msgpack. To the
worker go rules, histories and books; each book is answered by one `RiskMeasured`. Knows no socket and no process.
"""

from typing import Final

import msgspec

from core.events import RiskMeasured
from risk.measure import Book, History, Rules

PREFIX: Final = 4
FRAME_BYTES_MAX: Final = 1 << 24

Question = Rules | History | Book

_encode: Final = msgspec.msgpack.Encoder().encode
read_question: Final = msgspec.msgpack.Decoder(Question).decode
read_answer: Final = msgspec.msgpack.Decoder(RiskMeasured).decode


def frame(message: Question | RiskMeasured) -> bytes:
    """One message, ready to be written."""
    payload = _encode(message)
    return len(payload).to_bytes(PREFIX, "little") + payload


def length_of(prefix: bytes) -> int:
    """Length of the payload that follows. Raises ValueError on one that no frame has."""
    length = int.from_bytes(prefix, "little")
    if not 0 < length <= FRAME_BYTES_MAX:
        raise ValueError(f"a frame of {length} bytes; at most {FRAME_BYTES_MAX}")
    return length
