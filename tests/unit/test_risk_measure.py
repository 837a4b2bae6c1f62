"""The slow numbers of risk against formulas worked by hand and against other ways to the same number."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.events import RiskMeasured
from core.units import NANO
from risk.measure import BETA_ASSUMED, Book, History, Holding, RiskModel, Rules, historical, weighted
from risk.scenarios import Scenario

DAYS = 101
DATES = tuple(20250101 + 100 * (day // 28) + day % 28 for day in range(DAYS))


def rules(**changes: Any) -> Rules:
    """Three names in two sectors, the mean of all as the market."""
    fields: dict[str, Any] = {
        "sectors": ("banks", "banks", ""),
        "market_inst": -1,
        "participation_bp": 1_000,
        "cluster_correlation_bp": 8_000,
        "assumed_volatility_bp": 400,
    }
    return Rules(**(fields | changes))


def history(inst: int, returns: list[float], dates: tuple[int, ...] = DATES) -> History:
    """Closes with these returns, the first at 100."""
    closes = [100.0]
    for move in returns:
        closes.append(closes[-1] * (1.0 + move))
    return History(inst=inst, dates=dates, closes_nanos=tuple(round(close * NANO) for close in closes))


def book(*dollars: int, qty: int = 1, adv: int = 0, equity: int = 1_000_000) -> Book:
    """So many dollars of each instrument."""
    return Book(
        as_of_ns=7,
        equity_nanos=equity * NANO,
        gross_nanos=sum(abs(value) for value in dollars) * NANO,
        holdings=tuple(
            Holding(inst=inst, value_nanos=value * NANO, qty_nanos=qty * NANO, adv_nanos=adv * NANO)
            for inst, value in enumerate(dollars)
            if value
        ),
    )


def ladder_of_losses() -> list[float]:
    """100 days: the worst lost 10 %, the next 9 %, 8 %, ... 1 %, and 90 days gained 0.1 %."""
    return [-0.01 * loss for loss in range(1, 11)] + [0.001] * 90


def test_a_hundred_days_by_hand() -> None:
    """99 %: the second worst day of a hundred is not exceeded by 99, and the worst day is the tail. 95 %: the sixth
    worst, and the mean of the five worst.
    """
    profits = np.array(ladder_of_losses())
    assert historical(profits, 990).var == pytest.approx(0.09)
    assert historical(profits, 990).cvar == pytest.approx(0.10)
    assert historical(profits, 950).var == pytest.approx(0.05)
    assert historical(profits, 950).cvar == pytest.approx((0.10 + 0.09 + 0.08 + 0.07 + 0.06) / 5)


def test_part_of_a_day_in_the_tail() -> None:
    """250 days: the tail of 1 % is two and a half days; the third counts by half."""
    profits = np.array([-5.0, -4.0, -2.0] + [1.0] * 247)
    assert historical(profits, 990).var == pytest.approx(2.0)
    assert historical(profits, 990).cvar == pytest.approx((5.0 + 4.0 + 0.5 * 2.0) / 2.5)


def test_weights_of_recent_days() -> None:
    """Lambda 0.94, the newest day last, written as the recursion that RiskMetrics gives."""
    rng = np.random.default_rng(5)
    profits = rng.normal(0.0, 1_000.0, 400)
    variance = weight = 0.0
    for profit in profits:
        variance = 0.94 * variance + 0.06 * float(profit) ** 2
        weight = 0.94 * weight + 0.06
    sigma = math.sqrt(variance / weight)
    tail = weighted(profits, 990)
    assert tail.var == pytest.approx(2.3263478740408408 * sigma)
    density = math.exp(-(2.3263478740408408**2) / 2) / math.sqrt(2 * math.pi)
    assert tail.cvar == pytest.approx(density / 0.01 * sigma)
    assert weighted(profits, 950).var == pytest.approx(1.6448536269514722 * sigma)


def measured(model: RiskModel, at: Book) -> RiskMeasured:
    """One look."""
    return model.measure(at)


def test_one_name_by_hand() -> None:
    """100,000 dollars of a name whose second worst day of a hundred lost 9 %: 9,000 dollars; short, its gains count."""
    model = RiskModel(rules(), [history(0, ladder_of_losses())])
    found = measured(model, book(100_000))
    assert found.observations == 100
    assert found.historical_var_nanos == pytest.approx(9_000 * NANO, rel=1e-6)
    assert found.var_nanos == max(found.historical_var_nanos, found.weighted_var_nanos)
    assert found.cvar_nanos >= found.var_nanos >= found.var95_nanos
    assert found.assumed == ()
    assert measured(model, book(-100_000)).historical_var_nanos == pytest.approx(100 * NANO, abs=NANO // 100)
    assert found.var_nanos % (NANO // 100) == 0, "losses are whole cents"


def test_without_history_a_high_volatility_is_assumed() -> None:
    """4 % a day, 99 %: 2.326 x 4 % of both names' value together, whatever their sides; and it says so."""
    found = measured(RiskModel(rules(), []), book(100_000, -50_000))
    assert found.var_nanos == pytest.approx(2.3263478740408408 * 0.04 * 150_000 * NANO, rel=1e-6)
    assert found.assumed == (0, 1)
    market = dict(found.stresses)["market -10 %"]
    assert market == pytest.approx(0.1 * BETA_ASSUMED * 100_000 * NANO, abs=NANO // 100), "what gains in it is no hedge"


def test_a_short_history_is_none() -> None:
    """60 closes are not enough, and a name that misses more than a tenth of the days is not used."""
    short = history(0, [0.01] * 59, DATES[:60])
    assert measured(RiskModel(rules(), [short]), book(100_000)).assumed == (0,)
    whole = [history(inst, ladder_of_losses()) for inst in (1, 2)]
    holes = History(inst=0, dates=DATES[:85], closes_nanos=(100 * NANO,) * 85)
    model = RiskModel(rules(), [holes, *whole])
    assert set(model.instruments) == {1, 2}


def test_a_hole_is_carried_on() -> None:
    """A day without a close has no move; the day after has both days' move."""
    moves = ladder_of_losses()
    full = history(0, moves)
    cut = History(
        inst=1, dates=full.dates[:50] + full.dates[51:], closes_nanos=full.closes_nanos[:50] + full.closes_nanos[51:]
    )
    model = RiskModel(rules(), [full, cut])
    column = model.column[1]
    assert model.returns[49, column] == 0.0
    assert model.returns[50, column] == pytest.approx((1 + moves[49]) * (1 + moves[50]) - 1)


def test_stress_by_hand() -> None:
    """Beta against a named market: name 1 moves twice as much as the market, name 0."""
    rng = np.random.default_rng(3)
    base = [float(move) for move in rng.normal(0.0, 0.01, DAYS - 1)]
    scenarios = (
        Scenario(name="down", kind="market", shock_bp=-1_000),
        Scenario(name="sector", kind="sector", shock_bp=-2_000),
        Scenario(name="single", kind="single", shock_bp=-3_000),
        Scenario(name="twice", kind="volatility", shock_bp=20_000),
    )
    model = RiskModel(
        rules(market_inst=0, scenarios=scenarios), [history(0, base), history(1, [2 * move for move in base])]
    )
    found = measured(model, book(10_000, 20_000, 5_000))
    stress = {name: loss / NANO for name, loss in found.stresses}
    assert stress["down"] == pytest.approx(0.1 * (10_000 + 2 * 20_000 + BETA_ASSUMED * 5_000), rel=1e-4)
    assert stress["sector"] == pytest.approx(0.2 * 30_000, abs=0.01)
    assert stress["single"] == pytest.approx(0.3 * 20_000, abs=0.01)
    assert stress["twice"] == pytest.approx(2 * found.var_nanos / NANO, abs=0.02)
    assert found.worst_stress_nanos == max(loss for _, loss in found.stresses)
    assert found.clusters == ((0, 1),)


def test_days_to_exit() -> None:
    """5,000 shares at a tenth of 10,000 a day: five days; a name whose volume nobody knows is left out."""
    model = RiskModel(rules(), [])
    found = measured(model, book(1_000, qty=5_000, adv=10_000))
    assert (found.days_to_exit_milli, found.slowest_inst) == (5_000, 0)
    assert measured(model, book(1_000, qty=5_000)).days_to_exit_milli == 0


def test_names_that_move_together() -> None:
    """Correlations agree with numpy's; a name joined through another is of the same cluster."""
    rng = np.random.default_rng(11)
    shared = rng.normal(0.0, 0.01, DAYS - 1)
    returns = [shared, shared + rng.normal(0.0, 0.001, DAYS - 1), rng.normal(0.0, 0.01, DAYS - 1)]
    model = RiskModel(rules(), [history(inst, [float(x) for x in moves]) for inst, moves in enumerate(returns)])
    correlations = np.array(np.corrcoef(np.array(returns)))
    assert float(correlations[0, 1]) > 0.8 > abs(float(correlations[0, 2]))
    assert model.clusters == ((0, 1),)


def test_an_empty_book_has_no_risk() -> None:
    """Nothing held."""
    found = measured(RiskModel(rules(), [history(0, ladder_of_losses())]), book())
    assert (found.var_nanos, found.cvar_nanos, found.worst_stress_nanos, found.days_to_exit_milli) == (0, 0, 0, 0)


WILD = [float(move) for move in np.random.default_rng(1).standard_t(3, DAYS - 1) * 0.01]
MODEL = RiskModel(rules(), [history(0, WILD), history(1, ladder_of_losses())])


@settings(max_examples=60, deadline=None)
@given(
    dollars=st.tuples(*[st.integers(-200_000, 200_000)] * 3),
    factor=st.integers(2, 9),
)
def test_a_larger_book_is_a_larger_risk(dollars: tuple[int, int, int], factor: int) -> None:
    """So many times every position is so many times every loss, up to a cent each; never less risk for more size."""
    small = measured(MODEL, book(*dollars))
    large = measured(MODEL, book(*(factor * value for value in dollars)))
    for name in ("var_nanos", "cvar_nanos", "worst_stress_nanos", "var95_nanos", "cvar95_nanos"):
        one, many = getattr(small, name), getattr(large, name)
        assert many >= one
        assert many == pytest.approx(factor * one, abs=(factor + 1) * NANO // 100)
    assert small.cvar_nanos >= small.var_nanos
