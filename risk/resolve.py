"""Folds the limits of all scopes into the integers that bind (risk/bounds.py): the tightest of account, strategy, class
and symbol, nothing looser than its ceiling. Runs at the start and when a limit changes, never per order.
"""

from core.errors import ConfigError
from core.instruments import STK, Instrument
from core.rates import RateLimit
from core.units import BP, NANO
from risk.bounds import EXITS_ONLY, FREE, NOTHING, AccountBounds, BookBounds, Bounds, Rates, Resolved
from risk.count_bounds import count_bounds, deployment_bounds
from risk.limit_rows import BOOK_ROWS, FACTORY_CLASS, ORDER_ROWS, ROWS, Limit
from risk.limits import (
    Limits,
    OrderLimits,
    Restriction,
    StrategyLimits,
    factory_value,
    looser,
    set_value,
    text_of,
    whole,
)
from risk.watch_bounds import watch_bounds


def rates(limits: Limits) -> Rates:
    """The rates for `MoneySettings`."""
    v = _account_values(limits)
    return Rates(
        account=RateLimit(v["rate_account_orders"], v["rate_account_seconds"]),
        strategy=RateLimit(v["rate_strategy_orders"], v["rate_strategy_seconds"]),
        symbol=RateLimit(v["rate_symbol_orders"], v["rate_symbol_seconds"]),
        duplicate_window_ns=v["duplicate_window_seconds"],
        margin_rate_ns_max=v["margin_rate_seconds_max"],
        whatif_notional_min_nanos=v["whatif_notional_min"],
        day_trades_warned=v["day_trades_max"] if v["pattern_day_trader"] else 0,
    )


def resolve(
    limits: Limits, *, instruments: tuple[Instrument, ...], strategies: tuple[str, ...], currency: str
) -> Resolved:
    """Fold the scopes. Raises ConfigError on a bad value, an unknown symbol or an unknown strategy."""
    _refuse_unknown(limits, instruments, strategies)
    values = _account_values(limits)
    _refuse_above_ceiling(limits, values)
    books = {name: _book_bounds(limits, name, values) for name in strategies}
    stranger = _book_bounds(limits, "", values)
    by_strategy = {
        name: tuple(_bounds(limits, instrument, name, books[name], 1, currency) for instrument in instruments)
        for name in strategies
    }
    strangers = tuple(_bounds(limits, instrument, "", stranger, 0, currency) for instrument in instruments)
    return Resolved(
        account=_account_bounds(limits, values),
        books=books,
        by_strategy=by_strategy,
        strangers=strangers,
        clusters=_clusters(limits, instruments),
        disaster_stops=any(row.disaster_stop_bp for rows in (strangers, *by_strategy.values()) for row in rows),
    )


def _refuse_unknown(limits: Limits, instruments: tuple[Instrument, ...], strategies: tuple[str, ...]) -> None:
    symbols = [instrument.symbol for instrument in instruments]
    for symbol in limits.symbol:
        if symbol not in symbols:
            raise ConfigError(f"limits.symbol.{symbol}: no such instrument: configure it, or remove its limits")
    for strategy in limits.strategy:
        if strategy not in strategies:
            raise ConfigError(f"limits.strategy.{strategy}: no such strategy: configure it, or remove its limits")
    for at, entry in enumerate(limits.deny):
        if not entry.symbol and not entry.con_id and not entry.issuer:
            raise ConfigError(f"limits.deny[{at}]: names nothing: give symbol, con_id or issuer")
    names = [cluster.name for cluster in limits.cluster]
    for at, cluster in enumerate(limits.cluster):
        if not cluster.name or cluster.name in names[:at]:
            raise ConfigError(f"limits.cluster[{at}].name: {cluster.name!r} is empty or taken: give it one of its own")
        if len(set(cluster.symbols)) < 2 or not set(cluster.symbols) <= set(symbols):
            raise ConfigError(f"limits.cluster[{at}].symbols: name two or more configured instruments")


