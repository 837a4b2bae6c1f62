"""Limits and the proof that they hold: `limits`, `override`, `risk coverage`, `selfassess`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from daemon.cli import options as o
from daemon.control.client import connected
from daemon.state_dir import state_directory

Name = Annotated[str, typer.Argument(metavar="NAME", help="As `quantd limits show` lists it.")]
Class = Annotated[str | None, typer.Option("--class", metavar="CLASS", help="This class only: etf or stock.")]
Until = Annotated[
    str,
    typer.Option("--until", metavar="WHEN", help="5m, 2h, or a time with its offset; a raise needs one, at most 1d."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    limits_app = typer.Typer(help="Limits in force, and changes of them.", no_args_is_help=True, rich_markup_mode=None)
    limits_app.command("show")(limits_show)
    limits_app.command("set")(limits_set)
    limits_app.command("revert")(limits_revert)
    app.add_typer(limits_app, name="limits")
    app.command()(override)


def limits_show(
    symbol: o.Symbol = None, strategy: o.Strategy = None, state: o.State = None, as_json: o.Json = False
) -> None:
    """Show limits: factory, config, in force, ceiling, until when and by whom; with a symbol or strategy what binds."""
    with connected(state_directory(state).socket_in_use()) as client:
        lines = json.loads(bytes(client.request("limits", symbol=symbol, strategy=strategy)))
    if as_json:
        o.print_json(lines)
        return
    from daemon.cli.tables import print_dicts

    print_dicts("limits", lines)


def limits_set(
    name: Name,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="As the config would write it.")],
    reason: o.Reason,
    until: Until = "",
    strategy: o.Strategy = None,
    symbol: o.Symbol = None,
    instrument_class: Class = None,
    state: o.State = None,
) -> None:
    """Change one limit of the account, a strategy, a symbol or a class; it holds from the next order on."""
    _ask(
        state, "limit-set", name=name, value=value, reason=reason, until=until, strategy=strategy, symbol=symbol,
        instrument_class=instrument_class,
    )  # fmt: skip


def limits_revert(
    name: Name,
    reason: o.Reason,
    strategy: o.Strategy = None,
    symbol: o.Symbol = None,
    instrument_class: Class = None,
    state: o.State = None,
) -> None:
    """Take all changes of one limit back: what the config says holds again."""
    _ask(
        state, "limit-revert", name=name, reason=reason, strategy=strategy, symbol=symbol,
        instrument_class=instrument_class,
    )  # fmt: skip


def override(
    control: Annotated[int, typer.Argument(metavar="CONTROL", help="Number of the control that refuses.")],
    strategy: Annotated[str, typer.Option("--strategy", metavar="NAME", help="Whose order.")],
    symbol: Annotated[str, typer.Option("--symbol", metavar="SYMBOL", help="In what.")],
    side: Annotated[str, typer.Option("--side", metavar="SIDE", help="buy or sell.")],
    qty: Annotated[str, typer.Option("--qty", metavar="QTY", help="At most so many shares.")],
    reason: o.Reason,
    px: Annotated[str | None, typer.Option("--px", metavar="PX", help="No worse limit price than this.")] = None,
    until: Annotated[str, typer.Option("--until", metavar="WHEN", help="At most 5m.")] = "5m",
    state: o.State = None,
) -> None:
    """Let one order fail one control, once; it needs a second person, and is journalled."""
    _ask(
        state, "override", control=control, strategy=strategy, symbol=symbol, side=side, qty=qty, px=px, until=until,
        reason=reason,
    )  # fmt: skip


def _ask(state: Path | None, command: str, **fields: Any) -> None:
    with connected(state_directory(state).socket_in_use()) as client:
        o.print_raw(client.request(command, **fields))
