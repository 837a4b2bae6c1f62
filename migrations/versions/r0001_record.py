"""The record: journals, positions, everything the journal says, and bars."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SEPARATOR = ";\n"


def upgrade() -> None:
    """Every table, index and view."""
    file = Path(__file__).with_name(f"r0001_record_{op.get_bind().dialect.name}.sql")
    for statement in file.read_text(encoding="utf-8").split(SEPARATOR):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
