"""What trading costs before it is done: the published tables, the parts of an estimate, the choice, the edge."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Bug, ConfigError
from core.fee_plans import DEFAULT_PLANS
from core.fees import FeeTable
from core.ids import BUY, SELL
from core.units import BP, NANO
from execution.costs import (
    MODELS,
    Almgren,
    Choice,
    Conditions,
    Estimate,
    ImpactModel,
    IStar,
    Order,
    Schedule,
    Situation,
    SquareRoot,
    choose,
    estimate,
    even_schedule,
    find_model,
    judge_edge,
    weights_of,
)
from execution.costs.estimate import exposure
from execution.costs.impact import timing_risk

FIXED = FeeTable(DEFAULT_PLANS["ibkr_pro_fixed"])
TIERED = FeeTable(DEFAULT_PLANS["ibkr_pro_tiered"])
IBM_ADV = 6_561_000
IBM = Conditions(
    mid_nanos=80 * NANO, spread_nanos=NANO // 100, adv_nanos=IBM_ADV * NANO, volatility=0.0157, turnover_days=263.374
)
TENTH = Order(side=BUY, qty_nanos=IBM_ADV // 10 * NANO, date=20250602)


def bp(fraction: float) -> float:
    return fraction * BP


def priced(shares: int, schedule: Schedule, model: ImpactModel = MODELS[0], side: int = BUY) -> Estimate:
    order = Order(side=side, qty_nanos=shares * NANO, date=20250602)
    return estimate(order, IBM, schedule, fees=FIXED, model=model)


@pytest.mark.parametrize(
    ("days", "k_of_sigma", "k_bp", "j_bp"), [(0.1, 0.142, 22, 32), (0.2, 0.094, 15, 25), (0.5, 0.054, 8, 18)]
)
def test_almgren_s_table(days: float, k_of_sigma: float, k_bp: int, j_bp: int) -> None:
    """A tenth of IBM's day, as printed: permanent 0.126 sigma = 19.86 bp, temporary by the time it may take."""
    model = Almgren()
    permanent = model.permanent(size=0.1, volatility=0.0157, turnover_days=263.374)
    assert permanent / 0.0157 == pytest.approx(0.126, abs=0.0006)
    assert bp(permanent) == pytest.approx(19.86, abs=0.01)
    temporary = model.temporary(size=0.1, volatility=0.0157, rate=0.1 / days)
    assert temporary / 0.0157 == pytest.approx(k_of_sigma, abs=0.0006)
    assert round(bp(temporary)) == k_bp
    found = estimate(TENTH, IBM, even_schedule(30, days=days, volume=days), fees=FIXED, model=model)
    impact = found.part_nanos("permanent") + found.part_nanos("temporary")
    assert round(impact * BP / found.notional_nanos) == j_bp


def test_square_root_law() -> None:
    """One per cent of a day at two per cent of volatility costs 20 bp."""
    assert bp(SquareRoot().temporary(size=0.01, volatility=0.02, rate=5.0)) == pytest.approx(20.0)


def test_istar_and_its_risk() -> None:
    """I-Star by its formula at both ends of participation; its risk is that of an even schedule."""
    year = 0.02 * 250**0.5
    model = IStar()
    whole = 708 * 0.1**0.55 * year**0.71
    assert bp(model.instantaneous(size=0.1, volatility=0.02)) == pytest.approx(whole)
    assert bp(model.temporary(size=0.1, volatility=0.02, rate=0.25)) == pytest.approx(0.98 * whole * 0.2**0.5)
    assert bp(model.permanent(size=0.1, volatility=0.02, turnover_days=0.0)) == pytest.approx(0.02 * whole)
    for slices in (1, 7, 50):
        schedule = even_schedule(slices, days=0.4, volume=0.4)
        expected = timing_risk(volatility_year=year, size=0.1, participation=0.2)  # 0.1 / (0.1 + 0.4)
        assert bp(0.02 * exposure(schedule) ** 0.5) == pytest.approx(expected)


@pytest.mark.parametrize("change", [{"a1": 99.0}, {"a1": 1001.0}, {"a2": 0.05}, {"a3": 1.1}, {"a4": 0.0}, {"b1": 0.69}])
def test_istar_keeps_its_bounds(change: dict[str, float]) -> None:
    """Parameters outside Kissell's bounds are refused by name."""
    with pytest.raises(ConfigError, match=rf"istar\.{next(iter(change))}"):
        IStar(**change)


