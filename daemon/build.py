"""The composition root's parts: one machine (engine, and its simulated venue) out of config and reference tables.

Everything is a constructor argument; nothing here starts a process or asks for the time, and the only files read are
the models that the config names. `daemon.kernels` must have been configured before this module is imported (it imports
numba).
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from broker.sim.exchange import Exchange
from core.engine import Engine, EngineSettings
from core.errors import ConfigError
from core.exposure import Exposure
from core.fees import FeeTable
from core.instruments import Instrument
from core.latches import LEVELS
from core.market import MarketReader, new_market
from core.money.snapshot import load
from core.money.state import Money, MoneySettings
from core.ports import Context
from core.rows import ROW
from core.sessions import Calendar
from core.volume import Volumes
from daemon.config import Config
from daemon.machine import LIVE_ROWS_MAX, Machine
from daemon.reference.tables import ReferenceTables
from daemon.serving import models_as_recorded
from execution.desk import NettingDesk
from execution.executor import ChaseExecutor
from execution.settings import DEFAULT_SETTINGS, resolve
from risk.gate import Gate
from risk.ladder import Ladder
from risk.resolve import rates
from strategies.kinds import find_kind, read_params
from strategies.registry import Seat, build, build_pipeline, slots_of


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """State to build upon: money always; the engine's opinion and the venue only from the same code and config."""

    money: bytes
    opinion: dict[str, bytes] | None = None
    exchange: bytes | None = None


def build_machine(
    config: Config, tables: ReferenceTables, *, with_venue: bool, restored: Restored | None = None
) -> Machine:
    """A machine, empty or restored. Raises ConfigError naming a field that cannot be honoured."""
    if with_venue and config.venue_in_process and config.venue.impact.on:  # rows are read before the venue sees them
        raise ConfigError("venue.impact: a tape in the trader's own process cannot move; run a paper gateway with it")
    instruments = tables.contracts
    settings = money_settings(config)
    money = Money(settings) if restored is None else load(settings, restored.money)
    market = new_market(len(instruments))
    watch = np.zeros(len(instruments), np.int64)
    calendars = tables.calendars()
    dates = tables.dates()
    context = Context(
        instruments=instruments,
        calendars=calendars,
        previous_close_nanos=[0] * len(instruments),
        closes={date: tables.previous_close_nanos(date) for date in dates},
        volumes=Volumes(len(instruments), by_date={date: tables.adv_nanos(date) for date in dates}),
        money=money,
        market=MarketReader(market),
        exposure=Exposure(len(instruments)),
        reference_awaited=config.broker_feed,
    )
    context.roll(money.trading_date)
    live_rows = np.zeros(LIVE_ROWS_MAX, ROW)
    engine = _engine(config, tables, context, watch=watch, buffer=live_rows)
    exchange = None
    if with_venue and config.venue_in_process:
        state = None if restored is None else restored.exchange
        exchange = _exchange(config, tables, instruments, watch, market, state)
    if restored is not None and restored.opinion is not None:
        engine.load_opinion(restored.opinion)
    return Machine(
        engine,
        exchange,
        live_rows,
        cancels_first=config.journal.durability == "fsync",
        told_elsewhere=config.broker_feed,
    )


def money_settings(config: Config) -> MoneySettings:
    """What the fold needs of the config."""
    limits = rates(config.limits)
    return MoneySettings(
        account=config.account.id,
        account_tag=config.account.tag,
        currency=config.account.currency,
        start_cash_nanos=config.venue.cash_nanos,
        symbols=config.symbols,
        strategies=tuple(config.strategies),
        duplicate_window_ns=limits.duplicate_window_ns,
        rate_account=limits.account,
        rate_strategy=limits.strategy,
        rate_symbol=limits.symbol,
        margin_rate_ns_max=limits.margin_rate_ns_max,
    )


def _seats(config: Config) -> list[Seat]:
    return [
        Seat(
            strategy=name,
            instruments=tuple(config.symbols.index(symbol) for symbol in strategy.symbols),
            params=read_params(find_kind(strategy.kind), strategy.params, field=f"strategies.{name}.params"),
            field=f"strategies.{name}.params",
        )
        for name, strategy in config.strategies.items()
        if strategy.enabled
    ]


def _engine(
    config: Config, tables: ReferenceTables, context: Context, *, watch: NDArray[np.int64], buffer: NDArray[np.void]
) -> Engine:
    execution = {
        name: resolve(
            strategy.execution,
            field=f"strategies.{name}.execution",
            fitted=config.costs.fitted,
            days_max=config.costs.days_max,
        )
        for name, strategy in config.strategies.items()
    }
    seats = _seats(config)
    slots = slots_of(seats, models_as_recorded(config, tables.models), context.instruments)
    pipeline = build_pipeline(
        slots, market=context.market.state, watch=watch, buffer=buffer, profile=config.feed.profile
    )
    strategies = [build(slot, seat.params, context, pipeline) for slot, seat in zip(slots, seats, strict=True)]
    pace = rates(config.limits)
    return Engine(
        settings=EngineSettings(
            mark_interval_ns=config.engine.mark_interval_ns,
            sync_interval_ns=config.engine.reconcile_ns,
            ack_timeout_ns=config.engine.ack_timeout_ns,
            kill_retry_ns=config.engine.kill_retry_ns,
            kill_alert_ns=config.engine.kill_alert_ns,
            link_alert_ns=config.engine.link_alert_ns,
            risk_interval_ns=config.risk.interval_ns,
            equity_note_interval_ns=config.engine.equity_note_interval_ns,
            cash_tolerance_bp=config.engine.cash_tolerance_bp,
            cash_tolerance_nanos=config.engine.cash_tolerance_nanos,
            whatif_notional_nanos=pace.whatif_notional_min_nanos,
            margin_rate_ns_max=pace.margin_rate_ns_max,
            day_trades_warned=pace.day_trades_warned,
            index_inst=config.symbols.index(config.market.index) if config.market.index else -1,
            on_disable={name: s.on_disable for name, s in config.strategies.items()},
            on_stop={name: s.on_stop for name, s in config.strategies.items()},
            persons=config.authority.persons,
            cross_internally=config.execution.cross_internally,
            two_person_levels=tuple(LEVELS[name] for name in config.authority.two_person_levels),
        ),
        context=context,
        pipeline=pipeline,
        strategies=tuple(strategies),
        desk=NettingDesk(context, settings=execution, default=DEFAULT_SETTINGS, fees=FeeTable(tables.fee_rows)),
        executor=ChaseExecutor(context, settings=execution, default=DEFAULT_SETTINGS),
        gate=Gate(context, config.limits, account=config.account.id, account_tag=config.account.tag),
        monitor=Ladder(
            context,
            config.limits,
            mark_interval_ns=config.engine.mark_interval_ns,
            sync_interval_ns=config.engine.reconcile_ns,
        ),
    )


def _exchange(
    config: Config,
    tables: ReferenceTables,
    instruments: tuple[Instrument, ...],
    watch: NDArray[np.int64],
    market: NDArray[np.void],
    state: bytes | None,
) -> Exchange:
    # Session readers of its own: a reader keeps its place, and venue and engine walk apart.
    by_name = {loaded.table.calendar: Calendar(loaded.table) for loaded in tables.sessions}
    fees = FeeTable(tables.fee_rows)
    if state is None:
        return Exchange(
            instruments=instruments, calendars=by_name, fees=fees, config=config.venue, watch=watch, quotes=market
        )
    return Exchange.restore(
        state, instruments=instruments, calendars=by_name, fees=fees, config=config.venue, watch=watch, quotes=market
    )
