"""The paper gateway: starting it, what it is doing, faults by command, and orders by hand. The gateway itself is
another process: it never holds this package.
"""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from core.errors import ConfigError
from daemon.cli import options as o
from daemon.commands import gateway_command
from daemon.control.client import connected

STATE_VARIABLE: Final = "QUANTD_GATEWAY_STATE"
STATE_DEFAULT: Final = "gateway-state"
CARD: Final = "gateway.json"

State = Annotated[
    Path | None,
    typer.Option(
        "--state", metavar="DIR", help="The gateway's state_dir; default $QUANTD_GATEWAY_STATE, else ./gateway-state."
    ),
]
Config = Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="The gateway's file.")]
PermId = Annotated[int, typer.Argument(metavar="PERMID", help="As `order list` shows it.")]
ExecId = Annotated[str, typer.Argument(metavar="EXECID", help="As `order executions` shows it.")]
Limit = Annotated[str, typer.Option("--limit", metavar="PRICE", help="Limit price.")]
Parameters = Annotated[list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="Parameters of the fault.")]

gateway = typer.Typer(
    help="The paper gateway: real clients take it for TWS.", no_args_is_help=False, rich_markup_mode=None
)
order = typer.Typer(help="Orders by hand, at the gateway itself.", no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    gateway.callback(invoke_without_command=True)(run)
    gateway.command()(status)
    gateway.command()(fault)
    for command in (place, modify, cancel, correct, bust):
        order.command()(command)
    order.command("list")(list_orders)
    order.command("executions")(list_executions)
    gateway.add_typer(order, name="order")
    app.add_typer(gateway, name="gateway")


def run(context: typer.Context, config: Config = None, as_json: o.Json = False) -> None:
    """Serve clients of the TWS API on a simulated market; until Ctrl-C. Subcommands talk to a running gateway."""
    if context.invoked_subcommand is not None:
        return
    if config is None:
        raise ConfigError("gateway: name its file with -c")
    if not config.is_file():
        raise ConfigError(f"{config}: no such file; name the gateway's file with -c")
    sys.stdout.flush()
    sys.stderr.flush()
    command = gateway_command(config, as_json=as_json)
    os.execv(command[0], command)


def status(state: State = None, as_json: o.Json = False) -> None:
    """Show clients, clock, market and active faults."""
    picture = _ask(state, "status")
    if as_json:
        o.print_json(picture)
        return
    from daemon.cli.tables import clock, print_dicts

    print(f"gateway {picture['pid']} on {', '.join(picture['addresses'])} for {', '.join(picture['accounts'])}")
    market = f"market time {clock(picture['now_ns'])} UTC at {picture['speed']:g}x, feed {picture['feed']}"
    print(f"{market}, {picture['rows']} rows")
    print_dicts("clients", picture["clients"])
    print_dicts("faults", picture["faults"])


def fault(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A fault; or kinds, list, clear.")],
    parameters: Parameters = None,
    for_s: Annotated[
        float, typer.Option("--for", metavar="SECONDS", help="Of the gateway's time; default until cleared.")
    ] = 0,
    state: State = None,
    as_json: o.Json = False,
) -> None:
    """Begin a fault. `fault kinds` shows all with their parameters, `fault list` what is active, `fault clear [NUMBER]`
    ends one or all.
    """
    given = list(parameters or ())
    if name == "kinds":
        _show("faults", _kinds(), as_json)
    elif name == "list":
        _show("active faults", _ask(state, "faults"), as_json)
    elif name == "clear":
        if len(given) > 1 or not all(text.isdigit() for text in given):
            raise ConfigError("fault clear: give one number of `fault list`, or none for all")
        print(_ask(state, "clear", number=int(given[0]) if given else 0))
    else:
        print(_ask(state, "fault", name=name, parameters=dict(_pair(text) for text in given), for_s=for_s))


def place(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL")],
    side: Annotated[str, typer.Argument(metavar="BUY|SELL")],
    quantity: Annotated[str, typer.Argument(metavar="SHARES")],
    limit: Limit = "0",
    outside_rth: Annotated[bool, typer.Option("--outside-rth", help="Also before and after regular hours.")] = False,
    state: State = None,
) -> None:
    """Place an order by hand: at market, or with a limit."""
    print(_ask(state, "place", symbol=symbol, side=side, quantity=quantity, limit=limit, outside_rth=outside_rth))


def modify(
    perm_id: PermId,
    quantity: Annotated[str, typer.Option("--quantity", metavar="SHARES", help="New size.")] = "0",
    limit: Limit = "0",
    state: State = None,
) -> None:
    """Change size or limit of a working order, whoever placed it."""
    print(_ask(state, "modify", perm_id=perm_id, quantity=quantity, limit=limit))


def cancel(
    perm_id: Annotated[int | None, typer.Argument(metavar="[PERMID]", help="As `order list` shows it.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every working order of the account.")] = False,
    state: State = None,
) -> None:
    """Cancel a working order, whoever placed it, or all."""
    if (perm_id is None) != every:
        raise ConfigError("order cancel: give a PERMID, or --all")
    print(_ask(state, "cancel", perm_id=perm_id or 0))


def correct(
    exec_id: ExecId,
    quantity: Annotated[str, typer.Option("--quantity", metavar="SHARES", help="What was really done.")],
    price: Annotated[str, typer.Option("--price", metavar="PRICE", help="At which price.")],
    state: State = None,
) -> None:
    """Correct an execution of today."""
    print(_ask(state, "correct", exec_id=exec_id, quantity=quantity, price=price))


def bust(exec_id: ExecId, state: State = None) -> None:
    """Take an execution of today back."""
    print(_ask(state, "correct", exec_id=exec_id, quantity="0", price="0"))


def list_orders(state: State = None, as_json: o.Json = False) -> None:
    """Show the orders of the day."""
    _show("orders", _ask(state, "orders"), as_json)


def list_executions(state: State = None, as_json: o.Json = False) -> None:
    """Show the executions of the day."""
    _show("executions", _ask(state, "executions"), as_json)


def _ask(state: Path | None, command: str, **fields: Any) -> Any:
    with _client(state) as client:
        return msgspec.json.decode(bytes(client.request(command, **fields)))


def _client(state: Path | None) -> Any:
    """A connection to the gateway whose state directory this is."""
    folder = (state or Path(os.environ.get(STATE_VARIABLE) or STATE_DEFAULT)).absolute()
    try:
        socket = Path(msgspec.json.decode((folder / CARD).read_bytes())["socket"])
    except (OSError, msgspec.DecodeError, KeyError, TypeError):
        socket = folder / "control.sock"
    return connected(socket)


def _kinds() -> list[dict[str, str]]:
    from broker.gateway.faults.registry import KINDS

    return [
        {
            "name": kind.name,
            "what": kind.doc,
            "parameters": ", ".join(f"{p.name}={p.default or '?'}" for p in kind.parameters),
        }
        for kind in KINDS
    ]


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError(f"fault: {text!r} is no NAME=VALUE; see `quantd gateway fault kinds`")
    return name, value


def _show(title: str, rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        o.print_json(rows)
        return
    from daemon.cli.tables import print_dicts

    print_dicts(title, rows)
