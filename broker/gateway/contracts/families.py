"""Contracts out of settings: single ones, and families of futures and options by expiry. Pure: the day is given."""

import zlib
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from broker.gateway.contracts.listing import CASH, FUT, IND, OPT, Listed
from broker.gateway.contracts.settings import ContractSettings
from core.units import NANO, parse_nanos

EXPIRIES: Final = 4
_MONTH_CODES: Final = "FGHJKMNQUVXZ"
_MADE_CON_ID_MIN: Final = 1_500_000_000  # above the ids of today's real contracts
_MADE_CON_IDS: Final = 500_000_000
_FRIDAY: Final = 4


def made_con_id(*words: object) -> int:
    """A contract id for a description that has none: the same one every time."""
    return _MADE_CON_ID_MIN + zlib.crc32("|".join(map(str, words)).encode()) % _MADE_CON_IDS


def third_friday(year: int, month: int) -> date:
    """The usual last trading day of a contract month."""
    first = date(year, month, 1)
    return first + timedelta(days=(_FRIDAY - first.weekday()) % 7 + 14)


def expiries(today: date, *, quarterly: bool) -> Iterator[date]:
    """The next expiries from a day on, that day included."""
    found, months = 0, today.year * 12 + today.month - 1
    while found < EXPIRIES:
        year, month = divmod(months, 12)
        months += 1
        day = third_friday(year, month + 1)
        if day >= today and not (quarterly and (month + 1) % 3):
            found += 1
            yield day


def single(settings: ContractSettings) -> Listed:
    """What is no family."""
    exchanges = tuple(settings.exchange.split(","))
    return Listed(
        con_id=settings.con_id or made_con_id(settings.symbol, settings.sec_type, settings.currency, settings.exchange),
        symbol=settings.symbol,
        sec_type=settings.sec_type,
        currency=settings.currency,
        exchange=exchanges[0],
        primary_exchange=settings.primary_exchange or ("" if settings.sec_type in (CASH, IND) else exchanges[-1]),
        local_symbol=settings.local_symbol or settings.symbol,
        trading_class=settings.trading_class or settings.symbol,
        multiplier=settings.multiplier,
        long_name=settings.long_name,
        industry=settings.industry,
        isin=settings.isin,
        valid_exchanges=exchanges,
        increments=((0, parse_nanos(settings.min_tick, field="min_tick")),),
    )


def family(settings: ContractSettings, today: date, underlying: Listed | None) -> Iterator[Listed]:
    """The members of a family that are listed on a day."""
    for day in expiries(today, quarterly=settings.months == "quarterly"):
        if settings.sec_type == FUT:
            yield _future(settings, day)
        elif underlying is not None:
            for strike in settings.strikes:
                for right in ("C", "P"):
                    yield _option(settings, day, strike, right, underlying)


def _future(settings: ContractSettings, day: date) -> Listed:
    exchanges = tuple(settings.exchange.split(","))
    code = f"{settings.local_symbol or settings.symbol}{_MONTH_CODES[day.month - 1]}{day.year % 10}"
    return Listed(
        con_id=made_con_id(settings.symbol, FUT, settings.exchange, f"{day:%Y%m%d}"),
        symbol=settings.symbol,
        sec_type=FUT,
        currency=settings.currency,
        exchange=exchanges[0],
        primary_exchange="",
        local_symbol=code,
        trading_class=settings.trading_class or settings.symbol,
        last_trade=f"{day:%Y%m%d}",
        multiplier=settings.multiplier,
        long_name=settings.long_name,
        under_symbol=settings.symbol,
        under_sec_type=IND,
        valid_exchanges=exchanges,
        increments=((0, parse_nanos(settings.min_tick, field="min_tick")),),
    )


def _option(settings: ContractSettings, day: date, strike: str, right: str, underlying: Listed) -> Listed:
    exchanges = tuple(settings.exchange.split(","))
    strike_nanos = parse_nanos(strike, field="strikes")
    trading_class = settings.trading_class or settings.symbol
    return Listed(
        con_id=made_con_id(settings.symbol, OPT, trading_class, f"{day:%Y%m%d}", strike_nanos, right),
        symbol=settings.symbol,
        sec_type=OPT,
        currency=settings.currency,
        exchange=exchanges[0],
        primary_exchange="",
        local_symbol=f"{trading_class:<6}{day:%y%m%d}{right}{strike_nanos * 1000 // NANO:08d}",
        trading_class=trading_class,
        last_trade=f"{day:%Y%m%d}",
        strike_nanos=strike_nanos,
        right=right,
        multiplier=settings.multiplier,
        long_name=settings.long_name,
        under_con_id=underlying.con_id,
        under_symbol=underlying.symbol,
        under_sec_type=underlying.sec_type,
        valid_exchanges=exchanges,
        increments=((0, parse_nanos(settings.min_tick, field="min_tick")),),
    )
