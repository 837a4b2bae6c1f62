"""What a column of the record holds, in both dialects: the one place that knows how a nano, a time or a JSON text is
stored. Knows no table.

Money is exact. PostgreSQL keeps prices, quantities and cash as NUMERIC(38,9) in units of the currency or share; SQLite
keeps the same numbers as whole nanos (1e-9) in columns declared NANOS_INTEGER, and the views `<table>_decimal` show
them as decimals. No amount is ever a float.
"""

from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import UserDefinedType

Dialect = Literal["sqlite", "postgresql"]
Kind = Literal["big", "integer", "text", "nanos", "real", "flag", "json", "time"]
# How a row that is there already takes in a new one: the new value, the first, the last there was, or arithmetic.
Merge = Literal["replace", "first", "last", "max", "min", "sum"]


class NanosInteger(UserDefinedType[int]):
    """SQLite's exact money: the name holds INT, so that the column has integer affinity."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """As it stands in CREATE TABLE."""
        return "NANOS_INTEGER"


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One column, without its dialect."""

    name: str
    kind: Kind
    nullable: bool = False
    merge: Merge = "replace"


_TYPES: Final[dict[Dialect, dict[Kind, Any]]] = {
    "sqlite": {
        "big": sa.BigInteger(),
        "integer": sa.Integer(),
        "text": sa.Text(),
        "nanos": NanosInteger(),
        "real": sa.Double(),
        "flag": sa.Boolean(),
        "json": sa.Text(),
    },
    "postgresql": {
        "big": sa.BigInteger(),
        "integer": sa.Integer(),
        "text": sa.Text(),
        "nanos": sa.Numeric(38, 9),
        "real": sa.Double(),
        "flag": sa.Boolean(),
        "json": JSONB(),
        "time": sa.DateTime(timezone=True),
    },
}


def column(field: Field, dialect: Dialect) -> sa.Column[Any]:
    """The column in a dialect."""
    made: sa.Column[Any] = sa.Column(
        field.name, _TYPES[dialect][field.kind], nullable=field.nullable, autoincrement=False
    )
    return made


def big(name: str, *, nullable: bool = False, merge: Merge = "replace") -> Field:
    """A 64-bit integer."""
    return Field(name=name, kind="big", nullable=nullable, merge=merge)


def integer(name: str) -> Field:
    """A 32-bit integer."""
    return Field(name=name, kind="integer")


def text(name: str, *, nullable: bool = False) -> Field:
    """A text."""
    return Field(name=name, kind="text", nullable=nullable)


def nanos(name: str, *, nullable: bool = False, merge: Merge = "replace") -> Field:
    """An exact amount; rows carry it as integer nanos."""
    return Field(name=name, kind="nanos", nullable=nullable, merge=merge)


def real(name: str) -> Field:
    """A float of a model or feature, never money; NaN is stored as NULL."""
    return Field(name=name, kind="real", nullable=True)


def flag(name: str) -> Field:
    """True or false."""
    return Field(name=name, kind="flag")


def json(name: str) -> Field:
    """A JSON text."""
    return Field(name=name, kind="json")
