"""What the fault simulation found: each rule here was broken once, and a schedule of tests/simulation showed it."""

from typing import Any

import pytest

from core import commands as c
from core import events as e
from core.orders import State
from core.reconcile import COST_WAIT_NS, cash_difference_nanos
from core.units import NANO
from tests.fakes.context import CENT, TAG, World, build_context

PX = 100 * NANO
QTY = 100 * NANO


@pytest.fixture
def world() -> World:
    """A READY trader at noon, flat."""
    return build_context()


def sync(world: World, *facts: Any, sync_id: int = 9) -> None:
    """A complete synchronisation that was asked for a second later."""
    world.ts_ns += NANO
    world.event(e.SyncStarted(sync_id=sync_id))
    for fact in facts:
        world.event(fact)
    world.event(e.SyncCompleted(sync_id=sync_id, complete=True))


def listed(order_id: int, **changes: Any) -> e.OpenOrderReported:
    """An order of ours as the broker's list of open ones shows it."""
    fields: dict[str, Any] = {
        "sync_id": 9, "order_id": order_id, "order_ref": f"q-{TAG}-1-{order_id}", "perm_id": 5, "inst": 0, "side": 1,
        "qty_nanos": QTY, "filled_nanos": 0, "status": e.SUBMITTED, "limit_px_nanos": PX,
    }  # fmt: skip
    return e.OpenOrderReported(**(fields | changes))


def completed(order_id: int, *, filled_nanos: int, status: int) -> e.CompletedOrderReported:
    """An order of ours among the broker's completed ones."""
    return e.CompletedOrderReported(
        sync_id=9, order_id=order_id, order_ref=f"q-{TAG}-1-{order_id}", perm_id=5, inst=0, side=1, qty_nanos=QTY,
        filled_nanos=filled_nanos, status=status,
    )  # fmt: skip


def corrected(order_id: int, *, qty_nanos: int) -> e.ExecutionCorrected:
    """The second version of an execution."""
    return e.ExecutionCorrected(
        order_id=order_id, exec_id="x.01.02", corrects="x.01.01", qty_nanos=qty_nanos, px_nanos=PX + CENT
    )


def filled(order_id: int, exec_id: str = "x.01.01", qty_nanos: int = QTY) -> e.OrderFilled:
    """One execution."""
    return e.OrderFilled(order_id=order_id, exec_id=exec_id, side=1, qty_nanos=qty_nanos, px_nanos=PX, inst=0)


def test_a_correction_of_a_lost_fill_is_booked(world: World) -> None:
    """The correction says what stands; the first version, coming late, changes nothing."""
    order_id = world.rest(limit_px_nanos=PX)
    world.event(corrected(order_id, qty_nanos=QTY))
    assert world.money.ledger.holdings[0] == QTY
    assert world.money.orders[order_id].state is State.FILLED
    world.event(filled(order_id))
    assert world.money.ledger.holdings[0] == QTY
    world.money.ledger.assert_identity()


def test_a_bust_of_a_lost_fill_moves_nothing_but_its_cost(world: World) -> None:
    """Taken back before we knew of it: no position, and the commission that stays is booked."""
    order_id = world.rest(limit_px_nanos=PX)
    cash = world.money.ledger.cash["USD"]
    world.event(corrected(order_id, qty_nanos=0))
    world.event(e.CommissionReported(exec_id="x.01.02", commission_nanos=NANO))
    assert world.money.ledger.holdings[0] == 0
    assert world.money.ledger.cash["USD"] == cash - NANO
    world.money.ledger.assert_identity()


def test_the_cost_of_an_unseen_correction_is_the_same_one(world: World) -> None:
    """A commission told under the next version's id belongs to the execution we have, once."""
    order_id = world.rest(limit_px_nanos=PX)
    world.event(filled(order_id))
    cash = world.money.ledger.cash["USD"]
    for exec_id in ("x.01.02", "x.01.01"):
        world.event(e.CommissionReported(exec_id=exec_id, commission_nanos=NANO))
    assert world.money.ledger.cash["USD"] == cash - NANO
    assert not world.money.ledger.waiting_commissions


@pytest.mark.parametrize(("age_ns", "hidden"), [(COST_WAIT_NS - 2, True), (COST_WAIT_NS + 2, False)])
def test_a_lost_commission_hides_a_cash_difference_only_for_a_while(world: World, age_ns: int, hidden: bool) -> None:
    """Cash is not compared while a cost is to come; after a while the difference shows."""
    order_id = world.rest(limit_px_nanos=PX)
    world.event(filled(order_id))
    world.ts_ns += age_ns
    world.event(e.SyncStarted(sync_id=9))
    world.event(e.CashReported(sync_id=9, currency="USD", cash_nanos=0))
    assert world.money.sync is not None
    found = cash_difference_nanos(world.money.sync, world.money.ledger)
    assert (found == 0) is hidden


