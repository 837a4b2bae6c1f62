"""The disaster stop inside a trader on a live broker."""

from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from core import commands as c
from core import events as e
from core.latches import ACCOUNT, HALTED, REDUCING, STRATEGY, SYMBOL
from core.orders import State
from core.records import COMMAND, decode
from core.units import NANO
from daemon.journal import JournalReader
from tests.fakes.live import CENT, SECOND, LiveWorld, opened
from tests.unit.test_kill import alerts, flattened, killed, pass_time, working
from tests.unit.test_live_runner import verified

ON: Final = "disaster_stop_bp = 1000\n"
HELD: Final = 100 * NANO
CASH: Final = 998_000  # after they were bought at 20


def filled(world: LiveWorld, order: c.OrderIntent, qty_nanos: int, number: int) -> None:
    """An execution of an order, at 20."""
    world.tell(
        e.OrderFilled(
            exec_id=f"0001.{number:02}.01.01", order_id=order.order_id, inst=order.inst, side=order.side,
            qty_nanos=qty_nanos, px_nanos=20 * NANO,
        )
    )  # fmt: skip


def stops(world: LiveWorld) -> list[c.OrderIntent]:
    """All that were sent."""
    return [order for order in world.broker.orders() if order.purpose == c.INTENT_DISASTER]


def acknowledged(world: LiveWorld) -> c.OrderIntent:
    """The last one sent, now working."""
    stop = stops(world)[-1]
    world.tell(e.OrderAcknowledged(order_id=stop.order_id, perm_id=stop.order_id))
    return stop


def protected(folder: Path, more: str = "") -> tuple[LiveWorld, c.OrderIntent, c.OrderIntent]:
    """A bought position with its stop working."""
    world, order = working(folder, more=ON + more)
    filled(world, order, order.qty_nanos, 1)
    pass_time(world, 2)
    assert len(stops(world)) == 1
    return world, order, acknowledged(world)


def cancelled(world: LiveWorld, order: c.OrderIntent) -> bool:
    """Whether its cancel was sent."""
    return any(type(command) is c.CancelOrder and command.order_id == order.order_id for command in world.broker.sent)


def told(world: LiveWorld) -> list[tuple[str, str]]:
    """Severity and text of every alert that there is no stop."""
    world.runner.flush()
    commands = (decode(COMMAND, record.payload) for record in JournalReader(world.directory).records({COMMAND}))
    found = [x for x in commands if type(x) is c.RaiseAlert and x.code == "DISASTER_STOP_MISSING"]
    return [(x.severity, x.text) for x in found]


def run_on(world: LiveWorld, seconds: int) -> None:
    """Time with a quiet market."""
    for _ in range(seconds):
        world.quote(0, 20 * NANO - 5 * CENT)


def test_off_by_default(tmp_path: Path) -> None:
    """Nothing is sent and nobody is told where nobody asked for it."""
    world, order = working(tmp_path)
    filled(world, order, order.qty_nanos, 1)
    pass_time(world, 3)
    assert not stops(world)
    assert not told(world)
    assert not world.runner.engine.stops


def test_a_stop_stands_beside_a_position(tmp_path: Path) -> None:
    """Whole position, other side, a tenth below the mark on the tick; sent once, and it reserves nothing."""
    world, order, stop = protected(tmp_path)
    mark = world.runner.engine.market.mark_nanos(order.inst)
    assert (stop.order_type, stop.side, stop.qty_nanos, stop.tif) == (c.STP, -order.side, HELD, c.DAY)
    assert 0 <= mark * 9 // 10 - stop.stop_px_nanos < CENT
    pass_time(world, 15)
    assert len(stops(world)) == 1
    assert not world.runner.money.reservations.count
    world.runner.engine.assert_invariants()
    verified(world)


