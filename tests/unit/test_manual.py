"""Orders by hand inside a trader on a live broker: taken, refused, worked, taken back, killed, recovered."""

from pathlib import Path
from typing import Any, Final

import pytest

from core import commands as c
from core import events as e
from core.ids import BUY, SELL
from core.latches import ACCOUNT, REDUCING, STRATEGY, SYMBOL
from core.manual import MANUAL
from core.parents import Parent, ParentState
from core.units import NANO
from daemon.status.manual import manual_rows
from execution.algos import find_algo, written
from tests.fakes.live import CENT, LiveWorld, opened
from tests.unit.test_kill import killed, pass_time
from tests.unit.test_live_runner import verified

PX: Final = 20 * NANO
BID: Final = PX - CENT
BOOK: Final = (MANUAL, 0)


def given(world: LiveWorld, **changes: Any) -> tuple[bool, str]:
    """A person's order, and what the trader answers."""
    algo = changes.pop("algo", "resting")
    fields: dict[str, Any] = {
        "strategy": MANUAL, "inst": 0, "side": BUY, "qty_nanos": 100 * NANO, "algo": algo,
        "params": written(find_algo(algo).params_type()), "tif": c.DAY, "reason": "by hand", "operator": "ann",
        "limit_px_nanos": BID if algo == "resting" else 0, "authority": "code:1",
    }  # fmt: skip
    world.tell(e.OrderGiven(**(fields | changes)))
    return world.runner.engine.reply


def quiet(folder: Path, **changes: Any) -> LiveWorld:
    """A ready world with a market in which no strategy of ours wants anything."""
    world = opened(folder, **changes)
    world.quote(0, PX)
    assert not world.broker.orders()
    return world


def entered(world: LiveWorld, **changes: Any) -> c.OrderIntent:
    """An order by hand that works at the broker."""
    assert given(world, **changes)[0], world.runner.engine.reply
    order = world.broker.orders()[-1]
    world.tell(e.OrderAcknowledged(order_id=order.order_id, perm_id=order.order_id))
    return order


def parent_of(world: LiveWorld, order: c.OrderIntent) -> Parent:
    """Its schedule."""
    return world.runner.money.parents[order.parent_id]


def part(world: LiveWorld, order: c.OrderIntent, qty_nanos: int, number: int, px_nanos: int = BID) -> None:
    """An execution of an order."""
    world.tell(
        e.OrderFilled(
            exec_id=f"0002.{number:02}.01.01", order_id=order.order_id, inst=order.inst, side=order.side,
            qty_nanos=qty_nanos, px_nanos=px_nanos,
        )
    )  # fmt: skip


