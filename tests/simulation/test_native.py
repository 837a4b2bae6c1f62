"""Schedules that the broker works, in trouble: the whole trader against its venue; checkers.py says what must hold."""

import msgspec
import pytest

from tests.simulation.run import report
from tests.simulation.schedule import APART
from tests.simulation.shrink import failure_in
from tests.simulation.test_algos import trouble
from tests.simulation.world import NATIVE_PLANS


@pytest.mark.slow
@pytest.mark.parametrize("algo", NATIVE_PLANS)
def test_what_the_broker_works_survives_trouble(algo: str) -> None:
    """A halt, a lost link, two crashes, a kill and a resume: no second order beside a living one, books to the cent."""
    schedule = trouble(algo)
    failure, watch = failure_in(schedule)
    assert failure is None, report(schedule, failure)
    assert watch is not None
    assert watch.counts["crashes"] == 2
    assert watch.counts[f"children of {algo}"] > 3


@pytest.mark.slow
def test_the_broker_goes_on_while_we_are_down() -> None:
    """Two crashes with the broker apart: what it did meanwhile is booked from its lists, and nothing is sent again."""
    schedule = msgspec.structs.replace(trouble("ib_twap"), venue=APART)
    failure, watch = failure_in(schedule)
    assert failure is None, report(schedule, failure)
    assert watch is not None
    assert watch.counts["children of ib_twap"] > 3
