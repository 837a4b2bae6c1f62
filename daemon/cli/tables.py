"""Plain tables on the terminal: rows of daemon/status/picture.py, or dicts as the daemon sends them."""

import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from daemon.status.picture import cut

WATCH_SECONDS: Final = 0.5
PIPED_WIDTH: Final = 200
_LEFT: Final = (
    "code", "lift", "name", "parameters", "reason", "side", "state", "strategy", "symbol", "text", "time", "what",
    "why",
)  # fmt: skip


def row_table(title: str, rows: list[Any]) -> Table | Text:
    """One column per field of the rows; `…_ns` becomes a time of day."""
    if not rows:
        return Text(f"{title}: none")
    table = Table(title=f"{title}: {len(rows)}", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    shown = [row if isinstance(row, Mapping) else _fields(row) for row in rows]
    names = list(dict.fromkeys(name for row in shown for name in row))
    for name in names:
        head = "time" if name == "ts_ns" else name.removesuffix("_ns")
        table.add_column(head, justify="left" if head in _LEFT else "right", overflow="fold")
    for row in shown:
        table.add_row(*(_text(name, row.get(name, "")) for name in names))
    return table


def _fields(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__}


def _text(name: str, value: Any) -> str:
    if name.endswith("_ns") and isinstance(value, int):
        return clock(value)
    # No markup: a reason or a strategy's name may hold brackets.
    return cut(str(value), 200).replace("[", "\\[")


def clock(ts_ns: int) -> str:
    """UTC date and time to the millisecond; "" for 0."""
    if not ts_ns:
        return ""
    return datetime.fromtimestamp(ts_ns / 1e9, UTC).strftime("%m-%d %H:%M:%S.%f")[:-3]


def new_console() -> Console:
    """As wide as the terminal; wide enough for every table where there is none."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def print_rows(title: str, rows: list[Any]) -> None:
    """Print a table once."""
    new_console().print(row_table(title, rows))


def print_dicts(title: str, rows: list[dict[str, Any]]) -> None:
    """Print what the daemon sent as a table."""
    print_rows(title, rows)


def watch_rows(title: str, rows: Callable[[], list[Any]]) -> None:
    """Keep a table on the screen until Ctrl-C."""
    with Live(row_table(title, rows()), auto_refresh=False, console=new_console()) as live:
        while True:
            time.sleep(WATCH_SECONDS)
            live.update(row_table(title, rows()), refresh=True)
