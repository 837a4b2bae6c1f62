"""`quantd mqtt`: an operator afar, by an MQTT broker. The command is signed here with the operator's key; the trader
verifies it, whoever relays it.
"""

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from core.errors import ConfigError
from daemon.authority.proof import Signer
from daemon.cli import options as o
from daemon.state_dir import state_directory

if TYPE_CHECKING:
    from daemon.ops.mqtt.remote import Place

SHOWN: Final = ("bridge", "trader", "mode", "state", "epoch", "link", "ladder", "latches", "unknown", "alerts_open")

To = Annotated[
    str,
    typer.Option(
        "--to", metavar="URL", envvar="QUANTD_MQTT",
        help="mqtts://USER@HOST:PORT/PREFIX/INSTANCE; its password is in $QUANTD_MQTT_PASSWORD.",
    ),
]  # fmt: skip
CaFile = Annotated[str, typer.Option("--ca-file", metavar="FILE", help="Who signed the broker's certificate.")]
CertificateFile = Annotated[str, typer.Option("--certificate-file", metavar="FILE", help="Our own certificate.")]
KeyFile = Annotated[str, typer.Option("--key-file", metavar="FILE", help="Its key.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    mqtt = typer.Typer(help="Command a trader from afar, by MQTT.", no_args_is_help=True, rich_markup_mode=None)
    mqtt.command("send")(send)
    mqtt.command("status")(status)
    app.add_typer(mqtt, name="mqtt")


def send(
    command: Annotated[str, typer.Argument(metavar="COMMAND", help="halt, kill, flatten, resume, ack, trigger …")],
    to: To,
    account: Annotated[
        str, typer.Option("--account", metavar="ID", envvar="QUANTD_ACCOUNT", help="Which account; it is signed.")
    ],
    name: o.As = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; it is journalled.")] = None,
    strategy: o.Strategy = None,
    symbol: o.Symbol = None,
    process: Annotated[bool, typer.Option("--process", help="With kill: the account, then the trader ends.")] = False,
    field: Annotated[
        list[str] | None, typer.Option("--field", metavar="NAME=VALUE", help="Anything else the command takes.")
    ] = None,
    epoch: Annotated[
        int | None, typer.Option("--epoch", metavar="N", help="The trader's run; default: as the bridge tells it.")
    ] = None,
    print_only: Annotated[bool, typer.Option("--print", help="Print the signed payload, publish nothing.")] = False,
    ca_file: CaFile = "",
    certificate_file: CertificateFile = "",
    key_file: KeyFile = "",
) -> None:
    """Sign a command, publish it, and wait for the trader's answer."""
    from daemon.ops.mqtt import remote

    place = _place(to, ca_file, certificate_file, key_file)
    fields: dict[str, Any] = {"command": command, "reason": reason, "strategy": strategy, "symbol": symbol}
    fields = {key: value for key, value in fields.items() if value is not None} | _fields(field or [])
    if process:
        fields["process"] = True
    signer = _signer(name)
    if print_only:
        payload, _ = remote.signed_command(fields, signer=signer, account=account, epoch=epoch, topics=place.topics)
        print(payload.decode())
        return
    print(asyncio.run(remote.send(place, fields, signer=signer, account=account, epoch=epoch)))


def status(
    to: To,
    as_json: o.Json = False,
    ca_file: CaFile = "",
    certificate_file: CertificateFile = "",
    key_file: KeyFile = "",
) -> None:
    """Show what the bridge told last of its trader."""
    from daemon.ops.mqtt import remote

    found = asyncio.run(remote.status(_place(to, ca_file, certificate_file, key_file)))
    if as_json:
        o.print_json(found)
        return
    for key in SHOWN:
        if found.get(key) not in (None, [], ""):
            value = found[key]
            print(f"{key}: {value if isinstance(value, str | int) else json.dumps(value)}")


def _place(to: str, ca_file: str, certificate_file: str, key_file: str) -> "Place":
    from daemon.ops.mqtt.remote import place_of

    return place_of(to, ca_file=ca_file, certificate_file=certificate_file, key_file=key_file)


def _signer(name: str | None) -> Signer:
    prover = o.find_prover(state_directory(None).path, name or "", "")
    if not isinstance(prover, Signer):
        raise ConfigError("--as: by MQTT every command is signed: name an operator whose key is on this machine")
    return prover


def _fields(given: list[str]) -> dict[str, Any]:
    """NAME=VALUE; a value that is a JSON number, truth value or null is that, everything else text."""
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise ConfigError(f"--field {text[:40]!r}: write NAME=VALUE")
        try:
            plain = json.loads(value)
        except ValueError:
            plain = value
        found[name] = plain if isinstance(plain, int | float | bool) else value
    return found