def test_a_short_position_and_an_order_beyond_the_day(tmp_path: Path) -> None:
    """A buy above the market, rounded away from it; GTC where the account allows it."""
    world = opened(tmp_path, more=ON + "good_till_cancelled = true\n")
    for px in (20 * NANO, 20 * NANO, 20 * NANO + 5 * CENT):
        world.quote(0, px)
    (order,) = world.broker.orders()
    world.fill(order, 20 * NANO)
    pass_time(world, 2)
    (stop,) = stops(world)
    mark = world.runner.engine.market.mark_nanos(0)
    assert (order.side, stop.side, stop.qty_nanos, stop.tif) == (-1, 1, HELD, c.GTC)
    assert 0 <= stop.stop_px_nanos - mark * 11 // 10 < CENT
    assert stop.stop_px_nanos % CENT == 0
    verified(world)


def test_a_larger_position_gets_a_larger_stop(tmp_path: Path) -> None:
    """The first is cancelled when its ten seconds are over, the next is sent when it is gone: never two at once."""
    world, order = working(tmp_path, more=ON)
    filled(world, order, 40 * NANO, 1)
    pass_time(world, 2)
    first = acknowledged(world)
    filled(world, order, 60 * NANO, 2)
    pass_time(world, 2)
    assert not cancelled(world, first)
    run_on(world, 10)
    assert cancelled(world, first)
    assert len(stops(world)) == 1
    world.tell(e.OrderCancelled(order_id=first.order_id, reason=""))
    pass_time(world, 1)
    assert [stop.qty_nanos for stop in stops(world)] == [40 * NANO, HELD]
    verified(world)


def test_a_smaller_position_takes_the_stop_off(tmp_path: Path) -> None:
    """A part of an exit leaves less than the stop would sell: it goes at once, and a smaller one comes."""
    world, order, stop = protected(tmp_path)
    filled(world, turn(world, order), 40 * NANO, 9)
    assert c.CancelOrder(order_id=stop.order_id, reason="the position is smaller") in world.broker.sent
    world.tell(e.OrderCancelled(order_id=stop.order_id, reason=""))
    run_on(world, 10)
    assert [x.qty_nanos for x in stops(world)] == [HELD, 60 * NANO]
    verified(world)


def test_flat_leaves_no_stop(tmp_path: Path) -> None:
    """The exit's own fill takes it off."""
    world, order, stop = protected(tmp_path)
    leaving = turn(world, order)
    filled(world, leaving, HELD, 7)
    assert cancelled(world, stop)
    world.tell(e.OrderCancelled(order_id=stop.order_id, reason=""))
    pass_time(world, 3)
    assert len(stops(world)) == 1
    assert not world.runner.engine.stops
    verified(world)


def turn(world: LiveWorld, order: c.OrderIntent) -> c.OrderIntent:
    """The strategy wants out: its exit."""
    world.quote(order.inst, 20 * NANO)
    world.quote(order.inst, 20 * NANO)
    leaving = world.broker.orders()[-1]
    assert (leaving.order_type, leaving.side, leaving.qty_nanos) == (c.LMT, -order.side, HELD)
    assert world.runner.money.orders[leaving.order_id].reduce_only
    return leaving


def test_its_execution_halts_the_symbol(tmp_path: Path) -> None:
    """Latched for people, told once, the symbol's other orders go; the rest of it fills, and nothing is sent again."""
    world, order, stop = protected(tmp_path)
    leaving = turn(world, order)
    filled(world, stop, 60 * NANO, 5)
    filled(world, stop, 40 * NANO, 6)
    symbol = world.runner.engine.symbols[order.inst]
    held = [latch for latch in world.runner.money.latches.held() if latch.code == "DISASTER_STOP"]
    assert [(latch.scope, latch.state) for latch in held] == [(symbol, HALTED)]
    assert alerts(world).count("DISASTER_STOP") == 1
    assert cancelled(world, leaving)
    assert not cancelled(world, stop)
    pass_time(world, 15)
    assert len(stops(world)) == 1
    assert world.runner.money.ledger.holdings == [0, 0]
    verified(world)


def test_its_execution_is_told_in_a_symbol_that_was_halted(tmp_path: Path) -> None:
    """A stop keeps standing under a halt; what it does then is as critical."""
    world, _, stop = protected(tmp_path)
    world.tell(e.OperatorHalted(level=SYMBOL, scope="AAA", reason="look", operator="ann"))
    pass_time(world, 12)
    assert not cancelled(world, stop)
    filled(world, stop, HELD, 5)
    assert alerts(world).count("DISASTER_STOP") == 1


