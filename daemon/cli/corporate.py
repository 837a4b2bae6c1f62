"""Corporate actions by hand: a split or a dividend is given once, by its id, and the trader does the rest."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from core.errors import ConfigError
from daemon.cli import options as o
from daemon.control.client import connected
from daemon.state_dir import state_directory

FIELDS: Final = (
    "id", "kind", "symbol", "ex", "ratio", "now", "per_share", "currency", "pay", "withheld_percent", "reason",
)  # fmt: skip
FILE_BYTES_MAX: Final = 1 << 20
Date = Annotated[int, typer.Option("--ex", metavar="YYYYMMDD", help="First trading day after it.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    corporate = typer.Typer(no_args_is_help=True, help="Splits and dividends.", rich_markup_mode=None)
    corporate.command()(apply)
    corporate.command()(withdraw)
    corporate.command("list")(show)
    app.add_typer(corporate, name="corporate")


def apply(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="TOML with [[action]] tables.")] = None,
    split: Annotated[
        tuple[str, str] | None, typer.Option("--split", metavar="SYMBOL RATIO", help="As AAPL 4:1, or XYZ 1:10.")
    ] = None,
    dividend: Annotated[
        tuple[str, str] | None, typer.Option("--dividend", metavar="SYMBOL AMOUNT", help="Cash a share.")
    ] = None,
    ex: Date = 0,
    pay: Annotated[int, typer.Option("--pay", metavar="YYYYMMDD", help="When a dividend is paid.")] = 0,
    currency: Annotated[str, typer.Option("--currency", help="Of a dividend.")] = "USD",
    withheld: Annotated[str, typer.Option("--withheld", metavar="PERCENT", help="Tax taken from it.")] = "0",
    now: Annotated[bool, typer.Option("--now", help="The broker has split it: do not wait to see it.")] = False,
    identity: Annotated[str, typer.Option("--id", help="Default: symbol, kind and ex date.")] = "",
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; journalled with your name.")] = "",
    state: o.State = None,
    name: o.As = None,
    code: o.Code = None,
) -> None:
    """Give corporate actions; the same id again changes nothing.

    A split stops its symbol on the ex date, cancels what rests there and ends its schedules, and is carried out when
    the broker's position shows it: books, lots, targets, previous close and features in one step.
    """
    if (file is not None) + (split is not None) + (dividend is not None) != 1:
        raise ConfigError("corporate apply: give exactly one of FILE, --split and --dividend")
    if file is not None:
        wanted = read_file(file, reason=reason)
    else:
        kind = "split" if split is not None else "dividend"
        symbol, terms = split or dividend or ("", "")
        one: dict[str, Any] = {"id": identity, "kind": kind, "symbol": symbol, "ex": ex, "reason": reason}
        if kind == "split":
            one |= {"ratio": terms, "now": now}
        else:
            one |= {"per_share": terms, "currency": currency, "pay": pay, "withheld_percent": withheld}
        wanted = [_request(one, "corporate apply")]
    with o.proving(state, name, code) as client:
        for fields in wanted:
            o.print_raw(client.request("corporate-apply", **fields))


def withdraw(
    identity: Annotated[str, typer.Argument(metavar="ID")],
    reason: o.Reason,
    state: o.State = None,
    name: o.As = None,
    code: o.Code = None,
) -> None:
    """Take back an action that waits still."""
    with o.proving(state, name, code) as client:
        o.print_raw(client.request("corporate-apply", action_id=identity, kind="withdraw", reason=reason))


def show(state: o.State = None, as_json: o.Json = False) -> None:
    """Show every action and where it stands."""
    with connected(state_directory(state).socket_in_use()) as client:
        rows: list[dict[str, Any]] = msgspec.json.decode(client.request("corporate"))
    if as_json:
        o.print_json(rows)
        return
    if not rows:
        print("no corporate action is known")
        return
    from daemon.cli.tables import print_dicts

    print_dicts("corporate actions", rows)


def read_file(path: Path, *, reason: str) -> list[dict[str, Any]]:
    """The requests of a file. Raises ConfigError naming the action and the field."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ConfigError(f"{path}: more than {FILE_BYTES_MAX} bytes are no list of corporate actions")
        read = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise ConfigError(f"{path}: cannot be read: {' '.join(str(fault).split())}") from fault
    actions = read.get("action")
    if set(read) != {"action"} or not isinstance(actions, list) or not actions:
        raise ConfigError(f"{path}: write one [[action]] table for each action, and nothing else")
    return [_request({"reason": reason} | one, f"{path}: action {at}") for at, one in enumerate(actions, start=1)]


def _request(one: dict[str, Any], place: str) -> dict[str, Any]:
    unknown = sorted(set(one) - set(FIELDS))
    if unknown:
        raise ConfigError(f"{place}: unknown field {unknown[0]}: one of {', '.join(FIELDS)}")
    if one.get("kind") not in ("split", "dividend"):
        raise ConfigError(f"{place}: kind: split or dividend")
    for field in ("symbol", "ex", "reason"):
        if not one.get(field):
            raise ConfigError(f"{place}: {field}: is missing")
    if not isinstance(one["ex"], int):
        raise ConfigError(f"{place}: ex: write a day as 20260115")
    fields = {"kind": one["kind"], "symbol": one["symbol"], "ex_date": one["ex"], "reason": one["reason"]}
    fields["action_id"] = one.get("id") or f"{one['symbol']}-{one['kind']}-{one['ex']}"
    taken = {"pay": "pay_date"} | {name: name for name in ("ratio", "now", "per_share", "currency", "withheld_percent")}
    for given, name in taken.items():
        if given in one:
            fields[name] = str(one[given]) if given in ("per_share", "withheld_percent") else one[given]
    return fields
