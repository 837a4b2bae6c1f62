"""The broker's own algorithms: what a config may say, and the one child order they become."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from core import commands as c
from core import events as e
from core.broker_algos import STRATEGIES, Tags, other_than_ours, params_fault
from core.errors import ConfigError
from core.latches import ACCOUNT, STRATEGY
from core.moments import utc_ns
from core.parents import Parent, ParentState
from core.units import NANO
from execution.algos import Terms, find_algo, read_params
from execution.algos.native import NATIVES
from execution.executor import BROKER_TIME_NS, PAUSED_BY_CRASH
from tests.fakes.live import opened
from tests.fakes.trading_context import CLOSE_NS, DATE, OPEN_NS, SHARE, Bench
from tests.unit.test_algos import KNOWN, act, bench_of
from tests.unit.test_kill import alerts, pass_time
from tests.unit.test_live_runner import verified

TWAP = {"duration_s": 600, "limit_bp": 100}
NATIVE = """algo = "ib_vwap"
backoff_s = {backoff_s}
params = {{ duration_s = 3600, limit_bp = 50, tags = {{ maxPctVol = 0.1 }} }}"""
LATCH_11 = (STRATEGY, "reversion", "REPEATED_EXECUTION")


@pytest.mark.parametrize(
    ("algo", "tags", "message"),
    [
        ("ib_vwap", {"maxPctVol": 0.6}, r"p\.tags\.maxPctVol is '0.6': set it to between 0.1 and 0.5"),
        ("ib_vwap", {"maxPctVol": "nan"}, r"between 0.1 and 0.5"),
        ("ib_vwap", {"pctVol": 0.1}, r"pctVol is no tag of Vwap: use maxPctVol"),
        ("ib_twap", {"startTime": "09:30:00"}, r"p\.tags\.startTime is the schedule's"),
        ("ib_adaptive", {"adaptivePriority": "urgent"}, r"one of Urgent, Normal, Patient"),
        ("ib_darkice", {"displaySize": 0}, r"displaySize is '0': set it to a whole number"),
    ],
)
def test_bad_tags_name_field_and_remedy(algo: str, tags: dict[str, Any], message: str) -> None:
    """Before anything is sent, by the broker's own table."""
    with pytest.raises(ConfigError, match=message):
        read_params(find_algo(algo), {"limit_bp": 50, "tags": tags}, field="p")


def test_a_limit_is_required() -> None:
    """The broker works the child alone for its whole time."""
    with pytest.raises(ConfigError, match="limit_bp is 0"):
        read_params(find_algo("ib_twap"), {}, field="p")


def test_one_parent_is_one_child_that_is_never_replaced() -> None:
    """All of it at once, at the limit, with tags and times."""
    params = {"duration_s": 600, "limit_bp": 100, "tags": {"maxPctVol": 0.1, "noTakeLiq": True}}
    bench, settings = bench_of(algo="ib_vwap", params=params, child_lots_max=3)
    parent = bench.money.parents[bench.plan(7, settings)]
    action = act(bench, parent)
    assert action is not None
    assert action.place is not None
    intent = action.place
    assert (intent.qty_nanos, intent.broker_algo) == (7 * SHARE, "Vwap")
    assert dict(intent.broker_params)["noTakeLiq"] == "1"
    assert dict(intent.broker_params)["endTime"] == "20231114-22:23:20"
    assert "startTime" not in dict(intent.broker_params), "it leaves when its start has come"
    bench.place(intent)
    for seconds in (1, 300, 599, 601):
        bench.ts_ns = OPEN_NS + seconds * NANO
        later = act(bench, parent)
        assert later is None or later.replace is None


def given(**params: Any) -> tuple[Bench, Parent]:
    """A parent of 100 shares whose child works at the broker."""
    bench, settings = bench_of(algo="ib_twap", params=TWAP | params, grace_s=5)
    parent = bench.money.parents[bench.plan(100, settings)]
    _place(bench, parent)
    bench.fold(e.OrderAcknowledged(order_id=parent.child, perm_id=5))
    return bench, parent


def _place(bench: Bench, parent: Parent) -> None:
    action = act(bench, parent)
    assert action is not None
    assert action.place is not None
    bench.place(action.place)


