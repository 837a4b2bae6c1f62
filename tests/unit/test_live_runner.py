"""The inside of a trader on a live broker: rows and facts as they come, what leaves, what a restart finds."""

from pathlib import Path
from typing import Any

import pytest

from core import commands as c
from core import events as e
from core.money.state import READY, UNSYNCED
from core.orders import State
from core.records import OUTCOME, decode
from core.units import NANO
from daemon.journal import JournalReader
from daemon.machine import NEVER
from daemon.recovery import verify_replay
from execution.executor import ChaseExecutor
from tests.fakes.live import CENT, DATE, SECOND, LiveWorld, config_of, opened, tables_of


def verified(world: LiveWorld) -> None:
    """Replay makes every record of the journal again."""
    world.runner.flush()
    world.close()
    report = verify_replay(world.directory)
    assert report.ok, report.difference
    assert report.commands


def test_a_quote_becomes_an_order_and_the_journal_verifies(tmp_path: Path) -> None:
    """From the row to the port in one call, with ids from the broker on; the same records again without a broker."""
    world = opened(tmp_path)
    assert world.broker.kinds() == ["RequestSync"]
    world.make_it_buy()
    (order,) = world.broker.orders()
    assert (order.side, order.qty_nanos, order.order_id) == (1, 100 * NANO, 801)
    world.fill(order, 20 * NANO)
    money = world.runner.money
    assert money.ledger.holdings == [100 * NANO, 0]
    assert world.runner.tally.fills == 1
    verified(world)


def test_order_ids_never_roll_back(tmp_path: Path) -> None:
    """Next is above what the broker gives, what was journalled, and every id any fact shows."""
    world = opened(tmp_path)
    world.tell(e.OrderIdsSeen(order_id_next=640))
    assert world.runner.money.next_order_id == 801
    world.tell(e.OrderAcknowledged(order_id=900, perm_id=5))
    assert world.runner.money.next_order_id == 901
    world.tell(e.OrderIdsSeen(order_id_next=1_200))
    assert world.runner.money.next_order_id == 1_200
    world.close()


def test_a_symbol_is_ready_when_its_reference_is_complete(tmp_path: Path) -> None:
    """Until then entries are refused and why-not names what is missing; then the waiting target goes on by itself."""
    config = config_of(tmp_path)
    world = LiveWorld(config, tables_of(config))
    world.begin()
    world.ready()
    world.reference(0, missing="volume curve")
    world.make_it_buy()
    assert not world.broker.orders()
    assert world.runner.tally.refusals == {"48 FAIL_CLOSED": 1}
    gate = world.runner.engine.gate
    failures = gate.blockers(0, "reversion", world.clock.ts_ns)
    assert [(f.code, f.value) for f in failures] == [("FAIL_CLOSED", f"not ready: that of {DATE} lacks volume curve")]
    world.reference(0)
    world.alive(0, after_ns=6 * SECOND)  # longer than the executor waits after a refusal
    assert [order.inst for order in world.broker.orders()] == [0]
    assert "FAIL_CLOSED" not in [f.code for f in gate.blockers(0, "reversion", world.clock.ts_ns)]
    verified(world)


def test_the_broker_s_tick_rule_prices_the_next_order(tmp_path: Path) -> None:
    """A nickel tick from the broker takes the config's cent's place at once, in executor and gate, and in a replay."""
    world = opened(tmp_path)
    world.quote(0, 20 * NANO)
    world.tell(e.MarketRuleChanged(inst=0, rule_id=240, increments=((0, 5 * CENT),)))
    world.quote(0, 20 * NANO)
    world.quote(0, 20 * NANO - 7 * CENT)
    (order,) = world.broker.orders()
    assert order.limit_px_nanos % (5 * CENT) == 0
    intent = c.OrderIntent(
        order_id=world.runner.money.next_order_id, parent_id=0, slice_no=0, strategy="reversion", inst=0, side=1,
        qty_nanos=100 * NANO, order_type=c.LMT, limit_px_nanos=19 * NANO + 91 * CENT,
    )  # fmt: skip
    refusal = world.runner.engine.gate.approve(intent, world.clock.ts_ns, 1)
    assert refusal.failures[0].code == "ORDER_INVALID"  # type: ignore[union-attr]
    verified(world)


