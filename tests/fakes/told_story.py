"""The turns of a made-up life in which broker and market lay something down: borrow, clock, funds, margins, breaker."""

from typing import Any

from core import commands as c
from core import events as e
from core.money.state import Money


class ToldTurns:
    """Mixed into the story, which gives the money state and the folds."""

    money: Money
    ts_ns: int
    sync_id: int

    def fact(self, event: Any) -> None:
        """Fold a fact."""
        raise NotImplementedError

    def command(self, command: Any) -> None:
        """Fold a command."""
        raise NotImplementedError

    def _terms(self, turn: Any) -> None:
        """Borrow, the time or the account's values."""
        amount, signed = turn.amount, turn.amount * turn.side
        facts: tuple[Any, ...] = (
            e.ShortableChanged(inst=turn.pick % 2, level_milli=100 * amount, shares_nanos=signed),
            e.ClockOffsetMeasured(offset_ns=signed, round_trip_ns=turn.pick),
            e.AccountValued(
                sync_id=self.sync_id, equity_with_loan_nanos=amount, available_nanos=signed, excess_nanos=turn.pick
            ),
        )
        self.fact(facts[turn.pick % 3])

    def _market(self, turn: Any) -> None:
        """A short-sale restriction or the breaker."""
        if turn.side > 0:
            until = 20260100 + turn.amount
            self.command(c.RestrictShorts(inst=turn.pick % 2, until=until, low_px_nanos=9, previous_close_nanos=10))
        else:
            until_ns = self.ts_ns + turn.amount
            self.command(c.TripBreaker(level=1 + turn.pick % 3, until_ns=until_ns, px_nanos=9, previous_close_nanos=10))

    def _ask(self, turn: Any) -> None:
        """A schedule begins to wait for its margin."""
        found = [p for p in self.money.live_parents.values() if p.active and not p.what_if_due_ns]
        if found:
            parent = found[turn.pick % len(found)]
            self.command(
                c.AskWhatIf(
                    order_id=self.money.next_order_id, parent_id=parent.parent_id, inst=parent.inst, side=parent.side,
                    qty_nanos=parent.qty_nanos, limit_px_nanos=turn.amount * 10**9, due_ns=self.ts_ns + turn.amount,
                )
            )  # fmt: skip

    def _answer(self, turn: Any) -> None:
        """And gets its answer, or somebody else's."""
        found = [p for p in self.money.live_parents.values() if p.what_if_due_ns]
        if not found:
            return
        parent = found[turn.pick % len(found)]
        if turn.side < 0:
            self.fact(e.WhatIfRefused(request_id=parent.what_if + turn.pick % 2, code=201))
            return
        self.fact(
            e.WhatIfAnswered(
                request_id=parent.what_if + turn.pick % 2, inst=parent.inst, side=parent.side,
                qty_nanos=parent.qty_nanos, initial_margin_change_nanos=turn.amount * 10**8,
                maintenance_margin_change_nanos=turn.amount * 10**7, equity_with_loan_nanos=turn.amount,
                initial_margin_after_nanos=turn.pick,
            )
        )  # fmt: skip
