"""How the gateway's time passes: its clock, and turns that follow it."""

import asyncio
import time
from itertools import pairwise
from pathlib import Path

from broker.gateway.part import NEVER
from daemon.gateway.clock import ClockOrigin, ScaledClock, origin_at
from daemon.gateway.turns import ROWS_PER_TURN, Turns
from tests.fakes.gateway_built import Run, random_rows
from tests.fakes.gateway_wire import eventually
from tests.fakes.tape import OPEN_NS, SECOND


def test_time_goes_on_while_the_gateway_is_away() -> None:
    """Ten seconds of the wall at 50 times its speed are 500 of the market; a wall set back takes none away."""
    kept = ClockOrigin(tape_ns=OPEN_NS, wall_ns=time.time_ns() - 10 * SECOND, speed=50.0)
    clock = ScaledClock(kept)
    first = clock.now_ns()
    assert first >= OPEN_NS + 500 * SECOND
    assert first <= clock.now_ns()
    ahead = ClockOrigin(tape_ns=OPEN_NS, wall_ns=time.time_ns() + 3_600 * SECOND, speed=50.0)
    assert ScaledClock(ahead).now_ns() >= OPEN_NS
    assert clock.wall_s(100 * SECOND) == 2.0
    assert origin_at(OPEN_NS, speed=2.0).tape_ns == OPEN_NS


async def test_a_backlog_is_run_in_slices(tmp_path: Path) -> None:
    """More rows are due than one turn takes: inputs wait for one slice, not for all, and time stands where the rows
    are; the timer goes on at once.
    """
    count = ROWS_PER_TURN * 2 + 100
    run = Run(tmp_path, random_rows(1, count=count, seconds=100))
    await run.start()
    flushes: list[int] = []
    clock = ScaledClock(origin_at(OPEN_NS + 200 * SECOND, speed=1.0))
    turns = Turns(run.built.machine, clock, run.tape, lambda: flushes.append(run.built.machine.rows_done))
    reading = asyncio.create_task(turns.read())
    await eventually(lambda: run.built.machine.rows_done == count)
    await eventually(lambda: run.built.machine.world.now_ns >= OPEN_NS + 200 * SECOND)
    turns.stop()
    await reading
    assert max(later - earlier for earlier, later in pairwise(flushes)) <= ROWS_PER_TURN
    assert run.tape.ended
    assert run.tape.next_ns == NEVER
    assert turns.behind_ns < SECOND
    run.store.close()


async def test_a_failure_in_a_turn_ends_the_process(tmp_path: Path) -> None:
    """A timer's exception is kept and told; no further turn hides it."""
    run = Run(tmp_path, random_rows(1, count=50, seconds=10))
    await run.start()

    def fail() -> None:
        raise OSError("disk full")

    turns = Turns(run.built.machine, ScaledClock(origin_at(OPEN_NS, speed=1.0)), run.tape, fail)
    turns.soon()
    await asyncio.wait_for(turns.failed.wait(), 5)
    assert str(turns.failure) == "disk full"
    turns.stop()
    run.store.close()
