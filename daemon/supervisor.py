"""`quantd up`, as `python -m daemon.supervisor --config FILE [--guard SECONDS] [--ship] [--gateway FILE] [--json]`:
trader and follower, a guard where there is a broker, who ships the journal and a paper gateway where the config names
them, as children of one process that starts, restarts and stops them in order. Knows command lines, exit codes and
signals; nothing of what they do.

A child that crashes is started again after a while, and only so often. The trader's end is the end: the follower then
catches up and ends too, and the gateway is the last. What cannot run beside the trader never stops it.
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
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import structlog

from daemon.commands import follower_command, gateway_command, guard_command, ship_command, trader_command
from daemon.log import process_log
from daemon.notify import Notifier
from daemon.spokesman import Spokesman

EXIT_DONE: Final = 0
EXIT_FAILED: Final = 1
EXIT_CONFIG: Final = 2
RESTART_SECONDS_MIN: Final = 0.5  # before the first restart; doubled with each that follows soon
RESTART_SECONDS_MAX: Final = 30.0
RESTARTS_MAX: Final = 6  # within RESTART_WINDOW_SECONDS; then the child is given up
RESTART_WINDOW_SECONDS: Final = 600.0
STOP_SECONDS_MAX: Final = 30.0  # for one child after its SIGTERM; then it is asked again, and killed
KILL_SECONDS: Final = 5.0
GUARD_SECONDS: Final = 60.0  # beyond the lease: for its cancels, and for a gateway that is away


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """One process to be kept up. Without files its output goes where ours goes."""

    name: str
    command: Callable[[], list[str]]
    output: Path | None = None
    errors: Path | None = None
    stop_s: float = 0.0  # for its end after a SIGTERM, where that takes longer than everybody else's


class Supervisor:
    """Runs a trader, and others beside it, until the trader is done or `stop` is asked for. A gateway starts first and
    ends last.
    """

    def __init__(
        self,
        trader: Child,
        follower: Child,
        log: structlog.typing.FilteringBoundLogger,
        *,
        guard: Child | None = None,
        ship: Child | None = None,
        gateway: Child | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        self._beside = (follower, *(child for child in (guard, ship, gateway) if child is not None))
        self.restarts = {child.name: 0 for child in (trader, *self._beside)}
        self.trader_exit: int | None = None  # of the last one, once it is not started again
        self._trader = trader
        self._log = log
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
                return code
            if code == EXIT_CONFIG:
                self._log.critical("config refused, not started again", child=child.name)
                return code
            now_s = time.monotonic()
            soon = [then_s for then_s in recent if now_s - then_s < RESTART_WINDOW_SECONDS]
            if len(soon) == RESTARTS_MAX:
                self._log.critical("given up", child=child.name, code=code, restarts=len(soon))
                return code
            recent.append(now_s)
            wait_s = min(RESTART_SECONDS_MAX, RESTART_SECONDS_MIN * 2 ** len(soon))
            self.restarts[child.name] += 1
            self._log.warning("child died", child=child.name, code=code, again_in_s=wait_s, number=len(soon) + 1)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), wait_s)
                return code

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


def gateway_child(config: Path | None, parent: int, *, output: Path | None = None) -> Child | None:
    """The paper gateway as a child, if there is one."""
    if config is None:
        return None
    file = config.absolute()
    return Child(name="gateway", command=lambda: gateway_command(file, parent=parent), output=output, errors=output)


def main(arguments: list[str] | None = None) -> int:
    """Keep both up for one config; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m daemon.supervisor")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--guard", type=float, default=0.0, help="seconds of the trader's lease; 0 = no guard")
    parser.add_argument("--ship", action="store_true", help="ship the journal")
    parser.add_argument("--gateway", type=Path, help="a paper gateway's file")
    parser.add_argument("--json", action="store_true", help="the trader's summary as JSON")
    given = parser.parse_args(arguments)
    config, parent = given.config.absolute(), os.getpid()
    trader = Child(name="trader", command=lambda: trader_command(config, as_json=given.json, parent=parent))
    follower = Child(name="follower", command=lambda: follower_command(config, upgrade=True, parent=parent))
    guard = guard_child(config, parent, lease_s=given.guard) if given.guard else None
    ship = Child(name="ship", command=lambda: ship_command(config, parent=parent)) if given.ship else None
    gateway = gateway_child(given.gateway, parent)
    with process_log("up") as process:
        notifier = Notifier.of_environment()
        supervisor = Supervisor(
            trader, follower, process.log, guard=guard, ship=ship, gateway=gateway, notifier=notifier
        )
        return asyncio.run(supervisor.run())


if __name__ == "__main__":
    sys.exit(main())
