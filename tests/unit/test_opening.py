"""Every schedule opens with its expected cost; auto becomes the cheapest; an entry that does not pay is told."""

from typing import Any

import msgspec
import pytest

from core import commands as c
from core import events as e
from core.errors import ConfigError
from core.fee_plans import DEFAULT_PLANS
from core.fees import FeeTable
from core.ledger import Execution
from core.ports import DeskPlan
from core.units import NANO
from execution.algos import ALGOS, AutoParams, ShortfallParams, Terms, find_algo
from execution.algos.shortfall import live_decay
from execution.costs import Choice
from execution.desk import EDGE_REFUSED, NettingDesk
from execution.opening import MonthVolume, params_of_choice, situation_of, volume_parts
from execution.pacing import terms_of
from execution.touch import Day
from tests.fakes.trading_context import ADV, CLOSE_NS, DATE, FEES, OPEN_NS, SHARE, Bench, settings_of

SAMPLE_NS = 30 * NANO
UNMEASURED: dict[str, int] = {}
MEASURED = {  # mids that move by a cent in half a minute: 28 cents in a day, 2.8 % of 10 dollars; two cents of spread
    "samples": 60,
    "sample_square": 10**14,
    "sample_span_ns": SAMPLE_NS,
    "sample_spread": 2 * 10**7,
}


def planned(
    shares: int, *, market: dict[str, int] = MEASURED, held: int = 0, curve: bool = False, fees: FeeTable = FEES,
    **fields: Any,
) -> DeskPlan:  # fmt: skip
    """What the desk does about a target, at the open."""
    bench = Bench()
    bench.quote(0, 1000, 1002, **market)
    if curve:
        bench.context.take_reference(
            e.ReferenceArrived(
                inst=0,
                effective_from=DATE,
                previous_close_nanos=0,
                adv_nanos=0,
                curve_ppm=(2_564,) * 390,
                source="test",
            )
        )
    if held:
        bench.hold("alpha", 0, held)
    bench.fold(c.SetTarget(strategy="alpha", inst=0, qty_nanos=shares * SHARE))
    desk = NettingDesk(bench.context, settings={}, default=settings_of(**fields), fees=fees)
    plan = desk.plan("alpha", 0, bench.ts_ns)
    assert plan is not None
    return plan


def opened(shares: int, **fields: Any) -> c.OpenParent:
    """The schedule of such a plan."""
    plan = planned(shares, **fields)
    assert plan.open is not None, plan
    return plan.open


def test_a_schedule_carries_its_expected_cost_and_risk() -> None:
    """1,000 shares at 10.01 at once: 5.00 commission, half of two cents a share, and impact on top."""
    opening = opened(1000, algo="immediate")
    spread = 1000 * NANO // 100
    assert opening.expected_cost_nanos > 5 * NANO + spread
    assert opening.expected_cost_nanos < 3 * (5 * NANO + spread)
    assert opening.expected_risk_nanos > 0
    slow = opened(1000, algo="twap", params={"duration_s": 3600, "slices": 4})
    assert slow.expected_cost_nanos < opening.expected_cost_nanos, "half of it rests and pays no spread"
    assert slow.expected_risk_nanos > opening.expected_risk_nanos


@pytest.mark.parametrize("algo", [algo.name for algo in ALGOS])
def test_every_algorithm_has_an_estimate(algo: str) -> None:
    """With its own defaults (what waits at a limit has one), with a curve and without one."""
    params = {"limit_bp": 50} if algo == "resting" or algo.startswith("ib_") else {}
    for curve in (False, True):
        opening = opened(600, algo=algo, curve=curve, params=params)
        assert opening.expected_cost_nanos > 3 * NANO, "the commission alone"
        assert opening.algo in [one.name for one in ALGOS if one.name != "auto"]


def test_what_the_broker_works_is_estimated_over_its_time() -> None:
    """Less impact and more risk than the same at once; the spread is paid, as nobody knows better."""
    at_once = opened(50_000, algo="immediate")
    by_broker = opened(50_000, algo="ib_vwap", params={"duration_s": 3600, "limit_bp": 50.0})
    ours = opened(50_000, algo="twap", params={"duration_s": 3600, "slices": 1}, patience=0.0)
    assert by_broker.expected_cost_nanos < at_once.expected_cost_nanos / 2
    assert by_broker.expected_risk_nanos > 3 * at_once.expected_risk_nanos
    assert by_broker.expected_risk_nanos == ours.expected_risk_nanos


