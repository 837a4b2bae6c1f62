"""The start table of the architecture (section 4), row by row, on the real path: journal, recovery, first facts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker.sim.account import Position
from core import commands as c
from core import events as e
from core import records as r
from core.latches import ACCOUNT
from core.orders import State
from core.parents import ParentState
from daemon.control.operations import TraderOperations
from daemon.control.server import Reply
from daemon.recovery import deploy_digest, verify_replay
from tests.fakes.trader import Rig, Slow, frame_records, install, outcome

Look = Callable[[Slow], None]
RESUME = e.OperatorResumed(level=ACCOUNT, scope="", reason="looked at it", operator="ann")


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feeds and tables in this process."""
    install(monkeypatch)


def latches(trader: Slow) -> list[str]:
    """Codes held on the account or the process."""
    return [latch.code for latch in trader.active_runner.money.latches.held()]


def operate(trader: Slow, event: Any) -> Reply:
    """As the control socket does."""
    return TraderOperations(trader).operate(event)


def mid_schedule(trader: Slow) -> bool:
    """A schedule is half done with a child on the book."""
    money = trader.active_runner.money
    return any(p.active and p.child and 0 < p.filled_nanos < p.qty_nanos for p in money.live_parents.values())


def once(condition: Callable[[Slow], bool], action: Look) -> Look:
    """Act the first time the condition holds."""
    done: list[bool] = []

    def look(trader: Slow) -> None:
        if not done and condition(trader):
            done.append(True)
            action(trader)

    return look


def stop(trader: Slow) -> None:
    """Ask for a clean stop."""
    trader.request_stop("test")


def crashed(rig: Rig) -> int:
    """Run, then leave the journal as a kill -9 in the middle of a schedule would; returns that schedule's number."""
    rig.run()
    whole = rig.keep()
    filled: dict[int, int] = {}
    for number, records in enumerate(frame_records(whole)):
        for record in records:
            if record.kind == r.COMMAND:
                message = r.decode(r.COMMAND, record.payload)
                if type(message) is c.PlaceOrder and message.order.intent.slice_no == 2:
                    filled[message.order.intent.parent_id] = number
        if len(filled) == 5:
            parent_id, frame = next(reversed(filled.items()))
            rig.cut(whole, frame + 1)
            return parent_id
    raise AssertionError("no schedule got to its third slice")


def ended_exactly(trader: Slow) -> None:
    """Every schedule that is done filled its quantity, no more, no less."""
    for parent in trader.active_runner.money.parents.values():
        if parent.state is ParentState.DONE:
            assert parent.filled_nanos == parent.qty_nanos


# ---- row 1 -----------------------------------------------------------------------------------------------------
def test_a_clean_stop_goes_on_as_latched(tmp_path: Path) -> None:
    """Nothing is latched, the children of the stop are gone, and the schedules go on to their full quantity."""
    rig = Rig(tmp_path)
    first = rig.run(once(mid_schedule, stop))
    money = first.active_runner.money
    parked = [parent.parent_id for parent in money.live_parents.values() if parent.active]
    assert parked
    assert not money.live_orders
    second = rig.run()
    started = [x for _, x in rig.records(r.INPUT) if type(x) is e.TraderStarted]
    assert [(x.ended, x.changed, x.safe) for x in started] == [("new", "", False), ("clean", "", False)]
    assert latches(second) == []
    for parent_id in parked:
        parent = second.active_runner.money.parents[parent_id]
        assert (parent.state, parent.filled_nanos) == (ParentState.DONE, parent.qty_nanos)
    ended_exactly(second)
    assert verify_replay(rig.journal).difference == ""


def test_a_halt_before_a_clean_stop_stands_after_it(tmp_path: Path) -> None:
    """As latched: who halted and why come back, and no order leaves before `resume`."""
    rig = Rig(tmp_path)

    def halt_and_stop(trader: Slow) -> None:
        assert operate(trader, e.OperatorHalted(level=ACCOUNT, scope="", reason="why", operator="ann")).ok
        stop(trader)

    rig.run(once(mid_schedule, halt_and_stop))
    before = len([x for _, x in rig.records(r.COMMAND) if type(x) is c.PlaceOrder])
    second = rig.run()
    (latch,) = second.active_runner.money.latches.held()
    assert (latch.code, latch.reason, latch.by) == ("HALT", "why", "ann")
    assert len([x for _, x in rig.records(r.COMMAND) if type(x) is c.PlaceOrder]) == before


# ---- row 2 -----------------------------------------------------------------------------------------------------
def test_a_crash_as_latched_goes_on_as_if_nothing_was(tmp_path: Path) -> None:
    """Paper, replay, tests: the decisions are those of a run without a crash."""
    rig = Rig(tmp_path)
    crashed(rig)
    second = rig.run()
    assert latches(second) == []
    restarted = [x for _, x in rig.records(r.INPUT) if type(x) is e.TraderStarted][-1]
    assert (restarted.ended, restarted.epoch) == ("crash", 2)
    ended_exactly(second)


