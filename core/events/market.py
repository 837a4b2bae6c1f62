"""Facts about the market: quotes, prints, gaps, halts, bands, and what later parts measure or announce."""

from core.events.base import Event
from core.ids import Side


class QuoteChanged(Event, frozen=True, tag=1):
    """Best bid and offer of one instrument after all ticks of one socket read; price 0 = that side is empty."""

    inst: int
    bid_px_nanos: int
    ask_px_nanos: int
    bid_qty_nanos: int
    ask_qty_nanos: int
    exchange_ts_ns: int = 0
    flags: int = 0


class TradePrinted(Event, frozen=True, tag=2):
    """A trade on the tape (or, in l1_250, a volume increment)."""

    inst: int
    px_nanos: int
    qty_nanos: int
    condition: int = 0
    exchange_ts_ns: int = 0
    flags: int = 0


class FeedGapped(Event, frozen=True, tag=3):
    """Market data of an instrument was lost: it is blind until its next quote."""

    inst: int
    dropped: int
    reason: str


class FeedEnded(Event, frozen=True, tag=4):
    """A recorded market has no further rows."""

    rows: int


class HaltChanged(Event, frozen=True, tag=50):
    """Trading halt of one instrument: 0 trading, 1 general, 2 volatility, -1 unknown (IB tick 49)."""

    inst: int
    halted: int


class ShortableChanged(Event, frozen=True, tag=51):
    """Shares to borrow: IB tick 46 level in thousandths (> 2500 easy, > 1500 locate) and tick 89 shares."""

    inst: int
    level_milli: int
    shares_nanos: int = -1


class BandChanged(Event, frozen=True, tag=52):
    """Limit up / limit down price band of one instrument."""

    inst: int
    lower_px_nanos: int
    upper_px_nanos: int
    limit_state: bool = False


class WhatIfAnswered(Event, frozen=True, tag=53):
    """The broker's margin answer to a what-if order."""

    request_id: int
    inst: int
    side: Side
    qty_nanos: int
    initial_margin_change_nanos: int
    maintenance_margin_change_nanos: int
    equity_with_loan_nanos: int
    warning: str = ""
    initial_margin_after_nanos: int = 0  # of the whole account, the order filled; 0 = not told
    maintenance_margin_after_nanos: int = 0


class WhatIfRefused(Event, frozen=True, tag=65):
    """The broker answered a what-if with an error: it would not take the order."""

    request_id: int
    code: int
    text: str = ""


class ClockOffsetMeasured(Event, frozen=True, tag=54):
    """Our wall clock minus the broker's: the least difference that its answers allow (it tells whole seconds)."""

    offset_ns: int
    round_trip_ns: int


class MarketRuleChanged(Event, frozen=True, tag=55):
    """Price increments of one instrument: (low edge, increment) pairs, ascending (IB marketRule)."""

    inst: int
    rule_id: int
    increments: tuple[tuple[int, int], ...]


class CorporateActionAnnounced(Event, frozen=True, tag=56):
    """Split, dividend or symbol change with its ex date (yyyymmdd)."""

    inst: int
    kind: str
    ex_date: int
    ratio_num: int = 1
    ratio_den: int = 1
    cash_nanos: int = 0


class ExternalFeatureReceived(Event, frozen=True, tag=57):
    """A number from outside with an age limit."""

    name: str
    inst: int  # -1 = of all instruments
    value: float
    as_of_ns: int  # 0 = of the moment it was received
    age_ns_max: int


class TriggerFired(Event, frozen=True, tag=58):
    """A monitor asks for a ladder move: scope level, scope id, severity, code and reason."""

    name: str
    level: int
    scope: str
    state: int
    value: str = ""
    limit: str = ""
    reason: str = ""
    operator: str = ""
    authority: str = ""


class LeaseGranted(Event, frozen=True, tag=59):
    """We are the one trader of this account until `until_ns` (CLOCK_BOOTTIME)."""

    holder: str
    until_ns: int


class RiskMeasured(Event, frozen=True, tag=60):
    """Slow risk numbers of the account as it stood at `as_of_ns`; losses are positive, of one day.

    `var_nanos` and `cvar_nanos` are at 99 % and the larger of the historical and the exponentially weighted one.
    """

    as_of_ns: int
    var_nanos: int
    cvar_nanos: int
    worst_stress_nanos: int
    equity_nanos: int = 0  # what the losses are a share of
    gross_nanos: int = 0
    var95_nanos: int = 0
    cvar95_nanos: int = 0
    historical_var_nanos: int = 0  # 99 %, from the days as they were
    weighted_var_nanos: int = 0  # 99 %, normal, recent days weigh more
    worst_stress: str = ""  # name of the scenario
    stresses: tuple[tuple[str, int], ...] = ()  # (scenario, loss)
    days_to_exit_milli: int = 0  # of the position that takes longest
    slowest_inst: int = -1
    observations: int = 0  # days of history behind the numbers
    assumed: tuple[int, ...] = ()  # instruments held without a history: a high volatility is assumed
    clusters: tuple[tuple[int, ...], ...] = ()  # instruments that move together


class ReferenceArrived(Event, frozen=True, tag=61):
    """The slow numbers of one instrument for one trading day, as fetched from the broker; a later one replaces it.

    They hold on `effective_from` alone. 0 = not known; what must be there and is not stands in `missing`.
    """

    inst: int
    effective_from: int  # yyyymmdd
    previous_close_nanos: int
    adv_nanos: int = 0  # mean daily volume of the days before, share nanos
    # Minute by minute from the open: mean share of the day's regular volume, parts per million.
    curve_ppm: tuple[int, ...] = ()
    missing: str = ""  # comma separated; empty = complete
    source: str = ""
    # Daily closes before this day, ascending; dates as yyyymmdd. For the risk worker.
    close_dates: tuple[int, ...] = ()
    closes_nanos: tuple[int, ...] = ()
