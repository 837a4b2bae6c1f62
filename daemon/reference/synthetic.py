"""What a made-up market trades a day, from its own parameters: nobody else could tell, and without an average volume no
entry passes control 8. Knows the generator's law of sizes and arrivals, not its rows.
"""

from math import expm1
from typing import Final

from core.instruments import Instrument, rule_on
from core.reference import InstrumentReference
from core.sessions import SessionTable
from core.units import NANO
from daemon.config import Config
from daemon.config.schema import SyntheticMarket
from daemon.reference.hours import day_of

PRINT_SHARE_OF_SIZE: Final = 0.15  # a print's mean size over a quote's (broker/feeds/synthesis.py)
SOURCE: Final = "synthetic"


def synthetic_reference(
    config: Config, instruments: tuple[Instrument, ...], tables: dict[str, SessionTable]
) -> tuple[InstrumentReference, ...]:
    """One row per instrument, from the first session of the tape to the end of its table."""
    settings = config.feed.synthetic
    markets = {market.symbol: market for market in settings.instruments}
    rows = []
    for instrument in instruments:
        days = [
            session
            for session in tables[instrument.calendar].sessions
            if day_of(session.date).isoformat() >= settings.start_date
        ]
        if not days:
            continue
        market = markets.get(instrument.symbol) or SyntheticMarket(symbol=instrument.symbol)
        lots = rule_on(instrument.lots, days[0].date)
        seconds = sum(session.close_ns - session.open_ns for session in days) / len(days) / NANO
        prints = market.events_per_second * settings.print_share * seconds
        shares = round(
            prints * mean_print_lots(market.size_lots) * (0 if lots is None else lots.round_lot_nanos) / NANO
        )
        rows.append(
            InstrumentReference(
                inst=instrument.inst,
                effective_from=days[0].date,
                adv_nanos=shares * NANO,
                source=SOURCE,
                until=days[-1].date,
            )
        )
    return tuple(rows)


def mean_print_lots(size_lots: float) -> float:
    """One lot and the whole lots of the smaller of two exponentials: what is wanted and what is shown."""
    wanted = PRINT_SHARE_OF_SIZE * size_lots
    shown = size_lots - 1.0
    if shown <= 0.0:
        return 1.0
    rate = 1.0 / wanted + 1.0 / shown
    return 1.0 + (1.0 / expm1(rate) if rate < 700.0 else 0.0)
