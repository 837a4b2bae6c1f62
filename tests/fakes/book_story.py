"""The turns of a made-up life in which the books change without an order: splits, dividends, corrections."""

from typing import Any

from core import book_commands as b
from core.corporate import ACCRUED, KEPT, BookLine, Terms, dividend_of, share_out, split_total
from core.money.state import Money

CENT = 10**7
RATIOS = ((2, 1), (3, 2), (1, 10), (1, 3), (7, 1))


class BookTurns:
    """Mixed into the story, which gives the money state and the folds."""

    money: Money
    ts_ns: int
    seq: int

    def command(self, command: Any) -> None:
        """Fold a command."""
        raise NotImplementedError

    def _split(self, turn: Any) -> None:
        """Kept and carried out at once, with every book's part."""
        inst, (num, den) = turn.pick % 2, RATIOS[turn.amount % len(RATIOS)]
        ledger, action_id = self.money.ledger, f"split {self.seq}"
        terms = Terms(action_id=action_id, kind="split", inst=inst, ex_date=20260101, num=num, den=den)
        self.command(b.KeepCorporateAction(terms=terms, by="me", reason="r"))
        held = tuple((p.strategy, p.qty_nanos) for p in ledger.positions.values() if p.inst == inst and p.qty_nanos)
        total = split_total(ledger.holdings[inst], num=num, den=den)
        books = share_out(held, total, num=num, den=den) if held else ()
        self.command(
            b.SplitBooks(action_id=action_id, inst=inst, num=num, den=den, books=books, rescaled=turn.side > 0)
        )
        assert ledger.holdings[inst] == total or not held

    def _dividend(self, turn: Any) -> None:
        """One is declared; or one that was becomes due."""
        kept = [a for a in self.money.corporate.values() if a.state == KEPT and a.terms.kind == "dividend"]
        if not kept:
            terms = Terms(
                action_id=f"dividend {self.seq}", kind="dividend", inst=turn.pick % 2, ex_date=20260101,
                per_share_nanos=turn.amount * CENT, currency=("USD", "EUR")[turn.pick % 2], withheld_ppm=150_000,
            )  # fmt: skip
            self.command(b.KeepCorporateAction(terms=terms, by="me", reason="r"))
            return
        terms = kept[0].terms
        held = [p for p in self.money.ledger.positions.values() if p.inst == terms.inst and p.qty_nanos]
        books = tuple((p.strategy, *dividend_of(terms, p.qty_nanos)) for p in held)
        self.command(b.AccrueDividend(action_id=terms.action_id, books=books))

    def _paid(self, turn: Any) -> None:
        """What is due is paid, as the cash shows or as the statement says."""
        for action in self.money.corporate.values():
            if action.state == ACCRUED and turn.side > 0:
                self.command(
                    b.PayDividend(
                        action_id=action.terms.action_id, currency=action.terms.currency, reason="r",
                        gross_nanos=action.gross_nanos, withheld_nanos=action.withheld_nanos,
                    )
                )  # fmt: skip
                return
            if action.state == ACCRUED:
                kind = ("dividend", "withholding")[turn.pick % 2]
                self._line(turn, kind=kind, inst=action.terms.inst, currency=action.terms.currency)
                return

    def _line(self, turn: Any, *, kind: str = "interest", inst: int = -1, currency: str = "USD") -> None:
        """Cash of a kind, sometimes told twice."""
        line = BookLine(
            kind="cash", line_id=f"cash {self.seq - turn.pick % 3}", inst=inst, currency=currency, cash_kind=kind,
            amount_nanos=turn.side * turn.amount * CENT,
        )  # fmt: skip
        self.command(b.CorrectBooks(line=line, by="me", reason="r"))

    def _found(self, turn: Any) -> None:
        """A trade that only the statement has, or another cost of one we have."""
        known = list(self.money.ledger.executions)
        kind = "commission" if known and turn.side < 0 else "execution"
        exec_id = known[turn.pick % len(known)] if kind == "commission" else f"f{self.seq}.01"
        line = BookLine(
            kind=kind, line_id=f"found {self.seq}", exec_id=exec_id, inst=turn.pick % 2, side=turn.side,
            qty_nanos=turn.amount * 10**9, px_nanos=(90 + turn.pick) * 10**9 + 1, commission_nanos=turn.amount * CENT,
            currency="USD",
        )  # fmt: skip
        self.command(b.CorrectBooks(line=line, by="me", reason="r"))

    def _convert(self, turn: Any) -> None:
        """Dollars for euros, or back."""
        sold, bought = ("USD", "EUR") if turn.side > 0 else ("EUR", "USD")
        line = BookLine(
            kind="conversion", line_id=f"convert {self.seq}", currency=sold,
            amount_nanos=turn.amount * CENT + turn.pick,
            other_currency=bought, other_nanos=turn.amount * CENT * 9 // 10 + 1, commission_nanos=CENT,
        )  # fmt: skip
        self.command(b.CorrectBooks(line=line, by="me", reason="r"))
