"""Starting the ops process. It is another process: the command line holds no web server."""

import typer

from daemon.cli import options as o
from daemon.cli.trader import Config, check_there
from daemon.commands import become, ops_command


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(ops)


def ops(config: Config, state: o.State = None) -> None:
    """Serve probes, metrics and a read-only API, the MQTT bridge and the cluster's lease; until Ctrl-C."""
    check_there(config)
    become(ops_command(config, state=state))
