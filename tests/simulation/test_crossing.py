"""Two strategies that want opposite things of one symbol, against the whole trader and its venue: books that cross, one
order of what is left, and whatever may happen in between; checkers.py says what must hold.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from core import commands as c
from core import events as e
from core import records as r
from core.book_commands import CROSS, CrossBooks
from core.ids import BUY, SELL
from core.latches import ACCOUNT, HALTED, STRATEGY, SYMBOL
from core.money.fold import fold_command, fold_input, fold_outcome
from core.money.snapshot import dump
from core.money.state import Money
from core.parents import ParentState
from core.units import NANO, notional_nanos
from daemon.build import money_settings
from daemon.journal import JournalReader
from tests.simulation.opposed import IMMEDIATE, Script, opposed, told
from tests.simulation.rig import Rig
from tests.simulation.run import report
from tests.simulation.schedule import APART, COLD, MS, RESTEPPED, SHARED, Act, Schedule
from tests.simulation.shrink import failure_in
from tests.simulation.test_algos import trouble
from tests.simulation.world import START_NS

OPPOSITE: Script = {"alpha": ((5_000, 200),), "beta": ((5_000, -80),)}
SLOWLY: dict[str, Any] = {"algo": "twap", "params": {"duration_s": 12, "slices": 3}, "patience": 0.9}
_FOLDS: dict[int, Any] = {r.INPUT: fold_input, r.COMMAND: fold_command, r.OUTCOME: fold_outcome}


def begun(directory: Path, schedule: Schedule | None = None) -> Rig:
    """A rig whose trader has started."""
    rig = Rig(schedule or Schedule(seed=3), directory)
    rig._start(ended="new", ts_ns=START_NS)
    return rig


def to(rig: Rig, at_ms: int) -> None:
    """The tape up to a moment after the start."""
    rig._run_to(START_NS + at_ms * MS)


def until_sent(rig: Rig) -> None:
    """To the moment at which an order is on its way."""
    at_ms = 5_000
    while not rig.money.live_orders:
        at_ms += 1
        assert at_ms < 20_000, "nothing was sent"
        to(rig, at_ms)


def holds(rig: Rig) -> tuple[int, int, int]:
    """Shares of alpha, of beta and of the account."""
    ledger = rig.money.ledger
    ledger.assert_identity()
    return (
        ledger.held_nanos("alpha", 0) // NANO,
        ledger.held_nanos("beta", 0) // NANO,
        ledger.holdings[0] // NANO,
    )


def folded(rig: Rig) -> bytes:
    """The books as the journal alone tells them: no strategy, desk or gate runs."""
    money = Money(money_settings(rig.config))
    for record in JournalReader(rig.directory).messages():
        if record.kind in _FOLDS:
            _FOLDS[record.kind](money, record.seq, record.ts_ns, r.decode(record.kind, record.payload))
            money.odds.clear()
    money.ts_ns = rig.money.ts_ns  # market rows move it on
    return dump(money)


@pytest.fixture
def rigs() -> Iterator[list[Rig]]:
    """Their journals are closed in the end."""
    made: list[Rig] = []
    yield made
    for rig in made:
        rig.runner.journal.close()


@pytest.mark.slow
def test_opposite_targets_are_one_net_order_and_two_honest_books(tmp_path: Path, rigs: list[Rig]) -> None:
    """80 of 200 come from the other book at the mid; 120 are bought. Cash, costs and profits are exact, and the journal
    gives the same books: folded, stepped again, and after a crash.
    """
    with opposed(OPPOSITE, alpha=IMMEDIATE, beta=IMMEDIATE):
        rig = begun(tmp_path / "journal")
        rigs.append(rig)
        to(rig, 20_000)
        assert holds(rig) == (200, -80, 120)
        (cross,) = told(rig, CrossBooks)
        orders = [(x.order.intent.strategy, x.order.intent.side, x.order.intent.qty_nanos)
                  for x in told(rig, c.PlaceOrder)]  # fmt: skip
        assert orders == [("alpha", BUY, 120 * NANO)]
        assert (cross.buyer, cross.seller, cross.qty_nanos) == ("alpha", "beta", 80 * NANO)
        assert 2 * cross.px_nanos == cross.bid_px_nanos + cross.ask_px_nanos
        assert cross.bid_px_nanos < cross.ask_px_nanos
        ledger, value = rig.money.ledger, notional_nanos(cross.px_nanos, 80 * NANO)
        fills = told(rig, e.OrderFilled)
        paid = sum(notional_nanos(fill.px_nanos, fill.qty_nanos) for fill in fills)
        fees = sum({fee.exec_id: fee.commission_nanos for fee in told(rig, e.CommissionReported)}.values())
        assert fees > 0
        assert ledger.cash["USD"] == 1_000_000 * NANO - paid - fees
        assert ledger.position("alpha", 0).cost_nanos == paid + value
        assert ledger.position("beta", 0).cost_nanos == -value
        assert (ledger.position("alpha", 0).fees_nanos, ledger.position("beta", 0).fees_nanos) == (fees, 0)
        parents = [(p.strategy, p.algo, p.state, p.filled_nanos, p.crossed_nanos) for p in rig.money.parents.values()]
        done = ParentState.DONE
        assert parents == [
            ("alpha", CROSS, done, 80 * NANO, 80 * NANO),
            ("beta", CROSS, done, 80 * NANO, 80 * NANO),
            ("alpha", "immediate", done, 120 * NANO, 0),
        ]
        before = dump(rig.money)
        assert folded(rig) == before
        rig.crash = Act(at_ms=20_000, kind="crash", point="between", opinion=RESTEPPED)
        rig._crash()  # every record is stepped again; a command that differs raises
        assert holds(rig) == (200, -80, 120)
        to(rig, 25_000)
        assert len(told(rig, CrossBooks)) == 1
        assert len(told(rig, c.PlaceOrder)) == 1


@pytest.mark.slow
def test_without_crossing_they_take_turns(tmp_path: Path, rigs: list[Rig]) -> None:
    """The default: the second waits for the first, so that two orders of ours never meet; then it trades."""
    with opposed(OPPOSITE, on=False, alpha=SLOWLY, beta=IMMEDIATE):
        rig = begun(tmp_path / "journal")
        rigs.append(rig)
        to(rig, 7_000)
        assert rig.machine.engine.blocked["beta", 0].startswith("alpha is trading the other way")
        to(rig, 30_000)
        assert holds(rig) == (200, -80, 120)
        assert told(rig, CrossBooks) == []
        by_strategy = {x.order.intent.strategy for x in told(rig, c.PlaceOrder)}
        assert by_strategy == {"alpha", "beta"}
        ends = {p.strategy: p.story[-1][1] for p in rig.money.parents.values()}
        first = min(o.sent_ts_ns for o in rig.money.orders.values() if o.strategy == "beta")
        assert first >= ends["alpha"]


@pytest.mark.slow
@pytest.mark.parametrize("point", ["before commit", "before dispatch", "within dispatch"])
def test_a_crash_between_cross_and_order(tmp_path: Path, rigs: list[Rig], point: str) -> None:
    """They are one frame of the journal: either neither happened and both do now, or both did and the order goes on."""
    with opposed(OPPOSITE, alpha=IMMEDIATE, beta=IMMEDIATE):
        rig = begun(tmp_path / "journal")
        rigs.append(rig)
        to(rig, 4_900)
        rig.crash = Act(at_ms=4_900, kind="crash", point=point, opinion=RESTEPPED)
        rig.runner.armed = point
        to(rig, 20_000)
        assert rig.watch.counts["crashes"] == 1
        assert holds(rig) == (200, -80, 120)
        assert len(told(rig, CrossBooks)) == 1
        assert folded(rig) == dump(rig.money)


@pytest.mark.slow
@pytest.mark.parametrize("opinion", [RESTEPPED, COLD])
def test_a_crash_whose_order_never_left(tmp_path: Path, opinion: str) -> None:
    """The broker lives on and never saw the order: it is settled as lost, a person resumes, and the rest is sent anew.
    The cross stands all the while, and the broker's books agree with ours.
    """
    acts = (
        Act(at_ms=24_900, kind="crash", point="before dispatch", opinion=opinion, down_ms=900),
        Act(at_ms=130_000, kind="resume", level=ACCOUNT),
    )
    later: Script = {name: tuple((25_000, shares) for _, shares in wants) for name, wants in OPPOSITE.items()}
    with opposed(later, alpha=IMMEDIATE, beta=IMMEDIATE):
        rig = Rig(Schedule(seed=3, venue=APART, acts=acts), tmp_path / "journal")
        watch = rig.play()
    assert watch.counts["crashes"] == 1
    assert [order.outcome for order in told(rig, c.SettleOrder)] == ["lost"]
    assert len(told(rig, CrossBooks)) == 1
    assert len(told(rig, c.PlaceOrder)) == 2
    assert holds(rig) == (200, -80, 120)


@pytest.mark.slow
@pytest.mark.parametrize(("level", "scope"), [(ACCOUNT, ""), (SYMBOL, "AAA"), (STRATEGY, "alpha"), (STRATEGY, "beta")])
def test_a_kill_in_between(tmp_path: Path, rigs: list[Rig], level: int, scope: str) -> None:
    """What crossed stays, the order for the rest is cancelled, and whoever is halted is not crossed with."""
    script: Script = {"alpha": ((5_000, 200), (9_000, -200)), "beta": ((5_000, -80), (9_000, 200))}
    with opposed(script, alpha=SLOWLY, beta=SLOWLY):
        rig = begun(tmp_path / "journal")
        rigs.append(rig)
        until_sent(rig)
        assert holds(rig) == (80, -80, 0)
        rig.runner.step(e.OperatorKilled(level=level, scope=scope, reason="enough", operator="ann"), rig.runner.now_ns)
        to(rig, 20_000)
        killed = [name for name in ("alpha", "beta")
                  if rig.money.latches.effective(strategy=name, symbol="AAA") == HALTED]  # fmt: skip
        assert killed == ([scope] if level == STRATEGY else ["alpha", "beta"])
        assert len(told(rig, CrossBooks)) == 1
        assert not any(order.strategy in killed for order in rig.money.live_orders.values())
        held = holds(rig)
        assert "beta" not in killed or held[1] == -80
        assert held[0] + held[1] == held[2]
        assert folded(rig) == dump(rig.money)


@pytest.mark.slow
def test_a_running_schedule_gives_what_is_not_at_the_broker(tmp_path: Path, rigs: list[Rig]) -> None:
    """Decided seconds apart: what the schedule has not sent yet crosses, counts, and is never sent."""
    script: Script = {"alpha": ((5_000, 240),), "beta": ((6_000, -100),)}
    with opposed(script, alpha=SLOWLY, beta=IMMEDIATE):
        rig = begun(tmp_path / "journal")
        rigs.append(rig)
        to(rig, 10_000)
        (cross,) = told(rig, CrossBooks)
        parent = rig.money.parents[cross.buyer_parent]
        assert (parent.algo, parent.crossed_nanos, cross.qty_nanos) == ("twap", 100 * NANO, 100 * NANO)
        to(rig, 30_000)
        assert holds(rig) == (240, -100, 140)
        assert {x.order.intent.strategy for x in told(rig, c.PlaceOrder)} == {"alpha"}
        assert (parent.state, parent.filled_nanos) == (ParentState.DONE, 240 * NANO)
        assert sum(fill.qty_nanos for fill in told(rig, e.OrderFilled)) == 140 * NANO


_TARGETS = st.lists(st.tuples(st.integers(0, 60), st.integers(-240, 240)), max_size=6)
_ALGO = st.sampled_from([IMMEDIATE, SLOWLY])


@pytest.mark.slow
@settings(max_examples=8, deadline=None, phases=[Phase.generate])
@given(_TARGETS, _TARGETS, _ALGO, _ALGO, st.integers(0, 10**6))
def test_whatever_is_wanted_the_books_add_up(
    tmp_path_factory: pytest.TempPathFactory, alpha: Any, beta: Any, first: Any, second: Any, seed: int
) -> None:
    """Any targets at any times, filled as the venue fills: after every step the books are the account, no two orders of
    ours rest against each other, and in the end both have what they want.
    """
    script: Script = {
        name: tuple((5_000 + 1_000 * at, shares) for at, shares in sorted(wants, key=lambda want: want[0]))
        for name, wants in (("alpha", alpha), ("beta", beta))
    }
    with opposed(script, alpha=first, beta=second):
        rig = begun(tmp_path_factory.mktemp("crossing") / "journal", Schedule(seed=seed))
        try:
            for at_ms in range(5_000, 125_000, 1_000):
                to(rig, at_ms)
                sides = {order.side for order in rig.money.live_orders.values()}
                assert sides != {BUY, SELL}, "two orders of ours work against each other"
            wanted = [script[name][-1][1] if script[name] else 0 for name in ("alpha", "beta")]
            assert holds(rig) == (*wanted, sum(wanted))
            assert folded(rig) == dump(rig.money)
            crossed = sum(cross.qty_nanos for cross in told(rig, CrossBooks))
            parents = rig.money.parents.values()
            assert sum(parent.crossed_nanos for parent in parents if parent.strategy == "alpha") == crossed
            assert sum(parent.crossed_nanos for parent in parents if parent.strategy == "beta") == crossed
        finally:
            rig.runner.journal.close()


@pytest.mark.slow
def test_books_cross_through_trouble() -> None:
    """The simulation's own strategies with halts, lost links, crashes and a kill."""
    schedule = trouble("twap")
    assert schedule.venue == SHARED
    with opposed(None):
        failure, watch = failure_in(schedule)
    assert failure is None, report(schedule, failure, shrinking=False)
    assert watch is not None
    assert watch.counts["CrossBooks"] >= 3
