"""What each algo plans: weights, times, bounds and words, on worked numbers."""

from itertools import pairwise
from typing import Any, Final

import msgspec
import pytest

from core import commands as c
from core.commands import BeginSlice, ReplanParent
from core.errors import ConfigError
from core.events import ReferenceArrived
from core.parents import Parent
from core.ports import Action
from core.rates import RateLimit
from core.units import NANO
from execution.algos import Plan, Terms, find_algo, params_of, read_params
from execution.desk import NettingDesk
from execution.settings import ExecutionSettings
from execution.trajectory import even_weights, weights_fault
from tests.fakes.trading_context import CENT, CLOSE_NS, DATE, FEES, OPEN_NS, SHARE, Bench, settings_of

HOUR: Final = 3600 * NANO
CURVE: Final = tuple(4_000 if slot in (0, 77) else 12_000 if slot < 2 else 10_000 for slot in range(78))
KNOWN: Final = Terms(
    lots=10**6, start_ns=OPEN_NS, open_ns=OPEN_NS, close_ns=CLOSE_NS, cutoff_ns=CLOSE_NS - 600 * NANO, curve=CURVE,
    adv_nanos=10**7 * SHARE, mid_nanos=50 * NANO, spread_nanos=float(CENT), sigma_nanos=float(NANO), seed=3,
)  # fmt: skip


def plan_of(algo: str, terms: Terms = KNOWN, **params: Any) -> Plan:
    found = find_algo(algo)
    return found.plan(read_params(found, params, field="p"), terms)


def parts(weights: tuple[int, ...]) -> list[float]:
    """Shares of the whole, in per cent."""
    return [round((after - before) / 1e7, 4) for before, after in pairwise((0, *weights))]


def test_vwap_follows_the_curve() -> None:
    """Four slices of five minutes over slots of .4, 1.2, 1 and 1 per cent of the day."""
    plan = plan_of("vwap", duration_s=1200, slices=4)
    assert parts(plan.weights) == pytest.approx([100 * part / 3.6 for part in (0.4, 1.2, 1.0, 1.0)], abs=1e-4)
    assert plan.why == "by the volume curve"
    within = plan_of("vwap", duration_s=300, slices=5)
    assert parts(within.weights) == [20.0] * 5, "within one slot the parts are even"


def test_vwap_says_when_it_is_even() -> None:
    """No curve, a half day, or a window in which nothing trades."""
    for changes, words in (
        ({"curve": ()}, "no volume curve"),
        ({"close_ns": OPEN_NS + 12_600 * NANO}, "not of a day this long"),
        ({"curve": (0, 0, *CURVE[2:])}, "nothing usually trades"),
    ):
        plan = plan_of("vwap", msgspec.structs.replace(KNOWN, **changes), duration_s=600, slices=4)
        assert plan.weights == even_weights(4)
        assert words in plan.why


def test_shortfall_is_the_optimal_plan_of_the_live_market() -> None:
    """Spread one cent, ten million a day, sigma one dollar a day: eta is 1e-7, kappa^2 = lambda sigma^2 / eta~."""
    plan = plan_of("is", duration_s=23_400, slices=5, risk_aversion=1e-6)
    tau = 0.2
    tilde = 1e-7 - 0.5 * 1e-8 * tau
    bend = (plan.kappa_nanos / NANO * tau / 2) ** 2
    assert plan.kappa_nanos / NANO == pytest.approx((1e-6 / tilde) ** 0.5, rel=0.03)
    assert bend < 1
    assert weights_fault(plan.weights) == ""
    sizes = parts(plan.weights)
    assert all(first > second for first, second in pairwise(sizes)), "front-loaded"
    assert plan_of("is", duration_s=23_400, slices=5, risk_aversion=0.0).weights == even_weights(5)
    calm = plan_of("is", duration_s=23_400, slices=5, risk_aversion=1e-13)
    assert parts(calm.weights) == pytest.approx([20.0] * 5, abs=1e-3), "lambda to 0 is the straight line"


def test_shortfall_without_a_market_is_even_or_as_configured() -> None:
    """Which number is missing, and the volatility that stands in for it."""
    blind = msgspec.structs.replace(KNOWN, sigma_nanos=0.0)
    assert plan_of("is", blind).why == "no volatility known: even parts"
    assert plan_of("is", blind).weights == even_weights(12)
    stated = plan_of("is", blind, volatility_bp=200.0)
    assert stated.kappa_nanos == plan_of("is").kappa_nanos, "two per cent of fifty dollars is a dollar"
    assert "as configured" in stated.why
    assert "average volume" in plan_of("is", msgspec.structs.replace(KNOWN, adv_nanos=0)).why


