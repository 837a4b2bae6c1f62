"""Marks and the exposure they give, kept incrementally: gross and net, account and strategy. Refreshed on every fill
and mark; opinion state, because marks come from the market and not from the broker.
"""

from itertools import islice
from typing import Final

from core.concentration import Concentration
from core.ledger import Ledger
from core.market import MarketReader
from core.money.conditions import MarginRate
from core.positions import Position, value_at
from core.units import NANO

_FRACTION: Final = 1 << 62  # in place of whole shares


class _Book:
    """One strategy's position, and what it is in the sums with."""

    __slots__ = ("position", "profit", "strategy", "value")

    def __init__(self, position: Position) -> None:
        self.position = position
        self.strategy = position.strategy
        self.value = 0
        self.profit = 0


class Exposure:
    """Position values at the last marks, in nanos of the base currency."""

    __slots__ = (
        "_books",
        "_by_inst",
        "_held",
        "_positions",
        "_rates",
        "_shares",
        "_unmarked",
        "concentration",
        "gross",
        "marks",
        "net",
        "rate_bp_max",
        "rated_initial",
        "rated_maintenance",
        "strategy_gross",
        "strategy_unrealised",
        "unmarked",
        "unrated_long",
        "unrated_short",
    )

    def __init__(self, instruments: int) -> None:
        self.marks = [0] * instruments
        self.gross = 0
        self.net = 0
        self.strategy_gross: dict[str, int] = {}
        self.strategy_unrealised: dict[str, int] = {}
        self.unmarked = 0  # instruments held without any mark: gross, net and equity are not known while > 0
        self._unmarked = [0] * instruments
        self._by_inst = [0] * instruments
        self._held = [0] * instruments  # holdings as of the last mark, and the same in whole shares
        self._shares = [0] * instruments
        self.concentration: Concentration | None = None  # is told every change of a value; set by the context
        self._positions = 0  # of the ledger, as known here
        self._books: list[list[_Book]] = [[] for _ in range(instruments)]  # who holds, or held, the instrument
        # What positions bind: value times basis points where the broker has told a rate, plain value where it has not.
        self.unrated_long = 0
        self.unrated_short = 0
        self.rated_initial = 0
        self.rated_maintenance = 0
        self.rate_bp_max = 0  # the highest initial rate known
        self._rates: dict[tuple[int, int], MarginRate] = {}

    def mark(self, inst: int, mark_nanos: int, ledger: Ledger) -> None:
        """Set one instrument's mark (0 = none known: the last one stays) and bring the sums in line."""
        if mark_nanos:
            self.marks[inst] = mark_nanos
        else:
            mark_nanos = self.marks[inst]
        held = ledger.holdings[inst]
        if held != self._held[inst]:
            self._held[inst] = held
            shares, rest = divmod(held, NANO)
            self._shares[inst] = shares if rest == 0 else _FRACTION
        shares = self._shares[inst]
        # Whole shares need no division: the same value in a fifth of the time.
        value = shares * mark_nanos if shares != _FRACTION else value_at(held, mark_nanos)
        old = self._by_inst[inst]
        if value != old:
            self._by_inst[inst] = value
            if not self._rates and old >= 0 <= value:
                self.unrated_long += value - old  # the ordinary case
            else:
                self._bind(inst, old, -1)
                self._bind(inst, value, 1)
            self.net += value - old
            change = (value if value >= 0 else -value) - (old if old >= 0 else -old)
            self.gross += change
            if self.concentration is not None:
                self.concentration.add(inst, change)
        unmarked = 1 if held and not mark_nanos else 0
        if unmarked != self._unmarked[inst]:
            self.unmarked += unmarked - self._unmarked[inst]
            self._unmarked[inst] = unmarked
        if len(ledger.positions) != self._positions:
            self._find_books(ledger)
        for book in self._books[inst]:
            position = book.position
            signed = value if position.qty_nanos == held else value_at(position.qty_nanos, mark_nanos)
            size = signed if signed >= 0 else -signed
            if size != book.value:
                self.strategy_gross[book.strategy] += size - book.value
                book.value = size
            profit = signed - position.cost_nanos if mark_nanos else 0
            if profit != book.profit:
                self.strategy_unrealised[book.strategy] += profit - book.profit
                book.profit = profit

    def _find_books(self, ledger: Ledger) -> None:
        """Again when a strategy first traded an instrument: its position is one object for good. None ever leaves the
        ledger, and the new ones are its last.
        """
        new = max(len(ledger.positions) - self._positions, 0)
        self._positions = len(ledger.positions)
        for (strategy, inst), position in reversed(list(islice(reversed(ledger.positions.items()), new))):
            if all(book.position is not position for book in self._books[inst]):
                self._books[inst].append(_Book(position))
                self.strategy_gross.setdefault(strategy, 0)
                self.strategy_unrealised.setdefault(strategy, 0)

    def _bind(self, inst: int, value: int, sign: int) -> None:
        if not value:
            return
        size, side = (value, 1) if value > 0 else (-value, -1)
        rate = self._rates.get((inst, side)) if self._rates else None
        if rate is not None:
            self.rated_initial += sign * size * rate.initial_bp
            self.rated_maintenance += sign * size * rate.maintenance_bp
        elif side > 0:
            self.unrated_long += sign * size
        else:
            self.unrated_short += sign * size

    def set_rates(self, rates: dict[tuple[int, int], MarginRate]) -> None:
        """The margin rates the broker has told, all of them."""
        for inst, value in enumerate(self._by_inst):
            self._bind(inst, value, -1)
        self._rates = dict(rates)
        self.rate_bp_max = max((rate.initial_bp for rate in rates.values()), default=0)
        for inst, value in enumerate(self._by_inst):
            self._bind(inst, value, 1)

    def value_nanos(self, inst: int) -> int:
        """Signed value of the account's position at its last mark."""
        return self._by_inst[inst]

    def mark_all(self, market: MarketReader, ledger: Ledger) -> None:
        """Re-mark every instrument the account holds."""
        for inst, qty in enumerate(ledger.holdings):
            if qty or self._by_inst[inst]:
                self.mark(inst, market.mark_nanos(inst), ledger)
        for (_, inst), position in ledger.positions.items():  # strategies that offset each other to a flat account
            if position.qty_nanos and not ledger.holdings[inst]:
                self.mark(inst, market.mark_nanos(inst), ledger)
