"""Taking over an account that held something before the trader did: the real trader, through its socket's words."""

from pathlib import Path
from typing import Any

import pytest

from core import commands as c
from core import events as e
from core import records as r
from core.latches import ACCOUNT
from core.ledger import UNCLAIMED
from daemon.control import messages as m
from daemon.control.operations import TraderOperations
from daemon.recovery import verify_replay
from tests.fakes import operators
from tests.fakes.trader import Rig, Slow, install

pytestmark = pytest.mark.slow
SHARE = 10**9
HELD = "[venue]\npositions = [[0, 1_000_000_000_000, 24_500_000_000], [1, -50_000_000_000, 181_000_000_000]]\n"
RESUME = e.OperatorResumed(level=ACCOUNT, scope="", reason="adopted", operator="ann")
Request = m.Adopt | m.GetAdoption


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feeds and tables in this process."""
    install(monkeypatch)


def ask(trader: Slow, command: str, **fields: Any) -> dict[str, Any]:
    """One signed request to the trader's own control server."""
    return operators.ask(trader.control, command, **fields)


class Adopting:
    """Waits for the halt of the first sync, adopts, and resumes after the next sync."""

    def __init__(self, request: dict[str, Any], *, cash_nanos: int = 0) -> None:
        self.request = request
        self.cash_nanos = cash_nanos
        self.shown: dict[str, Any] = {}
        self.refused: list[str] = []
        self.steps: list[str] = []
        self.equity_before = self.equity_after = 0
        self.sync_id = 0

    def __call__(self, trader: Slow) -> None:
        """Look at the trader between slices."""
        runner = trader.active_runner
        money, engine = runner.money, runner.engine
        if not self.steps and money.differences and all(engine.market.mark_nanos(inst) for inst in (0, 1)):
            self.steps.append("halted")
            assert "RECONCILE" in [latch.code for latch in money.latches.held()]
            self.shown = ask(trader, "adoption")["result"]
            for wrong in self.wrong():
                answer = ask(trader, "adopt", **wrong)
                assert not answer["ok"], wrong
                self.refused.append(answer["error"])
            assert money.differences, "a refused adoption must book nothing"
            profit = money.equity_nanos - money.day_base_equity_nanos
            answer = self.confirmed(trader, "adopt", **self.request)
            assert answer["ok"], answer
            money.ledger.assert_identity()
            assert money.equity_nanos - money.day_base_equity_nanos == profit, "adopting is no profit"
            assert not money.differences
            self.sync_id = money.last_sync_id
        elif self.steps == ["halted"] and money.last_sync_id > self.sync_id:
            self.steps.append("synced")
            assert not money.differences
            assert not money.cash_difference_nanos
            assert [latch.code for latch in money.latches.held()] == ["RECONCILE"], "nothing trades before the resume"
            assert self.confirmed(trader, "resume", reason="adopted")["ok"]

    def confirmed(self, trader: Slow, command: str, **fields: Any) -> dict[str, Any]:
        """The answer to the last of as many persons as the config asks for; before that nothing is done."""
        answer = ask(trader, command, **fields)
        if trader.config.authority.persons == 2:
            assert "waiting for a second person" in answer["result"]
            assert trader.active_runner.money.latches.held()
            answer = operators.ask(trader.control, command, prover=operators.BOB, **fields)
        return answer

    def wrong(self) -> list[dict[str, Any]]:
        """Requests that must be refused."""
        good = {"reason": "r", "at": "average"}
        first = {"symbol": "AAA", "qty": "1000", "strategy": "reversion"}
        return [
            good,
            good | {"positions": [first | {"qty": "999"}]},
            good | {"positions": [first | {"strategy": "nobody"}]},
            good | {"positions": [first | {"symbol": "ZZZ"}]},
            good | {"positions": [first, first]},
            good | {"positions": [first], "cash": "77"},
            good | {"positions": [first], "at": "guess"},
            good | {"positions": [first | {"qty": "1e40"}]},
            {"positions": [first], "reason": " "},
        ]


def position(trader: Slow, strategy: str, inst: int) -> tuple[int, int]:
    """Quantity and cost of one book."""
    held = trader.active_runner.money.ledger.positions[strategy, inst]
    return held.qty_nanos, held.cost_nanos


