"""The disaster stop inside a trader on a live broker."""

from pathlib import Path

from core import commands as c
from core import events as e
from core.latches import HALTED
from core.units import NANO
from tests.fakes.live import SECOND, LiveWorld
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
