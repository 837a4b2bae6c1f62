"""The terminal's picture of a running trader: `quantd demo`, `status` and `status --watch`. Reads the picture
only. Lines have a fixed form, so that everything that matters fits on 80 by 24; more room shows more rows.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from daemon.status.follower import FollowerNews
from daemon.status.picture import ODDITIES, Status

REFRESH_SECONDS: Final = 0.25
TWO_COLUMNS_FROM: Final = 150
Head = tuple[str, int, str]
_STATE_STYLES: Final = {"ready": "bold green", "READY": "green", "ACTIVE": "green", "REDUCING": "yellow"}


class Section:
    """A heading and its rows, newest or most urgent first."""

    def __init__(self, head: Head, rows: list[Text], *, more: int = 0, weight: int = 1) -> None:
        self.name, self.name_width, self.columns = head
        self.rows = rows
        self.more = more  # rows the picture left out
        self.weight = weight  # of its claim to lines that are left

    def lines(self, rows_max: int) -> list[Text]:
        """At most `rows_max` rows below the heading, which tells how many more there are."""
        shown = self.rows[:rows_max]
        missing = len(self.rows) - len(shown) + self.more
        name = f"{self.name} +{missing}" if missing else self.name
        heading = Text(f"{name:<{self.name_width}}{self.columns}")
        heading.stylize("bold reverse" if self.rows else "dim")
        return [heading, *shown]


def run_screen(
    picture: Callable[[], Status | None],
    follower: Callable[[], FollowerNews],
    goes_on: Callable[[], bool],
    *,
    title: str,
) -> None:
    """Keep the screen up to date until `goes_on` says no or Ctrl-C (which passes through)."""
    console = Console(highlight=False)
    last: Status | None = None
    heard_s = time.monotonic()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while goes_on():
            now = picture()
            if now is not None:
                last, heard_s = now, time.monotonic()
            silent_s = time.monotonic() - heard_s
            live.update(_page(last, follower(), console, title, silent_s), refresh=True)
            time.sleep(REFRESH_SECONDS)


def watch_status(picture: Callable[[], Status], follower: Callable[[], FollowerNews]) -> None:
    """`status --watch`: until Ctrl-C, or until the trader is gone (its error passes through)."""
    run_screen(picture, follower, lambda: True, title="quantd status; Ctrl-C ends the watching, not the trading")


def print_status(status: Status, follower: FollowerNews) -> None:
    """`status`: everything once, as long as it is."""
    console = Console(highlight=False)
    for line in head(status, follower) + [line for part in sections(status) for line in part.lines(len(part.rows))]:
        console.print(line, soft_wrap=True)


def print_summary(summary: dict[str, Any], *, log: str) -> None:
    """The end of a demo."""
    console = Console(highlight=False)
    console.print(Text("summary", style="bold"))
    for name, value in (summary | {"log": log}).items():
        for at, line in enumerate(_plain_lines(value)):
            console.print(Text(f"  {'' if at else name:<16}{line}"), soft_wrap=True)


def _plain_lines(value: Any) -> list[str]:
    """A value of the summary for people: one line, or one for each entry of a nested one; zeros are left out there."""
    if isinstance(value, list):
        return [_pairs(item) if isinstance(item, dict) else str(item) for item in value] or ["none"]
    if isinstance(value, dict):
        nested = [f"{key}: {_pairs(item)}" for key, item in value.items() if isinstance(item, dict)]
        return nested or [_pairs(value) or "none"]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return [str(value) or "-"]
    return [f"{value:,}"]


def _pairs(fields: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in fields.items() if value not in (0, "0", ""))


def _page(status: Status | None, follower: FollowerNews, console: Console, title: str, silent_s: float) -> Group:
    top = Text(title, style="bold cyan")
    if status is None:
        return Group(top, Text("waiting for the trader …"))
    if silent_s > 1.0:
        top.append(f"   NO ANSWER for {silent_s:.0f} s", style="bold red")
    width, height = console.size
    return Group(*(_fitted(line, width) for line in page_lines(status, follower, top, width=width, height=height)))


def page_lines(status: Status, follower: FollowerNews, top: Text, *, width: int, height: int) -> list[Text]:
    """Exactly what fits: never more than `height` lines."""
    lines = [top, *head(status, follower)]
    left = max(0, height - len(lines))
    parts = sections(status)
    if width < TWO_COLUMNS_FROM:
        lines += fill(parts, left)
    else:
        half = width // 2 - 1
        columns = [[_fitted(line, half) for line in fill(side, left)] for side in (parts[:3], parts[3:])]
        lines += _beside(columns[0], columns[1], half)
    return lines[:height]


def fill(parts: list[Section], height: int) -> list[Text]:
    """Share the lines out: every section its heading and one row, then by weight what is left."""
    given = [min(len(part.rows), 1) for part in parts]
    left = height - sum(given) - len(parts)
    while left > 0 and any(rows < len(part.rows) for rows, part in zip(given, parts, strict=True)):
        for at in sorted(range(len(parts)), key=lambda at: -parts[at].weight):
            take = min(parts[at].weight, len(parts[at].rows) - given[at], left)
            given[at] += take
            left -= take
    return [line for part, rows in zip(parts, given, strict=True) for line in part.lines(rows)][:height]


def head(status: Status, follower: FollowerNews) -> list[Text]:
    """State, money, counters, the follower, and whatever holds the trader back."""
    n = status.counters
    first = Text.assemble(
        (f"{status.state.upper()} ", _STATE_STYLES.get(status.state, "bold red")),
        f"{status.mode} {status.speed} {clock(status.ts_ns)} UTC{_whose(status.clock)}  link ",
        (status.link, _STATE_STYLES.get(status.link, "bold red")),
        "  ladder ",
        (status.ladder, _STATE_STYLES.get(status.ladder, "bold red")),
        f"  epoch {status.epoch} pid {status.pid}",
    )
    money = Text.assemble(
        f"equity {amount(status.equity)} {status.currency}  today ",
        (amount(status.day_pnl, signed=True), _gain_style(status.day_pnl)),
        f"  cash {amount(status.cash)}",
    )
    counts = Text(
        f"events {n.events:,}  decisions {n.decisions:,}  parents {n.parents:,}  children {n.children:,}  "
        f"fills {n.fills:,}  refused {sum(n.refusals.values()):,}  alerts {n.alerts:,}"
    )
    lines = [first, money, counts]
    if status.rows_total:
        share = min(1.0, status.rows_done / status.rows_total)
        bar = "█" * round(40 * share)
        lines.append(Text(f"{bar:░<40} {share:6.1%}  {status.rows_done:,} of {status.rows_total:,} rows"))
    lines.append(Text(follower.line, style="bold yellow" if follower.alarms else "dim"))
    return lines + _warnings(status, follower)


def _whose(name: str) -> str:
    """The time on the screen may be a paper gateway's."""
    return " (gateway)" if name == "gateway" else ""


