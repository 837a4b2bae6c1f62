"""A trader that loses its whole state directory, as processes: the short form of the drill `ship`."""

import pytest

from tests.drills.ship import FILLS, run_story


@pytest.mark.slow
def test_a_machine_is_lost_with_fills_that_were_not_shipped() -> None:
    """HALTED, and equal to the broker to the cent: fills that came after the last shipped record are booked."""
    found = run_story(9_101, tails=(True,))
    assert found["failures"] == [], "\n".join(found["failures"])
    assert found["counts"]["fills_lost_with_the_tail"] >= FILLS
