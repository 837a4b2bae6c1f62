"""The Lease of a Kubernetes cluster, taken and renewed here and passed on to the trader, which sends orders only while
it holds (`guard.cluster_lease`). Talks to the API server and to the control socket; what is due and how long it holds
is the elector's to say.

A stop goes on renewing as long as the trader is there, which may still be closing, and gives the lease back only when
it is gone.
"""

import asyncio
import contextlib
import hashlib
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from core.errors import ConfigError
from core.units import NANO
from daemon.config import Config
from daemon.control.client import NotReachable
from daemon.lease import boot_id, boottime_ns, holder_name
from daemon.ops.elector import Elector, Send
from daemon.ops.kube import Kube, KubeFault
from daemon.ops.mqtt.line import TraderLine
from daemon.ops.view import ABSENT, LeasePicture, View

GRANT_S_MIN: Final = 1.0  # less is not worth telling (the trader takes no shorter one)
HURRY_PART: Final = 3  # after a request that came to nothing the next is made so much sooner
LEAVE_S: Final = 25.0  # at a stop: for the trader to end; shorter than what the process waits for its parts
RELEASES_MAX: Final = 3  # tries to give the lease back; one that fails costs another its wait, no more
NOBODY: Final = "nobody"  # whom the trader is told of when the lease names none


class ClusterPart:
    """Runs until it is cancelled."""

    name = "cluster"

    def __init__(
        self,
        config: Config,
        log: structlog.typing.FilteringBoundLogger,
        *,
        clock_ns: Callable[[], int] = boottime_ns,
    ) -> None:
        settings = config.ops.cluster
        self._settings = settings
        self._log = log
        self._clock_ns = clock_ns
        self._kube = Kube(settings)
        self._trader_name = holder_name(config.guard.holder)
        self._identity = identity_of(self._trader_name, Path(config.state_dir))
        self._line = TraderLine(Path(config.control.socket))
        self._elector = self._candidate()
        self._told = ""  # the holder that the trader heard last
        self._told_epoch = -1
        self._refusal = ""
        self._was_held = False

    def _candidate(self) -> Elector:
        return Elector(
            self._identity,
            name=self._settings.lease,
            namespace=self._kube.namespace,
            duration_s=self._settings.duration_s,
        )

    async def run(self, view: View) -> None:
        """Take, renew, pass on."""
        async with self._kube:
            try:
                while True:
                    await self._turn(view)
                    await self._pause(view)
            except asyncio.CancelledError:
                await self._leave(view)
                raise
            finally:
                self._line.hang_up()

    # ---- the lease ---------------------------------------------------------------------------------------------
    async def _turn(self, view: View) -> None:
        """One request, and a second where the first showed that there is something to write; then the trader."""
        await self._ask()
        if self._elector.write_due(self._clock_ns()) and not self._elector.held(self._clock_ns() + self._renew_ns()):
            await self._ask()
        held = self._elector.held(self._clock_ns())
        if held != self._was_held:
            self._was_held = held
            self._log.info("lease", held=held, holder=self._elector.holder or NOBODY, fault=self._elector.fault)
        await self._pass_on(view)
        view.lease = self._picture()

    def _renew_ns(self) -> int:
        return round((self._settings.duration_s - 2 * self._settings.renew_s) * NANO)

    async def _ask(self) -> None:
        await self._exchange(self._elector.request(self._clock_ns(), _wall()))

    async def _exchange(self, send: Send) -> None:
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                status, body = await self._kube.lease(send.method, send.body)
        except (KubeFault, TimeoutError) as fault:
            why = f"no answer within {self._settings.timeout_s:g} s" if isinstance(fault, TimeoutError) else str(fault)
            self._elector.unanswered(why)
        else:
            self._elector.answered(self._clock_ns(), status, body)
        if self._elector.fault:
            self._log.warning("lease not confirmed", fault=self._elector.fault, method=send.method)

    def _picture(self) -> LeasePicture:
        left_s = max(0.0, (self._elector.until_ns - self._clock_ns()) / NANO)
        elector = self._elector
        return LeasePicture(
            holder=elector.holder, held=left_s > 0, left_s=left_s, fault=elector.fault, told=self._refusal
        )

    # ---- the trader --------------------------------------------------------------------------------------------
    async def _pass_on(self, view: View) -> None:
        """What is left of our lease, each time; another's holder once, and after that to each run of the trader."""
        now_ns, elector = self._clock_ns(), self._elector
        left_s = (elector.until_ns - now_ns) / NANO
        if left_s >= GRANT_S_MIN:
            await self._tell(self._trader_name, left_s, now_ns)
        elif elector.has_seen_one and elector.holder != self._identity and self._told != elector.holder:
            await self._tell(elector.holder or NOBODY, GRANT_S_MIN, now_ns)

    async def _tell(self, holder: str, valid_s: float, now_ns: int) -> None:
        try:
            answer = await self._line.request("lease", holder=holder, valid_s=valid_s, asked_ns=now_ns)
        except NotReachable as fault:
            self._told, refusal = "", str(fault)
        else:
            self._told = holder
            refusal = answer.error
        if refusal != self._refusal and refusal:
            self._log.warning("the trader did not take the lease", holder=holder, why=refusal)
        self._refusal = refusal

    async def _pause(self, view: View) -> None:
        """Until the next renewal; a trader that comes up meanwhile is told at once."""
        every_s = self._settings.renew_s / (HURRY_PART if self._elector.fault else 1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(every_s):
                while True:
                    seen = await view.next_look()
                    epoch = seen.status.epoch if seen.trader != ABSENT and seen.status is not None else -1
                    if epoch != self._told_epoch:
                        self._told_epoch, self._told = epoch, ""
                        await self._pass_on(view)

    # ---- the end -----------------------------------------------------------------------------------------------
    async def _leave(self, view: View) -> None:
        """The trader first: it may be closing positions. Then the lease is free for another."""
        until_s = time.monotonic() + LEAVE_S
        while view.seen.trader_runs and time.monotonic() < until_s:
            await self._turn(view)
            await self._pause(view)
        if view.seen.trader_runs:
            self._log.warning("the trader is still there: the lease runs out by itself", holder=self._elector.holder)
            return
        for _ in range(RELEASES_MAX):
            if not self._elector.fresh:  # a request was cut off by the stop itself: whether it was done is not known
                await self._ask()
            send = self._elector.release(self._clock_ns(), _wall())
            if send is None:
                return
            await self._exchange(send)
            if not self._elector.fault:
                self._log.info("lease given back")
                return


def identity_of(name: str, state_dir: Path) -> str:
    """The name in the object: the trader's, and what tells two of one name apart. A pod that was forced away may run on
    where nobody sees it while one of the same name starts elsewhere: another boot. Two state directories on one machine
    are two traders; and one directory has one trader, which its lock sees to.
    """
    try:
        there = os.stat(state_dir)
    except OSError as fault:
        raise ConfigError(f"state_dir: {state_dir}: {fault.strerror}: it must be there before ops starts") from fault
    mark = hashlib.sha256(b"%s %d %d" % (boot_id(), there.st_dev, there.st_ino)).hexdigest()[:12]
    return f"{name}_{mark}"


def _wall() -> str:
    """For people who look at the object."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
