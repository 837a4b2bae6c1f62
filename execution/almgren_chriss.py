"""Optimal liquidation under linear impact and an arithmetic random walk (Almgren and Chriss 2000, sections 2 and 3).
Pure mathematics in floats, in any consistent units: shares, money, days. Knows no order and no market.

A plan sells (or buys) X shares in N equal steps over T; its holdings after step j are x_j. `kappa` is the decay of the
optimal holdings: positive = faster first (risk-averse), 0 = the straight line, negative = slower first (risk-seeking),
where its size is the imaginary part of the root.
"""

from itertools import accumulate, pairwise
from math import acos, acosh, cos, cosh, isfinite, pi
from operator import mul
from typing import Final

import msgspec

STEP_MAX: Final = 50.0  # decay over one step: beyond, nothing is left after it in any number of digits kept here


class Impact(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Linear impact: what one share costs."""

    gamma: float  # permanent: money per share, per share traded
    eta: float  # temporary: money per share, per share and unit of time
    epsilon: float  # fixed: half the spread and fees

    def tilde(self, tau: float) -> float:
        """The temporary impact that is left when the permanent one is taken out of a step of `tau`."""
        return self.eta - 0.5 * self.gamma * tau


def decay(*, risk_aversion: float, sigma: float, impact: Impact, tau: float) -> float:
    """kappa by cosh(kappa tau) = 1 + risk_aversion sigma^2 tau^2 / (2 eta~). Raises ValueError where no root exists."""
    tilde = impact.tilde(tau)
    if tilde <= 0:
        raise ValueError(f"eta - gamma tau / 2 is {tilde}: the steps are too long for this impact")
    bend = 0.5 * risk_aversion * sigma * sigma * tau * tau / tilde
    if not isfinite(bend) or bend < -2:
        raise ValueError(f"no decay solves cosh = {1 + bend}")
    return acosh(1 + bend) / tau if bend >= 0 else -acos(1 + bend) / tau


def remains(kappa: float, tau: float, steps: int) -> list[float]:
    """The part still held after each of `steps` steps: sinh(kappa (T - t_j)) / sinh(kappa T), with sin below 0.

    By the recurrence 2 cosh(kappa tau) x_j = x_{j-1} + x_{j+1} taken from the end, as ratios of neighbours: a tenth of
    the time of the formula, no overflow, and the straight line needs no case of its own.
    """
    if kappa < 0 and -kappa * tau * steps >= pi:
        raise ValueError(f"the decay {kappa} over {tau * steps} turns the holdings negative")
    step = kappa * tau
    bend = 2 * (cosh(step if step < STEP_MAX else STEP_MAX) if step >= 0 else cos(step))
    ratio = 0.0
    ratios = [ratio]
    for _ in range(steps - 1):
        ratio = 1 / (bend - ratio)
        ratios.append(ratio)
    return list(accumulate(reversed(ratios), mul))


def holdings(*, shares: float, kappa: float, whole: float, steps: int) -> tuple[float, ...]:
    """x_0 = X to x_N = 0."""
    return shares, *(shares * part for part in remains(kappa, whole / steps, steps))


def expected_cost(*, held: tuple[float, ...], impact: Impact, whole: float) -> float:
    """E of a plan, from its holdings: permanent, fixed and temporary impact (equation 4, summed)."""
    tau = whole / (len(held) - 1)
    temporary = sum((before - after) ** 2 for before, after in pairwise(held)) / tau
    return 0.5 * impact.gamma * held[0] ** 2 + impact.epsilon * held[0] + impact.tilde(tau) * temporary


def variance(*, held: tuple[float, ...], sigma: float, whole: float) -> float:
    """V of a plan, from its holdings (equation 5)."""
    tau = whole / (len(held) - 1)
    return sigma * sigma * tau * sum(x * x for x in held[1:])
