"""Almgren and Chriss (2000): the paper's example, the closed forms, and what must hold for any plan."""

from itertools import pairwise
from math import cos, cosh, sin, sinh, sqrt, tan, tanh

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.almgren_chriss import Impact, decay, expected_cost, holdings, remains, variance

SHARES, DAYS, STEPS, SIGMA = 1e6, 5.0, 5, 0.95
IMPACT = Impact(gamma=2.5e-7, eta=2.5e-6, epsilon=0.0625)


def plan(risk_aversion: float) -> tuple[float, tuple[float, ...], float, float]:
    """kappa, holdings, E and V of the paper's example."""
    kappa = decay(risk_aversion=risk_aversion, sigma=SIGMA, impact=IMPACT, tau=DAYS / STEPS)
    held = holdings(shares=SHARES, kappa=kappa, whole=DAYS, steps=STEPS)
    cost = expected_cost(held=held, impact=IMPACT, whole=DAYS)
    return kappa, held, cost, variance(held=held, sigma=SIGMA, whole=DAYS)


def closed_forms(kappa: float) -> tuple[float, float]:
    """E and V by equation 20; for a negative kappa with the circular functions."""
    tau, size = DAYS / STEPS, SHARES * SHARES
    fixed = 0.5 * IMPACT.gamma * size + IMPACT.epsilon * SHARES
    s, c, t = (sinh, cosh, tanh) if kappa > 0 else (sin, cos, tan)
    k, sign = abs(kappa), 1 if kappa > 0 else -1
    bent = t(k * tau / 2) * (tau * s(2 * k * DAYS) + 2 * DAYS * s(k * tau)) / (2 * tau**2 * s(k * DAYS) ** 2)
    kept = tau * s(k * DAYS) * c(k * (DAYS - tau)) - DAYS * s(k * tau)
    wide = 0.5 * SIGMA**2 * size * sign * kept / (s(k * DAYS) ** 2 * s(k * tau))
    return fixed + IMPACT.tilde(tau) * size * bent, wide


def test_the_papers_example() -> None:
    """Table 1 at its risk aversion of 1e-6: decay, holdings, expected cost and its deviation."""
    kappa, held, cost, wide = plan(1e-6)
    assert kappa == pytest.approx(0.607076, abs=5e-7)
    assert 1 / kappa == pytest.approx(1.64724, abs=5e-6)
    assert held[1:5] == pytest.approx((541_955.6, 289_854.2, 147_897.5, 62_141.8), abs=0.05)
    assert cost == pytest.approx(911_226.99, abs=0.005)
    assert sqrt(wide) == pytest.approx(603_430.67, abs=0.005)


def test_without_risk_aversion_it_is_the_straight_line() -> None:
    """Lambda 0: even parts, 662,500 and 1,040,672.86; selling at once costs 2,562,500; holding on, 2.12 million."""
    kappa, held, cost, wide = plan(0.0)
    assert kappa == 0
    assert held[1:] == pytest.approx((800_000, 600_000, 400_000, 200_000, 0))
    assert cost == pytest.approx(662_500.00, abs=0.005)
    assert sqrt(wide) == pytest.approx(1_040_672.86, abs=0.005)
    at_once = IMPACT.epsilon * SHARES + IMPACT.eta * SHARES**2
    assert expected_cost(held=(SHARES, 0.0), impact=IMPACT, whole=1.0) == pytest.approx(at_once)
    assert at_once == pytest.approx(2_562_500)
    assert SIGMA * SHARES * sqrt(DAYS) == pytest.approx(2.12e6, rel=0.005)


@pytest.mark.parametrize("risk_aversion", [1e-4, 1e-6, 1e-8, -1e-8, -2e-7])
def test_closed_forms_are_the_explicit_sums(risk_aversion: float) -> None:
    """Both signs of lambda, to 1e-9."""
    kappa, _, cost, wide = plan(risk_aversion)
    assert (kappa > 0) == (risk_aversion > 0)
    assert closed_forms(kappa) == pytest.approx((cost, wide), rel=1e-9)


def test_more_risk_aversion_costs_more_and_varies_less() -> None:
    """E rises and V falls in lambda, through zero, and the parts sold fall from step to step when it is positive."""
    plans = [plan(value) for value in (-2e-7, -1e-8, 0.0, 1e-8, 1e-7, 1e-6, 1e-5, 1e-3)]
    positive = plans[3:]
    for (_, _, cost, wide), (_, _, more, less) in pairwise(plans[2:]):
        assert cost < more
        assert wide > less
    assert all(wide > less for (_, _, _, wide), (_, _, _, less) in pairwise(plans))
    for _, held, _, _ in positive:
        sold = [before - after for before, after in pairwise(held)]
        assert sum(sold) == pytest.approx(SHARES)
        assert all(first > second for first, second in pairwise(sold))


@given(kappa=st.floats(-0.55, 300), steps=st.integers(2, 50), at=st.integers(1, 49))
def test_planning_anew_on_the_way_gives_the_same_tail(kappa: float, steps: int, at: int) -> None:
    """Time consistency (section 3.1): from what is left at step k, the rest of the plan is the old one."""
    at %= steps
    held = holdings(shares=SHARES, kappa=kappa, whole=DAYS, steps=steps)
    rest = DAYS - DAYS * at / steps
    again = holdings(shares=held[at], kappa=kappa, whole=rest, steps=steps - at)
    assert again == pytest.approx(held[at:], abs=1e-3)


@given(kappa=st.floats(0, 1e6), whole=st.floats(1e-3, 10))
def test_no_decay_overflows(kappa: float, whole: float) -> None:
    """Holdings lie between all and nothing and never rise, whatever the decay."""
    parts = remains(kappa, whole / 10, 10)
    assert (len(parts), parts[9]) == (10, 0)
    assert all(1 >= a >= b >= 0 for a, b in pairwise(parts))


def test_what_has_no_plan_is_refused() -> None:
    """Steps too long for the impact, and a taste for risk that no schedule satisfies."""
    with pytest.raises(ValueError, match="too long"):
        decay(risk_aversion=1e-6, sigma=1, impact=IMPACT, tau=21)
    with pytest.raises(ValueError, match="no decay"):
        decay(risk_aversion=-1, sigma=1, impact=IMPACT, tau=1)
    with pytest.raises(ValueError, match="negative"):
        remains(-1.0, 1.0, 5)
