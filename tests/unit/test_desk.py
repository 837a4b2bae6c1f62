"""The desk: needs, turns, and every reason to wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import commands as c
from core import events as e
from core.latches import ACCOUNT, HALTED, REDUCING, SYMBOL
from core.ports import DeskPlan
from core.units import NANO
from execution.desk import NettingDesk, need_nanos
from execution.flatten import SLICE_NS
from execution.settings import DEFAULT_SETTINGS
from tests.fakes.trading_context import CENT, CLOSE_NS, FEES, OPEN_NS, SHARE, Bench, settings_of


class Room:
    """A bench with a desk on it."""

    def __init__(self, *, lot_nanos: int = SHARE) -> None:
        self.bench = Bench(lot_nanos=lot_nanos)
        self.desk = NettingDesk(self.bench.context, settings={}, default=DEFAULT_SETTINGS, fees=FEES)

    def target(self, shares: int, *, strategy: str = "alpha", inst: int = 0) -> None:
        self.bench.fold(c.SetTarget(strategy=strategy, inst=inst, qty_nanos=shares * SHARE))

    def plan(self, *, strategy: str = "alpha", inst: int = 0) -> DeskPlan | None:
        return self.desk.plan(strategy, inst, self.bench.ts_ns)

    def opened(self, *, strategy: str = "alpha", inst: int = 0) -> c.OpenParent:
        plan = self.plan(strategy=strategy, inst=inst)
        assert plan is not None
        assert plan.open is not None, plan
        self.bench.fold(plan.open)
        return plan.open

    def blocked(self, *, strategy: str = "alpha", inst: int = 0) -> str:
        plan = self.plan(strategy=strategy, inst=inst)
        assert plan is not None
        assert plan.open is None
        assert plan.supersede == 0
        return plan.blocked


def test_a_target_opens_a_parent_as_the_algo_planned() -> None:
    """Quantity, side, times, slices and the arrival mid; then there is nothing left to do."""
    room = Room()
    assert room.plan() is None
    room.target(-4)
    opened = room.opened()
    assert (opened.side, opened.qty_nanos, opened.algo, opened.slices) == (-1, 4 * SHARE, "twap", 4)
    assert (opened.start_ts_ns, opened.end_ts_ns) == (OPEN_NS, OPEN_NS + 600 * NANO)
    assert opened.arrival_mid_nanos == 1001 * CENT
    assert opened.parent_id == 1
    assert room.plan() is None


def test_the_end_is_cut_to_the_close() -> None:
    """A schedule never reaches beyond regular hours."""
    room = Room()
    room.bench.ts_ns = CLOSE_NS - 60 * NANO
    room.target(1000)
    assert room.opened().end_ts_ns == CLOSE_NS


def test_partial_fills_leave_the_schedule_alone_and_a_new_target_supersedes_it() -> None:
    """What the parent still does counts towards the need; only another need ends it."""
    room = Room()
    room.target(100)
    parent_id = room.opened().parent_id
    bench = room.bench
    action = bench.executor.act(bench.money.parents[parent_id], bench.ts_ns)
    assert action is not None
    assert action.place is not None
    bench.place(action.place)
    bench.fold(e.OrderAcknowledged(order_id=1))
    bench.fill(1, 3)
    assert room.plan() is None
    room.target(50)
    assert room.plan() == DeskPlan(supersede=parent_id)
    bench.fold(c.EndParent(parent_id=parent_id, state=12, reason="target"))
    assert room.blocked() == "child of parent 1 still works"
    bench.fold(c.CancelOrder(order_id=1, reason=""))
    bench.fold(e.OrderCancelled(order_id=1))
    opened = room.opened()
    assert (opened.parent_id, opened.qty_nanos) == (2, 47 * SHARE)
    room.target(3)
    assert room.plan() == DeskPlan(supersede=2)


def test_an_order_never_crosses_zero() -> None:
    """From long 30 to short 20: flat first, the rest when that is done."""
    room = Room()
    room.bench.hold("alpha", 0, 30)
    room.target(-20)
    assert room.opened().qty_nanos == 30 * SHARE
    assert room.plan() is None


@given(held=st.integers(-500, 500), target=st.integers(-500, 500), lot=st.integers(1, 100))
def test_needs_reach_the_target_in_two_steps(held: int, target: int, lot: int) -> None:
    """Whole lots, towards the target, never across zero, and at most two orders until less than a lot is missing."""
    for _ in range(2):
        need = need_nanos(held, target, lot)
        assert need % lot == 0
        assert abs(target - held - need) <= abs(target - held)
        after = held + need
        assert held * after >= 0
        if held * need < 0:
            assert abs(need) <= abs(held)
        held = after
    stuck = 0 < abs(held) < lot and held * (target - held) < 0
    assert abs(target - held) < lot or stuck


def test_needs_below_a_lot_are_ignored_and_odd_holdings_are_reported() -> None:
    """Less than one lot to trade is nothing; less than one lot in the way of the other side is said."""
    room = Room(lot_nanos=100 * SHARE)
    room.target(99)
    assert room.plan() is None
    room.bench.hold("alpha", 0, 40)
    room.target(-300)
    assert room.blocked() == "holds 40, less than one lot, against the target"


def test_opposing_strategies_take_turns() -> None:
    """Two books of ours never meet in the market; the same side, or another instrument, is free."""
    room = Room()
    room.target(100)
    room.opened()
    room.target(-50, strategy="beta")
    assert room.blocked(strategy="beta") == "alpha is trading the other way (parent 1)"
    room.target(-50, strategy="beta", inst=1)
    room.opened(strategy="beta", inst=1)
    room.target(50, strategy="beta")
    room.opened(strategy="beta")


def test_a_foreign_working_order_of_the_book_blocks() -> None:
    """An order outside any parent may still change the position: wait for it."""
    room = Room()
    order = c.OrderIntent(
        order_id=1, parent_id=0, slice_no=0, strategy="alpha", inst=0, side=1, qty_nanos=SHARE, order_type=c.LMT,
        limit_px_nanos=10 * NANO, purpose=c.INTENT_MANUAL,
    )  # fmt: skip
    room.bench.place(order)
    room.target(100)
    assert room.blocked() == "order 1 of alpha still works"
    room.target(-10, strategy="beta")
    assert room.blocked(strategy="beta") == "order 1 of alpha still works"


def ladder(room: Room, *, level: int, scope: str, state: int) -> None:
    room.bench.fold(c.MoveLadder(level=level, scope=scope, state=state, code="X", reason="r", by="test"))


def test_the_ladder() -> None:
    """REDUCING lets only reducing needs through, HALTED none; other symbols are not held."""
    room = Room()
    room.bench.hold("alpha", 0, 30)
    ladder(room, level=SYMBOL, scope="AAA", state=REDUCING)
    room.target(31)
    assert room.blocked() == "ladder REDUCING"
    room.target(-5)
    assert room.opened().qty_nanos == 30 * SHARE
    room = Room()
    room.bench.hold("alpha", 0, 30)
    ladder(room, level=ACCOUNT, scope="", state=HALTED)
    room.target(0)
    assert room.blocked() == "ladder HALTED"
    room.target(1, inst=1)
    assert room.blocked(inst=1) == "ladder HALTED"


def test_every_other_reason_to_wait() -> None:
    """Each is named, in the order of who can lift it."""
    room = Room()
    room.target(100)
    bench = room.bench
    bench.ts_ns = CLOSE_NS
    assert room.blocked() == "session after-hours"
    bench.ts_ns = OPEN_NS
    for fields, reason in (
        ({"usable": 0}, "quote not usable"),
        ({"blind": 1}, "no quote since the last gap"),
        ({"halted": 2}, "instrument halted"),
    ):
        bench.quote(0, 1000, 1002, **fields)
        assert room.blocked() == reason
    bench.fold(e.LinkDegraded(reason="1100"))
    assert room.blocked() == "link DEGRADED"
    bench.fold(c.SetStrategy(strategy="alpha", enabled=False, reason="raised"))
    assert room.blocked() == "strategy disabled: raised"
    bench.money.safe = True
    assert room.blocked() == "safe mode"
    bench.ts_ns = OPEN_NS - 4 * 365 * 86_400 * NANO
    bench.money.trading_date = 20190101
    assert room.blocked() == "no lot rule for the day"


@pytest.mark.parametrize("reason", ["operator", "crash"])
def test_a_paused_parent_is_not_superseded(reason: str) -> None:
    """A new target does not undo a pause."""
    room = Room()
    room.target(100)
    parent_id = room.opened().parent_id
    room.bench.fold(c.PauseParent(parent_id=parent_id, paused=True, reason=reason))
    room.target(50)
    assert room.blocked() == f"parent 1 is paused: {reason}"


def test_flatten_closes_a_position_and_is_left_alone_by_the_desk() -> None:
    """At once in regular hours, else from the next open; a strategy's target cannot end it."""
    room = Room()
    assert room.desk.flatten("alpha", 0, OPEN_NS) is None
    room.bench.hold("alpha", 0, -30)
    ladder(room, level=ACCOUNT, scope="", state=HALTED)
    opened = room.desk.flatten("alpha", 0, OPEN_NS + 5)
    assert opened is not None
    assert (opened.side, opened.qty_nanos, opened.algo, opened.purpose) == (1, 30 * SHARE, "immediate", 2)
    assert (opened.start_ts_ns, opened.end_ts_ns) == (OPEN_NS + 5, CLOSE_NS)
    night = room.desk.flatten("alpha", 0, CLOSE_NS + 7200 * NANO)
    assert night is not None
    assert night.start_ts_ns == OPEN_NS + 86_400 * NANO
    over = room.desk.flatten("alpha", 0, CLOSE_NS + 86_400 * NANO)
    assert over is None
    room.bench.fold(opened)
    room.target(-500)
    assert room.blocked().startswith("parent 1 is not a schedule")


