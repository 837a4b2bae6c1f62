"""`python -m daemon.ship --config FILE [--state DIR] [--once] [--json] [--parent PID]`: the process that ships the
journal. `quantd journal ship` execs into it.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ConfigError, QuantdError
from daemon.notify import Notifier
from daemon.stops import Stops

if TYPE_CHECKING:
    from daemon.log import ProcessLog

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_CONFIG = 2


def main(arguments: list[str] | None = None) -> int:
    """Ship until a signal, or once; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m daemon.ship")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--once", action="store_true", help="end when the copy is all of the journal")
    parser.add_argument("--json", action="store_true", help="print how it stands at the end")
    parser.add_argument("--parent", type=int, help="end when this process is gone")
    given = parser.parse_args(arguments)
    if given.parent is not None:
        from daemon.lifeline import end_with

        end_with(given.parent)
    stops = Stops()  # before the slow imports
    from daemon.log import process_log  # after `rich` was put out of its reach, see below

    with process_log("ship") as process:
        try:
            return _run(given, stops, process)
        except ConfigError as fault:
            process.last_words(str(fault))
            return EXIT_CONFIG
        except QuantdError as fault:
            process.last_words(f"failed: {fault}")
            return EXIT_FAILED


def _run(given: argparse.Namespace, stops: Stops, process: "ProcessLog") -> int:
    from daemon.kernels import configure  # sets numba's environment before anything imports numba

    configure()
    import msgspec

    from daemon.config import load_config
    from daemon.lock import hold_lock
    from daemon.ship.card import check_card
    from daemon.ship.shipper import Shipper
    from daemon.ship.worker import Worker
    from daemon.state_dir import StateDirectory
    from daemon.status.ship import LOCK_NAME, ShipPicture

    config = load_config(given.config.absolute(), state_dir=given.state)
    if not config.ship.to:
        raise ConfigError("ship.to: names no folder: set it, then `quantd journal ship --new`")
    state, to = StateDirectory(Path(config.state_dir)), Path(config.ship.to)
    whose = {"account": config.account.id, "tag": config.account.tag}
    if given.once:
        check_card(to, **whose)  # who waits for the end is told at once; else a disk may be mounted later
    state.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    hold_lock(state.path / LOCK_NAME, f"{state.path}: another process (pid {{pid}}) ships this journal")
    process.know(config)
    process.bind(account=config.account.tag)
    log, notifier = process.log, Notifier.of_environment()
    worker = Worker(state, to, every_s=config.ship.every_s, **whose)
    shipper = Shipper(state.path, worker, log, journal=state.journal, to=to, behind_s_max=config.ship.behind_s_max)
    if given.once:
        shipper.stop()
    stops.call(shipper.stop)
    log.info("ship started", to=config.ship.to)

    def turned(picture: ShipPicture) -> None:
        status = f"{config.ship.to}: seq {picture.part.seq} of {picture.head_seq}; {picture.fault or 'no fault'}"
        if stops.asked:
            notifier.stopping(status)
        notifier.ready(status)
        notifier.turn(lambda: status)

    picture = shipper.run(turned)
    log.info("stopped", seq=picture.part.seq, behind=picture.part.lag_records, fault=picture.fault)
    if given.json:
        print(msgspec.json.encode(picture).decode())
    done = not picture.fault and not worker.running and (not given.once or worker.place.journal)
    return EXIT_DONE if done else EXIT_FAILED


if __name__ == "__main__":
    sys.modules["scipy"] = None  # type: ignore[assignment]  # numba would, for what no kernel uses
    sys.modules["rich"] = None  # type: ignore[assignment]  # structlog would load it, where it finds it, for tracebacks
    sys.exit(main())
