"""`python -m daemon.gateway --config FILE [--json] [--parent PID]`: the gateway process. `quantd gateway` execs into
it.
"""

import asyncio
import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import BrokerFault, ConfigError, QuantdError
from daemon.lifeline import end_with
from daemon.notify import Notifier

if TYPE_CHECKING:
    from daemon.log import ProcessLog

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_CONFIG = 2


def main(arguments: list[str]) -> int:
    """Run the gateway; returns the exit code."""
    if len(arguments) < 2 or arguments[0] != "--config":
        print("usage: python -m daemon.gateway --config FILE [--json] [--parent PID]", file=sys.stderr)
        return EXIT_CONFIG
    if "--parent" in arguments[2:-1]:
        end_with(int(arguments[arguments.index("--parent") + 1]))
    from daemon.log import process_log  # after `rich` was put out of its reach, see below

    with process_log("gateway") as process:
        try:
            return _run(Path(arguments[1]).absolute(), process, as_json="--json" in arguments[2:])
        except ConfigError as fault:
            process.last_words(str(fault))
            return EXIT_CONFIG
        except (BrokerFault, QuantdError, OSError) as fault:  # OSError: the disk, mostly
            process.last_words(f"failed: {fault}")
            return EXIT_FAILED


def _run(path: Path, process: "ProcessLog", *, as_json: bool) -> int:
    from daemon.kernels import configure  # sets numba's environment before anything imports numba

    configure()
    gc.disable()  # modules leave next to nothing to collect, and looking for it is a tenth of a start
    from daemon.gateway.config import load_gateway

    assert __debug__, "never run with -O: invariants are asserted"
    config = load_gateway(path)
    config.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    _loop(config, path, process, as_json=as_json)
    return EXIT_DONE


def _loop(config: Any, path: Path, process: "ProcessLog", *, as_json: bool) -> None:
    import uvloop

    from daemon.gateway.process import Gateway

    gc.enable()
    notifier = Notifier.of_environment()

    async def serve() -> None:
        await Gateway(config, path, as_json=as_json, log=process.log, notifier=notifier).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


if __name__ == "__main__":
    sys.modules["scipy"] = None  # type: ignore[assignment]  # numba would, for what no kernel uses
    sys.modules["rich"] = None  # type: ignore[assignment]  # structlog would load it, where it finds it, for tracebacks
    sys.exit(main(sys.argv[1:]))
