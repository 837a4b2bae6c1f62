"""`quantd drill kill`: rehearse a kill in paper, with a gateway and a trader of its own; nothing else is touched."""

from typing import Annotated

import msgspec
import typer

from core.errors import QuantdError
from daemon.cli import options as o

Speed = Annotated[
    int, typer.Option("--speed", metavar="N", min=1, max=20, help="Multiple of real time; 1 times it honestly.")
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Another market and other faults.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    drill_app = typer.Typer(help="Rehearse a failure in paper.", no_args_is_help=True, rich_markup_mode=None)
    drill_app.callback()(_drill)
    drill_app.command("kill")(drill_kill)
    app.add_typer(drill_app, name="drill")


def _drill() -> None:
    """Rehearse a failure in paper."""  # a callback keeps `kill` a sub-command although it is the only one


def drill_kill(speed: Speed = 1, seed: Seed = 5, as_json: o.Json = False) -> None:
    """Kill three strategies with 40 working orders while everything goes wrong; prove and time it (a minute)."""
    from daemon.kernels import configure

    configure()
    from daemon.drill.kill import run_kill_drill

    report = run_kill_drill(speed=speed, seed=seed)
    if as_json:
        o.print_json(msgspec.to_builtins(report))
    else:
        for check in report.checks:
            print(f"{'ok    ' if check.ok else 'FAILED'} {check.name}: {check.found}")
        print(
            f"latched +{report.latched_s:.3f} s, first cancel +{report.first_cancel_s:.3f} s, last cancel "
            f"+{report.last_cancel_s:.3f} s, verified +{report.verified_s:.3f} s, alert +{report.alert_s:.3f} s"
        )
    failed = [check.name for check in report.checks if not check.ok]
    if failed:
        raise QuantdError(f"drill kill: {len(failed)} of {len(report.checks)} checks failed: {'; '.join(failed)}")
