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
LAST: Final = "last"
LISTED_MAX: Final = 50


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(tca)


def tca(
    day: Day = None, strategy: o.Strategy = None, html: Html = None, state: o.State = None, as_json: o.Json = False
) -> int:
    """What every schedule cost against its decision: delay, trading, opportunity and fees, against benchmarks and its
    own estimate; in groups with intervals. Reads the journal, beside a live trader too.
    """
    from daemon.tca.groups import group
    from daemon.tca.measure import measure
    from daemon.tca.reading import read

    journal = state_directory(state).journal_in_use()
    date = _date(journal, day)
    found = read(journal, date)
    if strategy is not None:
        found.trails = [trail for trail in found.trails if trail.opening.strategy == strategy]
        found.unopened = [lost for lost in found.unopened if lost.strategy == strategy]
    rows = measure(found)
    groups = group(rows)
    if html is not None:
        _write(html, journal, date, found, rows, groups)
    if as_json:
        o.print_json({"days": found.dates, "groups": groups, "schedules": rows, "unopened": found.unopened})
    else:
        _print(rows, groups, found.unopened)
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


def _write(html: Path, journal: Path, date: int, found: Any, rows: Any, groups: Any) -> None:
    from daemon.tca import page
    from daemon.tca.reading import quotes

    places = page.chosen(rows)
    asked = [page.questions(found.trails[at]) for at in places]
    answers = iter(quotes(journal, [question for each in asked for question in each], date))
    drawn = [(at, [next(answers) for _ in each]) for at, each in zip(places, asked, strict=True)]
    dates = [str(held) for held in dict.fromkeys(row.date for row in rows)]
    days = " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else str(date or "no day")
    text = page.page(found, rows, groups, drawn, title=f"What trading cost, {days}")
    try:
        html.write_text(text, encoding="utf-8")
    except OSError as fault:
        raise ConfigError(f"--html {html}: {fault.strerror}: name a file that can be written") from fault


def _print(rows: Any, groups: Any, unopened: Any) -> None:
    from daemon.cli.tables import clock, print_rows

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
