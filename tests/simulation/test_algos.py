"""Every algo in mid-schedule: a trading halt, a lost link, a crash and a kill, against the whole trader and its venue;
checkers.py says what must hold.
"""

import pytest

from core.latches import STRATEGY
from tests.simulation.run import report
from tests.simulation.schedule import RESTEPPED, SHARED, Act, Schedule
from tests.simulation.shrink import failure_in
from tests.simulation.world import PLANS


def trouble(algo: str) -> Schedule:
    """One of each, with time to trade in between."""
    return Schedule(
        seed=7,
        algo=algo,
        venue=SHARED,
        links=((17_000, 2_500, "lost", True),),
        acts=(
            Act(at_ms=8_000, kind="trading halt", choice=4),
            Act(at_ms=11_000, kind="trade on"),
            Act(at_ms=28_000, kind="crash", point="before dispatch", opinion=RESTEPPED, down_ms=900),
            Act(at_ms=33_000, kind="crash", point="within dispatch", opinion=RESTEPPED, down_ms=900),
            Act(at_ms=45_000, kind="kill", level=STRATEGY, scope="alpha"),
            Act(at_ms=52_000, kind="resume", level=STRATEGY, scope="alpha"),
        ),
    )


@pytest.mark.slow
@pytest.mark.parametrize("algo", PLANS)
def test_every_algo_survives_trouble_in_mid_schedule(algo: str) -> None:
    """Books, limits and totals hold, nothing over-fills, and the algo did trade."""
    schedule = trouble(algo)
    failure, watch = failure_in(schedule)
    assert failure is None, report(schedule, failure)
    assert watch is not None
    assert watch.counts["crashes"] == 2
    assert watch.counts[f"children of {algo}"] > 5
