"""The SQL that writes a table, in either dialect. Text only: opens and runs nothing."""

from typing import Final

from daemon.follower.columns import Dialect, Field
from daemon.follower.schema import RecordTable

_PLAIN: Final = {
    "replace": "excluded.{c}",
    "first": "coalesce({t}.{c}, excluded.{c})",
    "last": "coalesce(excluded.{c}, {t}.{c})",
    "sum": "{t}.{c} + excluded.{c}",
}
# SQLite's max() of two is NULL when one is; PostgreSQL's greatest() leaves NULL out.
_EXTREMES: Final[dict[Dialect, dict[str, str]]] = {
    "sqlite": {
        "max": "max(coalesce({t}.{c}, excluded.{c}), coalesce(excluded.{c}, {t}.{c}))",
        "min": "min(coalesce({t}.{c}, excluded.{c}), coalesce(excluded.{c}, {t}.{c}))",
    },
    "postgresql": {"max": "greatest({t}.{c}, excluded.{c})", "min": "least({t}.{c}, excluded.{c})"},
}


def column_names(table: RecordTable, dialect: Dialect) -> str:
    """All columns, in the order rows are stored."""
    return ", ".join(field.name for field in table.stored(dialect))


def conflict(table: RecordTable, dialect: Dialect) -> str:
    """What happens to a row that is there already; empty for a table that only grows: a second one is an error."""
    if table.growth == "append":
        return ""
    key = table.key_in(dialect)
    sets = [_set(table.name, field, dialect) for field in table.fields if field.name not in key]
    return f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {', '.join(sets)}"


def _set(table: str, field: Field, dialect: Dialect) -> str:
    form = _PLAIN.get(field.merge) or _EXTREMES[dialect][field.merge]
    return f"{field.name} = {form.format(t=table, c=field.name)}"


def insert(table: RecordTable) -> str:
    """SQLite's statement for one row."""
    places = ", ".join("?" for _ in table.stored("sqlite"))
    return f"INSERT INTO {table.name} ({column_names(table, 'sqlite')}) VALUES ({places}){conflict(table, 'sqlite')}"


def copy(target: str, table: RecordTable) -> str:
    """PostgreSQL's bulk statement into a table or its stage."""
    return f"COPY {target} ({column_names(table, 'postgresql')}) FROM STDIN (FORMAT BINARY)"


def stage(table: RecordTable) -> str:
    """A table of this connection that takes rows before they are merged; empty again after the commit."""
    return f"CREATE TEMP TABLE IF NOT EXISTS stage_{table.name} (LIKE {table.name}) ON COMMIT DELETE ROWS"


def merge(table: RecordTable) -> str:
    """From the stage into the table."""
    names = column_names(table, "postgresql")
    return f"INSERT INTO {table.name} ({names}) SELECT {names} FROM stage_{table.name}{conflict(table, 'postgresql')}"
