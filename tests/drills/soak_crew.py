"""The processes of the drill `soak`, kept by `quantd up` or, as systemd keeps them, each for itself: then the trader
can be started anew every night while the others live on. Knows how they start and end, nothing of what they do.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from daemon.commands import follower_command, ops_command
from daemon.status.processes import ENDED, RUNNING, read_up
from tests.fakes.live_pair import ROOT, Pair

PROCESSES: Final = ("trader", "follower", "guard", "ops", "gateway")
END_S: Final = 300.0  # for the end of all in their order
WITH_US: Final = ("setpriv", "--pdeathsig=TERM")  # a drill that is killed leaves nobody behind
ENVIRONMENT: Final = {**os.environ, "PYTHONPATH": str(ROOT)}


class ByUp:
    """`quantd up` on the pair's files: its end is everybody's."""

    lead = "up"  # the process of ours that runs as long as all is well

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def start(self) -> None:
        """All of them; nobody waits."""
        _spawn(
            self._pair, "up", [sys.executable, "-m", "daemon.cli", "up", "-c", str(self._pair.trader_file), "--json"]
        )

    def restart_trader(self) -> list[str]:
        """The trader's end is everybody's: never here."""
        raise NotImplementedError("quantd up ends with its trader")

    def died(self) -> list[str]:
        """Whoever is not up, or was started again."""
        found = {name: told for name, told in self._told().items() if told[:2] != (RUNNING, 0)}
        return [f"not up from start to end: {found}"] if found or len(self._told()) < len(PROCESSES) else []

    def end(self) -> list[str]:
        """All of them in their order; who did not end well."""
        code = self._pair.stop("up", deadline_s=END_S)
        found = {name: told for name, told in self._told().items() if told != (ENDED, 0, 0)}
        ended = [f"quantd up ended with {code}: {self._pair.logs()}"] if code else []
        return ended + ([f"not ended well: {found}"] if found else [])

    def _told(self) -> dict[str, tuple[str, int, int | None]]:
        picture = read_up(self._pair.trader_state)
        processes = picture.processes if picture is not None else ()
        return {one.name: (one.state, one.restarts, one.code) for one in processes}


class Alone:
    """Each by its own command, as the units do it."""

    lead = "ops"

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def start(self) -> None:
        """The trader as the last, when the gateway listens."""
        pair = self._pair
        pair.start("gateway")
        _spawn(pair, "follower", follower_command(pair.trader_file))
        _spawn(pair, "ops", ops_command(pair.trader_file))
        pair.start("guard", "trader")

    def restart_trader(self) -> list[str]:
        """Announced: a stop in good order, and a new one that is READY when this returns."""
        code = self._pair.stop("trader")
        self._pair.start("trader")
        return [f"the trader ended with {code}: {self._pair.logs()}"] if code else []

    def died(self) -> list[str]:
        """Whoever has ended."""
        codes = {name: process.poll() for name, process in self._pair.processes.items()}
        found = {name: code for name, code in codes.items() if code is not None}
        return [f"not up to the end: {found}"] if found else []

    def end(self) -> list[str]:
        """All of them in their order; who did not end well."""
        codes = {name: self._pair.stop(name, deadline_s=END_S) for name in PROCESSES}
        found = {name: code for name, code in codes.items() if code}
        return [f"not ended well: {found}: {self._pair.logs()}"] if found else []


@contextmanager
def crew(pair: Pair, *, by_up: bool) -> Iterator[ByUp | Alone]:
    """All of them are up in here, and none is left of them."""
    one = ByUp(pair) if by_up else Alone(pair)
    try:
        one.start()
        yield one
    finally:
        for process in pair.processes.values():  # what `quantd up` has started ends with it, in order
            process.send_signal(signal.SIGTERM)
        for process in pair.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_S)


def _spawn(pair: Pair, name: str, command: list[str]) -> None:
    with (pair.folder / f"{'trader' if name == 'up' else name}.log").open("ab") as log:
        pair.processes[name] = subprocess.Popen(
            [*WITH_US, *command], cwd=ROOT, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