def test_flatten_takes_the_time_that_liquidity_asks_for() -> None:
    """A tenth of the usual volume in each half minute, never less than a lot, never beyond the close; at once where
    nobody knows what trades.
    """
    room = Room()
    bench, volumes = room.bench, room.bench.context.volumes
    half_minutes = (CLOSE_NS - OPEN_NS) // SLICE_NS
    bench.hold("alpha", 0, 100)

    def opened(usual: int, start_ns: int = OPEN_NS) -> tuple[str, int, int]:
        """Algo, slices and seconds, for a name that trades so many shares each half minute."""
        volumes.adv_nanos[0] = usual * half_minutes * SHARE
        plan = room.desk.flatten("alpha", 0, start_ns)
        assert plan is not None
        assert plan.qty_nanos == 100 * SHARE
        return plan.algo, plan.slices, (plan.end_ts_ns - plan.start_ts_ns) // NANO

    rest_s = (CLOSE_NS - OPEN_NS) // NANO
    assert opened(1_000) == ("immediate", 1, rest_s)
    assert opened(999) == ("twap", 2, 60)
    assert opened(100) == ("twap", 10, 300)
    assert opened(1) == ("twap", 100, 3_000), "a lot each half minute"
    assert opened(100, CLOSE_NS - 100 * NANO) == ("twap", 3, 90), "the close comes first"
    assert opened(1, CLOSE_NS - 5 * NANO) == ("immediate", 1, 5)
    assert opened(0) == ("immediate", 1, rest_s)
    bench.hold("alpha", 0, -100)
    assert room.desk.flatten("alpha", 0, OPEN_NS) is None


def test_settings_of_the_strategy_are_used() -> None:
    """A strategy's own algo, not the default's."""
    room = Room()
    own = settings_of(algo="immediate", params={"duration_s": 7})
    room.desk = NettingDesk(room.bench.context, settings={"alpha": own}, default=DEFAULT_SETTINGS, fees=FEES)
    room.target(10)
    opened = room.opened()
    assert (opened.algo, opened.slices, opened.end_ts_ns) == ("immediate", 1, OPEN_NS + 7 * NANO)
