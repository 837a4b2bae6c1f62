"""Every algo against a wilful venue: never over-filled, one child, exact after a crash, never a spin."""

from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import commands as c
from core.events import ReferenceArrived
from core.parents import ParentState
from core.units import NANO
from tests.fakes.chase_venue import ChaseVenue
from tests.fakes.trading_context import CENT, CLOSE_NS, DATE, SHARE, Bench, settings_of
from tests.property.test_executor_chase import KINDS, Loop

COMMON: Final = {"patience": 0.4, "chase_s": 2.0, "backoff_s": 3.0, "grace_s": 20.0}
PLANS: Final[dict[str, dict[str, Any]]] = {
    "twap": {"duration_s": 60, "slices": 6, "jitter": 0.6},
    "vwap": {"duration_s": 900, "slices": 6, "jitter": 0.3, "participation": 0.2},
    "pov": {"duration_s": 120, "interval_s": 10, "participation": 0.2, "limit_bp": 80},
    "is": {"duration_s": 120, "slices": 8, "risk_aversion": 1e-3, "volatility_bp": 200},
    "iceberg": {"duration_s": 60, "display_lots": 9, "jitter": 0.5},
    "adaptive": {"duration_s": 60, "slices": 6, "urgency": "patient", "adverse_bp": 20, "must_complete": False},
    "close": {"duration_s": 900, "slices": 4, "limit_bp": 50},
}
CURVE: Final = tuple(3_000 - 5 * minute for minute in range(390))


class PlannedLoop(Loop):
    """A parent that the desk planned, in a market whose volume and volatility move too."""

    def __init__(self, algo: str, *, shares: int, side: int, child_lots_max: int = 0, at_s: int = 0) -> None:
        self.settings = settings_of(algo=algo, params=PLANS[algo], child_lots_max=child_lots_max, **COMMON)
        self.bench = Bench(settings=self.settings)
        self.bench.context.volumes.take(
            ReferenceArrived(
                inst=0, effective_from=DATE, previous_close_nanos=1000 * CENT, adv_nanos=10**7 * SHARE, curve_ppm=CURVE
            )
        )
        self.bench.ts_ns += at_s * NANO
        self.venue = ChaseVenue(self.bench)
        self.qty_nanos = shares * SHARE
        self.parent_id = self.bench.plan(side * shares, self.settings)
        self.acts = 0
        self.mid = 1000

    def event(self, kind: str, draw: int) -> None:
        row = self.bench.context.market.state[0]
        if kind == "volume":
            row["volume_day_nanos"] += draw * 50 * SHARE
        elif kind == "cold":  # the market starts over, the books do not
            row["volume_day_nanos"] = row["samples"] = 0
        elif kind == "volatility":
            row["samples"], row["sample_span_ns"], row["sample_spread"] = 20, 600e9, 2.0 * CENT
            row["sample_square"] = (draw * CENT) ** 2
        else:
            super().event(kind, draw)


RUNS = st.fixed_dictionaries(
    {
        "shares": st.integers(1, 300),
        "side": st.sampled_from([1, -1]),
        "child_lots_max": st.sampled_from([0, 0, 25]),
        "at_s": st.sampled_from([0, 23_400 - 905, 23_400 - 300]),
    }
)
EVENTS = st.lists(
    st.tuples(st.sampled_from((*KINDS, "volume", "volume", "cold", "volatility")), st.integers(0, 60)), max_size=30
)


@given(algo=st.sampled_from(sorted(PLANS)), run=RUNS, events=EVENTS)
@pytest.mark.slow
@settings(max_examples=120)
def test_no_algo_over_fills(algo: str, run: dict[str, Any], events: list[tuple[str, int]]) -> None:
    """Random fills, rejects, corrections, pauses, link losses, crashes, volume and volatility; then a friendly venue:
    what a parent that must complete does not get it says, and no other ends with more or less than its fills.
    """
    loop = PlannedLoop(algo, **run)
    loop.drive()
    for kind, draw in events:
        loop.event(kind, draw)
        loop.drive()
    loop.finish()
    parent = loop.parent
    assert loop.venue.filled_nanos <= loop.qty_nanos
    assert (parent.state is ParentState.DONE) == (parent.filled_nanos == parent.qty_nanos)


@given(algo=st.sampled_from(sorted(set(PLANS) - {"pov", "vwap"})), run=RUNS)
@settings(max_examples=15)
def test_a_friendly_venue_fills_every_algo(algo: str, run: dict[str, Any]) -> None:
    """Without trouble each is DONE at its exact total (those that wait for volume apart: nothing trades here)."""
    loop = PlannedLoop(algo, **run)
    loop.finish()
    assert loop.parent.state is ParentState.DONE
    assert loop.venue.filled_nanos == loop.qty_nanos
    assert loop.bench.ts_ns <= max(loop.parent.end_ts_ns, CLOSE_NS)


@given(algo=st.sampled_from(sorted(PLANS)), run=RUNS)
@settings(max_examples=15)
def test_a_silent_venue_costs_few_wake_ups(algo: str, run: dict[str, Any]) -> None:
    """Nothing ever fills: wake-ups and orders are bounded by slices and the chase interval."""
    loop = PlannedLoop(algo, **run)
    loop.drive()
    end = loop.parent.end_ts_ns + loop.settings.grace_ns
    start = loop.bench.ts_ns
    wakes = 0
    while loop.bench.ts_ns < end:
        loop.bench.ts_ns = loop.bench.executor.wake_ns(loop.parent, loop.bench.ts_ns)
        loop.drive()
        for _ in range(5):
            loop.venue.answer(True)
            loop.drive()
        wakes += 1
    assert wakes <= 3 * max(loop.parent.slices, 8) + 8 + (end - start) // loop.settings.chase_ns
    assert loop.venue.sent <= 3 * max(loop.parent.slices, 8) + 3


def test_an_order_for_the_auction_is_left_alone() -> None:
    """Close: the rest goes as limit-on-close before the cut-off, whole, and nothing replaces or cancels it."""
    loop = PlannedLoop("close", shares=200, side=1, child_lots_max=25, at_s=23_400 - 900)
    cutoff = CLOSE_NS - 600 * NANO
    while not any(order.order_type == c.LOC for order in loop.bench.money.orders.values()):
        loop.bench.ts_ns = loop.bench.executor.wake_ns(loop.parent, loop.bench.ts_ns)
        assert loop.bench.ts_ns <= cutoff
        for _ in range(4):
            loop.drive()
            loop.venue.answer(True)
    (auction,) = loop.bench.money.live_orders.values()
    assert auction.qty_nanos == loop.qty_nanos, "nothing was filled before"
    assert auction.limit_px_nanos == 1006 * CENT, "fifty basis points beyond 10.01, down to a tick"
    while loop.bench.ts_ns < CLOSE_NS:
        loop.bench.quote(0, 900, 902)
        loop.bench.ts_ns = loop.bench.executor.wake_ns(loop.parent, loop.bench.ts_ns)
        assert loop.bench.executor.act(loop.parent, loop.bench.ts_ns) is None
    loop.finish()
    assert loop.parent.state is ParentState.DONE
