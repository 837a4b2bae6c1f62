"""Writes a config as TOML with comments: each table with its struct's words, each key with its meaning, and the keys
that were left out with their defaults. The words are the schema's own (daemon/config/page.py). Decides nothing.
"""

import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from core.errors import Bug
from daemon.config.page import inner_of, meanings_of
from daemon.config.wording import shown
from risk.limits import OrderLimits

WIDTH: Final = 120
KEPT: Final = "\N{NO-BREAK SPACE}"  # within what must stay on one line
SEPARATED_FROM: Final = 10_000
WHOLE: Final = ("from", "port")  # days and ports are read without separators
Values = Mapping[str, Any]
Kind = type[msgspec.Struct]


def commented(kind: Kind, values: Values, *, head: str, page: str, params: Mapping[str, Kind]) -> str:
    """The file. `values` are nested by table as in TOML; `params` says which struct a table of free keys stands for, by
    its dotted path; `page` is where all keys are explained.
    """
    parts = [_comment(head), *_Writer(params, page).tables(kind, values, "")]
    return "\n\n".join(parts) + "\n"


class _Writer:
    def __init__(self, params: Mapping[str, Kind], page: str) -> None:
        self._params = params
        self._page = page

    def tables(self, kind: Kind, values: Values, path: str, *, many: bool = False, told: bool = False) -> Iterator[str]:
        """One table, then those within it. `told`: its words were said already."""
        fields = {f.encode_name: f for f in msgspec.structs.fields(kind)}
        unknown = set(values) - set(fields)
        if unknown:
            raise Bug(f"{path}: {', '.join(sorted(unknown))} is no field of {kind.__name__}")
        meanings = {} if told else meanings_of(kind)
        keys = [name for name, value in values.items() if not _is_table(value)]
        if keys or many or not values:
            lines = [] if told or not path else [_comment(" ".join((inspect.getdoc(kind) or "").split()))]
            lines += [f"[[{path}]]" if many else f"[{path}]"] if path else []
            for name in keys:
                lines += _key(name, values[name], meanings.get(fields[name].name, ""))
            yield "\n".join(lines + ([] if told else self._left_out(kind, values, top=not path)))
        for name, value in values.items():
            if _is_table(value):
                place = f"{path}.{name}" if path else name
                yield from self._within(fields[name], value, place, told=told)

    def _within(self, f: msgspec.structs.FieldInfo, value: Any, place: str, *, told: bool) -> Iterator[str]:
        inner, how = inner_of(f.type)
        if place in self._params:
            yield from self.tables(self._params[place], value, place)
        elif inner is None:
            yield "\n".join([f"[{place}]", *(line for name, one in value.items() for line in _key(name, one, ""))])
        elif how == "tuple":
            for at, one in enumerate(value):
                yield from self.tables(inner, one, place, many=True, told=told or at > 0)
        elif how == "dict":
            for name, one in value.items():
                yield from self.tables(inner, one, f"{place}.{name}", told=told)
        else:
            yield from self.tables(inner, value, place, told=told)

    def _left_out(self, kind: Kind, values: Values, *, top: bool) -> list[str]:
        """The other keys with their defaults, on as few lines as they need."""
        if issubclass(kind, OrderLimits):
            return [] if set(kind.__struct_fields__) <= set(values) else ["# The other limits: docs/risk.md."]
        others = [_unsaid(f) for f in msgspec.structs.fields(kind) if f.encode_name not in values and not f.required]
        words = f"Tables and keys left out ({self._page})" if top else "Left out"
        return [_comment(f"{words}: {', '.join(others)}.")] if others else []


def _unsaid(f: msgspec.structs.FieldInfo) -> str:
    """One key with its default, or a table; its blanks do not break."""
    if inner_of(f.type)[0] is not None:
        return f"[{f.encode_name}]"
    has = f.default is not msgspec.NODEFAULT and f.default is not None
    return (f"{f.encode_name} = {shown(f.default)}" if has else f.encode_name).replace(" ", KEPT)


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) for one in value)
    )


def _key(name: str, value: object, meaning: str) -> list[str]:
    line = f"{name} = {value if name in WHOLE else toml(value)}"
    if not meaning:
        return [line]
    beside = f"{line} # {meaning}"
    return [beside] if len(beside) <= WIDTH else [_comment(meaning), line]


def _comment(text: str) -> str:
    """Lines of a comment; a line that begins with blanks stays as it is."""
    found = []
    for line in text.splitlines():
        whole = line.startswith(" ") or not line
        found += [line] if whole else textwrap.wrap(line, WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"# {line}".rstrip() for line in found).replace(KEPT, " ")


def toml(value: object) -> str:
    """One value as TOML. Texts in JSON's quotes are TOML's basic strings."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int | float | Decimal):
        if value != int(value):
            return str(value)
        return f"{int(value):_}" if abs(int(value)) >= SEPARATED_FROM else f"{int(value)}"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {toml(one)}" for name, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    raise Bug(f"{type(value).__name__} has no form in TOML")
