"""The executor step by step: rest, cross, catch up, wait, end."""

import pytest

from core import commands as c
from core import events as e
from core.orders import State
from core.parents import Parent, ParentState
from core.ports import Action
from core.units import NANO
from tests.fakes.trading_context import CENT, CLOSE_NS, DATE, OPEN_NS, SHARE, Bench, settings_of

SETTINGS = settings_of(patience=0.5, chase_s=2.0, cross_ticks_max=1, backoff_s=5.0, grace_s=30.0)


class Desk:
    """One parent on a bench: 100 shares in 5 slices of 20 s, so each slice rests 10 s and crosses 10 s."""

    def __init__(self, **fields: int) -> None:
        self.bench = Bench(settings=SETTINGS)
        self.parent_id = self.bench.open(shares=100, **fields)

    @property
    def parent(self) -> Parent:
        return self.bench.money.parents[self.parent_id]

    def at(self, seconds: float) -> None:
        self.bench.ts_ns = OPEN_NS + int(seconds * NANO)

    def act(self) -> Action | None:
        return self.bench.executor.act(self.parent, self.bench.ts_ns)

    def wake_s(self) -> float:
        return (self.bench.executor.wake_ns(self.parent, self.bench.ts_ns) - OPEN_NS) / NANO

    def send(self) -> c.OrderIntent:
        """Act, expect an order, fold it and its acknowledgement."""
        action = self.act()
        assert action is not None
        intent = action.place or action.replace
        assert intent is not None, action
        self.bench.place(intent)
        if intent.version:
            self.bench.fold(
                e.OrderReplaced(
                    order_id=intent.order_id,
                    version=intent.version,
                    qty_nanos=intent.qty_nanos,
                    limit_px_nanos=intent.limit_px_nanos,
                )
            )
        else:
            self.bench.fold(e.OrderAcknowledged(order_id=intent.order_id))
        return intent


def summary(intent: c.OrderIntent) -> tuple[int, int, int]:
    """Shares, limit in cents, version."""
    return intent.qty_nanos // SHARE, intent.limit_px_nanos // CENT, intent.version


def test_a_slice_rests_then_crosses_then_the_next_catches_up() -> None:
    """Near touch, far touch plus the tick allowed, and the missed rest with the next slice at the near touch."""
    desk = Desk()
    assert summary(desk.send()) == (20, 1000, 0)
    assert desk.act() is None
    desk.at(9.99)
    assert desk.act() is None
    desk.at(10)
    assert summary(desk.send()) == (20, 1003, 1)
    desk.bench.fill(1, 5)
    desk.at(20)
    assert summary(desk.send()) == (40, 1000, 2)  # total of the order: 5 filled and 35 wanted
    desk.bench.fill(1, 35)
    assert desk.act() is None
    assert desk.wake_s() == 30  # the present slice's cross time; nothing is due before 40


def test_a_sell_mirrors_a_buy() -> None:
    """Ask first, then bid less the tick allowed."""
    desk = Desk(side=-1)
    assert summary(desk.send()) == (20, 1002, 0)
    desk.at(10)
    assert summary(desk.send()) == (20, 999, 1)


def test_a_restricted_short_sale_rests_to_the_end() -> None:
    """Under Rule 201 it never reaches for the bid; a sale of what is owned does, and so does one of the day after."""
    desk = Desk(side=-1)
    desk.bench.fold(c.RestrictShorts(inst=0, until=DATE, low_px_nanos=900, previous_close_nanos=1000))
    assert summary(desk.send()) == (20, 1002, 0)
    desk.at(15)
    assert desk.act() is None
    desk.bench.money.trading_date = DATE + 1
    assert summary(desk.send()) == (20, 999, 1)
    owner = Desk(side=-1)
    owner.bench.fold(c.RestrictShorts(inst=0, until=DATE, low_px_nanos=900, previous_close_nanos=1000))
    owner.bench.hold("alpha", 0, 100)
    assert summary(owner.send()) == (20, 1002, 0)
    owner.at(15)
    assert summary(owner.send()) == (20, 999, 1)