def test_proof_of_life_keeps_a_quiet_quote_young(tmp_path: Path) -> None:
    """An unchanged line that is alive may be traded on; a silent one may not."""
    world = opened(tmp_path)
    world.quote(0, 20 * NANO)
    for _ in range(90):
        world.alive(0)
    gate = world.runner.engine.gate
    assert not gate.blockers(0, "reversion", world.clock.ts_ns)
    world.clock.ts_ns += 90 * SECOND
    assert [f.code for f in gate.blockers(0, "reversion", world.clock.ts_ns)] == ["MARKET_DATA"]
    assert world.runner.engine.market.get(0, "quotes") == 1
    world.close()


def test_orders_leave_only_after_a_complete_sync(tmp_path: Path) -> None:
    """A link that is back is not enough: what the broker holds must have been seen."""
    config = config_of(tmp_path)
    world = LiveWorld(config, tables_of(config))
    world.begin()
    world.tell(e.OrderIdsSeen(order_id_next=5), e.LinkRestored(reason="session"))
    world.tell(e.ClockOffsetMeasured(offset_ns=0, round_trip_ns=0))
    world.reference(0)
    world.make_it_buy()
    assert world.runner.money.sendable() == UNSYNCED
    assert not world.broker.orders()
    world.sync(sync_id=1)
    world.alive(0, after_ns=6 * SECOND)
    assert world.runner.money.sendable() == READY
    assert world.broker.orders()
    world.close()


def test_what_the_port_refuses_is_not_sent(tmp_path: Path) -> None:
    """The reason is an outcome, nothing stays reserved, and a replay folds it."""
    world = opened(tmp_path)
    world.broker.refuses = "restart window"
    world.make_it_buy()
    assert not world.broker.orders()
    (order,) = world.runner.money.orders.values()
    assert order.state is State.NOT_SENT
    assert world.runner.money.reservations.count == 0
    world.runner.flush()
    outcomes = [decode(OUTCOME, record.payload) for record in JournalReader(world.directory).records({OUTCOME})]
    assert outcomes == [c.NotSent(order_id=order.order_id, version=0, reason="restart window")]
    verified(world)


def test_a_fact_told_while_commands_leave_comes_after_them(tmp_path: Path) -> None:
    """A broker that answers within `submit` never enters the engine twice."""
    world = opened(tmp_path)
    told: list[bool] = []

    def answer(command: Any) -> None:
        if type(command) is c.PlaceOrder:
            world.sink._early.append(e.OrderAcknowledged(order_id=command.order.intent.order_id))
            told.append(world.machine.dispatching)

    world.broker.on_submit = answer
    world.make_it_buy()
    (order,) = world.runner.money.orders.values()
    states = [order.state]
    world.tell(e.ClockOffsetMeasured(offset_ns=0, round_trip_ns=1))
    states.append(order.state)
    assert (told, states) == ([True], [State.SENDING, State.WORKING])
    verified(world)


def test_the_engine_s_deadlines_arm_the_timer(tmp_path: Path) -> None:
    """The timer always waits for the earliest deadline, and what is due is stepped before what comes."""
    world = opened(tmp_path)
    world.quote(0, 20 * NANO)
    assert world.sink.armed_ns == world.runner.next_ns < NEVER
    world.clock.ts_ns = world.runner.next_ns + SECOND
    before = world.runner.engine.seq
    world.alive(0, after_ns=0)
    assert world.runner.engine.seq > before, "the deadline was stepped"
    assert world.runner.next_ns > world.clock.ts_ns
    world.close()


