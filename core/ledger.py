"""Cash, positions and executions of one account, exact. Every execution is booked once, whoever reports it, whenever.

The identity held at all times: cash = starting cash - value bought + value sold - fees + adjustments, and the books of
the strategies add up to the account.
"""

from typing import Final

import msgspec

from core.ids import Side
from core.positions import Position, value_at
from core.units import notional_nanos

UNCLAIMED: Final = ""  # the book of fills that belong to no strategy of ours (foreign orders)


class Execution(msgspec.Struct, gc=False, kw_only=True):
    """One execution as booked; a correction replaces its numbers in place and keeps the chain of ids."""

    exec_id: str
    order_id: int
    strategy: str
    inst: int
    side: Side
    qty_nanos: int
    px_nanos: int
    ts_ns: int
    seq: int
    commission_nanos: int = 0
    commission_known: bool = False


class StrategyBook(msgspec.Struct, gc=False, kw_only=True):
    """What a strategy owns beside its positions."""

    strategy: str
    enabled: bool = True
    disabled_reason: str = ""
    realised_nanos: int = 0
    fees_nanos: int = 0
    day_base_nanos: int = 0  # its profit when the trading day began
    targets: dict[int, int] = {}
    decided: dict[int, tuple[int, int]] = {}  # by instrument: when the target was set, and the mid at that moment
    given_up: dict[int, int] = {}  # by instrument: the schedule that ended with a rest for good, until a new target


