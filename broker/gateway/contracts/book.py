"""The contract book: every contract a client can name, and which of them has a market here. Answers descriptions with
contracts or with TWS's refusal. Knows no socket; the day is asked from the world's clock.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from broker.gateway.contracts.families import family, made_con_id, single
from broker.gateway.contracts.listing import (
    AMBIGUOUS_CODE,
    BAG,
    CONTFUT,
    FUT,
    NO_DEFINITION,
    OPT,
    SEC_TYPES,
    SMART,
    STK,
    Listed,
    Query,
    Refusal,
    fits,
    invalid,
)
from broker.gateway.contracts.settings import WELL_KNOWN, ContractSettings
from core.errors import ConfigError
from core.instruments import Instrument, rule_on
from core.units import NANO

# Where a US stock trades, as TWS lists it; the listing exchange is added when it is another one.
US_EXCHANGES: Final = (
    SMART, "AMEX", "NYSE", "ARCA", "ISLAND", "BATS", "EDGEA", "BYX", "BEX", "CHX", "IEX", "NYSENAT", "MEMX", "PEARL",
)  # fmt: skip
ORDER_TYPES: Final = (
    "ACTIVETIM,ADJUST,ALERT,ALGO,COND,DAY,DEACT,FOK,GAT,GTC,GTD,GTT,HID,IOC,LMT,LOC,MKT,MOC,OCA,OPG,OPENCLOSE,OUTRTH,"
    "SMARTSTG,STP,STPLMT,TRAIL,TRAILLMT,WHATIF"
)
PLACE: Final = ZoneInfo("America/New_York")  # whose day decides which expiries are listed
_LISTED_AT: Final = {"XNYS": "NYSE", "XNAS": "NASDAQ"}  # where no listing exchange is given
_HOUR_NS: Final = 3_600 * NANO
_SEC_ID_TYPES: Final = frozenset({"", "ISIN", "CUSIP", "SEDOL", "RIC", "FIGI"})


def date_number(ts_ns: int) -> int:
    """The local day of a moment as yyyymmdd."""
    day = datetime.fromtimestamp(ts_ns // NANO, UTC).astimezone(PLACE)
    return day.year * 10_000 + day.month * 100 + day.day


class ContractBook:
    """Raises ConfigError on two contracts of one id. `now_ns` gives the gateway's time."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        *,
        now_ns: Callable[[], int],
        settings: Sequence[ContractSettings] = (),
    ) -> None:
        self._instruments = tuple(instruments)
        self._now_ns = now_ns
        entries = (*settings, *(known for known in WELL_KNOWN if not _told(known, settings)))
        symbols = {(instrument.symbol, instrument.currency) for instrument in instruments}
        self._notes = {entry.symbol: entry for entry in settings if _is_note(entry, symbols)}
        self._singles = tuple(single(entry) for entry in entries if not entry.months and not _is_note(entry, symbols))
        self._families = tuple(entry for entry in entries if entry.months)
        self.exchanges_of_stocks = US_EXCHANGES
        self._day = self._hour = -1
        self._all: tuple[Listed, ...] = ()
        self._by_id: dict[int, Listed] = {}
        self._by_symbol: dict[str, list[Listed]] = {}
        self._refresh()

    # ---- asking ------------------------------------------------------------------------------------------------
    def of_inst(self, inst: int) -> Listed:
        """The contract of a market row."""
        return self.contracts[inst]

    def of_id(self, con_id: int) -> Listed | None:
        """The contract of an id."""
        self._refresh()
        return self._by_id.get(con_id)

    @property
    def contracts(self) -> tuple[Listed, ...]:
        """All that is listed today: the configured instruments first, in their order."""
        self._refresh()
        return self._all

    @property
    def chains(self) -> tuple[ContractSettings, ...]:
        """The option families."""
        return tuple(entry for entry in self._families if entry.sec_type == OPT)

    def find(self, query: Query) -> tuple[Listed, ...] | Refusal:
        """Every contract that answers a description; at least one, or a refusal."""
        if refusal := self._check(query):
            return refusal
        if query.con_id:
            found = self.of_id(query.con_id)
            return (found,) if found is not None and fits(query, found) else Refusal(*NO_DEFINITION)
        if query.sec_type == CONTFUT:
            first = list(self._matching(msgspec.structs.replace(query, sec_type=FUT, last_trade="")))
            return tuple(first[:1]) or Refusal(*NO_DEFINITION)
        return tuple(self._matching(query)) or Refusal(*NO_DEFINITION)

    def resolve(self, query: Query) -> Listed | Refusal:
        """The one contract a description means."""
        found = self.find(query)
        if isinstance(found, Refusal):
            return found
        if len(found) > 1:
            name = query.symbol or query.local_symbol or query.sec_id
            return Refusal(AMBIGUOUS_CODE, f"The contract description specified for {name} is ambiguous.")
        return found[0]

    def search(self, pattern: str) -> list[Listed]:
        """Contracts whose symbol begins with a pattern or whose name contains it; no members of families."""
        wanted = pattern.strip().upper()
        return [
            listed
            for listed in (*self.contracts[: len(self._instruments)], *self._singles)
            if wanted and (listed.symbol.startswith(wanted) or wanted in listed.long_name.upper())
        ]

    def _matching(self, query: Query) -> Iterable[Listed]:
        contracts = self.contracts  # first: a new day has other ones
        named = self._by_symbol.get(query.symbol, ()) if query.symbol else contracts
        return (listed for listed in named if fits(query, listed))

    def _check(self, query: Query) -> Refusal | None:
        if query.con_id or query.sec_id:
            return None if query.sec_id_type in _SEC_ID_TYPES else invalid("Invalid security id type")
        if query.sec_type not in SEC_TYPES:
            return invalid("Please enter a valid security type")
        if query.sec_type == BAG:
            return Refusal(*NO_DEFINITION)
        if not query.symbol and not query.local_symbol:
            return invalid("Please enter a local symbol or a symbol")
        return None

    # ---- building ----------------------------------------------------------------------------------------------
    def _refresh(self) -> None:
        """Expiries, steps and lots change with the day, and with nothing else."""
        hour = self._now_ns() // _HOUR_NS
        if hour == self._hour:
            return
        self._hour = hour  # days begin with an hour: asked a million times, looked up rarely
        day = date_number(self._now_ns())
        if day == self._day:
            return
        today = datetime.fromtimestamp(self._now_ns() // NANO, UTC).astimezone(PLACE).date()
        stocks = tuple(self._stock(instrument, day) for instrument in self._instruments)
        known = (*stocks, *self._singles)
        members = tuple(
            member
            for entry in self._families
            for member in family(entry, today, _underlying(entry, known) if entry.sec_type == OPT else None)
        )
        found: dict[int, Listed] = {}
        for listed in (*known, *members):
            if (other := found.setdefault(listed.con_id, listed)) is not listed:
                raise ConfigError(
                    f"con_id {listed.con_id}: {other.local_symbol} and {listed.local_symbol} have the same; give one "
                    "of them its own con_id"
                )
        self._day, self._all, self._by_id = day, (*known, *members), found
        self._by_symbol = {}
        for listed in self._all:
            self._by_symbol.setdefault(listed.symbol, []).append(listed)

    def _stock(self, instrument: Instrument, day: int) -> Listed:
        ticks, lots = rule_on(instrument.ticks, day), rule_on(instrument.lots, day)
        note = self._notes.get(instrument.symbol)
        primary = instrument.primary_exchange or _LISTED_AT.get(instrument.calendar, instrument.exchange)
        nasdaq = primary in ("NASDAQ", "ISLAND")
        exchanges = US_EXCHANGES if nasdaq or primary in US_EXCHANGES else (*US_EXCHANGES, primary)
        return Listed(
            con_id=instrument.con_id or made_con_id(instrument.symbol, STK, instrument.currency, primary),
            symbol=instrument.symbol,
            sec_type=instrument.sec_type,
            currency=instrument.currency,
            exchange=instrument.exchange,
            primary_exchange=primary,
            local_symbol=instrument.symbol,
            trading_class="NMS" if nasdaq else instrument.symbol,
            inst=instrument.inst,
            long_name=note.long_name if note else instrument.symbol,
            industry=(note.industry if note else "") or instrument.sector.capitalize(),
            isin=note.isin if note else "",
            stock_type="ETF" if instrument.etf else "COMMON",
            valid_exchanges=exchanges,
            increments=ticks.increments if ticks else instrument.ticks[0].increments,
            size_min_nanos=lots.minimum_nanos if lots else NANO,
            size_increment_nanos=lots.increment_nanos if lots else NANO,
            size_suggested_nanos=lots.round_lot_nanos if lots else NANO,
            calendar=instrument.calendar,
            order_types=ORDER_TYPES,
        )


def _told(known: ContractSettings, settings: Sequence[ContractSettings]) -> bool:
    """Whether the file describes a well-known contract itself."""
    return any((known.symbol, known.sec_type) == (entry.symbol, entry.sec_type) for entry in settings)


def _is_note(entry: ContractSettings, symbols: set[tuple[str, str]]) -> bool:
    """An entry without an id that names a configured instrument says more about it; it makes no contract."""
    return entry.sec_type == STK and not entry.con_id and (entry.symbol, entry.currency) in symbols


def _underlying(entry: ContractSettings, known: Iterable[Listed]) -> Listed | None:
    """Stocks and indices only."""
    for listed in known:
        if listed.symbol == entry.underlying and listed.sec_type in (STK, "IND"):
            return listed
    return None
