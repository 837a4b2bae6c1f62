"""`quantd surveil`: a past day searched for what looks like market abuse."""

import re
from typing import Annotated

import typer

from core.errors import ConfigError
from daemon.cli import options as o
from daemon.state_dir import state_directory

Day = Annotated[str, typer.Argument(metavar="DAY", help="A trading day, as 2026-01-05.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(surveil)


def surveil(day: Day, state: o.State = None, as_json: o.Json = False) -> int:
    """Search a day's orders for layering, wash trades, ramping and quote stuffing. Exit status 1 = there are findings:
    questions for a person, each with its orders (`quantd why ORDER` tells the rest).
    """
    from daemon.surveil.patterns import search
    from daemon.surveil.trails import read_day

    if not re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", day):
        raise ConfigError(f"DAY: {day!r} is no date: give it as 2026-01-05")
    found = read_day(state_directory(state).journal_in_use(), int(day.replace("-", "")))
    findings = search(found)
    if as_json:
        counts = {"orders": len(found.orders), "executions": len(found.executions), "messages": len(found.messages)}
        o.print_json({"day": found.date, **counts, "findings": findings})
        return 1 if findings else 0
    from daemon.cli.tables import clock

    print(
        f"{found.date}: {len(found.orders)} orders, {len(found.executions)} executions, {len(found.messages)} messages"
    )
    for finding in findings:
        who = ", ".join(finding.strategies)
        print(f"{clock(finding.from_ns)} {finding.pattern} in {finding.symbol} by {who or 'nobody'}: {finding.story}")
        print(f"  orders {', '.join(str(order_id) for order_id in finding.orders)}")
    print(f"{len(findings)} findings" if findings else "nothing found")
    return 1 if findings else 0
