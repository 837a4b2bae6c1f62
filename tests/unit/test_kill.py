"""Kill inside a trader on a live broker: what is on the disk when a cancel leaves, chasing, proof, report, flatten."""

from pathlib import Path
from typing import Any, Literal

import pytest

from core import commands as c
from core import events as e
from core.latches import ACCOUNT, HALTED, PROCESS, STRATEGY, SYMBOL
from core.money.kills import KILLS_KEPT_MAX, OPEN, Kill, begin
from core.records import COMMAND, INPUT, decode
from core.units import NANO
from daemon.journal import JournalReader
from daemon.status.kills import kill_reports
from tests.fakes.live import SECOND, LiveWorld, opened
from tests.unit.test_live_runner import verified

SCOPES = [(PROCESS, ""), (ACCOUNT, ""), (SYMBOL, "AAA"), (STRATEGY, "reversion")]


def killed(level: int = ACCOUNT, scope: str = "", by: str = "ann") -> e.OperatorKilled:
    """An operator's kill."""
    return e.OperatorKilled(level=level, scope=scope, reason="drill", operator=by)


def working(folder: Path, **changes: Any) -> tuple[LiveWorld, c.OrderIntent]:
    """A world with one order that works."""
    world = opened(folder, **changes)
    world.make_it_buy()
    (order,) = world.broker.orders()
    world.tell(e.OrderAcknowledged(order_id=order.order_id, perm_id=77))
    return world, order


def pass_time(world: LiveWorld, seconds: float) -> None:
    """Let what is due happen, in steps shorter than any retry."""
    for _ in range(int(seconds * 2)):
        world.clock.ts_ns += SECOND // 2
        world.sink.advance()


def foreign(sync_id: int, *, perm_id: int = 9, inst: int = 0) -> e.OpenOrderReported:
    """An order of another client."""
    return e.OpenOrderReported(
        sync_id=sync_id, order_id=0, order_ref="by hand", perm_id=perm_id, inst=inst, side=1, qty_nanos=100 * NANO,
        filled_nanos=0, status=e.SUBMITTED, limit_px_nanos=NANO, client_id=7,
    )  # fmt: skip


def alerts(world: LiveWorld) -> list[str]:
    """Codes of all alerts so far."""
    world.runner.flush()
    commands = (decode(COMMAND, record.payload) for record in JournalReader(world.directory).records({COMMAND}))
    return [command.code for command in commands if type(command) is c.RaiseAlert]


@pytest.mark.parametrize(("level", "scope"), SCOPES)
@pytest.mark.parametrize("durability", ["os", "fsync"])
def test_the_latch_is_on_disk_before_a_cancel_leaves(
    tmp_path: Path, level: int, scope: str, durability: Literal["os", "fsync"]
) -> None:
    """At the moment a cancel is handed to the port, a reader of the journal finds the operator's fact and the latch."""
    world, _ = working(tmp_path)
    world.journal.durability = durability
    found: list[tuple[list[str], int]] = []

    def look(command: Any) -> None:
        if type(command) in (c.CancelOrder, c.CancelAllOrders):
            records = list(JournalReader(world.directory).records({COMMAND, INPUT}))
            kinds = [decode(record.kind, record.payload) for record in records]
            moves = [x for x in kinds if type(x) is c.MoveLadder]
            found.append(([x.code for x in moves], sum(type(x) is e.OperatorKilled for x in kinds)))

    world.broker.on_submit = look
    world.tell(killed(level, scope))
    assert found
    assert all(told == (["KILL"], 1) for told in found)
    assert world.broker.kinds()[-2] == ("CancelAllOrders" if level <= ACCOUNT else "CancelOrder")
    verified(world)


