"""The five kinds of journal records and their codec. Every payload ever committed must decode for ever: fields are only
appended, tags are never reused (tests/replay holds a committed segment of each release).
"""

from typing import Final

import msgspec

from core.commands import AnyCommand, AnyOutcome
from core.events import AnyEvent
from core.notes import AnyNote
from core.reference import AnyReference

REFERENCE: Final = 1
INPUT: Final = 2
NOTE: Final = 3
COMMAND: Final = 4
OUTCOME: Final = 5
ROWS: Final = 6  # an input too: a block of market rows (core/rows.py) under consecutive seqs
KIND_NAMES: Final = {1: "reference", 2: "input", 3: "note", 4: "command", 5: "outcome", 6: "rows"}

# Counts up with every change of a message or of the money snapshot (tests/replay holds what each number means). A
# release refuses what was written with a higher number than its own.
RECORDS_VERSION: Final = 3

Message = AnyReference | AnyEvent | AnyNote | AnyCommand | AnyOutcome

encode = msgspec.msgpack.Encoder().encode
_DECODERS: Final = {
    REFERENCE: msgspec.msgpack.Decoder(AnyReference),
    INPUT: msgspec.msgpack.Decoder(AnyEvent),
    NOTE: msgspec.msgpack.Decoder(AnyNote),
    COMMAND: msgspec.msgpack.Decoder(AnyCommand),
    OUTCOME: msgspec.msgpack.Decoder(AnyOutcome),
}


def decode(kind: int, payload: bytes | memoryview) -> Message:
    """Decode one payload. Raises msgspec.DecodeError on bytes this release does not know."""
    message: Message = _DECODERS[kind].decode(payload)
    return message
