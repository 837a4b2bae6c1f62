"""An operator's word on one schedule, inside a trader on a live broker: what is refused and why, and what a pause by
number outlives.
"""

from pathlib import Path

from core import commands as c
from core import events as e
from core.latches import ACCOUNT, STRATEGY
from core.money.state import READY
from core.parents import ParentState
from core.units import NANO
from tests.fakes.live import CENT, SECOND, LiveWorld, opened


def steered(action: str, parent_id: int = 1, by: str = "ann") -> e.ScheduleSteered:
    """One command."""
    return e.ScheduleSteered(parent_id=parent_id, action=action, reason="news", operator=by, authority="signed:k1")


def said(world: LiveWorld, event: e.ScheduleSteered) -> tuple[bool, str]:
    """Its answer."""
    world.runner.step(event, world.clock.ts_ns)
    return world.runner.engine.reply


def working(folder: Path) -> tuple[LiveWorld, c.OrderIntent]:
    """A world with one schedule whose order works."""
    world = opened(folder)
    world.make_it_buy()
    (order,) = world.broker.orders()
    world.tell(e.OrderAcknowledged(order_id=order.order_id, perm_id=77))
    return world, order


def resumed(level: int = ACCOUNT, scope: str = "") -> e.OperatorResumed:
    """Of a scope."""
    return e.OperatorResumed(level=level, scope=scope, reason="fine", operator="ann")


def test_a_pause_outlives_the_halt_of_its_scope(tmp_path: Path) -> None:
    """Its order is cancelled; halted and resumed around it, it still waits; under a halt it is not let go."""
    world, order = working(tmp_path)
    ok, text = said(world, steered("pause"))
    assert (ok, text) == (True, "parent 1 paused; its order is being cancelled; its end stands")
    assert world.broker.kinds()[-1] == "CancelOrder"
    world.tell(e.OrderCancelled(order_id=order.order_id, reason="asked"))
    assert said(world, steered("pause")) == (False, "parent 1 is paused by an operator already")
    world.tell(e.OperatorHalted(level=STRATEGY, scope="reversion", reason="x", operator="ann"))
    assert said(world, steered("resume")) == (
        False, "parent 1 waits for its scope, which is HALTED: `quantd resume` first (reversion, AAA)",
    )  # fmt: skip
    world.tell(resumed(STRATEGY, "reversion"))
    parent = world.runner.money.parents[1]
    assert (parent.paused, parent.paused_reason, world.runner.money.link) == (True, "operator", READY)
    sent = len(world.broker.orders())
    world.clock.ts_ns += 10 * SECOND
    world.sink.advance()
    world.quote(0, 20 * NANO - 5 * CENT)
    assert len(world.broker.orders()) == sent
    assert said(world, steered("resume")) == (True, "parent 1 goes on where it stood; what it missed is due now")
    assert len(world.broker.orders()) == sent + 1
    assert said(world, steered("resume")) == (False, "parent 1 is not paused")
    world.close()


def test_a_halt_before_the_pause_is_lifted_without_it(tmp_path: Path) -> None:
    """Paused by its scope's halt first and by number then: the resume of the scope leaves it paused."""
    world, order = working(tmp_path)
    world.tell(e.OperatorHalted(level=ACCOUNT, scope="", reason="x", operator="ann"))
    world.tell(e.OrderCancelled(order_id=order.order_id, reason="asked"))
    assert said(world, steered("pause"))[0]
    world.tell(resumed())
    assert world.runner.money.parents[1].paused_reason == "operator"
    world.close()


def test_a_cancel_ends_it_for_good(tmp_path: Path) -> None:
    """Its order goes, the same target opens no other, and what has ended is not steered."""
    world, order = working(tmp_path)
    ok, text = said(world, steered("cancel"))
    assert (ok, text) == (
        True, "parent 1 cancelled, its rest is given up until the next target; its order is being cancelled",
    )  # fmt: skip
    world.tell(e.OrderCancelled(order_id=order.order_id, reason="asked"))
    money = world.runner.money
    assert (money.parents[1].state, money.parents[1].reason) == (ParentState.CANCELLED, "ann: news")
    assert (list(money.parents), money.ledger.book_of("reversion").given_up) == ([1], {0: 1})
    for action in ("pause", "resume", "cancel"):
        assert said(world, steered(action)) == (False, "parent 1 is CANCELLED already")
        assert said(world, steered(action, 9)) == (False, "parent 9 is not known")
    world.close()


def test_what_closes_a_position_is_not_steered(tmp_path: Path) -> None:
    """A flatten is somebody's word already: its scope is halted, killed or resumed."""
    world, order = working(tmp_path)
    world.fill(order, order.limit_px_nanos)
    world.tell(e.OperatorFlattened(level=ACCOUNT, scope="", reason="x", operator="ann"))
    closing = next(x for x in world.runner.money.live_parents.values() if x.purpose == c.INTENT_FLATTEN)
    for action in ("pause", "cancel"):
        ok, text = said(world, steered(action, closing.parent_id))
        assert (ok, "halt, kill or resume its scope" in text) == (False, True)
    world.close()


def test_a_disabled_strategys_schedule_waits_for_it(tmp_path: Path) -> None:
    """`parent resume` does not let a strategy trade that raised."""
    world, order = working(tmp_path)
    assert said(world, steered("pause"))[0]
    world.tell(e.OrderCancelled(order_id=order.order_id, reason="asked"))
    world.runner.engine.emit(c.SetStrategy(strategy="reversion", enabled=False, reason="raised"))
    ok, text = said(world, steered("resume"))
    assert (ok, "quantd resume --strategy reversion" in text) == (False, True)
    world.close()
