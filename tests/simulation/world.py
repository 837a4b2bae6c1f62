"""The small world of the simulation: two stocks, two strategies that trade often, tight limits, and a tape by seed.

Composed by the trader's own daemon/build.py, so that what is simulated is what runs.
"""

from functools import cache
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import msgspec
import numpy as np

from broker.sim.config import VenueConfig
from core.fee_plans import DEFAULT_PLANS
from core.reference import (
    CodeVersion,
    ConfigResolved,
    FeesLoaded,
    InstrumentLoaded,
    InstrumentReference,
    SessionsLoaded,
)
from core.rows import PRINT, QUOTE, ROW
from core.units import NANO
from daemon.build import Restored, build_machine
from daemon.config import Config, instruments_of, parse_config
from daemon.config.schema import EngineIntervals
from daemon.machine import Machine
from daemon.reference.tables import ReferenceTables
from tests.fakes.operators import ONE_PERSON
from tests.fakes.tape import DATES, OPEN_NS, session_table

SYMBOLS: Final = ("AAA", "BBB")
STRATEGIES: Final = ("alpha", "beta")
DATE: Final = DATES[0]
START_NS: Final = OPEN_NS + 600 * NANO
CENT: Final = NANO // 100
POSITION_MAX: Final = 600 * NANO
ORDER_MAX: Final = 250 * NANO
GROSS_MAX: Final = 60_000 * NANO
WORKING_MAX: Final = 6
WORKING_EXIT_RESERVE: Final = 2
ROWS_PER_SECOND: Final = 5

_CONFIG: Final = (
    """
[account]
id = "DU0000001"
tag = "sim"
start_cash = 1_000_000
[feed]
kind = "synthetic"
[[instruments]]
symbol = "AAA"
tick = 0.01
round_lot = 100
[[instruments]]
symbol = "BBB"
tick = 0.01
round_lot = 100
[strategies.alpha]
kind = "meanrev"
symbols = ["AAA", "BBB"]
params = { half_life_s = 4, enter_z = 0.9, leave_z = 0.2, position_shares = 300, cadence_s = 2, warm_up_s = 2, \
quotes_min = 5 }
execution = { algo = "twap", params = { duration_s = 9, slices = 3 }, patience = 0.5, chase_s = 0.5, backoff_s = 1.5, \
grace_s = 4 }
[strategies.beta]
kind = "meanrev"
symbols = ["AAA", "BBB"]
params = { half_life_s = 9, enter_z = 1.2, leave_z = 0.3, position_shares = 240, cadence_s = 4, warm_up_s = 2, \
quotes_min = 5 }
execution = { algo = "immediate", patience = 0.3, chase_s = 1, backoff_s = 2, grace_s = 2 }
"""
    + ONE_PERSON
    + """
[limits.account]
order_quantity_max = 250
position_long_max = 600
position_short_max = 600
position_equity_bp_max = 10000
order_equity_bp_max = 10000
gross_max = 60000
working_orders_max = 6
working_exit_reserve = 2
age_seconds_max_regular = 20
"""
)


@cache
def base_config() -> Config:
    """The config every schedule varies."""
    return parse_config(_CONFIG, file="simulation", folder=Path.cwd())


@cache
def tables() -> ReferenceTables:
    """Reference tables made by hand: three days of XNYS."""
    return ReferenceTables(
        config=ConfigResolved(json="", digest=""),
        code=CodeVersion(version="", source_digest="", kernel_digest="", platform=""),
        sessions=(SessionsLoaded(table=session_table()),),
        instruments=tuple(InstrumentLoaded(instrument=instrument) for instrument in instruments_of(base_config())),
        fees=FeesLoaded(plan="ibkr_pro_fixed", rows=DEFAULT_PLANS["ibkr_pro_fixed"]),
        slow=tuple(
            InstrumentReference(inst=inst, effective_from=DATE, adv_nanos=10_000_000 * NANO, until=DATES[-1])
            for inst in range(2)
        ),
    )