def test_models_by_name() -> None:
    """A config names its model."""
    assert [find_model(model.name) for model in MODELS] == list(MODELS)
    with pytest.raises(ConfigError, match="use one of almgren, square_root, istar"):
        find_model("none")


def test_the_parts_of_an_estimate() -> None:
    """Commission with a minimum for each child, half the spread for what crosses, and the sum exact."""
    found = priced(1000, even_schedule(10, days=0.1, volume=0.1, crossing=0.5), side=SELL)
    assert found.part_nanos("commission") == 10 * NANO  # ten orders of 100 shares, 1.00 each
    assert found.part_nanos("spread") == 1000 * NANO // 400  # half of half a cent
    assert found.part_nanos("fees") == 1000 * 166_000 + 1000 * 72_000  # sold: TAF, CAT; section 31 is 0.00 then
    assert found.cost_nanos == sum(part for _, part in found.parts)
    assert found.cost_bp_nanos == pytest.approx(found.cost_nanos * BP / 80_000, rel=1e-9)
    assert "commission 1.25" in found.text()
    assert priced(1000, even_schedule(1, days=0.1, volume=0.1)).part_nanos("commission") == 5 * NANO


def test_the_month_moves_on_with_the_slices() -> None:
    """Under the tiered plan later slices of a parent may be cheaper: 2.75 for the thousand over the edge."""
    order = Order(side=BUY, qty_nanos=1000 * NANO, date=20250602, month_before_nanos=299_500 * NANO)
    for slices in (1, 2):
        found = estimate(order, IBM, even_schedule(slices, days=0.1, volume=0.1), fees=TIERED, model=Almgren())
        assert found.part_nanos("commission") == 2_750_000_000


def test_nothing_costs_nothing_and_unknown_is_no_estimate() -> None:
    """Zero at zero; without volatility there is no number."""
    assert priced(0, even_schedule(1, days=0.1, volume=0.1)).cost_nanos == 0
    unknown = msgspec.structs.replace(IBM, volatility=0.0, adv_nanos=0)
    assert unknown.missing() == "average volume, volatility"
    with pytest.raises(Bug, match="without average volume"):
        estimate(TENTH, unknown, even_schedule(1, days=1.0, volume=1.0), fees=FIXED, model=Almgren())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
@settings(max_examples=25)
@given(
    shares=st.integers(1, 600_000),
    more=st.integers(1, 600_000),
    slices=st.integers(1, 20),
    days=st.floats(0.01, 1.0),
    side=st.sampled_from([BUY, SELL]),
)
def test_an_estimate_grows_with_size(
    model: ImpactModel, shares: int, more: int, slices: int, days: float, side: int
) -> None:
    """In cash every part grows, impact also in basis points; buying and selling differ by fees of sales alone."""
    schedule = even_schedule(slices, days=days, volume=days)
    less, found = priced(shares, schedule, model, side), priced(shares + more, schedule, model, side)
    for name in ("spread", "permanent", "temporary", "fees"):
        assert found.part_nanos(name) >= less.part_nanos(name) >= 0
    assert found.risk_nanos > less.risk_nanos > 0
    per_cash = [one.part_nanos("temporary") / one.notional_nanos for one in (less, found)]
    assert per_cash[1] >= per_cash[0] - 1e-9
    assert found.cost_nanos == sum(part for _, part in found.parts)
    other = priced(shares, schedule, model, -side)
    assert [other.part_nanos(n) for n in ("spread", "temporary")] == [
        less.part_nanos(n) for n in ("spread", "temporary")
    ]


@given(days=st.floats(0.02, 0.5), factor=st.floats(1.1, 2.0))
def test_longer_is_cheaper_and_riskier(days: float, factor: float) -> None:
    """More time: less temporary impact, more risk; the permanent part stays."""
    short, long = (priced(100_000, even_schedule(5, days=d, volume=d)) for d in (days, days * factor))
    assert long.part_nanos("temporary") < short.part_nanos("temporary")
    assert long.risk_nanos > short.risk_nanos
    assert long.part_nanos("permanent") == short.part_nanos("permanent")


def test_weights_of_a_parent() -> None:
    """Cumulative billionths become parts that sum to one."""
    assert weights_of((250_000_000, NANO)) == (0.25, 0.75)


def auto(shares: int, *, conditions: Conditions = IBM, fees: FeeTable = FIXED, **situation: object) -> Choice:
    order = Order(side=BUY, qty_nanos=shares * NANO, date=20250602)
    asked = msgspec.convert({"horizon_s": 3600, **situation}, Situation)
    return choose(order, conditions, asked, fees=fees, model=Almgren())


