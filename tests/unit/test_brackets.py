"""What closes a manual order's fills: profit and stop, sized by the fills, one group at the broker."""

from pathlib import Path
from typing import Any, Final

import pytest

from core import commands as c
from core import events as e
from core.ids import BUY, SELL
from core.latches import ACCOUNT, REDUCING, STRATEGY, SYMBOL
from core.manual import MANUAL
from core.units import NANO
from daemon.status.manual import manual_rows
from tests.fakes.live import CENT, LiveWorld
from tests.unit.test_kill import alerts, killed, pass_time
from tests.unit.test_live_runner import verified
from tests.unit.test_manual import BOOK, PX, entered, given, parent_of, part, quiet, shrunk

PROFIT: Final = PX + 50 * CENT
STOP: Final = PX - 50 * CENT
PROTECTED: Final[dict[str, Any]] = {"take_profit_px_nanos": PROFIT, "stop_px_nanos": STOP}


def legs(world: LiveWorld, *, live: bool = False) -> list[c.OrderIntent]:
    """All that were sent to close a manual order; `live`: those that work."""
    sent = [order for order in world.broker.orders() if order.bracket]
    return [order for order in sent if not live or world.runner.money.orders[order.order_id].live]


def run_on(world: LiveWorld, seconds: int) -> None:
    """Time with a market that does not move."""
    for _ in range(seconds):
        world.quote(0, PX)


def taken(world: LiveWorld) -> tuple[c.OrderIntent, c.OrderIntent]:
    """The newest pair, acknowledged: stop and profit."""
    stop, profit = legs(world)[-2:]
    world.tell(*(e.OrderAcknowledged(order_id=x.order_id, perm_id=x.order_id) for x in (stop, profit)))
    return stop, profit


def gone(world: LiveWorld, *orders: c.OrderIntent) -> None:
    """The broker has taken orders off."""
    world.tell(*(e.OrderCancelled(order_id=order.order_id, reason="") for order in orders))


def bought(world: LiveWorld, qty_nanos: int = 100 * NANO) -> tuple[c.OrderIntent, c.OrderIntent, c.OrderIntent]:
    """An entry that filled so much, with its stop and profit working."""
    order = entered(world, **PROTECTED)
    part(world, order, qty_nanos, 1)
    return order, *taken(world)


def cancelled(world: LiveWorld) -> list[int]:
    """Orders whose cancel was sent."""
    return [command.order_id for command in world.broker.sent if type(command) is c.CancelOrder]


def test_a_fill_gets_its_stop_and_its_profit_at_once(tmp_path: Path) -> None:
    """The stop first, both of the filled size, one group, only reducing; what they hold counts once."""
    world = quiet(tmp_path)
    entry = entered(world, **PROTECTED)
    assert not legs(world), "nothing is open yet"
    part(world, entry, 30 * NANO, 1)
    stop, profit = taken(world)
    assert [(x.order_type, x.side, x.qty_nanos, x.purpose) for x in (stop, profit)] == [
        (c.STP, SELL, 30 * NANO, c.INTENT_PROTECT),
        (c.LMT, SELL, 30 * NANO, c.INTENT_PROTECT),
    ]
    assert (stop.stop_px_nanos, profit.limit_px_nanos) == (STOP, PROFIT)
    assert stop.oca_group == profit.oca_group == f"q-du1-b1-{stop.order_id}"
    assert {stop.oca_type, profit.oca_type} == {c.OCA_REDUCE_WITH_BLOCK}
    money = world.runner.money
    assert all(money.orders[x.order_id].reduce_only for x in (stop, profit))
    assert money.reservations.sell_qty[0] == 30 * NANO
    world.runner.engine.assert_invariants()
    run_on(world, 5)
    assert len(legs(world)) == 2
    verified(world)


def test_profit_taken_leaves_nothing(tmp_path: Path) -> None:
    """In parts: the stop has less, then goes; flat, over, and a later market is nobody's business."""
    world = quiet(tmp_path)
    _, stop, profit = bought(world)
    part(world, profit, 40 * NANO, 2, px_nanos=PROFIT)
    world.tell(shrunk(stop, 60 * NANO))
    run_on(world, 4)
    assert len(legs(world)) == 2
    assert cancelled(world) == []
    part(world, profit, 60 * NANO, 3, px_nanos=PROFIT)
    gone(world, stop)
    run_on(world, 5)
    assert (len(legs(world)), cancelled(world)) == (2, [])
    assert world.runner.money.ledger.held_nanos(*BOOK) == 0
    (row,) = manual_rows(world.runner.money)
    assert (row["closed"], row["closing"]) == ("100", "")
    assert world.runner.money.manual[1].over == "closed"
    verified(world)


