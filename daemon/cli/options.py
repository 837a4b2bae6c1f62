"""Options that several commands share, and how they are turned into connections and text."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from daemon.state_dir import state_directory

State = Annotated[
    Path | None, typer.Option("--state", metavar="DIR", help="State directory; default $QUANTD_STATE, else ./state.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Watch = Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is journalled with your name.")]
Strategy = Annotated[str | None, typer.Option("--strategy", metavar="NAME", help="This strategy only.")]
Symbol = Annotated[str | None, typer.Option("--symbol", metavar="SYMBOL", help="This symbol only.")]
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="A journal, or a state directory with one.")]


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
