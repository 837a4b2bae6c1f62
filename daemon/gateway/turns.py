"""Brings the machine up to the present: rows and moments as the clock reaches them, at once before every input, else by
a timer. Synchronous inside; the only task reads the feed.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from broker.feeds.merge import ControlFact
from broker.gateway.machine import GatewayMachine
from broker.gateway.part import NEVER
from daemon.gateway.clock import Clock

ROWS_PER_TURN: Final = 4_096  # then the sockets are looked at: a few milliseconds of rows that somebody wants
DOZE_S_MAX: Final = 1.0


class Cursor(Protocol):
    """A feed on its way into the machine: tape.Tape, upstream.UpstreamTape."""

    @property
    def wants_more(self) -> bool: ...
    @property
    def behind(self) -> bool: ...
    @property
    def next_ns(self) -> int: ...
    @property
    def ended(self) -> bool: ...
    @property
    def controls(self) -> list[ControlFact]: ...
    async def fill(self) -> None: ...
    def run(self, until_ns: int, *, rows_max: int) -> bool: ...
    def run_to(self, *, rows_done: int, facts_done: int) -> bool: ...


class Turns:
    """`flush` is called after every turn: it sends what the turn said."""

    def __init__(self, machine: GatewayMachine, clock: Clock, tape: Cursor, flush: Callable[[], None]) -> None:
        self._machine = machine
        self._clock = clock
        self._tape = tape
        self._flush = flush
        self._running = False
        self._timer: asyncio.TimerHandle | None = None
        self._room = asyncio.Event()
        self._armed_ns = NEVER
        self.failure: Exception | None = None
        self.failed = asyncio.Event()
        self._input = False  # an input came since the loop was last idle
        self.behind_ns = 0  # how far the machine lags the clock

    def before_input(self) -> None:
        """Bring the machine up to date for an input; after it, the timer is set anew."""
        self.catch_up()
        self.soon()

    def soon(self) -> None:
        """Something came: a turn follows in the loop's next round."""
        if not self._input:
            self._input = True
            asyncio.get_running_loop().call_soon(self._after_input)

    def _after_input(self) -> None:
        self._input = False
        self._guarded(self.catch_up, self._flush)

    def catch_up(self) -> None:
        """Run what is due, at most one slice of rows. Does nothing while it is running already."""
        if self._running:
            return
        self._running = True
        try:
            now_ns, tape, machine = self._clock.now_ns(), self._tape, self._machine
            if tape.run(now_ns, rows_max=ROWS_PER_TURN) and not tape.behind:
                machine.advance_to(now_ns)
            self.behind_ns = max(0, now_ns - machine.world.now_ns)
            if tape.wants_more:
                self._room.set()
        finally:
            self._running = False

    def turn(self) -> None:
        """By the timer: run what is due, send it, and sleep until the next."""
        self._timer, self._armed_ns = None, NEVER
        self._guarded(self.catch_up, self._flush)

    def _guarded(self, *steps: Callable[[], None]) -> None:
        try:
            for step in steps:
                step()
        except Exception as fault:  # edge: the loop would only log it; the process must end by it
            self.fail(fault)
            return
        self.arm()

    def arm(self) -> None:
        """Set the timer for what comes next; earlier than before when an input has made something due."""
        next_ns = NEVER if self._tape.behind else min(self._tape.next_ns, self._machine.due_ns())
        if self._timer is not None:
            if next_ns >= self._armed_ns:
                return
            self._timer.cancel()
        now_ns = self._clock.now_ns()
        wait_s = min(self._clock.wall_s(next_ns - now_ns), DOZE_S_MAX) if next_ns > now_ns else 0.0
        self._armed_ns = next_ns
        self._timer = asyncio.get_running_loop().call_later(wait_s, self.turn)

    async def read(self) -> None:
        """Read the feed as the machine uses it up. Ends with the feed; raises what it raises."""
        while not self._tape.ended:
            if not self._tape.wants_more:
                self._room.clear()
                await self._room.wait()  # a turn sets it: no deadline, the market may be closed for days
                continue
            await self._tape.fill()  # the feed has a deadline of its own
            self.arm()

    def stop(self) -> None:
        """No more turns."""
        if self._timer is not None:
            self._timer.cancel()

    def fail(self, fault: Exception) -> None:
        """The process is to end with this."""
        self.failure = fault
        self.failed.set()