def test_a_failing_engine_cancels_all_and_takes_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Poison rule: the failure is journalled, the broker is told to cancel everything, the sink is handed no more."""
    world = opened(tmp_path)
    world.make_it_buy()

    def raising(*_: Any) -> None:
        raise RuntimeError("broken")

    (order,) = world.broker.orders()
    with monkeypatch.context() as broken:
        broken.setattr(ChaseExecutor, "act", raising)
        world.tell(e.OrderAcknowledged(order_id=order.order_id))
    assert [type(fault).__name__ for fault in world.failures] == ["StepError"]
    assert world.broker.kinds()[-1] == "CancelAllOrders"
    world.close()
    recovered = world.recover()
    assert recovered.ended == "crash"
    assert recovered.machine.engine.money.orders[order.order_id].state is State.CANCELLING


def test_a_crash_leaves_unanswered_orders_unknown_until_evidence(tmp_path: Path) -> None:
    """After a restart an order without an answer keeps its risk; the sync's evidence settles it, under its own ref."""
    world = opened(tmp_path)
    world.make_it_buy()
    (order,) = world.broker.orders()
    world.close()
    recovered = world.recover()
    assert recovered.machine.exchange is None
    again = LiveWorld(world.config, world.tables, recovered=recovered, ts_ns=world.clock.ts_ns + 10 * SECOND)
    again.begin(ended="crash", epoch=2)
    money = again.runner.money
    assert money.orders[order.order_id].state is State.UNKNOWN
    assert money.reservations.buy_qty[0] == order.qty_nanos
    ref = money.orders[order.order_id].order_ref
    seen = e.OpenOrderReported(
        sync_id=1, order_id=order.order_id, order_ref=ref, perm_id=9, inst=0, side=1, qty_nanos=order.qty_nanos,
        filled_nanos=0, status=e.SUBMITTED, limit_px_nanos=order.limit_px_nanos, client_id=11,
    )  # fmt: skip
    again.ready(order_id_next=1, facts=[seen])
    assert money.orders[order.order_id].state is State.WORKING
    assert money.next_order_id == order.order_id + 1
    verified(again)


def test_a_replay_goes_on_over_a_start_with_tables_of_later_days(tmp_path: Path) -> None:
    """A live trader's session tables move on with the calendar; its journal verifies across them all the same."""
    world = opened(tmp_path)
    world.make_it_buy()
    (order,) = world.broker.orders()
    world.fill(order, 20 * NANO)
    world.tell(e.TraderStopped(reason="SIGTERM"))
    world.close()
    later = tables_of(world.config, first=20261001, last=20261020)
    days = 7 * 86_400 * SECOND
    again = LiveWorld(world.config, later, recovered=world.recover(), ts_ns=world.clock.ts_ns + days)
    again.begin(ended="clean", epoch=2)
    again.ready(order_id_next=1, sync_id=2, facts=[e.PositionReported(sync_id=2, inst=0, qty_nanos=100 * NANO)])
    again.quote(0, 21 * NANO)
    assert again.runner.money.trading_date == DATE + 7, "the rolls that were missed came, each once"
    verified(again)


# ---- orders wait for the disk ----------------------------------------------------------------------------------
class Disk:
    """Holds orders as daemon/hold.py does, and lets them go when the test says that the disk is done."""

    def __init__(self, world: LiveWorld) -> None:
        from daemon.hold import Hold

        class Still(Hold):
            def _sync(self) -> None:
                """The disk takes its time."""

        self.hold = Still(world.journal, None, world.runner.release, world.failures.append)  # type: ignore[arg-type]
        world.runner.hold = self.hold

    def done(self) -> None:
        """Everything is on the device."""
        waiting, self.hold.waiting = self.hold.waiting, []
        for _, orders in waiting:
            self.hold._release(orders)


def test_an_order_waits_for_the_disk_and_a_cancel_for_nothing(tmp_path: Path) -> None:
    """Held orders leave later, in their order; the loop goes on meanwhile."""
    world = opened(tmp_path, durability="fsync")
    disk = Disk(world)
    world.make_it_buy(0)
    world.make_it_buy(1, 50 * NANO)
    assert world.broker.kinds() == ["RequestSync"]
    world.alive(0)
    disk.done()
    first, second = world.broker.orders()
    assert (first.inst, second.inst) == (0, 1)
    world.tell(e.OrderAcknowledged(order_id=first.order_id), e.OrderAcknowledged(order_id=second.order_id))
    world.tell(e.OperatorKilled(level=1, scope="", reason="test", operator="ops"))
    assert world.broker.kinds()[-2:] == ["CancelAllOrders", "RequestSync"]
    verified(world)


@pytest.mark.parametrize("level", [1, 3])
def test_a_kill_reaches_an_order_before_the_disk_does(tmp_path: Path, level: int) -> None:
    """An order cancelled while it is held never leaves, holds nothing, and is over."""
    world = opened(tmp_path, durability="fsync")
    disk = Disk(world)
    world.make_it_buy()
    scope = "reversion" if level == 3 else ""
    world.tell(e.OperatorKilled(level=level, scope=scope, reason="test", operator="ops"))
    (order,) = world.runner.money.orders.values()
    assert order.state is State.CANCELLED
    assert "CancelOrder" not in world.broker.kinds(), "the broker has never heard of it"
    disk.done()
    assert not world.broker.orders()
    assert world.runner.money.reservations.count == 0
    verified(world)
