"""The broker's statement against the books."""

import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from core.errors import ConfigError
from daemon.cli import options as o
from daemon.control.messages import LINES_MAX
from daemon.state_dir import state_directory

KEPT: Final = "statement"  # in the state directory: the books before the last periods, to begin there

if TYPE_CHECKING:
    from daemon.statement.compare import Finding


def register(app: typer.Typer) -> None:
    """Add the commands."""
    statement = typer.Typer(no_args_is_help=True, help="The broker's statement.", rich_markup_mode=None)
    statement.callback()(_statement)
    statement.command("import")(take)
    app.add_typer(statement, name="statement")


def _statement() -> None:
    """The broker's statement."""


def take(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A Flex activity statement, XML.")],
    book: Annotated[bool, typer.Option("--book", help="Book the corrections; else they are only shown.")] = False,
    matched: Annotated[bool, typer.Option("--matched", help="Show what matches, too.")] = False,
    account: Annotated[str, typer.Option("--account", help="Default: the one whose books these are.")] = "",
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; journalled with your name.")] = "",
    state: o.State = None,
    as_json: o.Json = False,
    name: o.As = None,
    code: o.Code = None,
) -> None:
    """Compare trades, fees, cash and positions line by line; exit code 1 = something differs and was not booked.

    Comparing needs no running trader. What the statement has and the books lack is booked by `--book`, each line once,
    however often the file is given; what the books have and the statement lacks never is.
    """
    from daemon.journal_fold import journal_settings
    from daemon.statement.booked import booked_until
    from daemon.statement.compare import compare
    from daemon.statement.flex import read_flex

    folder = state_directory(state)
    journal = folder.journal_in_use()
    told = read_flex(file, account or journal_settings(journal).account)
    findings = compare(told, booked_until(journal, told.from_date, told.to_date, folder.path / KEPT))
    title = f"account {told.account}, {told.from_date} to {told.to_date}"
    if as_json and not book:
        o.print_json({"statement": title, "counts": _counts(findings), "findings": _rows(findings, matched=matched)})
    elif not as_json:
        _print(title, findings, matched=matched)
    corrections = [finding.correction for finding in findings if finding.correction is not None]
    if book and corrections:
        if not reason.strip():
            raise ConfigError("statement import --book: give --reason TEXT: it is journalled with your name")
        parts = math.ceil(len(corrections) / LINES_MAX)
        with o.proving(state, name, code) as client:
            for part in range(parts):
                lines = corrections[part * LINES_MAX : (part + 1) * LINES_MAX]
                o.print_raw(client.request("books-correct", lines=lines, reason=reason))
    elif book:
        print("nothing to book")
    open_ones = [f for f in findings if f.what != "matched" and not (book and f.correction is not None)]
    if open_ones:
        raise typer.Exit(1)


def _counts(findings: list["Finding"]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for finding in findings:
        counts.setdefault(finding.section, Counter())[finding.what] += 1
    return {section: dict(found) for section, found in counts.items()}


def _rows(findings: list["Finding"], *, matched: bool) -> list[dict[str, object]]:
    return [msgspec.structs.asdict(found) for found in findings if matched or found.what != "matched"]


def _print(title: str, findings: list["Finding"], *, matched: bool) -> None:
    from daemon.cli.tables import print_dicts

    shown = ("section", "what", "key", "field", "ours", "theirs", "line", "remedy")
    told = [found for found in findings if matched or found.correction is None or found.section != "fees"]
    rows = [{name: row[name] or "" for name in shown} for row in _rows(told, matched=matched)]
    if rows:
        print_dicts(f"statement of {title}", rows)
    for section, found in _counts(findings).items():
        print(f"{section}: " + ", ".join(f"{n} {what}" for what, n in sorted(found.items())))
