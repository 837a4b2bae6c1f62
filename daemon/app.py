"""`python -m daemon.app run --config FILE [--json] [--parent PID]`: the trader process. `quantd run` execs into it, so
that neither typer, rich, pandas nor pyarrow is ever loaded where orders are made.
"""

import asyncio
import gc
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import BrokerFault, ConfigError, JournalError, QuantdError
from daemon.lifeline import end_with
from daemon.notify import Notifier

if TYPE_CHECKING:
    from daemon.log import ProcessLog

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_CONFIG = 2
STDOUT = 1
SUMMARY_SECONDS = 30.0  # for whoever reads it


def main(arguments: list[str] | None = None) -> int:
    """Run the trader; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if len(given) < 3 or given[0] != "run" or given[1] != "--config":
        print("usage: python -m daemon.app run --config FILE [--json] [--parent PID]", file=sys.stderr)
        return EXIT_CONFIG
    as_json = "--json" in given[3:]
    if "--parent" in given[3:-1]:
        end_with(int(given[given.index("--parent") + 1]))
    from daemon.log import process_log  # after `rich` was put out of its reach, see below

    with process_log("trader") as process:
        try:
            return _run(Path(given[2]).absolute(), process, as_json=as_json)
        except ConfigError as fault:
            process.last_words(str(fault))
            return EXIT_CONFIG
        except (BrokerFault, JournalError, QuantdError) as fault:
            process.last_words(f"failed: {fault}")
            return EXIT_FAILED


def _run(path: Path, process: "ProcessLog", *, as_json: bool) -> int:
    from daemon.kernels import configure  # sets numba's environment before anything imports numba

    configure()
    gc.disable()  # modules leave next to nothing to collect, and looking for it is a tenth of a start
    from daemon.config import load_config
    from daemon.runner import StepError
    from daemon.summary import summarise, text_of
    from daemon.trader import Trader

    gc.enable()
    assert __debug__, "never run with -O: invariants are asserted"
    config = load_config(path)
    process.know(config)
    trader = Trader(config, path, quiet=as_json, process=process, notifier=Notifier.of_environment())
    try:
        _loop(trader)
    except StepError as fault:
        process.last_words(f"failed: the engine stopped on {fault}; orders were cancelled; start again to recover")
        return EXIT_FAILED
    summary = summarise(trader)
    process.last_words(json.dumps(summary) if as_json else text_of(summary), fd=STDOUT, seconds=SUMMARY_SECONDS)
    return EXIT_DONE


def _loop(trader: Any) -> None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(trader.run())


if __name__ == "__main__":
    sys.modules["scipy"] = None  # type: ignore[assignment]  # numba would, for what no kernel uses
    sys.modules["rich"] = None  # type: ignore[assignment]  # structlog would load it, where it finds it, for tracebacks
    sys.exit(main())
