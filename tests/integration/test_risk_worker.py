"""The risk worker as a trader on a live broker has it: a process beside a real engine, killed and started again."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core import events as e
from core.latches import ACCOUNT, ACTIVE, REDUCING
from core.units import NANO
from daemon.log import open_log
from daemon.reference.tables import ReferenceTables
from daemon.riskworker.asking import Histories, rules_of
from daemon.riskworker.client import RiskWorker
from tests.fakes.live import CENT, SECOND, LiveWorld, opened

PATIENCE_S = 30.0


async def until(true: Callable[[], object]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110 - the conditions are of many objects, most without an event
            await asyncio.sleep(0.01)


def hold_something(world: LiveWorld) -> None:
    """One bought position."""
    world.make_it_buy()
    world.fill(world.broker.orders()[0], 20 * NANO)


def year_of_closes(inst: int) -> e.ReferenceArrived:
    """What a broker's feed brings: closes of 250 days before today."""
    rng = np.random.default_rng(inst)
    closes = 20.0 * np.cumprod(1.0 + rng.normal(0.0, 0.015, 250))
    return e.ReferenceArrived(
        inst=inst, effective_from=20261005, previous_close_nanos=20 * NANO, adv_nanos=10_000_000 * NANO, source="test",
        close_dates=tuple(range(20260101, 20260351)),
        closes_nanos=tuple(round(float(close) * NANO) for close in closes),
    )  # fmt: skip


def worker_of(world: LiveWorld, tables: ReferenceTables) -> RiskWorker:
    """The worker in the place of the measure inside the process."""
    worker = RiskWorker(rules_of(world.config, tables), Histories(tables), world.sink.fact, open_log())
    world.machine.measurer = worker
    return worker


def ticks(world: LiveWorld, seconds: int) -> None:
    """Time passes with both lines alive."""
    for _ in range(seconds):
        world.quote(1, 20 * NANO, after_ns=0)
        world.quote(0, 20 * NANO - 5 * CENT)


@pytest.mark.slow
def test_a_killed_worker_reduces_within_a_minute_and_comes_back(tmp_path: Path) -> None:
    """Measured, then kill -9: entries stop and the account is REDUCING after a minute of the engine's clock; the worker
    is started again, its first answer is fresh, and ten quiet seconds later the latch lifts itself.
    """
    world = opened(tmp_path)

    async def live() -> None:
        world.tell(year_of_closes(0))
        worker = worker_of(world, world.tables)
        worker.start()
        try:
            await until(lambda: worker.pid)
            hold_something(world)
            money = world.machine.engine.money
            await until(lambda: money.risk is not None)  # asked when the order was placed: nothing was held yet
            ticks(world, 11)
            await until(lambda: money.risk is not None and money.risk.gross_nanos)
            assert money.risk is not None
            assert money.risk.observations == 249
            assert money.risk.assumed == ()
            assert money.risk.var_nanos > 0
            first = money.risk.as_of_ns

            killed = worker.pid
            os.kill(killed, signal.SIGKILL)
            await until(lambda: worker.pid not in (0, killed) or not worker.pid)
            world.machine.measurer = None  # what a worker that does not come back looks like to the engine
            ticks(world, 59)
            assert money.latches.everywhere == ACTIVE
            ticks(world, 5)
            assert money.latches.holds(ACCOUNT, "", "RISK_STALE")
            assert money.latches.everywhere == REDUCING
            failures = world.machine.engine.gate.blockers(1, "reversion", world.clock.ts_ns)
            assert {"RISK_STALE", "MEASURED_RISK"} <= {failure.code for failure in failures}

            await until(lambda: worker.starts > 1 and worker.pid not in (0, killed))
            world.machine.measurer = worker
            ticks(world, 11)
            await until(lambda: money.risk is not None and money.risk.as_of_ns > first)
            ticks(world, 14)
            assert money.latches.everywhere == ACTIVE
            assert not world.failures
        finally:
            await worker.close()
        assert worker.pid == 0

    try:
        asyncio.run(live())
    finally:
        world.close()


def test_a_question_never_waits(tmp_path: Path) -> None:
    """Without a process, and with a question open, asking does nothing; the engine only sees the age."""
    world = opened(tmp_path)
    worker = worker_of(world, world.tables)
    hold_something(world)
    worker.measure(world.machine.engine, world.clock.ts_ns)
    assert world.machine.engine.money.risk is None
    assert world.machine.engine.money.risk_since_ns > world.clock.ts_ns - 5 * SECOND
    world.close()
