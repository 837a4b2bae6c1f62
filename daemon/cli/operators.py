"""Operators' keys and codes: made on the person's own machine; the config gets only what verifies them."""

import os
import secrets
from pathlib import Path
from typing import Annotated, Final

import typer

from core.errors import ConfigError
from daemon.authority import keys, totp

NAME_PATTERN_TEXT: Final = "letters, digits and _, at most 24"
SECRET_BYTES: Final = 20  # RFC 4226 section 4: 160 bits recommended

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the person, as the journal will name it.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Where to write it; default in ~/.config/quantd.")
]
Passphrase = Annotated[
    bool, typer.Option("--passphrase", help="Encrypt the key; asked for now, later $QUANTD_PASSPHRASE.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Operators: who may add risk.", no_args_is_help=True)
    group.command()(add)
    group.command()(code)
    app.add_typer(group, name="operator")


def add(name: Name, out: Out = None, passphrase: Passphrase = False) -> None:
    """Make an operator's key pair; print the block for the config."""
    _check_name(name)
    path = out or keys.own_folder() / f"{name}{keys.SUFFIX}"
    key = keys.new_key()
    keys.write_key(key, path, _passphrase() if passphrase else "")
    print(f"# The private key is in {path}: it stays with {name}, and a copy of it is {name}'s word.")
    if out is not None and (out.stem != name or out.suffix != keys.SUFFIX):
        print(f"# To sign with it, put it into ~/.config/quantd as {name}{keys.SUFFIX}.")
    print(f'[authority.operators.{name}]\npublic_key = "{keys.public_text(key)}"')


def code(name: Name, out: Out = None) -> None:
    """Make the secret of an authenticator app; print the app's address and the block for the config."""
    _check_name(name)
    path = (out or keys.own_folder() / f"{name}.totp").absolute()
    secret = secrets.token_bytes(SECRET_BYTES)
    keys.write_secret(totp.encode_secret(secret).encode() + b"\n", path)
    print(f"# Into the authenticator of {name} (as it is, or as a QR code); then clear this screen:")
    print(f"# {totp.app_uri(name, secret)}")
    print(f"# The trader reads the same secret from {path}, which only its own user may read.")
    print(f'[authority.operators.{name}]\ntotp_secret_file = "{path}"')


def _check_name(name: str) -> None:
    plain = name.replace("_", "a")
    if not (1 <= len(name) <= 24 and plain.isascii() and plain.isalnum()):
        raise ConfigError(f"operator {name[:40]!r}: write a name of {NAME_PATTERN_TEXT}")


def _passphrase() -> str:
    given = os.environ.get(keys.PASSPHRASE_VARIABLE) or typer.prompt(
        "passphrase", hide_input=True, confirmation_prompt=True, err=True
    )
    if not isinstance(given, str) or not given.strip():
        raise ConfigError("--passphrase: is empty: give one, or leave the option out")
    return given