def scopes_of(limits: Limits) -> list[tuple[str, OrderLimits]]:
    """Every scope that the limits speak of, as the config names it below [limits]."""
    return [
        ("account", limits.account),
        ("class.etf", limits.klass.etf),
        ("class.stock", limits.klass.stock),
        *((f"strategy.{name}", scope) for name, scope in limits.strategy.items()),
        *((f"symbol.{name}", scope) for name, scope in limits.symbol.items()),
    ]


def _refuse_above_ceiling(limits: Limits, account: dict[str, int]) -> None:
    """Nothing is looser than its ceiling, whether it was set or is a factory value."""
    for row in ROWS.values():
        most = set_value(limits.ceiling, row, "limits.ceiling")
        if most is None:
            continue
        found = [("account", account[row.name])]
        for name, scope in scopes_of(limits)[1:]:
            value = set_value(scope, row, f"limits.{name}")
            if value is not None:
                found.append((name, value))
        for name, value in found:
            if looser(row, value, most):
                side = "below" if row.tight_max else "above"
                raise ConfigError(
                    f"limits.{name}.{row.name}: {text_of(row, value)} is {side} the ceiling of {text_of(row, most)}: "
                    f"tighten it, or change limits.ceiling.{row.name} and restart"
                )


def _account_values(limits: Limits) -> dict[str, int]:
    values = {}
    for row in ROWS.values():
        value = set_value(limits.account, row, "limits.account")
        values[row.name] = factory_value(row) if value is None else value
    for kind in ("account", "strategy", "symbol"):
        if values[f"rate_{kind}_orders"] > values[f"rate_{kind}_seconds"]:
            raise ConfigError(f"limits.account.rate_{kind}_orders: more than one order per ns: lower it")
    if values["messages_second_cancels"] >= values["messages_second_max"]:
        raise ConfigError("limits.account.messages_second_cancels: nothing is left for orders: lower it")
    return values


