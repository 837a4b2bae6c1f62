"""Which direction of each limit lets more pass, said by hand for every row: a wrong one lets a raise through as a
tightening, without a proof, without a second person and without an end (control 39).
"""

from functools import cache
from typing import Final

import pytest

from core.units import NANO
from risk.bounds import AccountBounds
from risk.in_force import LimitsInForce, rows_of
from risk.limit_rows import BOOK_ROWS, NANOS_UNITS, OFF_WARN_DENY, ORDER_ROWS, ROWS, YES_NO, Limit
from risk.limits import AccountLimits, Limits, looser, text_of, whole
from risk.resolve import rates
from risk.windows import Samples
from tests.unit.test_limit_changes import Desk

# The larger value lets more pass, word by word: sizes, prices, ages, counts, levels of loss at which the monitor acts,
# reserves that let exits pass, how many breaches a trigger needs.
_LESS: Final = """
    order_quantity_max order_notional_max order_equity_bp_max collar_bp collar_ticks collar_spreads position_long_max
    position_short_max position_equity_bp_max adv_order_bp_max participation_bp_max working_per_side_max extended_hours
    age_seconds_max_regular age_seconds_max_extended spread_bp_max frozen_seconds_max
    gross_max gross_equity_bp_max gross_share_bp_max value_second_max value_minute_max value_hour_max
    quantity_second_max quantity_minute_max quantity_hour_max children_slices_bp_max children_extra_max parents_day_max
    parents_unattended_max duplicate_refusals_max day_loss_soft_bp day_loss_hard_bp deployment_instruments_max
    deployment_venues_max deployment_px_max deployment_order_notional_max deployment_orders_day_max
    deployment_position_notional_max deployment_ramp_start_bp
    last_price_age_seconds_max exit_reference_seconds_max exit_collar_multiple good_till_cancelled net_max
    sector_equity_bp_max sector_unknown_equity_bp_max country_equity_bp_max issuer_equity_bp_max cluster_equity_bp_max
    rate_account_orders rate_strategy_orders rate_symbol_orders rate_exit_reserve_orders working_orders_max
    changes_day_max order_trade_ratio_max order_trade_messages_min messages_second_max message_exit_reserve
    working_exit_reserve borrow_age_seconds_max whatif_notional_min margin_rate_seconds_max funds_age_seconds_max
    day_trades_max line_seconds_max clock_offset_seconds_max clock_age_seconds_max day_loss_marks
    resume_sync_age_seconds_max
    breach_soft_bp breach_hard_bp drawdown_soft_bp drawdown_hard_bp trigger_breaches feed_seconds_soft line_seconds_soft
    slippage_soft_bp slippage_hard_bp slippage_fills_min volatility_soft_multiple volatility_hard_multiple
    orders_minute_soft orders_minute_hard rejects_minute_soft rejects_minute_hard errors_soft errors_hard
    sync_seconds_soft sync_seconds_hard clock_soft_milliseconds clock_hard_milliseconds risk_seconds_soft var_soft_bp
    var_hard_bp cvar_soft_bp cvar_hard_bp stress_soft_bp stress_hard_bp exit_days_soft exit_days_hard
"""
LESS_IS_TIGHTER: Final = frozenset(_LESS.split())
MORE_IS_TIGHTER: Final = {
    "adv_min": "more names are too thin",
    "jump_quiet_seconds": "a longer wait",
    "deployment_ramp_days": "it rises more slowly",
    "rate_account_seconds": "as many orders in a longer time",
    "rate_strategy_seconds": "as many orders in a longer time",
    "rate_symbol_seconds": "as many orders in a longer time",
    "duplicate_window_seconds": "a repetition is a mistake for longer",
    "messages_second_cancels": "what is kept for cancels is not there for orders",
    "margin_long_bp": "an order needs more equity",
    "margin_short_bp": "an order needs more equity",
    "finra_margin": "true binds",
    "maintenance_bp": "a position needs more equity",
    "pattern_day_trader": "off, warn, deny",
    "day_trade_equity_min": "more accounts are small",
    "band_margin_bp": "entries stop farther from the band",
    "halt_quiet_seconds": "a longer wait",
    "trigger_marks": "the breaches may lie farther apart",
    "lift_quiet_seconds": "a latch holds for longer",
    "assumed_volatility_bp": "more is measured as risk",
}
OFF_AT_NOTHING: Final = frozenset({"resume_sync_age_seconds_max"})  # 0 = not asked, the loosest of all
SCOPES: Final = ("account", "strategy.alpha", "class.etf", "symbol.S0")
# Where the factory value is the loosest there is, or the only one: from where the test starts instead.
START: Final = {
    "deployment_ramp_days": "5", "deployment_venues_max": "2", "resume_sync_age_seconds_max": "60",
    "extended_hours": "false", "good_till_cancelled": "false", "pattern_day_trader": "warn",
    "breach_soft_bp": "12000", "gross_share_bp_max": "9000",
}  # fmt: skip
CASES: Final = [(scope, row.name) for scope in SCOPES for row in rows_of(scope)]


