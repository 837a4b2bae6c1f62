"""Every algorithm of the registry times every trouble in the middle of its schedule, with the trader's own parts and
the simulated clock. What must hold is in troubles.py; more markets: `make drill NAME=algo_faults`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from execution.algos import ALGOS
from execution.algos.native import NATIVES
from tests.simulation.one_schedule import PLANS
from tests.simulation.troubles import TROUBLES

SEED: Final = 5


def test_the_matrix_has_every_algorithm() -> None:
    """All of our own, and of the broker's (which differ by their tags alone) two."""
    ours = {algo.name for algo in ALGOS} - {algo.name for algo in NATIVES}
    assert ours <= set(PLANS)
    assert len(set(PLANS) - ours) == 2


@pytest.mark.slow
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.__name__)
@pytest.mark.parametrize("algo", PLANS)
def test_trouble_in_mid_schedule(algo: str, trouble: Callable[[str, Path, int], None], tmp_path: Path) -> None:
    """See the trouble's own words."""
    trouble(algo, tmp_path, SEED)
