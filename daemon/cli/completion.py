"""Shell completion: the script for each shell, and the names that only a running trader knows. The shell then runs
`quantd` at each TAB, so what is asked here must be quick and never fails aloud.
"""

import os
from typing import Annotated, Final, Literal

import typer

from core.errors import QuantdError

PROGRAM: Final = "quantd"
VARIABLE: Final = "_QUANTD_COMPLETE"  # set by the scripts
ANSWER_S: Final = 0.2  # a person waits at the TAB

Shell = Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="Whose script to print.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(completion)


def completion(shell: Shell) -> None:
    """Print the script that completes `quantd` at a TAB, e.g. in ~/.bashrc: eval "$(quantd completion bash)"."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # not in its __all__

    print(get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell))


def prepare() -> None:
    """Let the library answer the scripts, when it is a script that asks."""
    if VARIABLE in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()


def strategies(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the running trader's strategies."""
    return _known(context, incomplete, "strategies")


def symbols(context: typer.Context, incomplete: str) -> list[str]:
    """Symbols of the running trader."""
    return _known(context, incomplete, "feed")


def _known(context: typer.Context, incomplete: str, rows: str) -> list[str]:
    from daemon.control.client import connected
    from daemon.state_dir import state_directory

    try:
        path = state_directory(context.params.get("state")).socket_in_use()
        with connected(path, timeout_s=ANSWER_S) as client:
            picture = client.status()
    except (QuantdError, OSError):
        return []  # nobody runs there: nothing is completed
    names = [row.symbol if rows == "feed" else row.name for row in getattr(picture, rows)]
    return [name for name in names if name.startswith(incomplete)]