class Ledger:
    """Books executions and commissions. `currency` is the account's base; other currencies hold their own cash."""

    __slots__ = ("adjusted_nanos", "books", "cash", "currency", "executions", "fees_nanos", "holdings", "positions",
                 "realised_nanos", "spent_nanos", "start_cash_nanos",
        "transferred_nanos", "uncharged", "waiting_commissions")  # fmt: skip

    def __init__(self, *, instruments: int, currency: str, start_cash_nanos: int, strategies: tuple[str, ...]) -> None:
        self.currency = currency
        self.start_cash_nanos = start_cash_nanos
        self.cash: dict[str, int] = {currency: start_cash_nanos}
        self.spent_nanos = 0  # value bought less value sold
        self.adjusted_nanos = 0
        self.transferred_nanos = 0  # value of positions taken over without a trade
        self.fees_nanos = 0
        self.realised_nanos = 0
        self.uncharged = 0  # executions whose commission has not been reported
        self.positions: dict[tuple[str, int], Position] = {}
        self.holdings = [0] * instruments  # the account's signed quantity
        self.executions: dict[str, Execution] = {}
        self.waiting_commissions: dict[str, int] = {}  # reported before their execution
        self.books = {name: StrategyBook(strategy=name) for name in (*strategies, UNCLAIMED)}

    def position(self, strategy: str, inst: int) -> Position:
        """The strategy's position, made on first use."""
        position = self.positions.get((strategy, inst))
        if position is None:
            position = self.positions[strategy, inst] = Position(strategy=strategy, inst=inst)
        return position

    def held_nanos(self, strategy: str, inst: int) -> int:
        """Signed quantity of one strategy without making a position."""
        position = self.positions.get((strategy, inst))
        return 0 if position is None else position.qty_nanos

    def book_of(self, strategy: str) -> StrategyBook:
        """The strategy's book, made on first use (a strategy may leave the config and still own a position)."""
        book = self.books.get(strategy)
        if book is None:
            book = self.books[strategy] = StrategyBook(strategy=strategy)
        return book

    def execute(self, execution: Execution) -> bool:
        """Book one execution; False if its id is booked already."""
        if execution.exec_id in self.executions:
            return False
        self.executions[execution.exec_id] = execution
        self.uncharged += 1
        if execution.qty_nanos:  # none: taken back before it was known here
            self._move(execution, execution.side, execution.qty_nanos, execution.px_nanos)
        commission = self.waiting_commissions.pop(execution.exec_id, None)
        if commission is not None:
            self._charge(execution, commission)
        return True

    def version_before(self, exec_id: str) -> str:
        """The booked execution that this one replaces: same id with a lower last segment; "" = none."""
        head, _, last = exec_id.rpartition(".")
        if head and last.isdigit():
            for number in range(int(last) - 1, 0, -1):
                earlier = f"{head}.{number:0{len(last)}d}"
                if earlier in self.executions:
                    return earlier
        return ""

    def is_superseded(self, exec_id: str) -> bool:
        """Whether the next version of this execution is booked already: this one came late."""
        head, _, last = exec_id.rpartition(".")
        return bool(head) and last.isdigit() and f"{head}.{int(last) + 1:0{len(last)}d}" in self.executions

    def correct(self, *, corrects: str, exec_id: str, qty_nanos: int, px_nanos: int) -> int | None:
        """Replace an execution (quantity 0 = bust); returns the change of quantity, None if unknown."""
        if exec_id in self.executions:
            return 0
        old = self.executions.get(corrects)
        if old is None:
            return None
        if old.qty_nanos:
            self._move(old, -old.side, old.qty_nanos, old.px_nanos)
        change = qty_nanos - old.qty_nanos
        old.qty_nanos, old.px_nanos = qty_nanos, px_nanos
        if qty_nanos:
            self._move(old, old.side, qty_nanos, px_nanos)
        self.executions[exec_id] = old
        return change

    def _move(self, execution: Execution, side: Side, qty_nanos: int, px_nanos: int) -> None:
        value = notional_nanos(px_nanos, qty_nanos)
        realised = self.position(execution.strategy, execution.inst).book(side, qty_nanos, value)
        self.holdings[execution.inst] += side * qty_nanos
        self.cash[self.currency] -= side * value
        self.spent_nanos += side * value
        self.realised_nanos += realised
        self.book_of(execution.strategy).realised_nanos += realised

    def charge(self, exec_id: str, commission_nanos: int) -> bool:
        """Book a commission; one for an execution not seen yet waits. False if it was booked already."""
        execution = self.executions.get(exec_id)
        if execution is None:  # of a correction we have not heard of: the cost is the same one's
            execution = self.executions.get(self.version_before(exec_id))
        if execution is None:
            if exec_id in self.waiting_commissions:
                return False
            self.waiting_commissions[exec_id] = commission_nanos
            return True
        if execution.commission_known and execution.commission_nanos == commission_nanos:
            return False
        self._charge(execution, commission_nanos)
        return True

    def _charge(self, execution: Execution, commission_nanos: int) -> None:
        change = commission_nanos - execution.commission_nanos  # a later report replaces an earlier one
        execution.commission_nanos = commission_nanos
        if not execution.commission_known:
            execution.commission_known = True
            self.uncharged -= 1
        self.cash[self.currency] -= change
        self.fees_nanos += change
        self.position(execution.strategy, execution.inst).fees_nanos += change
        self.book_of(execution.strategy).fees_nanos += change

    def awaits_cost(self, since_ns: int) -> bool:
        """Whether the cost of an execution booked after `since_ns` is still to come."""
        return self.uncharged > 0 and any(
            not execution.commission_known and execution.ts_ns > since_ns for execution in self.executions.values()
        )

    def transfer(self, inst: int, qty_nanos: int, px_nanos: int, strategy: str = UNCLAIMED) -> None:
        """Take a position over at a price into one book; no cash moves (as a securities transfer)."""
        value = notional_nanos(px_nanos, abs(qty_nanos))
        side = 1 if qty_nanos > 0 else -1
        realised = self.position(strategy, inst).book(side, abs(qty_nanos), value)
        self.holdings[inst] += qty_nanos
        self.transferred_nanos += side * value
        self.realised_nanos += realised
        self.book_of(strategy).realised_nanos += realised

    def adjust(self, currency: str, amount_nanos: int) -> None:
        """Cash that moved without a trade."""
        self.cash[currency] = self.cash.get(currency, 0) + amount_nanos
        if currency == self.currency:
            self.adjusted_nanos += amount_nanos

    def equity_nanos(self, marks: list[int]) -> int:
        """Base cash plus holdings at marks (nanos per share, by instrument)."""
        value = sum(value_at(qty, marks[inst]) for inst, qty in enumerate(self.holdings) if qty)
        return self.cash[self.currency] + value

    def unrealised_nanos(self, marks: list[int], strategy: str | None = None) -> int:
        """Open profit at marks, of one strategy or all."""
        return sum(
            position.unrealised_nanos(marks[position.inst])
            for position in self.positions.values()
            if position.qty_nanos and (strategy is None or position.strategy == strategy)
        )

    def forget_before(self, ts_ns: int) -> None:
        """Drop executions older than `ts_ns`: the broker reports the current day only (IBKR reqExecutions)."""
        self.executions = {key: e for key, e in self.executions.items() if e.ts_ns >= ts_ns}
        first_ids = {e.exec_id: e for e in self.executions.values()}  # after a correction two ids share one execution
        self.uncharged = sum(1 for e in first_ids.values() if not e.commission_known)

    def assert_identity(self) -> None:
        """Raise AssertionError unless the books add up to the last nano."""
        cash = self.start_cash_nanos - self.spent_nanos - self.fees_nanos + self.adjusted_nanos
        assert self.cash[self.currency] == cash, f"cash {self.cash[self.currency]} but flows say {cash}"
        totals = [0] * len(self.holdings)
        cost = realised = fees = 0
        for position in self.positions.values():
            totals[position.inst] += position.qty_nanos
            cost += position.cost_nanos
            realised += position.realised_nanos
            fees += position.fees_nanos
        assert totals == self.holdings, f"strategies hold {totals}, the account {self.holdings}"
        assert realised == self.realised_nanos == sum(b.realised_nanos for b in self.books.values())
        assert fees == self.fees_nanos == sum(b.fees_nanos for b in self.books.values())
        flows = self.spent_nanos + self.transferred_nanos
        assert cost - realised == flows, f"cost {cost} - realised {realised} != spent and transferred {flows}"
