"""Settings of `[gateway.market]`: lines and their limits, who may see what, how far history reaches."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=0, le=100_000)]
Entitlement = Literal["live", "delayed", "delayed_off", "partial", "none"]
MADE_UP_HISTORY: Final = "synthetic"
NO_HISTORY: Final = "none"  # anything else is the name of a file


class MarketSettings(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Market data as the account may see it."""

    lines_max: Count = 100  # instruments with a market-data line, over all clients (101)
    requests_max: Annotated[int, Meta(ge=1, le=100_000)] = 1_000  # subscriptions of all kinds of one client (101)
    depth_max: Count = 3  # market-depth subscriptions (309)
    depth_levels: Annotated[int, Meta(ge=1, le=20)] = 1  # above 1: made-up levels behind the best bid and offer
    tick_by_tick_max: Count = 3  # tick-by-tick subscriptions (10190)
    pacing: bool = True  # the pacing rules of history, real-time bars and tick-by-tick
    # live | delayed: 10089, and delayed data after reqMarketDataType(3) | delayed_off: 354, and 10168 | partial: 10090,
    # and close, volume and halts only | none: 354, and 10168. By symbol; all others have `entitlement`.
    entitlement: Entitlement = "live"
    entitlements: dict[str, Entitlement] = {}  # by symbol, what differs from `entitlement`
    delay_s: Annotated[int, Meta(ge=5, le=7_200)] = 900  # of delayed data
    shortable_shares: Annotated[int, Meta(ge=0, le=10**12)] = 10_000_000  # of every symbol (generic tick 236)
    shortable: dict[str, Annotated[int, Meta(ge=0, le=10**12)]] = {}  # by symbol, in shares
    # Bars that go on (real-time, kept up to date) when their farm was broken: they resume with it; they end with 10182;
    # or, as is seen on real gateways after 2103 and 2104, they end and nobody says so.
    bars_after_break: Literal["resume", "told", "silent"] = "resume"
    # Days before the feed begins: "synthetic" = made up (deterministic, anchored at previous close and average volume);
    # "none"; or a CSV file of one-minute bars, relative to this file, with the columns symbol, date (yyyymmdd), time
    # (HH:MM of the bar's start at the exchange), open, high, low, close, volume: days it lacks are absent.
    history: Annotated[str, Meta(min_length=1)] = MADE_UP_HISTORY
    history_days: Annotated[int, Meta(ge=1, le=400)] = 30  # sessions of minute bars that are kept of the feed
    rows_kept: Annotated[int, Meta(ge=1_024, le=1 << 24)] = 262_144  # raw rows kept for historical ticks and 1 s bars