def test_the_parents_limit_binds_both_phases() -> None:
    """A buy never pays more than the parent's limit, rounded to the tick inside it."""
    desk = Desk(limit_px_nanos=1001 * CENT + 1)
    desk.send()
    desk.at(10)
    assert summary(desk.send()) == (20, 1001, 1)
    desk.bench.quote(0, 1010, 1012)
    desk.at(20)
    assert summary(desk.send()) == (40, 1001, 2)


def test_a_child_left_behind_is_chased_at_most_each_interval() -> None:
    """The near touch moved away by a tick: re-priced two seconds after the child last changed, not before."""
    desk = Desk()
    desk.send()
    desk.at(1)
    desk.bench.quote(0, 1001, 1003)
    assert desk.act() is None
    assert desk.wake_s() == 2
    desk.at(2)
    assert summary(desk.send()) == (20, 1001, 1)
    desk.at(3)
    desk.bench.quote(0, 1005, 1007)
    assert desk.act() is None
    assert desk.wake_s() == 4


def test_a_better_price_of_ours_is_kept() -> None:
    """The touch moved the other way: our order is ahead of it and stays."""
    desk = Desk()
    desk.send()
    desk.at(5)
    desk.bench.quote(0, 998, 1001)
    assert desk.act() is None


def test_nothing_while_an_answer_is_outstanding() -> None:
    """A child that is being sent, replaced or cancelled is left alone, even when the parent is paused."""
    desk = Desk()
    action = desk.act()
    assert action is not None
    assert action.place is not None
    desk.bench.place(action.place)
    for seconds in (0, 15, 99, 500):
        desk.at(seconds)
        assert desk.act() is None
    desk.bench.fold(c.PauseParent(parent_id=desk.parent_id, paused=True, reason="operator"))
    assert desk.act() is None


def test_pausing_cancels_the_child_and_resuming_goes_on() -> None:
    """Paused by hand: cancel, then wait; afterwards the schedule catches up."""
    desk = Desk()
    desk.send()
    desk.bench.fold(c.PauseParent(parent_id=desk.parent_id, paused=True, reason="operator"))
    assert desk.act() == Action(cancel=1, reason="parent paused")
    desk.bench.fold(c.CancelOrder(order_id=1, reason="parent paused"))
    desk.bench.fold(e.OrderCancelled(order_id=1))
    desk.at(45)
    assert desk.act() is None
    desk.bench.fold(c.PauseParent(parent_id=desk.parent_id, paused=False, reason=""))
    assert summary(desk.send()) == (60, 1000, 0)


@pytest.mark.parametrize(("reason", "stays"), [("HALT", True), ("operator", False)])
def test_a_halt_leaves_an_exit_on_the_book(reason: str, stays: bool) -> None:
    """What can only reduce stays where a halt parks its schedule, and goes where a person pauses that schedule."""
    desk = Desk()
    desk.send()
    desk.bench.money.orders[1].reduce_only = True
    desk.bench.fold(c.PauseParent(parent_id=desk.parent_id, paused=True, reason=reason))
    assert (desk.act() is None) is stays


def test_a_crash_pause_leaves_orders_alone() -> None:
    """After a crash orders stay, nothing is sent, and time does not end the parent."""
    desk = Desk()
    desk.send()
    desk.bench.fold(c.PauseParent(parent_id=desk.parent_id, paused=True, reason="crash"))
    for seconds in (1, 50, 1000):
        desk.at(seconds)
        assert desk.act() is None


def test_a_refused_cancel_waits_for_the_back_off() -> None:
    """A cancel the broker refuses is not repeated at once."""
    desk = Desk()
    desk.send()
    desk.bench.fold(c.PauseParent(parent_id=desk.parent_id, paused=True, reason="operator"))
    desk.bench.fold(c.CancelOrder(order_id=1, reason="parent paused"))
    desk.bench.fold(e.CancelRejected(order_id=1, code=161))
    assert desk.act() is None
    assert desk.wake_s() == 5
    desk.at(5)
    assert desk.act() == Action(cancel=1, reason="parent paused")


