"""`python -m daemon.killer --config FILE [--state DIR] [--parent PID]`: the guard process. `quantd guard` execs into
it.

A stop waits until the trader is seen to be alive, or its orders are seen to be gone: a guard that ended before would
leave the orders of a dying trader alone. A second one ends it at once.
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from core.errors import ConfigError, QuantdError
from daemon.notify import Notifier

if TYPE_CHECKING:
    from daemon.log import ProcessLog

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_CONFIG = 2


def main(arguments: list[str] | None = None) -> int:
    """Guard until a signal; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m daemon.killer")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--parent", type=int, help="end when this process is gone")
    given = parser.parse_args(arguments)
    stops = Stops()
    if given.parent is not None:
        from daemon.lifeline import end_with

        end_with(given.parent)
    from daemon.log import process_log  # after `rich` was put out of its reach, see below

    with process_log("guard") as process:
        try:
            return _run(given.config.absolute(), given.state, stops, process)
        except ConfigError as fault:
            process.last_words(str(fault))
            return EXIT_CONFIG
        except QuantdError as fault:
            process.last_words(f"failed: {fault}")
            return EXIT_FAILED


class Stops:
    """SIGINT and SIGTERM, counted."""

    def __init__(self) -> None:
        self.asked = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.asked += 1


def _run(path: Path, state_dir: Path | None, stops: Stops, process: "ProcessLog") -> int:
    from daemon.kernels import configure  # sets numba's environment before anything imports numba

    configure()
    from daemon.alerts.delivery import Delivery
    from daemon.alerts.facts import rules_of
    from daemon.config import load_config
    from daemon.killer.guard import LOOK_S, Guard
    from daemon.lock import hold_lock
    from daemon.state_dir import StateDirectory
    from daemon.status.footprint import footprint
    from daemon.status.guard import ACTING, LOCK_NAME, WATCHING, GuardPicture, write_guard

    assert __debug__, "never run with -O: invariants are asserted"
    config = load_config(path, state_dir=state_dir)
    state = StateDirectory(Path(config.state_dir))
    state.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    hold_lock(state.path / LOCK_NAME, f"{state.path}: another guard (pid {{pid}}) guards this trader")
    process.know(config)
    process.bind(account=config.account.tag)
    log, notifier = process.log, Notifier.of_environment()
    delivery = Delivery(state, config.alerts, log, by="guard", rules=rules_of(config, by="guard"))
    guard = Guard(config, state.path, log, delivery.tell)

    def tell_state() -> None:
        write_guard(
            state.path,
            GuardPicture(
                pid=os.getpid(),
                wall_ns=time.time_ns(),
                state=guard.state,
                why=guard.why,
                lease=guard.lease_name,
                silent_s=round(time.monotonic() - guard.looked_s, 1),
                footprint=footprint(),
            ),
        )

    delivery.each_second = tell_state
    delivery.start()
    log.info("guard started", lease_s=config.guard.lease_s, exclusive=config.guard.exclusive, guarded=config.guarded)
    try:
        while stops.asked < 2:
            if config.guarded:
                guard.look()
            notifier.ready(guard.state)
            notifier.turn(lambda: f"{guard.state} {guard.lease_name} {guard.why}")
            if stops.asked:
                notifier.stopping("until the trader is seen alive, or its orders gone")
                if guard.may_leave():
                    break
            time.sleep(LOOK_S)
    finally:
        delivery.close()
    if guard.state in (WATCHING, ACTING):
        log.warning("nobody watches the trader's orders now", state=guard.state, lease=guard.lease_name)
    log.info("stopped")
    return EXIT_DONE


if __name__ == "__main__":
    sys.modules["scipy"] = None  # type: ignore[assignment]  # numba would, for what no kernel uses
    sys.modules["rich"] = None  # type: ignore[assignment]  # structlog would load it, where it finds it, for tracebacks
    sys.exit(main())
