"""The drill `impact`: implementation shortfall against even parts on mean + lambda x variance, on a venue that feels
our orders. The venue follows the model of `is` (linear temporary impact of one spread for one per cent of the average
day, gone before the next slice; a permanent part; volatility as measured), or is off it by a factor of two in its
exponent, its decay, the size of its impact or the volatility of the market. A part is one market, traded in every way
on every venue. Owns the design; what it says is tests/impact_page.py.
"""

import tempfile
from math import exp, tanh
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from broker.sim.impact import BP_IN_ONE, ImpactConfig, Push, shift, walk
from core.rows import QUOTE
from core.units import NANO
from execution.algos.shortfall import PERMANENT_PART, TEMPORARY_PART
from execution.almgren_chriss import Impact, decay, expected_cost, holdings, variance
from tests.fakes.impact_world import ADV, DAY_S, GRACE_S, PX, WARM_S, ImpactWorld, Outcome, Way, made_market
from tests.fakes.tape import OPEN_NS

SEEDS_PER_PART: Final = 1
SECONDS: Final = 3_600
SLICES: Final = 60
SLICE_S: Final = SECONDS // SLICES
DECAY_S: Final = 15.0
VOLATILITY_BP: Final = 150.0  # of a day, about, all regimes together
VOLATILITY_BP_HOUR: Final = 40.3  # the calm one's, which gives that
SPREAD: Final = 0.0129  # dollars, of the made-up market on average; a test compares
SIZES: Final = (0.005, 0.02)  # of the average day, in an hour
STEEPNESS: Final = (1.0, 3.0, 6.0)  # decay of the holdings times the horizon
LIVE: Final = 3.0  # the one that is also run with plans anew
SIGMA: Final = VOLATILITY_BP / BP_IN_ONE * PX  # dollars in the root of a day
MODEL: Final = Impact(
    gamma=SPREAD / (PERMANENT_PART * ADV), eta=SPREAD / (TEMPORARY_PART * ADV), epsilon=SPREAD / 2
)  # as `is` has it at this spread
TAU: Final = SLICE_S / DAY_S


def aversion(steepness: float) -> float:
    """The risk aversion at which the holdings decay so fast, at the usual spread and volatility."""
    bend = 2.0 * (np.cosh(steepness / SLICES) - 1.0) / TAU**2
    return float(bend * MODEL.tilde(TAU) / SIGMA**2)


def kappa(risk_aversion: float, sigma: float = SIGMA) -> float:
    """And back, per day."""
    return decay(risk_aversion=risk_aversion, sigma=sigma, impact=MODEL, tau=TAU)


def objective(shares: float, decay_day: float, risk_aversion: float, sigma: float = SIGMA) -> float:
    """Mean + lambda x variance of a plan, as the model has it."""
    held = holdings(shares=shares, kappa=decay_day, whole=SECONDS / DAY_S, steps=SLICES)
    cost = expected_cost(held=held, impact=MODEL, whole=SECONDS / DAY_S)
    return cost + risk_aversion * variance(held=held, sigma=sigma, whole=SECONDS / DAY_S)


def _right() -> ImpactConfig:
    """The law of the model in the venue's terms: a child pays half of its own push, and what is left of the earlier
    ones; half a hyperbolic cotangent in all, at an even rate.
    """
    of_price = VOLATILITY_BP / BP_IN_ONE * PX
    paid = 0.5 / tanh(SLICE_S / (2.0 * DECAY_S)) * SLICE_S / DECAY_S
    return ImpactConfig(
        permanent=MODEL.gamma * ADV / of_price, temporary=MODEL.eta * ADV / of_price / paid, exponent=1.0,
        decay_s=DECAY_S, volatility_bp=VOLATILITY_BP, average_volume=float(ADV),
    )  # fmt: skip


RIGHT: Final = _right()


def even_price(config: ImpactConfig, shares: float) -> float:
    """What a child of an even schedule pays for temporary impact, as a part of the price."""
    faded = exp(-SLICE_S / config.decay_s)
    push = Push(flow_nanos=shares * NANO * faded / (1.0 - faded), ts_ns=1)
    bare = msgspec.structs.replace(config, permanent=0.0)
    return shift(push, bare, 1) + walk(push, bare, signed_qty_nanos=round(shares * NANO), ts_ns=1)


def bent(exponent: float) -> ImpactConfig:
    """Another exponent; even parts of the middle size cost what they cost before, so that only the bend differs."""
    child = (SIZES[0] * SIZES[-1]) ** 0.5 * ADV / SLICES
    other = msgspec.structs.replace(RIGHT, exponent=exponent)
    scale = even_price(RIGHT, child) / even_price(other, child)
    return msgspec.structs.replace(other, temporary=RIGHT.temporary * scale)


