"""Who may see what: the answer to a request for market data by the account's entitlement and the client's data type.

Codes and texts as TWS sends them. Pure.
"""

from typing import Final, NamedTuple

from broker.gateway.contracts.listing import Listed, Refusal
from broker.gateway.market.settings import MarketSettings

# reqMarketDataType
LIVE, FROZEN, DELAYED, DELAYED_FROZEN = 1, 2, 3, 4

# What a granted line shows.
ALL, PART, LATE = "all", "part", "late"

_AVAILABLE: Final = "Delayed market data is available."
_UNAVAILABLE: Final = "Delayed market data is not available."
_NOT_SUBSCRIBED: Final = "Requested market data is not subscribed."
_NOT_ENABLED: Final = (10168, "Requested market data is not subscribed. Delayed market data is not enabled.")
_DISPLAYING: Final = (10167, "Requested market data is not subscribed. Displaying delayed market data.")
_FOR_API: Final = (
    "Requested market data requires additional subscription for API. See link in 'Market Data Connections' dialog for "
    "more details."
)
COMPETING: Final = Refusal(10197, "No market data during competing live session")


class Grant(NamedTuple):
    """A line that may be shown, with what is said before."""

    shows: str
    notice: Refusal | None = None


def source(listed: Listed) -> str:
    """How the texts name where data would come from."""
    return f"{listed.symbol} {listed.primary_exchange or listed.exchange}/TOP/ALL"


def line(settings: MarketSettings, listed: Listed, data_type: int) -> Grant | Refusal:
    """reqMktData."""
    if listed.inst < 0:
        return Refusal(354, f"{_NOT_SUBSCRIBED}{_UNAVAILABLE}{source(listed)}")
    entitled = settings.entitlements.get(listed.symbol, settings.entitlement)
    delayed = data_type in (DELAYED, DELAYED_FROZEN)
    if entitled == "live":
        return Grant(ALL)
    if entitled == "partial":
        note = "Part of requested market data is not subscribed. Subscription-independent ticks are still active."
        return Grant(PART, Refusal(10090, f"{note}{_AVAILABLE}{source(listed)}"))
    if entitled == "delayed":
        if delayed:
            return Grant(LATE, Refusal(*_DISPLAYING))
        return Refusal(10089, f"{_FOR_API}{_AVAILABLE}{source(listed)}")
    if delayed:
        return Refusal(*_NOT_ENABLED)
    available = _AVAILABLE if entitled == "delayed_off" else _UNAVAILABLE
    return Refusal(354, f"{_NOT_SUBSCRIBED}{available}{source(listed)}")


def sees_live(settings: MarketSettings, listed: Listed) -> bool:
    """Whether depth, single ticks and real-time bars are subscribed: there is no delayed form of those."""
    return listed.inst >= 0 and settings.entitlements.get(listed.symbol, settings.entitlement) == "live"


def sees_history(settings: MarketSettings, listed: Listed) -> bool:
    """Whether history is served; where only delayed data is, too, as TWS does."""
    if listed.inst < 0:
        return False
    return settings.entitlements.get(listed.symbol, settings.entitlement) in ("live", "delayed", "partial")


def no_permission(listed: Listed) -> str:
    """The usual end of a refusal that is wrapped in another text."""
    return f"No market data permissions for {listed.primary_exchange or listed.exchange} {listed.sec_type}"