def test_exits_leave_beside_the_stop_under_reducing(tmp_path: Path) -> None:
    """REDUCING takes no stop off and keeps no exit back; a position without a stop gets one even now."""
    world, order = working(tmp_path, more=ON)
    filled(world, order, order.qty_nanos, 1)
    world.tell(e.TriggerFired(name="TEST", level=ACCOUNT, scope="", state=REDUCING, reason="test"))
    pass_time(world, 2)
    stop = acknowledged(world)
    leaving = turn(world, order)
    money = world.runner.money
    assert money.orders[leaving.order_id].live
    assert money.orders[stop.order_id].state is State.WORKING
    verified(world)


@pytest.mark.parametrize(("level", "scope"), [(ACCOUNT, ""), (SYMBOL, "AAA"), (STRATEGY, "reversion")])
def test_a_kill_takes_it_off_and_says_that_nothing_stands(tmp_path: Path, level: int, scope: str) -> None:
    """Not verified while the broker shows it; none is sent under the kill, and one is after the resume."""
    world, _, stop = protected(tmp_path)
    world.tell(killed(level, scope))
    assert world.broker.kinds()[-2] == ("CancelAllOrders" if level <= ACCOUNT else "CancelOrder")
    pass_time(world, 1)
    world.sync(sync_id=2, cash=CASH, facts=[position(2), listed(2, stop)])
    assert [kill.verified_ns > 0 for kill in world.runner.money.kills] == [False]
    world.tell(e.OrderCancelled(order_id=stop.order_id, reason=""))
    pass_time(world, 1)
    world.sync(sync_id=3, cash=CASH, facts=[position(3)])
    assert [kill.verified_ns > 0 for kill in world.runner.money.kills] == [True]
    run_on(world, 12)
    assert len(stops(world)) == 1
    assert told(world) == [("warning", "AAA: halted: none is placed before it is resumed")]
    world.tell(e.OperatorResumed(level=level, scope=scope, reason="over", operator="ann"))
    assert world.runner.engine.reply[0], world.runner.engine.reply
    run_on(world, 2)
    assert len(stops(world)) == 2
    verified(world)


def listed(sync_id: int, stop: c.OrderIntent) -> e.OpenOrderReported:
    """What a synchronisation shows of a stop that works."""
    return e.OpenOrderReported(
        sync_id=sync_id, order_id=stop.order_id, order_ref="q-du1-1-zz", perm_id=stop.order_id, inst=stop.inst,
        side=stop.side, qty_nanos=stop.qty_nanos, filled_nanos=0, status=e.PRE_SUBMITTED, client_id=11,
        stop_px_nanos=stop.stop_px_nanos,
    )  # fmt: skip


def position(sync_id: int) -> e.PositionReported:
    """What a synchronisation shows of the account."""
    return e.PositionReported(sync_id=sync_id, inst=0, qty_nanos=HELD, average_cost_nanos=20 * NANO)


def test_a_flatten_is_not_held_up(tmp_path: Path) -> None:
    """The stop is cancelled first, then the position is closed, and no stop comes back."""
    world, _, stop = protected(tmp_path)
    world.tell(flattened())
    assert cancelled(world, stop)
    world.tell(e.OrderCancelled(order_id=stop.order_id, reason=""))
    pass_time(world, 1)
    closing = world.broker.orders()[-1]
    assert (closing.purpose, closing.qty_nanos, closing.side) == (c.INTENT_FLATTEN, HELD, -1)
    world.fill(closing, 20 * NANO)
    pass_time(world, 12)
    assert world.broker.orders()[-1] is closing
    assert world.runner.money.ledger.holdings == [0, 0]
    verified(world)