def test_a_commission_repeated_by_a_sync_is_ordinary(world: World) -> None:
    """The broker tells the cost again with every list of executions; out of a sync that is odd."""
    order_id = world.rest(limit_px_nanos=PX)
    world.event(filled(order_id))
    cost = e.CommissionReported(exec_id="x.01.01", commission_nanos=NANO)
    world.event(cost)
    world.money.odds.clear()
    sync(world, cost)
    assert not [what for _, what in world.money.odds if "commission" in what]
    world.event(cost)
    assert [what for _, what in world.money.odds if "commission" in what]


@pytest.mark.parametrize("state", ["working", "unknown"])
def test_a_completed_order_ends_with_the_sync(world: World, state: str) -> None:
    """Its fill was taken back before we heard of it: the list of completed orders is all there ever is."""
    order_id = world.rest(limit_px_nanos=PX)
    if state == "unknown":
        world.event(e.CancelRejected(order_id=order_id, code=10147))
    sync(world, completed(order_id, filled_nanos=0, status=e.STATUS_FILLED))
    assert world.money.orders[order_id].state is State.CANCELLED
    assert not world.money.live_orders


def test_a_completed_order_waits_for_its_executions(world: World) -> None:
    """Executed more than we booked: it stays, and the difference is reported."""
    order_id = world.rest(limit_px_nanos=PX)
    sync(world, completed(order_id, filled_nanos=QTY, status=e.STATUS_FILLED))
    assert order_id in world.money.live_orders
    assert [found.kind for found in world.money.differences] == ["filled"]


@pytest.mark.parametrize("outcome", ["lost", "cancelled"])
def test_an_order_settled_wrongly_comes_back(world: World, outcome: str) -> None:
    """The broker lists it as open: it holds risk, so it is on our book again."""
    order_id = world.rest(limit_px_nanos=PX)
    world.event(e.CancelRejected(order_id=order_id, code=10147))
    world.command(c.SettleOrder(order_id=order_id, outcome=outcome, reason="test"))
    assert not world.money.live_orders
    sync(world, listed(order_id))
    assert world.money.orders[order_id].state is State.WORKING
    assert world.money.reservations.buy_qty[0] == QTY
    assert any("still open at the broker" in what for _, what in world.money.odds)


def test_an_older_list_does_not_bring_an_order_back(world: World) -> None:
    """A list that was asked for before the order ended proves nothing."""
    order_id = world.rest(limit_px_nanos=PX)
    world.event(e.SyncStarted(sync_id=9))
    world.cancel(order_id)
    world.event(listed(order_id))
    assert world.money.orders[order_id].state is State.CANCELLED


def test_a_part_of_a_lost_order_brings_it_back(world: World) -> None:
    """What fills in part is at the broker: the rest holds risk again."""
    order_id = world.rest(limit_px_nanos=PX)
    world.event(e.CancelRejected(order_id=order_id, code=10147))
    world.command(c.SettleOrder(order_id=order_id, outcome="lost", reason="test"))
    world.event(filled(order_id, qty_nanos=QTY // 4))
    assert world.money.orders[order_id].state is State.WORKING
    assert world.money.reservations.buy_qty[0] == QTY * 3 // 4


@pytest.mark.parametrize("how", ["completed", "filled", "acknowledged"])
def test_ids_the_broker_shows_are_taken(world: World, how: str) -> None:
    """A lost tail forgets orders; their ids must not be given out again."""
    forgotten = world.money.next_order_id + 7
    if how == "completed":
        sync(world, completed(forgotten, filled_nanos=0, status=e.STATUS_CANCELLED))
    elif how == "filled":
        world.event(filled(forgotten))
    else:
        world.event(e.OrderAcknowledged(order_id=forgotten))
    assert world.money.next_order_id == forgotten + 1


@pytest.mark.parametrize("accepted", [True, False])
def test_a_fill_of_the_old_size_does_not_end_a_larger_version_on_its_way(world: World, accepted: bool) -> None:
    """The broker may still take the larger version: the order is over only when it has said which one it works."""
    order_id = world.rest(limit_px_nanos=PX)
    world.place(world.approved(world.intent(order_id=order_id, qty_nanos=2 * QTY, limit_px_nanos=PX, version=1)))
    world.event(filled(order_id))
    order = world.money.orders[order_id]
    assert order.live
    assert order.reserved_nanos == QTY
    if accepted:
        world.event(e.OrderReplaced(order_id=order_id, version=1, qty_nanos=2 * QTY, limit_px_nanos=PX))
        assert (order.state, order.reserved_nanos) == (State.WORKING, QTY)
    else:
        world.event(e.ReplaceRejected(order_id=order_id, version=1, code=104))
        assert (order.state, order.reserved_nanos) == (State.FILLED, 0)
