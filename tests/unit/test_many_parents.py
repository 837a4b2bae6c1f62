"""Many schedules at once: a quote visits those that are due and no other, and how much work it is does not depend on
how many there are. Counted in visits and bytecodes: a slow machine changes neither.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from core import commands as c
from core.parents import Parent
from core.ports import Action
from core.units import NANO
from daemon.bench import parents
from daemon.bench.parents import Crowd
from daemon.bench.world import config_of, opened, tables_of
from execution.pacing import begin_slice
from execution.stage import stage_at
from execution.touch import Days
from execution.trajectory import even_weights
from tests.fakes.trading_context import CLOSE_NS, Bench, settings_of
from tests.fakes.work import bytecodes

LOOKS, QUOTES = 6, 12
REPLAN_MOST = 2_500  # bytecodes of a plan anew with sixty slices: it is 1,900


class Visits:
    """The executor, noting whom it was asked about."""

    def __init__(self, executor: Any) -> None:
        self.seen: list[int] = []
        self._executor = executor
        self.wake_ns, self.backoff_ns = executor.wake_ns, executor.backoff_ns

    def act(self, parent: Parent, ts_ns: int) -> Action | None:
        """Note and ask."""
        self.seen.append(parent.parent_id)
        action: Action | None = self._executor.act(parent, ts_ns)
        return action


@contextmanager
def crowd_of(symbols: int) -> Iterator[Crowd]:
    """A schedule of each of five algorithms on so many symbols."""
    with TemporaryDirectory() as folder:
        config = config_of(parents.market_text(symbols=symbols, algos=5), Path(folder))
        with opened(config, tables_of(config), Path(folder)) as world:
            crowd = Crowd(world, symbols=symbols)
            assert len(world.runner.money.live_parents) == 5 * symbols
            yield crowd


def spent_on(crowd: Crowd) -> tuple[set[int], list[float]]:
    """Bytecodes of quiet quotes, and a visit's of those by which schedules were due; nobody else is visited."""
    runner, quiet, due = crowd.runner, set[int](), list[float]()
    engine = runner.engine
    visits = engine.executor = Visits(engine.executor)
    for number in range(LOOKS * QUOTES):
        if number % QUOTES == 0:  # the chase looks every two seconds
            crowd.ts_ns = max(crowd.ts_ns, min(engine.timers.state().wakes.values()) - 2 * crowd.step_ns)
        marked = engine.timers.mark_ns <= crowd.ts_ns + crowd.step_ns
        waits = {key for key, at in engine.timers.state().wakes.items() if at <= crowd.ts_ns + crowd.step_ns}
        visits.seen.clear()
        seq, spent = engine.seq, crowd.counted(bytecodes)
        assert set(visits.seen) <= waits, "a schedule was looked at that was not due"
        if marked:
            pass  # the account's second
        elif not waits and engine.seq == seq:
            quiet.add(spent)
        elif waits:
            due.append(spent / len(visits.seen))
        crowd.answer()
    return quiet, due


@pytest.mark.slow
@pytest.mark.usefixtures("tables_built_once")
def test_work_does_not_grow_with_the_schedules() -> None:
    """Ten schedules or fifty: a quiet quote is the same bytecodes, and a due schedule about as many."""
    with crowd_of(2) as few, crowd_of(10) as many:
        quiet, due = spent_on(few)
        quiet_many, due_many = spent_on(many)
    assert quiet
    assert max(quiet_many) <= max(quiet)
    assert min(len(due), len(due_many)) >= 3
    assert median(due_many) <= 1.25 * median(due), (due, due_many)


def test_a_plan_anew_is_bounded_work() -> None:
    """Sixty slices, the most there are: fifty microseconds are some two thousand bytecodes."""
    bench = Bench()
    bench.quote(0, 1000, 1002, samples=60, sample_square=10**14, sample_span_ns=30 * NANO, sample_spread=2 * 10**7)
    settings = settings_of(algo="is", params={"slices": 60, "replan_move": 0.01})
    parent = bench.money.parents[bench.plan(60_000, settings)]
    assert len(parent.weights) == 60
    parent.weights, parent.kappa_nanos = even_weights(60), 10**15
    day = Days(bench.context).regular(0, bench.ts_ns)
    assert day is not None
    ts_ns = parent.start_ts_ns + (parent.end_ts_ns - parent.start_ts_ns) // 60 + 1
    assert ts_ns < CLOSE_NS
    stage = stage_at(parent, settings, NANO, ts_ns)
    begun: list[Any] = []
    spent = bytecodes(lambda: begun.append(begin_slice(bench.context, parent, stage, day, ts_ns)))
    assert type(begun[0]) is c.ReplanParent
    assert spent <= REPLAN_MOST
