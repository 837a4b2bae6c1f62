"""Schedules with their algo, cost and reason, and what happened to each; lots, cash and commissions by kind; corporate
actions, corrections, crosses, transfers.
"""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SEPARATOR = ";\n"


def upgrade() -> None:
    """New columns of `parents`, new tables and views; the rows that are there stay."""
    file = Path(__file__).with_name(f"r0002_books_{op.get_bind().dialect.name}.sql")
    for statement in file.read_text(encoding="utf-8").split(SEPARATOR):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
