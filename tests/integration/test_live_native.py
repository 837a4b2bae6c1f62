"""A trader whose schedules the broker works, on the paper gateway over a real socket: halts, kills, resets and restarts
in mid-schedule.
"""

from pathlib import Path
from typing import Any

import pytest

from core import events as e
from core.commands import DAY
from core.ids import BUY
from core.latches import ACCOUNT, REDUCING, STRATEGY
from core.manual import MANUAL
from core.orders import Order
from core.parents import Parent, ParentState
from core.units import NANO
from daemon.recovery import verify_replay
from execution.algos import find_algo, read_params, written
from tests.fakes.pair import Pair, install, run

pytestmark = pytest.mark.slow
GLOBAL_CANCEL = 58
SCOPE = (STRATEGY, MANUAL)
TWAP = find_algo("ib_twap")
# Nobody trades but by hand: a schedule begins when the test wants it, and nothing supersedes it.
MARKET: dict[str, Any] = {"speed": 20, "enter_z": 90, "more": """
[limits.symbol.AAA]
participation_bp_max = 1_000_000
"""}  # fmt: skip


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feed and tables without processes of their own."""
    install(monkeypatch)


async def under_way(pair: Pair) -> tuple[Parent, Order]:
    """A schedule of a quarter of an hour that the broker has filled in part, and its one order."""
    order = e.OrderGiven(
        strategy=MANUAL, inst=0, side=BUY, qty_nanos=900 * NANO, algo=TWAP.name, tif=DAY, reason="test",
        params=written(read_params(TWAP, {"limit_bp": 40, "duration_s": 900}, field="params")), operator="ann",
        authority="code:1",
    )  # fmt: skip
    await pair.until(lambda: pair.operations.operate(order).ok)
    (parent,) = pair.money.live_parents.values()
    await pair.until(lambda: parent.filled_nanos > 0)
    return parent, pair.money.live_orders[parent.child]


def record_of(pair: Pair, order: Order) -> Any:
    """The order as the gateway has it."""
    (record,) = [record for record in pair.records() if record.perm_id == order.perm_id]
    return record


async def given_again(pair: Pair, parent: Parent, before: Order) -> Order:
    """The schedule's next order, once the broker works it."""

    def works() -> bool:
        order = pair.money.live_orders.get(parent.child)
        return order is not None and order is not before and order.perm_id > 0 and record_of(pair, order).open

    await pair.until(works)
    order: Order = pair.money.live_orders[parent.child]
    return order


def requests_of(pair: Pair) -> list[int]:
    """Message ids as the gateway takes them from now on."""
    taken: list[int] = []
    handle = pair.gateway.built.machine.handle

    def noting(client: Any, msg_id: int, fields: Any) -> bool:
        taken.append(msg_id)
        return handle(client, msg_id, fields)

    pair.gateway.built.machine.handle = noting  # type: ignore[method-assign]
    return taken


def working(pair: Pair) -> list[Any]:
    """What is open at the gateway."""
    return [record for record in pair.records() if record.open]


def say(pair: Pair, kind: Any, level: int = ACCOUNT, scope: str = "", **more: Any) -> None:
    """An operator's command, taken."""
    reply = pair.operations.operate(kind(level=level, scope=scope, reason="test", operator="test", **more))
    assert reply.ok, reply.text


async def closed(pair: Pair) -> None:
    """Books are the same to the last cent; both end."""
    await pair.settle()
    assert not pair.money.differences
    pair.money.ledger.assert_identity()
    await pair.stop_trader()
    await pair.stop_gateway()
    report = verify_replay(pair.folder / "journal")
    assert report.ok, report.difference


def test_halts_take_it_off_and_a_kill_proves_that_nothing_is_left(tmp_path: Path) -> None:
    """HALTED and REDUCING cancel it at the broker, and a resume gives the rest to the broker again, until the same end;
    a kill leaves as one message, and no fill comes after its proof.
    """

    async def story(pair: Pair) -> None:
        await pair.start_gateway()
        await pair.start_trader()
        parent, first = await under_way(pair)
        say(pair, e.OperatorHalted, *SCOPE)
        await pair.until(lambda: not working(pair) and not pair.money.live_orders)
        assert (parent.active, parent.paused) == (True, True)
        assert record_of(pair, first).status == "Cancelled"
        say(pair, e.OperatorResumed, *SCOPE)
        second = await given_again(pair, parent, first)
        assert second.qty_nanos == parent.qty_nanos - first.filled_nanos
        assert second.broker_params == first.broker_params
        tripped = e.TriggerFired(level=STRATEGY, scope=MANUAL, name="TEST", state=REDUCING, operator="test")
        assert pair.operations.operate(tripped).ok
        await pair.until(lambda: not working(pair))
        assert not parent.paused, "it waits at the gate"
        say(pair, e.OperatorResumed, *SCOPE)
        third, taken = await given_again(pair, parent, second), requests_of(pair)
        say(pair, e.OperatorKilled)
        await pair.until(lambda: GLOBAL_CANCEL in taken and all(kill.verified_ns for kill in pair.money.kills))
        assert not working(pair)
        done = record_of(pair, third)
        assert (parent.state, done.status) == (ParentState.CANCELLED, "Cancelled")
        filled = done.filled_nanos
        await pair.settle()
        assert done.filled_nanos == filled
        assert {record.request.text("algoStrategy") for record in pair.records()} == {"Twap"}
        await closed(pair)

    run(tmp_path, story, **MARKET)


def test_it_survives_a_reset_and_a_restart_without_a_second_order_beside_it(tmp_path: Path) -> None:
    """The broker works on while we are cut off, and its fills are booked on return. A stop takes it off, the next run
    gives the rest to the broker; a kill of the strategy then takes that order off, by its number.
    """

    async def story(pair: Pair) -> None:
        await pair.start_gateway()
        await pair.start_trader()
        parent, first = await under_way(pair)
        pair.fault("nightly_reset", seconds=30.0, warning_s="2", roll_back="3")
        await pair.until(lambda: pair.operations.status().link == "DOWN")
        there = record_of(pair, first).filled_nanos
        await pair.until(lambda: pair.operations.status().link == "READY" and pair.money.synced)
        assert record_of(pair, first).filled_nanos > there
        assert (parent.child, len(pair.records())) == (first.order_id, 1)
        await pair.stop_trader()
        assert not working(pair)
        await pair.start_trader()
        await pair.until(lambda: pair.operations.status().link == "READY" and pair.money.synced)
        parent = pair.money.parents[parent.parent_id]
        second = await given_again(pair, parent, first)
        assert second.qty_nanos == parent.qty_nanos - record_of(pair, first).filled_nanos
        assert second.broker_params == first.broker_params
        say(pair, e.OperatorKilled, *SCOPE)
        await pair.until(lambda: all(kill.verified_ns for kill in pair.money.kills))
        assert record_of(pair, second).status == "Cancelled"
        assert not working(pair)
        done = record_of(pair, first).filled_nanos + record_of(pair, second).filled_nanos
        assert parent.filled_nanos == done > there
        await closed(pair)

    run(tmp_path, story, **MARKET)
