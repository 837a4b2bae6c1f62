"""Levels that change rarely and are compared with every order: how far equity may fall, and whether the newest
measurement lies beyond a soft level. Read anew when peak, measurement or limits change. Decides nothing.
"""

from typing import Final

from core.events import RiskMeasured
from core.money.state import Money
from core.units import BP
from risk.bounds import AccountBounds

_NO_PEAK: Final = -1
_FAR: Final = 1 << 62


def floor_of(peak_nanos: int, account: AccountBounds) -> int:
    """Equity at or below it is a soft drawdown from a peak; without a peak all of it is."""
    fall_bp = account.watch.drawdown_soft_bp
    return peak_nanos - -(-peak_nanos * fall_bp // BP) if peak_nanos > 0 else _FAR


class Levels:
    """One account's, as of the last `read`."""

    __slots__ = ("age_ns", "floor", "over", "peak", "risk", "text")

    def __init__(self) -> None:
        self.peak = _NO_PEAK
        self.risk: RiskMeasured | None = None
        self.floor = _FAR  # equity at or below it is a soft drawdown
        self.over = 0  # 1 = a measurement lies beyond a soft level
        self.text = ("", "")  # which, and the level
        self.age_ns = 0  # how old a measurement may be

    def forget(self) -> None:
        """Limits changed."""
        self.peak = _NO_PEAK

    def read(self, money: Money, account: AccountBounds) -> None:
        """Once for each change."""
        watch = account.watch
        self.age_ns = watch.risk_seconds_soft
        self.peak = peak = money.high_water_nanos
        self.floor = floor_of(peak, account)
        self.risk = risk = money.risk
        self.over, self.text = 0, ("", "")
        if risk is None:
            return
        for name, loss, bp in (
            ("value at risk", risk.var_nanos, watch.var_soft_bp),
            ("mean loss of the worst days", risk.cvar_nanos, watch.cvar_soft_bp),
            (f"stress {risk.worst_stress}", risk.worst_stress_nanos, watch.stress_soft_bp),
        ):
            if loss > 0 and loss * BP >= risk.equity_nanos * bp:
                share = loss * BP // risk.equity_nanos if risk.equity_nanos > 0 else _FAR
                self.over, self.text = 1, (f"{name} {share} bp of equity", f"< {bp} bp")
                return
        if risk.days_to_exit_milli >= watch.exit_days_soft * 1_000:
            symbols = money.settings.symbols
            who = symbols[risk.slowest_inst] if 0 <= risk.slowest_inst < len(symbols) else "a position"
            self.over = 1
            self.text = (f"{who} takes {risk.days_to_exit_milli / 1000:.1f} days to leave", f"< {watch.exit_days_soft}")