def test_a_busy_day_makes_a_schedule_cheaper() -> None:
    """The curve expects a third of the average day by then; twice that was seen from the open on: the rest is expected
    at nearly twice, which costs less impact. Seen since later only, it says nothing.
    """

    def terms_at(volume: int, since_ns: int) -> Terms:
        bench = Bench()
        bench.quote(0, 1000, 1002, **MEASURED, volume_day_nanos=volume, volume_since_ns=since_ns)
        bench.context.take_reference(
            e.ReferenceArrived(
                inst=0, effective_from=DATE, previous_close_nanos=0, adv_nanos=0, curve_ppm=(2_564,) * 390
            )
        )
        day = bench.executor._days.regular(0, OPEN_NS + 7_800 * NANO)
        assert day is not None
        return terms_of(bench.context, 0, day, OPEN_NS + 7_800 * NANO)

    third = ADV // 3
    usual, busy, late = (
        terms_at(volume, since)
        for volume, since in ((third, OPEN_NS), (2 * third, OPEN_NS + NANO), (2 * third, OPEN_NS + 600 * NANO))
    )
    assert usual.level == pytest.approx(1.0, abs=1e-3)
    assert busy.level == pytest.approx((2 / 3 + 0.1) / (1 / 3 + 0.1), rel=1e-3)
    assert late.level == 1.0
    span = (OPEN_NS + 7_800 * NANO, OPEN_NS + 11_400 * NANO)
    expected = [sum(volume_parts(terms, *span, 4)) for terms in (usual, busy)]
    assert expected[1] == pytest.approx(expected[0] * busy.level / usual.level)


def test_what_is_not_known_is_said_and_not_guessed() -> None:
    """Before five minutes of mids there is no volatility; before the first row of a fee no fee."""
    opening = opened(100, market=UNMEASURED)
    assert opening.expected_cost_nanos == opening.expected_risk_nanos == 0
    assert "no estimate: nobody knows the volatility" in opening.why
    late = FeeTable(tuple(msgspec.structs.replace(row, effective_from=20990101) for row in FEES.rows[:1]))
    assert "no row for 20240304" in opened(100, fees=late).why
    chosen = opened(100, algo="auto", fees=late)
    assert chosen.algo == "twap"
    assert "no row for 20240304" in chosen.why


def test_auto_becomes_the_cheapest_and_says_against_what() -> None:
    """A small order goes in one piece, a patient large one in parts, an urgent large one faster than that."""
    small = opened(100, algo="auto")
    assert small.slices == 1, "each part would pay the minimum of one dollar"
    assert "; against " in small.why
    large = opened(500_000, algo="auto", curve=True)
    assert large.slices > 1
    assert large.end_ts_ns - large.start_ts_ns == 3600 * NANO
    hurried = opened(500_000, algo="auto", curve=True, risk_weight=3.0)
    assert hurried.expected_risk_nanos < large.expected_risk_nanos


def test_auto_without_volatility_is_even_parts_or_as_configured() -> None:
    """The config's volatility stands in until the market has shown its own."""
    blind = opened(1000, algo="auto", market=UNMEASURED)
    assert blind.algo == "twap"
    assert "nobody knows the volatility" in blind.why
    assert blind.expected_cost_nanos == 0
    told = opened(1000, algo="auto", market=UNMEASURED, params={"volatility_bp": 200})
    assert told.expected_cost_nanos > 0


def test_the_choice_keeps_the_bounds_of_the_config() -> None:
    """Limit, start, end and completion are the person's; the chosen algorithm's parameters are valid."""
    own = {"duration_s": 7200, "before_close_s": 60, "limit_bp": 50.0, "must_complete": False, "participation": 0.2}
    for shares in (100, 50_000, 900_000):
        for curve in (False, True):
            opening = opened(shares, algo="auto", curve=curve, params=own, risk_weight=1.0)
            assert opening.limit_px_nanos > 0
            algo = find_algo(opening.algo)
            params = msgspec.json.decode(opening.params, type=algo.params_type)
            params.validate("params")
            assert (params.limit_bp, params.before_close_s, params.must_complete) == (50.0, 60, False)
    assert planned(100, algo="auto", params={"after_open_s": 23_000, "before_close_s": 400}).blocked != ""


