"""The payloads, version 1: JSON, decimals as text, times in UTC nanoseconds; see docs/mqtt.md. No socket here."""

from typing import Annotated, Any, Final, Literal

import msgspec

from daemon.control.messages import REASON_LENGTH_MAX

VERSION: Final = 1
PAYLOAD_BYTES_MAX: Final = 8 * 1024  # of one message that comes in
TOLD_BYTES_MAX: Final = 16 * 1024  # of one that goes out: a picture has 8 KB, with the names of its fields twice that
ID_MAX: Final = 64
TEXT_MAX: Final = 1_000  # of a reply

encode: Final = msgspec.json.Encoder().encode


class Payload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what comes in."""

    v: Literal[1]


class Command(Payload, frozen=True):
    """One command: `request` is what the control socket takes, with the proof in it."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=ID_MAX, pattern=r"^[\x20-\x7e]+$")]
    request: msgspec.Raw
    reply_to: Annotated[str, msgspec.Meta(max_length=256)] = ""


class Feature(Payload, frozen=True):
    """One number from outside: what it was at `as_of_ns`, worth nothing after `age_s` seconds from then."""

    value: float
    age_s: Annotated[float, msgspec.Meta(gt=0, le=31_536_000)]
    as_of_ns: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


decode_command: Final = msgspec.json.Decoder(Command).decode
decode_feature: Final = msgspec.json.Decoder(Feature).decode
DECODE_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command. `by` = whose word `text` is: the trader's, or the bridge's, which never asked it."""

    v: int = VERSION
    id: str
    command: str
    ok: bool
    text: str
    by: Literal["trader", "bridge"]
    wall_ns: int


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution as booked by journal record `seq`. `n` counts from 1 within one `run` of the bridge: a number that
    is missing was lost. `previous_seq` is of the fill before, also of one that another run told; 0 = there was none.
    `corrects` names the execution whose numbers these replace (quantity 0 = taken back).
    """

    v: int = VERSION
    run: str
    n: int
    seq: int
    previous_seq: int
    ts_ns: int
    exec_id: str
    corrects: str
    order: int
    strategy: str
    symbol: str
    side: str
    qty: str
    px: str


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert of the trader's journal, raised or acknowledged; `n` as with fills, `codes` what was acknowledged."""

    v: int = VERSION
    run: str
    n: int
    seq: int
    ts_ns: int
    kind: Literal["raised", "acknowledged"]
    severity: str = ""
    code: str = ""
    text: str = ""
    codes: tuple[str, ...] = ()
    by: str = ""


def bounded(value: dict[str, Any], lists: tuple[str, ...]) -> bytes:
    """At most TOLD_BYTES_MAX: of the longest list half is left out until it fits, and `more` says how many are."""
    packed = encode(value)
    while len(packed) > TOLD_BYTES_MAX:
        name = max(lists, key=lambda key: len(encode(value[key])))
        rows = value[name]
        if not rows:
            break
        kept = rows[: len(rows) // 2]
        more = dict(value.get("more", {}))
        more[name] = more.get(name, 0) + len(rows) - len(kept)
        value = value | {name: kept, "more": more}
        packed = encode(value)
    return packed


def one_line(text: str, length_max: int = REASON_LENGTH_MAX) -> str:
    """Printable, bounded."""
    text = text[: 4 * length_max]
    plain = text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
    return " ".join(plain.split())[:length_max]
