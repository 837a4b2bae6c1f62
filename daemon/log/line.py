"""One line of the log from what was said: plain values, secrets taken out, JSON. Runs in the writer's thread, so that
nobody who says something pays for its form. Bounded in every direction; never raises.
"""

import logging
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final

import msgspec

from core.units import NANO
from daemon.log.secrets import MASK, SECRET_NAME, Redactor

TEXT_MAX: Final = 4_096  # characters of one text; of a traceback its end
ITEMS_MAX: Final = 64  # of a list or a mapping
DEPTH_MAX: Final = 6
LINE_BYTES_MAX: Final = 16_384  # beyond it only the head of the line is kept
HEAD: Final = ("timestamp", "level", "event", "process", "account", "epoch", "order_id", "seq", "cause_seq")
_INT64: Final = 1 << 63
_ORDER: Final = ("timestamp", "level", "event")


class Said(msgspec.Struct, frozen=True, gc=False):
    """What somebody said, as it was handed over: nothing of it is formatted yet."""

    level: str
    ts_ns: int
    fields: Mapping[str, Any]


Exception3 = tuple[type[BaseException], BaseException, TracebackType | None]


def plain(said: Said, common: Mapping[str, Any], redactor: Redactor) -> dict[str, Any]:
    """The line's fields as plain values without a secret: time, level and event first."""
    fields: dict[str, Any] = {"timestamp": _utc(said.ts_ns), "level": said.level, "event": ""}
    for key, value in (*common.items(), *said.fields.items()):
        if key == "exc_info":
            if value:
                fields["exception"] = redactor.text(_traceback(value))
        elif key == "record":
            fields["event"] = redactor.text(_bounded(_message(value)))
            fields["logger"] = value.name
        else:
            fields[redactor.text(str(key))] = MASK if _is_secret(key, value) else _plain(value, redactor, DEPTH_MAX)
    return fields


def encoded(fields: Mapping[str, Any]) -> bytes:
    """One line, its end not included."""
    try:
        line = msgspec.json.encode(fields)
    except (TypeError, ValueError, UnicodeEncodeError):
        line = msgspec.json.encode({key: _ascii(value) for key, value in fields.items()})
    if len(line) > LINE_BYTES_MAX:
        line = msgspec.json.encode(
            {key: _ascii(fields[key])[:TEXT_MAX] for key in HEAD if key in fields} | {"cut": True}
        )
    return line


def _is_secret(key: Any, value: Any) -> bool:
    """Numbers and yes or no under such a name are counts, not secrets."""
    return (
        isinstance(key, str) and not isinstance(value, (bool, int, float, type(None))) and bool(SECRET_NAME.search(key))
    )


def _plain(value: Any, redactor: Redactor, depth: int) -> Any:
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return int(value) if -_INT64 <= value < _INT64 else str(value)
    if isinstance(value, str):
        return redactor.text(_bounded(value))
    if depth and isinstance(value, msgspec.Struct):
        value = {name: getattr(value, name) for name in value.__struct_fields__}
    if depth and isinstance(value, Mapping):
        found: dict[str, Any] = {}
        for key, inner in list(value.items())[:ITEMS_MAX]:
            name = redactor.text(_bounded(str(key)))
            found[name] = MASK if _is_secret(key, inner) else _plain(inner, redactor, depth - 1)
        return found
    if depth and isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(inner, redactor, depth - 1) for inner in list(value)[:ITEMS_MAX]]
    return redactor.text(_bounded(_spoken(value)))


def _spoken(value: Any) -> str:
    try:
        return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    except Exception as fault:  # edge: the text of a foreign object must not cost the line
        return f"<{type(value).__name__}: {type(fault).__name__}>"


def _bounded(text: str) -> str:
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}…"


def _ascii(value: Any) -> str:
    return str(value).encode("ascii", "backslashreplace").decode()


def _traceback(given: "Exception3 | BaseException | str | bool") -> str:
    """Its end says what happened."""
    if isinstance(given, tuple):
        text = "".join(traceback.format_exception(*given))
    elif isinstance(given, BaseException):
        text = "".join(traceback.format_exception(given))
    else:
        text = str(given)
    text = text.rstrip("\n")
    return text if len(text) <= TEXT_MAX else f"…{text[-TEXT_MAX:]}"


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as fault:  # edge: a library whose text and arguments do not fit is told as it stands
        return f"{record.msg} ({type(fault).__name__})"


def _utc(ts_ns: int) -> str:
    seconds, rest = divmod(ts_ns, NANO)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06}Z"