def test_a_rejected_child_waits_for_the_back_off() -> None:
    """No storm of rejects: the next child comes five seconds later."""
    desk = Desk()
    desk.send()
    desk.bench.fold(e.OrderRejected(order_id=1, code=201))
    assert desk.act() is None
    assert desk.wake_s() == 2
    desk.at(5)
    assert summary(desk.send()) == (20, 1000, 0)
    assert desk.parent.children == 2


def test_a_gate_refusal_holds_until_not_before() -> None:
    """AdvanceParent moves the next attempt."""
    desk = Desk()
    desk.bench.fold(c.AdvanceParent(parent_id=desk.parent_id, next_ts_ns=OPEN_NS + NANO, chases=0))
    assert desk.act() is None
    assert desk.wake_s() == 1
    desk.at(1)
    assert desk.act() is not None


@pytest.mark.parametrize("blind", [{"usable": 0}, {"blind": 1}, {"halted": 1}, {"halted": -1}])
def test_no_sight_no_action(blind: dict[str, int]) -> None:
    """Without a usable quote or in a halt nothing is sent and nothing is cancelled."""
    desk = Desk()
    desk.bench.quote(0, 1000, 1002, **blind)
    assert desk.act() is None
    desk.bench.quote(0, 1000, 1002)
    desk.send()
    desk.bench.quote(0, 1000, 1002, **blind)
    desk.at(30)
    assert desk.act() is None


def test_outside_regular_hours_it_waits() -> None:
    """The parent of the day before waits for its DAY child to expire and then ends."""
    desk = Desk(seconds=23_400)
    desk.at(23_390)
    desk.send()
    desk.at(23_400)
    assert desk.act() is None
    assert desk.wake_s() == 23_430
    desk.at(23_430)
    assert desk.act() is None
    desk.bench.fold(e.OrderCancelled(order_id=1, reason="expired"))
    action = desk.act()
    assert action is not None
    assert action.end == ParentState.EXPIRED


def test_link_states() -> None:
    """READY sends, DEGRADED cancels only, DOWN does nothing."""
    desk = Desk()
    desk.bench.fold(e.LinkDegraded(reason="1100"))
    assert desk.act() is None
    desk.bench.fold(e.LinkRestored())
    desk.bench.money.last_sync_ts_ns = desk.bench.money.ts_ns
    desk.send()
    desk.bench.fold(c.PauseParent(parent_id=desk.parent_id, paused=True, reason="operator"))
    desk.bench.fold(e.LinkLost(reason="socket"))
    assert desk.act() is None
    desk.bench.fold(e.LinkDegraded(reason="1102"))
    assert desk.act() == Action(cancel=1, reason="parent paused")


def test_out_of_time_cancels_then_expires() -> None:
    """After the grace the child goes first, then the parent."""
    desk = Desk()
    desk.at(100)
    assert summary(desk.send()) == (100, 1003, 0)
    assert desk.wake_s() == 102
    desk.at(130)
    assert desk.act() == Action(cancel=1, reason="out of time")
    desk.bench.fold(c.CancelOrder(order_id=1, reason="out of time"))
    desk.bench.fill(1, 40)
    desk.bench.fold(e.OrderCancelled(order_id=1))
    assert desk.act() == Action(end=ParentState.EXPIRED, reason="out of time with 60 to go")


def test_filled_is_done_and_a_superseded_child_is_cancelled() -> None:
    """DONE only without a live child; an ended parent's child is taken off."""
    desk = Desk()
    desk.at(100)
    desk.send()
    desk.bench.fold(c.EndParent(parent_id=desk.parent_id, state=ParentState.SUPERSEDED, reason="target"))
    assert desk.act() == Action(cancel=1, reason="parent ended")
    desk = Desk()
    desk.at(100)
    desk.send()
    desk.bench.fill(1, 100)
    assert desk.act() == Action(end=ParentState.DONE, reason="filled")


