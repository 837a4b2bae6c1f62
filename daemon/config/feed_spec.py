"""Builds the spec of the feed process from the config and the reference tables. Knows no rows and starts nothing."""

from datetime import date

from broker.feeds.spec import FeedSpec, ReplaySpec, SyntheticInstrument, SyntheticSpec, validated
from core.errors import ConfigError
from core.instruments import Instrument, increment_at, rule_on
from core.sessions import SessionTable
from core.units import parse_nanos
from daemon.config.schema import Config, FeedSettings, SyntheticMarket
from daemon.reference.hours import number_of


def feed_spec(
    config: Config, *, instruments: tuple[Instrument, ...], sessions: SessionTable | None, skip_rows: int = 0
) -> FeedSpec:
    """What to ask the feed process for. Only a synthetic market needs the session table.

    Raises ConfigError naming the field.
    """
    if config.feed.kind == "replay":
        return replay_spec(config, skip_rows=skip_rows)
    if sessions is None:
        raise ConfigError("feed.kind: a synthetic market needs a session table; build the reference tables first")
    return synthetic_spec(config.feed, instruments=instruments, sessions=sessions, skip_rows=skip_rows)


def replay_spec(config: Config, *, skip_rows: int = 0) -> ReplaySpec:
    """Recorded files: quotes before trades where times are equal, each in file order."""
    feed = config.feed
    return validated(
        ReplaySpec(
            files=feed.quotes + feed.trades,
            symbols={symbol: inst for inst, symbol in enumerate(config.symbols)},
            start=feed.start,
            end=feed.end,
            timezone=feed.timezone,
            other_symbols=feed.other_symbols,
            profile=feed.profile,
            skip_rows=skip_rows,
        )
    )


def synthetic_spec(
    feed: FeedSettings, *, instruments: tuple[Instrument, ...], sessions: SessionTable, skip_rows: int = 0
) -> SyntheticSpec:
    """The first `days` sessions from `start_date` on, regular hours."""
    settings = feed.synthetic
    first = number_of(date.fromisoformat(settings.start_date))
    days = [session for session in sessions.sessions if session.date >= first][: settings.days]
    if len(days) < settings.days:
        raise ConfigError(
            f"feed.synthetic.days: {settings.days} sessions from {first} on, the table has {len(days)}; ask for fewer"
        )
    markets = {market.symbol: market for market in settings.instruments}
    return validated(
        SyntheticSpec(
            seed=settings.seed,
            instruments=tuple(
                _market(
                    instrument,
                    markets.get(instrument.symbol) or SyntheticMarket(symbol=instrument.symbol),
                    days[0].date,
                )
                for instrument in instruments
            ),
            sessions=tuple((session.open_ns, session.close_ns) for session in days),
            endless=settings.endless,
            print_share=settings.print_share,
            jumps_per_hour=settings.jumps_per_hour,
            jump_bp=settings.jump_bp,
            halts_per_hour=settings.halts_per_hour,
            halt_seconds=settings.halt_seconds,
            gaps_per_hour=settings.gaps_per_hour,
            gap_seconds=settings.gap_seconds,
            latency_ns=settings.latency_ns,
            dirty=settings.dirty,
            profile=feed.profile,
            skip_rows=skip_rows,
        )
    )


def _market(instrument: Instrument, market: SyntheticMarket, day: int) -> SyntheticInstrument:
    ticks, lots = rule_on(instrument.ticks, day), rule_on(instrument.lots, day)
    if ticks is None or lots is None:
        name = "ticks" if ticks is None else "lots"
        raise ConfigError(f"instruments[{instrument.inst}].{name}: no rule for {day}; add an earlier one")
    px_nanos = parse_nanos(str(market.px), field="px")
    return SyntheticInstrument(
        symbol=instrument.symbol,
        inst=instrument.inst,
        px_nanos=px_nanos,
        tick_nanos=increment_at(ticks, px_nanos),
        lot_nanos=lots.round_lot_nanos,
        events_per_second=market.events_per_second,
        spread_ticks=market.spread_ticks,
        size_lots=market.size_lots,
        volatility_bp_per_hour=market.volatility_bp_per_hour,
        reversion_ticks=market.reversion_ticks,
        reversion_seconds=market.reversion_seconds,
        day_spread=market.day_spread,
        signal_seconds=market.signal_seconds,
        signal_bp_per_hour=market.signal_bp_per_hour,
        signal_lean=market.signal_lean,
    )
