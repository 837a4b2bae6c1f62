"""Taking over an account that held something before the trader did."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from core.errors import ConfigError
from core.units import parse_nanos
from daemon.cli import options as o
from daemon.control.client import ControlClient, connected
from daemon.state_dir import state_directory

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="The config of the running trader.")
]
Give = Annotated[
    list[str] | None,
    typer.Option("--give", metavar="SYMBOL=STRATEGY", help="Whose a position becomes; repeat it. Not given: nobody's."),
]
At = Annotated[str, typer.Option("--at", metavar="average|mark", help="Cost to carry: the broker's average, or now's.")]
KeepCash = Annotated[bool, typer.Option("--keep-cash", help="Leave the difference of cash as it is.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without this it is only shown.")]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is journalled with your name.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(adopt)


def adopt(
    config: ConfigOption = None,
    state: o.State = None,
    give: Give = None,
    at: At = "average",
    keep_cash: KeepCash = False,
    yes: Yes = False,
    reason: Why = "",
    as_json: o.Json = False,
    name: o.As = None,
    code: o.Code = None,
) -> None:
    """Take over positions and cash that the broker shows and the books lack, without profit or loss.

    The trader must be running (it halts on such an account by itself), and stays halted until `quantd resume`.
    """
    directory, socket = _place(config, state)
    prover = o.find_prover(directory, name or "", code or "") if yes else None
    with connected(socket, prover=prover) as client:
        there = msgspec.json.decode(client.request("adoption"))
        owners = _owners(give or [], there)
        wanted = [
            {"symbol": row["symbol"], "qty": _qty(row, owners), "strategy": owners.get(row["symbol"], "")}
            for row in there["positions"]
            if row["symbol"] in owners or row["new"] != "0"
        ]
        cash = "0" if keep_cash else there["cash_difference"]
        if not yes:
            _show(there, wanted, cash, at, as_json=as_json)
            return
        if not reason.strip():
            raise ConfigError("adopt: give --reason TEXT: it is journalled with your name")
        _do(client, wanted, cash, at, reason)


def _do(client: ControlClient, wanted: list[dict[str, str]], cash: str, at: str, reason: str) -> None:
    o.print_raw(client.request("adopt", positions=wanted, cash=cash, at=at, reason=reason))


def _place(config: Path | None, state: Path | None) -> tuple[Path, Path]:
    """State directory and control socket."""
    if config is None:
        directory = state_directory(state)
        return directory.path, directory.socket_in_use()
    from daemon.kernels import configure

    configure()
    from daemon.config import load_config

    loaded = load_config(config, state_dir=state)
    return Path(loaded.state_dir), Path(loaded.control.socket)


def _owners(give: list[str], there: dict[str, Any]) -> dict[str, str]:
    """Strategy by symbol. Raises ConfigError on one that names nothing."""
    known = [row["symbol"] for row in there["positions"]]
    owners: dict[str, str] = {}
    for pair in give:
        symbol, equals, strategy = pair.partition("=")
        if not (symbol and equals and strategy):
            raise ConfigError(f"--give {pair!r}: write SYMBOL=STRATEGY")
        if symbol not in known:
            raise ConfigError(f"--give {pair}: no position in {symbol} waits to be adopted")
        if symbol in owners:
            raise ConfigError(f"--give {pair}: {symbol} is given away twice")
        owners[symbol] = strategy
    return owners


def _qty(row: dict[str, str], owners: dict[str, str]) -> str:
    """What a strategy gets: what is new and what was nobody's; nobody gets what is new."""
    if row["symbol"] not in owners:
        return row["new"]
    from core.units import exact_text

    return exact_text(parse_nanos(row["new"], field="new") + parse_nanos(row["nobodys"], field="nobodys"))


def _show(there: dict[str, Any], wanted: list[dict[str, str]], cash: str, at: str, *, as_json: bool) -> None:
    if as_json:
        o.print_json(there | {"would_adopt": {"positions": wanted, "cash": cash, "at": at}})
        return
    from daemon.cli.tables import print_rows

    if not there["synced"]:
        print("no complete synchronisation yet: the broker has not said what it holds")
        return
    print_rows("positions at the broker that are not in a strategy's book", there["positions"])
    print_rows("working orders that are not ours", there["foreign"])
    for line in there["others"]:
        print(f"difference that cannot be adopted: {line}")
    print(f"cash in {there['currency']}: ours {there['cash_ours']}, broker {there['cash_broker']}")
    if not wanted and cash == "0":
        print("nothing to adopt: the books agree with the broker")
        return
    for one in wanted:
        print(f"would adopt {one['qty']} {one['symbol']} for {one['strategy'] or 'nobody'} at its {at}")
    if cash != "0":
        print(f"would book {cash} {there['currency']} as a deposit")
    print("add --yes --reason TEXT to do it; orders that are not ours stay where they are")