def _warnings(status: Status, follower: FollowerNews) -> list[Text]:
    told = [
        f"{row.state} {row.level} {row.scope} {row.code}: {row.reason} (by {row.by}, {clock(row.since_ns)})"
        for row in status.latches
    ]
    told += [
        f"waits for a second person until {clock(row.until_ns)}: {row.what} (by {row.operator})"
        for row in status.approvals
    ]
    if status.authority.startswith("UNSIGNED"):
        told.append(status.authority)
    if status.link_why:
        told.append(f"link {status.link}: {status.link_why}")
    told += [
        f"KILL of {k.level} {k.scope} not verified yet: {k.open} orders open, {k.others_open} of others"
        for k in status.kills
        if not k.verified_ns
    ]
    told += [f"strategy {row.name} disabled: {row.reason}" for row in status.strategies if not row.enabled]
    told += [f"difference: {line}" for line in status.differences]
    if status.unknown:
        told.append(f"orders without an answer: {', '.join(str(order) for order in status.unknown)}")
    if status.safe:
        told.append("SAFE: started without strategies after repeated failures")
    if not status.disk_available:
        told.append("no disk space in reserve: no new orders")
    if status.changed:
        told.append(f"changed since the run before: {status.changed}")
    told += follower.alarms
    return [Text(line, style="bold yellow") for line in told]


def sections(status: Status) -> list[Section]:
    """The lists, the quieter ones last; the first three stand on the left where there are two columns."""
    more = status.more
    return [
        Section(QUOTE_HEAD, [_quote_line(row) for row in status.feed], more=more.get("feed", 0), weight=3),
        Section(POSITION_HEAD, _position_lines(status), more=more.get("positions", 0), weight=3),
        Section(PARENT_HEAD, _parent_lines(status), more=more.get("parents", 0), weight=2),
        Section(CHILD_HEAD, _child_lines(status), more=more.get("children", 0), weight=2),
        Section(FILL_HEAD, _fill_lines(status), more=more.get("fills", 0), weight=1),
        Section(REFUSAL_HEAD, _refusal_lines(status), more=more.get("refusals", 0), weight=1),
        Section(ALERT_HEAD, _alert_lines(status), more=more.get("alerts", 0), weight=1),
    ]


# Name, its room, and the other column heads.
QUOTE_HEAD: Final[Head] = ("QUOTES", 12, f"{'bid':>10}{'ask':>10}{'last':>10}{'age ms':>8}  oddities")
POSITION_HEAD: Final[Head] = (
    "POSITIONS",
    22,
    f"{'target':>8}{'held':>8}{'average':>10}{'mark':>10}{'open P&L':>11}{'closed':>10}",
)
PARENT_HEAD: Final[Head] = (
    "SCHEDULES",
    16,
    f"{'symbol':<8}{'side':<5}{'filled':>8} of {'qty':<7}{'algo':<10}{'state':<10}{'ends':<14}exp. bp",
)
CHILD_HEAD: Final[Head] = (
    "ORDERS",
    12,
    f"{'schedule':>8} {'symbol':<8}{'side':<5}{'filled':>8} of {'qty':<7}{'limit':>9} state",
)
FILL_HEAD: Final[Head] = ("FILLS", 14, f"{'order':>7} {'symbol':<8}{'side':<5}{'qty':>8} at {'px':<10}strategy")
REFUSAL_HEAD: Final[Head] = ("REFUSALS", 14, f"{'symbol':<8}{'side':<5}control")
ALERT_HEAD: Final[Head] = ("ALERTS", 14, "")


