"""Starting, checking and measuring the trader. The trader itself is another process: it never holds this package."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import ConfigError
from daemon.cli import options as o
from daemon.commands import become, follower_command, guard_command, trader_command, up_command

if TYPE_CHECKING:
    from daemon.config import Config as CheckedConfig

# Files come as arguments, so that `check -c one.toml two.toml` takes what a shell pattern gives.
Config = Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The config file.")]
Configs = Annotated[list[Path] | None, typer.Option("--config", "-c", metavar="FILE", help="A config file.")]
Files = Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="More config files.")]
Seconds = Annotated[float, typer.Option("--seconds", min=0, max=86_400, help="Stop after this long; 0 = until Ctrl-C.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Another seed, another market.")]
Upgrade = Annotated[bool, typer.Option("--upgrade", help="Bring an embedded database's schema up to date first.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Which benchmarks; default all.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (run, follow, guard, up, demo, check, train, warm, bench, version):
        app.command()(command)


def run(config: Config, as_json: o.Json = False) -> None:
    """Trade, in the state directory that the config names. Ends with a summary when the tape or Ctrl-C ends it."""
    check_there(config)
    become(trader_command(config, as_json=as_json))


def follow(config: Config, state: o.State = None, upgrade: Upgrade = False) -> None:
    """Compare every decision as it is journalled, record everything in SQL, take the snapshots; until Ctrl-C."""
    check_there(config)
    become(follower_command(config, state=state, upgrade=upgrade))


def guard(config: Config, state: o.State = None) -> None:
    """Watch the trader's lease, cancel its orders when it runs out, deliver alerts."""
    check_there(config)
    become(guard_command(config, state=state))


def up(config: Config, as_json: o.Json = False) -> None:
    """Trade with a follower beside it, a guard where there is a broker, and what the config may name: who ships the
    journal, the ops process, the paper gateway. Started, restarted when they crash, and stopped in order.
    """
    from daemon.kernels import configure

    configure()
    from daemon.config import load_config

    loaded = load_config(config)
    _check_nobody(loaded)
    guard_s = loaded.guard.lease_s if loaded.guarded or loaded.alerts.to else 0.0
    become(
        up_command(
            config, as_json=as_json, state=Path(loaded.state_dir), gateway=loaded.up.gateway,
            gateway_at=f"{loaded.ib.host}:{loaded.ib.port}", guard_s=guard_s, ops=loaded.ops.enabled,
            ship=bool(loaded.ship.to),
        )
    )  # fmt: skip


def _check_nobody(config: "CheckedConfig") -> None:
    """None of those that `up` starts runs already. Raises ConfigError."""
    from daemon.alerts.facts import OPS_LOCK
    from daemon.control.client import is_alive
    from daemon.status.follower import is_locked, is_running
    from daemon.status.guard import guard_runs
    from daemon.status.processes import up_runs
    from daemon.status.ship import ship_runs

    state = Path(config.state_dir)
    runs = {
        "a `quantd up`": up_runs(state),
        "a trader": is_alive(Path(config.control.socket)),
        "a follower": is_running(state),
        "a guard": guard_runs(state),
        "an ops process": config.ops.enabled and is_locked(state / OPS_LOCK),
        "who ships the journal": bool(config.ship.to) and ship_runs(state),
    }
    for what, there in runs.items():
        if there:
            raise ConfigError(f"state_dir {state}: {what} is running there: stop it first")


def check_there(config: Path) -> None:
    if not config.is_file():
        raise ConfigError(f"{config}: no such file; name a config file with -c")


def demo(seconds: Seconds = 0, seed: Seed = 1, state: o.State = None, as_json: o.Json = False) -> int:
    """Trade a made-up market against a simulated broker, with a live screen."""
    from daemon.demo import run_demo

    return run_demo(seconds=seconds, seed=seed, state=state, as_json=as_json)


def check(config: Configs = None, files: Files = None) -> None:
    """Check config files, of traders and gateways, without starting anything."""
    chosen = [*(config or []), *(files or [])]
    if not chosen:
        raise ConfigError("check: name a config file with -c")
    from daemon.kernels import configure

    configure()
    from daemon.config import load_config
    from daemon.gateway.config import is_gateway_file, load_gateway

    faults = []
    for path in chosen:
        try:
            if is_gateway_file(path):
                load_gateway(path)
            else:
                _print_digests(path, load_config(path))
            print(f"{path}: ok")
        except ConfigError as fault:
            faults.append(str(fault))
    if faults:
        raise ConfigError("\n".join(faults))


def _print_digests(path: Path, config: "CheckedConfig") -> None:
    """What a person compares when this file runs: see `quantd arm --expect`."""
    from daemon.authority.deploy import limits_digest
    from daemon.config import config_digest, resolved_json
    from daemon.digests import code_digest

    print(f"{path}: config {config_digest(config)} limits {limits_digest(resolved_json(config))} code {code_digest()}")
    if config.authority.unsigned:
        print(f"{path}: UNSIGNED: whoever may open the control socket may add risk (authority.unsigned)")
    elif not config.authority.operators:
        print(f"{path}: no operators: nothing that adds risk will be taken ([authority.operators])")


def train(config: Config, as_json: o.Json = False) -> int:
    """Train a model by a recipe, with a card that says what it is worth."""
    from daemon.kernels import configure

    configure()
    from daemon.training import run_training

    return run_training(config, as_json=as_json)


def warm() -> None:
    """Compile the kernels, so that the first start does not have to."""
    from daemon.kernels import warm as compile_and_tell

    compile_and_tell()


def bench(names: Names = None, as_json: o.Json = False) -> int:
    """Measure the speed of the public steps."""
    from daemon.kernels import configure

    configure()
    from daemon import bench as benchmarks

    return benchmarks.main(list(names or ()), as_json=as_json)


def version() -> None:
    """Print the version."""
    from importlib import metadata

    print(f"quantd {metadata.version('quantd')}")
