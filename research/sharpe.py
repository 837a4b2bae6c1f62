"""How much a Sharpe ratio is worth: by its sample's length and shape, and by the number of trials it was picked from.

Bailey and Lopez de Prado, "The Sharpe Ratio Efficient Frontier", Journal of Risk 15 (2012); "The Deflated Sharpe
Ratio", Journal of Portfolio Management 40 (2014). All ratios per observation, none annualised. Kurtosis of a normal
sample is 3.
"""

import math
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

EULER: Final = 0.5772156649015329
_NORMAL: Final = NormalDist()


class Moments(NamedTuple):
    """Of one sample of results."""

    n: int
    sharpe: float
    skew: float
    kurtosis: float


def moments(results: NDArray[np.float64]) -> Moments:
    """Sharpe ratio (sample deviation), skewness and kurtosis; 0, 0 and 3 where they do not exist."""
    n = len(results)
    away = results - results.mean() if n else results
    variance = float((away**2).mean()) if n else 0.0
    if n < 3 or variance <= 0.0:
        return Moments(n=n, sharpe=0.0, skew=0.0, kurtosis=3.0)
    skew = float((away**3).mean()) / variance**1.5
    kurtosis = float((away**4).mean()) / variance**2
    return Moments(n=n, sharpe=float(results.mean()) / math.sqrt(variance * n / (n - 1)), skew=skew, kurtosis=kurtosis)


def _variance_factor(sharpe: float, skew: float, kurtosis: float) -> float:
    """n - 1 times the variance of the estimated ratio; a sample can be too short for its own skew."""
    return max(1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2, 1e-12)


def probabilistic_sharpe(m: Moments, *, benchmark: float = 0.0) -> float:
    """Probability that the true ratio is above the benchmark."""
    if m.n < 3:
        return 0.0
    return _NORMAL.cdf(
        (m.sharpe - benchmark) * math.sqrt(m.n - 1) / math.sqrt(_variance_factor(m.sharpe, m.skew, m.kurtosis))
    )


def track_record_min(m: Moments, *, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """Observations needed for that confidence; infinite when the ratio is not above the benchmark."""
    if m.sharpe <= benchmark:
        return math.inf
    z = _NORMAL.inv_cdf(confidence)
    return 1.0 + _variance_factor(m.sharpe, m.skew, m.kurtosis) * (z / (m.sharpe - benchmark)) ** 2


def best_by_chance(variance: float, trials: int) -> float:
    """The largest ratio expected of `trials` worthless configurations whose ratios vary so much."""
    if trials < 2:
        return 0.0
    high = (1.0 - EULER) * _NORMAL.inv_cdf(1.0 - 1.0 / trials)
    return math.sqrt(variance) * (high + EULER * _NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e)))


def deflated_sharpe(m: Moments, *, variance: float, trials: int) -> float:
    """Probability that the true ratio is above what the best of so many trials reaches by chance."""
    return probabilistic_sharpe(m, benchmark=best_by_chance(variance, trials))
