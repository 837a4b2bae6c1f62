"""Orders, positions, lots, fills and cash, folded from the journal: they need no running trader. And settling an order
by hand, which does.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.errors import ConfigError
from daemon.cli import options as o
from daemon.state_dir import state_directory
from daemon.status.picture import FillRow, Row, named

if TYPE_CHECKING:
    from daemon.journal_fold import JournalFold

Rows = Callable[["JournalFold"], list[Any]]
All = Annotated[bool, typer.Option("--all", help="Ended ones too.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="The newest so many.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    orders_app = typer.Typer(invoke_without_command=True, help="Show orders, or settle one.", rich_markup_mode=None)
    orders_app.callback()(orders)
    orders_app.command()(resolve)
    app.add_typer(orders_app, name="orders")
    app.command()(positions)
    app.command()(fills)
    app.command()(cash)
    app.command()(lots)


def orders(
    context: typer.Context,
    state: o.State = None,
    as_json: o.Json = False,
    watch: o.Watch = False,
    everything: All = False,
) -> None:
    """Show working orders."""
    if context.invoked_subcommand is None:
        _show(state, "orders", lambda fold: _orders(fold, everything=everything), as_json=as_json, watch=watch)


def positions(state: o.State = None, as_json: o.Json = False, watch: o.Watch = False) -> None:
    """Show positions by strategy, with the profit at the newest prices in the journal."""
    _show(state, "positions", _positions, as_json=as_json, watch=watch)


def fills(state: o.State = None, as_json: o.Json = False, watch: o.Watch = False, limit: Limit = 50) -> None:
    """Show executions of the last two trading days, oldest first."""
    _show(state, "fills", lambda fold: _fills(fold)[-limit:], as_json=as_json, watch=watch)


def cash(state: o.State = None, as_json: o.Json = False) -> None:
    """Show cash by currency and kind: trades, commissions, dividends, interest, deposits, conversions."""
    from daemon.status.cash import cash_rows

    _show_plain(state, "cash", lambda fold: cash_rows(fold.money), as_json=as_json)


def lots(state: o.State = None, as_json: o.Json = False) -> None:
    """Show open lots, first in first out, and the profit realised by lots and by average cost."""
    from daemon.status.cash import lot_rows

    _show_plain(state, "lots", lambda fold: lot_rows(fold.money), as_json=as_json)


def _show_plain(state: Path | None, title: str, rows: Rows, *, as_json: bool) -> None:
    from daemon.journal_fold import JournalFold

    found = rows(JournalFold(state_directory(state).journal_in_use()))
    if as_json:
        o.print_json(found)
        return
    from daemon.cli.tables import print_dicts

    print_dicts(title, found)


def _orders(fold: "JournalFold", *, everything: bool) -> list[Row]:
    from daemon.status.books import order_rows

    return order_rows(fold.money, everything=everything)


def _positions(fold: "JournalFold") -> list[Row]:
    from daemon.status.books import held_rows

    return held_rows(fold.money, fold.mark_nanos)


def _fills(fold: "JournalFold") -> list[FillRow]:
    from daemon.status.books import filled_rows

    return filled_rows(fold.money)


def _show(state: Path | None, title: str, rows: Rows, *, as_json: bool, watch: bool) -> None:
    from daemon.journal_fold import JournalFold

    fold = JournalFold(state_directory(state).journal_in_use())
    if watch and not as_json:
        from daemon.cli.tables import watch_rows

        watch_rows(title, lambda: (fold.advance(), rows(fold))[1])
        return
    _print(title, rows(fold), as_json=as_json)
    while watch:
        time.sleep(1.0)
        if fold.advance():
            _print(title, rows(fold), as_json=as_json)


def _print(title: str, rows: list[Any], *, as_json: bool) -> None:
    if as_json:
        o.print_json(named(rows))
        return
    from daemon.cli.tables import print_rows

    print_rows(title, rows)


def resolve(
    order_id: Annotated[int, typer.Argument(metavar="ID", help="The order's number.", min=1)],
    reason: o.Reason,
    lost: Annotated[bool, typer.Option("--lost", help="It never reached the broker.")] = False,
    cancelled: Annotated[bool, typer.Option("--cancelled", help="The broker shows it cancelled.")] = False,
    filled: Annotated[
        str | None, typer.Option("--filled", metavar="QTY@PX", help="The broker shows this fill.")
    ] = None,
    state: o.State = None,
    name: o.As = None,
    code: o.Code = None,
) -> None:
    """Settle an order without an answer, by what you see at the broker."""
    if lost + cancelled + (filled is not None) != 1:
        raise ConfigError("orders resolve: give exactly one of --lost, --cancelled, --filled QTY@PX")
    outcome = "lost" if lost else "cancelled" if cancelled else "filled"
    qty, at, px = (filled or "").partition("@")
    if filled is not None and not (qty and at and px):
        raise ConfigError(f"--filled {filled!r}: write QTY@PX, as 100@25.10")
    with o.proving(state, name, code) as client:
        fields = {"order_id": order_id, "outcome": outcome, "reason": reason, "qty": qty or None, "px": px or None}
        o.print_raw(client.request("resolve", **fields))