def test_a_correction_is_traded_again_but_never_over() -> None:
    """A bust shrinks what is filled; the next child makes up for exactly that."""
    desk = Desk()
    desk.at(100)
    desk.send()
    desk.bench.fill(1, 60, exec_id="a.01")
    desk.bench.fill(1, 40, exec_id="b.01")
    desk.bench.fold(e.ExecutionCorrected(order_id=1, exec_id="a.02", corrects="a.01", qty_nanos=0, px_nanos=0))
    assert summary(desk.send()) == (60, 1003, 0)


def test_a_late_fill_takes_the_live_child_off() -> None:
    """A fill of an earlier child after its cancel: the live child goes at once, what is still due follows later."""
    desk = Desk()
    desk.send()
    desk.bench.fold(e.OrderCancelled(order_id=1))
    desk.at(6)
    desk.send()
    desk.bench.fill(1, 15)
    assert desk.act() == Action(cancel=2, reason="more on the book than is due")
    desk.bench.fold(c.CancelOrder(order_id=2, reason=""))
    desk.bench.fold(e.OrderCancelled(order_id=2))
    desk.at(11)
    assert summary(desk.send()) == (5, 1003, 0)


def test_a_child_that_came_back_blocks_the_next() -> None:
    """An order settled as lost that works after all: no second child beside it."""
    desk = Desk()
    desk.send()
    desk.bench.fold(c.SettleOrder(order_id=1, outcome="lost", reason="operator"))
    desk.bench.fold(e.OrderAcknowledged(order_id=1))
    desk.at(40)
    assert desk.parent.child == 0
    assert desk.bench.money.orders[1].state is State.WORKING
    assert desk.act() is None


def test_immediate_and_flatten_cross_at_once() -> None:
    """No passive part; the purpose travels with the order."""
    desk = Desk(algo="immediate", slices=1, purpose=c.INTENT_FLATTEN)  # type: ignore[arg-type]
    intent = desk.send()
    assert summary(intent) == (100, 1003, 0)
    assert intent.purpose == c.INTENT_FLATTEN


def test_small_children_wait_for_the_next_slice() -> None:
    """Below child_lots_min nothing is sent, except in the last slice."""
    bench = Bench(settings=settings_of(child_lots_min=3))
    parent = bench.money.parents[bench.open(shares=4, slices=2)]
    assert bench.executor.act(parent, OPEN_NS) is None
    action = bench.executor.act(parent, OPEN_NS + 50 * NANO)
    assert action is not None
    assert action.place is not None
    assert action.place.qty_nanos == 4 * SHARE


def test_ticks_below_a_dollar_are_finer() -> None:
    """The tick rule of the price decides, never a constant."""
    bench = Bench(settings=SETTINGS)
    bench.quote(0, 0, 0, bid_px_nanos=512_345_678, ask_px_nanos=512_500_001)
    parent = bench.money.parents[bench.open(shares=100)]
    action = bench.executor.act(parent, OPEN_NS)
    assert action is not None
    assert action.place is not None
    assert action.place.limit_px_nanos == 512_300_000
    action = bench.executor.act(parent, OPEN_NS + 10 * NANO)
    assert action is not None
    assert action.place is not None
    assert action.place.limit_px_nanos == 512_700_000  # up to the tick, then one tick beyond


def test_wake_is_always_later_even_off_the_table() -> None:
    """Past the last session, with the table at its end, it still moves forward."""
    desk = Desk()
    for seconds in (-86_400.0, 0.0, 130.0, (CLOSE_NS - OPEN_NS) / NANO, 3 * 86_400.0):
        desk.at(seconds)
        assert desk.bench.executor.wake_ns(desk.parent, desk.bench.ts_ns) > desk.bench.ts_ns
