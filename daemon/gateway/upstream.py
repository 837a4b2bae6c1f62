"""A gateway fed by another one: market rows come from TWS, IB Gateway or a paper gateway through our own adapter,
orders are matched here.

Owns the connection upstream and its clock. While it is down, clients see the market farm broken.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from broker.feeds.merge import ControlFact
from broker.gateway.machine import GatewayMachine
from broker.ib.adapter import IbAdapter
from core import commands as c
from core import events as e
from core.errors import ConfigError
from core.units import NANO
from daemon.announced import announced_clock
from daemon.clock import GatewayClock, WallClock
from daemon.config import Config
from daemon.gateway.arrivals import UpstreamTape
from daemon.gateway.clock import ClockOrigin, origin_at
from daemon.gateway.market import HISTORY
from daemon.reference.tables import ReferenceTables, build_reference

DAYS_AHEAD: Final = timedelta(days=60)
PATIENCE_S: Final = 60.0  # a paper gateway upstream may still be starting
CLOSE_S: Final = 10.0
BACKWARDS_NS: Final = 60 * NANO  # a state further ahead of the clock is another market's


class UpstreamClock:
    """The time of the market upstream: the wall's, or the one a paper gateway announced."""

    def __init__(self, clock: WallClock | GatewayClock) -> None:
        self.clock = clock

    @property
    def speed(self) -> float:
        """Seconds of the market in a second of the wall."""
        return self.clock.speed if isinstance(self.clock, GatewayClock) else 1.0

    @property
    def origin(self) -> ClockOrigin:
        """As if it had begun now."""
        return origin_at(self.now_ns(), speed=self.speed)

    def now_ns(self) -> int:
        """Never backwards."""
        return self.clock.now_ns()

    def wall_s(self, duration_ns: int) -> float:
        """On the wall, in seconds."""
        return self.clock.wall_s(duration_ns)


class Upstream:
    """Implements core.ports.BrokerSink. `wake` asks for a turn."""

    def __init__(self, config: Config, log: Any) -> None:
        self._config = config
        self._log = log
        self.clock = UpstreamClock(WallClock())
        self.adapter: IbAdapter | None = None
        self._tape: UpstreamTape | None = None
        self._machine: GatewayMachine | None = None
        self._wake: Callable[[], None] = _nobody
        self._last_ns = 0
        self._broken = 0  # number of the fault that clients see while nothing comes

    async def open(self) -> ReferenceTables:
        """The clock first: the tables are of its days. Raises BrokerFault, ConfigError."""
        await self.learn_clock()
        today = datetime.fromtimestamp(self.clock.now_ns() // NANO, UTC).date()
        return build_reference(self._config, first=today - HISTORY, last=today + DAYS_AHEAD)

    async def learn_clock(self) -> None:
        """Ask what time it is upstream, if it has a time of its own. Raises BrokerFault."""
        if self._config.ib.clock == "gateway":
            found = await announced_clock(self._config.ib, patience_s=PATIENCE_S, stopped=lambda: False)
            self.clock = UpstreamClock(GatewayClock(*found))

    def check(self, stands_ns: int) -> None:
        """The kept state is of this market. Raises ConfigError."""
        if self.clock.now_ns() < stands_ns - BACKWARDS_NS:
            raise ConfigError("state_dir: its state is of a later time than the market upstream; use a fresh state_dir")

    async def start(self, machine: GatewayMachine, tape: UpstreamTape, tables: ReferenceTables, wake: Any) -> None:
        """Connect; what comes goes to the tape. Until it does, the market is blind."""
        self._machine, self._tape, self._wake = machine, tape, wake
        self._last_ns = machine.world.now_ns
        self._adopt()
        self._break("not connected yet")
        self.adapter = IbAdapter(
            self._config.ib,
            instruments=tables.contracts,
            account=self._config.account.id,
            account_tag=self._config.account.tag,
            clock=self.clock.clock,
            sink=self,
            log=self._log,
            profile=self._config.feed.profile,
            calendars=tables.calendars(),
        )
        async with asyncio.timeout(CLOSE_S):
            await self.adapter.start()

    async def close(self) -> None:
        """Hang up."""
        if self.adapter is not None:
            async with asyncio.timeout(CLOSE_S):
                await self.adapter.close()

    def failure(self) -> BaseException | None:
        """What ended the adapter for good."""
        ended = None if self.adapter is None else self.adapter.ended
        return ended.exception() if ended is not None and ended.done() else None

    # ---- core.ports.BrokerSink -----------------------------------------------------------------------------------
    def row(
        self, exchange_ts_ns: int, inst: int, kind: int, flags: int,
        bid_px_nanos: int, ask_px_nanos: int, bid_qty_nanos: int, ask_qty_nanos: int,
    ) -> None:  # fmt: skip
        """One market row, received now."""
        assert self._tape is not None
        numbers = (bid_px_nanos, ask_px_nanos, bid_qty_nanos, ask_qty_nanos)
        self._tape.put((self._now_ns(), exchange_ts_ns, inst, kind, flags, *numbers))
        self._wake()

    def fact(self, event: Any) -> None:
        """The market's facts go in; the link's say what clients see; the account upstream is nobody's here."""
        assert self._tape is not None
        if type(event) in (e.HaltChanged, e.FeedGapped):
            self._tape.put(ControlFact(self._now_ns(), event))
        elif type(event) is e.LinkRestored and self.adapter is not None:
            self.adapter.submit(c.RequestSync(reason="upstream"), ts_ns=self.clock.now_ns())
        elif type(event) is e.SyncCompleted and event.complete:
            self._mend()
        elif type(event) in (e.LinkLost, e.LinkDegraded):
            self._break(event.reason)
        self._wake()

    def _now_ns(self) -> int:
        """Rows never go back, and none lies before the machine's present."""
        assert self._machine is not None
        self._last_ns = max(self._last_ns, self._machine.world.now_ns, self.clock.now_ns())
        return self._last_ns

    # ---- what clients see --------------------------------------------------------------------------------------
    def _adopt(self) -> None:
        """A fault of before a restart is still ours to end."""
        assert self._machine is not None
        for fault in self._machine.parts["faults"].listed():  # type: ignore[attr-defined]  # the part of that name
            if fault["name"] == "farm_broken" and not fault["until_ns"]:
                self._broken = fault["number"]

    def _break(self, reason: str) -> None:
        if self._broken:
            return
        self._log.warning("upstream", link="down", reason=reason)
        self._broken = self._operate({"command": "fault", "id": 0, "name": "farm_broken"})

    def _mend(self) -> None:
        if self._broken:
            self._log.info("upstream", link="up")
            self._operate({"command": "clear", "id": 0, "number": self._broken})
            self._broken = 0

    def _operate(self, command: dict[str, Any]) -> int:
        """A recorded command; the number of the fault it began."""
        assert self._machine is not None
        told = str(self._machine.operate(msgspec.json.encode(command).decode()))
        return int(told.partition(":")[0].removeprefix("fault ")) if told.startswith("fault ") else 0


def _nobody() -> None:
    """Not started yet."""