def parent_of(plan: Plan, algo: str, params: str = "") -> Parent:
    return Parent(
        parent_id=3, strategy="alpha", inst=0, side=1, qty_nanos=1000 * SHARE, algo=algo, start_ts_ns=plan.start_ns,
        end_ts_ns=plan.end_ns, slices=plan.slices, limit_px_nanos=0, arrival_mid_nanos=50 * NANO, purpose=1, urgency=0,
        weights=plan.weights, kappa_nanos=plan.kappa_nanos, params=params,
    )  # fmt: skip


def test_a_plan_anew_keeps_what_was_due_and_the_same_market_changes_nothing() -> None:
    """Time-consistent, and with hysteresis: a quarter is the default."""
    algo = find_algo("is")
    params = read_params(algo, {"duration_s": 23_400, "slices": 10}, field="p")
    parent = parent_of(algo.plan(params, KNOWN), "is")
    assert algo.replan(parent, params, 4, KNOWN) is None
    nearly = msgspec.structs.replace(KNOWN, sigma_nanos=1.2e9)
    assert algo.replan(parent, params, 4, nearly) is None
    wild = msgspec.structs.replace(KNOWN, sigma_nanos=2e9)
    anew = algo.replan(parent, params, 4, wild)
    assert anew is not None
    assert anew.weights[:4] == parent.weights[:4]
    assert weights_fault(anew.weights) == ""
    assert all(new >= old for new, old in zip(anew.weights, parent.weights, strict=True)), "faster"
    assert "was" in anew.why
    assert algo.replan(parent, params, 9, wild) is None, "the last slice is all of the rest anyway"
    parent.kappa_nanos = anew.kappa_nanos
    parent.weights = anew.weights
    assert algo.replan(parent, params, 5, wild) is None
    back = algo.replan(parent, params, 5, KNOWN)
    assert back is not None
    assert back.weights[:5] == anew.weights[:5]