def test_a_crash_halted_keeps_orders_and_waits(tmp_path: Path) -> None:
    """Live: the child stays on the book, its schedule is PAUSED, nothing is sent; `resume` goes on exactly."""
    rig = Rig(tmp_path, after_crash="halted")
    parent_id = crashed(rig)
    recovered = rig.recover()
    child = recovered.machine.engine.money.parents[parent_id].child
    last_seq = recovered.last_seq
    seen: list[str] = []

    def look(trader: Slow) -> None:
        money = trader.active_runner.money
        parent = money.parents[parent_id]
        if not seen:
            assert latches(trader) == ["CRASH"]
            assert (parent.paused, parent.paused_reason) == (True, "crash")
            assert money.orders[child].state in (State.SENDING, State.WORKING, State.FILLED)
            sent = [type(x) for seq, x in rig.records(r.COMMAND) if seq > last_seq]
            assert not {c.PlaceOrder, c.ReplaceOrder, c.CancelOrder, c.CancelAllOrders} & set(sent)
            assert not operate(trader, e.OperatorResumed(level=ACCOUNT, scope="", reason=" ", operator="ann")).ok
            assert operate(trader, RESUME).ok
            assert not parent.paused
            seen.append("resumed")

    second = rig.run(look)
    parent = second.active_runner.money.parents[parent_id]
    assert (parent.state, parent.filled_nanos) == (ParentState.DONE, parent.qty_nanos)
    fills = [order.filled_nanos for order in second.active_runner.money.orders.values() if order.parent_id == parent_id]
    assert sum(fills) == parent.qty_nanos
    ended_exactly(second)
    assert verify_replay(rig.journal).difference == ""


# ---- row 3 -----------------------------------------------------------------------------------------------------
def test_a_difference_halts_until_acknowledged(tmp_path: Path) -> None:
    """A position at the broker that no execution explains: HALTED with a report; acknowledging books it."""
    rig = Rig(tmp_path)

    def transfer_shares(trader: Slow) -> None:
        exchange = trader.active_runner.machine.exchange
        assert exchange is not None
        exchange.account.state.positions.setdefault(1, Position()).qty_nanos += 7 * 10**9  # no execution of today
        stop(trader)

    rig.run(once(mid_schedule, transfer_shares))
    steps: list[str] = []

    def look(trader: Slow) -> None:
        money = trader.active_runner.money
        if not steps and "RECONCILE" in latches(trader):
            steps.append("halted")
            assert [(x.kind, x.inst, x.qty_nanos) for x in money.differences] == [("position", 1, 7 * 10**9)]
            assert "acknowledge" in operate(trader, RESUME).text
            stale = e.DifferenceAcknowledged(sync_id=10**6, reason="r", operator="ann")
            assert not operate(trader, stale).ok
            seen = e.DifferenceAcknowledged(sync_id=money.difference_sync_id, reason="by hand", operator="ann")
            assert operate(trader, seen).ok
            money.ledger.assert_identity()
            assert money.ledger.held_nanos("", 1) == 7 * 10**9
            assert latches(trader) == []

    second = rig.run(look)
    assert steps == ["halted"]
    booked = [x for _, x in rig.records(r.COMMAND) if type(x) is c.TransferPosition]
    assert [(x.inst, x.qty_nanos) for x in booked] == [(1, 7 * 10**9)]
    second.active_runner.money.ledger.assert_identity()
    assert second.active_runner.money.ledger.held_nanos("", 1) == 7 * 10**9
    assert not second.active_runner.money.differences
    assert verify_replay(rig.journal).difference == ""


def test_a_large_cash_difference_reduces_until_acknowledged(tmp_path: Path) -> None:
    """Cash that left the broker without a trade: REDUCING; acknowledging adjusts our cash to the broker's."""
    rig = Rig(tmp_path)
    steps: list[str] = []

    def withdraw(trader: Slow) -> None:
        exchange = trader.active_runner.machine.exchange
        assert exchange is not None
        exchange.account.state.cash_nanos["USD"] -= 50_000 * 10**9
        steps.append("withdrawn")

    def look(trader: Slow) -> None:
        money = trader.active_runner.money
        if steps == ["withdrawn"] and "CASH" in latches(trader):
            steps.append("reduced")
            assert money.cash_difference_nanos == -50_000 * 10**9
            seen = e.DifferenceAcknowledged(sync_id=0, reason="withdrawn by the owner", operator="ann")
            assert operate(trader, seen).ok
            assert latches(trader) == []
            assert not operate(trader, seen).ok

    def both(trader: Slow) -> None:
        if not steps and mid_schedule(trader):
            withdraw(trader)
        look(trader)

    ended = rig.run(both)
    assert steps == ["withdrawn", "reduced"]
    ended.active_runner.money.ledger.assert_identity()
    booked = [x for _, x in rig.records(r.COMMAND) if type(x) is c.AdjustCash]
    assert [x.amount_nanos for x in booked] == [-50_000 * 10**9]
    assert verify_replay(rig.journal).difference == ""