def _clusters(limits: Limits, instruments: tuple[Instrument, ...]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The clusters that a person wrote down, by name, as instrument rows."""
    rows = {instrument.symbol: instrument.inst for instrument in instruments}
    return tuple((cluster.name, tuple(rows[symbol] for symbol in cluster.symbols)) for cluster in limits.cluster)


def _cluster_bps(limits: Limits) -> dict[str, int]:
    row = ROWS["cluster_equity_bp_max"]
    return {
        cluster.name: whole(row, cluster.equity_bp_max, f"limits.cluster.{cluster.name}.equity_bp_max")
        for cluster in limits.cluster
        if cluster.equity_bp_max is not None
    }


def _tightest(row: Limit, values: list[int]) -> int:
    if row.zero_off:
        return min((value for value in values if value), default=0)
    return max(values) if row.tight_max else min(values)


def _scopes(limits: Limits, instrument: Instrument) -> list[tuple[OrderLimits, str, dict[str, int]]]:
    """The scopes that bind an instrument whoever trades it: limits, config field, factory values of the scope."""
    name = "etf" if instrument.etf else "stock"
    symbol = limits.symbol.get(instrument.symbol, OrderLimits())
    return [
        (getattr(limits.klass, name), f"limits.class.{name}", FACTORY_CLASS[name]),
        (symbol, f"limits.symbol.{instrument.symbol}", {}),
    ]


def _order_values(limits: Limits, scopes: list[tuple[OrderLimits, str, dict[str, int]]]) -> dict[str, int]:
    found = {}
    for row in ORDER_ROWS:
        account = set_value(limits.account, row, "limits.account")
        values = [factory_value(row) if account is None else account]
        for scope, field, factory in scopes:
            value = set_value(scope, row, field)
            value = factory.get(row.name) if value is None else value
            if value is not None:
                values.append(value)
        found[row.name] = _tightest(row, values)
    return found


def _book_bounds(limits: Limits, strategy: str, account: dict[str, int]) -> BookBounds:
    own = limits.strategy.get(strategy, StrategyLimits())
    v = {}
    for row in BOOK_ROWS:
        value = set_value(own, row, f"limits.strategy.{strategy}")
        v[row.name] = account[row.name] if value is None else _tightest(row, [value, account[row.name]])
    _refuse_soft_above_hard(v, f"limits.strategy.{strategy}")
    return BookBounds(
        gross_max_nanos=v["gross_max"],
        gross_equity_bp_max=v["gross_equity_bp_max"],
        gross_share_bp_max=v["gross_share_bp_max"],
        day_loss_soft_bp=v["day_loss_soft_bp"],
        day_loss_hard_bp=v["day_loss_hard_bp"],
        counts=count_bounds(v),
        deployment=deployment_bounds(v),
    )


def _refuse_soft_above_hard(values: dict[str, int], field: str) -> None:
    if values["day_loss_soft_bp"] > values["day_loss_hard_bp"]:
        raise ConfigError(f"{field}.day_loss_soft_bp: above day_loss_hard_bp: lower it")


def _restriction(limits: Limits, instrument: Instrument) -> tuple[int, str]:
    worst, reason = FREE, ""
    if (limits.allow or limits.default_deny) and instrument.symbol not in limits.allow:
        worst, reason = EXITS_ONLY, "not on the allow list"
    for entry in limits.deny:
        if _names(entry, instrument):
            level = EXITS_ONLY if entry.exit_allowed else NOTHING
            if level > worst:
                worst, reason = level, entry.reason or "on the deny list"
    return worst, reason


def _names(entry: Restriction, instrument: Instrument) -> bool:
    """Whether an entry of the deny list is about an instrument, by any of what it gives."""
    if entry.symbol == instrument.symbol or (entry.con_id and entry.con_id == instrument.con_id):
        return True
    return entry.issuer != "" and entry.issuer == (instrument.issuer or instrument.symbol)


def _bounds(
    limits: Limits, instrument: Instrument, strategy: str, book: BookBounds, known: int, currency: str
) -> Bounds:
    shared = _scopes(limits, instrument)
    mine = limits.strategy.get(strategy, StrategyLimits())
    account = _order_values(limits, shared)
    v = _order_values(limits, [*shared, (mine, f"limits.strategy.{strategy}", {})])
    restriction, reason = _restriction(limits, instrument)
    in_scope = instrument.sec_type == STK and instrument.currency == currency and instrument.multiplier_nanos == NANO
    return Bounds(
        inst=instrument.inst,
        symbol=instrument.symbol,
        known=known,
        supported=1 if in_scope else 0,
        restriction=restriction,
        restriction_reason=reason,
        strategy_rate_key="s" + strategy if known else "",
        symbol_rate_key="i" + instrument.symbol,
        book=book,
        order_quantity_max_nanos=v["order_quantity_max"],
        order_notional_max_nanos=v["order_notional_max"],
        order_equity_bp_max=v["order_equity_bp_max"],
        collar_bp=v["collar_bp"],
        collar_ticks=v["collar_ticks"],
        collar_spreads=v["collar_spreads"],
        position_long_max_nanos=account["position_long_max"],
        position_short_max_nanos=account["position_short_max"],
        position_equity_bp_max=account["position_equity_bp_max"],
        book_long_max_nanos=v["position_long_max"],
        book_short_max_nanos=v["position_short_max"],
        book_equity_bp_max=v["position_equity_bp_max"],
        adv_order_bp_max=v["adv_order_bp_max"],
        participation_bp_max=v["participation_bp_max"],
        adv_min_nanos=v["adv_min"],
        working_per_side_max=v["working_per_side_max"],
        extended_hours=v["extended_hours"],
        age_ns_max_regular=v["age_seconds_max_regular"],
        age_ns_max_extended=v["age_seconds_max_extended"],
        jump_quiet_ns=v["jump_quiet_seconds"],
        spread_bp_max=v["spread_bp_max"],
        frozen_ns_max=v["frozen_seconds_max"],
        disaster_stop_bp=v["disaster_stop_bp"],
    )


def _slack(orders: int, window_ns: int, reserve: int) -> int:
    """How far ahead of now the arrival time may be; `reserve` further orders fit for exits (core.rates.conforms)."""
    interval = RateLimit(orders, window_ns).interval_ns
    return window_ns - interval + reserve * interval


def _account_bounds(limits: Limits, v: dict[str, int]) -> AccountBounds:
    _refuse_soft_above_hard(v, "limits.account")
    reserve = v["rate_exit_reserve_orders"]
    pace = {kind: (v[f"rate_{kind}_orders"], v[f"rate_{kind}_seconds"]) for kind in ("account", "strategy", "symbol")}
    return AccountBounds(
        gross_max_nanos=v["gross_max"],
        gross_equity_bp_max=v["gross_equity_bp_max"],
        net_max_nanos=v["net_max"],
        sector_equity_bp_max=v["sector_equity_bp_max"],
        sector_unknown_equity_bp_max=v["sector_unknown_equity_bp_max"],
        country_equity_bp_max=v["country_equity_bp_max"],
        issuer_equity_bp_max=v["issuer_equity_bp_max"],
        cluster_equity_bp_max=v["cluster_equity_bp_max"],
        cluster_bps=_cluster_bps(limits),
        day_loss_soft_bp=v["day_loss_soft_bp"],
        day_loss_hard_bp=v["day_loss_hard_bp"],
        day_loss_marks=v["day_loss_marks"],
        last_price_age_ns_max=v["last_price_age_seconds_max"],
        exit_reference_ns_max=v["exit_reference_seconds_max"],
        exit_collar_multiple=v["exit_collar_multiple"],
        good_till_cancelled=v["good_till_cancelled"],
        account_slack_ns=_slack(*pace["account"], 0),
        strategy_slack_ns=_slack(*pace["strategy"], 0),
        symbol_slack_ns=_slack(*pace["symbol"], 0),
        account_exit_slack_ns=_slack(*pace["account"], reserve),
        strategy_exit_slack_ns=_slack(*pace["strategy"], reserve),
        symbol_exit_slack_ns=_slack(*pace["symbol"], reserve),
        working_orders_max=v["working_orders_max"],
        working_exit_reserve=v["working_exit_reserve"],
        counts=count_bounds(v),
        changes_day_max=v["changes_day_max"],
        order_trade_ratio_max=v["order_trade_ratio_max"],
        order_trade_messages_min=v["order_trade_messages_min"],
        messages_second_max=v["messages_second_max"],
        order_messages_second_max=v["messages_second_max"] - v["messages_second_cancels"],
        message_exit_reserve=v["message_exit_reserve"],
        margin_long_bp=v["margin_long_bp"],
        margin_short_bp=v["margin_short_bp"],
        margin_free_bp=BP * BP // max(v["margin_long_bp"], v["margin_short_bp"]),
        margin_flat_bp_max=max(v["margin_long_bp"], v["margin_short_bp"]),
        borrow_ns_max=v["borrow_age_seconds_max"],
        funds_ns_max=v["funds_age_seconds_max"],
        finra_margin=v["finra_margin"],
        maintenance_bp=v["maintenance_bp"],
        pattern_day_trader=v["pattern_day_trader"],
        day_trades_max=v["day_trades_max"],
        day_trade_equity_min_nanos=v["day_trade_equity_min"],
        band_margin_bp=v["band_margin_bp"],
        halt_quiet_ns=v["halt_quiet_seconds"],
        clock_offset_ns_max=v["clock_offset_seconds_max"],
        clock_ns_max=v["clock_age_seconds_max"],
        line_ns_max=v["line_seconds_max"],
        resume_sync_age_ns_max=v["resume_sync_age_seconds_max"],
        watch=watch_bounds(v),
    )
