"""The disaster stop inside a trader on a live broker."""

from pathlib import Path

from core import commands as c
from core import events as e
from core.latches import HALTED
from core.units import NANO
from tests.fakes.live import LiveWorld
from tests.unit.test_kill import alerts, pass_time, working


def filled(world: LiveWorld, order: c.OrderIntent, qty_nanos: int, number: int) -> None:
    """An execution of an order, at 100."""
    world.tell(
        e.OrderFilled(
            exec_id=f"0001.{number:02}.01.01", order_id=order.order_id, inst=order.inst, side=order.side,
            qty_nanos=qty_nanos, px_nanos=100 * NANO,
        )
    )  # fmt: skip


def stops(world: LiveWorld) -> list[c.OrderIntent]:
    """All that were sent."""
    return [order for order in world.broker.orders() if order.purpose == c.INTENT_DISASTER]


def test_off_by_default(tmp_path: Path) -> None:
    """Nothing is sent where nobody asked for it."""
    world, order = working(tmp_path)
    filled(world, order, order.qty_nanos, 1)
    pass_time(world, 3)
    assert not stops(world)


def protected(folder: Path) -> tuple[LiveWorld, c.OrderIntent, c.OrderIntent]:
    """A bought position with its stop working."""
    world, order = working(folder, more="disaster_stop_bp = 1000")
    filled(world, order, order.qty_nanos, 1)
    pass_time(world, 2)
    (stop,) = stops(world)
    world.tell(e.OrderAcknowledged(order_id=stop.order_id, perm_id=78))
    return world, order, stop


def test_a_stop_stands_beside_a_position(tmp_path: Path) -> None:
    """Whole position, other side, a tenth below the mark on the tick; sent once, and it reserves nothing."""
    world, order, stop = protected(tmp_path)
    mark = world.runner.engine.market.mark_nanos(order.inst)
    assert (stop.order_type, stop.side, stop.qty_nanos, stop.tif) == (c.STP, -order.side, order.qty_nanos, c.DAY)
    assert 0 <= mark * 9 // 10 - stop.stop_px_nanos < NANO // 100
    pass_time(world, 15)
    assert len(stops(world)) == 1
    assert not world.runner.money.reservations.any_live(order.inst)
    world.runner.engine.assert_invariants()


def test_a_smaller_position_takes_the_stop_off(tmp_path: Path) -> None:
    """A fill of somebody's exit leaves less than the stop would sell: it is cancelled at once."""
    world, order, stop = protected(tmp_path)
    world.tell(
        e.OrderFilled(
            exec_id="0009.01.01.01", order_id=order.order_id, inst=order.inst, side=-1, qty_nanos=NANO,
            px_nanos=100 * NANO,
        )
    )  # fmt: skip
    assert c.CancelOrder(order_id=stop.order_id, reason="the position is smaller") in world.broker.sent


def test_its_execution_halts_the_symbol(tmp_path: Path) -> None:
    """Latched for people, told once; nothing is sent again when flat."""
    world, order, stop = protected(tmp_path)
    filled(world, stop, stop.qty_nanos, 5)
    symbol = world.runner.engine.symbols[order.inst]
    held = [latch for latch in world.runner.money.latches.held() if latch.code == "DISASTER_STOP"]
    assert [(latch.scope, latch.state) for latch in held] == [(symbol, HALTED)]
    assert alerts(world).count("DISASTER_STOP") == 1
    pass_time(world, 15)
    assert len(stops(world)) == 1


def test_an_exit_leaves_beside_the_stop(tmp_path: Path) -> None:
    """The strategy turns: its exit of the whole position is sent, as one that only reduces, while the stop stands."""
    world, order, stop = protected(tmp_path)
    world.quote(order.inst, 20 * NANO)
    world.quote(order.inst, 20 * NANO)
    leaving = world.broker.orders()[-1]
    assert (leaving.order_type, leaving.side, leaving.qty_nanos) == (c.LMT, -order.side, order.qty_nanos)
    money = world.runner.money
    assert money.orders[leaving.order_id].reduce_only
    assert money.orders[stop.order_id].live
