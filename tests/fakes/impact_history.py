"""A day of schedules on a venue that feels them, as a journal: what `quantd costs calibrate` is asked about, where the
truth is known. Owns the design; the world it runs in is tests/fakes/impact_world.py.
"""

from pathlib import Path
from typing import Final

import numpy as np

from broker.sim.impact import ImpactConfig
from core.units import BP, NANO
from execution.costs.impact import TURNOVER_DAYS
from tests.fakes.impact_world import DAY_S, ImpactWorld, Way, flat_market
from tests.fakes.tape import OPEN_NS

ADV: Final = 1_000_000
VOLATILITY: Final = 0.02
# What the fit should say, in the model's words: of the permanent part the venue knows no turnover, the model does.
GAMMA: Final = 0.3
ETA: Final = 0.6
BETA: Final = 0.6
VENUE: Final = ImpactConfig(
    permanent=GAMMA * TURNOVER_DAYS**0.25, temporary=ETA, exponent=BETA, decay_s=25.0, volatility_bp=VOLATILITY * BP,
    average_volume=float(ADV),
)  # fmt: skip
SECONDS: Final = 900
SLICES: Final = 45
EVERY_S: Final = 2_760  # a schedule, half an hour, the next
SCHEDULES: Final = 8  # of an instrument in the day
RATES: Final = (0.03, 0.6)  # of others' volume, spread evenly over the logarithm


def made(state: Path, *, seed: int, instruments: int) -> int:
    """A state directory with the journal of one such day; how many schedules it holds."""
    chance = np.random.default_rng(seed)
    params = {"duration_s": SECONDS, "slices": SLICES}
    ways = tuple(Way(name=f"twap {inst}", algo="twap", params=params, shares=0) for inst in range(instruments))
    bids = []
    for inst in range(instruments):
        position = 0
        for number in range(SCHEDULES):
            rate = float(np.exp(chance.uniform(np.log(RATES[0]), np.log(RATES[1]))))
            shares = round(rate * ADV * SECONDS / DAY_S)
            side = -1 if position >= shares and chance.random() < 0.6 else 1  # never through zero: that is two
            position += side * shares
            begin_s = 600 + number * EVERY_S + int(chance.integers(0, 60))
            bids.append((OPEN_NS + begin_s * NANO, inst, position))
    world = ImpactWorld(ways, VENUE, state, seed=seed + 1, adv=ADV)
    world.trade(flat_market(seed, instruments=instruments, volatility=VOLATILITY, adv=ADV), bids)
    return instruments * SCHEDULES
