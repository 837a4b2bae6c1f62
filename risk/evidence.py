"""What shows that a control works: the tests that hold it, and the codes by which the journal shows that it acted.
A test proves that every test named here exists. Tests of the contract table are not named one by one: each check has
its rows there (`CONTRACT`). Decides nothing.
"""

from typing import Final

CONTRACT: Final = "tests/contract/test_checks.py::test_check"
COUNTING: Final = "tests/contract/test_counting_checks.py::test_check"
COUNTED: Final = (10, 11, 12, 13, 14, 15, 43)  # whose rows stand in the second table
_KNIGHT: Final = "tests/simulation/test_knight.py::test_one_control_alone_stops_it"
_CAPS: Final = "tests/property/test_sent_caps.py::"
_LIQUIDITY: Final = "tests/unit/test_liquidity.py::"
_TRADER: Final = "tests/integration/test_trader_limits.py::test_limits_change_and_end"
_MONEY: Final = "tests/unit/test_money_faults.py::"
_LADDER: Final = "tests/unit/test_risk_ladder.py::"
_START: Final = "tests/integration/test_trader_start.py::"
_KILL: Final = "tests/integration/test_trader_kill.py::"
_PITFALLS: Final = "tests/integration/test_ib_pitfalls.py::"
_CHANGES: Final = "tests/unit/test_limit_changes.py::"
_CONDITIONS: Final = "tests/unit/test_conditions.py::"
_BANDS: Final = "tests/unit/test_bands.py::"
_BROKER: Final = "tests/integration/test_ib_conditions.py::"
_TRIGGERS: Final = "tests/unit/test_risk_triggers.py::"
_GATE: Final = "tests/property/test_gate_reservations.py::"

# Beside the contract rows of a control's own check.
CONTROL_TESTS: Final[dict[int, tuple[str, ...]]] = {
    1: (f"{_LADDER}test_a_slice_is_as_large_as_quantity_and_value_allow",),
    2: (f"{_LADDER}test_a_slice_is_as_large_as_quantity_and_value_allow",),
    5: (f"{_GATE}test_concurrent_orders_never_pass_a_limit",),
    6: (f"{_GATE}test_concurrent_orders_never_pass_a_limit",),
    9: (f"{_GATE}test_the_rate_check_is_the_folds_own_rule",),
    17: (
        f"{_CONDITIONS}test_a_fall_of_ten_per_cent_restricts_short_sales_for_two_days",
        f"{_BROKER}test_margins_borrow_funds_and_time",
    ),
    18: (
        f"{_CONDITIONS}test_a_large_schedule_waits_for_the_broker_s_margin",
        f"{_CONDITIONS}test_no_answer_refuses_and_the_next_question_waits_its_minute",
        f"{_BROKER}test_margins_borrow_funds_and_time",
    ),
    19: (f"{_CONDITIONS}test_day_trades_are_counted_and_told",),
    21: (
        f"{_BANDS}test_bands",
        f"{_BANDS}test_the_reference_is_the_mean_of_five_minutes",
        f"{_CONDITIONS}test_the_index_proxy_trips_the_breaker",
        f"{_CONDITIONS}test_a_halt_holds_everything_until_the_first_quote_after_it",
    ),
    23: (
        "tests/integration/test_live_trader.py::test_a_nightly_reset_in_the_middle_of_a_twap",
        f"{_TRIGGERS}test_the_link_reduces_and_lifts_itself_after_a_clean_sync",
    ),
    24: (f"{_LADDER}test_one_bad_mark_does_nothing_two_in_a_row_reduce", f"{_LADDER}test_the_hard_limit_halts"),
    26: (f"{_KILL}test_kill_blocks_cancels_verifies",),
    27: (f"{_KILL}test_kill_blocks_cancels_verifies", "tests/unit/test_kill.py::test_others_orders_hold_up_the_proof"),
    29: (f"{_GATE}test_an_exit_never_makes_a_position_larger",),
    31: (
        f"{_START}test_a_clean_stop_goes_on_as_latched",
        "tests/unit/test_money_snapshot.py::test_a_snapshot_continues_exactly",
    ),
    32: (
        f"{_START}test_a_crash_halted_keeps_orders_and_waits",
        "tests/unit/test_live_runner.py::test_orders_leave_only_after_a_complete_sync",
    ),
    33: (
        _KNIGHT,
        f"{_START}test_a_difference_halts_until_acknowledged",
        f"{_START}test_a_large_cash_difference_reduces_until_acknowledged",
    ),
    34: (
        f"{_START}test_an_unknown_order_halts_whatever_the_setting",
        "tests/unit/test_orders_table.py::test_silence_and_doubt_never_end_an_order",
    ),
    35: (
        f"{_MONEY}test_a_correction_of_a_lost_fill_is_booked",
        f"{_PITFALLS}test_correction_replaces_an_execution_and_a_repeat_is_told_once",
    ),
    36: (
        "tests/property/test_clock_offset.py::test_it_never_says_more_than_is_so",
        f"{_BROKER}test_margins_borrow_funds_and_time",
    ),
    39: (
        _TRADER,
        f"{_CHANGES}test_a_raise_binds_at_once_and_ends_by_itself",
        f"{_CHANGES}test_the_ceiling_holds_at_load",
    ),
    40: (
        _TRADER,
        f"{_CHANGES}test_an_override_lets_one_order_fail_one_control_once",
    ),
    42: (f"{_START}test_a_changed_config_is_halted_until_armed", f"{_START}test_deploy_is_not_lifted_by_resume"),
    45: ("tests/unit/test_assessment.py::test_the_pack_is_complete",),
    49: (
        f"{_TRIGGERS}test_measured_risk_is_latched_by_two_of_three_measurements",
        "tests/unit/test_risk_measure.py::test_a_hundred_days_by_hand",
        "tests/unit/test_risk_measure.py::test_a_larger_book_is_a_larger_risk",
        "tests/integration/test_risk_worker.py::test_a_killed_worker_reduces_within_a_minute_and_comes_back",
    ),
    47: (
        "tests/tidy/test_approved_order.py::test_only_the_gate_makes_one",
        "tests/unit/test_exclusive_control.py::test_no_order_bypasses_the_precautions",
    ),
    8: (
        f"{_LIQUIDITY}test_a_name_of_little_volume_takes_no_entry",
        f"{_LIQUIDITY}test_an_exit_is_cut_to_a_part_of_the_volume",
    ),
    10: (_KNIGHT, f"{_CAPS}test_what_is_sent_stays_within_its_caps", f"{_CAPS}test_a_rolling_sum_never_under_counts"),
    11: (_KNIGHT, "tests/simulation/test_knight.py::test_only_a_person_lets_it_go_on"),
    12: (_KNIGHT,),
    22: (f"{_TRIGGERS}test_a_silent_line_and_a_silent_feed",),
    28: ("tests/integration/test_trader_kill.py::test_flatten_closes_with_orders_that_only_reduce",),
    30: (
        "tests/integration/test_guard.py::test_a_trader_that_restarts_hangs_and_dies",
        "tests/unit/test_presence.py::test_who_was_away_sends_nothing_and_is_halted",
    ),
    37: (
        "tests/unit/test_presence.py::test_a_lease_is_renewed_by_turns_and_never_after_its_end",
        "tests/integration/test_guard_rules.py::test_it_acts_a_second_after_the_end_and_once",
    ),
    38: (
        "tests/unit/test_alerts.py::test_at_once_then_quiet_then_again_until_it_is_seen",
        "tests/unit/test_alerts.py::test_a_raised_alert_is_delivered_and_survives_a_restart",
    ),
    41: (
        "tests/integration/test_two_persons.py::test_one_person_cannot_resume_an_account",
        "tests/integration/test_two_persons.py::test_an_approval_survives_a_crash",
    ),
    44: (
        "tests/integration/test_kill_drill.py::test_the_kill_drill",
        "tests/unit/test_load.py::test_a_journal_tells_its_load",
    ),
    46: (
        "tests/unit/test_surveil.py::test_what_was_planted_is_found",
        "tests/unit/test_surveil.py::test_a_clean_day_is_clean",
    ),
    48: (f"{_CHANGES}test_a_change_that_no_longer_fits_denies_entries_and_halts",),
}

