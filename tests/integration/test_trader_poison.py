"""The poison rule on the real path: an input the engine raises on, the same error again, SAFE; and a strategy's own
exception, which stops that strategy alone.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import commands as c
from core import events as e
from core import records as r
from core.errors import Bug
from core.latches import ACCOUNT, PROCESS
from core.ledger import Execution
from core.money.state import Money
from core.orders import State
from core.parents import Parent, ParentState
from daemon import app
from daemon.control.operations import TraderOperations
from daemon.recovery import verify_replay
from daemon.runner import StepError
from execution.executor import ChaseExecutor
from strategies.meanrev.strategy import MeanReversion
from tests.fakes.trader import Rig, Slow, frame_records, install

Broken = Callable[[Parent], bool]
HOUR_NS = 3_600 * 10**9


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feeds and tables in this process."""
    install(monkeypatch)


def break_executor(patch: pytest.MonkeyPatch, broken: Broken, text: str = "broken") -> None:
    """The executor raises on a schedule of which `broken` says so."""
    act = ChaseExecutor.act

    def raising(self: ChaseExecutor, parent: Parent, ts_ns: int) -> Any:
        if broken(parent):
            raise ZeroDivisionError(text)
        return act(self, parent, ts_ns)

    patch.setattr(ChaseExecutor, "act", raising)


def filled(parent: Parent) -> bool:
    """The third schedule has its first fill."""
    return parent.parent_id >= 3 and parent.filled_nanos > 0


def acknowledged(parent: Parent) -> bool:
    """The third schedule has a fill, and its next child is on the book."""
    return parent.parent_id >= 3 and parent.filled_nanos > 0 and parent.child > 0


def begins(parent: Parent) -> bool:
    """The fourth schedule is about to place its first child, on a market row."""
    return parent.parent_id >= 4 and parent.children == 0


def failures(rig: Rig) -> list[e.StepFailed]:
    """Every StepFailed of the journal."""
    return [x for _, x in rig.records(r.INPUT) if type(x) is e.StepFailed]


def fail(rig: Rig, broken: Broken, text: str = "broken") -> None:
    """One run that ends by the poison rule."""
    with pytest.MonkeyPatch.context() as patch:
        break_executor(patch, broken, text)
        with pytest.raises(StepError, match=text):
            rig.run()


@pytest.mark.parametrize("broken", [filled, acknowledged, begins])
def test_the_input_and_the_error_are_journalled_and_everything_is_cancelled(tmp_path: Path, broken: Broken) -> None:
    """The last frame is the input with StepFailed; the next start finds money state with the input and no order."""
    rig = Rig(tmp_path)
    fail(rig, broken)
    last = frame_records(rig.journal)[-1]
    assert {record.kind for record in last} <= {r.ROWS, r.INPUT}, "a half-done step left a command"
    failed = r.decode(r.INPUT, last[-1].payload)
    assert isinstance(failed, e.StepFailed)
    assert failed.error == "ZeroDivisionError: broken"
    assert failed.failed_seq == last[-2].last_seq

    machine = rig.recover().machine
    money = machine.engine.money
    if broken is filled:
        fill = r.decode(r.INPUT, last[-2].payload)
        assert isinstance(fill, e.OrderFilled)
        assert fill.exec_id in money.ledger.executions
        money.ledger.assert_identity()
    working = [order.order_id for order in money.live_orders.values()]
    assert all(money.orders[order_id].state is State.CANCELLING for order_id in working)
    assert working or broken is not acknowledged
    assert machine.exchange is not None
    answers = []
    while fact := machine.exchange.pop_due(machine.engine.ts_ns + 10**9):
        answers.append(fact[1])
    gone = [x.order_id for x in answers if isinstance(x, e.OrderCancelled)]
    assert gone == working, "the recovered venue was not told of the last cancel"

    again = rig.run()
    orders = again.active_runner.money.orders
    assert all(orders[order_id].state is State.CANCELLED for order_id in working)
    assert not again.active_runner.money.latches.held(), "one failure alone does not halt"
    for parent in again.active_runner.money.parents.values():
        assert parent.state is not ParentState.DONE or parent.filled_nanos == parent.qty_nanos
    assert verify_replay(rig.journal).difference == ""


