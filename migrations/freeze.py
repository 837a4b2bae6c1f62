"""Prints the schema of this release as SQL, statement by statement: `python -m migrations.freeze postgresql`. That is
how the file of a first revision was made, and how a test sees that the newest revision ends where the code stands.
"""

import sys
from collections.abc import Iterator
from typing import cast

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from daemon.follower.columns import Dialect
from daemon.follower.schema import metadata
from daemon.follower.views import views

SEPARATOR = ";\n"


def statements(dialect: Dialect) -> Iterator[str]:
    """Tables, indexes, views, in the order they can be made."""
    words = {"sqlite": sqlite.dialect, "postgresql": postgresql.dialect}[dialect]()
    tables = metadata(dialect).sorted_tables
    for table in tables:
        yield _tidy(str(CreateTable(table).compile(dialect=words)))
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            yield _tidy(str(CreateIndex(index).compile(dialect=words)))
    for name, query in views(dialect).items():
        yield f"CREATE VIEW {name} AS {query}"


def _tidy(statement: str) -> str:
    return "\n".join(line.rstrip().replace("\t", "    ") for line in statement.strip().splitlines())


if __name__ == "__main__":
    print(SEPARATOR.join(statements(cast(Dialect, sys.argv[1]))), end=SEPARATOR)
