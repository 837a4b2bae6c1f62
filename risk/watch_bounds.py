"""The levels at which the monitor acts, resolved from the table of limits: what risk/triggers.py compares with.
Knows no measure and no state.
"""

from typing import Final

import msgspec

from core.errors import ConfigError
from core.units import BP

MARKS_MAX: Final = 62  # bits of one number in a snapshot


class WatchBounds(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Named as in the table of limits; seconds are nanoseconds here."""

    breach_soft_bp: int
    breach_hard_bp: int
    drawdown_soft_bp: int
    drawdown_hard_bp: int
    trigger_marks: int
    trigger_breaches: int
    lift_quiet_seconds: int
    feed_seconds_soft: int
    line_seconds_soft: int
    slippage_soft_bp: int
    slippage_hard_bp: int
    slippage_fills_min: int
    volatility_soft_multiple: int
    volatility_hard_multiple: int
    orders_minute_soft: int
    orders_minute_hard: int
    rejects_minute_soft: int
    rejects_minute_hard: int
    errors_soft: int
    errors_hard: int
    sync_seconds_soft: int
    sync_seconds_hard: int
    clock_soft_milliseconds: int
    clock_hard_milliseconds: int
    risk_seconds_soft: int
    var_soft_bp: int
    var_hard_bp: int
    cvar_soft_bp: int
    cvar_hard_bp: int
    stress_soft_bp: int
    stress_hard_bp: int
    exit_days_soft: int
    exit_days_hard: int
    assumed_volatility_bp: int


def watch_bounds(values: dict[str, int]) -> WatchBounds:
    """From the account's values. Raises ConfigError where a soft level lies above its hard one."""
    for name, value in values.items():
        hard = values.get(name.replace("_soft", "_hard"), value)
        if "_soft" in name and value > hard:
            raise ConfigError(f"limits.account.{name}: above {name.replace('_soft', '_hard')}: lower it")
    if values["breach_soft_bp"] < BP:
        raise ConfigError(f"limits.account.breach_soft_bp: below {BP}: what is within its limit is no breach; raise it")
    if values["trigger_breaches"] > values["trigger_marks"]:
        raise ConfigError("limits.account.trigger_breaches: above trigger_marks: lower it")
    if values["trigger_marks"] > MARKS_MAX:
        raise ConfigError(f"limits.account.trigger_marks: more than {MARKS_MAX} are not remembered: lower it")
    return WatchBounds(**{name: values[name] for name in WatchBounds.__struct_fields__})