def started(trader: Slow, **changes: Any) -> None:
    """The fact of a start, on the machine as it stands."""
    fields: dict[str, Any] = {
        "epoch": trader.active_runner.money.epoch + 1, "mode": "replay", "ended": "crash", "after_crash": "as_latched",
        "guard_fired": False, "changed": "", "venue_in_process": True,
    }  # fmt: skip
    trader.active_runner.step(e.TraderStarted(**(fields | changes)), trader.active_runner.now_ns)


def unanswered(trader: Slow) -> bool:
    """A new order has left and nothing came back yet."""
    return any(order.state is State.SENDING for order in trader.active_runner.money.live_orders.values())


@pytest.mark.parametrize("after_crash", ["as_latched", "halted"])
def test_an_unknown_order_halts_whatever_the_setting(tmp_path: Path, after_crash: str) -> None:
    """A venue of its own, a crash between send and answer: UNKNOWN, reserved, HALTED; a sync settles it."""
    rig = Rig(tmp_path)
    steps: list[str] = []

    def look(trader: Slow) -> None:
        runner = trader.active_runner
        money = runner.money
        if not steps and unanswered(trader):
            order = next(o for o in money.live_orders.values() if o.state is State.SENDING)
            reserved = order.reserved_nanos
            started(trader, after_crash=after_crash, venue_in_process=False)
            assert (order.state, order.reserved_nanos) == (State.UNKNOWN, reserved)
            assert "UNKNOWN" in latches(trader)
            assert all(parent.paused for parent in money.live_parents.values() if parent.active)
            assert not operate(trader, RESUME).ok
            runner.step(e.LinkRestored(reason="back"), runner.now_ns)
            assert "UNKNOWN" in operate(trader, RESUME).text
            steps.append(str(order.order_id))
        elif len(steps) == 1 and money.orders[int(steps[0])].state is not State.UNKNOWN:
            assert latches(trader), "the answer alone lifts nothing"
            assert operate(trader, RESUME).ok
            assert latches(trader) == []
            steps.append("resumed")

    run = rig.run(look)
    assert len(steps) == 2
    ended_exactly(run)
    assert verify_replay(rig.journal).difference == ""


# ---- row 4 -----------------------------------------------------------------------------------------------------
def test_a_fired_guard_cancels_the_schedules_and_halts(tmp_path: Path) -> None:
    """The guard took our orders off: every schedule is CANCELLED, none goes on by itself after `resume`."""
    rig = Rig(tmp_path)
    ended: list[int] = []

    def fire(trader: Slow) -> None:
        money = trader.active_runner.money
        ended.extend(parent.parent_id for parent in money.live_parents.values() if parent.active)
        started(trader, guard_fired=True)
        assert latches(trader) == ["GUARD"]
        assert not [parent for parent in money.live_parents.values() if parent.active]
        assert all(order.state is State.CANCELLING for order in money.live_orders.values())
        assert operate(trader, RESUME).ok

    run = rig.run(once(mid_schedule, fire))
    parents = run.active_runner.money.parents
    assert ended
    assert {parents[parent_id].state for parent_id in ended} == {ParentState.CANCELLED}
    assert verify_replay(rig.journal).difference == ""


# ---- row 5 -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("crash", [False, True])
def test_a_changed_config_is_halted_until_armed(tmp_path: Path, crash: bool) -> None:
    """Another limit, after a clean stop and after a crash: DEPLOY until the digest that runs is armed."""
    rig = Rig(tmp_path)
    if crash:
        crashed(rig)
    else:
        rig.run(once(mid_schedule, stop))
    rig.config_path.write_text(rig.config_path.read_text().replace("gross_max = 250_000", "gross_max = 240_000"))
    steps: list[str] = []

    def look(trader: Slow) -> None:
        if steps:
            return
        steps.append("looked")
        assert latches(trader) == ["DEPLOY"]
        assert trader.changed == "config"
        wrong = e.DeployArmed(digest="0" * 32, reason="r", operator="ann")
        assert not operate(trader, wrong).ok
        assert latches(trader) == ["DEPLOY"]
        right = e.DeployArmed(digest=deploy_digest(trader.tables), reason="read the diff", operator="ann")
        assert operate(trader, right).ok
        assert latches(trader) == []

    second = rig.run(look)
    assert steps
    assert outcome(second)["fills"] > 0
    ended_exactly(second)
    assert verify_replay(rig.journal).difference == ""


def test_deploy_is_not_lifted_by_resume(tmp_path: Path) -> None:
    """Control 42: changed code or config is armed, not resumed."""
    rig = Rig(tmp_path)
    rig.run(once(mid_schedule, stop))
    rig.config_path.write_text(rig.config_path.read_text().replace("gross_max = 250_000", "gross_max = 240_000"))
    replies: list[Reply] = []

    def look(trader: Slow) -> None:
        if not replies:
            replies.append(operate(trader, RESUME))
            stop(trader)

    second = rig.run(look)
    assert not replies[0].ok
    assert "arm" in replies[0].text
    assert latches(second) == ["DEPLOY"]
