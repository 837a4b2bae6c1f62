"""Options that several commands share, and how they are turned into connections and text."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from core.errors import ConfigError
from daemon.authority.keys import PASSPHRASE_VARIABLE, SUFFIX, find_key, own_folder, read_key
from daemon.authority.proof import CodeGiver, Prover, Signer
from daemon.cli.completion import strategies, symbols
from daemon.control.client import ControlClient, connected
from daemon.state_dir import state_directory

State = Annotated[
    Path | None, typer.Option("--state", metavar="DIR", help="State directory; default $QUANTD_STATE, else ./state.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Watch = Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is journalled with your name.")]
Strategy = Annotated[
    str | None, typer.Option("--strategy", metavar="NAME", help="This strategy only.", autocompletion=strategies)
]
Symbol = Annotated[
    str | None, typer.Option("--symbol", metavar="SYMBOL", help="This symbol only.", autocompletion=symbols)
]
As = Annotated[
    str | None,
    typer.Option("--as", metavar="NAME", envvar="QUANTD_OPERATOR", help="Which operator you are: signs with the key."),
]
Code = Annotated[
    str | None, typer.Option("--code", metavar="CODE", help="A one-time code of your authenticator, instead of a key.")
]
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="A journal, or a state directory with one.")]


@contextlib.contextmanager
def proving(state: Path | None, name: str | None, code: str | None) -> Iterator[ControlClient]:
    """A client of the running trader that proves who gives a command. Without a key that can be found the trader has
    to take it unsigned, or says what is missing. Raises ConfigError.
    """
    directory = state_directory(state)
    prover = find_prover(directory.path, name or "", code or "")
    with connected(directory.socket_in_use(), prover=prover) as client:
        yield client


def find_prover(state: Path, name: str, code: str) -> Prover | None:
    """The operator's key or code; None = neither. Raises ConfigError on a name without a key."""
    if code:
        if not name:
            raise ConfigError("--code: say whose code it is with --as NAME, or $QUANTD_OPERATOR")
        return CodeGiver(name, code.strip())
    path = find_key(name, state)
    if path is not None:
        return Signer(path.stem, read_key(path, os.environ.get(PASSPHRASE_VARIABLE, "")))
    if name:
        raise ConfigError(f"--as {name}: no {name}{SUFFIX} in {own_folder()}: `quantd operator add {name}`, or --code")
    return None


def journal_below(directory: Path) -> Path:
    """The journal that is meant by a journal folder or by the state directory around it. Raises ConfigError."""
    if any(directory.glob("segment-*.qj")):
        return directory
    return state_directory(directory).journal_in_use()


def print_json(value: Any) -> None:
    """One JSON value on one line of stdout."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def print_raw(value: msgspec.Raw) -> None:
    """JSON the daemon sent: text as it is, anything else as JSON."""
    decoded = json.loads(bytes(value))
    print(decoded if isinstance(decoded, str) else json.dumps(decoded))
