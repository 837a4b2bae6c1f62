"""A trader whose schedules the broker works, on the paper gateway over a real socket: halts, kills, resets and restarts
in mid-schedule.
"""

from pathlib import Path
from typing import Any

import pytest

from core import events as e
from core.latches import ACCOUNT, REDUCING, STRATEGY
from core.orders import Order
from core.parents import Parent, ParentState
from daemon.recovery import verify_replay
from tests.fakes.pair import Pair, install, run

pytestmark = pytest.mark.slow
GLOBAL_CANCEL = 58
TWAP = """\
algo = "ib_twap"
params = {{ duration_s = {seconds}, limit_bp = 40, {more}tags = {{ {tags} }} }}
grace_s = 2
"""
MARKET: dict[str, Any] = {"speed": 20, "cadence_s": 3600, "enter_z": 0.3, "more": """
[limits.symbol.AAA]
participation_bp_max = 1_000_000
[limits.symbol.CCC]
participation_bp_max = 1_000_000
"""}  # fmt: skip


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feed and tables without processes of their own."""
    install(monkeypatch)


def by_broker(seconds: int = 900, *, tags: str = "", more: str = "") -> dict[str, Any]:
    """Settings of a pair whose strategy gives its schedules to the broker."""
    return MARKET | {"execution": TWAP.format(seconds=seconds, tags=tags, more=more)}


async def under_way(pair: Pair) -> tuple[Parent, Order]:
    """A schedule that the broker has filled in part, and its one order."""

    def found() -> list[tuple[Parent, Order]]:
        live = [(p, pair.money.live_orders.get(p.child)) for p in pair.money.live_parents.values()]
        return [(p, o) for p, o in live if o is not None and o.broker_algo and 0 < p.filled_nanos < p.qty_nanos // 2]

    await pair.until(lambda: bool(found()))
    return found()[0]


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
        say(pair, e.OperatorHalted)
        await pair.until(lambda: not working(pair) and not pair.money.live_orders)
        assert (parent.active, parent.paused) == (True, True)
        assert record_of(pair, first).status == "Cancelled"
        say(pair, e.OperatorResumed)
        second = await given_again(pair, parent, first)
        assert second.qty_nanos == parent.qty_nanos - first.filled_nanos
        assert second.broker_params == first.broker_params
        tripped = e.TriggerFired(level=ACCOUNT, scope="", name="TEST", state=REDUCING, operator="test")
        assert pair.operations.operate(tripped).ok
        await pair.until(lambda: not working(pair))
        assert not parent.paused, "it waits at the gate"
        say(pair, e.OperatorResumed)
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

    run(tmp_path, story, **by_broker())


def test_it_survives_a_reset_and_a_restart_without_a_second_order(tmp_path: Path) -> None:
    """The broker works on while we are cut off, and while there is no trader at all: its fills are booked on return. A
    kill of the strategy then takes that same order off, by its number.
    """

    async def story(pair: Pair) -> None:
        await pair.start_gateway()
        await pair.start_trader()
        parent, order = await under_way(pair)
        pair.fault("nightly_reset", seconds=30.0, warning_s="2", roll_back="3")
        await pair.until(lambda: pair.operations.status().link == "DOWN")
        there = record_of(pair, order).filled_nanos
        await pair.until(lambda: pair.operations.status().link == "READY" and pair.money.synced)
        assert record_of(pair, order).filled_nanos > there
        assert parent.child == order.order_id
        await pair.stop_trader()
        assert record_of(pair, order).open
        await pair.start_trader()
        await pair.until(lambda: pair.operations.status().link == "READY" and pair.money.synced)
        parent = pair.money.parents[parent.parent_id]
        assert (parent.active, parent.child) == (True, order.order_id)
        say(pair, e.OperatorKilled, STRATEGY, "reversion")
        await pair.until(lambda: all(kill.verified_ns for kill in pair.money.kills))
        assert record_of(pair, order).status == "Cancelled"
        assert not working(pair)
        assert parent.filled_nanos == record_of(pair, order).filled_nanos > there
        assert [o.order_id for o in pair.orders() if o.parent_id == parent.parent_id] == [order.order_id]
        await closed(pair)

    run(tmp_path, story, **by_broker(), on_stop="hold")
