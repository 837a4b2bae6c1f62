"""What a config field takes, in plain words: for error lines and docs/configuration.md. Knows no field of ours."""

from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import inspect

PLACES_SHOWN: Final = 20  # 1e999999 is not written out
UNITS: Final = {
    "ns": "nanoseconds",
    "ms": "milliseconds",
    "s": "seconds",
    "seconds": "seconds",
    "days": "days",
    "mib": "MiB",
    "ppm": "parts per million",
    "bp": "basis points",
    "pct": "percent",
    "nanos": "nanos (1e-9)",
    "dollars": "dollars",
    "shares": "shares",
    "lots": "lots",
    "ticks": "ticks",
}


def unit_of(name: str, kind: object) -> str:
    """The unit a field's type says, or its name carries; a qualifier may stand behind (`age_ms_max`). "" = none."""
    info = inspect.type_info(kind)
    for one in info.types if isinstance(info, inspect.UnionType) else (info,):
        if isinstance(one, inspect.Metadata) and one.extra and "unit" in one.extra:
            return str(one.extra["unit"])
    for part in reversed(name.split("_")[1:]):
        if part in UNITS:
            return UNITS[part]
    return ""


def expected(kind: object) -> str:
    """What a field of this type takes, with its bounds: "a whole number from 1 to 64"."""
    return _words(inspect.type_info(kind))


def _words(info: inspect.Type) -> str:
    if isinstance(info, inspect.Metadata):
        examples = (info.extra_json_schema or {}).get("examples", [])
        return f'a text such as "{examples[0]}" ({_pattern(info.type)})' if examples else _words(info.type)
    if isinstance(info, inspect.IntType):
        return "a whole number" + _range(info)
    if isinstance(info, inspect.FloatType | inspect.DecimalType):
        return "a number" + _range(info)
    if isinstance(info, inspect.BoolType):
        return "true or false"
    if isinstance(info, inspect.StrType):
        return "a text" + (f" like {info.pattern}" if info.pattern else "") + _length(info)
    if isinstance(info, inspect.LiteralType):
        return "one of " + ", ".join(f'"{value}"' if isinstance(value, str) else str(value) for value in info.values)
    if isinstance(info, inspect.EnumType):
        return "one of " + ", ".join(f'"{member.value}"' for member in info.cls)
    return _words_of_many(info)


def _pattern(info: inspect.Type) -> str:
    return getattr(info, "pattern", None) or ""


def _words_of_many(info: inspect.Type) -> str:
    if isinstance(info, inspect.VarTupleType | inspect.ListType):
        return f"a list of {_plural(_words(info.item_type))}" + _length(info)
    if isinstance(info, inspect.TupleType):
        return "[" + ", ".join(_words(item) for item in info.item_types) + "]"
    if isinstance(info, inspect.DictType):
        plain = isinstance(info.value_type, inspect.AnyType)
        return "a table" if plain else f"a table of {_plural(_words(info.value_type))}"
    if isinstance(info, inspect.StructType):
        return "a table"
    if isinstance(info, inspect.UnionType):
        return " or ".join(_words(one) for one in info.types if not isinstance(one, inspect.NoneType))
    return "a value"


def _plural(words: str) -> str:
    """ "a whole number from 1" as part of "a list of whole numbers from 1"."""
    for one, many in (("a whole number", "whole numbers"), ("a number", "numbers"), ("a text", "texts")):
        if words.startswith(one):
            return many + words.removeprefix(one)
    return words.replace("a table", "tables", 1) if words.startswith("a table") else words


def _range(info: Any) -> str:
    low = getattr(info, "ge", None)
    above = getattr(info, "gt", None)
    high = getattr(info, "le", None)
    below = getattr(info, "lt", None)
    words = f" from {_number(low)}" if low is not None else f" above {_number(above)}" if above is not None else ""
    if high is not None:
        return words + f" to {_number(high)}"
    return words + f" and below {_number(below)}" if below is not None else words


def _length(info: Any) -> str:
    low, high = info.min_length, info.max_length
    if low is None and high is None:
        return ""
    if high is None:
        return f", at least {low} long"
    return f", {low or 0} to {high} long"


def _number(value: float) -> str:
    """Bounds as people write them: 1, not 1.0; powers of two stay readable."""
    if value == 2**62 or value == 2**63 - 1 or value == 2**31 - 1:
        return {2**62: "2^62", 2**63 - 1: "2^63 - 1", 2**31 - 1: "2^31 - 1"}[int(value)]
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def shown(value: object) -> str:
    """A value as it would stand in a TOML file, short; for defaults and error lines."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}…"'
    if isinstance(value, Decimal):
        return f"{value:f}" if -PLACES_SHOWN < value.adjusted() < PLACES_SHOWN else str(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(shown(one) for one in value) + "]"
    if isinstance(value, dict | msgspec.Struct):
        return "{…}" if value else "{}"
    return "" if value is None else str(value)
