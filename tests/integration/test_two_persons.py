"""Control 41 in the real trader: what needs two persons is not done by one, survives a kill -9, and replays alike."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker.sim.account import Position
from core import commands as c
from core import events as e
from core import notes as n
from core import records as r
from core.engine.authority import APPROVAL_NS
from core.latches import ACCOUNT, HALTED, REDUCING
from daemon.control.operations import TraderOperations
from daemon.recovery import deploy_digest, verify_replay
from tests.fakes.operators import ANN, BOB, ask
from tests.fakes.trader import Rig, Slow, install

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)


def once(action: Callable[[Slow], None], *, after_rows: int = 200) -> Callable[[Slow], None]:
    """Act one time."""
    done: list[bool] = []

    def look(trader: Slow) -> None:
        if not done and trader.active_runner.rows_done > after_rows:
            done.append(True)
            action(trader)

    return look


def latches(trader: Slow) -> list[str]:
    """Codes of what is held."""
    return [latch.code for latch in trader.active_runner.money.latches.held()]


def waits(answer: dict[str, Any]) -> bool:
    """Taken, and waiting for somebody else."""
    return bool(answer["ok"]) and "waiting for a second person" in answer["result"]


def fact(trader: Slow, event: Any) -> None:
    """Something happens now."""
    trader.active_runner.step(event, trader.driver.catch_up())


def test_one_person_cannot_resume_an_account(tmp_path: Path) -> None:
    """The first word waits, the same person's second is refused, another person's lifts: both names are journalled."""
    rig = Rig(tmp_path, persons=2)

    def story(trader: Slow) -> None:
        assert ask(trader.control, "halt", reason="look")["ok"]
        assert waits(ask(trader.control, "resume", reason="all is well"))
        assert latches(trader) == ["HALT"]
        again = ask(trader.control, "resume", reason="all is well, really")
        assert (again["ok"], again["refused"], "another operator" in again["error"]) == (False, True, True)
        unproven = e.OperatorResumed(level=ACCOUNT, scope="", reason="r", operator="eve", authority="unsigned")
        assert "each with a signature" in TraderOperations(trader).operate(unproven).text
        assert latches(trader) == ["HALT"]
        done = ask(trader.control, "resume", prover=BOB, reason="I see the same")
        assert done["ok"], done
        assert "resumed" in done["result"]
        assert latches(trader) == []
        assert trader.active_runner.money.approvals == []

    rig.run(once(story))
    moves = [x for _, x in rig.records(r.COMMAND) if type(x) is c.MoveLadder]
    assert [(x.state, x.by) for x in moves] == [(HALTED, "ann"), (0, "ann and bob")]
    answers = [(x.command, x.operator, x.second, x.ok) for _, x in rig.records(r.NOTE) if type(x) is n.Answered]
    assert answers == [
        ("OperatorHalted", "ann", "", True),
        ("OperatorResumed", "ann", "", True),
        ("OperatorResumed", "ann", "", False),
        ("OperatorResumed", "eve", "", False),
        ("OperatorResumed", "bob", "ann", True),
    ]
    assert verify_replay(rig.journal).difference == ""


def test_what_the_first_person_saw_is_what_the_second_confirms(tmp_path: Path) -> None:
    """A cause that came in between, or more than ten minutes, and both have to look again."""
    rig = Rig(tmp_path, persons=2, events_per_second=0.05)
    until: list[int] = []

    def other(trader: Slow) -> None:
        now_ns = trader.active_runner.now_ns
        if not until:
            assert ask(trader.control, "halt", reason="look")["ok"]
            assert waits(ask(trader.control, "resume", reason="r"))
            fact(trader, e.TriggerFired(name="SLIPPAGE", level=ACCOUNT, scope="", state=REDUCING, value="9"))
            assert ask(trader.control, "kill", reason="worse")["ok"]
            until.append(now_ns + APPROVAL_NS // 2)
        elif len(until) == 1 and now_ns > until[0]:
            assert waits(ask(trader.control, "resume", prover=BOB, reason="r")), "bob saw a kill that ann did not"
            until.append(now_ns + APPROVAL_NS + 1)
        elif len(until) == 2 and now_ns > until[1]:
            assert waits(ask(trader.control, "resume", reason="r")), "bob's word is out of date"
            assert "KILL" in latches(trader)
            until.append(0)

    rig.run(other)
    assert len(until) == 3
    assert verify_replay(rig.journal).difference == ""


def test_an_approval_survives_a_crash(tmp_path: Path) -> None:
    """Money state: bob may come after the restart, and still as the second."""
    rig = Rig(tmp_path, persons=2)

    def first(trader: Slow) -> None:
        assert ask(trader.control, "halt", reason="look")["ok"]
        assert waits(ask(trader.control, "resume", reason="r"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rig.run(once(first))

    def second(trader: Slow) -> None:
        assert [x.operator for x in trader.active_runner.money.approvals] == ["ann"]
        assert "resumed" in ask(trader.control, "resume", prover=BOB, reason="r")["result"]

    rig.run(once(second, after_rows=0))
    assert verify_replay(rig.journal).difference == ""


def test_acknowledging_takes_two_who_saw_the_same(tmp_path: Path) -> None:
    """The next sync's report has another number and the same difference: the second person confirms that."""
    rig = Rig(tmp_path, persons=2, events_per_second=0.1)

    def shares_appear(trader: Slow) -> None:
        exchange = trader.active_runner.machine.exchange
        assert exchange is not None
        exchange.account.state.positions.setdefault(1, Position()).qty_nanos += 7 * 10**9
        trader.request_stop("test")

    rig.run(once(shares_appear))
    syncs: list[int] = []

    def look(trader: Slow) -> None:
        money = trader.active_runner.money
        # An exit that a halt leaves on the book may trade yet, and that is another difference.
        ours = f"ours {money.ledger.holdings[1] // 10**9},"
        still = not money.live_orders and any(ours in one.text for one in money.differences)
        if not syncs and still and trader.active_runner.engine.market.mark_nanos(1):
            assert waits(ask(trader.control, "acknowledge", sync_id=money.difference_sync_id, reason="r"))
            assert latches(trader) == ["RECONCILE"]
            syncs.append(money.difference_sync_id)
        elif len(syncs) == 1 and money.difference_sync_id != syncs[0]:
            syncs.append(money.difference_sync_id)
            done = ask(trader.control, "acknowledge", prover=BOB, sync_id=syncs[1], reason="r")
            assert "difference acknowledged" in done["result"]
            assert latches(trader) == []

    rig.run(look)
    assert len(syncs) == 2
    assert verify_replay(rig.journal).difference == ""


