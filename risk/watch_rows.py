"""Rows of the table of limits that the monitor acts by (risk/triggers.py): names, factory values and why they are what
they are. risk/limits.py owns the table; the fields of a config file stand there.
"""

from collections.abc import Callable
from typing import TypeVar

Row = TypeVar("Row")


def watch_rows(row: Callable[..., Row], *, basis_points: str, seconds: str, count: str) -> tuple[Row, ...]:
    """Made by the table's own maker, in its units."""
    return (
        # Triggers (risk/triggers.py). A position may drift above the limit it was bought under: a tenth more is the
        # market's doing, twice as much is no drift. A drawdown of 8 % ends most mandates: exits only well before it.
        row(5, "breach_soft_bp", 11_000, basis_points, "position, gross or bucket, of its own limit: exits only"),
        row(5, "breach_hard_bp", 20_000, basis_points, "the same that halts"),
        row(25, "drawdown_soft_bp", 500, basis_points, "fall of equity from its peak that allows exits only"),
        row(25, "drawdown_hard_bp", 800, basis_points, "fall of equity from its peak that halts"),
        # Two of three marks: one bad tick is no loss, and three seconds are no delay for a loss.
        row(24, "trigger_marks", 3, count, "of so many marks in a row ...", tight_max=True),
        row(24, "trigger_breaches", 2, count, "... so many must show a breach"),
        # Connectivity and stale data lift themselves; ten quiet seconds keep a flapping line from switching us on and
        # off.
        row(
            23,
            "lift_quiet_seconds",
            10,
            seconds,
            "a line or feed must be good this long before it lifts its own latch",
            tight_max=True,
        ),
        # Half a minute without a tick in regular hours is a dead feed, a minute on one line a dead line (as control
        # 22).
        row(22, "feed_seconds_soft", 30, seconds, "silence of the whole feed in regular hours that allows exits only"),
        row(22, "line_seconds_soft", 60, seconds, "the same of one symbol held or worked, for this symbol"),
        # Half a percent from the arrival price on average of twenty fills is many spreads: something is wrong with
        # the way of trading. One and a half percent is what a run-away order costs.
        row(46, "slippage_soft_bp", 50, basis_points, "mean cost of an hour's fills against arrival: exits only"),
        row(46, "slippage_hard_bp", 150, basis_points, "the same that halts the strategy"),
        row(46, "slippage_fills_min", 20, count, "fills that a mean is made of at least"),
        # The minute against the hours before it: fourfold is a scheduled announcement, which one trades through;
        # sixfold is none that anybody expected, and twelvefold is no market to trade by a model.
        row(21, "volatility_soft_multiple", 6, count, "a held symbol's volatility against its usual: exits only"),
        row(21, "volatility_hard_multiple", 12, count, "the same that halts the symbol"),
        # Below what the rate limits let pass for a minute on end: a burst is legal, a minute of bursts is a loop.
        row(9, "orders_minute_soft", 300, count, "orders and replaces of the account in a minute: exits only"),
        row(9, "orders_minute_hard", 600, count, "the same that halts"),
        row(14, "rejects_minute_soft", 5, count, "rejects by the broker in a minute: exits only"),
        row(14, "rejects_minute_hard", 20, count, "the same that halts"),
        row(35, "errors_soft", 5, count, "odd facts and missing answers in ten minutes: exits only"),
        row(35, "errors_hard", 20, count, "the same that halts"),
        row(33, "sync_seconds_soft", 120, seconds, "age of the last complete sync (asked every 30 s): exits only"),
        row(33, "sync_seconds_hard", 600, seconds, "the same that halts"),
        row(36, "clock_soft_milliseconds", 500, count, "our clock against the broker's: exits only"),
        row(36, "clock_hard_milliseconds", 5_000, count, "the same that halts"),
        # Measured every 10 s. Four percent in the worst day of a hundred is twice the soft day's loss; the stress
        # scenarios are far worse days than those.
        row(49, "risk_seconds_soft", 60, seconds, "age of the measured risk while there is any: exits only"),
        row(49, "var_soft_bp", 400, basis_points, "value at risk, 99 %, one day, of equity: exits only"),
        row(49, "var_hard_bp", 800, basis_points, "the same that halts"),
        row(49, "cvar_soft_bp", 500, basis_points, "mean loss of the worst day in a hundred, of equity: exits only"),
        row(49, "cvar_hard_bp", 1_000, basis_points, "the same that halts"),
        row(49, "stress_soft_bp", 2_000, basis_points, "loss in the worst stress scenario, of equity: exits only"),
        row(49, "stress_hard_bp", 3_500, basis_points, "the same that halts"),
        row(49, "exit_days_soft", 5, count, "days that the slowest position takes to leave: exits only"),
        row(49, "exit_days_hard", 20, count, "the same that halts"),
        # Twice the usual volatility of a single stock: who gives no history trades at half size.
        row(
            49, "assumed_volatility_bp", 400, basis_points, "daily volatility of a name without history", tight_max=True
        ),
    )