def _quote_line(row: Any) -> Text:
    odd = " ".join(f"{name} {count}" for name, count in zip(ODDITIES, row.odd, strict=False) if count)
    age = "never" if row.age_ms < 0 else str(row.age_ms)
    line = Text(f"{row.symbol:<12}{row.bid:>10}{row.ask:>10}{row.last:>10}{age:>8}  ")
    if row.state:
        line.append(row.state.upper() + " ", style="bold red")
        line.append(f"{row.why} " if row.why else "", style="yellow")
    return line.append(odd, style="dim")


def _position_lines(status: Status) -> list[Text]:
    """Positions with their targets; a target without a position yet has its line too."""
    targets = {(row.strategy, row.symbol): row for row in status.targets}
    lines = []
    for row in status.positions:
        target = targets.pop((row.strategy, row.symbol), None)
        name = f"{row.symbol} {row.strategy or '(unclaimed)'}"[:21]
        wanted = target.target if target is not None else "-"
        line = Text(f"{name:<22}{wanted:>8}{row.qty:>8}{row.average_px:>10}{row.mark:>10}")
        line.append(f"{row.unrealised:>11}", style=_gain_style(row.unrealised))
        lines.append(line.append(f"{row.realised:>10}", style=_gain_style(row.realised)))
    for target in targets.values():
        name = f"{target.symbol} {target.strategy}"[:21]
        lines.append(Text(f"{name:<22}{target.target:>8}{target.held:>8}"))
    return lines


def _parent_lines(status: Status) -> list[Text]:
    return [
        Text(
            f"{str(row.id) + ' ' + row.strategy:<16.15}{row.symbol:<8}{row.side:<5}{row.filled:>8} of {row.qty:<7}"
            f"{row.algo:<10}{row.state:<10}{clock(row.end_ns):<14}{row.expected_bp}"
        )
        for row in reversed(status.parents)
    ]


def _child_lines(status: Status) -> list[Text]:
    return [
        Text(
            f"{row.id:<12}{row.parent:>8} {row.symbol:<8}{row.side:<5}{row.filled:>8} of {row.qty:<7}{row.limit:>9} "
            f"{row.state}",
            style="bold red" if row.state == "UNKNOWN" else "",
        )
        for row in reversed(status.children)
    ]


def _fill_lines(status: Status) -> list[Text]:
    return [
        Text(
            f"{clock(row.ts_ns):<14}{row.order:>7} {row.symbol:<8}{row.side:<5}{row.qty:>8} at {row.px:<10}"
            f"{row.strategy}",
            style="green" if row.side == "BUY" else "magenta",
        )
        for row in reversed(status.fills)
    ]


def _refusal_lines(status: Status) -> list[Text]:
    return [
        Text(
            f"{clock(row.ts_ns):<14}{row.symbol:<8}{row.side:<5}{row.control} {row.code}: {row.value}, "
            f"limit {row.limit}",
            style="yellow",
        )
        for row in reversed(status.refusals)
    ]


def _alert_lines(status: Status) -> list[Text]:
    styles = {"critical": "bold red", "warning": "yellow"}
    return [
        Text(f"{clock(row.ts_ns):<14}{row.severity} {row.code}: {row.text}", style=styles.get(row.severity, ""))
        for row in reversed(status.alerts)
    ]


def clock(ts_ns: int) -> str:
    """UTC time of day to the millisecond."""
    return datetime.fromtimestamp(ts_ns / 1e9, UTC).strftime("%H:%M:%S.%f")[:-3] if ts_ns else "-"


def amount(text: str, *, signed: bool = False) -> str:
    """A decimal text with thousands and two decimals."""
    try:
        return f"{Decimal(text):+,.2f}" if signed else f"{Decimal(text):,.2f}"
    except InvalidOperation:
        return text


def _gain_style(text: str) -> str:
    if text.startswith("-"):
        return "red"
    return "green" if text.strip("0.") else ""


def _fitted(line: Text, width: int) -> Text:
    """One line, whatever is in it."""
    fitted = line.copy()
    fitted.truncate(width, overflow="ellipsis")
    fitted.no_wrap = True
    return fitted


def _beside(left: list[Text], right: list[Text], width: int) -> list[Text]:
    rows = max(len(left), len(right))
    lines = []
    for at in range(rows):
        line = left[at].copy() if at < len(left) else Text()
        line.pad_right(max(0, width - line.cell_len))
        line.append("  ")
        lines.append(line.append_text(right[at]) if at < len(right) else line)
    return lines
