"""What scores are worth: rank correlation, trades net of costs, calibration. All of it out of fold.

The trades are the simplest that could have been made: flat until a score promises more than entering and leaving cost
(twice half the spread plus the fee, at the sample's own spread), then one unit until the label is known. So trades of
an instrument never overlap, and their results are nearly independent.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.units import NANO
from research.sharpe import deflated_sharpe, moments, probabilistic_sharpe
from strategies.models.card import CalibrationBin, Metrics

BINS: Final = 10
BLOCK_HORIZONS: Final = 10  # length of a block: labels of two blocks overlap at the edge only
DAY_NS: Final = 86_400 * NANO
BLOCK_NS_MIN: Final = 60 * NANO

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Scored(NamedTuple):
    """Samples with what was promised and what came, in time order."""

    inst: Ints
    ts_ns: Ints
    end_ns: Ints
    score_bp: Floats
    move_bp: Floats
    half_spread_bp: Floats


class Trades(NamedTuple):
    """One row per round trip."""

    ts_ns: Ints
    gross_bp: Floats
    net_bp: Floats

    @property
    def sharpe(self) -> float:
        """Mean by deviation, per trade."""
        return moments(self.net_bp).sharpe


def trade(scored: Scored, *, fee_bp: float, enter_bp: float) -> Trades:
    """The trades these scores would have made."""
    cost = 2.0 * (scored.half_spread_bp + fee_bp)
    wanted = np.flatnonzero(np.abs(scored.score_bp) > cost + enter_bp)
    free: dict[int, int] = {}
    taken = []
    inst, ts, end = scored.inst[wanted].tolist(), scored.ts_ns[wanted].tolist(), scored.end_ns[wanted].tolist()
    for k in range(len(wanted)):
        if ts[k] >= free.get(inst[k], 0):
            free[inst[k]] = end[k]
            taken.append(int(wanted[k]))
    at = np.array(taken, np.int64)
    gross = np.sign(scored.score_bp[at]) * scored.move_bp[at]
    return Trades(scored.ts_ns[at], gross, gross - cost[at])


def daily(trades: Trades, days: Ints) -> Floats:
    """Net result of each day, days without a trade included."""
    day, known = trades.ts_ns // DAY_NS, np.unique(days // DAY_NS)
    return np.array([trades.net_bp[day == one].sum() for one in known])


def blocks(ts_ns: Ints, horizon_ns: int) -> Ints:
    """The block of time that each sample is in."""
    return ts_ns // max(BLOCK_NS_MIN, BLOCK_HORIZONS * horizon_ns)


def metrics(
    scored: Scored, trades: Trades, *, correlation: tuple[float, float], trial_sharpes: list[float]
) -> Metrics:  # fmt: skip
    """Everything the card says of the scores. `trial_sharpes`: of every trial so far, this one included."""
    ic, ic_t = correlation
    net = moments(trades.net_bp)
    n = net.n
    variance = float(np.var(trial_sharpes, ddof=1)) if len(trial_sharpes) > 1 else 0.0
    return Metrics(
        rows=len(scored.ts_ns),
        information_coefficient=ic,
        information_coefficient_t=ic_t,
        hit_rate=float((trades.net_bp > 0.0).mean()) if n else 0.0,
        trades=n,
        gross_bp=float(trades.gross_bp.mean()) if n else 0.0,
        net_bp=float(trades.net_bp.mean()) if n else 0.0,
        net_t=net.sharpe * n**0.5,
        sharpe_day=moments(daily(trades, scored.ts_ns)).sharpe,
        probabilistic_sharpe=probabilistic_sharpe(net) if n >= 3 else 0.0,
        deflated_sharpe=deflated_sharpe(net, variance=variance, trials=len(trial_sharpes)) if n >= 3 else 0.0,
    )


def verdict(found: Metrics, *, trades_min: int, confidence: float) -> tuple[bool, str]:
    """Whether a trader may use the model, and why or why not, in words."""
    if not found.trades:
        return False, "no score out of fold promised more than its costs"
    if found.trades < trades_min:
        return False, f"{found.trades} trades out of fold, {trades_min} are needed to tell gain from luck"
    told = f"{found.trades} trades out of fold, {found.net_bp:.2f} bp each net of costs"
    if found.net_bp <= 0.0:
        return False, f"{told}: nothing is gained"
    if found.deflated_sharpe < confidence:
        return False, f"{told}: by chance with {1.0 - found.deflated_sharpe:.2f}, allowed is {1.0 - confidence:.2f}"
    return True, told


def calibration(scored: Scored) -> tuple[CalibrationBin, ...]:
    """Tenths of the samples by score."""
    order = np.argsort(scored.score_bp, kind="stable")
    bins = []
    for part in np.array_split(order, BINS):
        if len(part):
            score, realised = scored.score_bp[part], scored.move_bp[part]
            bins.append(
                CalibrationBin(
                    score_low_bp=float(score[0]), score_high_bp=float(score[-1]), rows=len(part),
                    score_bp=float(score.mean()), realised_bp=float(realised.mean()),
                )
            )  # fmt: skip
    return tuple(bins)