@pytest.mark.parametrize(("level", "scope"), SCOPES)
def test_a_second_kill_adds_nothing(tmp_path: Path, level: int, scope: str) -> None:
    """One latch, one kill, one alert; its cancels are asked for again. A third after the proof is a kill of its own."""
    world, order = working(tmp_path)
    world.tell(killed(level, scope), killed(level, scope, by="bob"))
    money = world.runner.money
    assert [(kill.by, kill.orders) for kill in money.kills] == [("ann", {order.order_id: OPEN})]
    assert [latch.by for latch in money.latches.held()] == ["ann"]
    assert alerts(world).count("KILL") == 1
    assert world.runner.engine.reply[1].endswith("1 orders are still being cancelled")
    world.tell(e.OrderCancelled(order_id=order.order_id, reason=""))
    pass_time(world, 1)
    world.sync(sync_id=2)
    assert money.kills[0].verified_ns
    world.tell(killed(level, scope, by="cleo"))
    assert [bool(kill.verified_ns) for kill in money.kills] == [True, False]
    assert [latch.code for latch in money.latches.held()] == ["KILL"]
    verified(world)


def test_a_refused_cancel_is_chased_told_and_reported(tmp_path: Path) -> None:
    """Retried every 2 s, by number besides the global cancel; told as not verified after 10 s, once a minute; the
    report has the id and the broker's words; the fill that came after is booked and counted.
    """
    world, order = working(tmp_path)
    world.tell(killed())
    world.tell(e.CancelRejected(order_id=order.order_id, code=161, text="not in a cancellable state"))
    sent = len(world.broker.sent)
    pass_time(world, 2.5)
    again = [command for command in world.broker.sent[sent:] if type(command) is not c.RequestSync]
    assert [type(command) for command in again] == [c.CancelAllOrders, c.CancelOrder]
    world.tell(e.CancelRejected(order_id=order.order_id, code=161, text="not in a cancellable state"))
    (report,) = kill_reports(world.runner.engine)
    assert report["refused"] == {str(order.order_id): "161 not in a cancellable state"}
    assert report["left_ids"] == [order.order_id]
    assert f"#{order.order_id} 161" in report["left"]
    pass_time(world, 60)
    assert alerts(world).count("KILL_UNVERIFIED") == 1
    pass_time(world, 20)
    assert alerts(world).count("KILL_UNVERIFIED") == 2
    world.fill(order, 20 * NANO)
    (kill,) = world.runner.money.kills
    assert (kill.orders, kill.refused, kill.fills, kill.filled_nanos) == (
        {order.order_id: "FILLED"}, {}, 1, 100 * NANO,
    )  # fmt: skip
    verified(world)


def test_others_orders_hold_up_the_proof(tmp_path: Path) -> None:
    """Of the account: any; of a symbol: those in it, named by permId; a strategy has none. A sync asked for before the
    kill, or one that still lists an order of ours, proves nothing.
    """
    world, order = working(tmp_path)
    for level, scope in SCOPES:
        world.tell(killed(level, scope))
    world.tell(e.OrderCancelled(order_id=order.order_id, reason=""))
    pass_time(world, 1)
    world.sync(sync_id=2, facts=[foreign(2)])
    kills = world.runner.money.kills
    assert [bool(kill.verified_ns) for kill in kills] == [False, False, False, True]
    assert "permId 9 of client 7: BUY 100 AAA (orders of others" in kill_reports(world.runner.engine)[2]["left"]
    pass_time(world, 1)
    world.sync(sync_id=3, facts=[foreign(3, inst=1)])
    assert [bool(kill.verified_ns) for kill in kills] == [False, False, True, True]
    pass_time(world, 1)
    world.sync(sync_id=4)
    assert all(kill.verified_ns for kill in kills)
    assert kills[1].foreign == {9: "client 7: BUY 100 CCC"}
    verified(world)