def test_an_order_rests_at_its_limit_in_a_book_of_its_own(tmp_path: Path) -> None:
    """One order of the whole size, never priced anew; its fill is held by the book `manual` and by no strategy."""
    world = quiet(tmp_path)
    order = entered(world)
    assert world.runner.engine.reply == (
        True,
        f"order 1: BUY 100 AAA by resting at 19.99 for manual, sent as order {order.order_id}",
    )
    assert (order.strategy, order.purpose, order.operator) == (MANUAL, c.INTENT_MANUAL, "ann")
    assert (order.limit_px_nanos, order.qty_nanos, order.tif) == (BID, 100 * NANO, c.DAY)
    for at in range(5):
        world.quote(0, PX + at * 10 * CENT)
    assert [type(command) for command in world.broker.sent if type(command) is c.ReplaceOrder] == []
    part(world, order, 40 * NANO, 1)
    part(world, order, 60 * NANO, 2)
    ledger = world.runner.money.ledger
    assert (ledger.held_nanos(*BOOK), ledger.held_nanos("reversion", 0)) == (100 * NANO, 0)
    assert parent_of(world, order).state is ParentState.DONE
    (row,) = manual_rows(world.runner.money)
    assert (row["state"], row["filled"], row["average"], row["by"]) == ("DONE", "100", "19.9900", "ann")
    world.runner.engine.assert_invariants()
    verified(world)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"qty_nanos": 10 * NANO + 1}, "qty 10.000000001: give a multiple of 1, at least 1"),
        ({"limit_px_nanos": BID + 1}, "limit 19.990000001: off the tick: give 19.99 or 20"),
        ({"tif": c.GTC}, "tif gtc: limits.account.good_till_cancelled is false"),
        ({"take_profit_px_nanos": PX - 2 * CENT}, "take-profit 19.98: a BUY at 19.99 takes its profit above that"),
        ({"stop_px_nanos": PX}, "stop 20: a BUY at 19.99 is stopped below that: give a price below it"),
        ({"oca_group": "a", "algo": "immediate"}, "oca: the broker's groups hold orders that rest at a limit"),
        ({"strategy": "reversion"}, "strategy: reversion decides on AAA itself and would trade it back"),
        ({"authority": "peer"}, "it adds risk: prove who gives it"),
        ({"inst": 1}, "no quote since the last gap: give it again"),
        ({"qty_nanos": 4_000 * NANO}, "refused by MAX_ORDER_NOTIONAL (control 2): "),
        ({"limit_px_nanos": 30 * NANO}, "refused by PRICE_COLLAR (control 3): "),
    ],
)  # fmt: skip
def test_a_wrong_order_is_refused_with_field_and_remedy(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    """Nothing is sent, nothing stays open, and the answer is one line."""
    world = quiet(tmp_path)
    ok, text = given(world, **changes)
    assert (ok, text[: len(says)]) == (False, says)
    assert "\n" not in text
    pass_time(world, 30)
    assert not world.broker.orders()
    assert not world.runner.money.live_parents
    verified(world)


def test_a_halt_is_named_with_what_lifts_it(tmp_path: Path) -> None:
    """Whoever halted what, and that REDUCING lets a closing order pass."""
    world = quiet(tmp_path)
    world.tell(e.OperatorHalted(level=SYMBOL, scope="AAA", reason="news", operator="bob"))
    assert given(world) == (False, "symbol AAA is HALTED: HALT, news: `quantd resume` lifts it")
    world.tell(e.OperatorResumed(level=SYMBOL, scope="AAA", reason="over", operator="bob"))
    order = entered(world)
    part(world, order, order.qty_nanos, 1)
    world.tell(e.TriggerFired(name="TEST", level=ACCOUNT, scope="", state=REDUCING, reason="test"))
    assert "REDUCING (orders that only close may pass)" in given(world)[1]
    leaving = entered(world, side=SELL, limit_px_nanos=PX + 5 * CENT, authority="peer")
    assert world.runner.money.orders[leaving.order_id].reduce_only
    verified(world)


def test_an_order_at_market_crosses_and_a_schedule_is_worked(tmp_path: Path) -> None:
    """`immediate` goes across the spread within the house's ticks; `twap` is sent in parts, both for the book."""
    world = quiet(tmp_path)
    now = entered(world, algo="immediate")
    assert PX + CENT <= now.limit_px_nanos <= PX + 3 * CENT
    part(world, now, now.qty_nanos, 1)
    slow = entered(
        world, algo="twap", params='{"duration_s":60,"slices":4}', qty_nanos=80 * NANO, limit_px_nanos=PX + CENT
    )
    assert (slow.qty_nanos, slow.strategy) == (20 * NANO, MANUAL)
    assert world.runner.money.parents[slow.parent_id].slices == 4
    verified(world)


def test_it_is_taken_back_by_its_number(tmp_path: Path) -> None:
    """Its child is cancelled, what filled stays; what is no manual order is not touched."""
    world = quiet(tmp_path)
    order = entered(world)
    part(world, order, 30 * NANO, 1)
    text = ""
    for number, says in ((9, "order 9 is not known: `quantd order list`"), (order.parent_id, "")):
        world.tell(e.OrderWithdrawn(parent_id=number, reason="changed my mind", operator="ann"))
        ok, text = world.runner.engine.reply
        assert (ok, text.startswith(says)) == (not says, True)
    assert text == f"order 1 taken back, 30 of 100 filled; order {order.order_id} is being cancelled"
    assert world.broker.sent[-1] == c.CancelOrder(order_id=order.order_id, reason="ann: changed my mind")
    world.tell(e.OrderCancelled(order_id=order.order_id, reason=""))
    pass_time(world, 60)
    assert len(world.broker.orders()) == 1
    world.tell(e.OrderWithdrawn(parent_id=order.parent_id, reason="again", operator="ann"))
    assert world.runner.engine.reply[1] == "order 1 has ended: CANCELLED ann: changed my mind, 30 filled"
    verified(world)


@pytest.mark.parametrize("fact", ["rejected", "expired"])
def test_one_that_the_broker_ends_is_not_sent_again(tmp_path: Path, fact: str) -> None:
    """A person's order is one order: what became of it is in the list."""
    world = quiet(tmp_path)
    order = entered(world)
    if fact == "rejected":
        world.tell(e.OrderRejected(order_id=order.order_id, code=201, text="no"))
    else:
        world.tell(e.OrderCancelled(order_id=order.order_id, reason="expired"))
    for _ in range(20):
        world.quote(0, PX)
    assert len(world.broker.orders()) == 1
    assert parent_of(world, order).state is ParentState.CANCELLED
    (row,) = manual_rows(world.runner.money)
    assert "ended by itself" in row["reason"]
    verified(world)


def test_a_strategy_and_a_person_do_not_fight(tmp_path: Path) -> None:
    """The strategy's target is met out of its own book, beside a manual order on the other side and its position."""
    world = quiet(tmp_path)
    mine = entered(world)
    part(world, mine, mine.qty_nanos, 1)
    away = entered(world, side=SELL, limit_px_nanos=PX + 20 * CENT)
    world.quote(0, PX)
    world.quote(0, PX - 5 * CENT)
    theirs = world.broker.orders()[-1]
    assert (theirs.strategy, theirs.side, theirs.qty_nanos) == ("reversion", BUY, 100 * NANO)
    world.fill(theirs, theirs.limit_px_nanos)
    ledger = world.runner.money.ledger
    assert (ledger.held_nanos(*BOOK), ledger.held_nanos("reversion", 0)) == (100 * NANO, 100 * NANO)
    assert world.runner.money.orders[away.order_id].live
    assert ledger.holdings[0] == 200 * NANO
    world.runner.engine.assert_invariants()
    verified(world)


@pytest.mark.parametrize(("level", "scope"), [(ACCOUNT, ""), (SYMBOL, "AAA"), (STRATEGY, MANUAL)])
def test_kill_and_flatten_cover_it(tmp_path: Path, level: int, scope: str) -> None:
    """A kill takes its order off for good; a flatten closes what its book holds."""
    world = quiet(tmp_path)
    order = entered(world)
    part(world, order, 40 * NANO, 1)
    world.tell(killed(level, scope))
    assert parent_of(world, order).state is ParentState.CANCELLED
    world.tell(e.OrderCancelled(order_id=order.order_id, reason=""))
    pass_time(world, 1)
    held = e.PositionReported(sync_id=2, inst=0, qty_nanos=40 * NANO, average_cost_nanos=BID)
    world.sync(sync_id=2, cash=999_200, facts=[held])
    assert world.runner.money.kills[0].verified_ns, world.runner.money.differences
    world.tell(e.OperatorFlattened(level=level, scope=scope, reason="close", operator="ann"))
    world.quote(0, PX)
    pass_time(world, 1)
    closing = world.broker.orders()[-1]
    assert (closing.strategy, closing.side, closing.qty_nanos) == (MANUAL, SELL, 40 * NANO)
    assert closing.purpose == c.INTENT_FLATTEN
    world.fill(closing, PX)
    assert world.runner.money.ledger.held_nanos(*BOOK) == 0
    verified(world)


def test_a_crash_keeps_book_and_order(tmp_path: Path) -> None:
    """The next run has the position and the order that the broker shows, and sends nothing twice."""
    before = quiet(tmp_path)
    order = entered(before)
    part(before, order, 40 * NANO, 1)
    before.close()
    world = LiveWorld(before.config, before.tables, recovered=before.recover(), ts_ns=before.clock.ts_ns + 10 * NANO)
    world.begin(ended="crash", epoch=2)
    ref = world.runner.money.orders[order.order_id].order_ref
    shown = e.OpenOrderReported(
        sync_id=2, order_id=order.order_id, order_ref=ref, perm_id=order.order_id, inst=0, side=BUY,
        qty_nanos=100 * NANO, filled_nanos=40 * NANO, status=e.SUBMITTED, limit_px_nanos=BID, client_id=11,
    )  # fmt: skip
    held = e.PositionReported(sync_id=2, inst=0, qty_nanos=40 * NANO, average_cost_nanos=BID)
    world.ready(order_id_next=1, sync_id=2, cash=999_200, facts=[held, shown])
    for _ in range(5):
        world.quote(0, PX)
    assert not world.broker.orders()
    assert world.runner.money.orders[order.order_id].live
    part(world, order, 60 * NANO, 2)
    assert world.runner.money.ledger.held_nanos(*BOOK) == 100 * NANO
    assert parent_of(world, order).state is ParentState.DONE
    (row,) = manual_rows(world.runner.money)
    assert (row["id"], row["by"], row["reason"]) == (1, "ann", "filled")
    verified(world)


def pair_of(world: LiveWorld) -> tuple[c.OrderIntent, c.OrderIntent]:
    """Two orders of one group at the broker."""
    near = entered(world, oca_group="dip")
    return near, entered(world, oca_group="dip", limit_px_nanos=PX - 20 * CENT)


def shrunk(order: c.OrderIntent, qty_nanos: int) -> e.OrderReplaced:
    """What the broker says of the others when one of a group traded."""
    return e.OrderReplaced(
        order_id=order.order_id, version=0, qty_nanos=qty_nanos, limit_px_nanos=order.limit_px_nanos
    )  # fmt: skip


def test_a_group_holds_once_and_goes_with_the_one_that_fills(tmp_path: Path) -> None:
    """Both carry the group to the broker; what one fills the other has less; a full fill ends both."""
    world = quiet(tmp_path)
    near, far = pair_of(world)
    assert {order.oca_group for order in (near, far)} == {"q-du1-dip"}
    assert {order.oca_type for order in (near, far)} == {c.OCA_REDUCE_WITH_BLOCK}
    held = world.runner.money.reservations
    assert (held.buy_qty[0], held.count) == (100 * NANO, 2)
    part(world, near, 40 * NANO, 1)
    world.tell(shrunk(far, 60 * NANO), shrunk(far, 60 * NANO))
    assert (held.buy_qty[0], world.runner.money.orders[far.order_id].qty_nanos) == (60 * NANO, 60 * NANO)
    world.runner.engine.assert_invariants()
    part(world, far, 60 * NANO, 2, px_nanos=far.limit_px_nanos)
    world.tell(e.OrderCancelled(order_id=near.order_id, reason="its group traded"))
    for _ in range(10):
        world.quote(0, PX)
    assert len(world.broker.orders()) == 2
    assert {parent_of(world, order).reason for order in (near, far)} == {"its group has traded"}
    assert world.runner.money.ledger.held_nanos(*BOOK) == 100 * NANO
    assert (held.buy_qty[0], held.count, held.notional) == (0, 0, 0)
    verified(world)


def test_exits_of_a_group_all_only_reduce(tmp_path: Path) -> None:
    """Two ways out of one position are one way out: neither is taken for a short sale."""
    world = quiet(tmp_path)
    order = entered(world)
    part(world, order, order.qty_nanos, 1)
    exits = [
        entered(world, side=SELL, limit_px_nanos=PX + up * CENT, oca_group="out", authority="code:2") for up in (10, 30)
    ]
    assert [world.runner.money.orders[leaving.order_id].reduce_only for leaving in exits] == [True, True]
    ok, text = given(world, side=SELL, limit_px_nanos=PX + 40 * CENT, authority="peer")
    assert (ok, "adds risk" in text) == (False, True)
    world.runner.engine.assert_invariants()
    verified(world)


def test_a_crash_keeps_a_group_together(tmp_path: Path) -> None:
    """What the others lost meanwhile is told by the first synchronisation; they hold once, as before."""
    before = quiet(tmp_path)
    near, far = pair_of(before)
    before.close()
    world = LiveWorld(before.config, before.tables, recovered=before.recover(), ts_ns=before.clock.ts_ns + 10 * NANO)
    assert world.runner.money.reservations.buy_qty[0] == 100 * NANO
    world.tell(shrunk(far, 50 * NANO))
    part(world, near, 50 * NANO, 1)
    assert world.runner.money.reservations.buy_qty[0] == 50 * NANO
    world.runner.engine.assert_invariants()
