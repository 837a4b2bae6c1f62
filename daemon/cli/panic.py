"""`quantd panic`: everything off at the broker, with or without a trader; `--flatten` closes what is held, too."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from core.errors import ConfigError, QuantdError
from daemon.cli import options as o
from daemon.state_dir import state_directory

if TYPE_CHECKING:
    from daemon.config.schema import Config
    from daemon.killer.panic import PanicReport

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="Default: that of the trader which ran in --state."),
]
Flatten = Annotated[bool, typer.Option("--flatten", help="Then close every position; the account id is asked for.")]
Confirm = Annotated[str, typer.Option("--confirm", metavar="ACCOUNT", help="With --flatten: the account id, typed.")]
Deadline = Annotated[
    float | None, typer.Option("--deadline", metavar="SECONDS", min=1.0, help="Default panic.deadline_s.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(panic)


def panic(
    reason: o.Reason,
    config: ConfigOption = None,
    state: o.State = None,
    deadline: Deadline = None,
    flatten: Flatten = False,
    confirm: Confirm = "",
    as_json: o.Json = False,
) -> None:
    """Cancel every order of the account at the broker and verify; needs no trader. The next trader starts HALTED."""
    from daemon.kernels import configure

    configure()
    from daemon.killer.panic import Panic

    wanted = _config(config, state)
    if not wanted.guarded:
        raise ConfigError("panic: this config trades at no broker: stop the trader, or `quantd kill`")
    if not reason.strip():
        raise ConfigError("panic: give --reason TEXT: it is latched with your name")
    report = Panic(wanted, _tell, reason=reason.strip()).run(deadline_s=deadline or wanted.panic.deadline_s)
    _print(report, wanted, as_json=as_json)
    if flatten:
        _flatten(wanted, reason, report, confirm)
    if not report.verified:
        raise QuantdError(f"panic: NOT verified: {report.reason}: orders may be open at the broker")


def _flatten(config: "Config", reason: str, report: "PanicReport", confirm: str) -> None:
    """Only after the proof, and only for whoever types the account."""
    from daemon.killer.closing import close_positions

    if not report.verified:
        return
    typed = confirm or input(f"type {config.account.id} to close every position: ").strip()
    if typed != config.account.id:
        raise ConfigError("panic: nothing was closed: what was typed is not the account id")
    left = close_positions(config, reason=reason, tell=_tell)
    for line in left:
        _tell(f"still held: {line}")
    if left:
        raise QuantdError(f"panic: {len(left)} positions are not closed; {_desk(config)}")


def _config(path: Path | None, state: Path | None) -> "Config":
    from daemon.config import load_config

    if path is None:
        card = state_directory(state).read_card()
        if card is None:
            raise ConfigError("panic: no trader has run in this --state: name its config with -c")
        path = Path(card.config)
    return load_config(path, state_dir=state)


def _print(report: "PanicReport", config: "Config", *, as_json: bool) -> None:
    if as_json:
        o.print_json(msgspec.to_builtins(report) | {"desk": config.panic.desk})
        return
    print(f"{len(report.cancelled)} orders are off, {len(report.left)} are left ({report.seconds:g} s)")
    for text in report.left:
        print(f"STILL OPEN: {text}")
    for perm_id, why in report.refused.items():
        print(f"could not cancel permId {perm_id}: {why}")
    for text in report.positions:
        print(f"held: {text}")
    print("verified: the broker's list was empty twice" if report.verified else f"NOT VERIFIED: {report.reason}")
    if report.left or report.positions or not report.verified:
        print(_desk(config))


def _desk(config: "Config") -> str:
    return (
        f"desk: {config.panic.desk}" if config.panic.desk else "desk: no number in [panic] desk; see the broker's site"
    )


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
