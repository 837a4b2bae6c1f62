"""What the risk worker is told of an account: rules of the run, histories as they arrive, the book of the moment. And
the same measure inside the process, for a tape: a worker on the wall's clock cannot follow one. Reads, decides nothing.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator

from core.corporate import DONE, SPLIT, Terms, in_new_shares
from core.engine import Engine
from core.events import RiskMeasured
from daemon.config import Config
from daemon.reference.tables import ReferenceTables
from risk.limit_rows import ROWS
from risk.limits import factory_value, set_value
from risk.measure import DAYS_MAX, Book, History, Holding, RiskModel, Rules


def rules_of(config: Config, tables: ReferenceTables) -> Rules:
    """Of the config. The assumed volatility is a limit; a change of it holds from the next start."""
    row = ROWS["assumed_volatility_bp"]
    assumed = set_value(config.limits.account, row, "limits.account")
    risk = config.risk
    return Rules(
        sectors=tuple(instrument.sector for instrument in tables.contracts),
        market_inst=config.symbols.index(risk.market) if risk.market else -1,
        participation_bp=risk.participation_bp,
        cluster_correlation_bp=risk.cluster_correlation_bp,
        assumed_volatility_bp=factory_value(row) if assumed is None else assumed,
        scenarios=risk.stress,
    )


class Histories:
    """Daily closes: those of the run's tables, and the broker's, which replace them."""

    def __init__(self, tables: ReferenceTables) -> None:
        self._tables = tables
        self._told: dict[int, int] = {}  # instrument -> trading day whose closes were told last

    def forget(self) -> None:
        """Nobody knows them any more."""
        self._told.clear()

    def new(self, engine: Engine) -> Iterator[History]:
        """Those that were not told yet."""
        for inst, slow in engine.context.arrivals.slow.items():
            if slow.closes_nanos and self._told.get(inst, 0) < slow.effective_from:
                self._told[inst] = slow.effective_from
                yield History(inst=inst, dates=slow.close_dates, closes_nanos=slow.closes_nanos)
        today = engine.money.trading_date
        for loaded in self._tables.histories:
            if self._told.get(loaded.inst, 0) < today:
                self._told[loaded.inst] = today
                before = bisect_left(loaded.dates, today)  # a tape must not know the closes that come
                first = max(0, before - DAYS_MAX)
                dates = loaded.dates[first:before]
                closes = in_new_shares(dates, loaded.closes_nanos[first:before], splits_of(engine, loaded.inst))
                yield History(inst=loaded.inst, dates=dates, closes_nanos=closes)


def splits_of(engine: Engine, inst: int) -> list[Terms]:
    """Splits that were carried out in an instrument, by their day."""
    done = [
        action.terms
        for action in engine.money.corporate.values()
        if action.terms.inst == inst and action.terms.kind == SPLIT and action.state == DONE
    ]
    return sorted(done, key=lambda terms: terms.ex_date)


def book_of(engine: Engine, ts_ns: int) -> Book:
    """What the account holds at the last marks."""
    exposure, money = engine.exposure, engine.money
    adv = engine.context.volumes.adv_nanos
    return Book(
        as_of_ns=ts_ns,
        equity_nanos=money.equity_nanos,
        gross_nanos=exposure.gross,
        holdings=tuple(
            Holding(inst=inst, value_nanos=exposure.value_nanos(inst), qty_nanos=abs(held), adv_nanos=adv[inst])
            for inst, held in enumerate(money.ledger.holdings)
            if held
        ),
    )


class MeasuredHere:
    """Implements Measurer at once, in this process and at the engine's own time: for tapes."""

    def __init__(self, config: Config, tables: ReferenceTables) -> None:
        self._rules = rules_of(config, tables)
        self._sources = Histories(tables)
        self._known: dict[int, History] = {}
        self._model: RiskModel | None = None

    def measure(self, engine: Engine, ts_ns: int) -> RiskMeasured:
        """Of this moment."""
        for history in self._sources.new(engine):
            self._known[history.inst] = history
            self._model = None
        if self._model is None:
            self._model = RiskModel(self._rules, self._known.values())
        return self._model.measure(book_of(engine, ts_ns))


Tell = Callable[[RiskMeasured], None]
