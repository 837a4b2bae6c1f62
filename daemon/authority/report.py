"""The audit trail for people: one line for each audited record of a journal, whether it holds, and both in one export.
Reads only.
"""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from core import records as r
from core.errors import JournalError
from core.latches import LEVEL_NAMES, STATE_NAMES
from daemon.authority.trail import KINDS, Verified, falls_short, is_audited, read_head, verify
from daemon.coverage import moment
from daemon.journal import JournalReader, Record

EXPORTED_MAX: Final = 10_000  # newest lines of an export; how many older ones there are is told
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


def standing(journal: Path) -> Verified:
    """Whether the trail holds: its own chain, and the head that is kept beside the journal. Raises JournalError."""
    found = verify(journal)
    kept = read_head(journal.parent) if journal.name == "journal" and not found.broken else None
    if kept is None:
        return found
    return msgspec.structs.replace(found, broken=falls_short(found.count, found.digest, kept))


def audit_export(journal: Path) -> dict[str, Any]:
    """The trail as plain values: whether it holds, its head, and its newest lines. A broken one is exported as far as
    it can be read, and says so.
    """
    try:
        found = standing(journal)
    except JournalError as fault:
        found = Verified(count=0, digest="", seals=0, unsealed=0, broken=str(fault))
    newest: deque[AuditLine] = deque(maxlen=EXPORTED_MAX)
    lines, broken = 0, found.broken
    try:
        for line in audit_lines(journal):
            newest.append(line)
            lines += 1
    except (JournalError, msgspec.DecodeError) as fault:
        broken = broken or str(fault)
    return {
        "holds": not broken,
        "broken": broken,
        "records": found.count,
        "seals": found.seals,
        "unsealed": found.unsealed,
        "head": f"{found.count}:{found.digest}",
        "left_out": lines - len(newest),
        "lines": [_exported(line) for line in newest],
    }


def _exported(line: AuditLine) -> dict[str, Any]:
    """As the other events of a self-assessment stand there."""
    ours = {"seq": line.seq, "time": moment(line.ts_ns), "what": line.what, "who": line.who}
    return ours | {"authority": line.authority} | {name: line.fields[name] for name in line.fields if name not in ours}


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