@cache
def desk() -> Desk:
    """One world; every case takes back what it sets."""
    return Desk()


def resolved(limits: Limits) -> AccountBounds:
    """What binds the account."""
    return LimitsInForce(desk().world.context, limits).resolved().account


def number_of(row: Limit, text: str) -> int:
    """Read as a change of it is read."""
    return whole(row, text == "true" if row.unit == YES_NO else text, row.name)


def neighbours(row: Limit, number: int) -> tuple[str, str]:
    """The next smaller and the next larger value a person would type; the same text where there is none."""
    step = NANO // 10 if row.unit in NANOS_UNITS else 1
    most = 2 if row.unit == OFF_WARN_DENY else 1 if row.unit == YES_NO else number + step
    least = 0 if row.zero or row.unit in (YES_NO, OFF_WARN_DENY) else 1
    return text_of(row, max(number - step, least)), text_of(row, min(number + step, most))


def test_every_row_has_a_direction() -> None:
    """A new limit is looked at by somebody; the table and this list say the same."""
    assert LESS_IS_TIGHTER | MORE_IS_TIGHTER.keys() == ROWS.keys()
    assert not LESS_IS_TIGHTER & MORE_IS_TIGHTER.keys()
    assert {name for name, row in ROWS.items() if row.tight_max} == MORE_IS_TIGHTER.keys()
    assert {name for name, row in ROWS.items() if row.zero_off} == OFF_AT_NOTHING
    assert {row.name for row in (*ORDER_ROWS, *BOOK_ROWS)} < ROWS.keys()


@pytest.mark.parametrize(("scope", "name"), CASES)
def test_a_loosening_needs_a_proof_and_a_tightening_none(scope: str, name: str) -> None:
    """By a peer without a proof: the one step is refused, the other is taken; 0 is taken only where it is tight."""
    row, at = ROWS[name], desk()
    start = START.get(name) or text_of(
        row, number_of(row, str(row.factory)) if row.unit != YES_NO else int(row.factory)
    )
    smaller, larger = neighbours(row, number_of(row, start))
    tight, loose = (smaller, larger) if name in LESS_IS_TIGHTER else (larger, smaller)
    try:
        assert at.set(name, start, scope=scope, minutes=60) == ""
        if loose != start:
            assert "needs a proof" in at.set(name, loose, scope=scope, minutes=60, authority="peer")
        if tight != start:
            assert at.set(name, tight, scope=scope, authority="peer") == ""
            assert "needs a proof" in at.set(name, start, scope=scope, minutes=60, authority="peer")
        if row.zero and name in MORE_IS_TIGHTER.keys() | OFF_AT_NOTHING:
            assert "needs a proof" in at.set(name, "0", scope=scope, minutes=60, authority="peer")
        elif row.zero:
            assert at.set(name, "0", scope=scope, authority="peer") == ""
    finally:
        at.set(name, "", scope=scope)
    assert not at.world.money.limit_changes.changes


def test_off_is_looser_than_any_value() -> None:
    """Where 0 switches a limit off."""
    for name in sorted(OFF_AT_NOTHING):
        row = ROWS[name]
        assert looser(row, 0, 1)
        assert looser(row, 0, 1 << 40)
        assert not looser(row, 1 << 40, 0)


def test_what_the_directions_do() -> None:
    """The three that are easily taken for the other one."""
    bounds = [
        resolved(Limits(account=AccountLimits(messages_second_cancels=kept))).order_messages_second_max
        for kept in (0, 15)
    ]
    assert bounds == [50, 35]
    fired = []
    for marks in (2, 3):
        samples = Samples()
        fired.append([samples.take((1, "", "X"), breach, least=2, of=marks) for breach in (True, False, True)][-1])
    assert fired == [False, True]
    none = Limits(account=AccountLimits(pattern_day_trader="warn", day_trades_max=0))
    assert rates(none).day_trades_warned == 1, "no day trade is allowed: the first is told, not none"