# By algo: parameters under which it trades often in the short time of a run.
PLANS: Final[dict[str, dict[str, Any]]] = {
    "twap": {"duration_s": 9, "slices": 3, "jitter": 0.5, "limit_bp": 50.0},
    "vwap": {"duration_s": 9, "slices": 3, "participation": 0.3},
    "pov": {"duration_s": 30, "interval_s": 5, "participation": 0.3, "interval_part": 0.5},
    "is": {"duration_s": 12, "slices": 4, "risk_aversion": 0.1, "volatility_bp": 200.0},
    "iceberg": {"duration_s": 12, "display_lots": 60, "jitter": 0.3},
    "adaptive": {"duration_s": 9, "slices": 3, "urgency": "urgent", "adverse_bp": 5.0, "must_complete": False},
    "close": {"duration_s": 23_400, "slices": 12, "auction_part": 0.1, "lead_s": 5},
}
# The broker's own: one order for a whole parent, so it must be within the limits of one order.
NATIVE_PLANS: Final[dict[str, dict[str, Any]]] = {
    "ib_twap": {"duration_s": 9, "limit_bp": 50.0, "tags": {"allowPastEndTime": True}},
    "ib_arrivalpx": {"duration_s": 9, "limit_bp": 50.0, "tags": {"riskAversion": "Get Done"}, "must_complete": False},
    "ib_adaptive": {"duration_s": 12, "limit_bp": 50.0, "tags": {"adaptivePriority": "Urgent"}},
}


def config_with(venue: VenueConfig, *, reconcile_s: int, algo: str = "") -> Config:
    """The base config with a venue of its own, and alpha's algo where one is named."""
    base = base_config()
    if algo:
        alpha = base.strategies["alpha"]
        plan = NATIVE_PLANS[algo] if algo in NATIVE_PLANS else PLANS[algo]
        execution = msgspec.structs.replace(alpha.execution, algo=algo, params=plan)
        params = alpha.params | (
            {"half_life_s": 30, "cadence_s": 25} if algo == "pov" else {}
        )  # it needs its intervals
        params = params | ({"position_shares": 120} if algo in NATIVE_PLANS else {})
        changed = msgspec.structs.replace(alpha, execution=execution, params=params)
        base = msgspec.structs.replace(base, strategies={**base.strategies, "alpha": changed})
    return msgspec.structs.replace(
        base, venue=venue, engine=EngineIntervals(reconcile_s=reconcile_s, ack_timeout_s=2.0)
    )


def new_machine(
    config: Config,
    *,
    with_venue: bool = True,
    restored: Restored | None = None,
    reference: ReferenceTables | None = None,
) -> Machine:
    """A machine as the trader builds it. The kernels' start-up check is left to their own tests."""
    with patch("strategies.pipeline.assert_live_equals_batch"):
        return build_machine(config, reference or tables(), with_venue=with_venue, restored=restored)


def make_tape(seed: int, *, seconds: int) -> Any:
    """Rows of both stocks from START_NS on: a mean-reverting walk in cents, prints at the touch, some dirt."""
    draw = np.random.default_rng(seed)
    count = seconds * ROWS_PER_SECOND * len(SYMBOLS)
    rows = np.zeros(count, ROW)
    rows["ts_ns"] = START_NS + np.sort(draw.integers(0, seconds * NANO, count))
    rows["exchange_ts_ns"] = rows["ts_ns"]
    rows["inst"] = inst = draw.integers(0, len(SYMBOLS), count)
    rows["kind"] = kind = np.where(draw.random(count) < 0.3, PRINT, QUOTE)
    for number in range(len(SYMBOLS)):
        mine = np.flatnonzero(inst == number)
        bid = 3_000 * (number + 1) + _walk(draw, len(mine))
        ask = bid + draw.integers(1, 4, len(mine))
        printed = kind[mine] == PRINT
        sizes = draw.integers(1, 6, (2, len(mine))) * 100 * NANO
        rows["bid_px_nanos"][mine] = np.where(printed & (draw.random(len(mine)) < 0.5), ask, bid) * CENT
        rows["ask_px_nanos"][mine] = np.where(printed, 0, ask * CENT)
        rows["bid_qty_nanos"][mine] = sizes[0]
        rows["ask_qty_nanos"][mine] = np.where(printed, 0, sizes[1])
        _spoil(draw, rows, mine[~printed])
    return rows


def _walk(draw: Any, count: int) -> Any:
    steps = draw.integers(-3, 4, count)
    level = np.zeros(count, np.int64)
    at = 0
    for number, step in enumerate(steps):
        at += int(step) - (at // 12)
        level[number] = at
    return level


def _spoil(draw: Any, rows: Any, quotes: Any) -> None:
    """Crossed, one-sided and empty quotes, one in fifty each."""
    for name in ("ask_px_nanos", "bid_qty_nanos"):
        rows[name][quotes[draw.random(len(quotes)) < 0.02]] = 0
    crossed = quotes[draw.random(len(quotes)) < 0.02]
    rows["bid_px_nanos"][crossed] += 5 * CENT
