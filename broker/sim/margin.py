"""What a position binds by Regulation T: pure arithmetic, for the venue's answers to what-if questions and the paper
gateway's account pages.
"""

from typing import Protocol

from core.units import div_half_even


class Percents(Protocol):
    """Margin of a position's value, in per cent; a short sale's proceeds stay in cash, what counts is beyond them."""

    @property
    def initial_long_percent(self) -> int:
        """Federal Reserve Regulation T (12 CFR 220.12): half."""
        ...

    @property
    def initial_short_percent(self) -> int:
        """The same rule: 150 % less what the sale brought in."""
        ...

    @property
    def maintenance_long_percent(self) -> int:
        """FINRA rule 4210(c): a quarter."""
        ...

    @property
    def maintenance_short_percent(self) -> int:
        """The same rule: 30 %."""
        ...


def bound_nanos(percents: Percents, value_nanos: int) -> tuple[int, int]:
    """Initial and maintenance margin of a position by its signed value."""
    if value_nanos >= 0:
        initial, maintenance = percents.initial_long_percent, percents.maintenance_long_percent
    else:
        initial, maintenance = percents.initial_short_percent, percents.maintenance_short_percent
    size = abs(value_nanos)
    return div_half_even(size * initial, 100), div_half_even(size * maintenance, 100)
