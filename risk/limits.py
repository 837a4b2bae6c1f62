"""The limits as a person writes them: one table of names, units and factory values, and the structs a config file is
read into. Amounts are decimal numbers of dollars, shares, seconds or basis points; `whole` is the one place where
they become integers. What binds an order is folded in risk/resolve.py. Knows no order, position or market.
"""

from collections.abc import Iterator

import msgspec

from core.errors import ConfigError
from core.units import CASH_NANOS_MAX, exact_text, parse_nanos
from risk.limit_rows import (
    BASIS_POINTS,
    BASIS_POINTS_MAX,
    BOOK_ROWS,
    COUNT_MAX,
    FACTORY_CLASS,
    NANOS_UNITS,
    OFF_WARN_DENY,
    ROWS,
    WORDS,
    YES_NO,
    Limit,
    Number,
)


class OrderLimits(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Limits of one symbol or class; None = this scope does not say."""

    order_quantity_max: Number | None = None
    order_notional_max: Number | None = None
    order_equity_bp_max: Number | None = None
    collar_bp: Number | None = None
    collar_ticks: Number | None = None
    collar_spreads: Number | None = None
    position_long_max: Number | None = None
    position_short_max: Number | None = None
    position_equity_bp_max: Number | None = None
    adv_order_bp_max: Number | None = None
    participation_bp_max: Number | None = None
    adv_min: Number | None = None
    working_per_side_max: Number | None = None
    extended_hours: bool | None = None
    age_seconds_max_regular: Number | None = None
    age_seconds_max_extended: Number | None = None
    jump_quiet_seconds: Number | None = None
    spread_bp_max: Number | None = None
    frozen_seconds_max: Number | None = None
    disaster_stop_bp: Number | None = None


class StrategyLimits(OrderLimits, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Limits of one strategy's own book."""

    gross_max: Number | None = None
    gross_equity_bp_max: Number | None = None
    gross_share_bp_max: Number | None = None
    day_loss_soft_bp: Number | None = None
    day_loss_hard_bp: Number | None = None
    value_second_max: Number | None = None
    value_minute_max: Number | None = None
    value_hour_max: Number | None = None
    quantity_second_max: Number | None = None
    quantity_minute_max: Number | None = None
    quantity_hour_max: Number | None = None
    children_slices_bp_max: Number | None = None
    children_extra_max: Number | None = None
    parents_day_max: Number | None = None
    parents_unattended_max: Number | None = None
    duplicate_refusals_max: Number | None = None
    deployment_instruments_max: Number | None = None
    deployment_venues_max: Number | None = None
    deployment_px_max: Number | None = None
    deployment_order_notional_max: Number | None = None
    deployment_orders_day_max: Number | None = None
    deployment_position_notional_max: Number | None = None
    deployment_ramp_days: Number | None = None
    deployment_ramp_start_bp: Number | None = None


class AccountLimits(StrategyLimits, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Limits of the whole account."""

    last_price_age_seconds_max: Number | None = None
    exit_reference_seconds_max: Number | None = None
    exit_collar_multiple: Number | None = None
    good_till_cancelled: bool | None = None
    net_max: Number | None = None
    sector_equity_bp_max: Number | None = None
    sector_unknown_equity_bp_max: Number | None = None
    country_equity_bp_max: Number | None = None
    issuer_equity_bp_max: Number | None = None
    cluster_equity_bp_max: Number | None = None
    rate_account_orders: Number | None = None
    rate_account_seconds: Number | None = None
    rate_strategy_orders: Number | None = None
    rate_strategy_seconds: Number | None = None
    rate_symbol_orders: Number | None = None
    rate_symbol_seconds: Number | None = None
    rate_exit_reserve_orders: Number | None = None
    duplicate_window_seconds: Number | None = None
    working_orders_max: Number | None = None
    changes_day_max: Number | None = None
    order_trade_ratio_max: Number | None = None
    order_trade_messages_min: Number | None = None
    messages_second_max: Number | None = None
    messages_second_cancels: Number | None = None
    message_exit_reserve: Number | None = None
    working_exit_reserve: Number | None = None
    margin_long_bp: Number | None = None
    margin_short_bp: Number | None = None
    borrow_age_seconds_max: Number | None = None
    whatif_notional_min: Number | None = None
    margin_rate_seconds_max: Number | None = None
    funds_age_seconds_max: Number | None = None
    finra_margin: bool | None = None
    maintenance_bp: Number | None = None
    pattern_day_trader: str | None = None
    day_trades_max: Number | None = None
    day_trade_equity_min: Number | None = None
    band_margin_bp: Number | None = None
    halt_quiet_seconds: Number | None = None
    clock_offset_seconds_max: Number | None = None
    clock_age_seconds_max: Number | None = None
    line_seconds_max: Number | None = None
    day_loss_marks: Number | None = None
    resume_sync_age_seconds_max: Number | None = None
    breach_soft_bp: Number | None = None
    breach_hard_bp: Number | None = None
    drawdown_soft_bp: Number | None = None
    drawdown_hard_bp: Number | None = None
    trigger_marks: Number | None = None
    trigger_breaches: Number | None = None
    lift_quiet_seconds: Number | None = None
    feed_seconds_soft: Number | None = None
    line_seconds_soft: Number | None = None
    slippage_soft_bp: Number | None = None
    slippage_hard_bp: Number | None = None
    slippage_fills_min: Number | None = None
    volatility_soft_multiple: Number | None = None
    volatility_hard_multiple: Number | None = None
    orders_minute_soft: Number | None = None
    orders_minute_hard: Number | None = None
    rejects_minute_soft: Number | None = None
    rejects_minute_hard: Number | None = None
    errors_soft: Number | None = None
    errors_hard: Number | None = None
    sync_seconds_soft: Number | None = None
    sync_seconds_hard: Number | None = None
    clock_soft_milliseconds: Number | None = None
    clock_hard_milliseconds: Number | None = None
    risk_seconds_soft: Number | None = None
    var_soft_bp: Number | None = None
    var_hard_bp: Number | None = None
    cvar_soft_bp: Number | None = None
    cvar_hard_bp: Number | None = None
    stress_soft_bp: Number | None = None
    stress_hard_bp: Number | None = None
    exit_days_soft: Number | None = None
    exit_days_hard: Number | None = None
    assumed_volatility_bp: Number | None = None


class ClassLimits(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Limits by class of instrument."""

    etf: OrderLimits = OrderLimits()
    stock: OrderLimits = OrderLimits()


class Restriction(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """One entry of the deny list (control 16), by symbol, contract id or issuer. `exit_allowed` lets a position be
    closed.
    """

    symbol: str = ""
    con_id: int = 0
    issuer: str = ""  # every security of it
    exit_allowed: bool = True
    reason: str = ""


class Cluster(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Names that move together (control 7). `equity_bp_max` not given = the account's `cluster_equity_bp_max`."""

    name: str  # shown in refusals
    symbols: tuple[str, ...]  # two or more of them; a symbol may stand in several clusters
    equity_bp_max: Number | None = None  # of this cluster alone, in basis points


class Limits(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, rename={"klass": "class"}
):
    """The `[limits]` table of a config file. `allow` names the approved symbols; empty = every configured instrument,
    with `default_deny` none at all. `ceiling` bounds every scope and every change while trading: nothing looser is
    accepted, whoever asks.
    """

    account: AccountLimits = AccountLimits()
    ceiling: AccountLimits = AccountLimits()
    strategy: dict[str, StrategyLimits] = {}
    klass: ClassLimits = ClassLimits()
    symbol: dict[str, OrderLimits] = {}
    deny: tuple[Restriction, ...] = ()
    allow: tuple[str, ...] = ()
    default_deny: bool = False  # true = a symbol that `allow` does not name takes no entries, even where it names none
    cluster: tuple[Cluster, ...] = ()


def whole(row: Limit, value: Number, field: str) -> int:
    """One configured value as the integer the gate compares: nanos for money, shares and seconds, else the number.

    Raises ConfigError naming the field and the remedy.
    """
    if isinstance(value, bool) or row.unit == YES_NO:
        if row.unit == YES_NO and isinstance(value, bool):
            return int(value)
        raise ConfigError(f"{field}: {value!r} is not {row.unit}")
    if row.unit == OFF_WARN_DENY:
        if value in WORDS:
            return WORDS[str(value)]
        raise ConfigError(f"{field}: {value!r} is not {row.unit}")
    try:
        nanos = parse_nanos(value, field=field)
    except ValueError as fault:
        raise ConfigError(f"{fault}: give {row.unit}, at most nine decimals") from fault
    number = nanos
    if row.unit not in NANOS_UNITS:
        number, rest = divmod(nanos, 10**9)
        if rest:
            raise ConfigError(f"{field}: {value!r} has decimals: give a whole number ({row.unit})")
    if number < 0 or (number == 0 and not row.zero):
        least = "0 or more" if row.zero else "more than 0"
        raise ConfigError(f"{field}: {value!r} is too small: give {least} ({row.unit})")
    most = _most(row.unit)
    if number > most:
        raise ConfigError(
            f"{field}: {value!r} is too large: give at most {most // 10**9 if row.unit in NANOS_UNITS else most}"
        )
    return number


def _most(unit: str) -> int:
    if unit in NANOS_UNITS:
        return CASH_NANOS_MAX
    return BASIS_POINTS_MAX if unit == BASIS_POINTS else COUNT_MAX


def set_value(limits: OrderLimits, row: Limit, field: str) -> int | None:
    """The value a scope sets for a row, None if it is silent or the row does not belong there."""
    value: Number | None = getattr(limits, row.name, None)
    return None if value is None else whole(row, value, f"{field}.{row.name}")


def looser(row: Limit, number: int, than: int) -> bool:
    """Whether a value lets more pass than another one."""
    if row.zero_off and (not number or not than):
        return not number and bool(than)
    return number < than if row.tight_max else number > than


def text_of(row: Limit, number: int) -> str:
    """A value as the config writes it: the reverse of `whole`."""
    if row.unit == YES_NO:
        return "true" if number else "false"
    if row.unit == OFF_WARN_DENY:
        return next(word for word, value in WORDS.items() if value == number)
    return exact_text(number) if row.unit in NANOS_UNITS else str(number)


def factory_value(row: Limit) -> int:
    """The row's factory value as an integer."""
    return whole(row, row.factory, f"factory.{row.name}")


def unset(limits: Limits, *, strategies: tuple[str, ...]) -> list[str]:
    """Every limit that would fall back to a factory value or a wider scope: live must set them all."""
    return list(_unset(limits, strategies))


def _unset(limits: Limits, strategies: tuple[str, ...]) -> Iterator[str]:
    for row in ROWS.values():
        if getattr(limits.account, row.name) is None:
            yield f"limits.account.{row.name}"
    for name, factory in FACTORY_CLASS.items():
        for field in factory:
            if getattr(getattr(limits.klass, name), field) is None:
                yield f"limits.class.{name}.{field}"
    for strategy in strategies:
        own = limits.strategy.get(strategy, StrategyLimits())
        for row in BOOK_ROWS:
            if getattr(own, row.name) is None:
                yield f"limits.strategy.{strategy}.{row.name}"
