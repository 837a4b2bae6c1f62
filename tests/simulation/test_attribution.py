"""Control 28: every order that leaves carries its algo, strategy and, where a person asked for it, the person."""

from typing import Any

import msgspec
import pytest

from core import commands as c
from core import events as e
from core.latches import ACCOUNT
from core.money.snapshot import dump, load
from core.units import NANO
from execution.executor import ChaseExecutor
from execution.settings import DEFAULT_SETTINGS
from tests.simulation.knight import OPEN, STRATEGY, Accident


class Sound(Accident):
    """The same small world with its way back intact, traded by the shipped executor."""

    def hears(self, event: Any) -> Any:
        """Everything."""
        return event


@pytest.mark.slow
def test_every_order_says_whose_it_is() -> None:
    """A schedule's orders name strategy and algo and no person; a flatten's name the person who asked for it."""
    world = Sound(OPEN)
    settings = msgspec.structs.replace(DEFAULT_SETTINGS, patience_nanos=0)
    world.engine.executor = ChaseExecutor(world.engine.context, settings={}, default=settings)
    world.run(450)
    held = world.engine.money.ledger.held_nanos(STRATEGY, 0)
    assert held > 0
    before = len(world.records)
    flatten = e.OperatorFlattened(level=ACCOUNT, scope="", reason="drill", operator="ann")
    world.step(flatten, world.engine.ts_ns + NANO // 10)
    world.run(60)
    money = world.engine.money
    orders = [x.order.intent for _, _, x in world.records if isinstance(x, c.PlaceOrder)]
    asked = [x.order.intent for _, _, x in world.records[before:] if isinstance(x, c.PlaceOrder)]
    assert money.ledger.held_nanos(STRATEGY, 0) < held
    assert asked
    assert all(intent.strategy == STRATEGY and intent.algo for intent in orders)
    assert {intent.operator for intent in asked} == {"ann"}
    assert {intent.operator for intent in orders[: -len(asked)]} == {""}
    assert {intent.purpose for intent in asked} == {c.INTENT_FLATTEN}
    again = load(money.settings, dump(money))
    for intent in orders:
        kept = again.orders[intent.order_id]
        assert (kept.strategy, kept.algo, kept.operator) == (intent.strategy, intent.algo, intent.operator)