def test_resume_waits_for_the_proof_of_its_own_scope(tmp_path: Path) -> None:
    """A kill of a symbol keeps itself and the account; not a strategy that was merely halted."""
    world, _ = working(tmp_path)
    world.tell(killed(SYMBOL, "AAA"))
    world.tell(e.OperatorHalted(level=STRATEGY, scope="reversion", reason="look", operator="ann"))
    world.tell(e.OperatorHalted(level=ACCOUNT, scope="", reason="look", operator="ann"))
    for level, scope, ok in ((SYMBOL, "AAA", False), (ACCOUNT, "", False), (STRATEGY, "reversion", True)):
        world.tell(e.OperatorResumed(level=level, scope=scope, reason="go on", operator="ann"))
        assert world.runner.engine.reply[0] is ok, world.runner.engine.reply
    verified(world)


def test_an_order_that_comes_to_life_is_killed_again(tmp_path: Path) -> None:
    """A cancel that the broker undid after the proof: cancelled again, and proven again."""
    world, order = working(tmp_path)
    world.tell(killed(), e.OrderCancelled(order_id=order.order_id, reason=""))
    pass_time(world, 1)
    world.sync(sync_id=2)
    pass_time(world, 1)
    alive = e.OpenOrderReported(
        sync_id=3, order_id=order.order_id, order_ref=world.runner.money.orders[order.order_id].order_ref, perm_id=77,
        inst=0, side=1, qty_nanos=order.qty_nanos, filled_nanos=0, status=e.SUBMITTED,
        limit_px_nanos=order.limit_px_nanos, client_id=11,
    )  # fmt: skip
    sent = len(world.broker.sent)
    world.sync(sync_id=3, facts=[alive])
    kills = world.runner.money.kills
    assert [bool(kill.verified_ns) for kill in kills] == [True, False]
    assert c.CancelOrder in [type(command) for command in world.broker.sent[sent:]]
    assert world.runner.money.latches.everywhere == HALTED
    verified(world)


def test_a_kill_while_down_leaves_first_on_return(tmp_path: Path) -> None:
    """Latched at once; the alert says that nothing can leave; the first command of the new link is the cancel."""
    world, _ = working(tmp_path)
    world.tell(e.LinkLost(reason="cut"))
    world.tell(killed())
    pass_time(world, 15)
    (report,) = kill_reports(world.runner.engine)
    assert report["left"].startswith("the link to the broker is DOWN")
    assert "KILL_UNVERIFIED" in alerts(world)
    sent = len(world.broker.sent)
    world.tell(e.LinkRestored(reason="back"))
    assert world.broker.kinds()[sent] == "CancelAllOrders"
    verified(world)


def test_a_cancel_the_port_refuses_is_not_taken_for_asked(tmp_path: Path) -> None:
    """The order works on, the reason is an outcome and stands in the report, and the kill goes on chasing it."""
    world, order = working(tmp_path)
    submit = world.broker.submit
    refusal = "order 801 belongs to client 5: only a global cancel reaches it"

    def refuse(command: Any, *, ts_ns: int) -> str:
        return refusal if type(command) is c.CancelOrder else submit(command, ts_ns=ts_ns)

    world.broker.submit = refuse  # type: ignore[method-assign]
    world.tell(killed(SYMBOL, "AAA"))
    (report,) = kill_reports(world.runner.engine)
    assert report["refused"] == {str(order.order_id): refusal}
    assert world.runner.money.orders[order.order_id].state.name == "WORKING"
    verified(world)


def flattened(by: str = "ann") -> e.OperatorFlattened:
    """A flatten of the account."""
    return e.OperatorFlattened(level=ACCOUNT, scope="", reason="close", operator=by)


def holding(folder: Path) -> LiveWorld:
    """A world that holds 100 AAA."""
    world, order = working(folder)
    world.fill(order, 20 * NANO)
    assert world.runner.money.ledger.holdings[0] == 100 * NANO
    return world


def synced(world: LiveWorld, sync_id: int) -> None:
    """A sync that agrees with what is held."""
    held = e.PositionReported(sync_id=sync_id, inst=0, qty_nanos=100 * NANO, average_cost_nanos=20 * NANO)
    world.sync(sync_id=sync_id, facts=[held])


