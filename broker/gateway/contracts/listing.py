"""One contract as the gateway lists it, and one contract as a client describes it. Knows no book, socket or market."""

from typing import Final, NamedTuple

import msgspec

from broker.gateway.part import Fields
from core.units import NANO

SMART: Final = "SMART"
STK, FUT, OPT, CASH, IND, CONTFUT, BAG = "STK", "FUT", "OPT", "CASH", "IND", "CONTFUT", "BAG"
SEC_TYPES: Final = frozenset({
    STK, FUT, OPT, CASH, IND, CONTFUT, BAG, "FOP", "WAR", "IOPT", "BOND", "BILL", "CMDTY", "CFD", "FUND", "CRYPTO",
    "NEWS", "EC",
})  # fmt: skip

# Codes and texts as TWS sends them.
NO_DEFINITION: Final = (200, "No security definition has been found for the request")
AMBIGUOUS_CODE: Final = 200
INVALID_REQUEST: Final = 321
_RIGHTS: Final = {"C": "C", "CALL": "C", "P": "P", "PUT": "P", "": "", "0": "", "?": ""}


class Refusal(NamedTuple):
    """An error message in the making."""

    code: int
    text: str


def invalid(cause: str) -> Refusal:
    """A request that does not pass validation, in TWS's words."""
    return Refusal(INVALID_REQUEST, f"Error validating request.-'bN' : cause - {cause}")


class Listed(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One contract of the book. `inst` is its row in the gateway's market; -1 = known by name: no data, no orders."""

    con_id: int
    symbol: str
    sec_type: str
    currency: str
    exchange: str  # what a description without an exchange means
    primary_exchange: str
    local_symbol: str
    trading_class: str
    inst: int = -1
    last_trade: str = ""  # yyyymmdd
    strike_nanos: int = 0
    right: str = ""
    multiplier: str = ""
    long_name: str = ""
    industry: str = ""
    category: str = ""
    isin: str = ""
    stock_type: str = ""
    under_con_id: int = 0
    under_symbol: str = ""
    under_sec_type: str = ""
    valid_exchanges: tuple[str, ...] = (SMART,)
    increments: tuple[tuple[int, int], ...] = ((0, NANO // 100),)  # (low edge, step) in nanos, for all exchanges
    size_min_nanos: int = NANO
    size_increment_nanos: int = NANO
    size_suggested_nanos: int = NANO
    calendar: str = ""  # session table; "" = hours are not known here
    order_types: str = ""

    @property
    def contract_month(self) -> str:
        """yyyymm of what expires."""
        return self.last_trade[:6]

    def trades_at(self, exchange: str) -> bool:
        """Whether an exchange field names a place where it is traded; empty is any."""
        if not exchange or exchange == self.exchange or exchange in self.valid_exchanges:
            return True
        return place_of(exchange) in map(place_of, self.valid_exchanges)


class Query(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A client's description of a contract; every field may be empty."""

    con_id: int = 0
    symbol: str = ""
    sec_type: str = ""
    last_trade: str = ""
    strike_nanos: int = 0
    right: str = ""
    multiplier: str = ""
    exchange: str = ""
    primary_exchange: str = ""
    currency: str = ""
    local_symbol: str = ""
    trading_class: str = ""
    sec_id_type: str = ""
    sec_id: str = ""


def read_query(fields: Fields) -> Query:
    """The twelve fields of a contract."""
    return Query(
        con_id=fields.integer(),
        symbol=fields.text().strip().upper(),
        sec_type=fields.text().strip().upper(),
        last_trade=fields.text().strip(),
        strike_nanos=fields.nanos() or 0,
        right=_RIGHTS.get(right := fields.text().strip().upper(), right),
        multiplier=fields.text().strip(),
        exchange=fields.text().strip().upper(),
        primary_exchange=fields.text().strip().upper(),
        currency=fields.text().strip().upper(),
        local_symbol=fields.text().strip(),
        trading_class=fields.text().strip(),
    )


def fits(query: Query, listed: Listed) -> bool:
    """Whether a listed contract answers a description. A contract id speaks for everything but the exchange."""
    if query.con_id:
        return query.con_id == listed.con_id and listed.trades_at(query.exchange)
    if query.sec_id:
        return bool(listed.isin) and query.sec_id == listed.isin and listed.trades_at(query.exchange)
    return _named(query, listed) and _derived(query, listed) and listed.trades_at(query.exchange)


def _named(query: Query, listed: Listed) -> bool:
    return (
        (query.sec_type == listed.sec_type)
        and (not query.symbol or query.symbol == listed.symbol)
        and (not query.local_symbol or query.local_symbol == listed.local_symbol)
        and (not query.currency or query.currency == listed.currency)
        and (not query.trading_class or query.trading_class == listed.trading_class)
        and (not query.primary_exchange or place_of(query.primary_exchange) == place_of(listed.primary_exchange))
    )


def _derived(query: Query, listed: Listed) -> bool:
    return (
        listed.last_trade.startswith(query.last_trade)
        and (not query.strike_nanos or query.strike_nanos == listed.strike_nanos)
        and (not query.right or query.right == listed.right)
        and (not query.multiplier or query.multiplier == listed.multiplier)
    )


def place_of(exchange: str) -> str:
    """An exchange by one name: Nasdaq has several on this wire."""
    return "NASDAQ" if exchange in ("ISLAND", "NASDAQ.NMS", "NASDAQ.SCM") else exchange
