"""Why a live day earned something else than its shadow or its replay."""

from pathlib import Path
from typing import Annotated, Any

import typer

from core.errors import ConfigError
from daemon.cli import options as o

DayArgument = Annotated[str, typer.Argument(metavar="DAY", help="Trading day, as 2026-01-05; or `last`.")]
Live = Annotated[
    Path | None,
    typer.Option("--live", metavar="DIR", help="The live trader's state directory; default $QUANTD_STATE."),
]
Shadow = Annotated[Path | None, typer.Option("--shadow", metavar="DIR", help="State directory of the other run.")]
Replay = Annotated[bool, typer.Option("--replay", help="Compare with the live day's own rows on the simulated venue.")]
Within = Annotated[float, typer.Option("--within", min=0.001, max=3_600, help="Decisions match up to so many seconds.")]
Top = Annotated[int, typer.Option("--top", min=0, max=100_000, help="Show so many decisions.")]
Keep = Annotated[Path | None, typer.Option("--keep", metavar="DIR", help="Keep the replay's journal here.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(diff)


def diff(
    day: DayArgument,
    live: Live = None,
    shadow: Shadow = None,
    replay: Replay = False,
    within: Within = 60.0,
    top: Top = 10,
    keep: Keep = None,
    as_json: o.Json = False,
) -> None:
    """Split (live - shadow) or (live - replay) profit of a day into data, signal, timing, fill and cost."""
    if replay == (shadow is not None):
        raise ConfigError("diff: give exactly one of --shadow DIR and --replay")
    if keep is not None and not replay:
        raise ConfigError("--keep: only a replay makes a journal")
    from daemon.state_dir import state_directory

    ours = o.journal_below(live) if live is not None else state_directory(None).journal_in_use()
    date = _date(day)
    if shadow is not None:
        told = _compare(ours, o.journal_below(shadow), date, within, top, ())
    else:
        told = _replayed(ours, date, within, top, keep)
    if as_json:
        o.print_json(told)
        return
    _show(told)


def _date(day: str) -> int:
    """yyyymmdd; 0 = the last one."""
    if day == "last":
        return 0
    digits = day.replace("-", "")
    from datetime import date

    try:
        date.fromisoformat(f"{digits[:4]}-{digits[4:6]}-{digits[6:]}")
    except ValueError:
        raise ConfigError(f"{day!r} is no day: write it as 2026-01-05, or `last`") from None
    return int(digits)


def _compare(
    live: Path, shadow: Path, date: int, within: float, top: int, remarks: tuple[str, ...]
) -> dict[str, Any]:  # fmt: skip
    from daemon.diff.compare import compare
    from daemon.diff.report import report

    found = compare(live, shadow, date=date, within_s=within)
    return report(found, live=str(live), shadow=str(shadow), remarks=remarks, top=top)


def _replayed(live: Path, date: int, within: float, top: int, keep: Path | None) -> dict[str, Any]:
    from daemon.kernels import configure

    configure()
    from daemon.diff.day import find_day
    from daemon.diff.replay import replay_day, scratch

    span = find_day(live, date)
    if keep is not None:
        made = replay_day(span, keep / "journal")
        return _compare(live, made.journal, span.date, within, top, made.remarks)
    with scratch() as folder:
        made = replay_day(span, Path(folder) / "journal")
        return _compare(live, made.journal, span.date, within, top, made.remarks) | {"shadow": "replay"}


def _show(told: dict[str, Any]) -> None:
    from daemon.cli.tables import print_dicts
    from daemon.diff.report import tables

    shown = tables(told)
    print(f"{told['date']}: {told['from']} to {told['until']}, in {told['currency']}")
    print(f"live    {told['live']}\nshadow  {told['shadow']}")
    print_dicts("profit, and what makes the difference", shown.rows)
    print_dicts("decisions that differ most", shown.decisions)
    if told["decisions_left_out"]:
        print(f"and {told['decisions_left_out']} more: --top")
    for remark in told["remarks"]:
        print(f"note: {remark}")
