"""Limits for a market that runs faster than the wall's clock. Knows no assertion."""

from typing import Final

# What compares a time of the market's clock with one that this machine takes, by its value at real time. At forty
# times real time a tenth of a second without the processor would be four seconds of silence.
BY_CLOCK: Final = {
    "age_seconds_max_regular": 5.0,
    "clock_offset_seconds_max": 0.5,
    "clock_soft_milliseconds": 500,
    "clock_hard_milliseconds": 5_000,
    "clock_age_seconds_max": 600,
    "funds_age_seconds_max": 600,
    "feed_seconds_soft": 30,
    "line_seconds_soft": 60,
    "line_seconds_max": 60,
    "resume_sync_age_seconds_max": 60,
    "risk_seconds_soft": 60,
    "sync_seconds_soft": 120,
    "sync_seconds_hard": 600,
}
MOST: Final = 1_000_000  # that the file takes; of milliseconds of the clock, at 480 times real time, still two seconds


def wall_limits(speed: int) -> str:
    """Rows for `[limits.account]` that keep on the wall what they are at real time; all other controls stay."""
    return "".join(f"{name} = {min(value * speed, MOST):g}\n" for name, value in BY_CLOCK.items())
