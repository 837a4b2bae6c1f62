"""`python -m daemon.follower --config FILE [--state DIR] [--upgrade] [--parent PID]`: the follower process. `quantd
follow` execs into it.
"""

import argparse
import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ConfigError, QuantdError
from daemon.notify import Notifier
from daemon.stops import Stops

if TYPE_CHECKING:
    from daemon.config import Config
    from daemon.follower.recording import Recording
    from daemon.log import ProcessLog
    from daemon.state_dir import StateDirectory

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_CONFIG = 2


def main(arguments: list[str] | None = None) -> int:
    """Follow until a signal; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m daemon.follower")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--upgrade", action="store_true", help="bring an embedded database's schema up to date first")
    parser.add_argument("--parent", type=int, help="end when this process is gone")
    given = parser.parse_args(arguments)
    if given.parent is not None:
        from daemon.lifeline import end_with

        end_with(given.parent)
    stops = Stops()  # before the slow imports: who asks now gets the journal up to its end, too
    from daemon.log import process_log  # after `rich` was put out of its reach, see below

    with process_log("follower") as process:
        try:
            return _run(given.config.absolute(), given.state, stops, process, upgrade=given.upgrade)
        except ConfigError as fault:
            process.last_words(str(fault))
            return EXIT_CONFIG
        except QuantdError as fault:
            process.last_words(f"failed: {fault}")
            return EXIT_FAILED


def _run(path: Path, state_dir: Path | None, stops: Stops, process: "ProcessLog", *, upgrade: bool) -> int:
    from daemon.kernels import configure  # sets numba's environment before anything imports numba

    configure()
    gc.disable()  # modules leave next to nothing to collect, and looking for it is a tenth of a start
    from daemon.config import load_config
    from daemon.digests import code_version
    from daemon.follower.follower import Follower
    from daemon.follower.reporter import Reporter
    from daemon.lock import hold_lock
    from daemon.state_dir import StateDirectory
    from daemon.status.follower import LOCK_NAME

    gc.enable()
    assert __debug__, "never run with -O: invariants are asserted"
    config = load_config(path, state_dir=state_dir)
    state = StateDirectory(Path(config.state_dir))
    state.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    hold_lock(state.path / LOCK_NAME, f"{state.path}: another follower (pid {{pid}}) follows this trader")
    process.know(config)
    process.bind(account=config.account.tag)
    log = process.log
    reporter = Reporter(state.path, log) if config.broker_feed else None  # a tape's days end by the minute
    recording = recording_of(config, state, log, upgrade=upgrade)
    notifier = Notifier.of_environment()
    follower = Follower(state, code_version(), recording, log, reporter=reporter, notifier=notifier)

    stops.call(follower.stop)
    follower.run()
    log.info("stopped")
    return EXIT_DONE


def recording_of(config: "Config", state: "StateDirectory", log: Any, *, upgrade: bool) -> "Recording":
    """The SQL part. An embedded database belongs to nobody else, so its schema may be brought up to date unasked."""
    from daemon.follower.address import address_of
    from daemon.follower.recording import Recording
    from daemon.follower.sql_follower import SqlFollower
    from daemon.follower.upgrade import upgrade as upgrade_schema

    def connect() -> SqlFollower:
        address = address_of(config.record)
        if upgrade and address.is_sqlite:
            upgrade_schema(address)
        return SqlFollower.of(state.journal, config.record)

    def tell(severity: str, text: str) -> None:
        getattr(log, severity)("alert" if severity == "warning" else "recording", text=text)

    return Recording(connect, batch_records=config.record.batch_records, tell=tell)


if __name__ == "__main__":
    sys.modules["scipy"] = None  # type: ignore[assignment]  # numba would, for what no kernel uses
    sys.modules["rich"] = None  # type: ignore[assignment]  # structlog would load it, where it finds it, for tracebacks
    sys.exit(main())
