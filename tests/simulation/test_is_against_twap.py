"""Implementation shortfall against even parts where the venue is what the model says; the drill `impact` asks how they
fare where it is not.
"""

import numpy as np
import pytest

from execution.almgren_chriss import expected_cost, holdings
from tests.drills import impact as drill
from tests.fakes.impact_world import ADV, DAY_S, Outcome, Way

SEEDS = (0, 1, 3)
CHOSEN = ("twap 0.02", "is 3 0.02")
SHARES = round(drill.SIZES[-1] * ADV)


@pytest.mark.slow
def test_where_the_model_is_right_the_optimal_plan_is_better_than_even_parts() -> None:
    """On three markets, both sides: what the orders pushed costs what Almgren and Chriss say of the plan that was made,
    and mean + lambda x variance is lower than that of even parts, each time.
    """
    found = [drill.traded(seed, "as the model", _ways(drill.side_of(seed))) for seed in SEEDS]
    for outcomes in found:
        for outcome in outcomes:
            assert outcome.impact == pytest.approx(_predicted(outcome), rel=0.04)
    mean = np.mean([[outcome.impact / _predicted(outcome) for outcome in outcomes] for outcomes in found])
    assert mean == pytest.approx(1.0, abs=0.03)
    aversion = drill.aversion(3.0)
    gained = [_objective(even, aversion) - _objective(optimal, aversion) for even, optimal in found]
    assert min(gained) > 0.0, gained
    assert np.mean(gained) == pytest.approx(_promised(aversion), rel=0.25)


def _ways(side: int) -> tuple[Way, ...]:
    return tuple(way for way in drill.ways(side) if way.name in CHOSEN)


def _predicted(outcome: Outcome) -> float:
    """Expected cost of the plan, in dollars."""
    whole = drill.SECONDS / DAY_S
    held = holdings(shares=SHARES, kappa=outcome.kappa, whole=whole, steps=drill.SLICES)
    return expected_cost(held=held, impact=drill.MODEL, whole=whole)


def _objective(outcome: Outcome, aversion: float) -> float:
    """Mean + lambda x variance: the variance as what was left makes it, not as it happened to come."""
    return outcome.impact + aversion * drill.SIGMA**2 * outcome.exposure


def _promised(aversion: float) -> float:
    """What the model says is gained."""
    return drill.objective(SHARES, 0.0, aversion) - drill.objective(SHARES, drill.kappa(aversion), aversion)
