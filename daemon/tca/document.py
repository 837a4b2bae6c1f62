"""A whole report from a journal: read, measured, grouped, and drawn when somebody asks for the page. What the command
line, a timer and the daily report have in common.
"""

from pathlib import Path

import msgspec

from daemon.tca import page
from daemon.tca.fees import FeeKind, by_kind, table_of
from daemon.tca.groups import Group, group
from daemon.tca.measure import ParentRow, measure
from daemon.tca.reading import Findings, quotes, read


class Report(msgspec.Struct, kw_only=True):
    """Everything about a day, or about all of them (`date` 0)."""

    journal: Path
    date: int
    found: Findings
    rows: list[ParentRow]
    groups: list[Group]
    fees: list[FeeKind]

    def page(self, *, warnings: list[str] | None = None) -> str:
        """The HTML file; reads the market rows a second time for the pictures."""
        places = page.chosen(self.rows)
        asked = [page.questions(self.found.trails[at]) for at in places]
        answers = iter(quotes(self.journal, [question for each in asked for question in each], self.date))
        drawn = [(at, [next(answers) for _ in each]) for at, each in zip(places, asked, strict=True)]
        dates = [_day(held) for held in dict.fromkeys(row.date for row in self.rows)]
        days = " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else _day(self.date)
        title = f"What trading cost, {days}"
        return page.page(
            self.found, self.rows, self.groups, drawn, title=title, fees=self.fees, warnings=warnings or []
        )  # fmt: skip


def _day(date: int) -> str:
    return f"{date // 10_000}-{date // 100 % 100:02}-{date % 100:02}" if date else "no day"


def report_of(journal: Path, date: int = 0, *, strategy: str | None = None) -> Report:
    """Raises QuantdError when the journal has no such day."""
    found = read(journal, date)
    if strategy is not None:
        found.trails = [trail for trail in found.trails if trail.opening.strategy == strategy]
        found.unopened = [lost for lost in found.unopened if lost.strategy == strategy]
    rows = measure(found)
    fees = by_kind(found.trails, table_of(found.tables.fees))
    return Report(journal=journal, date=date, found=found, rows=rows, groups=group(rows), fees=fees)