def test_a_stop_that_the_broker_forgets_is_taken_off_by_us(tmp_path: Path) -> None:
    """Two seconds after its group is over."""
    world = quiet(tmp_path)
    _, stop, profit = bought(world)
    part(world, profit, 100 * NANO, 2, px_nanos=PROFIT)
    assert cancelled(world) == []
    run_on(world, 3)
    assert cancelled(world) == [stop.order_id]
    verified(world)


def test_a_clean_stop_leaves_what_protects(tmp_path: Path) -> None:
    """The rest of the entry goes, profit and stop stay for the time without us."""
    world = quiet(tmp_path)
    entry, stop, profit = bought(world, 40 * NANO)
    world.tell(e.TraderStopped(reason="test"))
    assert cancelled(world) == [entry.order_id]
    gone(world, entry)
    assert legs(world, live=True) == [stop, profit]


def test_an_entry_that_fills_in_parts_is_covered_in_few_pairs(tmp_path: Path) -> None:
    """Each later part has a pair of its own; too many are cancelled and become one."""
    world = quiet(tmp_path)
    entry = entered(world, **PROTECTED)
    for number in range(1, 6):
        part(world, entry, 20 * NANO, number)
        run_on(world, 2)
        if number <= 3:
            taken(world)
    working = legs(world, live=True)
    assert [x.qty_nanos for x in working] == [20 * NANO] * 6
    assert sorted(cancelled(world)) == sorted(x.order_id for x in working)
    assert parent_of(world, entry).filled_nanos == 100 * NANO
    gone(world, *working)
    run_on(world, 2)
    assert [x.qty_nanos for x in legs(world, live=True)] == [100 * NANO] * 2
    world.runner.engine.assert_invariants()
    verified(world)


def test_a_leg_that_ends_by_itself_is_sent_again_ever_later(tmp_path: Path) -> None:
    """The other one is taken off first; six in a row are told as critical and end it for the day."""
    world = quiet(tmp_path)
    bought(world)
    for _ in range(400):
        for order in legs(world, live=True):
            if order.order_type == c.STP:
                world.tell(e.OrderRejected(order_id=order.order_id, code=201, text="no stops"))
            else:
                gone(world, order)
        run_on(world, 1)
    stops = [order for order in legs(world) if order.order_type == c.STP]
    assert len(stops) == 6
    assert alerts(world).count("PROTECTION_MISSING") == 1
    world.tell(e.DayRolled(date=world.runner.money.trading_date + 1))
    run_on(world, 3)
    assert len([order for order in legs(world) if order.order_type == c.STP]) == 7
    verified(world)


def test_another_way_out_takes_the_pair_along(tmp_path: Path) -> None:
    """Sold by hand: what is open is less, the pair goes, and a smaller one comes."""
    world = quiet(tmp_path)
    _, stop, profit = bought(world)
    ok, text = given(world, side=SELL, qty_nanos=30 * NANO, algo="immediate")
    assert ok, text
    leaving = next(order for order in world.broker.orders() if order.side == SELL and not order.bracket)
    part(world, leaving, 30 * NANO, 2)
    assert sorted(cancelled(world)) == sorted([stop.order_id, profit.order_id])
    gone(world, stop, profit)
    run_on(world, 2)
    assert [x.qty_nanos for x in legs(world, live=True)] == [70 * NANO] * 2
    verified(world)


def test_reducing_lets_them_pass_and_a_halt_does_not(tmp_path: Path) -> None:
    """A fill under REDUCING is protected; under a halt it is not, and a person is told."""
    world = quiet(tmp_path)
    entry = entered(world, **PROTECTED)
    part(world, entry, 40 * NANO, 1)
    taken(world)
    world.tell(e.TriggerFired(name="TEST", level=ACCOUNT, scope="", state=REDUCING, reason="test"))
    part(world, entry, 20 * NANO, 2)
    run_on(world, 2)
    assert [x.qty_nanos for x in legs(world)] == [40 * NANO, 40 * NANO, 20 * NANO, 20 * NANO]
    taken(world)
    world.tell(e.OperatorHalted(level=SYMBOL, scope="AAA", reason="look", operator="ann"))
    part(world, entry, 40 * NANO, 3)
    run_on(world, 3)
    assert len(legs(world)) == 4
    assert alerts(world).count("PROTECTION_MISSING") == 1
    assert len(legs(world, live=True)) == 4, "what only reduces stays under a halt"
    verified(world)


