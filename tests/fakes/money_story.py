"""Made-up lives of an account: sequences of commands and broker facts that core/money may be told in any order."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from core import commands as c
from core import events as e
from core.latches import ACCOUNT, HALTED, SYMBOL
from core.money.fold import fold_command, fold_input, fold_outcome
from core.money.state import Money, MoneySettings
from core.orders import State
from core.parents import NO_ORDER
from core.rates import RateLimit
from tests.fakes.book_story import BookTurns
from tests.fakes.told_story import ToldTurns

SYMBOLS = ("AAA", "BBB")
STRATEGIES = ("one", "two")
SHARE = 10**9
LIMIT = RateLimit(events=50, window_ns=10**9)
START_CASH_NANOS = 10**6 * 10**9


def settings() -> MoneySettings:
    """Two strategies in two symbols."""
    return MoneySettings(
        account="DU1", account_tag="t", currency="USD", start_cash_nanos=START_CASH_NANOS, symbols=SYMBOLS,
        strategies=STRATEGIES, duplicate_window_ns=10**9, rate_account=LIMIT, rate_strategy=LIMIT, rate_symbol=LIMIT,
    )  # fmt: skip


@dataclass(frozen=True)
class Turn:
    """One thing that happens; numbers choose among what is possible at that moment."""

    what: str
    pick: int
    amount: int
    side: int


KINDS = (
    "open", "place", "place", "place", "ack", "ack", "fill", "fill", "fill", "fill", "fill again", "commission",
    "commission first", "correct", "bust", "cancel", "cancelled", "rejected", "replace", "replaced", "replace refused",
    "cancel refused", "cancel unknown", "inactive", "not sent", "doubt", "lost", "settle filled", "settle cancelled",
    "stranger", "transfer", "deposit", "adjust", "mark", "roll", "halt", "kill", "verify", "lift", "link lost",
    "link restored", "sync", "end", "pause", "advance", "target", "strategy", "failed", "started",
    "limit", "revert", "override",
    "terms", "market", "ask", "answer",
    "split", "dividend", "paid", "line", "found", "convert",
)  # fmt: skip
TURNS = st.lists(
    st.builds(
        Turn, what=st.sampled_from(KINDS), pick=st.integers(0, 40), amount=st.integers(1, 50),
        side=st.sampled_from((1, -1)),
    ),
    min_size=20,
    max_size=120,
)  # fmt: skip


@dataclass
class Story(BookTurns, ToldTurns):
    """Tells turns to one money state."""

    money: Money
    seq: int = 0
    ts_ns: int = 1_000_000_000_000
    sync_id: int = 0
    execs: int = 0
    early: list[str] = field(default_factory=list)  # commissions told before their executions

    def tell(self, turn: Turn) -> None:
        """Let one thing happen; nothing when it is not possible now."""
        self.ts_ns += 1 + turn.amount * 10**8
        getattr(self, "_" + turn.what.replace(" ", "_"))(turn)

    def fact(self, event: Any) -> None:
        """Fold a fact."""
        self.seq += 1
        fold_input(self.money, self.seq, self.ts_ns, event)

    def command(self, command: Any) -> None:
        """Fold a command."""
        self.seq += 1
        fold_command(self.money, self.seq, self.ts_ns, command)

    # ---- choosing ----------------------------------------------------------------------------------------------
    def _order(self, turn: Turn, *states: State) -> Any:
        found = [o for o in self.money.orders.values() if not states or o.state in states]
        return found[turn.pick % len(found)] if found else None

    def _live(self, turn: Turn) -> Any:
        found = list(self.money.live_orders.values())
        return found[turn.pick % len(found)] if found else None

    def _parent(self, turn: Turn) -> Any:
        found = [p for p in self.money.live_parents.values() if p.active]
        return found[turn.pick % len(found)] if found else None

    def _execution(self, turn: Turn) -> Any:
        found = list(self.money.ledger.executions.items())
        return found[turn.pick % len(found)] if found else None

    # ---- schedules and orders ----------------------------------------------------------------------------------
    def _open(self, turn: Turn) -> None:
        self.command(
            c.OpenParent(
                parent_id=self.money.next_parent_id, strategy=STRATEGIES[turn.pick % 2], inst=turn.pick // 2 % 2,
                side=turn.side, qty_nanos=turn.amount * SHARE, algo="twap", start_ts_ns=self.ts_ns,
                end_ts_ns=self.ts_ns + 10**9, slices=2,
            )
        )  # fmt: skip

    def _intent(self, turn: Turn, **changes: Any) -> c.OrderIntent:
        parent = self._parent(turn)
        free = parent is not None and parent.child == NO_ORDER
        fields: dict[str, Any] = {
            "order_id": self.money.next_order_id, "parent_id": parent.parent_id if free else 0,
            "slice_no": parent.children if free else 0, "strategy": parent.strategy if free else STRATEGIES[0],
            "inst": parent.inst if free else turn.pick % 2, "side": parent.side if free else turn.side,
            "qty_nanos": turn.amount * SHARE, "order_type": c.LMT, "limit_px_nanos": (90 + turn.pick) * SHARE,
        }  # fmt: skip
        return c.OrderIntent(**(fields | changes))

    def _approved(self, intent: c.OrderIntent) -> c.ApprovedOrder:
        return c.ApprovedOrder(  # approved-ok: the fold is told what a gate once approved
            intent=intent, account="DU1", order_ref=f"q-t-1-{self.seq}", reduce_only=False,
            notional_nanos=intent.qty_nanos * 100, ladder_epoch=0, override=self._override_id(),
        )  # fmt: skip

    def _override_id(self) -> int:
        open_ones = self.money.limit_changes.overrides
        return open_ones[0].override_id if open_ones else 0

    def _place(self, turn: Turn) -> None:
        self.command(c.PlaceOrder(order=self._approved(self._intent(turn))))

    def _ack(self, turn: Turn) -> None:
        order = self._order(turn)
        if order is not None:
            self.fact(e.OrderAcknowledged(order_id=order.order_id, perm_id=900 + order.order_id))

    def _fill(self, turn: Turn) -> None:
        order = self._order(turn)
        if order is None:
            return
        left = max(order.remaining_nanos, SHARE)
        self.execs += 1
        exec_id = self.early.pop() if self.early and turn.pick % 2 else f"x{self.execs}.01"
        self.fact(
            e.OrderFilled(
                order_id=order.order_id, exec_id=exec_id, side=order.side, qty_nanos=min(turn.amount * SHARE, left),
                px_nanos=(80 + turn.pick) * SHARE + turn.amount, inst=order.inst,
            )
        )  # fmt: skip

    def _stranger(self, turn: Turn) -> None:
        self.execs += 1
        self.fact(
            e.OrderFilled(
                order_id=10**6 + turn.pick, exec_id=f"s{self.execs}.01", side=turn.side, qty_nanos=turn.amount * SHARE,
                px_nanos=90 * SHARE + turn.pick, inst=turn.pick % 2,
            )
        )  # fmt: skip

    def _fill_again(self, turn: Turn) -> None:
        found = self._execution(turn)
        if found is not None:
            exec_id, x = found
            self.fact(
                e.OrderFilled(
                    order_id=x.order_id, exec_id=exec_id, side=x.side, qty_nanos=SHARE, px_nanos=SHARE, inst=x.inst
                )
            )

    def _commission(self, turn: Turn) -> None:
        found = self._execution(turn)
        if found is not None:
            self.fact(e.CommissionReported(exec_id=found[0], commission_nanos=turn.amount * 10**7))

    def _commission_first(self, turn: Turn) -> None:
        self.execs += 1
        self.early.append(f"x{self.execs}.01")
        self.fact(e.CommissionReported(exec_id=self.early[-1], commission_nanos=turn.amount * 10**7))

    def _corrected(self, turn: Turn, qty_nanos: int) -> None:
        found = self._execution(turn)
        if found is None:
            return
        exec_id, x = found
        head, _, last = exec_id.rpartition(".")
        self.fact(
            e.ExecutionCorrected(
                order_id=x.order_id, exec_id=f"{head}.{int(last) + 1:02d}", corrects=exec_id, qty_nanos=qty_nanos,
                px_nanos=(70 + turn.pick) * SHARE,
            )
        )  # fmt: skip

    def _correct(self, turn: Turn) -> None:
        found = self._execution(turn)
        if found is not None and "settled" not in found[0]:
            self._corrected(turn, min(found[1].qty_nanos, turn.amount * SHARE))

    def _bust(self, turn: Turn) -> None:
        found = self._execution(turn)
        if found is not None and "settled" not in found[0]:
            self._corrected(turn, 0)

    def _cancel(self, turn: Turn) -> None:
        order = self._live(turn)
        if order is not None:
            self.command(c.CancelOrder(order_id=order.order_id, reason="r"))

    def _cancelled(self, turn: Turn) -> None:
        order = self._order(turn)
        if order is not None:
            self.fact(e.OrderCancelled(order_id=order.order_id))

    def _rejected(self, turn: Turn) -> None:
        order = self._order(turn)
        if order is not None:
            self.fact(e.OrderRejected(order_id=order.order_id, code=201))

    def _replace(self, turn: Turn) -> None:
        order = self._order(turn, State.WORKING)
        if order is not None and not order.pending_version:
            intent = self._intent(
                turn, order_id=order.order_id, parent_id=order.parent_id, slice_no=order.slice_no, side=order.side,
                strategy=order.strategy, inst=order.inst, qty_nanos=order.filled_nanos + turn.amount * SHARE,
                version=order.version + 1,
            )  # fmt: skip
            self.command(c.ReplaceOrder(order=self._approved(intent)))

    def _replaced(self, turn: Turn) -> None:
        order = self._live(turn)
        if order is not None and order.pending_version and order.state is not State.SENDING:
            self.fact(
                e.OrderReplaced(
                    order_id=order.order_id, version=order.pending_version, qty_nanos=order.pending_qty_nanos,
                    limit_px_nanos=order.pending_px_nanos,
                )
            )  # fmt: skip

    def _replace_refused(self, turn: Turn) -> None:
        order = self._live(turn)
        if order is not None:
            self.fact(e.ReplaceRejected(order_id=order.order_id, version=order.pending_version or 1, code=201))

    def _cancel_refused(self, turn: Turn) -> None:
        order = self._order(turn, *(state for state in State if state is not State.SENDING))
        if order is not None:
            self.fact(e.CancelRejected(order_id=order.order_id, code=161))

    def _cancel_unknown(self, turn: Turn) -> None:
        order = self._order(turn, *(state for state in State if state is not State.SENDING))
        if order is not None:
            self.fact(e.CancelRejected(order_id=order.order_id, code=10147))

    def _inactive(self, turn: Turn) -> None:
        order = self._order(turn)
        if order is not None:
            self.fact(e.OrderInactivated(order_id=order.order_id))

    def _not_sent(self, turn: Turn) -> None:
        order = self._live(turn)
        if order is not None:
            self.seq += 1
            outcome = c.NotSent(order_id=order.order_id, version=order.pending_version, reason="link")
            fold_outcome(self.money, self.seq, self.ts_ns, outcome)

    def _doubt(self, turn: Turn) -> None:
        order = self._live(turn)
        if order is not None:
            self.command(c.DoubtOrder(order_id=order.order_id, reason="r"))

    def _settle(self, turn: Turn, outcome: str) -> None:
        order = self._order(turn, State.UNKNOWN)
        if order is not None:
            qty = min(order.remaining_nanos, turn.amount * SHARE) if outcome == "filled" else 0
            if outcome != "filled" or qty > 0:
                self.command(
                    c.SettleOrder(
                        order_id=order.order_id, outcome=outcome, reason="r", qty_nanos=qty, px_nanos=100 * SHARE
                    )
                )

    def _lost(self, turn: Turn) -> None:
        self._settle(turn, "lost")

    def _settle_filled(self, turn: Turn) -> None:
        self._settle(turn, "filled")

    def _settle_cancelled(self, turn: Turn) -> None:
        self._settle(turn, "cancelled")

    # ---- the account -------------------------------------------------------------------------------------------
    def _transfer(self, turn: Turn) -> None:
        self.command(
            c.TransferPosition(
                inst=turn.pick % 2, qty_nanos=turn.side * turn.amount * SHARE, px_nanos=99 * SHARE + turn.pick,
                reason="r", strategy=("", *STRATEGIES)[turn.pick % 3], deposit_nanos=turn.pick % 2 * turn.amount,
            )
        )  # fmt: skip

    def _deposit(self, turn: Turn) -> None:
        self.fact(e.CashAdjusted(currency="USD", amount_nanos=turn.amount * SHARE, kind="deposit"))

    def _adjust(self, turn: Turn) -> None:
        currency = ("USD", "EUR")[turn.pick % 2]
        kind = "deposit" if turn.pick % 3 == 0 else ""
        self.command(c.AdjustCash(currency=currency, amount_nanos=-turn.amount, reason="r", kind=kind))

    def _mark(self, turn: Turn) -> None:
        self.command(c.MarkEquity(equity_nanos=START_CASH_NANOS + turn.side * turn.amount, unrealised_nanos=0))

    def _roll(self, turn: Turn) -> None:
        self.ts_ns += turn.pick * 3_600 * 10**9
        self.fact(e.DayRolled(date=20260105 + turn.pick))

    def _target(self, turn: Turn) -> None:
        self.command(c.SetTarget(strategy=STRATEGIES[turn.pick % 2], inst=turn.amount % 2, qty_nanos=turn.side * SHARE))

    def _strategy(self, turn: Turn) -> None:
        self.command(c.SetStrategy(strategy=STRATEGIES[turn.pick % 2], enabled=turn.side > 0, reason="r"))

    # ---- schedules ---------------------------------------------------------------------------------------------
    def _end(self, turn: Turn) -> None:
        parent = self._parent(turn)
        if parent is not None:
            self.command(c.EndParent(parent_id=parent.parent_id, state=11, reason="r"))

    def _pause(self, turn: Turn) -> None:
        parent = self._parent(turn)
        if parent is not None:
            self.command(c.PauseParent(parent_id=parent.parent_id, paused=turn.side > 0, reason="r"))

    def _advance(self, turn: Turn) -> None:
        parent = self._parent(turn)
        if parent is not None:
            self.command(c.AdvanceParent(parent_id=parent.parent_id, next_ts_ns=self.ts_ns + 5, chases=turn.amount))

    # ---- ladder, link, shell -----------------------------------------------------------------------------------
    def _ladder(self, code: str, state: int, turn: Turn) -> None:
        level, scope = (ACCOUNT, "") if turn.pick % 2 else (SYMBOL, SYMBOLS[0])
        self.command(c.MoveLadder(level=level, scope=scope, state=state, code=code, reason="r", by="me"))

    def _halt(self, turn: Turn) -> None:
        self._ladder("HALT", HALTED, turn)

    def _kill(self, turn: Turn) -> None:
        self._ladder("KILL", HALTED, turn)
        self.command(c.CancelAllOrders(reason="kill"))

    def _lift(self, turn: Turn) -> None:
        self._ladder(("HALT", "KILL")[turn.amount % 2], 0, turn)

    def _limit(self, turn: Turn) -> None:
        names = ("rate_account_orders", "rate_symbol_seconds", "duplicate_window_seconds", "gross_max")
        self.command(
            c.SetLimit(
                scope="account", name=names[turn.pick % 4], value=str(turn.amount), old="none",
                until_ns=0 if turn.side > 0 else self.ts_ns + turn.pick, reason="r", by="me",
            )
        )  # fmt: skip

    def _revert(self, turn: Turn) -> None:
        found = self.money.limit_changes.changes
        if found:
            self.command(c.RevertLimit(change_id=found[turn.pick % len(found)].change_id, reason="r", by="me"))

    def _override(self, turn: Turn) -> None:
        self.command(
            c.GrantOverride(
                control=5, strategy=STRATEGIES[0], inst=0, side=turn.side, qty_nanos=SHARE, px_nanos=0,
                until_ns=self.ts_ns + turn.amount, reason="r", by="me",
            )
        )  # fmt: skip

    def _verify(self, turn: Turn) -> None:
        for kill in list(self.money.kills)[:1]:
            self.command(c.VerifyKill(level=kill.level, scope=kill.scope, sync_id=1))

    def _link_lost(self, turn: Turn) -> None:
        self.fact(e.LinkLost(reason="r"))

    def _link_restored(self, turn: Turn) -> None:
        self.fact(e.LinkRestored(reason="r"))

    def _sync(self, turn: Turn) -> None:
        """A whole or half synchronisation that shows some orders, a stranger and some positions."""
        self.sync_id += 1
        self.fact(e.SyncStarted(sync_id=self.sync_id))
        for number, order in enumerate(list(self.money.live_orders.values())):
            if (turn.amount >> number % 5) & 1:
                self.fact(
                    e.OpenOrderReported(
                        sync_id=self.sync_id, order_id=order.order_id, order_ref=order.order_ref, perm_id=5,
                        inst=order.inst, side=order.side, qty_nanos=order.qty_nanos, filled_nanos=0, status=e.SUBMITTED,
                        limit_px_nanos=order.limit_px_nanos,
                    )
                )  # fmt: skip
        self.fact(
            e.OpenOrderReported(
                sync_id=self.sync_id, order_id=0, order_ref="", perm_id=77, inst=0, side=1, qty_nanos=SHARE,
                filled_nanos=0, status=e.SUBMITTED,
            )
        )  # fmt: skip
        for inst, qty in enumerate(self.money.ledger.holdings):
            theirs = qty + (SHARE if turn.pick % 4 == 0 else 0)
            self.fact(e.PositionReported(sync_id=self.sync_id, inst=inst, qty_nanos=theirs))
        if turn.pick % 3:
            self.fact(e.SyncCompleted(sync_id=self.sync_id, complete=turn.side > 0))

    def _failed(self, turn: Turn) -> None:
        self.fact(e.StepFailed(failed_seq=self.seq, error="E"))

    def _started(self, turn: Turn) -> None:
        self.fact(
            e.TraderStarted(
                epoch=self.money.epoch + 1, mode="replay", ended="crash" if turn.side > 0 else "clean",
                after_crash="halted", guard_fired=False, changed="", safe=turn.pick % 5 == 0,
                venue_in_process=turn.pick % 2 == 0,
            )
        )  # fmt: skip
