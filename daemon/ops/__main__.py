"""`python -m daemon.ops --config FILE [--state DIR] [--parent PID]`: the ops process. `quantd ops` execs into it."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from core.errors import ConfigError, QuantdError
from daemon.notify import Notifier

if TYPE_CHECKING:
    from daemon.log import ProcessLog

EXIT_DONE: Final = 0
EXIT_FAILED: Final = 1
EXIT_CONFIG: Final = 2


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m daemon.ops")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--parent", type=int, help="end when this process is gone")
    given = parser.parse_args(arguments)
    if given.parent is not None:
        from daemon.lifeline import end_with

        end_with(given.parent)
    from daemon.log import process_log  # after `rich` was put out of its reach, see below

    with process_log("ops") as process:
        try:
            return _run(given.config.absolute(), given.state, process)
        except ConfigError as fault:
            process.last_words(str(fault))
            return EXIT_CONFIG
        except QuantdError as fault:
            process.last_words(f"failed: {fault}")
            return EXIT_FAILED


def _run(path: Path, state_dir: Path | None, process: "ProcessLog") -> int:
    import uvloop

    from daemon.kernels import configure  # sets numba's environment before anything imports numba

    configure()
    from daemon.alerts.facts import OPS_LOCK
    from daemon.config import load_config
    from daemon.lock import hold_lock
    from daemon.ops.process import Ops, build_parts
    from daemon.ops.service import ServicePart
    from daemon.ops.view import View

    assert __debug__, "never run with -O: invariants are asserted"
    config = load_config(path, state_dir=state_dir)
    if not config.ops.enabled:
        raise ConfigError(f"{path}: ops.enabled: is false; set it to true to run the ops process")
    folder = Path(config.state_dir)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    hold_lock(folder / OPS_LOCK, f"{folder}: another ops process (pid {{pid}}) serves this trader")
    process.know(config)
    process.bind(account=config.account.tag)
    log, service = process.log, ServicePart(Notifier.of_environment())

    async def serve() -> None:
        await Ops(View(config), [*build_parts(config, log), service], log).run()

    uvloop.run(serve())
    log.info("stopped")
    return EXIT_DONE


if __name__ == "__main__":
    sys.modules["scipy"] = None  # type: ignore[assignment]  # numba would, for what no kernel uses
    sys.modules["rich"] = None  # type: ignore[assignment]  # structlog would load it, where it finds it, for tracebacks
    sys.exit(main())
