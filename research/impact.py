"""`python -m research.impact`, trades as JSON on stdin: what our own fills say about the impact model of Almgren, Thum,
Hauptmann and Li (2005) and the square-root law, with intervals. Knows no journal: a trade is a few ratios.

Permanent: the move that stayed, in days' volatilities, is gamma x; one weighted regression through the origin.
Temporary: cost less half of the permanent part is eta r^beta; for each beta eta has a closed form, so the least squares
are a search along beta alone. Weights are the inverse variance of what the market did meanwhile: the duration for the
cost, duration and wait for the move that stayed. Intervals: percentiles of a seeded bootstrap over trades, which asks
nothing of the residuals, and beside it the delta method with the sandwich covariance, as a check.
"""

import sys
from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError

TRADES_MIN: Final = 30
BETA_LOW: Final = 0.05
BETA_HIGH: Final = 2.0
BOOTSTRAPS: Final = 200
SEED: Final = 1
_GOLDEN: Final = 0.6180339887498949
_SEARCHES: Final = 30
_Z: Final = 1.959964  # 95 %
Floats = NDArray[np.float64]


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """One finished parent. Positive = against us, for both sides; spread and fees taken out."""

    size: float  # order / average day's volume
    days: float  # how long it traded, as a part of a day's volume
    wait_days: float  # from its end to the price that counts as what stayed
    volatility: float  # of a day
    cost: float  # average price against arrival, part of the price
    stayed: float  # price after the wait against arrival
    turnover_days: float = 200.0


