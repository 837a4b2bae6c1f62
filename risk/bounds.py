"""What binds: the limits of all scopes as plain integers per strategy and instrument, so that the gate never looks
anything up by scope. Made by risk/resolve.py. Knows no order, position or market.
"""

from typing import Final

import msgspec

from core.rates import RateLimit
from risk.count_bounds import CountBounds, DeploymentBounds
from risk.watch_bounds import WatchBounds

# Restriction of an instrument (control 16).
FREE: Final = 0
EXITS_ONLY: Final = 1
NOTHING: Final = 2


class AccountBounds(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Limits of the account. Money and shares in nanos, times in ns."""

    gross_max_nanos: int
    gross_equity_bp_max: int
    net_max_nanos: int
    sector_equity_bp_max: int
    sector_unknown_equity_bp_max: int
    country_equity_bp_max: int
    issuer_equity_bp_max: int
    cluster_equity_bp_max: int
    cluster_bps: dict[str, int]  # of clusters with a cap of their own
    day_loss_soft_bp: int
    day_loss_hard_bp: int
    day_loss_marks: int
    last_price_age_ns_max: int
    exit_reference_ns_max: int
    exit_collar_multiple: int
    good_till_cancelled: int
    account_slack_ns: int  # how far the arrival time may run ahead (core.rates.conforms) ...
    strategy_slack_ns: int
    symbol_slack_ns: int
    account_exit_slack_ns: int  # ... and for exits
    strategy_exit_slack_ns: int
    symbol_exit_slack_ns: int
    working_orders_max: int
    working_exit_reserve: int
    counts: CountBounds
    changes_day_max: int
    order_trade_ratio_max: int
    order_trade_messages_min: int
    messages_second_max: int
    order_messages_second_max: int  # without those kept for cancels
    message_exit_reserve: int
    margin_long_bp: int
    margin_short_bp: int
    margin_free_bp: int  # exposure up to this share of equity needs no closer look, whatever its side
    margin_flat_bp_max: int  # the larger of the two rates
    borrow_ns_max: int
    funds_ns_max: int
    finra_margin: int
    maintenance_bp: int
    pattern_day_trader: int  # 0 off, 1 warn, 2 deny
    day_trades_max: int
    day_trade_equity_min_nanos: int
    band_margin_bp: int
    halt_quiet_ns: int
    clock_offset_ns_max: int
    clock_ns_max: int
    line_ns_max: int
    resume_sync_age_ns_max: int
    watch: WatchBounds


class BookBounds(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Limits of one strategy's book."""

    gross_max_nanos: int
    gross_equity_bp_max: int
    gross_share_bp_max: int
    day_loss_soft_bp: int
    day_loss_hard_bp: int
    counts: CountBounds
    deployment: DeploymentBounds


class Bounds(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Limits of one strategy in one instrument, all scopes folded in."""

    inst: int
    symbol: str
    known: int  # 1 = the strategy is configured
    supported: int  # 1 = security type, currency and multiplier are in scope
    restriction: int
    restriction_reason: str
    strategy_rate_key: str
    symbol_rate_key: str
    book: BookBounds
    order_quantity_max_nanos: int
    order_notional_max_nanos: int
    order_equity_bp_max: int
    collar_bp: int
    collar_ticks: int
    collar_spreads: int
    position_long_max_nanos: int  # of the account
    position_short_max_nanos: int
    position_equity_bp_max: int
    book_long_max_nanos: int  # of the strategy's own book
    book_short_max_nanos: int
    book_equity_bp_max: int
    adv_order_bp_max: int
    participation_bp_max: int
    adv_min_nanos: int
    working_per_side_max: int
    extended_hours: int
    age_ns_max_regular: int
    age_ns_max_extended: int
    jump_quiet_ns: int
    spread_bp_max: int
    frozen_ns_max: int
    disaster_stop_bp: int


class Rates(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the money fold needs of the limits: the fold counts, the gate judges, both by the same numbers."""

    account: RateLimit
    strategy: RateLimit
    symbol: RateLimit
    duplicate_window_ns: int
    margin_rate_ns_max: int
    whatif_notional_min_nanos: int  # of the engine's
    day_trades_warned: int  # day trades at which to tell a person; 0 = never


class Resolved(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """All limits of one run. `strangers` bind orders of strategies that are not configured."""

    account: AccountBounds
    books: dict[str, BookBounds]
    by_strategy: dict[str, tuple[Bounds, ...]]
    strangers: tuple[Bounds, ...]
    clusters: tuple[tuple[str, tuple[int, ...]], ...]  # of names that move together, by name: instrument rows
    disaster_stops: bool  # some symbol asks for one