# Venue, and by what the market moves more than it did before the order came.
VENUES: Final[dict[str, tuple[ImpactConfig, float]]] = {
    "as the model": (RIGHT, 1.0),
    "exponent half": (bent(0.5), 1.0),
    "exponent double": (bent(2.0), 1.0),
    "decay half": (msgspec.structs.replace(RIGHT, decay_s=DECAY_S / 2), 1.0),
    "decay double": (msgspec.structs.replace(RIGHT, decay_s=DECAY_S * 2), 1.0),
    "impact half": (msgspec.structs.replace(RIGHT, volatility_bp=VOLATILITY_BP / 2), 1.0),
    "impact double": (msgspec.structs.replace(RIGHT, volatility_bp=VOLATILITY_BP * 2), 1.0),
    "market half": (RIGHT, 0.5),
    "market double": (RIGHT, 2.0),
}


def ways(side: int = 1) -> tuple[Way, ...]:
    """Even parts and the optimal plans, for each size."""
    found = []
    for size in SIZES:
        shares = side * round(size * ADV)
        base = {"duration_s": SECONDS, "slices": SLICES}
        found.append(Way(name=f"twap {size:g}", algo="twap", params=base, shares=shares))
        for steepness in STEEPNESS:
            params = base | {"risk_aversion": aversion(steepness), "replan_times": 1.0}
            found.append(Way(name=f"is {steepness:g} {size:g}", algo="is", params=params, shares=shares))
        for name, times in (("live", 1.5), ("unbound", 1_000.0))[: 1 + (size == SIZES[-1])]:
            params = base | {"risk_aversion": aversion(LIVE), "replan_times": times}
            found.append(Way(name=f"{name} {LIVE:g} {size:g}", algo="is", params=params, shares=shares))
    return tuple(found)


def market(seed: int, times: float = 1.0) -> Any:
    """One made-up hour and a bit."""
    return made_market(seed, seconds=SECONDS, volatility_bp_hour=VOLATILITY_BP_HOUR, times=times)


def traded(seed: int, venue: str, chosen: tuple[Way, ...]) -> list[Outcome]:
    """One market on one venue, in each way."""
    impact, times = VENUES[venue]
    with tempfile.TemporaryDirectory(prefix="quantd-impact-") as name:
        return ImpactWorld(chosen, impact, Path(name), seed=seed + 1).play(market(seed, times))


def side_of(seed: int) -> int:
    """Buys and sales in turn."""
    return 1 if seed % 2 == 0 else -1


def run_part(number: int) -> dict[str, Any]:
    """One market."""
    seeds = range(number * SEEDS_PER_PART, (number + 1) * SEEDS_PER_PART)
    cells: dict[str, dict[str, str]] = {}
    failures: list[str] = []
    for venue in VENUES:
        rows: dict[str, list[str]] = {}
        for seed in seeds:
            chosen = ways(side_of(seed))
            try:
                outcomes = traded(seed, venue, chosen)
            except AssertionError as fault:
                failures.append(f"seed {seed}, {venue}: {fault}")
                continue
            for way, outcome in zip(chosen, outcomes, strict=True):
                found = f"{seed} {outcome.impact:.2f} {outcome.market:.2f} {outcome.exposure:.0f} {outcome.kappa:.3f}"
                rows.setdefault(way.name, []).append(found)
        cells[venue] = {name: "; ".join(found) for name, found in rows.items()}
    seen = [moves(market(seed)) for seed in seeds]
    return {
        "square_of_a_day": [round(square, 4) for square, _ in seen],
        "spread": [round(spread, 5) for _, spread in seen],
        "outcomes": cells,
        "counts": {"schedules": len(VENUES) * len(seeds) * len(ways())},
        "failures": failures,
    }


def moves(rows: Any) -> tuple[float, float]:
    """Mean square of the mid's moves over a slice as one of a day, in squared dollars; and the spread by time."""
    quotes = rows[rows["kind"] == QUOTE]
    times = quotes["ts_ns"]
    mids = (quotes["bid_px_nanos"] + quotes["ask_px_nanos"]) / (2.0 * NANO)
    grid = OPEN_NS + (WARM_S + SLICE_S * np.arange(SLICES + 1)) * NANO
    at = np.searchsorted(times, grid, side="right") - 1
    square = float((np.diff(mids[at]) ** 2).mean() / TAU)
    stood = np.diff(np.append(times, OPEN_NS + (WARM_S + SECONDS + GRACE_S) * NANO))
    spread = (quotes["ask_px_nanos"] - quotes["bid_px_nanos"]) / NANO
    return square, float((spread * stood).sum() / stood.sum())