def test_haste_becomes_the_risk_aversion_that_gives_it_back() -> None:
    """A front-loaded choice, opened as an implementation shortfall, decays as it was priced."""
    bench = Bench()
    bench.quote(0, 1000, 1002, **MEASURED)
    terms = terms_of(bench.context, 0, Day(OPEN_NS, CLOSE_NS, None, None), OPEN_NS, lots=900_000)
    own = settings_of(algo="auto", risk_weight=2.0)
    situation = situation_of(own, terms, OPEN_NS, OPEN_NS + 3600 * NANO)
    assert "is" in situation.algos
    for haste in (1.0, 2.0, 4.0, 8.0):
        chosen = Choice(algo="is", params={"duration_s": 3600, "slices": 30}, why="", expected=None, haste=haste)
        params = params_of_choice(chosen, AutoParams(), terms)
        assert isinstance(params, ShortfallParams)
        params.validate("params")
        kappa, _ = live_decay(params, terms, 120 * NANO)
        assert kappa * 3600 / 23_400 == pytest.approx(haste, rel=1e-6)


def test_an_edge_below_the_cost_warns_or_refuses_an_entry() -> None:
    """Refused with a reason that stays, numbers beside it; off asks nobody; an exit is never held up."""
    warned = planned(1000, edge_bp=2)
    assert warned.open is not None
    assert "does not pay the expected cost" in warned.warning
    refused = planned(1000, edge_bp=2, edge_policy="refuse")
    assert refused.open is None
    assert refused.blocked == EDGE_REFUSED
    assert refused.detail.startswith("the edge of 2.00 bp does not pay")
    assert planned(1000, edge_bp=500, edge_policy="refuse").warning == ""
    assert planned(1000, edge_bp=2, edge_policy="off").warning == ""
    exit_ = planned(0, held=1000, edge_bp=2, edge_policy="refuse")
    assert exit_.open is not None
    assert exit_.warning == ""
    unknown = planned(1000, edge_bp=500, edge_policy="refuse", market=UNMEASURED)
    assert unknown.blocked == EDGE_REFUSED, "a stated edge without an estimate is not known to pay"


@pytest.mark.parametrize("fields", [{"edge_bp": -1}, {"risk_weight": 101}, {"model": "wishful"}])
def test_wrong_settings_are_refused(fields: dict[str, Any]) -> None:
    """Each names its field."""
    with pytest.raises(ConfigError, match=rf"^execution\.{next(iter(fields))} is"):
        settings_of(**fields)


def test_the_months_volume_counts_each_execution_once() -> None:
    """Of this month alone; a correction counts as it stands now; tiers see it."""
    executions: dict[str, Execution] = {}
    month = MonthVolume(executions)

    def book(exec_id: str, shares: int, ts_ns: int) -> Execution:
        executions[exec_id] = Execution(
            exec_id=exec_id, order_id=1, strategy="alpha", inst=0, side=1, qty_nanos=shares * SHARE, px_nanos=NANO,
            ts_ns=ts_ns, seq=1,
        )  # fmt: skip
        return executions[exec_id]

    march = 1_709_251_200 * NANO  # 2024-03-01 UTC
    book("a", 100, march - 1)
    first = book("b", 200, march + 1)
    assert month.before(20240304) == 200 * SHARE
    book("c", 50, march + 2)
    assert month.before(20240304) == 250 * SHARE
    first.qty_nanos = 150 * SHARE
    executions["b.02"] = first
    assert month.before(20240304) == 200 * SHARE
    assert month.before(20240304) == 200 * SHARE
    assert month.before(20240401) == 0


def test_tiered_commissions_see_the_month() -> None:
    """The same order costs less after 300,000 shares."""
    tiered = FeeTable(
        tuple(msgspec.structs.replace(row, effective_from=20200101) for row in DEFAULT_PLANS["ibkr_pro_tiered"][:1])
    )
    costs = []
    for before in (100, 400_000):
        bench = Bench()
        bench.fold(e.DayRolled(date=20231114))  # of the bench's clock
        bench.quote(0, 1000, 1002, **MEASURED)
        bench.hold("beta", 1, before)
        bench.fold(c.SetTarget(strategy="alpha", inst=0, qty_nanos=1000 * SHARE))
        desk = NettingDesk(bench.context, settings={}, default=settings_of(algo="immediate"), fees=tiered)
        plan = desk.plan("alpha", 0, bench.ts_ns)
        assert plan is not None
        assert plan.open is not None
        costs.append(plan.open.expected_cost_nanos)
    assert costs[0] - costs[1] == 1000 * (3_500_000 - 2_000_000)