@pytest.mark.parametrize(("level", "scope"), [(ACCOUNT, ""), (SYMBOL, "AAA"), (STRATEGY, MANUAL)])
def test_kill_and_flatten_take_them_off_for_good(tmp_path: Path, level: int, scope: str) -> None:
    """The position stays after a kill, without a pair, also after the resume."""
    world = quiet(tmp_path)
    _, stop, profit = bought(world)
    world.tell(killed(level, scope))
    if level > ACCOUNT:
        assert {stop.order_id, profit.order_id} <= set(cancelled(world))
    gone(world, stop, profit)
    pass_time(world, 1)
    held = e.PositionReported(sync_id=2, inst=0, qty_nanos=100 * NANO, average_cost_nanos=PX)
    world.sync(sync_id=2, cash=998_001, facts=[held])
    world.tell(e.OperatorResumed(level=level, scope=scope, reason="over", operator="ann"))
    assert world.runner.engine.reply[0], world.runner.engine.reply
    run_on(world, 5)
    assert len(legs(world)) == 2
    assert world.runner.money.manual[1].over == "kill"
    world.tell(e.OperatorFlattened(level=level, scope=scope, reason="close", operator="ann"))
    world.quote(0, PX)
    assert world.broker.orders()[-1].purpose == c.INTENT_FLATTEN
    verified(world)


def test_a_person_takes_them_off_with_a_proof(tmp_path: Path) -> None:
    """Without --protection only the entry goes; with it the stop too, and that adds risk."""
    world = quiet(tmp_path)
    entry, stop, profit = bought(world, 60 * NANO)

    def withdraw(**more: Any) -> tuple[bool, str]:
        world.tell(e.OrderWithdrawn(parent_id=entry.parent_id, reason="r", operator="ann", **more))
        return world.runner.engine.reply

    ok, text = withdraw()
    assert (ok, text.endswith("its profit and stop stay: --protection takes them off")) == (True, True)
    gone(world, entry)
    run_on(world, 3)
    assert len(legs(world, live=True)) == 2
    assert withdraw(protection=True)[0] is False
    assert withdraw(protection=True, authority="code:3")[0] is True
    assert {stop.order_id, profit.order_id} <= set(cancelled(world))
    gone(world, stop, profit)
    run_on(world, 5)
    assert not legs(world, live=True)
    verified(world)


def test_a_crash_finds_them_at_the_broker(tmp_path: Path) -> None:
    """What still works is not sent again; what is gone is, after the next synchronisation."""
    before = quiet(tmp_path)
    entry, stop, profit = bought(before, 60 * NANO)
    refs = {x.order_id: before.runner.money.orders[x.order_id].order_ref for x in (entry, stop, profit)}
    before.close()
    world = LiveWorld(before.config, before.tables, recovered=before.recover(), ts_ns=before.clock.ts_ns + 10 * NANO)
    world.begin(ended="crash", epoch=2)
    shown = [
        e.OpenOrderReported(
            sync_id=2, order_id=x.order_id, order_ref=refs[x.order_id], perm_id=x.order_id, inst=0, side=x.side,
            qty_nanos=x.qty_nanos, filled_nanos=60 * NANO if x is entry else 0, status=e.SUBMITTED,
            limit_px_nanos=x.limit_px_nanos, client_id=11,
        )
        for x in (entry, stop, profit)
    ]  # fmt: skip
    held = e.PositionReported(sync_id=2, inst=0, qty_nanos=60 * NANO, average_cost_nanos=PX)
    world.ready(order_id_next=1, sync_id=2, cash=998_800, facts=[held, *shown])
    run_on(world, 5)
    assert not world.broker.orders()
    part(world, entry, 40 * NANO, 2)
    run_on(world, 2)
    assert [x.qty_nanos for x in legs(world)] == [40 * NANO] * 2
    part(world, stop, 60 * NANO, 3, px_nanos=STOP)
    gone(world, profit)
    run_on(world, 2)
    assert world.runner.money.ledger.held_nanos(*BOOK) == 40 * NANO
    assert len(legs(world, live=True)) == 2
    world.runner.engine.assert_invariants()
    verified(world)


def test_a_short_sale_is_protected_the_other_way_round(tmp_path: Path) -> None:
    """Both buy, the profit below and the stop above."""
    world = quiet(tmp_path)
    entry = entered(world, side=SELL, limit_px_nanos=PX + CENT, take_profit_px_nanos=STOP, stop_px_nanos=PROFIT)
    part(world, entry, 100 * NANO, 1)
    stop, profit = taken(world)
    assert [(x.side, x.qty_nanos) for x in (stop, profit)] == [(BUY, 100 * NANO)] * 2
    assert (stop.stop_px_nanos, profit.limit_px_nanos) == (PROFIT, STOP)
    verified(world)
