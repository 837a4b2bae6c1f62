"""Cash, positions and executions of one account, exact. Every execution is booked once, whoever reports it, whenever.

The identity held at all times, in every currency: cash = starting cash - value bought + value sold - fees + what moved
without a trade, by kind; and the books of the strategies add up to the account.
"""

from typing import Final

import msgspec

from core.errors import Bug
from core.ids import BUY, SELL, Side
from core.positions import Position, value_at
from core.units import NANO, notional_nanos, share_of

UNCLAIMED: Final = ""  # the book of fills that belong to no strategy of ours (foreign orders)
DIFFERENCE: Final = "difference"  # kind of cash that moved and nobody has said why


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
    split_num: int = 1  # a share of then is `split_num` / `split_den` shares now
    split_den: int = 1
    liquidity: int = 0  # 1 added, 2 removed, 3 routed; 0 = not told
    fees: tuple[tuple[str, int], ...] = ()  # its commission by kind, as the statement says; () = one sum
    shared: bool = False  # of the account's own order: booked on to the books that it closed
    parts: tuple[tuple[str, int], ...] = ()  # of them, what each got, signed; they share its commission


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
    income_nanos: int = 0  # dividends of what it held, net


class Ledger:
    """Books executions and commissions. `currency` is the account's base; other currencies hold their own cash."""

    __slots__ = (
        "accrued", "adjusted_nanos", "beside_nanos", "books", "cash", "currency", "executions", "fee_kinds",
        "fees_nanos", "flows", "holdings", "positions", "rates", "realised_nanos", "spent_nanos", "start_cash_nanos",
        "transferred_nanos", "uncharged", "waiting_commissions",
    )  # fmt: skip

    def __init__(self, *, instruments: int, currency: str, start_cash_nanos: int, strategies: tuple[str, ...]) -> None:
        self.currency = currency
        self.start_cash_nanos = start_cash_nanos
        self.cash: dict[str, int] = {currency: start_cash_nanos}
        self.spent_nanos = 0  # value bought less value sold
        self.adjusted_nanos = 0
        self.flows: dict[tuple[str, str], int] = {}  # cash that moved without a trade, by currency and kind
        self.rates: dict[str, int] = {}  # nanos of the base currency for one of another: the last conversion's
        self.accrued: dict[str, int] = {}  # dividends due and not paid yet, net, by currency
        self.beside_nanos = 0  # worth of other currencies and of what is due, in the base currency
        self.transferred_nanos = 0  # value of positions taken over without a trade
        self.fees_nanos = 0
        self.fee_kinds: dict[str, int] = {}  # of it, by kind, as far as a statement has said
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
        if exec_id.endswith(".01"):  # the ordinary case
            return f"{exec_id[:-1]}2" in self.executions
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
            self._move(old, -old.side, old.qty_nanos, old.px_nanos, undo=True)
        change = qty_nanos - old.qty_nanos
        old.qty_nanos, old.px_nanos = qty_nanos, px_nanos
        if qty_nanos:
            self._move(old, old.side, qty_nanos, px_nanos)
        self.executions[exec_id] = old
        return change

    def _move(self, execution: Execution, side: Side, qty_nanos: int, px_nanos: int, *, undo: bool = False) -> None:
        value = notional_nanos(px_nanos, qty_nanos)
        qty_nanos = share_of(qty_nanos, execution.split_num, execution.split_den)
        position = self.position(execution.strategy, execution.inst)
        realised = position.book(side, qty_nanos, value, seq=execution.seq, undo=undo)
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
        self._book_cost(execution, -1)
        execution.commission_nanos = commission_nanos
        self._book_cost(execution, 1)
        if not execution.commission_known:
            execution.commission_known = True
            self.uncharged -= 1
        self.cash[self.currency] -= change
        self.fees_nanos += change

    def _book_cost(self, execution: Execution, way: int) -> None:
        """Its commission in the book it belongs to, or in those that it was shared among, by their parts; `way` -1
        takes it out again.
        """
        cost = rest = way * execution.commission_nanos
        whole = sum(abs(qty_nanos) for _, qty_nanos in execution.parts)
        for strategy, qty_nanos in execution.parts[1:]:
            part = share_of(cost, abs(qty_nanos), whole)
            self._add_fees(strategy, execution.inst, part)
            rest -= part
        self._add_fees(execution.parts[0][0] if execution.parts else execution.strategy, execution.inst, rest)

    def _add_fees(self, strategy: str, inst: int, fees_nanos: int) -> None:
        self.position(strategy, inst).fees_nanos += fees_nanos
        self.book_of(strategy).fees_nanos += fees_nanos

    def name_fees(self, exec_id: str, parts: tuple[tuple[str, int], ...]) -> None:
        """What a commission was made of, as a statement says; in place of what one said before. No cash moves."""
        execution = self.executions.get(exec_id)
        before = () if execution is None else execution.fees
        for kind, amount in (*((kind, -amount) for kind, amount in before), *parts):
            self.fee_kinds[kind] = self.fee_kinds.get(kind, 0) + amount
        if execution is not None:
            execution.fees = parts

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

    def cross(self, inst: int, *, buyer: str, seller: str, qty_nanos: int, px_nanos: int, seq: int) -> None:
        """One book buys from another: both book the same value, the account holds and spends what it did."""
        if qty_nanos <= 0 or px_nanos <= 0 or buyer == seller or UNCLAIMED in (buyer, seller):
            raise Bug(f"cross of {qty_nanos} at {px_nanos} from {seller!r} to {buyer!r}: two books, both above 0")
        value = notional_nanos(px_nanos, qty_nanos)
        for strategy, side in ((buyer, BUY), (seller, SELL)):
            realised = self.position(strategy, inst).book(side, qty_nanos, value, seq=seq)
            self.realised_nanos += realised
            self.book_of(strategy).realised_nanos += realised

    def share(self, exec_id: str, books: tuple[tuple[str, int], ...]) -> None:
        """An execution of nobody's order becomes that of the books which it closed: at its price, with its commission;
        no cash moves.
        """
        execution = self.executions[exec_id]
        self._book_cost(execution, -1)
        nobodys = execution.side * execution.qty_nanos - sum(qty_nanos for _, qty_nanos in books)
        execution.shared, execution.parts = True, books + (((UNCLAIMED, nobodys),) if nobodys else ())
        self._book_cost(execution, 1)
        for strategy, qty_nanos in books:
            side, value = (BUY if qty_nanos > 0 else SELL), notional_nanos(execution.px_nanos, abs(qty_nanos))
            for owner, way in ((UNCLAIMED, -side), (strategy, side)):
                position = self.position(owner, execution.inst)
                realised = position.book(way, abs(qty_nanos), value, seq=execution.seq)
                self.realised_nanos += realised
                self.book_of(owner).realised_nanos += realised

    def split(self, inst: int, quantities: tuple[tuple[str, int], ...], *, num: int, den: int) -> None:
        """New quantities of every book of an instrument that became `num` shares for `den`; no cash moves."""
        for strategy, qty_nanos in quantities:
            position = self.position(strategy, inst)
            self.holdings[inst] += qty_nanos - position.qty_nanos
            realised = position.split(qty_nanos)
            self.realised_nanos += realised
            self.book_of(strategy).realised_nanos += realised
        for execution in {x.exec_id: x for x in self.executions.values() if x.inst == inst}.values():
            execution.split_num *= num
            execution.split_den *= den

    def adjust(self, currency: str, amount_nanos: int, kind: str = "") -> None:
        """Cash that moved without a trade."""
        self.cash[currency] = self.cash.get(currency, 0) + amount_nanos
        key = (currency, kind or DIFFERENCE)
        self.flows[key] = self.flows.get(key, 0) + amount_nanos
        if currency == self.currency:
            self.adjusted_nanos += amount_nanos
        else:
            self.value_beside()

    def convert(self, sold: str, sold_nanos: int, bought: str, bought_nanos: int) -> None:
        """Cash of one currency for cash of another; the base currency on one side gives the rate of the other."""
        if sold == self.currency:
            self.rates[bought] = share_of(NANO, sold_nanos, bought_nanos)
        elif bought == self.currency:
            self.rates[sold] = share_of(NANO, bought_nanos, sold_nanos)
        self.adjust(sold, -sold_nanos, "conversion")
        self.adjust(bought, bought_nanos, "conversion")
        self.value_beside()

    def accrue(self, strategy: str, currency: str, amount_nanos: int) -> None:
        """A dividend of one book is due, net of what is withheld."""
        self.accrued[currency] = self.accrued.get(currency, 0) + amount_nanos
        self.book_of(strategy).income_nanos += self.in_base_nanos(currency, amount_nanos)
        self.value_beside()

    def release(self, currency: str, amount_nanos: int) -> None:
        """What was due has been paid, or never will be."""
        self.accrued[currency] = self.accrued.get(currency, 0) - amount_nanos
        self.value_beside()

    def in_base_nanos(self, currency: str, amount_nanos: int) -> int:
        """Worth in the base currency; 0 in one that has no rate yet."""
        return amount_nanos if currency == self.currency else share_of(amount_nanos, self.rates.get(currency, 0), NANO)

    def value_beside(self) -> None:
        """Value other currencies and dividends again, after a change of either or of a rate."""
        others = sum(self.in_base_nanos(name, held) for name, held in self.cash.items() if name != self.currency)
        self.beside_nanos = others + sum(self.in_base_nanos(name, due) for name, due in self.accrued.items())

    def equity_nanos(self, marks: list[int]) -> int:
        """Cash and dividends due in all currencies, plus holdings at marks (nanos per share, by instrument)."""
        value = sum(value_at(qty, marks[inst]) for inst, qty in enumerate(self.holdings) if qty)
        return self.cash[self.currency] + self.beside_nanos + value

    @property
    def realised_fifo_nanos(self) -> int:
        """Profit realised by lots, first in first out."""
        return sum(position.realised_fifo_nanos for position in self.positions.values())

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
        for currency, held in self.cash.items():
            moved = sum(amount for (name, _), amount in self.flows.items() if name == currency)
            traded = self.start_cash_nanos - self.spent_nanos - self.fees_nanos if currency == self.currency else 0
            assert held == traded + moved, f"{currency}: cash {held} but its kinds say {traded + moved}"
        totals = [0] * len(self.holdings)
        cost = realised = fees = fifo = 0
        for position in self.positions.values():
            totals[position.inst] += position.qty_nanos
            cost += position.cost_nanos
            realised += position.realised_nanos
            fees += position.fees_nanos
            fifo += position.lots_cost_nanos - position.realised_fifo_nanos
            lots = sum(lot.qty_nanos for lot in position.lots)
            assert lots == position.qty_nanos, f"lots hold {lots}, the position {position.qty_nanos}"
        assert totals == self.holdings, f"strategies hold {totals}, the account {self.holdings}"
        assert realised == self.realised_nanos == sum(b.realised_nanos for b in self.books.values())
        assert fees == self.fees_nanos == sum(b.fees_nanos for b in self.books.values())
        flows = self.spent_nanos + self.transferred_nanos
        assert cost - realised == flows, f"cost {cost} - realised {realised} != spent and transferred {flows}"
        assert fifo == flows, f"by lots {fifo} != spent and transferred {flows}"
