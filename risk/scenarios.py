"""How risk is measured, as a config file writes it: interval, market, stress scenarios. Knows no book and no price."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from core.units import NANO


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stress of the risk worker."""

    name: Annotated[str, Meta(min_length=1, max_length=40)]  # shown where it is the worst
    # All names by their beta; all of one sector, the worst; one name, the worst; or a day of the highest loss in a
    # hundred with another volatility.
    kind: Literal["market", "sector", "single", "volatility"]
    # Move of market, sector or name in basis points; of volatility its multiple (20000 = doubled).
    shock_bp: Annotated[int, Meta(ge=-10_000, le=100_000)]


# The whole market as on the worst days of 1987 and 2020, one sector as banks in 2008 or oil in 2020, one name as on a
# failed result; and the same upwards, because shorts lose then.
SCENARIOS: Final = (
    Scenario(name="market -10 %", kind="market", shock_bp=-1_000),
    Scenario(name="market +10 %", kind="market", shock_bp=1_000),
    Scenario(name="sector -20 %", kind="sector", shock_bp=-2_000),
    Scenario(name="sector +20 %", kind="sector", shock_bp=2_000),
    Scenario(name="single name -30 %", kind="single", shock_bp=-3_000),
    Scenario(name="single name +30 %", kind="single", shock_bp=3_000),
    Scenario(name="volatility doubles", kind="volatility", shock_bp=20_000),
)


class RiskSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How risk is measured: value at risk, stress, days to exit. What is allowed of it stands in [limits.account]."""

    interval_s: Annotated[float, Meta(ge=1.0, le=60.0)] = 10.0  # measured this often while something is held or works
    # Declared symbol whose returns are the market's, for betas; empty = the mean of all symbols.
    market: str = ""
    participation_bp: Annotated[int, Meta(ge=1, le=10_000)] = 1_000  # of a day's volume that may be ours on the way out
    # Names whose daily returns correlate more are one cluster; 10000 = none are.
    cluster_correlation_bp: Annotated[int, Meta(ge=0, le=10_000)] = 8_000
    stress: tuple[Scenario, ...] = SCENARIOS  # scenarios

    @property
    def interval_ns(self) -> int:
        """The same in nanoseconds."""
        return round(self.interval_s * NANO)
