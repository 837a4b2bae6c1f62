"""Optimal liquidation under linear impact and an arithmetic random walk (Almgren and Chriss 2000, sections 2 and 3).
Pure mathematics in floats, in any consistent units: shares, money, days. Knows no order and no market.

A plan sells (or buys) X shares in N equal steps over T; its holdings after step j are x_j. `kappa` is the decay of the
optimal holdings: positive = faster first (risk-averse), 0 = the straight line, negative = slower first (risk-seeking),
where its size is the imaginary part of the root.
"""

from itertools import pairwise
from math import acos, acosh, exp, expm1, isfinite, pi, sin
from typing import Final

import msgspec

FLATTEST: Final = 1e-4  # below, the curve is the straight line to 1e-9 of the quantity


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


def left(kappa: float, time: float, whole: float) -> float:
    """The part still held with `time` of `whole` to go: sinh(kappa time) / sinh(kappa whole), without overflow."""
    steep = kappa * whole
    if time <= 0:
        return 0.0
    if time >= whole or abs(steep) < FLATTEST:
        return min(1.0, time / whole)
    if kappa > 0:
        # sinh a / sinh b = e^(a - b) (1 - e^-2a) / (1 - e^-2b)
        return exp(kappa * (time - whole)) * expm1(-2 * kappa * time) / expm1(-2 * steep)
    if -steep >= pi:
        raise ValueError(f"the decay {kappa} over {whole} turns the holdings negative")
    return sin(-kappa * time) / sin(-steep)


def holdings(*, shares: float, kappa: float, whole: float, steps: int) -> tuple[float, ...]:
    """x_0 = X to x_N = 0."""
    return tuple(shares * left(kappa, whole - whole * j / steps, whole) for j in range(steps + 1))


def expected_cost(*, held: tuple[float, ...], impact: Impact, whole: float) -> float:
    """E of a plan, from its holdings: permanent, fixed and temporary impact (equation 4, summed)."""
    tau = whole / (len(held) - 1)
    temporary = sum((before - after) ** 2 for before, after in pairwise(held)) / tau
    return 0.5 * impact.gamma * held[0] ** 2 + impact.epsilon * held[0] + impact.tilde(tau) * temporary


def variance(*, held: tuple[float, ...], sigma: float, whole: float) -> float:
    """V of a plan, from its holdings (equation 5)."""
    tau = whole / (len(held) - 1)
    return sigma * sigma * tau * sum(x * x for x in held[1:])