# Codes of latches and alerts that show a control acting; refusals show it by the control's number.
SIGNS: Final[dict[int, tuple[str, ...]]] = {
    46: ("SLIPPAGE_SOFT", "SLIPPAGE_HARD"),
    36: ("CLOCK_SOFT", "CLOCK_HARD"),
    14: ("REJECT_RATE_SOFT", "REJECT_RATE_HARD"),
    9: ("ORDER_RATE_SOFT", "ORDER_RATE_HARD"),
    7: ("CONCENTRATION_BREACH_SOFT", "CONCENTRATION_BREACH_HARD"),
    6: ("EXPOSURE_BREACH_SOFT", "EXPOSURE_BREACH_HARD"),
    5: ("POSITION_BREACH_SOFT", "POSITION_BREACH_HARD"),
    17: ("SHORTS_RESTRICTED",),
    18: ("MARGIN_REFUSED",),
    19: ("DAY_TRADES",),
    21: ("MARKET_BREAKER", "VOLATILITY_SOFT", "VOLATILITY_HARD"),
    22: ("FEED_GAP", "STALE_DATA"),
    23: ("LINK", "LINK_DEGRADED", "LINK_LOST"),
    24: ("DAY_LOSS_SOFT", "DAY_LOSS_HARD"),
    25: ("DRAWDOWN_SOFT", "DRAWDOWN_HARD"),
    26: ("KILL", "FLATTEN", "HALT"),
    49: (
        "RISK_STALE",
        "VAR_SOFT",
        "VAR_HARD",
        "CVAR_SOFT",
        "CVAR_HARD",
        "STRESS_SOFT",
        "STRESS_HARD",
        "EXIT_DAYS_SOFT",
        "EXIT_DAYS_HARD",
    ),
    27: ("KILL_VERIFIED",),
    30: ("GUARD",),
    32: ("CRASH", "UNKNOWN", "SAFE"),
    33: ("RECONCILE", "CASH", "CASH_ADJUSTED", "SYNC_INCOMPLETE", "SYNC_AGE_SOFT", "SYNC_AGE_HARD"),
    34: ("ORDER_UNANSWERED", "ORDER_LOST", "ORDERS_UNKNOWN"),
    35: ("ODD_EXECUTION", "EXECUTION_CORRECTED", "ERROR_RATE_SOFT", "ERROR_RATE_HARD"),
    39: ("LIMIT_CHANGED", "LIMIT_REVERTED", "LIMIT_STORE"),
    40: ("OVERRIDE_GRANTED", "OVERRIDE_USED", "OVERRIDE_ENDED"),
    42: ("DEPLOY",),
    48: ("DISK_RESERVE", "STRATEGY_FAILED"),
}
