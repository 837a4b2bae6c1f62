"""`quantd costs`: what own fills say about our impact."""

from pathlib import Path
from typing import Annotated, Any

import typer

from daemon.cli import options as o
from daemon.state_dir import state_directory

Write = Annotated[
    Path | None, typer.Option("--write", metavar="FILE", help="Write the parameters there, for costs.file of a config.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    costs = typer.Typer(no_args_is_help=True, help="What trading costs, from own fills.", rich_markup_mode=None)
    costs.callback()(_costs)
    costs.command()(calibrate)
    app.add_typer(costs, name="costs")


def _costs() -> None:
    """What trading costs, from own fills."""


def calibrate(write: Write = None, strategy: o.Strategy = None, state: o.State = None, as_json: o.Json = False) -> int:
    """Fit the impact models to the schedules of the journal, with 95 % intervals; reads beside a live trader too.

    The trader takes the parameters from the file that `costs.file` names, at its next start; after `costs.days_max` it
    goes back to the published ones and says so in every schedule.
    """
    from daemon.calibration import fit, fitted, usable
    from daemon.calibration import write as write_file
    from daemon.tca.reading import read

    journal = state_directory(state).journal_in_use()
    found = read(journal)
    if strategy is not None:
        found.trails = [trail for trail in found.trails if trail.opening.strategy == strategy]
    used = usable(found, journal)
    told = fit(used.trades)
    if write is not None:
        write_file(write, fitted(told, used.last), used.first)
    if as_json:
        o.print_json({"first": used.first, "last": used.last, "left_out": used.left_out, "fit": told})
    else:
        _print(used, told, write)
    return 0


def _print(used: Any, told: dict[str, Any], write: Path | None) -> None:
    from daemon.cli.tables import print_rows

    names = {"gamma": "permanent", "eta": "temporary", "beta": "its exponent", "y": "square root law"}
    print_rows(
        f"impact of {told['trades']} schedules, {used.first} to {used.last}",
        [
            {
                "parameter": name,
                "is": words,
                "value": f"{told[name]['value']:.4g}",
                "95 %": f"{told[name]['low']:.4g} to {told[name]['high']:.4g}",
            }
            for name, words in names.items()
        ],
    )
    print(f"root mean square of what is left, by the market's own: {told['residual']:.2f}")
    for why, count in used.left_out.items():
        print(f"left out: {count}, {why}")
    if write is not None:
        print(f"written: {write}; name it in costs.file and start the trader again")
