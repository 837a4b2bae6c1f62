"""A trader under its guard, as processes: the short form of the drill `guard`."""

import pytest

from tests.drills.guard import WORKING, run_story


@pytest.mark.slow
def test_a_trader_that_restarts_hangs_and_dies() -> None:
    """Announced: nothing is cancelled. Stopped or killed: every order is gone in time, none leaves late, and HALTED."""
    found = run_story(7001, kills=(True,))
    assert found["failures"] == []
    assert found["counts"]["orders"] >= WORKING