def look(bench: Bench, parent: Parent, ts_ns: int) -> tuple[int, int]:
    """What is cancelled and how the parent ends, at a moment; nothing is ever placed or replaced."""
    bench.ts_ns = ts_ns
    action = act(bench, parent)
    if action is None:
        return 0, 0
    assert (action.place, action.replace) == (None, None)
    return action.cancel, action.end


@pytest.mark.parametrize(("must_complete", "over_s"), [(True, 605), (False, 600)])
def test_what_is_left_when_time_is_up_is_cancelled(must_complete: bool, over_s: int) -> None:
    """At its end, or at the end of its grace when it must complete; then the parent ends, and nothing more is sent."""
    bench, parent = given(must_complete=must_complete)
    bench.fill(parent.child, 60)
    end = OPEN_NS + over_s * NANO
    assert look(bench, parent, end - 1) == (0, 0)
    child = parent.child
    assert look(bench, parent, end) == (child, 0)
    bench.fold(c.CancelOrder(order_id=child, reason="test"))
    bench.fold(e.OrderCancelled(order_id=child))
    assert look(bench, parent, end + 20 * NANO) == (0, ParentState.EXPIRED)


def test_the_rest_of_an_order_that_the_broker_ended_early_is_given_again_until_the_end() -> None:
    """By the same end, as one new order; not in the last two seconds, and not after."""
    bench, parent = given()
    bench.fill(parent.child, 60)
    first = bench.money.orders[parent.child]
    bench.fold(e.OrderCancelled(order_id=first.order_id))
    bench.ts_ns += 100 * NANO
    _place(bench, parent)
    second = bench.money.orders[parent.child]
    assert (second.qty_nanos, second.broker_params) == (40 * SHARE, first.broker_params)
    bench.fold(e.OrderCancelled(order_id=second.order_id))
    assert look(bench, parent, parent.end_ts_ns - BROKER_TIME_NS) == (0, 0)
    assert look(bench, parent, parent.end_ts_ns + NANO) == (0, 0)


def test_a_crash_leaves_the_order_at_the_broker() -> None:
    """Paused or resumed, no second one is sent while it lives; a pause by an operator takes it off."""
    bench, parent = given()
    bench.fold(c.PauseParent(parent_id=parent.parent_id, paused=True, reason=PAUSED_BY_CRASH))
    assert look(bench, parent, OPEN_NS + 10 * NANO) == (0, 0)
    bench.fold(c.PauseParent(parent_id=parent.parent_id, paused=False, reason="resume"))
    assert look(bench, parent, OPEN_NS + 20 * NANO) == (0, 0)
    bench.fold(c.PauseParent(parent_id=parent.parent_id, paused=True, reason="HALT"))
    assert look(bench, parent, OPEN_NS + 30 * NANO) == (parent.child, 0)


def test_a_short_sale_goes_when_they_are_restricted() -> None:
    """The broker's algorithm would reach for the bid, which Rule 201 forbids."""
    bench, parent = given()
    parent.side = -1
    assert look(bench, parent, OPEN_NS + NANO) == (0, 0)
    bench.money.conditions.short_until[0] = DATE
    assert look(bench, parent, OPEN_NS + 2 * NANO) == (parent.child, 0)


@pytest.mark.parametrize("algo", NATIVES, ids=lambda algo: algo.name)
def test_every_end_is_within_the_day_also_a_half_one(algo: Any) -> None:
    """The end told is the schedule's: never after that day's own close, nor in its last minute if so set."""
    params = read_params(algo, {"limit_bp": 50, "duration_s": 23_400, "before_close_s": 60}, field="p")
    for close in (CLOSE_NS, OPEN_NS + 12_600 * NANO):
        plan = algo.plan(params, msgspec.structs.replace(KNOWN, close_ns=close, start_ns=close - 900 * NANO))
        assert (plan.end_ns, plan.slices) == (close - 60 * NANO, 1)
        bench, _ = bench_of()
        parent = bench.money.parents[bench.open(shares=1, algo=algo.name, end_ts_ns=plan.end_ns)]
        strategy, tags = algo.broker_order(parent, params)
        ends = [value for tag, value in tags if tag in ("endTime", "activeTimeEnd")]
        assert [utc_ns(end) for end in ends] == [plan.end_ns] * len(ends)
        assert bool(ends) is any("ndTime" in tag or tag == "activeTimeEnd" for tag in STRATEGIES[strategy])
        assert params_fault(strategy, tags) == ""
        late: Terms = msgspec.structs.replace(KNOWN, close_ns=close, start_ns=close - 60 * NANO)
        assert "no time left" in algo.plan(params, late).fault