def test_arming_takes_two_and_a_strategy_one(tmp_path: Path) -> None:
    """A changed config is armed by two persons; at the level of a strategy one is enough."""
    rig = Rig(tmp_path, persons=2)

    def stop(trader: Slow) -> None:
        assert ask(trader.control, "halt", reason="look", strategy="reversion")["ok"]
        assert "resumed" in ask(trader.control, "resume", reason="r", strategy="reversion")["result"]
        trader.request_stop("test")

    rig.run(once(stop))
    rig.config_path.write_text(rig.config_path.read_text().replace("gross_max = 250_000", "gross_max = 240_000"))

    def arm(trader: Slow) -> None:
        digest = deploy_digest(trader.tables)
        wrong = ask(trader.control, "arm", digest="0" * 32, reason="r")
        assert "not what runs" in wrong["error"]
        assert waits(ask(trader.control, "arm", digest=digest, reason="r"))
        assert latches(trader) == ["DEPLOY"]
        assert ask(trader.control, "arm", prover=BOB, digest=digest, reason="r")["result"] == "armed"

    rig.run(once(arm, after_rows=0))
    refused = [x for _, x in rig.records(r.INPUT) if type(x) is e.CommandRefused]
    assert [(x.command, x.operator, x.authority) for x in refused] == [("arm", "ann", f"signed:{ANN.key_id}")]
    assert verify_replay(rig.journal).difference == ""


def test_a_live_account_is_armed_before_it_trades(tmp_path: Path) -> None:
    """Its first start is halted like a changed program: nobody has confirmed what runs there."""
    rig = Rig(tmp_path, persons=2)

    def first_start(trader: Slow) -> None:
        started = e.TraderStarted(
            epoch=trader.active_runner.money.epoch, mode="live", ended="new", after_crash="halted", guard_fired=False,
            changed="", venue_in_process=True,
        )  # fmt: skip
        fact(trader, started)
        assert latches(trader) == ["DEPLOY"]
        assert "quantd arm" in ask(trader.control, "resume", reason="r")["error"]
        assert waits(ask(trader.control, "arm", digest=deploy_digest(trader.tables), reason="r"))
        assert ask(trader.control, "arm", prover=BOB, digest=deploy_digest(trader.tables), reason="r")["ok"]
        assert latches(trader) == []
        trader.request_stop("test")

    rig.run(once(first_start))
