"""Marks and the exposure they give, kept incrementally: gross and net, account and strategy. Refreshed on every fill
and mark; opinion state, because marks come from the market and not from the broker.
"""

from core.concentration import Concentration
from core.ledger import Ledger
from core.market import MarketReader
from core.positions import value_at


class Exposure:
    """Position values at the last marks, in nanos of the base currency."""

    __slots__ = (
        "_by_inst",
        "_by_position",
        "_open_profit",
        "_unmarked",
        "concentration",
        "gross",
        "marks",
        "net",
        "strategy_gross",
        "strategy_unrealised",
        "unmarked",
    )

    def __init__(self, instruments: int) -> None:
        self.marks = [0] * instruments
        self.gross = 0
        self.net = 0
        self.strategy_gross: dict[str, int] = {}
        self.strategy_unrealised: dict[str, int] = {}
        self.unmarked = 0  # instruments held without any mark: gross, net and equity are not known while > 0
        self._unmarked = [0] * instruments
        self._open_profit: dict[tuple[str, int], int] = {}
        self._by_inst = [0] * instruments
        self.concentration: Concentration | None = None  # is told every change of a value; set by the context
        self._by_position: dict[tuple[str, int], int] = {}

    def mark(self, inst: int, mark_nanos: int, ledger: Ledger) -> None:
        """Set one instrument's mark (0 = none known: the last one stays) and bring the sums in line."""
        if mark_nanos:
            self.marks[inst] = mark_nanos
        else:
            mark_nanos = self.marks[inst]
        held = ledger.holdings[inst]
        value = value_at(held, mark_nanos)
        old = self._by_inst[inst]
        if value != old:
            self._by_inst[inst] = value
            self.net += value - old
            change = abs(value) - abs(old)
            self.gross += change
            if self.concentration is not None:
                self.concentration.add(inst, change)
        unmarked = 1 if held and not mark_nanos else 0
        if unmarked != self._unmarked[inst]:
            self.unmarked += unmarked - self._unmarked[inst]
            self._unmarked[inst] = unmarked
        for strategy in ledger.books:
            self._mark_strategy(strategy, inst, ledger)

    def _mark_strategy(self, strategy: str, inst: int, ledger: Ledger) -> None:
        key = (strategy, inst)
        position = ledger.positions.get(key)
        if position is None:
            return
        mark = self.marks[inst]
        signed = value_at(position.qty_nanos, mark)
        value = signed if signed >= 0 else -signed
        old = self._by_position.get(key, 0)
        self._by_position[key] = value
        self.strategy_gross[strategy] = self.strategy_gross.get(strategy, 0) + value - old
        profit = signed - position.cost_nanos if mark else 0
        change = profit - self._open_profit.get(key, 0)
        self._open_profit[key] = profit
        self.strategy_unrealised[strategy] = self.strategy_unrealised.get(strategy, 0) + change

    def mark_all(self, market: MarketReader, ledger: Ledger) -> None:
        """Re-mark every instrument the account holds."""
        for inst, qty in enumerate(ledger.holdings):
            if qty or self._by_inst[inst]:
                self.mark(inst, market.mark_nanos(inst), ledger)
        for (_, inst), position in ledger.positions.items():  # strategies that offset each other to a flat account
            if position.qty_nanos and not ledger.holdings[inst]:
                self.mark(inst, market.mark_nanos(inst), ledger)