class Fitted(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter with its 95 % intervals."""

    value: float
    low: float
    high: float
    delta_low: float
    delta_high: float

    def holds(self, truth: float) -> bool:
        """Whether the bootstrap interval contains a number."""
        return self.low <= truth <= self.high


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What `trades` say; `residual` = weighted root mean square of the cost's residual, 1 = the market's."""

    trades: int
    gamma: Fitted
    eta: Fitted
    beta: Fitted
    y: Fitted  # of the square-root law, fitted to the whole cost
    residual: float


class _Columns:
    """The columns of the regressions, scaled by volatility."""

    def __init__(self, trades: tuple[Trade, ...]) -> None:
        def column(of: Callable[[Trade], float]) -> Floats:
            return np.array([of(trade) for trade in trades], np.float64)

        sigma = column(_volatility)
        self.x = column(lambda trade: trade.size * trade.turnover_days**0.25)
        self.stayed = column(lambda trade: trade.stayed) / sigma
        self.cost = column(lambda trade: trade.cost) / sigma
        self.rate = column(lambda trade: trade.size / trade.days)
        self.root = np.sqrt(column(lambda trade: trade.size))
        self.stayed_weight = 1.0 / column(lambda trade: trade.days + trade.wait_days)
        self.cost_weight = 3.0 / column(lambda trade: trade.days)


def calibrate(trades: tuple[Trade, ...], *, seed: int = SEED, bootstraps: int = BOOTSTRAPS) -> Calibration:
    """Parameters and intervals. Raises ConfigError when there are too few trades, or one that means nothing."""
    if len(trades) < TRADES_MIN:
        raise ConfigError(f"trades: {len(trades)} are too few for three parameters; bring {TRADES_MIN} or more")
    for at, trade in enumerate(trades):
        for name in ("size", "days", "volatility", "turnover_days"):
            if not getattr(trade, name) > 0.0:
                raise ConfigError(f"trades[{at}].{name} is {getattr(trade, name)}: give a number above 0")
    columns = _Columns(trades)
    everything = np.arange(len(trades))
    best = _fit(columns, everything)
    if best[1] <= 0.0:
        raise ConfigError(
            f"trades: the cost of these {len(trades)} does not grow with their rate; bring more, or larger"
        )
    chance = np.random.default_rng(seed)
    drawn = np.array([_fit(columns, chance.integers(0, len(trades), len(trades))) for _ in range(bootstraps)])
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    spread = _sandwich(columns, best)
    fitted = [
        Fitted(
            value=float(best[at]), low=float(low[at]), high=float(high[at]),
            delta_low=float(best[at] - _Z * spread[at]), delta_high=float(best[at] + _Z * spread[at]),
        )
        for at in range(4)
    ]  # fmt: skip
    left = _temporary_of(columns, best[0]) - best[1] * columns.rate ** best[2]
    return Calibration(
        trades=len(trades), gamma=fitted[0], eta=fitted[1], beta=fitted[2], y=fitted[3],
        residual=float(np.sqrt((columns.cost_weight * left * left).mean())),
    )  # fmt: skip


def _volatility(trade: Trade) -> float:
    return trade.volatility


def _temporary_of(columns: _Columns, gamma: float) -> Floats:
    """The model's own permanent part is taken out, not the measured one, which carries the noise of the wait."""
    rest: Floats = columns.cost - 0.5 * gamma * columns.x
    return rest


def _fit(columns: _Columns, chosen: NDArray[np.int64]) -> tuple[float, float, float, float]:
    """gamma, eta, beta and y of these trades."""
    gamma = _through_origin(columns.x[chosen], columns.stayed[chosen], columns.stayed_weight[chosen])
    temporary, rate, weight = _temporary_of(columns, gamma)[chosen], columns.rate[chosen], columns.cost_weight[chosen]

    def misfit(beta: float) -> float:
        powers = rate**beta
        left = temporary - _through_origin(powers, temporary, weight) * powers
        return float((weight * left * left).sum())

    beta = _least(misfit)
    eta = _through_origin(rate**beta, temporary, weight)
    return gamma, eta, beta, _through_origin(columns.root[chosen], columns.cost[chosen], weight)


def _through_origin(x: Floats, y: Floats, weight: Floats) -> float:
    return float((weight * x * y).sum() / (weight * x * x).sum())


def _least(misfit: Callable[[float], float]) -> float:
    """Golden section between the bounds, from the best point of a coarse grid."""
    grid = np.linspace(BETA_LOW, BETA_HIGH, 14)
    at = int(np.argmin([misfit(float(beta)) for beta in grid]))
    low, high = float(grid[max(at - 1, 0)]), float(grid[min(at + 1, len(grid) - 1)])
    first, second = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_first, at_second = misfit(first), misfit(second)
    for _ in range(_SEARCHES):
        if at_first < at_second:
            high, second, at_second = second, first, at_first
            first = high - _GOLDEN * (high - low)
            at_first = misfit(first)
        else:
            low, first, at_first = first, second, at_second
            second = low + _GOLDEN * (high - low)
            at_second = misfit(second)
    return 0.5 * (low + high)


def _sandwich(columns: _Columns, best: tuple[float, float, float, float]) -> list[float]:
    """Standard errors by the delta method: (J'WJ)^-1 J'W e e' W J (J'WJ)^-1 of each regression."""
    gamma, eta, beta, y = best
    powers = columns.rate**beta
    curve = np.stack([powers, eta * powers * np.log(columns.rate)], axis=1)
    eta_error, beta_error = _errors(curve, _temporary_of(columns, gamma) - eta * powers, columns.cost_weight)
    (gamma_error,) = _errors(columns.x[:, None], columns.stayed - gamma * columns.x, columns.stayed_weight)
    (y_error,) = _errors(columns.root[:, None], columns.cost - y * columns.root, columns.cost_weight)
    return [gamma_error, eta_error, beta_error, y_error]


def _errors(jacobian: Floats, left: Floats, weight: Floats) -> list[float]:
    bread = np.linalg.inv(jacobian.T @ (weight[:, None] * jacobian))
    scores = jacobian * (weight * left)[:, None]
    covariance = bread @ (scores.T @ scores) @ bread
    return [float(error) for error in np.sqrt(np.diag(covariance))]


def main() -> int:
    """Trades in, the calibration out; 2 and a line on what is wrong."""
    try:
        trades = msgspec.json.decode(sys.stdin.buffer.read(), type=tuple[Trade, ...])
        sys.stdout.write(msgspec.json.encode(calibrate(trades)).decode() + "\n")
    except (ConfigError, msgspec.DecodeError) as fault:
        sys.stderr.write(f"{fault}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
