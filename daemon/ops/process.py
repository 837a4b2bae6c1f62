"""The parts of the ops process that a config names, run side by side: a part that fails is started again after a while
and counted, and the others go on. Knows when parts start and end; nothing of what they do.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from core.errors import ConfigError
from daemon.config import Config
from daemon.ops.view import View

AGAIN_S_MIN: Final = 0.5  # before a part is started again; doubled with each failure that follows soon
AGAIN_S_MAX: Final = 30.0
WELL_S: Final = 60.0  # a part that ran this long begins anew with AGAIN_S_MIN
LEAVE_S: Final = 30.0  # all parts together, to end cleanly; a second signal ends them at once


class Part(Protocol):
    """One of them. `run` goes on until it is cancelled; it reads `view`, and never holds up the loop."""

    name: str

    async def run(self, view: View) -> None:
        """Work. An exception means: start it again."""
        ...


def build_parts(config: Config, log: structlog.typing.FilteringBoundLogger) -> list[Part]:
    """What the config asks for. Raises ConfigError on a secret that cannot be read and the like."""
    from daemon.ops.alerts import AlertsPart
    from daemon.ops.http.server import HttpPart

    parts: list[Part] = [HttpPart(config, log)]
    if config.ops.mqtt.host:
        from daemon.ops.mqtt.bridge import MqttPart

        parts.append(MqttPart(config, log))
    if config.ops.cluster.lease:
        from daemon.ops.cluster import ClusterPart

        parts.append(ClusterPart(config, log))
    if config.alerts.to:
        parts.append(AlertsPart(config, log))
    return parts


class Ops:
    """Runs parts until `stop`."""

    def __init__(self, view: View, parts: Sequence[Part], log: structlog.typing.FilteringBoundLogger) -> None:
        self._view = view
        self._parts = parts
        view.parts = tuple(part.name for part in parts)
        self._log = log
        self._stops = 0
        self._stopping = asyncio.Event()
        self._at_once = asyncio.Event()

    def stop(self) -> None:
        """Ask for the end; the second time, at once."""
        self._stops += 1
        (self._stopping if self._stops == 1 else self._at_once).set()

    async def run(self) -> None:
        """Until `stop`, or until a part says that its config is wrong (ConfigError)."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.stop)
        async with self._view:
            kept = [asyncio.create_task(self._keep(part), name=part.name) for part in self._parts]
            stop = asyncio.create_task(self._stopping.wait())
            try:
                await asyncio.wait((stop, *kept), return_when=asyncio.FIRST_COMPLETED)
            finally:
                stop.cancel()
                await self._end(kept)
            for task in kept:
                if not task.cancelled() and (fault := task.exception()) is not None:
                    raise fault

    async def _end(self, kept: "list[asyncio.Task[None]]") -> None:
        """Parts say good-bye within LEAVE_S; then, or when asked again, they are cut off."""
        for task in kept:
            task.cancel()
        hurry = asyncio.create_task(self._at_once.wait())
        leaving = asyncio.gather(*kept, return_exceptions=True)
        await asyncio.wait((leaving, hurry), timeout=LEAVE_S, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        for task in kept:
            if not task.done():
                self._log.warning("part does not end", part=task.get_name())
                task.cancel()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(leaving, 1.0)

    async def _keep(self, part: Part) -> None:
        """Start a part again and again."""
        view, again_s = self._view, AGAIN_S_MIN
        while True:
            began_s = time.monotonic()
            view.faults.pop(part.name, None)
            try:
                await part.run(view)
                fault = "it ended"
            except ConfigError:
                raise
            except Exception as error:  # edge: one part's failure is never another's
                fault = f"{type(error).__name__}: {error}"
            if time.monotonic() - began_s > WELL_S:
                again_s = AGAIN_S_MIN
            view.restarts[part.name] = view.restarts.get(part.name, 0) + 1
            view.faults[part.name] = " ".join(fault.split())[:400]
            self._log.warning("part failed", part=part.name, fault=view.faults[part.name], again_in_s=again_s)
            await asyncio.sleep(again_s)
            again_s = min(AGAIN_S_MAX, again_s * 2)
