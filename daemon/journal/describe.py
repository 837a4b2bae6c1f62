"""Turns a record into names and plain values for people: `quantd journal show` and the 3 a.m. dump."""

from collections.abc import Mapping

import msgspec

from core.records import KIND_NAMES, ROWS, decode
from core.rows import ROW
from daemon.journal.reader import Record


def describe(record: Record) -> dict[str, object]:
    """A JSON-able picture of one record. Bytes this release cannot decode are shown in hex, never an error."""
    shown: dict[str, object] = {
        "seq": record.seq,
        "ts_ns": record.ts_ns,
        "kind": KIND_NAMES.get(record.kind, str(record.kind)),
    }
    if record.kind == ROWS:
        return shown | _describe_rows(record)
    shown["cause_seq"] = record.cause_seq
    if record.kind not in KIND_NAMES:
        return shown | {"undecodable": bytes(record.payload).hex()}
    try:
        message = decode(record.kind, record.payload)
    except msgspec.DecodeError as fault:
        return shown | {"undecodable": bytes(record.payload).hex(), "reason": str(fault)}
    return shown | {"type": type(message).__name__, "fields": plain(message)}


def _describe_rows(record: Record) -> dict[str, object]:
    if not record.payload:
        return {"count": record.count, "archived": True}
    rows = record.rows()
    edge = [*rows[:1], *rows[-1:]] if len(rows) > 1 else list(rows)
    named = [dict(zip(ROW.names or (), row.item(), strict=True)) for row in edge]
    return {"count": record.count, "first": named[0], "last": named[-1]}


def plain(value: object) -> object:
    """A message as JSON-able values, its fields by name."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return value
