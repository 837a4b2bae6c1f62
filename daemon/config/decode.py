"""Turns a parsed document into frozen structs and collects every problem on the way, each with its dotted field.

msgspec would stop at the first problem and does not name the keys of a table, so this walks the structs itself and
leaves single values to it. Knows no field of ours.
"""

import difflib
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, get_args, get_origin

import msgspec

from core.errors import ConfigError
from daemon.config.wording import expected, shown

FAULTY: Final = object()  # stands for a value that was reported and must not be used


class Problems:
    """Every problem found in one file, in the order found."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: list[str] = []

    def add(self, field: str, wrong: str, remedy: str = "see docs/configuration.md") -> None:
        """One line: where, what, and what to do about it."""
        place = f"{self.file}: {field}: " if field else f"{self.file}: "
        self.lines.append(" ".join(f"{place}{wrong}; {remedy}".split()))

    def add_refused(self, text: str, field: str, known: Sequence[str]) -> None:
        """A part of the program refused its settings in its own words: "path: wrong; remedy", or "path is X: remedy".

        Of its path the last name counts, if it is one of the `known` fields of `field`.
        """
        named, _, rest = text.partition(": ")
        path, _, value = named.partition(" is ")
        last = path.rpartition(".")[2]
        place = joined(field, last) if last in known else field
        if not rest or " " in path:
            self.add(field, text)
        elif value:
            self.add(place, f"is {value}", rest)
        else:
            self.add(place, *_wrong_and_remedy(rest))

    def add_whole(self, text: str) -> None:
        """The same, where the path in the text is the dotted field itself."""
        field, _, rest = text.partition(": ")
        self.add(field, *_wrong_and_remedy(rest))

    def stop(self) -> None:
        """Raise ConfigError with all lines, if there is any."""
        if self.lines:
            raise ConfigError("\n".join(self.lines))


def _wrong_and_remedy(text: str) -> tuple[str, ...]:
    """Split at the first "; ", else at the first ": "; a text without either has no remedy of its own."""
    return tuple(text.split("; " if "; " in text else ": ", 1))


def decode(value: Any, kind: Any, field: str, problems: Problems) -> Any:
    """Decode one value of any type; returns FAULTY after reporting a problem."""
    bare, metas = parts(kind)
    if _is_struct(bare):
        return decode_struct(value, bare, field, problems)
    arguments = get_args(bare)
    if get_origin(bare) is dict and _is_struct(parts(arguments[1])[0]):
        return _table(value, arguments, field, problems)
    if get_origin(bare) is tuple and arguments[1:] == (Ellipsis,) and _is_struct(parts(arguments[0])[0]):
        return _array(value, arguments[0], metas, field, problems)
    if isinstance(value, date | datetime) and bare is str:
        value = value.isoformat()  # TOML has dates of its own: both spellings are fine
    try:
        if isinstance(value, Decimal) and not value.is_finite():
            raise msgspec.ValidationError  # bounds let nan through
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        problems.add(field, f"{shown(value)} does not fit", f"give {expected(kind)}")
        return FAULTY


def decode_struct(raw: Any, kind: type[msgspec.Struct], field: str, problems: Problems) -> Any:
    """Decode a table; unknown, missing and wrong fields are all reported before it is given up."""
    if not isinstance(raw, dict):
        problems.add(field, f"{shown(raw)} does not fit", f"make it a table, [{field}]")
        return FAULTY
    before = len(problems.lines)
    fields = msgspec.structs.fields(kind)
    _report_unknown(raw, [f.encode_name for f in fields], field, problems)
    values: dict[str, Any] = {}
    for f in fields:
        values |= _field(raw, f, field, problems)
    if len(problems.lines) > before:
        return FAULTY
    try:
        return kind(**values)
    except (ConfigError, ValueError) as fault:
        problems.add_refused(str(fault), field, [f.encode_name for f in fields])
        return FAULTY


def _field(raw: dict[str, Any], f: msgspec.structs.FieldInfo, parent: str, problems: Problems) -> dict[str, Any]:
    """The decoded field as {name: value}, {} when it is absent or faulty."""
    place = joined(parent, f.encode_name)
    if f.encode_name not in raw:
        if f.required:
            problems.add(place, "is missing", f"add it: {expected(f.type)}")
        return {}
    value = decode(raw[f.encode_name], f.type, place, problems)
    return {} if value is FAULTY else {f.name: value}


def _report_unknown(raw: dict[str, Any], known: list[str], field: str, problems: Problems) -> None:
    for key in raw:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
            remedy = f"did you mean {near[0]}?" if near else f"remove it; known here: {', '.join(known)}"
            problems.add(joined(field, key), "unknown key", remedy)


def _table(raw: Any, kinds: tuple[Any, ...], field: str, problems: Problems) -> Any:
    if not isinstance(raw, dict):
        problems.add(field, f"{shown(raw)} does not fit", f"make it a table of tables, [{field}.NAME]")
        return FAULTY
    found = {}
    for name, value in raw.items():
        key = decode(name, kinds[0], joined(field, name), problems)
        found[key] = decode(value, kinds[1], joined(field, name), problems)
    return FAULTY if FAULTY in found or any(value is FAULTY for value in found.values()) else found


def _array(raw: Any, kind: Any, metas: list[msgspec.Meta], field: str, problems: Problems) -> Any:
    if not isinstance(raw, list | tuple):
        problems.add(field, f"{shown(raw)} does not fit", f"make it a list of tables, [[{field}]]")
        return FAULTY
    least = max((meta.min_length or 0 for meta in metas), default=0)
    if len(raw) < least:
        problems.add(field, f"has {len(raw)} entries", f"give at least {least}: [[{field}]]")
        return FAULTY
    found = tuple(decode(value, kind, f"{field}[{at}]", problems) for at, value in enumerate(raw))
    return FAULTY if any(value is FAULTY for value in found) else found


def joined(parent: str, name: str) -> str:
    """A dotted field below another one."""
    return f"{parent}.{name}" if parent else name


def parts(kind: Any) -> tuple[Any, list[msgspec.Meta]]:
    """The type without its annotations, and these."""
    if get_origin(kind) is Annotated:
        bare, *rest = get_args(kind)
        return bare, [meta for meta in rest if isinstance(meta, msgspec.Meta)]
    return kind, []


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