def test_adopting_gives_positions_to_books_and_a_resume_trades_on(tmp_path: Path) -> None:
    """At average cost, one position to a strategy and one to nobody; synced, resumed, traded on, replayed: by two
    persons.
    """
    rig = Rig(tmp_path, more=HELD, events_per_second=0.06, persons=2)
    adopting = Adopting(
        {
            "reason": "first start",
            "at": "average",
            "positions": [
                {"symbol": "AAA", "qty": "1000", "strategy": "reversion"},
                {"symbol": "CCC", "qty": "-50"},
            ],
        }
    )
    costs: list[tuple[int, int]] = []

    def look(trader: Slow) -> None:
        before = list(adopting.steps)
        adopting(trader)
        if not before and adopting.steps:
            costs.extend((position(trader, "reversion", 0), position(trader, UNCLAIMED, 1)))

    ended = rig.run(look)
    assert adopting.steps == ["halted", "synced"]
    shown = {row["symbol"]: row for row in adopting.shown["positions"]}
    assert (shown["AAA"]["broker"], shown["AAA"]["ours"], shown["AAA"]["average_cost"]) == ("1000", "0", "24.5")
    assert (shown["CCC"]["new"], shown["CCC"]["average_cost"]) == ("-50", "181")
    assert costs == [(1_000 * SHARE, 24_500 * SHARE), (-50 * SHARE, -9_050 * SHARE)]
    assert len(adopting.refused) == 9
    assert "not 999" in adopting.refused[1]
    ledger = ended.active_runner.money.ledger
    ledger.assert_identity()
    assert ledger.held_nanos(UNCLAIMED, 1) == -50 * SHARE
    moved = [x for _, x in rig.records(r.COMMAND) if type(x) is c.TransferPosition]
    assert [(x.inst, x.strategy, x.reason) for x in moved] == [
        (0, "reversion", "ann and bob: first start"),
        (1, "", "ann and bob: first start"),
    ]
    targets = [x.qty_nanos for _, x in rig.records(r.COMMAND) if type(x) is c.SetTarget and x.inst == 0]
    assert targets[0] == 1_000 * SHARE, "the strategy stands where it was put"
    assert len(targets) > 1, "and goes on from there"
    assert verify_replay(rig.journal).difference == ""


def test_cash_beyond_the_books_is_a_deposit(tmp_path: Path) -> None:
    """At the present price, with more cash at the broker than the config says: neither is profit."""
    rig = Rig(tmp_path, more=HELD, events_per_second=0.06)
    adopting = Adopting({"reason": "all mine", "at": "mark", "cash": "250000"})
    paid: list[bool] = []

    def look(trader: Slow) -> None:
        exchange = trader.active_runner.machine.exchange
        assert exchange is not None
        if not paid:
            paid.append(True)
            exchange.account.state.cash_nanos["USD"] += 250_000 * SHARE
        if trader.active_runner.money.cash_difference_nanos or adopting.steps:
            positions = [{"symbol": "AAA", "qty": "1000", "strategy": "reversion"}, {"symbol": "CCC", "qty": "-50"}]
            adopting.request["positions"] = positions
            adopting(trader)

    ended = rig.run(look)
    assert adopting.steps == ["halted", "synced"]
    assert adopting.shown["cash_difference"] == "250000"
    money = ended.active_runner.money
    money.ledger.assert_identity()
    booked = [x for _, x in rig.records(r.COMMAND) if type(x) is c.AdjustCash]
    assert [(x.amount_nanos, x.kind) for x in booked] == [(250_000 * SHARE, "deposit")]
    assert abs(money.equity_nanos - money.high_water_nanos) < 50_000 * SHARE, "the deposit is in the high-water mark"
    assert verify_replay(rig.journal).difference == ""


def test_what_was_nobodys_can_be_given_later(tmp_path: Path) -> None:
    """Acknowledged into the book of nobody first; adopting hands it over with its cost, the account does not move."""
    rig = Rig(tmp_path, more=HELD, events_per_second=0.06)
    steps: list[str] = []

    def look(trader: Slow) -> None:
        runner = trader.active_runner
        money = runner.money
        if not steps and money.differences and all(runner.engine.market.mark_nanos(inst) for inst in (0, 1)):
            steps.append("acknowledged")
            seen = e.DifferenceAcknowledged(sync_id=money.difference_sync_id, reason="r", operator="ann")
            assert TraderOperations(trader).operate(seen).ok
            cost = position(trader, UNCLAIMED, 0)
            equity = money.ledger.equity_nanos(runner.engine.exposure.marks)
            given = {"symbol": "AAA", "qty": "1000", "strategy": "reversion"}
            assert ask(trader, "adopt", reason="its own", positions=[given])["ok"]
            assert position(trader, "reversion", 0) == cost
            assert position(trader, UNCLAIMED, 0) == (0, 0)
            assert money.ledger.equity_nanos(runner.engine.exposure.marks) == equity
            money.ledger.assert_identity()
            runner.step(e.LinkDegraded(code=1100, reason="test"), runner.now_ns)
            assert "not READY" in ask(trader, "adopt", reason="again", positions=[given])["error"]
            trader.request_stop("test")

    rig.run(look)
    assert steps == ["acknowledged"]
    assert verify_replay(rig.journal).difference == ""