U_CURVE = (0.03, 0.02, 0.01, 0.005)


def test_small_orders_rest_first_and_are_not_cut() -> None:
    """100 shares: one order that rests first; cutting it up would pay the minimum many times."""
    found = auto(100)
    assert found.algo == "adaptive"
    assert found.expected is not None
    assert found.expected.part_nanos("commission") == NANO
    assert "0.0015 % of a day" in found.why
    assert "against" in found.why


def test_urgency_brings_it_forward() -> None:
    """The more risk weighs, the sooner it is done: even, then front-loaded or shorter, then at once."""
    weights = (0.0, 0.3, 3.0, 300.0)
    found = [auto(50_000, risk_weight=weight) for weight in weights]
    risks = [choice.expected.risk_nanos for choice in found if choice.expected is not None]
    assert risks == sorted(risks, reverse=True)
    assert [found[0].algo, found[-1].algo] == ["twap", "immediate"]
    assert any(choice.algo == "is" for choice in (auto(200_000, risk_weight=weight) for weight in (0.1, 0.2, 0.4)))


def test_a_known_curve_is_followed() -> None:
    """Trading where the volume is costs less than even parts, as temporary impact is convex in the rate."""
    found = auto(50_000, volume=U_CURVE)
    assert found.algo == "vwap"
    assert sum(found.weights) == pytest.approx(1.0)
    assert found.weights[0] > found.weights[-1]
    assert "without a volume curve" not in found.why


def test_a_large_blind_order_follows_the_volume() -> None:
    """Above five per cent of the volume, without a curve and free to leave a rest: POV. With a duty to finish: not."""
    assert auto(60_000, must_complete=False).algo == "pov"  # 1.0 M shares are expected within the hour
    assert auto(60_000, must_complete=False).params["participation"] == pytest.approx(0.0561)
    assert auto(40_000, must_complete=False).algo != "pov"
    assert auto(3_000_000, must_complete=False).algo != "pov"  # more than it may be told to take
    assert auto(60_000, must_complete=True).algo != "pov"
    assert auto(60_000, must_complete=False, volume=U_CURVE).algo != "pov"


def test_unknown_markets_and_missing_algorithms() -> None:
    """Without numbers: even parts over all the time, and the note says what is missing."""
    found = auto(1000, conditions=msgspec.structs.replace(IBM, adv_nanos=0))
    assert (found.algo, found.params["duration_s"], found.expected) == ("twap", 3600, None)
    assert "nobody knows the average volume" in found.why
    assert auto(50_000, algos=["immediate", "twap"], volume=list(U_CURVE)).algo == "twap"


@settings(max_examples=20)
@given(
    shares=st.integers(1, 2_000_000),
    horizon=st.integers(1, 23_400),
    weight=st.floats(0.0, 50.0),
    curve=st.booleans(),
)
def test_a_choice_is_the_cheapest_it_may_make(shares: int, horizon: int, weight: float, curve: bool) -> None:
    """It never takes longer than it may, and costs no more than crossing at once."""
    volume = U_CURVE if curve else ()
    found = auto(shares, horizon_s=horizon, risk_weight=weight, volume=volume)
    at_once = auto(shares, horizon_s=horizon, risk_weight=weight, volume=volume, algos=["immediate"])
    assert found.expected is not None
    assert at_once.expected is not None
    score = [c.cost_nanos + weight * c.risk_nanos for c in (found.expected, at_once.expected)]
    assert score[0] <= score[1]
    assert 1 <= found.params["duration_s"] <= horizon
    assert found.params.get("slices", 1) <= shares


def test_an_edge_must_pay_its_cost() -> None:
    """Not stated: nothing is judged. Stated: warned or refused when it does not cover the cost, or nobody knows it."""
    cost = priced(1000, even_schedule(1, days=0.1, volume=0.1))
    edge = cost.cost_bp_nanos
    assert judge_edge(0, cost, policy="refuse").pays
    assert judge_edge(edge + 1, cost, policy="refuse").pays
    warned, refused = (judge_edge(edge, cost, policy=policy) for policy in ("warn", "refuse"))
    assert (warned.pays, warned.refused, refused.pays, refused.refused) == (False, False, False, True)
    assert "does not pay the expected cost" in warned.text
    assert judge_edge(edge, None, policy="refuse").refused
    assert not judge_edge(edge, None, policy="warn").refused
