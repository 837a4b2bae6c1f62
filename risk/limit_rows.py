"""The table of limits: names, units, factory values and what each is for. The structs a config is read into, and how
a value becomes an integer, are in risk/limits.py. Knows no order, position or market.
"""

from typing import Final

import msgspec

from risk.watch_rows import watch_rows

Number = int | float | str

# Units, as the table and the error texts name them.
SHARES: Final = "shares"
MONEY: Final = "units of the account currency"
SECONDS: Final = "seconds"
BASIS_POINTS: Final = "basis points"
COUNT: Final = "a whole number"
YES_NO: Final = "true or false"
OFF_WARN_DENY: Final = "off, warn or deny"
WORDS: Final = {"off": 0, "warn": 1, "deny": 2}
NANOS_UNITS: Final = (SHARES, MONEY, SECONDS)
BASIS_POINTS_MAX: Final = 1_000_000
COUNT_MAX: Final = 1_000_000


class Limit(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One row of the table of limits."""

    name: str
    control: int  # risk control number
    unit: str
    factory: int | float | bool | str  # replay and paper only: live must set every limit
    meaning: str
    zero: bool = False  # whether 0 is a legal value
    tight_max: bool = False  # the larger value is the tighter one
    zero_off: bool = False  # 0 = the limit does not bind: the loosest value of all


def _row(
    control: int,
    name: str,
    factory: float | bool | str,
    unit: str,
    meaning: str,
    *,
    zero: bool = False,
    tight_max: bool = False,
    zero_off: bool = False,
) -> Limit:
    return Limit(
        name=name,
        control=control,
        unit=unit,
        factory=factory,
        meaning=meaning,
        zero=zero or zero_off,
        tight_max=tight_max,
        zero_off=zero_off,
    )


# May stand at every scope: account, strategy, class, symbol. The tightest binds.
ORDER_ROWS: Final = (
    _row(1, "order_quantity_max", 10_000, SHARES, "largest single order"),
    _row(2, "order_notional_max", 250_000, MONEY, "largest single order by value"),
    _row(2, "order_equity_bp_max", 500, BASIS_POINTS, "largest single order as a share of equity"),
    _row(3, "collar_bp", 300, BASIS_POINTS, "how much worse than the reference a price may be"),
    _row(3, "collar_ticks", 5, COUNT, "the same in ticks: the widest of the three counts", zero=True),
    _row(3, "collar_spreads", 10, COUNT, "the same in spreads: the widest of the three counts", zero=True),
    _row(5, "position_long_max", 50_000, SHARES, "largest long position, working orders filled", zero=True),
    _row(5, "position_short_max", 50_000, SHARES, "largest short position, working orders filled", zero=True),
    _row(5, "position_equity_bp_max", 1_000, BASIS_POINTS, "largest position as a share of equity"),
    # An order of one percent of a day still trades at moderate cost; beyond it the square-root law makes impact a
    # multiple of the spread. A tenth of what trades is the usual ceiling of participation schedules. 100,000 shares a
    # day is one round lot every twenty-odd seconds: below it a stop may find no other side for minutes.
    _row(8, "adv_order_bp_max", 100, BASIS_POINTS, "largest order or schedule, of the 20-day average daily volume"),
    _row(8, "participation_bp_max", 1_000, BASIS_POINTS, "largest single order, of the volume of five minutes"),
    _row(8, "adv_min", 100_000, SHARES, "a name that trades less a day takes no entries", zero=True, tight_max=True),
    _row(13, "working_per_side_max", 10, COUNT, "working orders per symbol and side (the broker allows 20)"),
    _row(20, "extended_hours", False, YES_NO, "whether orders may work before the open and after the close"),
    _row(22, "age_seconds_max_regular", 5, SECONDS, "age of the market data in regular hours"),
    _row(22, "age_seconds_max_extended", 60, SECONDS, "age of the market data outside regular hours"),
    _row(22, "jump_quiet_seconds", 5, SECONDS, "no new risk this long after a price jump", zero=True, tight_max=True),
    _row(22, "spread_bp_max", 500, BASIS_POINTS, "a wider quote is no price"),
    _row(
        22,
        "frozen_seconds_max",
        300,
        SECONDS,
        "a quote unchanged for so long while others change is a dead feed, however alive its line",
    ),
    # Off: a stop that a wild print sets off sells at the worst price of the day. Who trusts the broker's trigger more
    # than a trader that may die sets it far beyond any ordinary day, 1,000 or more.
    _row(
        30,
        "disaster_stop_bp",
        0,
        BASIS_POINTS,
        "how far from the mark a stop order stands at the broker while a symbol is held; 0 = none",
        zero_off=True,
    ),
)
# Account and strategy: what a whole book may do.
BOOK_ROWS: Final = (
    _row(6, "gross_max", 5_000_000, MONEY, "sum of position values and working orders"),
    _row(6, "gross_equity_bp_max", 10_000, BASIS_POINTS, "the same as a share of equity (10000 = no leverage)"),
    # 100 %: one strategy may use all of the account's room; lower it as soon as there are several.
    _row(7, "gross_share_bp_max", 10_000, BASIS_POINTS, "a strategy's part of the gross that the account may hold"),
    # Two orders of the largest legal size at once, ten within a minute, and in an hour no more than twice what the
    # account may hold: a program that turns its book over more often than that is taken for a broken one.
    _row(10, "value_second_max", 500_000, MONEY, "value sent within a second (an attempt: cancels give nothing back)"),
    _row(10, "value_minute_max", 2_500_000, MONEY, "the same within a minute"),
    _row(10, "value_hour_max", 10_000_000, MONEY, "the same within an hour"),
    _row(10, "quantity_second_max", 20_000, SHARES, "shares sent within a second"),
    _row(10, "quantity_minute_max", 100_000, SHARES, "the same within a minute"),
    _row(10, "quantity_hour_max", 500_000, SHARES, "the same within an hour"),
    # Half as many children again as planned, and five, is what rejects, cancels by others and chases explain. A
    # schedule every 23 seconds of a regular session is 1,000 a day; ten such days without a person's look are too many.
    _row(11, "children_slices_bp_max", 15_000, BASIS_POINTS, "children of one schedule, of its planned slices ..."),
    _row(11, "children_extra_max", 5, COUNT, "... and so many more", zero=True),
    _row(11, "parents_day_max", 1_000, COUNT, "schedules of one strategy in a trading day"),
    _row(11, "parents_unattended_max", 10_000, COUNT, "the same until an operator resumes the strategy, days on end"),
    # A schedule that waits out the window meets one refusal at a time: twenty in a day is a program that does not wait.
    _row(12, "duplicate_refusals_max", 20, COUNT, "refused duplicates of one strategy in a day before it is halted"),
    _row(24, "day_loss_soft_bp", 100, BASIS_POINTS, "day's loss of equity that allows exits only"),
    _row(24, "day_loss_hard_bp", 200, BASIS_POINTS, "day's loss of equity that halts"),
    # Wide on purpose: a replay tries strategies, it does not deploy them. Live sets what each of them was approved for.
    _row(43, "deployment_instruments_max", 100, COUNT, "instruments that one strategy may ever trade"),
    _row(43, "deployment_venues_max", 1, COUNT, "venues that one strategy may ever send to"),
    _row(43, "deployment_px_max", 100_000, MONEY, "highest price of an order"),
    _row(43, "deployment_order_notional_max", 250_000, MONEY, "largest order by value, when fully deployed"),
    _row(43, "deployment_orders_day_max", 10_000, COUNT, "orders of one strategy in a day, when fully deployed"),
    _row(43, "deployment_position_notional_max", 5_000_000, MONEY, "largest position by value, when fully deployed"),
    _row(
        43,
        "deployment_ramp_days",
        0,
        COUNT,
        "trading days from a strategy's first order until it is fully deployed",
        zero=True,
        tight_max=True,
    ),
    _row(
        43, "deployment_ramp_start_bp", 1_000, BASIS_POINTS, "part of these three on its first day, then rising evenly"
    ),
)
# The account alone.
ACCOUNT_ROWS: Final = (
    _row(3, "last_price_age_seconds_max", 300, SECONDS, "age of the last trade as a reference"),
    _row(3, "exit_reference_seconds_max", 3_600, SECONDS, "age of the reference of an exit"),
    _row(3, "exit_collar_multiple", 3, COUNT, "how much wider the collar of an exit is"),
    _row(4, "good_till_cancelled", False, YES_NO, "whether GTC orders are legal (they outlive the day)"),
    _row(6, "net_max", 5_000_000, MONEY, "long less short value, working orders of one side filled"),
    # A sector may hold three full positions of a tenth each; names of which nobody knows the sector two, because they
    # may all be of one. An issuer has no more than one position, whatever its share classes. All trading is in one
    # country so far. A measured or named cluster moves as one: as a sector.
    _row(7, "sector_equity_bp_max", 3_000, BASIS_POINTS, "gross value of one sector, of equity"),
    _row(7, "sector_unknown_equity_bp_max", 2_000, BASIS_POINTS, "the same of all names without a sector together"),
    _row(7, "country_equity_bp_max", 10_000, BASIS_POINTS, "the same of one country"),
    _row(7, "issuer_equity_bp_max", 1_000, BASIS_POINTS, "the same of one issuer"),
    _row(7, "cluster_equity_bp_max", 3_000, BASIS_POINTS, "the same of one cluster of names that move together"),
    _row(9, "rate_account_orders", 25, COUNT, "orders and replaces of the account ..."),
    _row(9, "rate_account_seconds", 1, SECONDS, "... in this time", tight_max=True),
    _row(9, "rate_strategy_orders", 5, COUNT, "orders and replaces of one strategy ..."),
    _row(9, "rate_strategy_seconds", 1, SECONDS, "... in this time", tight_max=True),
    _row(9, "rate_symbol_orders", 120, COUNT, "orders and replaces in one symbol ..."),
    _row(9, "rate_symbol_seconds", 60, SECONDS, "... in this time", tight_max=True),
    _row(9, "rate_exit_reserve_orders", 5, COUNT, "orders above each rate kept for exits", zero=True),
    _row(
        12, "duplicate_window_seconds", 5, SECONDS, "the same order again within this time is a mistake", tight_max=True
    ),
    _row(13, "working_orders_max", 50, COUNT, "working orders in all"),
    # 10,000 changes are one each 2.3 s of a regular session. Fifty messages for one execution are far from what a
    # schedule needs (a chase per second for most of a minute) and far from what venues call quoting abuse. The broker
    # takes 50 messages a second; 15 of them always belong to cancels.
    _row(14, "changes_day_max", 10_000, COUNT, "replaces and cancels of a day before entries stop (cancels still go)"),
    _row(14, "order_trade_ratio_max", 50, COUNT, "orders, replaces and cancels for one execution, in a day ..."),
    _row(14, "order_trade_messages_min", 1_000, COUNT, "... judged from so many of them on", zero=True),
    _row(14, "messages_second_max", 50, COUNT, "orders, replaces and cancels in a second ..."),
    _row(14, "messages_second_cancels", 15, COUNT, "... of which these are kept for cancels", zero=True),
    _row(14, "message_exit_reserve", 500, COUNT, "messages above the day's budgets kept for exits", zero=True),
    _row(13, "working_exit_reserve", 5, COUNT, "working orders above both limits kept for exits", zero=True),
    _row(
        17,
        "borrow_age_seconds_max",
        86_400,
        SECONDS,
        "age of what the broker told of shares to borrow: a locate is good for a day (Reg SHO)",
    ),
    _row(
        18,
        "margin_long_bp",
        10_000,
        BASIS_POINTS,
        "equity needed for a long position, of its value, until the "
        "broker's what-if has told its rate (its full value: no loan)",
        tight_max=True,
    ),
    _row(
        18,
        "margin_short_bp",
        15_000,
        BASIS_POINTS,
        "the same for a short position (Regulation T: 150 %)",
        tight_max=True,
    ),
    _row(
        18,
        "whatif_notional_min",
        100_000,
        MONEY,
        "a schedule of this value waits for the broker's what-if; smaller "
        "ones are judged by the rates above or the last answer",
        zero=True,
    ),
    _row(18, "margin_rate_seconds_max", 86_400, SECONDS, "age of a rate by what-if: margins are set anew each day"),
    _row(18, "funds_age_seconds_max", 600, SECONDS, "age of the broker's own account values: many synchronisations"),
    _row(
        19,
        "finra_margin",
        True,
        YES_NO,
        "whether FINRA rule 4210 binds the account (a US broker-dealer's)",
        tight_max=True,
    ),
    _row(
        19,
        "maintenance_bp",
        2_500,
        BASIS_POINTS,
        "equity kept at all times, of the value of all positions with working orders filled (FINRA 4210(c): a quarter)",
        tight_max=True,
    ),
    _row(
        19,
        "pattern_day_trader",
        "off",
        OFF_WARN_DENY,
        "day-trade count of FINRA 4210(f)(8) before its amendment",
        tight_max=True,
    ),
    _row(
        19,
        "day_trades_max",
        3,
        COUNT,
        "day trades in five days that an account below day_trade_equity_min may make",
        zero=True,
    ),
    _row(19, "day_trade_equity_min", 25_000, MONEY, "equity from which day trades are not counted", tight_max=True),
    _row(
        21,
        "band_margin_bp",
        100,
        BASIS_POINTS,
        "no new risk this near to a price band, of its reference: a halt would hold the position",
        zero=True,
        tight_max=True,
    ),
    _row(
        21,
        "halt_quiet_seconds",
        60,
        SECONDS,
        "no new risk this long after a halt: reopenings are wild",
        zero=True,
        tight_max=True,
    ),
    _row(22, "line_seconds_max", 60, SECONDS, "how long a line may be silent while others of the feed tick"),
    _row(36, "clock_offset_seconds_max", 0.5, SECONDS, "difference between our clock and the broker's"),
    _row(36, "clock_age_seconds_max", 600, SECONDS, "age of its last measurement (one a minute is usual)"),
    _row(24, "day_loss_marks", 2, COUNT, "marks in a row that must show the loss (against one bad tick)"),
    *watch_rows(_row, basis_points=BASIS_POINTS, seconds=SECONDS, count=COUNT),
    _row(
        32, "resume_sync_age_seconds_max", 0, SECONDS, "age of the last sync at a resume; 0 = not asked", zero_off=True
    ),
)
# A class default that is tighter than the account's.
FACTORY_CLASS: Final[dict[str, dict[str, int]]] = {"etf": {"collar_bp": 100}, "stock": {}}

ROWS: Final = {row.name: row for row in (*ORDER_ROWS, *BOOK_ROWS, *ACCOUNT_ROWS)}