@pytest.mark.parametrize(
    ("shown", "tags", "words"),
    [
        ("Vwap", (("maxPctVol", "0.10"), ("endTime", "20231114 17:23:20 US/Eastern"), ("speedUp", "0")), ""),
        ("Vwap", (), ""),
        ("Vwap", (("noTakeLiq", "0"),), "Vwap noTakeLiq is 1 here and 0 at the broker"),
        ("Vwap", (("maxPctVol", "0.2"),), "Vwap maxPctVol is 0.1 here and 0.2 at the broker"),
        ("Twap", (), "ours is worked by Vwap, the broker's by Twap"),
        ("", (), "ours is worked by Vwap, the broker's by no algorithm"),
    ],
)
def test_what_the_broker_shows_is_compared_with_what_was_sent(shown: str, tags: Tags, words: str) -> None:
    """Names and values that both sides have; its own defaults and its own way to write a time are no difference."""
    ours = (("endTime", "20231114-22:23:20"), ("maxPctVol", "0.1"), ("noTakeLiq", "1"))
    assert other_than_ours("Vwap", ours, shown, tags) == words


@pytest.mark.parametrize(
    ("algo", "tag", "value"),
    [
        ("ib_twap", "strategyType", "Midpoint"), ("ib_twap", "allowPastEndTime", "yes"), ("ib_vwap", "speedUp", 2),
        ("ib_pctvol", "pctVol", 0.05), ("ib_pctvolpx", "deltaPctVol", 0.6), ("ib_pctvolsz", "endPctVol", 0),
        ("ib_pctvoltm", "startPctVol", "most"), ("ib_arrivalpx", "riskAversion", "get done"),
        ("ib_closepx", "allowPastEndTime", True), ("ib_minimpact", "riskAversion", "Passive"),
        ("ib_balanceimpactrisk", "forceCompletion", "on"), ("ib_darkice", "displaySize", 1.5),
        ("ib_ad", "timeBetweenOrders", 0), ("ib_ad", "giveUp", -1), ("ib_adaptive", "maxPctVol", 0.1),
    ],
)  # fmt: skip
def test_nothing_out_of_bounds_is_ever_sent(algo: str, tag: str, value: Any) -> None:
    """Names, words, flags and ranges of every one, at the config's field."""
    with pytest.raises(ConfigError, match=rf"^p\.tags\.{tag} is "):
        read_params(find_algo(algo), {"limit_bp": 50, "tags": {tag: value}}, field="p")


@pytest.mark.parametrize(
    ("backoff_s", "orders", "latch"), [(1, 5, (ACCOUNT, "", "REJECT_RATE_SOFT")), (16, 6, LATCH_11)]
)
def test_an_order_that_the_broker_refuses_again_and_again(
    backoff_s: int, orders: int, latch: tuple[int, str, str], tmp_path: Path
) -> None:
    """It is tried anew after each back-off until the refusals of a minute, or the children that control 11 lets a
    schedule of one slice have, are enough; then a person is told, and nothing leaves any more.
    """
    world = opened(tmp_path, execution=NATIVE.format(backoff_s=backoff_s))
    world.make_it_buy()
    told = 0
    for _ in range(50):
        for order in world.broker.orders()[told:]:
            told += 1
            world.tell(e.OrderRejected(order_id=order.order_id, code=441, text="refused"))
        pass_time(world, 2)
        world.quote(0, 1_995 * NANO // 100)
    assert told == orders
    held = [(latch.level, latch.scope, latch.code) for latch in world.runner.money.latches.held()]
    assert latch in held  # no synchronisation is played: that is told too
    assert latch[2] in alerts(world)
    verified(world)
