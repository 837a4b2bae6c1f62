"""What a journal can say, as text: every message of the five unions and the money state of a snapshot, with the tags,
names, types and defaults of their fields, however deep. `python -m tests.replay.vocabulary` prints the line for
vocabularies.py.
"""

import hashlib
from collections.abc import Iterator
from typing import Any, Final, get_args

import msgspec

from core.commands import AnyCommand, AnyOutcome
from core.events import AnyEvent
from core.money.snapshot import MoneyState
from core.notes import AnyNote
from core.records import RECORDS_VERSION
from core.reference import AnyReference

UNIONS: Final = (AnyReference, AnyEvent, AnyNote, AnyCommand, AnyOutcome)


def vocabulary() -> list[str]:
    """One line for each struct, sorted."""
    found: dict[type, str] = {}
    for union in UNIONS:
        for member in get_args(union):
            _describe(member, found)
    _describe(MoneyState, found)
    return sorted(found.values())


def fingerprint() -> str:
    """Of all of it."""
    return hashlib.sha256("\n".join(vocabulary()).encode()).hexdigest()[:32]


def _describe(kind: Any, found: dict[type, str]) -> None:
    if kind in found:
        return
    found[kind] = ""
    fields = []
    for field in msgspec.structs.fields(kind):
        fields.append(f"{field.name}:{field.type}={'' if field.default is msgspec.NODEFAULT else field.default}")
        for part in _structs(field.type):
            _describe(part, found)
    found[kind] = f"{kind.__name__} {kind.__struct_config__.tag} {' '.join(fields)}"


def _structs(kind: Any) -> Iterator[Any]:
    """Structs in a type, inside of unions and containers too."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for inner in get_args(kind):
        yield from _structs(inner)


if __name__ == "__main__":
    print(f'    {RECORDS_VERSION}: "{fingerprint()}",')