def test_a_broker_that_keeps_none_is_asked_five_times(tmp_path: Path) -> None:
    """At ten, twenty, forty, ... seconds, then not before another day; people are told when it is given up."""
    world, order = working(tmp_path, more=ON)
    filled(world, order, order.qty_nanos, 1)
    sent_ns: list[int] = []
    for _ in range(400):
        run_on(world, 1)
        if len(stops(world)) > len(sent_ns):
            sent_ns.append(world.clock.ts_ns)
            world.tell(e.OrderRejected(order_id=stops(world)[-1].order_id, code=201, text="no stops today"))
    gaps = [(after - before) // SECOND for before, after in pairwise(sent_ns)]
    assert gaps == [20, 40, 80, 160]
    assert told(world) == [("critical", "AAA: the broker did not keep 5 in a row: none is sent before the day rolls")]
    assert alerts(world).count("ORDER_REJECTED") == 5
    world.tell(e.DayRolled(date=world.runner.money.trading_date + 1))
    run_on(world, 400)
    assert len(stops(world)) >= 6
    verified(world)


def back(world: LiveWorld, *facts: Any, after_ns: int = 10 * SECOND) -> LiveWorld:
    """A crash, and the next run up to its first synchronisation."""
    world.close()
    now_ns = world.clock.ts_ns + after_ns
    after = LiveWorld(world.config, world.tables, recovered=world.recover(), ts_ns=now_ns)
    after.begin(ended="crash", epoch=2)
    after.ready(order_id_next=1, sync_id=2, cash=CASH, facts=[position(2), *facts])
    return after


def test_a_restart_finds_its_stop(tmp_path: Path) -> None:
    """What the broker still shows is not sent again, answered before the crash or not; it still halts on a fill."""
    world, order = working(tmp_path, more=ON)
    filled(world, order, order.qty_nanos, 1)
    pass_time(world, 2)
    (stop,) = stops(world)
    after = back(world, listed(2, stop))
    assert after.runner.money.orders[stop.order_id].state is State.WORKING
    resumed(after, "UNKNOWN")
    run_on(after, 20)
    assert not after.broker.orders()
    assert not told(after)
    filled(after, stop, HELD, 4)
    assert alerts(after).count("DISASTER_STOP") == 1
    verified(after)


def resumed(world: LiveWorld, code: str) -> None:
    """An operator lifts what holds the account."""
    assert [latch.code for latch in world.runner.money.latches.held()] == [code]
    world.tell(e.OperatorResumed(level=ACCOUNT, scope="", reason="seen", operator="ann"))
    assert world.runner.engine.reply[0], world.runner.engine.reply


def test_a_stop_the_broker_lost_is_replaced(tmp_path: Path) -> None:
    """In doubt it is told and not doubled; two synchronisations without it settle it, and another one is sent."""
    world, _, stop = protected(tmp_path)
    for sync_id in (2, 3):
        run_on(world, 31)
        assert len(stops(world)) == 1
        world.sync(sync_id=sync_id, cash=CASH, facts=[position(sync_id)])
    assert world.runner.money.orders[stop.order_id].state is State.LOST
    assert told(world) == [("warning", f"AAA: #{stop.order_id} is UNKNOWN at the broker")]
    run_on(world, 2)
    assert len(stops(world)) == 2
    verified(world)


def test_a_stop_that_the_journal_lacks_is_not_doubled(tmp_path: Path) -> None:
    """Taken over with the journal's tail lost: it keeps no exit back, goes as nobody's, and ours takes its place."""
    before, order = working(tmp_path, more=ON)
    filled(before, order, order.qty_nanos, 1)
    stop = msgspec.structs.replace(order, order_id=940, side=-1, stop_px_nanos=18 * NANO)
    world = back(before, listed(2, stop))
    adopted = world.runner.money.orders[940]
    assert (adopted.order_type, adopted.purpose, adopted.reduce_only) == (c.STP, c.INTENT_DISASTER, True)
    assert not world.runner.money.reservations.count
    run_on(world, 12)
    assert cancelled(world, stop)
    assert not stops(world)
    world.tell(e.OrderCancelled(order_id=940, reason=""))
    run_on(world, 1)
    assert [x.order_id for x in stops(world)] == [941]
    verified(world)
