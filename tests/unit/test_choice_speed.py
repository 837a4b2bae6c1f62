"""What the automatic choice leaves out changes nothing: charges of many children by size and tier, candidates that are
not priced because they cannot be the cheapest, and how much work a choice may be.
"""

from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.fee_plans import DEFAULT_PLANS
from core.fees import ADDED, REMOVED, FeeTable
from core.units import NANO
from execution.costs import MODELS, Conditions, Order, Situation, choose
from execution.costs.charges import Charges, sizes
from execution.costs.estimate import NOT_KNOWN, Pricer
from tests.fakes.work import bytecodes

PLANS = tuple(FeeTable(DEFAULT_PLANS[name]) for name in sorted(DEFAULT_PLANS))
FIXED, TIERED = FeeTable(DEFAULT_PLANS["ibkr_pro_fixed"]), FeeTable(DEFAULT_PLANS["ibkr_pro_tiered"])
CURVES = ((), (0.02,) * 12, (0.05, 0.03, 0.02, 0.01, 0.01, 0.02, 0.03, 0.06))
DATE = 20260105
MARKETS = st.builds(
    Conditions,
    mid_nanos=st.integers(NANO // 20, 900 * NANO),
    spread_nanos=st.integers(10**6, 10**8),
    adv_nanos=st.integers(10_000 * NANO, 50_000_000 * NANO),
    volatility=st.floats(0.002, 0.1),
)
ORDERS = st.builds(
    Order,
    side=st.sampled_from([1, -1]),
    qty_nanos=st.one_of(st.integers(1, 3_000), st.integers(1, 900_000)).map(lambda shares: shares * NANO),
    date=st.just(DATE),
    lot_nanos=st.sampled_from([NANO, 100 * NANO]),
    month_before_nanos=st.sampled_from([0, 299_000 * NANO, 300_000 * NANO, 2_999_990 * NANO]),
)
WEIGHTS = st.one_of(
    st.integers(1, 20).map(lambda parts: (1.0 / parts,) * parts),
    st.lists(st.integers(1, 50), min_size=1, max_size=20).map(lambda parts: tuple(p / sum(parts) for p in parts)),
)


@settings(max_examples=25, deadline=None)
@given(order=ORDERS, weights=WEIGHTS, children=st.integers(1, 20), fees=st.sampled_from(PLANS), rests=st.booleans())
def test_charges_are_those_of_every_child_in_turn(
    order: Order, weights: tuple[float, ...], children: int, fees: FeeTable, rests: bool
) -> None:
    """By size and tier of the month, or one after the other with the month moving on: the same to the last nano."""
    sent = [qty for qty, count in sizes(order, weights, children) for _ in range(count)]
    assert sum(sent) == order.qty_nanos
    assert 0 < len(sent) <= len(weights) * children
    assert all(qty % order.lot_nanos == 0 for qty in sent[:-1])
    commission = other = 0
    month = order.month_before_nanos
    for qty in sent:
        found = fees.commission_nanos(
            date=DATE, side=order.side, qty_nanos=qty, px_nanos=12 * NANO, month_before_nanos=month,
            liquidity=ADDED if rests else REMOVED,
        )  # fmt: skip
        commission += found.per_order_nanos
        other += found.total_nanos - found.per_order_nanos
        month += qty
    charges = Charges(order, 12 * NANO, fees)
    assert charges.of(weights, children=children, rests=rests) == (commission, other)
    least = charges.least(len(weights) * children, rests=rests)
    if least is not None and len(set(weights)) == 1:
        assert least <= commission + other


@settings(max_examples=25, deadline=None)
@given(
    order=ORDERS,
    market=MARKETS,
    horizon=st.one_of(st.integers(1, 900), st.integers(1, 23_400)),
    curve=st.sampled_from(CURVES),
    weight=st.sampled_from([0.0, 0.1, 1.0, 10.0]),
    fees=st.sampled_from(PLANS),
    model=st.sampled_from(MODELS),
)
def test_a_choice_is_that_of_pricing_every_candidate(
    order: Order, market: Conditions, horizon: int, curve: tuple[float, ...], weight: float, fees: FeeTable, model: Any
) -> None:
    """Algorithm, parameters, expected cost and the words for it: all as when nothing is left out."""
    situation = Situation(horizon_s=horizon, volume=curve, risk_weight=weight)
    found = choose(order, market, situation, fees=fees, model=model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pricer, "least", lambda *_: NOT_KNOWN)
        assert choose(order, market, situation, fees=fees, model=model) == found


@pytest.mark.parametrize(("fees", "most"), [(FIXED, 60_000), (TIERED, 130_000)])
def test_the_work_of_a_choice_is_bounded(fees: FeeTable, most: int) -> None:
    """Whole day, with a curve, into another tier of the month: 203,000 bytecodes and 2,015,000 with every candidate
    priced and every child asked for.
    """
    market = Conditions(mid_nanos=100 * NANO, spread_nanos=2 * 10**7, adv_nanos=5_000_000 * NANO, volatility=0.02)
    situation = Situation(horizon_s=23_400, volume=(0.02,) * 24, risk_weight=0.3)
    for shares in (1_000, 500_000):
        order = Order(side=1, qty_nanos=shares * NANO, date=DATE, month_before_nanos=299_000 * NANO)
        chosen = partial(choose, order, market, situation, fees=fees, model=MODELS[0])
        chosen()  # what is remembered from one choice to the next
        spent = bytecodes(chosen)
        assert spent <= most, (shares, spent)
