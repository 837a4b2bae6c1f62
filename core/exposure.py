"""Marks and the exposure they give, kept incrementally: gross and net, account and strategy. Refreshed on every fill
and mark; opinion state, because marks come from the market and not from the broker.
"""

from core.concentration import Concentration
from core.ledger import Ledger
from core.market import MarketReader
from core.money.conditions import MarginRate
from core.positions import value_at


class Exposure:
    """Position values at the last marks, in nanos of the base currency."""

    __slots__ = (
        "_by_inst",
        "_by_position",
        "_open_profit",
        "_rates",
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
        self._open_profit: dict[tuple[str, int], int] = {}
        self._by_inst = [0] * instruments
        self.concentration: Concentration | None = None  # is told every change of a value; set by the context
        self._by_position: dict[tuple[str, int], int] = {}
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
        value = value_at(held, mark_nanos)
        old = self._by_inst[inst]
        if value != old:
            self._by_inst[inst] = value
            self._bind(inst, old, -1)
            self._bind(inst, value, 1)
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
