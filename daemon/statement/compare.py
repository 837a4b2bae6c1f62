"""A statement against the books, line by line: what matches, what one side lacks, which fields differ; and for what can
be corrected, the correction as a line of the `books-correct` request. Pure.
"""

from collections.abc import Iterator
from datetime import date as calendar_date
from typing import Any, Final, Literal

import msgspec

from core.ids import SIDE_NAMES
from core.ledger import Execution
from core.reconcile import CASH_ROUNDING_NANOS
from core.units import exact_text, notional_nanos
from daemon.statement.booked import Booked, Moved
from daemon.statement.rows import CashLine, Conversion, Statement, Trade

ROUNDING_NANOS: Final = 1_000  # a millionth: commissions are told with different places
DAYS_APART_MAX: Final = 7  # cash of the same amount that the books have on another day

What = Literal["matched", "missing here", "missing there", "differs"]
Fields = dict[str, Any]  # of a line of the request: texts, and of `fees` one text for each kind


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the comparison; `correction` is what would be booked, None = a person must look."""

    section: str
    what: What
    key: str
    field: str = ""
    ours: str = ""
    theirs: str = ""
    line: int = 0  # of the file
    remedy: str = ""
    correction: Fields | None = None


def compare(statement: Statement, booked: Booked) -> list[Finding]:
    """Every finding, in the order of the file, then what only the books have."""
    found = _Comparison(statement, booked)
    return [*found.trades(), *found.conversions(), *found.cash(), *found.corporate(), *found.positions(), *found.ends()]


class _Comparison:
    """Matches are remembered: what has been taken is not there twice."""

    def __init__(self, statement: Statement, booked: Booked) -> None:
        self.s = statement
        self.b = booked
        self.taken: set[int] = set()  # seq of executions that the statement has
        self.late_qty: dict[str, int] = {}  # booked after the period, and part of it
        self.late_cash: dict[str, int] = {}
        self.by_terms: dict[tuple[str, int, int, int], list[Execution]] = {}
        for x in {x.seq: x for x in booked.executions.values()}.values():
            self.by_terms.setdefault((self._symbol(x), x.side, x.qty_nanos, x.px_nanos), []).append(x)

    # ---- trades ------------------------------------------------------------------------------------------------
    def trades(self) -> Iterator[Finding]:
        """Executions by id, by an earlier or later version of it, else by their terms."""
        for trade in self.s.trades:
            symbol = self._name(trade.symbol, trade.con_id)
            x = self._find(trade, symbol)
            if x is None:
                yield self._unknown(trade, symbol)
                continue
            self.taken.add(x.seq)
            self._late(trade, symbol, self.b.closing.get(x.seq, (0, 0, 0)))
            yield from self._fields(trade, symbol, x)
            yield from self._kinds(trade, symbol, x)
        yield from self._taken_back()
        for category, count in sorted(self.s.others.items()):
            text = f"{count} trades of {category}"
            yield Finding(section="trades", what="missing here", key=text, remedy="the trader knows stocks alone")
        if "Trades" in self.s.sections:
            yield from self._only_here()

    def _taken_back(self) -> Iterator[Finding]:
        """Busts: what the broker took back stands here no more, either."""
        for trade in self.s.cancelled:
            symbol = self._name(trade.symbol, trade.con_id)
            x = self._find(trade, symbol, by_hand=bool(trade.exec_id))
            if x is None:
                continue  # it never was in the books
            self.taken.add(x.seq)
            gone = msgspec.structs.replace(trade, qty_nanos=0)
            self._late(gone, symbol, self.b.closing.get(x.seq, (0, 0, 0)))
            yield from self._fields(gone, symbol, x)

    def _kinds(self, trade: Trade, symbol: str, x: Execution) -> Iterator[Finding]:
        """What its commission was made of, where the statement says so and the books do not know it yet."""
        told = self.s.fees.get(trade.trade_id)
        parts = tuple((kind, amount) for kind, amount in (told or {}).items() if amount)
        exec_id = _id_of(self.b, x)
        line_id = f"flex kinds {exec_id}"[:80]
        if not parts or x.fees == parts or line_id in self.b.lines:
            return
        whole = sum(amount for _, amount in parts)
        if abs(whole - trade.cost_nanos) >= ROUNDING_NANOS:
            yield Finding(
                section="fees", what="differs", key=_trade_key(trade, symbol), field="kinds", line=trade.line,
                ours=exact_text(trade.cost_nanos), theirs=exact_text(whole),
                remedy="its own kinds do not add up to its commission: nothing is booked of them",
            )  # fmt: skip
            return
        yield Finding(
            section="fees", what="missing here", key=_trade_key(trade, symbol), field="kinds", line=trade.line,
            theirs=", ".join(f"{kind} {exact_text(amount)}" for kind, amount in parts), remedy="--book names them",
            correction={
                "kind": "fees", "line_id": line_id, "exec_id": exec_id, "commission": exact_text(whole),
                "currency": trade.currency, "fees": {kind: exact_text(amount) for kind, amount in parts},
            },
        )  # fmt: skip

    def _find(self, trade: Trade, symbol: str, *, by_hand: bool = True) -> Execution | None:
        exact = self.b.executions.get(trade.exec_id)
        if exact is not None:
            return exact
        head, _, last = trade.exec_id.rpartition(".")
        if head and last.isdigit():
            versions = [x for key, x in self.b.executions.items() if key.rpartition(".")[0] == head]
            if versions:
                return versions[-1]
        alike = self.by_terms.get((symbol, trade.side, trade.qty_nanos, trade.px_nanos), [])
        free = [x for x in alike if x.seq not in self.taken and (not by_hand or x.exec_id.startswith("settled-"))]
        return free[0] if free else None

    def _late(self, trade: Trade, symbol: str, closing: tuple[int, int, int]) -> None:
        """What the books lacked of a trade when the period ended, and have now or will have when it is booked."""
        qty, px, cost = closing
        value = notional_nanos(trade.px_nanos, trade.qty_nanos) - notional_nanos(px, qty)
        paid = trade.side * value + trade.cost_nanos - cost
        self.late_qty[symbol] = self.late_qty.get(symbol, 0) + trade.side * (trade.qty_nanos - qty)
        self.late_cash[trade.currency] = self.late_cash.get(trade.currency, 0) - paid

    def _unknown(self, trade: Trade, symbol: str) -> Finding:
        correction: Fields | None = None
        remedy = "--book books it, into nobody's book"
        if symbol not in self.b.symbols or trade.currency != self.b.currency:
            remedy = f"{symbol} in {trade.currency} is not configured: it cannot be booked"
        elif not trade.exec_id:
            remedy = "it has no ibExecID: add it to the Flex query"
        else:
            correction = {
                "kind": "execution", "line_id": f"flex {trade.exec_id}", "exec_id": trade.exec_id, "symbol": symbol,
                "side": "buy" if trade.side > 0 else "sell", "qty": exact_text(trade.qty_nanos),
                "px": exact_text(trade.px_nanos), "commission": exact_text(trade.cost_nanos),
                "currency": trade.currency, "text": f"trade {trade.trade_id} of {trade.date}",
            }  # fmt: skip
            self._late(trade, symbol, (0, 0, 0))
        return Finding(
            section="trades", what="missing here", key=_trade_key(trade, symbol), theirs=_terms(trade),
            line=trade.line, remedy=remedy, correction=correction,
        )  # fmt: skip

    def _fields(self, trade: Trade, symbol: str, x: Execution) -> Iterator[Finding]:
        key, differs = _trade_key(trade, symbol), False
        pairs = (
            ("symbol", self._symbol(x), symbol),
            ("side", SIDE_NAMES[x.side], SIDE_NAMES[trade.side]),
        )
        for field, ours, theirs in pairs:
            if ours != theirs:
                differs = True
                yield Finding(
                    section="trades", what="differs", key=key, field=field, ours=ours, theirs=theirs, line=trade.line,
                    remedy="a correction cannot change it: ask the broker",
                )  # fmt: skip
        moved = x.qty_nanos != trade.qty_nanos or (trade.qty_nanos and x.px_nanos != trade.px_nanos)
        if moved and not differs:
            differs = True
            fresh = trade.exec_id not in self.b.executions and trade.exec_id
            yield Finding(
                section="trades", what="differs", key=key, field="quantity@price", theirs=_terms(trade),
                ours=f"{exact_text(x.qty_nanos)}@{exact_text(x.px_nanos)}", line=trade.line,
                remedy="--book corrects it",
                correction={
                    "kind": "correction", "exec_id": _id_of(self.b, x), "qty": exact_text(trade.qty_nanos),
                    "line_id": trade.exec_id if fresh else f"flex {x.exec_id} {_terms(trade)}"[:80],
                    "px": exact_text(trade.px_nanos),
                },
            )  # fmt: skip
        cost = x.commission_nanos if x.commission_known else 0
        if abs(cost - trade.cost_nanos) >= ROUNDING_NANOS:
            differs = True
            exec_id = _id_of(self.b, x)
            yield Finding(
                section="trades", what="differs", key=key, field="commission", line=trade.line,
                ours=exact_text(cost) if x.commission_known else "not reported", theirs=exact_text(trade.cost_nanos),
                remedy="--book books the difference",
                correction={
                    "kind": "commission", "exec_id": exec_id, "commission": exact_text(trade.cost_nanos),
                    "line_id": f"flex fee {exec_id} {exact_text(trade.cost_nanos)}"[:80],
                    "amount": exact_text(cost - trade.cost_nanos), "currency": trade.currency,
                },
            )  # fmt: skip
        if not differs:
            yield Finding(section="trades", what="matched", key=key, line=trade.line)

    def _only_here(self) -> Iterator[Finding]:
        for x in {x.seq: x for x in self.b.executions.values()}.values():
            day = self.b.dates.get(x.seq, 0)
            if x.qty_nanos and x.seq not in self.taken and self.s.from_date <= day <= self.s.to_date:
                text = f"{SIDE_NAMES[x.side]} {exact_text(x.qty_nanos)}@{exact_text(x.px_nanos)} on {day}"
                yield Finding(
                    section="trades", what="missing there", key=f"{self._symbol(x)} {x.exec_id}", ours=text,
                    remedy="not booked: ask the broker; a trade taken back comes as a correction",
                )  # fmt: skip

    # ---- cash --------------------------------------------------------------------------------------------------
    def conversions(self) -> Iterator[Finding]:
        """By the broker's id alone: the books have none but from here."""
        for deal in self.s.conversions:
            line_id, terms = f"flex {deal.trade_id}", _deal(deal)
            if line_id in self.b.lines:
                yield Finding(section="conversions", what="matched", key=terms, line=deal.line)
                continue
            if deal.cost_nanos and deal.cost_currency not in ("", self.b.currency):
                yield Finding(
                    section="conversions", what="missing here", key=terms, theirs=str(deal.date), line=deal.line,
                    remedy=f"its commission is in {deal.cost_currency}: book both amounts and it by hand, as cash",
                )  # fmt: skip
                continue
            yield Finding(
                section="conversions", what="missing here", key=terms, theirs=str(deal.date), line=deal.line,
                remedy="--book books it",
                correction={
                    "kind": "conversion", "line_id": line_id, "currency": deal.sold,
                    "amount": exact_text(deal.sold_nanos), "other_currency": deal.bought,
                    "other": exact_text(deal.bought_nanos), "commission": exact_text(deal.cost_nanos),
                },
            )  # fmt: skip

    def cash(self) -> Iterator[Finding]:
        """By id, else by kind and amount within a week, else as a difference the books have and could not name."""
        for line in self.s.cash:
            key = f"{line.date} {line.kind} {exact_text(line.amount_nanos)} {line.currency}"
            moved = self._find_cash(line)
            if moved is None and f"flex {line.line_id}"[:80] in self.b.lines:
                yield Finding(section="cash", what="matched", key=key, ours="booked before", line=line.line)
                continue
            if moved is None:
                yield self._cash_unknown(line, key)
                continue
            moved.taken = True
            if moved.date > self.s.to_date:
                self.late_cash[line.currency] = self.late_cash.get(line.currency, 0) + moved.amount_nanos
            as_kind = "" if moved.kind == line.kind else f"booked as {moved.kind}"
            yield Finding(section="cash", what="matched", key=key, ours=as_kind, line=line.line)
        if "CashTransactions" not in self.s.sections:
            return
        for moved in self.b.cash:
            if not moved.taken and self.s.from_date <= moved.date <= self.s.to_date:
                key = f"{moved.date} {moved.kind} {exact_text(moved.amount_nanos)} {moved.currency}"
                yield Finding(section="cash", what="missing there", key=key, remedy="not booked: the next sync tells")

    def _find_cash(self, line: CashLine) -> Moved | None:
        line_id = f"flex {line.line_id}"[:80]
        alike = [
            moved
            for moved in self.b.cash
            if not moved.taken and moved.currency == line.currency and moved.amount_nanos == line.amount_nanos
        ]
        for moved in alike:
            if moved.line_id == line_id:
                return moved
        near = [m for m in alike if not m.line_id and _days_apart(m.date, line.date) <= DAYS_APART_MAX]
        kinds = {line.kind, "withdrawal"} if line.kind == "deposit" else {line.kind}
        for wanted in (kinds, {"difference"}):
            for moved in near:
                if moved.kind in wanted:
                    return moved
        return None

    def _cash_unknown(self, line: CashLine, key: str) -> Finding:
        symbol = self._name(line.symbol, line.con_id)
        correction = {
            "kind": "cash", "line_id": f"flex {line.line_id}"[:80], "currency": line.currency,
            "amount": exact_text(line.amount_nanos), "cash_kind": line.kind,
            "text": "".join(sign for sign in line.text[:200] if sign.isprintable()),
        }  # fmt: skip
        if symbol in self.b.symbols:
            correction["symbol"] = symbol
        self.late_cash[line.currency] = self.late_cash.get(line.currency, 0) + line.amount_nanos
        return Finding(
            section="cash", what="missing here", key=key, theirs=line.text[:80], line=line.line,
            remedy="--book books it", correction=correction,
        )  # fmt: skip

    # ---- how it ended ------------------------------------------------------------------------------------------
    def corporate(self) -> Iterator[Finding]:
        """Shown; whether the books are split is for a person to see, and `quantd corporate apply` to do."""
        for line in self.s.corporate:
            symbol = self._name(line.symbol, line.con_id)
            known = [what for name, what in self.b.corporate if name == symbol]
            yield Finding(
                section="corporate actions", what="matched" if known else "missing here",
                key=f"{line.date} {line.kind} {symbol}", ours=", ".join(known), theirs=line.text[:80], line=line.line,
                remedy="" if known else "quantd corporate apply",
            )  # fmt: skip

    def positions(self) -> Iterator[Finding]:
        """Quantities at the end, with what is booked now or was booked later."""
        if "OpenPositions" not in self.s.sections:
            return
        theirs = {self._name(row.symbol, row.con_id): row for row in self.s.holdings}
        held = {name: self.b.holdings.get(name, 0) + self.late_qty.get(name, 0) for name in self.b.symbols}
        for symbol in sorted({*theirs, *(name for name, qty in held.items() if qty)}):
            row, ours = theirs.get(symbol), held.get(symbol, 0)
            told = 0 if row is None else row.qty_nanos
            yield Finding(
                section="positions", what="matched" if told == ours else "differs", key=symbol, field="quantity",
                ours=exact_text(ours), theirs=exact_text(told), line=0 if row is None else row.line,
                remedy="" if told == ours else "no line of the statement explains it: ask the broker",
            )  # fmt: skip

    def ends(self) -> Iterator[Finding]:
        """Ending cash by currency, the same way."""
        late = dict(self.late_cash)
        for deal in self.s.conversions:
            if self.b.lines.get(f"flex {deal.trade_id}", self.s.to_date + 1) > self.s.to_date:
                late[deal.sold] = late.get(deal.sold, 0) - deal.sold_nanos
                late[deal.bought] = late.get(deal.bought, 0) + deal.bought_nanos
                late[self.b.currency] = late.get(self.b.currency, 0) - deal.cost_nanos
        for currency, told in sorted(self.s.ending_cash.items()):
            ours = self.b.ending_cash.get(currency, 0) + late.get(currency, 0)
            same = abs(told - ours) < CASH_ROUNDING_NANOS
            yield Finding(
                section="ending cash", what="matched" if same else "differs", key=currency, field="cash",
                ours=exact_text(ours), theirs=exact_text(told),
                remedy="" if same else "no line of the statement explains it",
            )  # fmt: skip

    def _symbol(self, x: Execution) -> str:
        return self.b.symbols[x.inst] if 0 <= x.inst < len(self.b.symbols) else f"#{x.inst}"

    def _name(self, symbol: str, con_id: int) -> str:
        """As the config names it: by contract, for symbols are written in several ways."""
        return self.b.con_ids.get(con_id, symbol) if con_id else symbol


def _id_of(booked: Booked, x: Execution) -> str:
    """The newest id of an execution: what the books know it by."""
    return [key for key, one in booked.executions.items() if one is x][-1]


def _trade_key(trade: Trade, symbol: str) -> str:
    return f"{symbol} {trade.exec_id or trade.trade_id}"


def _terms(trade: Trade) -> str:
    return f"{exact_text(trade.qty_nanos)}@{exact_text(trade.px_nanos)}"


def _deal(deal: Conversion) -> str:
    sold, bought = exact_text(deal.sold_nanos), exact_text(deal.bought_nanos)
    return f"{sold} {deal.sold} into {bought} {deal.bought} ({deal.trade_id})"


def _days_apart(one: int, other: int) -> int:
    return abs(_ordinal(one) - _ordinal(other))


def _ordinal(day: int) -> int:
    try:
        return calendar_date(day // 10_000, day // 100 % 100, day % 100).toordinal()
    except ValueError:
        return -DAYS_APART_MAX * 2  # no day: apart from every other
