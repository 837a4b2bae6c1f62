"""The command line, `quantd`. Owns words, exit codes and error lines; does nothing itself.

Exit codes: 0 done, 1 failed, 2 usage or config, 3 daemon not reachable, 4 refused. Heavy modules are imported by the
command that needs them, so that `quantd kill` starts at once.
"""

import os
import sys
from collections.abc import Sequence
from typing import Final, cast

import typer

from core.errors import ConfigError, QuantdError, Refused
from daemon.cli import (
    account,
    alerts,
    audit,
    books,
    completion,
    corporate,
    costs,
    database,
    diff,
    doctor,
    drill,
    gateway,
    init,
    kill,
    mqtt,
    operate,
    operators,
    ops,
    order,
    panic,
    records,
    risk,
    statement,
    surveil,
    tca,
    trader,
)
from daemon.control.client import NotReachable

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
NOT_REACHABLE: Final = 3
REFUSED: Final = 4
INTERRUPTED: Final = 130

# The library's two error classes above `BadParameter` have no public name of their own in every version we allow.
_UsageError: Final = typer.BadParameter.__bases__[0]
_ClickError: Final = cast(type[Exception], _UsageError.__bases__[0])

app = typer.Typer(
    name="quantd",
    help="An event-driven live trading daemon.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _part in (
    init,
    trader,
    operate,
    kill,
    mqtt,
    order,
    panic,
    drill,
    operators,
    audit,
    alerts,
    account,
    risk,
    books,
    corporate,
    statement,
    records,
    surveil,
    tca,
    costs,
    diff,
    doctor,
    database,
    gateway,
    ops,
    completion,
):
    _part.register(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Errors are lines on stderr, never a traceback of ours."""
    completion.prepare()
    try:
        given = None if arguments is None else list(arguments)
        code = app(args=given, prog_name=completion.PROGRAM, standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else DONE
    except _ClickError as fault:
        return _fail_usage(fault)
    except ConfigError as fault:
        return _fail(fault, USAGE)
    except NotReachable as fault:
        return _fail(fault, NOT_REACHABLE)
    except Refused as fault:
        return _fail(fault, REFUSED)
    except QuantdError as fault:
        return _fail(fault, FAILED)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:  # `quantd journal show | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as fault:
        return _fail(fault, FAILED)


def _fail(fault: Exception, code: int) -> int:
    """A config file may have several problems, each its own line; everything else is one line."""
    text = str(fault)
    for line in text.splitlines() if isinstance(fault, ConfigError) else [" ".join(text.split())]:
        print(f"quantd: {line}", file=sys.stderr)
    return code


def _fail_usage(fault: Exception) -> int:
    """One line; a command that was given nothing shows its help instead."""
    told = str(fault.format_message()) if hasattr(fault, "format_message") else str(fault)
    if type(fault).__name__ == "NoArgsIsHelpError":
        print(told, file=sys.stderr)
    else:
        print(f"quantd: {' '.join(told.split()).removesuffix('.')}; see --help", file=sys.stderr)
    return USAGE
