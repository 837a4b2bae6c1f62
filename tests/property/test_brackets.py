"""Profit and stop of a manual order against a broker whose answers are late: whatever fills, cancels and crashes come
in whatever order, what works at the broker never closes more than the entry has filled and nothing has closed.
"""

import itertools
import random
import tempfile
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import commands as c
from core import events as e
from core.latches import ACCOUNT
from core.units import NANO
from tests.fakes.live import LiveWorld
from tests.unit.test_brackets import PROTECTED
from tests.unit.test_manual import BOOK, PX, quiet
from tests.unit.test_manual import given as ordered

START: Final = 1_000_000
STEPS: Final = 120
ACTIONS: Final = {
    "deliver": 4, "tell": 4, "enter": 2, "close": 2, "drop": 1, "wait": 3, "crash": 0.3, "withdraw": 0.1,
}  # fmt: skip


class Late:
    """A broker that takes commands and tells facts in order, each when the test says so. Groups are IBKR's type 2."""

    def __init__(self, world: LiveWorld) -> None:
        self.world = world
        self.taken = 0  # commands of the present connection
        self.out: list[Any] = []
        self.orders: dict[int, c.OrderIntent] = {}
        self.left: dict[int, int] = {}  # live orders: what may still execute
        self.size: dict[int, int] = {}  # as the broker lists it
        self.filled: dict[int, int] = {}
        self.executions: list[e.OrderFilled] = []
        self.groups: dict[str, int] = {}  # what is left of those that traded

    def take(self) -> None:
        """The next command reaches it."""
        if self.taken >= len(self.world.broker.sent):
            return
        command = self.world.broker.sent[self.taken]
        self.taken += 1
        if type(command) is c.CancelOrder and command.order_id in self.left:
            self.end(command.order_id)
        elif type(command) is c.PlaceOrder:
            intent = command.order.intent
            room = min(intent.qty_nanos, self.groups.get(intent.oca_group, intent.qty_nanos))
            self.orders[intent.order_id], self.filled[intent.order_id] = intent, 0
            self.left[intent.order_id], self.size[intent.order_id] = room, intent.qty_nanos
            self.out.append(e.OrderAcknowledged(order_id=intent.order_id, perm_id=intent.order_id))
            self.shrink(intent.order_id, room)

    def end(self, order_id: int) -> None:
        """No longer at the venue, unfilled."""
        del self.left[order_id]
        self.out.append(e.OrderCancelled(order_id=order_id, reason=""))

    def shrink(self, order_id: int, room: int) -> None:
        """So much may still execute."""
        if room <= 0:
            self.end(order_id)
        elif self.filled[order_id] + room != self.size[order_id]:
            self.left[order_id], self.size[order_id] = room, self.filled[order_id] + room
            self.out.append(self.listed_size(order_id))

    def listed_size(self, order_id: int) -> e.OrderReplaced:
        """As the adapter tells of a smaller one."""
        limit = self.orders[order_id].limit_px_nanos
        return e.OrderReplaced(order_id=order_id, version=0, qty_nanos=self.size[order_id], limit_px_nanos=limit)

    def fill(self, order_id: int, shares: int) -> None:
        """It trades; in the same moment the others of its group have less."""
        intent, before = self.orders[order_id], self.left[order_id]
        qty = min(shares * NANO, before)
        self.filled[order_id] += qty
        self.left[order_id] -= qty
        fill = e.OrderFilled(
            exec_id=f"0003.{len(self.executions):03}.01.01", order_id=order_id, inst=0, side=intent.side,
            qty_nanos=qty, px_nanos=PX,
        )  # fmt: skip
        self.executions.append(fill)
        self.out.append(fill)
        after = self.left[order_id]
        if not after:
            del self.left[order_id]
        if intent.oca_group:
            self.groups[intent.oca_group] = after
            for other in [x for x in self.left if x != order_id and self.orders[x].oca_group == intent.oca_group]:
                self.shrink(other, self.left[other] * after // before // NANO * NANO)

    def tell(self) -> None:
        """The next fact reaches the trader."""
        if self.out:
            self.world.tell(self.out.pop(0))

    @property
    def entry(self) -> int:
        """The order that opens; 0 = it has not come."""
        return next((number for number, intent in self.orders.items() if not intent.bracket), 0)

    @property
    def legs(self) -> list[int]:
        """What closes, at the venue."""
        return [number for number in self.left if self.orders[number].bracket]

    def held(self) -> int:
        """The account's shares."""
        return sum(fill.side * fill.qty_nanos for fill in self.executions)

    def could_close(self) -> int:
        """The most that what works could still close."""
        groups = itertools.groupby(sorted(self.legs), key=lambda number: self.orders[number].oca_group)
        return sum(max(self.left[number] for number in numbers) for _, numbers in groups)

    # ---- a crash -----------------------------------------------------------------------------------------------
    def crash(self, epoch: int) -> None:
        """What was told and not heard is lost; the next run asks for all of it."""
        while self.taken < len(self.world.broker.sent):
            self.take()
        self.out.clear()
        old = self.world
        old.close()
        self.world = LiveWorld(old.config, old.tables, recovered=old.recover(), ts_ns=old.clock.ts_ns + 10 * NANO)
        self.taken = 0
        self.world.begin(ended="crash", epoch=epoch)
        self.world.ready(
            order_id_next=1, sync_id=epoch, cash=START - self.held() // NANO * 20, facts=list(self.truth(epoch))
        )
        resumed = e.OperatorResumed(level=ACCOUNT, scope="", reason="seen", operator="ann")
        self.world.tell(resumed)

    def truth(self, sync_id: int) -> Any:
        """A synchronisation, in the order of the broker's answers."""
        books = self.world.runner.money.orders
        for number, intent in self.orders.items():
            ref, filled = books[number].order_ref, self.filled[number]
            common: dict[str, Any] = {
                "sync_id": sync_id, "order_id": number, "order_ref": ref, "perm_id": number, "inst": 0,
                "side": intent.side, "qty_nanos": self.size[number], "filled_nanos": filled,
            }  # fmt: skip
            if number in self.left:
                yield self.listed_size(number)
                limit, stop = intent.limit_px_nanos, intent.stop_px_nanos
                yield e.OpenOrderReported(
                    **common, status=e.SUBMITTED, limit_px_nanos=limit, client_id=11, stop_px_nanos=stop
                )
            else:
                done = e.STATUS_FILLED if filled >= self.size[number] else e.STATUS_CANCELLED
                yield e.CompletedOrderReported(**common, status=done)
        for fill in self.executions:
            yield e.ExecutionReported(
                sync_id=sync_id, order_id=fill.order_id, exec_id=fill.exec_id, side=fill.side,
                qty_nanos=fill.qty_nanos, px_nanos=PX, inst=0, order_ref=books[fill.order_id].order_ref,
            )  # fmt: skip
        if self.held():
            yield e.PositionReported(sync_id=sync_id, inst=0, qty_nanos=self.held(), average_cost_nanos=PX)


def act(broker: Late, action: str, number: int, epoch: int) -> None:
    """One thing happens."""
    world, legs = broker.world, broker.legs
    if action == "deliver":
        broker.take()
    elif action == "tell":
        broker.tell()
    elif action == "enter" and broker.entry in broker.left:
        broker.fill(broker.entry, number % 40 + 1)
    elif action == "close" and legs:
        broker.fill(legs[number % len(legs)], number % 70 + 1)
    elif action == "drop" and legs:
        broker.end(legs[number % len(legs)])
    elif action == "wait":
        world.quote(0, PX, after_ns=(number % 3 + 1) * NANO)
    elif action == "crash":
        broker.crash(epoch)
    elif action == "withdraw" and number % 4 == 0:
        world.tell(e.OrderWithdrawn(parent_id=1, reason="r", operator="ann"))


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_what_works_never_closes_more_than_is_open(seed: int) -> None:
    """After every step; and once the broker is quiet what is open is covered, or a person is told; the books agree."""
    chance = random.Random(seed)
    names = chance.choices(list(ACTIONS), list(ACTIONS.values()), k=chance.randrange(STEPS))
    steps = [(name, chance.randrange(1000)) for name in names]
    with tempfile.TemporaryDirectory() as folder:
        broker = Late(quiet(Path(folder)))
        assert ordered(broker.world, **PROTECTED)[0]
        broker.take()
        broker.tell()
        for epoch, (action, number) in enumerate(steps, start=2):
            act(broker, action, number, epoch)
            assert broker.could_close() <= broker.held(), f"{action} {number}"
            broker.world.runner.engine.assert_invariants()
        for _ in range(70):
            while broker.taken < len(broker.world.broker.sent) or broker.out:
                broker.take()
                broker.tell()
            broker.world.quote(0, PX)
            assert broker.could_close() <= broker.held()
        engine = broker.world.runner.engine
        assert engine.money.ledger.held_nanos(*BOOK) == broker.held()
        watch = engine.brackets.get(1)
        if watch is None or not watch.told:  # else a person was: halted, or not kept by the broker
            assert broker.could_close() == broker.held()
        broker.world.close()
