"""Orders by hand: given, taken back, listed. The trader judges them as it judges every other order."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
import typer

from core.errors import ConfigError
from daemon.cli import options as o
from daemon.control.client import connected
from daemon.state_dir import state_directory

SymbolName = Annotated[str, typer.Argument(metavar="SYMBOL")]
Qty = Annotated[str, typer.Argument(metavar="QTY", help="Shares.")]
LimitPx = Annotated[str, typer.Option("--limit", metavar="PX", help="Rest at this price; with --algo never beyond it.")]
MarketStyle = Annotated[
    bool, typer.Option("--market-style", help="Across the spread now, a few ticks beyond it at most: algo immediate.")
]
AlgoName = Annotated[
    str, typer.Option("--algo", metavar="NAME", help="Work it as a strategy would: twap, vwap, auto …")
]
Params = Annotated[
    list[str] | None, typer.Option("--params", metavar="NAME=VALUE", help="Of the algorithm; repeat, or use commas.")
]
Tif = Annotated[Literal["day", "gtc"], typer.Option("--tif", metavar="day|gtc", help="gtc where the limits allow it.")]
Book = Annotated[str, typer.Option("--strategy", metavar="BOOK", help="Whose book.")]
TakeProfit = Annotated[str, typer.Option("--take-profit", metavar="PX", help="What fills is sold (bought) here again.")]
Stop = Annotated[str, typer.Option("--stop", metavar="PX", help="What fills is closed when the market comes here.")]
Group = Annotated[str, typer.Option("--oca", metavar="GROUP", help="One fills: the others of the group shrink or go.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    order = typer.Typer(no_args_is_help=True, help="Orders by hand.", rich_markup_mode=None)
    order.command("buy", help="Buy for a book of its own; the number it answers with takes it back.")(_giving("buy"))
    order.command("sell", help="Sell; what only closes the book needs no proof.")(_giving("sell"))
    order.command()(cancel)
    order.command("list")(show)
    app.add_typer(order, name="order")


def _giving(side: Literal["buy", "sell"]) -> Callable[..., None]:
    """The command of one side."""

    def give(
        symbol: SymbolName,
        qty: Qty,
        reason: o.Reason,
        limit: LimitPx = "",
        market_style: MarketStyle = False,
        algo: AlgoName = "",
        params: Params = None,
        tif: Tif = "day",
        strategy: Book = "manual",
        take_profit: TakeProfit = "",
        stop: Stop = "",
        oca: Group = "",
        state: o.State = None,
        name: o.As = None,
        code: o.Code = None,
    ) -> None:
        how = _how(limit, market_style=market_style, algo=algo, params=params or [])
        with o.proving(state, name, code) as client:
            o.print_raw(
                client.request(
                    "order", side=side, symbol=symbol, qty=qty, reason=reason, tif=tif, strategy=strategy,
                    take_profit=take_profit, stop=stop, oca=oca, **how,
                )
            )  # fmt: skip

    return give


def _how(limit: str, *, market_style: bool, algo: str, params: list[str]) -> dict[str, Any]:
    """Limit, algorithm and parameters. Raises ConfigError."""
    if market_style and algo:
        raise ConfigError("--market-style: is an algorithm itself (immediate): leave --algo out")
    given = [pair for text in params for pair in text.split(",") if pair]
    return {"limit": limit, "algo": "immediate" if market_style else algo, "params": given}


def cancel(
    order: Annotated[int, typer.Argument(metavar="ID", help="As `quantd order list` shows it.")],
    reason: o.Reason,
    protection: Annotated[
        bool, typer.Option("--protection", help="Also its take-profit and stop; the position stays.")
    ] = False,
    state: o.State = None,
    name: o.As = None,
    code: o.Code = None,
) -> None:
    """Take back what of a manual order is not filled."""
    with o.proving(state, name, code) as client:
        o.print_raw(client.request("order-cancel", order_id=order, reason=reason, protection=protection))


def show(state: o.State = None, as_json: o.Json = False) -> None:
    """Show manual orders, with what protects their fills."""
    with connected(state_directory(state).socket_in_use()) as client:
        rows: list[dict[str, Any]] = msgspec.json.decode(client.request("order-list"))
    if as_json:
        o.print_json(rows)
        return
    if not rows:
        print("no manual order is known")
        return
    from daemon.cli.tables import print_dicts

    print_dicts("manual orders", rows)
