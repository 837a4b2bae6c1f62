"""The audit trail for people: one line for each audited record of a journal. Reads only."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from core import records as r
from core.latches import LEVEL_NAMES, STATE_NAMES
from daemon.authority.trail import KINDS, is_audited
from daemon.journal import JournalReader, Record

_WHO: Final = ("operator", "by")
_QUIET: Final = ("operator", "by", "authority", "second", "json")


class AuditLine(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what, how that was verified, and all that the record says."""

    seq: int
    ts_ns: int
    who: str
    authority: str
    what: str
    fields: dict[str, Any]

    @property
    def text(self) -> str:
        """The fields that say something, in one line."""
        return "; ".join(f"{name} {value}" for name, value in self.fields.items() if value not in ("", None))


def audit_lines(directory: Path, *, since_ns: int = 0) -> Iterator[AuditLine]:
    """Every audited record from a moment on, oldest first. Raises JournalError."""
    for record in JournalReader(directory).records(KINDS):
        if record.ts_ns >= since_ns and is_audited(record.kind, record.payload):
            yield _line(record)


def _line(record: Record) -> AuditLine:
    message = r.decode(record.kind, record.payload)
    names = message.__struct_fields__
    who = next((str(getattr(message, name)) for name in _WHO if name in names), "trader")
    second = str(getattr(message, "second", ""))
    authority = str(getattr(message, "authority", ""))
    return AuditLine(
        seq=record.seq,
        ts_ns=record.ts_ns,
        who=f"{who} and {second}" if second else who,
        authority=authority,
        what=type(message).__name__,
        fields={name: _shown(name, getattr(message, name)) for name in names if name not in _QUIET},
    )


def _shown(name: str, value: Any) -> Any:
    if name == "level" and value in LEVEL_NAMES:
        return LEVEL_NAMES[value]
    if name == "state" and value in STATE_NAMES:
        return STATE_NAMES[value]
    return msgspec.to_builtins(value)