def test_a_flatten_waits_for_the_kill_and_a_kill_ends_it(tmp_path: Path) -> None:
    """Nothing is closed before the kill is verified; a later kill takes the closing order off and nothing follows until
    a person says flatten again, whatever the trader's own settings want.
    """
    world = holding(tmp_path)
    world.tell(killed(), flattened())
    world.alive(0)
    assert len(world.broker.orders()) == 1, "the entry alone"
    pass_time(world, 1)
    synced(world, 2)
    closing = world.broker.orders()[-1]
    assert (closing.side, closing.qty_nanos, closing.purpose) == (-1, 100 * NANO, c.INTENT_FLATTEN)
    world.tell(e.OrderAcknowledged(order_id=closing.order_id, perm_id=78), killed())
    world.tell(e.OrderCancelled(order_id=closing.order_id, reason=""), flattened("trader"))
    pass_time(world, 1)
    synced(world, 3)
    world.alive(0, after_ns=10 * SECOND)
    assert all(kill.verified_ns for kill in world.runner.money.kills)
    assert len(world.broker.orders()) == 2, "the kill has ended the flatten"
    world.tell(flattened())
    world.alive(0)
    assert len(world.broker.orders()) == 3
    verified(world)


def test_kills_that_are_not_verified_are_never_forgotten() -> None:
    """The bound is kept by those that are done, oldest first."""
    kills: list[Kill] = []
    for number in range(3 * KILLS_KEPT_MAX):
        scope = f"S{number}"
        kill = Kill(level=SYMBOL, scope=scope, since_ns=1, reason="r", by="b", verified_ns=number % 2)
        kills = begin(kills, kill)
    assert sum(1 for kill in kills if not kill.verified_ns) == 3 * KILLS_KEPT_MAX // 2
    assert sum(1 for kill in kills if kill.verified_ns) == KILLS_KEPT_MAX
    assert kills[-1].scope == f"S{3 * KILLS_KEPT_MAX - 1}"


@pytest.mark.slow
def test_a_large_position_is_closed_in_slices_the_market_can_take(tmp_path: Path) -> None:
    """After the proof of the kill: reduce-only orders one after the other, none above the limit on participation, until
    nothing is held.
    """
    world = opened(tmp_path)
    held = 3_000 * NANO
    position = {"inst": 0, "average_cost_nanos": 20 * NANO}
    world.quote(0, 20 * NANO)
    world.sync(sync_id=2, facts=[e.PositionReported(sync_id=2, qty_nanos=held, **position)])
    money = world.runner.money
    adopted = e.AccountAdopted(
        positions=((0, held, ""),), at="average", cash_nanos=money.cash_difference_nanos, reason="x", operator="ann"
    )
    world.tell(adopted)
    assert world.runner.engine.reply[0], world.runner.engine.reply
    world.tell(killed(), flattened())
    assert not world.broker.orders()
    world.clock.ts_ns += SECOND
    world.sync(sync_id=3, facts=[e.PositionReported(sync_id=3, qty_nanos=held, **position)])
    most = world.runner.engine.gate.slice_max_nanos("", 0, -1, world.clock.ts_ns)
    assert 0 < most < held
    sizes: list[int] = []
    for _ in range(400):  # over minutes: the schedule waits for what the market trades
        if not money.ledger.holdings[0]:
            break
        world.quote(0, 20 * NANO, after_ns=3 * SECOND)
        if len(world.broker.orders()) == len(sizes):
            continue
        order = world.broker.orders()[-1]
        sizes.append(order.qty_nanos)
        assert (order.side, order.purpose) == (-1, c.INTENT_FLATTEN)
        assert money.orders[order.order_id].reduce_only
        world.fill(order, 20 * NANO)
    assert sum(sizes) == held
    assert max(sizes) <= most
    assert len(sizes) >= 3
    verified(world)
