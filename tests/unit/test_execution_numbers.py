"""Published numbers that no other test of this folder names: the rest of the optimal plan's formulas, of the impact
models' tables and of the schedules' examples.
"""

from itertools import pairwise
from math import cosh, sinh, sqrt

import pytest

from core.errors import ConfigError
from core.units import BP, NANO
from execution.almgren_chriss import Impact, decay, expected_cost, holdings, variance
from execution.costs import Almgren, IStar, SquareRoot
from execution.costs.impact import ISTAR_BOUNDS, timing_risk
from execution.tca import slippage_bp_nanos

PAPER = Impact(gamma=2.5e-7, eta=2.5e-6, epsilon=0.0625)
SHARES, DAYS, STEPS, SIGMA = 1e6, 5.0, 5, 0.95


def test_sizes_of_the_optimal_plan_by_their_own_formula() -> None:
    """n_j = 2 sinh(kappa tau / 2) / sinh(kappa T) cosh kappa (T - t_{j - 1/2}) X: 458,044 on the first day, and all."""
    kappa = decay(risk_aversion=1e-6, sigma=SIGMA, impact=PAPER, tau=1.0)
    held = holdings(shares=SHARES, kappa=kappa, whole=DAYS, steps=STEPS)
    sold = [before - after for before, after in pairwise(held)]
    scale = 2 * sinh(kappa / 2) / sinh(kappa * DAYS) * SHARES
    assert sold == pytest.approx([scale * cosh(kappa * (DAYS - (at + 0.5))) for at in range(STEPS)], rel=1e-9)
    assert sold[0] == pytest.approx(458_044.4, abs=0.05)
    assert sum(sold) == pytest.approx(SHARES)
    assert PAPER.tilde(1.0) == 2.375e-6
    assert round(kappa, 1) == 0.6
    assert round(kappa * DAYS) == 3


def test_no_aversion_is_the_limit_of_a_little() -> None:
    """Lambda falling to 0: holdings, cost and deviation of the straight line, ever closer."""
    even = holdings(shares=SHARES, kappa=0.0, whole=DAYS, steps=STEPS)
    apart, held = [], even
    for aversion in (1e-7, 1e-9, 1e-11, 1e-13):
        kappa = decay(risk_aversion=aversion, sigma=SIGMA, impact=PAPER, tau=1.0)
        held = holdings(shares=SHARES, kappa=kappa, whole=DAYS, steps=STEPS)
        apart.append(max(abs(here - there) for here, there in zip(held, even, strict=True)))
    assert apart == sorted(apart, reverse=True)
    assert apart[-1] < 0.01 * apart[0]
    assert expected_cost(held=held, impact=PAPER, whole=DAYS) == pytest.approx(662_500.0, abs=0.01)
    assert sqrt(variance(held=held, sigma=SIGMA, whole=DAYS)) == pytest.approx(1_040_672.86, rel=1e-6)


def test_the_turnover_of_the_impact_table() -> None:
    """1,728 million shares over 6.561 million a day are 263.374 days; a tenth of a day costs 19.86 bp for good."""
    turnover = 1_728 / 6.561
    assert turnover == pytest.approx(263.374, abs=5e-4)
    assert 0.314 * 0.1 * turnover**0.25 == pytest.approx(0.126, abs=5e-4)
    model = Almgren()
    assert (model.gamma, model.eta, model.beta, model.turnover_power) == (0.314, 0.142, 0.6, 0.25)
    assert model.permanent(size=0.1, volatility=0.0157, turnover_days=turnover) * BP == pytest.approx(19.86, abs=0.01)
    assert SquareRoot().y == 1.0


def test_istar_as_published() -> None:
    """All data: 708, .55, .71, .50, .98, each at home within its bounds, and out of them refused on both sides."""
    model = IStar()
    assert (model.a1, model.a2, model.a3, model.a4, model.b1) == (708.0, 0.55, 0.71, 0.50, 0.98)
    assert {name: (low, high) for name, low, high in ISTAR_BOUNDS} == {
        "a1": (100.0, 1000.0), "a2": (0.1, 1.0), "a3": (0.1, 1.0), "a4": (0.1, 1.0), "b1": (0.7, 1.0),
    }  # fmt: skip
    for name, low, high in ISTAR_BOUNDS:
        for good in (low, high):
            IStar(**{name: good})
        for bad in (low * 0.99, high * 1.01):
            with pytest.raises(ConfigError, match=rf"istar\.{name}"):
                IStar(**{name: bad})


@pytest.mark.parametrize(("sigma", "size", "pov"), [(0.30, 0.10, 0.20), (0.25, 0.01, 0.05), (0.50, 0.30, 0.40)])
def test_timing_risk_by_its_formula(sigma: float, size: float, pov: float) -> None:
    """TR = sigma sqrt(S (1 - POV) / (3 T_m ADV POV)) in bp, with 250 trading days: 30 %, a tenth of a day at 20 % of
    the volume is 69.28 bp.
    """
    adv = 1_000_000
    formula = sigma * sqrt(size * adv * (1 - pov) / (3 * 250 * adv * pov)) * BP
    assert timing_risk(volatility_year=sigma, size=size, participation=pov) == pytest.approx(formula)
    if (sigma, size, pov) == (0.30, 0.10, 0.20):
        assert formula == pytest.approx(69.28, abs=0.005)


def test_slippage_against_the_interval_s_price() -> None:
    """side (px - VWAP) / VWAP in bp: bought at 100.10 against 100.00, 10 bp lost; sold, 10 bp won."""
    fills, volume = 200 * NANO, 1_000 * NANO
    for side, expected in ((1, 10), (-1, -10)):
        found = slippage_bp_nanos(side, 20_020 * NANO, fills, 100_000 * NANO, volume)
        assert found == expected * NANO