def test_close_leaves_a_part_for_the_auction() -> None:
    """Half before the cut-off, in time before it; all of it when it is nearly too late, none when it is."""
    at = msgspec.structs.replace(KNOWN, start_ns=OPEN_NS + HOUR)
    plan = plan_of("close", at, duration_s=3600, slices=10, auction_part=0.5, lead_s=30)
    assert (plan.start_ns, plan.end_ns) == (CLOSE_NS - HOUR, CLOSE_NS)
    assert plan.auction_ts_ns == KNOWN.cutoff_ns - 30 * NANO
    assert (plan.slices, len(plan.weights), plan.weights[-2]) == (11, 11, NANO // 2)
    assert weights_fault(plan.weights) == ""
    last = plan_of("close", msgspec.structs.replace(at, start_ns=KNOWN.cutoff_ns - 10 * NANO))
    assert (last.weights, last.auction_ts_ns) == ((NANO,), KNOWN.cutoff_ns - 10 * NANO)
    late = plan_of("close", msgspec.structs.replace(at, start_ns=KNOWN.cutoff_ns + 1), slices=5)
    assert (late.auction_ts_ns, late.slices, late.end_ns) == (0, 5, CLOSE_NS)
    assert "too late for the auction" in late.why
    never = plan_of("close", at, auction=False, before_close_s=60)
    assert (never.auction_ts_ns, never.end_ns) == (0, CLOSE_NS - 60 * NANO)


def test_iceberg_counts_its_parts() -> None:
    """A thousand lots, a hundred shown: ten parts; a quarter of jitter, a few more."""
    terms = msgspec.structs.replace(KNOWN, lots=1000)
    assert plan_of("iceberg", terms, display_lots=100).slices == 10
    assert plan_of("iceberg", terms, display_lots=100, jitter=0.25).slices == 14
    assert "5000 parts" not in plan_of("iceberg", terms, display_lots=1).fault
    assert plan_of("iceberg", KNOWN, display_lots=1).fault.startswith("1000000 parts of 1 lots")


def test_adaptive_rests_less_and_less() -> None:
    """From ninety per cent of the first slice to a tenth of that in the last."""
    algo = find_algo("adaptive")
    params = read_params(algo, {"urgency": "patient"}, field="p")
    rests = [algo.patience_nanos(params, number, 10, 0) for number in range(10)]
    assert (rests[0], rests[9]) == (900_000_000, 90_000_000)
    assert all(first > second for first, second in pairwise(rests))


def test_windows() -> None:
    """Not before so long after the open, over so long before the close; having no time is said."""
    plan = plan_of("twap", after_open_s=600, duration_s=1200, slices=4)
    assert (plan.start_ns, plan.end_ns) == (OPEN_NS + 600 * NANO, OPEN_NS + 1800 * NANO)
    cut = plan_of("vwap", msgspec.structs.replace(KNOWN, close_ns=OPEN_NS + HOUR), before_close_s=600, slices=5)
    assert cut.end_ns == OPEN_NS + 3000 * NANO
    for algo in ("immediate", "twap", "vwap", "pov", "is", "iceberg", "adaptive"):
        late = msgspec.structs.replace(KNOWN, start_ns=CLOSE_NS - NANO)
        assert plan_of(algo, late, before_close_s=1).fault.startswith("no time left today"), algo


@pytest.mark.parametrize(
    ("algo", "raw", "message"),
    [
        ("twap", {"participation": 0.6}, r"p\.participation is 0\.6: set it between 0 and 0\.5"),
        ("twap", {"jitter": 1.0}, r"p\.jitter is 1\.0"),
        ("twap", {"jitter": 0.1, "slices": 500}, r"p\.jitter needs its slices written down: set at most 400"),
        ("twap", {"limit_bp": float("nan")}, r"p\.limit_bp is nan"),
        ("vwap", {"slices": 401}, r"p\.slices is 401: set it between 1 and 400"),
        ("pov", {"limit_bp": 0.0}, r"p\.limit_bp is 0\.0: set it between 1"),
        ("pov", {"participation": 0.0}, r"p\.participation is 0\.0: set it between 0\.001"),
        ("pov", {"interval_s": 5}, r"p\.interval_s is 5: set it between 9"),
        ("is", {"risk_aversion": -1e-6}, r"p\.risk_aversion is -1e-06"),
        ("iceberg", {"display_lots": 0}, r"p\.display_lots is 0"),
        ("adaptive", {"urgency": "fast"}, r"p\.urgency is 'fast': use one of patient, normal, urgent"),
        ("close", {"before_close_s": 5}, r"p\.before_close_s is 5: set it between 0 and 0"),
    ],
)
def test_bad_parameters_name_field_and_remedy(algo: str, raw: dict[str, Any], message: str) -> None:
    """One line that says what to change."""
    with pytest.raises(ConfigError, match=message):
        read_params(find_algo(algo), raw, field="p")


# ---- on the desk and in the executor ---------------------------------------------------------------------------
def bench_of(**fields: Any) -> tuple[Bench, ExecutionSettings]:
    settings = settings_of(**fields)
    return Bench(settings=settings), settings


def act(bench: Bench, parent: Parent) -> Action | None:
    """The next action, all that is only written down folded first."""
    while True:
        action = bench.executor.act(parent, bench.ts_ns)
        if action is None or action.record is None:
            return action
        bench.fold(action.record)


def test_pov_is_its_part_of_the_total() -> None:
    """Ten per cent, others 9,000: 1,000. Own fills are taken out; bursts are bounded; a counter that fell is new."""
    bench, settings = bench_of(algo="pov", params={"interval_s": 30, "participation": 0.1, "interval_part": 0.5})
    parent = bench.money.parents[bench.plan(10_000, settings)]
    row = bench.context.market.state[0]
    row["volume_day_nanos"] = 5_000_000 * SHARE
    assert act(bench, parent) is None, "nothing has traded since it began"
    row["volume_day_nanos"] += 9_000 * SHARE
    assert act(bench, parent) is None, "it looks when an interval begins"
    bench.ts_ns += 30 * NANO
    action = act(bench, parent)
    assert action is not None
    assert action.place is not None
    assert action.place.qty_nanos == 1_000 * SHARE
    bench.place(action.place)
    bench.fill(1, 1_000)
    row["volume_day_nanos"] += 10_000 * SHARE  # 1,000 of them ours
    bench.ts_ns += 30 * NANO
    action = act(bench, parent)
    assert parent.others_nanos == 18_000 * SHARE
    assert action is not None
    assert action.place is not None
    assert action.place.qty_nanos == 1_000 * SHARE
    row["volume_day_nanos"] = 400_000 * SHARE  # another day's, or since a start without a market
    bench.ts_ns += 30 * NANO
    action = act(bench, parent)
    assert parent.others_nanos == 418_000 * SHARE
    assert action is not None
    assert action.place is not None
    assert action.place.qty_nanos == 5_000 * SHARE, "half of the whole in one interval"


def test_a_cap_binds_a_schedule_until_its_time_is_over() -> None:
    """TWAP at ten per cent of the volume: it lags, and completes after its end; told not to, it ends with a rest."""
    for must in (True, False):
        params = {"duration_s": 100, "slices": 2, "participation": 0.1, "must_complete": must}
        bench, settings = bench_of(algo="twap", params=params, grace_s=20)
        parent = bench.money.parents[bench.plan(1_000, settings)]
        assert act(bench, parent) is None
        bench.context.market.state[0]["volume_day_nanos"] += 900 * SHARE
        bench.ts_ns += 50 * NANO
        action = act(bench, parent)
        assert action is not None
        assert action.place is not None
        assert action.place.qty_nanos == 100 * SHARE
        bench.place(action.place)
        bench.fill(1, 100)
        bench.ts_ns += 50 * NANO
        action = act(bench, parent)
        assert action is not None
        if must:
            assert action.place is not None
            assert action.place.qty_nanos == 900 * SHARE
        else:
            assert action.reason == "out of time with 900 to go"
            assert action.final
            desk = NettingDesk(bench.context, settings={}, default=settings, fees=FEES)
            bench.fold(c.EndParent(parent_id=parent.parent_id, state=action.end, reason="", final=True))
            waits = desk.plan("alpha", 0, bench.ts_ns)
            assert waits is not None
            assert waits.blocked == "parent 1 ended with a rest: the strategy must decide anew"
            bench.fold(c.SetTarget(strategy="alpha", inst=0, qty_nanos=999 * SHARE))
            opened = desk.plan("alpha", 0, bench.ts_ns)
            assert opened is not None
            assert opened.open is not None


def test_a_schedule_is_written_down_whole() -> None:
    """Parameters as resolved, the limit, the decision, and the words; an older parent's or another's are defaults."""
    params = {"duration_s": 1200, "slices": 4, "limit_bp": 100}
    bench, settings = bench_of(algo="vwap", params=params)
    bench.context.volumes.take(
        ReferenceArrived(inst=0, effective_from=DATE, previous_close_nanos=1, adv_nanos=1, curve_ppm=(2_564,) * 390)
    )
    bench.fold(c.SetTarget(strategy="alpha", inst=0, qty_nanos=-7 * SHARE, mid_nanos=999 * CENT))
    bench.ts_ns += NANO
    parent = bench.money.parents[bench.plan(-7, settings)]
    assert parent.limit_px_nanos == 1001 * CENT * 99 // 100
    assert parent.why == "by the volume curve; no estimate: nobody knows the volatility"
    assert params_of(parent) == settings.params
    assert parent.decision_ts_ns == bench.ts_ns, "the target was set anew"
    assert weights_fault(parent.weights) == ""
    parent.params = '{"no such": 1}'
    assert params_of(parent) == find_algo("vwap").params_type()


def test_the_decision_is_when_the_target_was_set() -> None:
    """Not when the desk came to it."""
    bench, settings = bench_of()
    bench.fold(c.SetTarget(strategy="alpha", inst=0, qty_nanos=7 * SHARE, mid_nanos=999 * CENT))
    bench.ts_ns += 60 * NANO
    plan = NettingDesk(bench.context, settings={}, default=settings, fees=FEES).plan("alpha", 0, bench.ts_ns)
    assert plan is not None
    assert plan.open is not None
    assert (plan.open.decision_ts_ns, plan.open.decision_mid_nanos) == (OPEN_NS, 999 * CENT)


def test_a_plan_beyond_the_message_budget_is_refused() -> None:
    """Two messages a slice against what the strategy may send, and with what runs against the account's."""
    bench, settings = bench_of(params={"duration_s": 100, "slices": 100})
    money = bench.money
    slow = RateLimit(3, 2 * NANO)
    money.settings = msgspec.structs.replace(money.settings, rate_strategy=slow)
    bench.fold(c.SetTarget(strategy="alpha", inst=0, qty_nanos=500 * SHARE))
    desk = NettingDesk(bench.context, settings={}, default=settings, fees=FEES)
    plan = desk.plan("alpha", 0, bench.ts_ns)
    assert plan is not None
    assert plan.blocked.startswith(
        "the plan needs 2 orders a second, 2 with those that run; strategy alpha may send 1.5"
    )
    money.settings = msgspec.structs.replace(money.settings, rate_strategy=RateLimit(9, NANO), rate_account=slow)
    plan = desk.plan("alpha", 0, bench.ts_ns)
    assert plan is not None
    assert "the account may send 1.5" in plan.blocked
    money.settings = msgspec.structs.replace(money.settings, rate_account=RateLimit(9, NANO))
    plan = desk.plan("alpha", 0, bench.ts_ns)
    assert plan is not None
    assert plan.open is not None


def test_shortfall_writes_down_a_plan_anew_once() -> None:
    """The market wakes up between two slices: one record, then the slice begins along the new plan."""
    params = {"duration_s": 1000, "slices": 10, "risk_aversion": 1e-2, "volatility_bp": 1.0}
    bench, settings = bench_of(algo="is", params=params)
    parent = bench.money.parents[bench.plan(1_000, settings)]
    row = bench.context.market.state[0]
    assert act(bench, parent) is not None
    row["samples"], row["sample_span_ns"], row["sample_spread"] = 20, 600e9, 2.0 * CENT
    row["sample_square"] = (50.0 * CENT) ** 2
    bench.ts_ns += 100 * NANO
    first = bench.executor.act(parent, bench.ts_ns)
    assert first is not None
    assert type(first.record) is ReplanParent
    assert first.record.from_slice == 1
    before = parent.weights
    bench.fold(first.record)
    assert parent.weights[:1] == before[:1]
    assert parent.weights[1] > before[1]
    second = bench.executor.act(parent, bench.ts_ns)
    assert second is not None
    assert type(second.record) is BeginSlice
    action = act(bench, parent)
    assert action is not None
    assert action.place is not None
    assert abs(action.place.qty_nanos * 10**6 - parent.weights[1] * SHARE) <= SHARE * 10**6


def test_a_plan_anew_does_not_believe_what_it_moved_itself() -> None:
    """However wild the market looks since it trades, the decay stays within `replan_times` of the first: half as much
    again by default; 1 = the first plan stands.
    """
    algo = find_algo("is")
    wild, dead = (msgspec.structs.replace(KNOWN, sigma_nanos=sigma) for sigma in (50e9, 1e7))
    for times, raw in ((1.5, {}), (1.2, {"replan_times": 1.2, "replan_move": 0.05}), (1.0, {"replan_times": 1.0})):
        params = read_params(algo, {"duration_s": 23_400, "slices": 10, "risk_aversion": 1e-5} | raw, field="p")
        parent = parent_of(algo.plan(params, KNOWN), "is")
        parent.kappa_first_nanos = parent.kappa_nanos
        for number, market, bound in ((1, wild, times), (2, wild, times), (3, dead, 1 / times)):
            anew = algo.replan(parent, params, number, market)
            if times == 1.0 or number == 2:
                assert anew is None, "it stands at its bound"
                continue
            assert anew is not None
            assert anew.kappa_nanos == pytest.approx(parent.kappa_first_nanos * bound, rel=1e-6)
            assert "as far as it goes" in anew.why
            parent.kappa_nanos, parent.weights = anew.kappa_nanos, anew.weights


def test_adaptive_crosses_when_the_market_runs_away() -> None:
    """Twenty basis points against it: across the spread at once; back again, it rests."""
    params = {"duration_s": 100, "slices": 2, "adverse_bp": 20.0}
    bench, settings = bench_of(algo="adaptive", params=params, cross_ticks_max=0)
    parent = bench.money.parents[bench.plan(100, settings)]
    for bid, ask, px in ((1000, 1002, 1000), (1002, 1004, 1002), (1003, 1005, 1005)):
        bench.quote(0, bid, ask)
        action = bench.executor.act(parent, bench.ts_ns)
        assert action is not None
        assert action.place is not None
        assert action.place.limit_px_nanos == px * CENT
