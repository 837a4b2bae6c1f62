"""`quantd tca`: what schedules cost, and where."""

import re
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from core.errors import ConfigError, QuantdError
from core.units import decimal_text, exact_text
from daemon.cli import options as o
from daemon.state_dir import state_directory

Day = Annotated[
    str | None, typer.Option("--day", metavar="DAY", help="A trading day, as 2026-01-05, or `last`; default all.")
]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the report with pictures there.")]
Daily = Annotated[
    bool, typer.Option("--daily", help="Write each day that is over and has no report yet to STATE/reports.")
]
LAST: Final = "last"
LISTED_MAX: Final = 50


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(tca)


def tca(
    day: Day = None,
    strategy: o.Strategy = None,
    html: Html = None,
    daily: Daily = False,
    state: o.State = None,
    as_json: o.Json = False,
) -> int:
    """What every schedule cost against its decision: delay, trading, opportunity and fees, against benchmarks and its
    own estimate; in groups with intervals. Reads the journal, beside a live trader too.
    """
    from daemon.tca.document import report_of

    folder = state_directory(state)
    journal = folder.journal_in_use()
    if daily:
        if day is not None or strategy is not None or html is not None:
            raise ConfigError("--daily: writes every day that is over into the state directory: no other option")
        return _daily(folder.path, journal, as_json=as_json)
    report = report_of(journal, _date(journal, day), strategy=strategy)
    found = report.found
    if html is not None:
        _write(html, report.page())
    if as_json:
        told = {"schedules": report.rows, "fees": report.fees, "unopened": found.unopened}
        o.print_json({"days": found.dates, "groups": report.groups} | told)
    else:
        _print(report.rows, report.groups, report.fees, found.unopened)
    return 0


def _daily(state_dir: Path, journal: Path, *, as_json: bool) -> int:
    from daemon.tca.daily import REPORTS, write_days

    try:
        lines = write_days(state_dir, journal)
    except OSError as fault:
        raise QuantdError(f"{state_dir / REPORTS}: {fault.strerror}: the reports cannot be written there") from fault
    if as_json:
        o.print_json(lines)
    else:
        written = [f"{REPORTS}/costs-{line.date}.html" for line in lines]
        print("\n".join(written) or "no day is over that has no report yet")
    return 0


def _date(journal: Path, day: str | None) -> int:
    from daemon.tca.reading import last_date

    if day is None:
        return 0
    if day == LAST:
        date = last_date(journal)
        if not date:
            raise QuantdError(f"{journal}: no schedule in it yet")
        return date
    if not re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", day):
        raise ConfigError(f"--day: {day!r} is no date: give it as 2026-01-05, or `last`")
    return int(day.replace("-", ""))


def _write(html: Path, text: str) -> None:
    try:
        html.write_text(text, encoding="utf-8")
    except OSError as fault:
        raise ConfigError(f"--html {html}: {fault.strerror}: name a file that can be written") from fault


def _print(rows: Any, groups: Any, fees: Any, unopened: Any) -> None:
    from daemon.cli.tables import clock, print_rows
    from daemon.tca.fees import source_of

    shown: list[dict[str, Any]] = []
    for found in groups:
        known = found.low_bp is not None
        shown.append(
            {
                "by": found.by,
                "name": found.name,
                "n": found.n,
                "filled": _text(found.filled, "{:.0%}"),
                "delay": _text(found.delay_bp),
                "trading": _text(found.trading_bp),
                "opportunity": _text(found.opportunity_bp),
                "fees": _text(found.fees_bp),
                "total bp": _text(found.total_bp),
                "95 %": f"{found.low_bp:.2f} to {found.high_bp:.2f}" if known else "-",
                "vwap bp": _text(found.vwap_bp),
                "z": f"{found.z:.2f} ({found.z_n})" if found.z_n else "no estimate",
            }
        )
    print_rows("groups", shown)
    if fees:
        amounts = [decimal_text(fee.amount_nanos, places=4) for fee in fees]
        kinds = [
            {"kind": fee.kind, "from": source_of(fee), "amount": amount}
            for fee, amount in zip(fees, amounts, strict=True)
        ]
        print_rows("fees by kind", kinds)
    ranked = sorted(rows, key=lambda row: -row.total_nanos)
    print_rows(
        f"schedules, dearest first ({min(len(ranked), LISTED_MAX)} of {len(ranked)}; --json has all)",
        [_line(row, clock(row.arrived_ns)) for row in ranked[:LISTED_MAX]],
    )
    for lost in unopened[:LISTED_MAX]:
        what = f"target {exact_text(lost.target_nanos)} of {lost.strategy}"
        print(f"{clock(lost.ts_ns)} {what} never became a schedule: {lost.why}")


def _line(row: Any, arrived: str) -> dict[str, Any]:
    return {
        "id": row.parent_id,
        "time": arrived,
        "strategy": row.strategy,
        "symbol": row.symbol,
        "side": row.side,
        "algo": row.algo,
        "state": row.state.lower(),
        "qty": exact_text(row.qty_nanos),
        "filled": _text(row.fill_ppm, "{:.0%}", 1e6),
        "crossed": exact_text(row.crossed_nanos) if row.crossed_nanos else "-",
        "orders": len(row.orders),
        "bad": row.unhappy + row.refusals,
        "cost": decimal_text(row.total_nanos),
        "delay": _text(row.delay_bp_nanos, scale=1e9),
        "trading": _text(row.trading_bp_nanos, scale=1e9),
        "opportunity": _text(row.opportunity_bp_nanos, scale=1e9),
        "fees": _text(row.fees_bp_nanos, scale=1e9),
        "total bp": _text(row.total_bp_nanos, scale=1e9),
        "vwap": _text(row.against["vwap"], scale=1e9),
        "close": _text(row.against["close"], scale=1e9),
        "capture": _text(row.capture_ppm, scale=1e6),
        "z": _text(row.z),
    }


def _text(value: float | None, pattern: str = "{:.2f}", scale: float = 1.0) -> str:
    return "-" if value is None else pattern.format(value / scale)
