"""Whatever happens around it, a kill only ever tightens: idempotent, covering, and lifted by an operator's resume after
its proof alone.
"""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import commands as c
from core import events as e
from core.latches import ACCOUNT, HALTED
from core.money.kills import Kill, standing
from core.units import NANO
from daemon.recovery import verify_replay
from tests.fakes.live import CENT, SECOND, LiveWorld, opened
from tests.unit.test_kill import SCOPES

pytestmark = pytest.mark.slow
SYMBOLS = ("AAA", "CCC")
ACTS = st.lists(
    st.tuples(
        st.sampled_from(
            ("kill", "kill", "halt", "flatten", "resume", "trip", "fall", "rise", "ack", "fill", "gone", "refused",
             "lost", "back", "sync", "time", "restart")
        ),
        st.integers(0, 3),
    ),
    min_size=5,
    max_size=40,
)  # fmt: skip


class World:
    """One run, and what must hold after every act."""

    def __init__(self, folder: Path) -> None:
        self.live = opened(folder)
        self.syncs = 1
        self.resumed = False  # the last act was a resume that was granted
        self.seen: dict[int, tuple[int, str, int]] = {}  # by seq of a kill: level, scope, verified
        self.sent = 0

    def act(self, kind: str, choice: int) -> None:
        """One thing happens."""
        live, (level, scope) = self.live, SCOPES[choice]
        told: dict[str, Any] = {"level": level, "scope": scope, "reason": "x", "operator": "ann"}
        live.clock.ts_ns += SECOND // 10
        self.resumed = False
        orders = list(live.runner.money.live_orders.values())
        order = orders[choice % len(orders)] if orders else None
        if kind in ("kill", "halt", "flatten", "resume"):
            made: Any = {"kill": e.OperatorKilled, "halt": e.OperatorHalted, "flatten": e.OperatorFlattened,
                         "resume": e.OperatorResumed}[kind]  # fmt: skip
            before = [kill.seq for kill in live.runner.money.kills if not kill.verified_ns]
            live.tell(made(**told))
            self.resumed = kind == "resume" and live.runner.engine.reply[0]
            if kind == "kill":
                self._again(made(**told))
            assert not (self.resumed and level <= ACCOUNT and before), "lifted without a proof"
        elif kind == "trip":
            live.tell(e.TriggerFired(name="TRIP", level=level, scope=scope, state=1 + choice % 2))
        elif kind in ("fall", "rise"):
            px = 20 * NANO + (CENT if kind == "rise" else -CENT) * (1 + choice) * 5
            live.quote(choice % 2, px)
        elif kind == "time":
            live.clock.ts_ns += (1 + choice) * SECOND
            live.sink.advance()
        elif kind in ("lost", "back"):
            down = live.runner.money.link == 0
            if down == (kind == "back"):
                live.tell(e.LinkRestored(reason="back") if down else e.LinkLost(reason="cut"))
        elif kind == "sync":
            self._sync()
        elif kind == "restart":
            self._restart()
        elif order is not None:
            self._answer(kind, order)

    def _again(self, event: e.OperatorKilled) -> None:
        """The same kill once more changes nothing that counts."""
        before = self.state()
        self.live.tell(event)
        assert self.state() == before

    def state(self) -> Any:
        """What a kill decides on."""
        money = self.live.runner.money
        return (
            [(latch.level, latch.scope, latch.code, latch.state, latch.by) for latch in money.latches.held()],
            [(kill.level, kill.scope, kill.since_ns, kill.verified_ns, sorted(kill.orders)) for kill in money.kills],
            {name: dict(book.targets) for name, book in money.ledger.books.items()},
            [(order.order_id, order.state) for order in money.live_orders.values()],
            [parent.parent_id for parent in money.live_parents.values() if parent.active],
        )

    def _answer(self, kind: str, order: Any) -> None:
        live = self.live
        if kind == "ack":
            live.tell(e.OrderAcknowledged(order_id=order.order_id, perm_id=1000 + order.order_id))
        elif kind == "fill" and order.remaining_nanos > 0:
            live._execs += 1
            live.tell(
                e.OrderFilled(
                    order_id=order.order_id, exec_id=f"0001.{live._execs:04d}.01", side=order.side,
                    qty_nanos=order.remaining_nanos, px_nanos=20 * NANO, inst=order.inst,
                )
            )  # fmt: skip
        elif kind == "gone":
            live.tell(e.OrderCancelled(order_id=order.order_id, reason=""))
        elif kind == "refused" and order.cancel_ts_ns:
            live.tell(e.CancelRejected(order_id=order.order_id, code=161, text="no"))

    def _sync(self) -> None:
        """The broker agrees with the books."""
        live, money = self.live, self.live.runner.money
        if money.link == 0:
            return
        self.syncs += 1
        facts: list[Any] = [
            e.PositionReported(sync_id=self.syncs, inst=inst, qty_nanos=held)
            for inst, held in enumerate(money.ledger.holdings)
            if held
        ]
        facts += [
            e.OpenOrderReported(
                sync_id=self.syncs, order_id=o.order_id, order_ref=o.order_ref, perm_id=1000 + o.order_id, inst=o.inst,
                side=o.side, qty_nanos=o.qty_nanos, filled_nanos=o.filled_nanos, status=e.SUBMITTED,
                limit_px_nanos=o.limit_px_nanos, client_id=11,
            )
            for o in money.live_orders.values()
        ]  # fmt: skip
        cash = money.ledger.cash["USD"]
        live.tell(e.SyncStarted(sync_id=self.syncs), *facts)
        live.tell(e.CashReported(sync_id=self.syncs, currency="USD", cash_nanos=cash))
        funds = 1_000_000 * NANO
        live.tell(
            e.AccountValued(
                sync_id=self.syncs, equity_with_loan_nanos=funds, available_nanos=funds, excess_nanos=funds
            ),
            e.SyncCompleted(sync_id=self.syncs, complete=True),
        )

    def _restart(self) -> None:
        """A crash, and a start from the journal."""
        live = self.live
        live.runner.flush()
        live.close()
        recovered = live.recover()
        fresh = LiveWorld(live.config, live.tables, recovered=recovered, ts_ns=live.clock.ts_ns)
        fresh._execs, self.live = live._execs, fresh
        fresh.begin(ended="crash", epoch=fresh.runner.money.epoch + 1)
        self.sent = 0

    def check(self) -> None:
        """After every act."""
        live, money = self.live, self.live.runner.money
        assert live.failures == []
        live.runner.engine.assert_invariants()
        known = {kill.seq: kill for kill in money.kills}
        for seq, (level, scope, verified) in self.seen.items():
            kill = known[seq]  # so few are never forgotten
            assert not verified or kill.verified_ns == verified, "a proof was taken back"
            if not kill.over_ns:
                assert money.latches.scope_state(level, scope) == HALTED
            else:
                assert verified, "lifted without a proof"
        lifted = [kill for kill in known.values() if kill.over_ns == money.ts_ns and kill.seq in self.seen]
        assert not lifted or self.resumed or any(kill.over_ns for kill in lifted)
        self._check_sent()
        self.seen = {kill.seq: (kill.level, kill.scope, kill.verified_ns) for kill in money.kills}

    def _check_sent(self) -> None:
        """No order in a killed scope but a flatten's, and that one after the proof."""
        live, kills = self.live, self.live.runner.money.kills
        for command in live.broker.sent[self.sent :]:
            if type(command) in (c.PlaceOrder, c.ReplaceOrder):
                intent = command.order.intent
                for kill in _covering(kills, intent):
                    assert intent.purpose == c.INTENT_FLATTEN
                    assert kill.verified_ns
        self.sent = len(live.broker.sent)


def _covering(kills: list[Kill], intent: c.OrderIntent) -> list[Kill]:
    return [
        kill
        for kill in kills
        if kill.covers(SYMBOLS[intent.inst], intent.strategy)
        and not kill.over_ns
        and standing(kills, kill.level, kill.scope) is kill
    ]


def run_acts(acts: list[tuple[str, int]]) -> None:
    """One random run, over crashes too; and the journal of it all verifies."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.live.make_it_buy(0)
        world.check()
        for kind, choice in acts:
            world.act(kind, choice)
            world.check()
        world.live.runner.flush()
        world.live.close()
        report = verify_replay(world.live.directory)
        assert report.ok, report.difference


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(acts=ACTS)
def test_a_kill_only_tightens(acts: list[tuple[str, int]]) -> None:
    """After every act of a random run; the drill `kill` makes hundreds of them."""
    run_acts(acts)