def test_the_process_ends_with_one_line_and_exit_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`quantd run` says what happened and what to do; no traceback, no summary."""
    rig = Rig(tmp_path)
    break_executor(monkeypatch, filled)
    assert app.main(["run", "--config", str(rig.config_path), "--json"]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    line = err.splitlines()[-1]
    assert "Traceback" not in err
    assert "broken" in line
    assert "start again" in line


def test_the_same_error_twice_within_an_hour_is_safe(tmp_path: Path) -> None:
    """SAFE: no strategy, no schedule, no order; status and kill work, resume does not; a stop on purpose ends it."""
    rig = Rig(tmp_path)
    fail(rig, filled)
    fail(rig, filled)
    assert len(failures(rig)) == 2
    sent = len([x for _, x in rig.records(r.COMMAND) if type(x) in (c.PlaceOrder, c.ReplaceOrder)])
    seen: list[str] = []

    def look(trader: Slow) -> None:
        operations, money = TraderOperations(trader), trader.active_runner.money
        if seen:
            return
        seen.append("looked")
        assert money.safe
        assert [latch.code for latch in money.latches.held(PROCESS)] == ["SAFE"]
        assert operations.status().safe
        scope: dict[str, Any] = {"level": ACCOUNT, "scope": "", "reason": "r", "operator": "ann"}
        assert "SAFE" in operations.operate(e.OperatorResumed(**scope)).text
        assert operations.operate(e.OperatorKilled(**scope)).ok
        assert any(blocker["code"] == "SAFE" for blocker in operations.why_not("AAA"))

    with pytest.MonkeyPatch.context() as patch:
        break_executor(patch, filled)  # it still would: whatever raised is not asked again
        third = rig.run(look)
    assert seen
    assert all(kill.verified_ns for kill in third.active_runner.money.kills)
    assert len([x for _, x in rig.records(r.COMMAND) if type(x) in (c.PlaceOrder, c.ReplaceOrder)]) == sent
    decided = [seq for seq, x in rig.records(r.NOTE) if type(x).__name__ == "Decision"]
    assert not decided or decided[-1] < rig.records(r.INPUT)[-1][0]
    assert verify_replay(rig.journal).difference == ""


def test_safe_stays_until_a_stop_on_purpose(tmp_path: Path) -> None:
    """A SAFE trader that is killed comes back SAFE; one that was stopped comes back halted, and can be resumed."""
    rig = Rig(tmp_path)
    fail(rig, filled)
    fail(rig, filled)

    def kill9(trader: Slow) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rig.run(kill9)
    stopped = rig.run(lambda trader: trader.request_stop("test"))
    assert stopped.active_runner.money.safe
    replies: list[bool] = []

    def resume(trader: Slow) -> None:
        if not replies:
            assert [latch.code for latch in trader.active_runner.money.latches.held()] == ["SAFE"]
            event = e.OperatorResumed(level=ACCOUNT, scope="", reason="mended", operator="ann")
            replies.append(TraderOperations(trader).operate(event).ok)

    last = rig.run(resume)
    assert replies == [True]
    assert not last.active_runner.money.safe
    assert not last.active_runner.money.latches.held()


def test_another_error_is_not_the_same(tmp_path: Path) -> None:
    """Two different errors within an hour: no SAFE."""
    rig = Rig(tmp_path)
    fail(rig, filled, "one")
    fail(rig, filled, "two")
    assert not rig.recover().safe


def test_the_same_error_after_an_hour_is_not_safe(tmp_path: Path) -> None:
    """An hour of the tape between them."""
    rig = Rig(tmp_path)
    fail(rig, filled)
    first_ns = rig.recover().machine.engine.ts_ns
    fail(rig, lambda parent: parent.filled_nanos > 0 and parent.start_ts_ns > first_ns + HOUR_NS)
    assert not rig.recover().safe


def test_an_operators_command_that_breaks_the_engine_ends_the_trader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rule: journalled, cancelled, out; nothing is stepped on an engine that raised."""
    from core.engine import table

    rig = Rig(tmp_path)

    def raising(engine: Any, event: Any) -> None:
        raise ZeroDivisionError("broken")

    monkeypatch.setitem(table.HANDLERS, e.OperatorHalted, raising)
    replies: list[Any] = []

    def look(trader: Slow) -> None:
        event = e.OperatorHalted(level=ACCOUNT, scope="", reason="r", operator="ann")
        replies.append(TraderOperations(trader).operate(event))

    with pytest.raises(StepError):
        rig.run(look)
    assert [reply.ok for reply in replies] == [False]
    last = r.decode(r.INPUT, frame_records(rig.journal)[-1][-1].payload)
    assert isinstance(last, e.StepFailed)


@pytest.mark.parametrize("how", ["park", "hold", "flatten"])
def test_a_strategys_exception_disables_that_strategy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The trader goes on; park pauses schedules, hold lets them end, flatten closes by reduce-only orders alone."""
    rig = Rig(tmp_path, on_disable=how)
    decide = MeanReversion.decide
    asked = 0

    def raising(self: MeanReversion, ts_ns: int, inst: int) -> Any:
        nonlocal asked
        asked += 1
        if asked == 12:
            raise KeyError("broken")
        return decide(self, ts_ns, inst)

    monkeypatch.setattr(MeanReversion, "decide", raising)
    run = rig.run()
    assert asked == 12, "a disabled strategy is not asked"
    money = run.active_runner.money
    book = money.ledger.book_of("reversion")
    assert not book.enabled
    assert "KeyError" in book.disabled_reason
    assert failures(rig) == []
    disabled_at = next(seq for seq, x in rig.records(r.COMMAND) if type(x) is c.SetStrategy)
    after = [x.order for seq, x in rig.records(r.COMMAND) if seq > disabled_at and type(x) is c.PlaceOrder]
    if how == "flatten":
        assert all(order.reduce_only for order in after)
        assert not any(position.qty_nanos for position in money.ledger.positions.values())
    if how == "park":
        assert not after
        assert not money.live_orders


def test_an_input_that_breaks_the_books_themselves_starts_safe(tmp_path: Path) -> None:
    """The fold raises on the poisoned input at recovery too: it is left out, and the start is SAFE at once."""
    rig = Rig(tmp_path)
    book = Money.book
    bad: list[int] = []

    def raising(self: Money, execution: Execution) -> bool:
        if execution.order_id >= 3 and (not bad or self.seq == bad[0]):
            bad.append(self.seq)
            raise Bug("the books cannot take this")
        return book(self, execution)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Money, "book", raising)
        with pytest.raises(StepError, match="cannot take this"):
            rig.run()
        again = rig.run(lambda trader: trader.request_stop("seen"))
    assert again.active_runner.money.safe
    assert bad == [bad[0], bad[0]], "once in the run, once at recovery"
    assert "SAFE" in [latch.code for latch in again.active_runner.money.latches.held()]
