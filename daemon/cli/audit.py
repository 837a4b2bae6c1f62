"""The audit trail on the command line: who did what and how that was verified, and whether the trail holds."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from core.errors import ConfigError, JournalError
from daemon.cli import options as o
from daemon.state_dir import state_directory

Where = Annotated[
    Path | None, typer.Argument(metavar="[DIR]", help="A journal, or a state directory with one; default as --state.")
]
Since = Annotated[
    str, typer.Option("--since", metavar="WHEN", help="A day, a moment (UTC), or so far back: 90m, 24h, 30d.")
]
Verify = Annotated[bool, typer.Option("--verify", help="Recompute the whole chain and say where it breaks.")]
Expect = Annotated[
    str, typer.Option("--expect", metavar="COUNT:HEAD", help="With --verify: a head that was told before, in full.")
]
_UNITS: Final = {"m": 60, "h": 3_600, "d": 86_400}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(audit)


def audit(
    directory: Where = None,
    since: Since = "",
    verify: Verify = False,
    expect: Expect = "",
    state: o.State = None,
    as_json: o.Json = False,
) -> None:
    """Show what operators and protections did, refused commands too; with --verify, prove that it is all there."""
    journal = o.journal_below(directory) if directory is not None else state_directory(state).journal_in_use()
    if verify or expect:
        _verify(journal, expect, as_json=as_json)
        return
    from daemon.authority.report import audit_lines
    from daemon.cli.tables import clock

    for line in audit_lines(journal, since_ns=since_ns(since, time.time_ns())):
        if as_json:
            o.print_json(line)
            continue
        who = f"{line.who} ({line.authority})" if line.authority else line.who
        print(f"{clock(line.ts_ns)} #{line.seq} {who}: {line.what}: {line.text}")


def _verify(journal: Path, expect: str, *, as_json: bool) -> None:
    from daemon.authority.report import standing
    from daemon.authority.trail import falls_short, heads, parse_head

    found = standing(journal)
    broken = found.broken
    if not broken and expect:
        try:
            told = parse_head(expect)
        except ValueError as fault:
            raise ConfigError(
                f"--expect: {fault}: copy it from the log, an alert or `quantd audit --verify`"
            ) from fault
        broken = falls_short(found.count, found.digest, told)
        if not broken and told not in heads(journal):
            broken = f"there never was a head {expect}: the trail was rewritten"
    if as_json:
        o.print_json(msgspec.structs.asdict(found) | {"broken": broken})
    elif not broken:
        print(f"the trail holds: {found.count} records under {found.seals} seals, {found.unsealed} not sealed yet")
        print(f"head {found.count}:{found.digest}")
    if broken:
        raise JournalError(f"audit: BROKEN: {broken}; keep the files as they are and compare with the follower's SQL")


def since_ns(text: str, now_ns: int) -> int:
    """UTC ns of a day, a moment or a time span back from now; 0 = from the beginning. Raises ConfigError."""
    if not text:
        return 0
    number, unit = text[:-1], text[-1]
    if unit in _UNITS and number.isascii() and number.isdigit() and len(number) < 9:
        return now_ns - int(number) * _UNITS[unit] * 10**9
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--since {text[:40]!r}: write 2026-01-31, 2026-01-31T14:30 or 24h") from None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return int(aware.timestamp()) * 10**9
