"""The venue's settings: latencies, queue and impact parameters, the account it starts with, and the fault plan."""

from typing import Final, Literal

import msgspec

from broker.sim.faults import FaultPlan, check_ppm
from broker.sim.impact import ImpactConfig
from core.errors import ConfigError
from core.units import NANO

NEVER: Final = 2**63 - 1
MARGIN_FIELDS: Final = (
    "initial_long_percent", "initial_short_percent", "maintenance_long_percent", "maintenance_short_percent",
)  # fmt: skip


class LatencyConfig(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """One-way delays, base plus uniform 0..jitter, drawn per message. `commission` counts from the fill's delivery."""

    up_ns: int = 2_000_000
    up_jitter_ns: int = 1_000_000
    down_ns: int = 2_000_000
    down_jitter_ns: int = 1_000_000
    commission_ns: int = 150_000_000
    commission_jitter_ns: int = 50_000_000
    sync_timeout_ns: int = 5_000_000_000  # how long the adapter waits for a missing End

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) < 0:
                raise ConfigError(f"venue.latency.{name}: must not be negative")


class VenueConfig(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Everything the simulated venue and broker account can be told."""

    seed: int = 1
    latency: LatencyConfig = LatencyConfig()
    faults: FaultPlan = FaultPlan()
    participation_ppm: int = 1_000_000  # of a print beyond our queue position, how much we get
    cancel_ahead_ppm: int = 500_000  # of the displayed decreases, how much our share of the queue falls
    impact_ticks_per_size: int = 1  # a market order pays this many ticks more per displayed size it walks
    walk_levels_max: int = 20  # the last level takes all that is left: bounds the fills of one order
    refill_ns: int = 1_000_000_000  # displayed size that we took counts as shown again after this long
    two_step_ack: bool = False  # PreSubmitted, then Submitted, for orders that work at once
    fok_ends_inactive: bool = False  # as seen on real gateways: a FOK that cannot fill becomes Inactive
    silent_replace_of_filled: bool = False  # as seen on real gateways: no answer at all
    perm_id_first: int = 1_000_000_001
    exec_prefix: str = "0000e0d5"
    client_id: int = 11
    # Shares to borrow, as the venue of a trader in this process tells them: there for all, on request only, or none.
    borrow: Literal["easy", "locate", "none"] = "easy"
    initial_long_percent: int = 50  # margin of what-if answers: Regulation T (12 CFR 220.12)
    initial_short_percent: int = 50  # the same, beyond the proceeds
    maintenance_long_percent: int = 25  # FINRA rule 4210(c)
    maintenance_short_percent: int = 30  # the same, short
    currency: str = "USD"
    cash_nanos: int = 1_000_000 * NANO
    positions: tuple[tuple[int, int, int], ...] = ()  # (inst, qty_nanos signed, average cost nanos)
    impact: ImpactConfig = ImpactConfig()  # of our own trading on the market; the paper gateway's only

    def __post_init__(self) -> None:
        check_ppm("venue.participation_ppm", self.participation_ppm)
        check_ppm("venue.cancel_ahead_ppm", self.cancel_ahead_ppm)
        if self.impact_ticks_per_size < 0:
            raise ConfigError("venue.impact_ticks_per_size: must not be negative")
        if self.walk_levels_max < 1 or self.refill_ns < 0:
            raise ConfigError("venue.walk_levels_max, venue.refill_ns: at least 1 and at least 0")
        for name in MARGIN_FIELDS:
            if not 0 <= getattr(self, name) <= 1_000:
                raise ConfigError(f"venue.{name}: per cent of a position's value, 0 to 1000")
        if not 0 < self.perm_id_first < 2**31 - 1_000_000:
            raise ConfigError("venue.perm_id_first: permIds are 31 bits wide and never 0")
