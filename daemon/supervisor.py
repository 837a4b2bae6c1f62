"""`quantd up`, as `python -m daemon.supervisor --config FILE [OPTIONS]`: trader and follower, and what the config names
beside them, as children of one process that starts, restarts and stops them in order. Knows command lines, exit codes
and signals; nothing of what they do.

What crashes is started again after a while. A trader only so often: then it is not well enough to trade. What is beside
it never stops it, and is tried as long as it lasts. The trader's end is the end: the follower then catches up and ends,
then the guard, then ops, which tells of all that, and the paper gateway is the last.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from core.errors import JournalError
from daemon.commands import (
    follower_command,
    gateway_command,
    guard_command,
    ops_command,
    ship_command,
    trader_command,
)
from daemon.lock import hold_lock
from daemon.log import process_log
from daemon.notify import Notifier
from daemon.spokesman import Spokesman
from daemon.status.processes import (
    ENDED,
    GIVEN_UP,
    LOCK_NAME,
    REFUSED,
    RUNNING,
    WAITING,
    ProcessPicture,
    UpPicture,
    write_up,
)

EXIT_DONE: Final = 0
EXIT_FAILED: Final = 1
EXIT_CONFIG: Final = 2
RESTART_SECONDS_MIN: Final = 0.5  # before the first restart; doubled with each that follows soon
RESTART_SECONDS_MAX: Final = 30.0
RESTARTS_MAX: Final = 6  # of the trader within RESTART_WINDOW_SECONDS; then it is given up
RESTART_WINDOW_SECONDS: Final = 600.0
STOP_SECONDS_MAX: Final = 30.0  # for one child after its SIGTERM; then it is asked again, and killed
KILL_SECONDS: Final = 5.0
LISTEN_SECONDS_MAX: Final = 120.0  # for a gateway to listen; then the trader is started all the same
LISTEN_POLL_SECONDS: Final = 0.1
GUARD_SECONDS: Final = 60.0  # beyond the lease: for its cancels, and for a gateway that is away
OPS_SECONDS: Final = 35.0  # its parts may take 30 s to say good-bye


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """One process to be kept up. Without files its output goes where ours goes."""

    name: str
    command: Callable[[], list[str]]
    output: Path | None = None
    errors: Path | None = None
    stop_s: float = 0.0  # for its end after a SIGTERM, where that takes longer than everybody else's
    listens: tuple[str, int] | None = None  # the trader is started when somebody answers there


class Supervisor:
    """Runs a trader, and others `beside` it, until the trader is done or `stop` is asked for. Those beside end after it
    in their order, and start before it in the opposite one. With a `state` directory it says there how they are.
    """

    def __init__(
        self,
        trader: Child,
        beside: Sequence[Child],
        log: structlog.typing.FilteringBoundLogger,
        *,
        notifier: Notifier | None = None,
        state: Path | None = None,
    ) -> None:
        self._beside = tuple(beside)
        self.restarts = {child.name: 0 for child in (trader, *self._beside)}
        self.trader_exit: int | None = None  # of the last one, once it is not started again
        self._trader = trader
        self._log = log
        self._state = state
        self._pictures: dict[str, ProcessPicture] = {}
        self._stopping = asyncio.Event()
        self._processes: dict[str, Process] = {}
        self.spokesman = Spokesman(notifier or Notifier())

    @property
    def running(self) -> bool:
        """Whether the trader is up, or will be again."""
        return self.trader_exit is None

    def stop(self) -> None:
        """Ask for the end: the trader first, then the follower."""
        self._stopping.set()
        self.spokesman.stopping()

    async def run(self) -> int:
        """Returns the exit code: 0 the trader ended well, 2 its config is wrong, 1 anything else."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.stop)
        self.spokesman.open()
        try:
            async with asyncio.TaskGroup() as tasks:
                kept: list[tuple[Child, asyncio.Event, asyncio.Task[int]]] = []
                for child in reversed(self._beside):
                    ends = asyncio.Event()
                    kept.insert(0, (child, ends, tasks.create_task(self._keep(child, ends))))
                await asyncio.sleep(0)  # they start before the trader
                await self._await_listeners({child: keeping for child, _, keeping in kept})
                self.trader_exit = await self._keep(self._trader, self._stopping)
                self._log.info("trader ended", code=self.trader_exit)
                self.spokesman.stopping()
                patient = self.trader_exit == EXIT_DONE and not self._stopping.is_set()
                for child, ends, keeping in kept:
                    ends.set()
                    await self._end(child, keeping, patient=patient)
                    patient = False
        finally:
            self._kill_all()
            self.spokesman.close()
        if self._stopping.is_set() and self.trader_exit == -signal.SIGTERM:
            return EXIT_DONE  # stopped before it had begun
        return self.trader_exit if self.trader_exit in (EXIT_DONE, EXIT_CONFIG) else EXIT_FAILED

    async def _await_listeners(self, kept: dict[Child, asyncio.Task[int]]) -> None:
        """Until the trader would be answered: a gateway that builds its tables first costs it no restart."""
        for child, keeping in kept.items():
            end_s = time.monotonic() + LISTEN_SECONDS_MAX
            over = keeping.done  # it was given up
            while child.listens and not over() and not self._stopping.is_set() and time.monotonic() < end_s:
                with contextlib.suppress(OSError):
                    async with asyncio.timeout(LISTEN_POLL_SECONDS * 10):
                        _, writer = await asyncio.open_connection(*child.listens)
                    writer.close()
                    break
                await asyncio.sleep(LISTEN_POLL_SECONDS)

    # ---- one child ---------------------------------------------------------------------------------------------
    async def _keep(self, child: Child, ending: asyncio.Event) -> int:
        """Start a child again and again until it ends well, may not go on, or `ending` is set; its last exit code."""
        recent: deque[float] = deque(maxlen=RESTARTS_MAX)
        while True:
            process = await self._start(child)
            if child is self._trader:
                code = await self._until_stop(child, process)
                self.spokesman.ended()
            else:
                code = await process.wait()
            if ending.is_set() or (code == EXIT_DONE and child is self._trader):
                self._tell(child, ENDED, code)
                return code
            now_s = time.monotonic()
            soon = [then_s for then_s in recent if now_s - then_s < RESTART_WINDOW_SECONDS]
            if self._lost(child, code, len(soon)):
                return code
            recent.append(now_s)
            wait_s = min(RESTART_SECONDS_MAX, RESTART_SECONDS_MIN * 2 ** len(soon))
            self.restarts[child.name] += 1
            self._log.warning("child died", child=child.name, code=code, again_in_s=wait_s, number=len(soon) + 1)
            self._tell(child, WAITING, code)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), wait_s)
                self._tell(child, ENDED, code)
                return code

    def _lost(self, child: Child, code: int, restarts: int) -> bool:
        """Whether it is not started again. A trader that dies again and again must not trade; a guard that does may
        still be needed.
        """
        if code == EXIT_CONFIG:
            self._log.critical("config refused, not started again", child=child.name)
            self._tell(child, REFUSED, code)
            return True
        if child is self._trader and restarts == RESTARTS_MAX:
            self._log.critical("given up", child=child.name, code=code, restarts=restarts)
            self._tell(child, GIVEN_UP, code)
            return True
        return False

    def _tell(self, child: Child, state: str, code: int | None = None) -> None:
        """Write how they are; a disk that takes nothing ends nobody."""
        process = self._processes.get(child.name)
        self._pictures[child.name] = ProcessPicture(
            name=child.name,
            state=state,
            pid=0 if process is None else process.pid,
            restarts=self.restarts[child.name],
            code=code,
            since_ns=time.time_ns(),
        )
        if self._state is None:
            return
        names = (self._trader, *self._beside)
        processes = tuple(self._pictures[one.name] for one in names if one.name in self._pictures)
        try:
            write_up(self._state, UpPicture(pid=os.getpid(), processes=processes))
        except OSError as fault:
            self._log.warning("status not written", fault=str(fault))

    async def _start(self, child: Child) -> Process:
        with contextlib.ExitStack() as files:
            output = None if child.output is None else files.enter_context(child.output.open("ab"))
            errors = None if child.errors is None else files.enter_context(child.errors.open("ab"))
            process = await asyncio.create_subprocess_exec(
                *child.command(),
                stdin=DEVNULL,
                stdout=output,
                stderr=errors,
                process_group=0,  # Ctrl-C is ours alone: they get a SIGTERM, each at its time
                env=self.spokesman.environment() if child is self._trader else None,
            )
        self._processes[child.name] = process
        self._log.info("child started", child=child.name, pid=process.pid)
        before = self._pictures.get(child.name)
        self._tell(child, RUNNING, None if before is None else before.code)
        return process

    async def _until_stop(self, child: Child, process: Process) -> int:
        """Wait for the trader's end, which a stop brings about."""
        ended = asyncio.create_task(process.wait())
        await self._first(ended)
        if not ended.done():
            await self._end(child, ended, patient=False)
        return await ended

    async def _first(self, ended: "asyncio.Task[int]") -> None:
        """Until this ends or a stop is asked for."""
        asked = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((ended, asked), return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()

    async def _end(self, child: Child, ended: "asyncio.Task[int]", *, patient: bool) -> None:
        """SIGTERM, then harder; `patient` waits as long as nobody asks for the end."""
        self._signal(child, signal.SIGTERM)
        if patient:
            await self._first(ended)
            self._signal(child, signal.SIGTERM)
        for number, seconds in (
            (0, max(STOP_SECONDS_MAX, child.stop_s)),
            (signal.SIGTERM, KILL_SECONDS),
            (signal.SIGKILL, KILL_SECONDS),
        ):
            if ended.done():
                return
            if number:
                self._log.warning("child does not end", child=child.name, signal=int(number))
                self._signal(child, number)
            await asyncio.wait((ended,), timeout=seconds)

    def _signal(self, child: Child, number: int) -> None:
        process = self._processes.get(child.name)
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    def _kill_all(self) -> None:
        """On the way out nothing may be left, whatever happened."""
        for process in self._processes.values():
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()


def guard_child(config: Path, parent: int, *, lease_s: float, output: Path | None = None) -> Child:
    """The guard as a child: a trader that did not end well leaves it a lease to wait for, and orders to cancel."""
    return Child(
        name="guard",
        command=lambda: guard_command(config, parent=parent),
        output=output,
        errors=output,
        stop_s=lease_s + GUARD_SECONDS,
    )


def gateway_child(
    config: Path, parent: int, *, listens: tuple[str, int] | None = None, output: Path | None = None
) -> Child:
    """The paper gateway as a child; the trader will find it at `listens`."""
    file = config.absolute()
    return Child(
        name="gateway",
        command=lambda: gateway_command(file, parent=parent),
        output=output,
        errors=output,
        listens=listens,
    )


def _children(given: argparse.Namespace) -> tuple[Child, list[Child]]:
    """The trader, and those beside it in the order in which they end."""
    config, parent = given.config.absolute(), os.getpid()
    trader = Child(name="trader", command=lambda: trader_command(config, as_json=given.json, parent=parent))
    beside = [Child(name="follower", command=lambda: follower_command(config, upgrade=True, parent=parent))]
    if given.guard:
        beside.append(guard_child(config, parent, lease_s=given.guard))
    if given.ship:
        beside.append(Child(name="ship", command=lambda: ship_command(config, parent=parent)))
    if given.ops:
        beside.append(Child(name="ops", command=lambda: ops_command(config, parent=parent), stop_s=OPS_SECONDS))
    if given.gateway:
        host, _, port = given.gateway_at.rpartition(":")
        beside.append(gateway_child(given.gateway, parent, listens=(host, int(port)) if host else None))
    return trader, beside


def main(arguments: list[str] | None = None) -> int:
    """Keep them up for one config; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m daemon.supervisor")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--state", type=Path, help="where to say how the processes are")
    parser.add_argument("--guard", type=float, default=0.0, help="seconds of the trader's lease; 0 = no guard")
    parser.add_argument("--ops", action="store_true", help="with the ops process")
    parser.add_argument("--ship", action="store_true", help="ship the journal")
    parser.add_argument("--gateway", type=Path, help="a paper gateway's file")
    parser.add_argument("--gateway-at", default="", metavar="HOST:PORT", help="where the trader will find it")
    parser.add_argument("--json", action="store_true", help="the trader's summary as JSON")
    given = parser.parse_args(arguments)
    trader, beside = _children(given)
    with process_log("up") as process:
        try:
            if given.state is not None:
                given.state.mkdir(parents=True, exist_ok=True, mode=0o700)
                hold_lock(given.state / LOCK_NAME, f"{given.state}: another `quantd up` (pid {{pid}}) runs there")
        except (JournalError, OSError) as fault:
            process.last_words(f"failed: {fault}")
            return EXIT_FAILED
        notifier = Notifier.of_environment()
        return asyncio.run(Supervisor(trader, beside, process.log, notifier=notifier, state=given.state).run())


if __name__ == "__main__":
    sys.exit(main())
