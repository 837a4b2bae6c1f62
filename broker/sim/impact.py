"""What our own trading does to the price at the venue: off by default, as a tape knows nothing of us. A permanent part,
linear in what was bought less what was sold, and a temporary one, a power of our recent flow, which decays. Both are
told as a shift of the whole market, so whoever reads the shifted rows and whoever fills at them see one market. An
execution that takes liquidity walks up its own push: it pays the mean of the shift while it trades.

Knows executions and time; no order, quote table or row layout. Parameters are of the venue alone: what a model believes
(execution costs) may differ, and a drill makes it differ.
"""

from math import exp
from typing import Final

import msgspec

from core.errors import ConfigError
from core.units import NANO

DAY_NS: Final = 23_400 * NANO  # a regular session
BP_IN_ONE: Final = 10_000.0
_ATTRIBUTES: Final = (
    ("permanent", 0.0, 100.0), ("temporary", 0.0, 100.0), ("exponent", 0.05, 2.0), ("decay_s", 0.1, 23_400.0),
    ("volatility_bp", 0.1, 5_000.0), ("average_volume", 1.0, 1e12),
)  # fmt: skip


class ImpactConfig(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """What our own trading does to the market, at a paper gateway only; permanent and temporary 0 = nothing."""

    permanent: float = 0.0  # moves for good when a day's volume was bought, in volatilities
    temporary: float = 0.0  # moves while we trade as much as all others together, in volatilities
    exponent: float = 0.6  # of the flow
    decay_s: float = 60.0  # after this an e-th of the flow is left
    volatility_bp: float = 150.0  # of a day
    average_volume: float = 5_000_000.0  # shares a day, of every instrument

    def __post_init__(self) -> None:
        for name, low, high in _ATTRIBUTES:
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"venue.impact.{name} is {getattr(self, name)}: set it between {low:g} and {high:g}")

    @property
    def on(self) -> bool:
        """Whether our trading moves anything."""
        return self.permanent > 0.0 or self.temporary > 0.0


class Push(msgspec.Struct, gc=False, array_like=True, kw_only=True, eq=False):
    """What we did to one instrument, for a snapshot."""

    net_nanos: int = 0  # bought less sold, for ever
    flow_nanos: float = 0.0  # the same, fading, as it stood at `ts_ns`
    ts_ns: int = 0


def pushed(push: Push, config: ImpactConfig, *, signed_qty_nanos: int, ts_ns: int) -> None:
    """An execution: positive quantity = bought."""
    push.net_nanos += signed_qty_nanos
    push.flow_nanos = _flow(push, config, ts_ns) + signed_qty_nanos
    push.ts_ns = ts_ns


def shift(push: Push, config: ImpactConfig, ts_ns: int) -> float:
    """By which part of the price the market stands higher for our trading."""
    day = config.average_volume * NANO
    flow = _flow(push, config, ts_ns) / (day * config.decay_s * NANO / DAY_NS)  # of what all trade in that time
    temporary = config.temporary * float(abs(flow) ** config.exponent)
    whole = config.permanent * (push.net_nanos / day) + (temporary if flow > 0.0 else -temporary)
    return whole * config.volatility_bp / BP_IN_ONE


def walk(push: Push, config: ImpactConfig, *, signed_qty_nanos: int, ts_ns: int) -> float:
    """By which part of the price an execution that takes liquidity is dearer (below zero: a sale, cheaper) than the
    market before it: half its permanent part, and the mean of the temporary one while the flow grows by it.
    """
    if not signed_qty_nanos:
        return 0.0
    day = config.average_volume * NANO
    usual = day * config.decay_s * NANO / DAY_NS
    before = _flow(push, config, ts_ns) / usual
    after = before + signed_qty_nanos / usual
    power = config.exponent
    mean = (abs(after) ** (power + 1.0) - abs(before) ** (power + 1.0)) / (power + 1.0) / (after - before)
    now = abs(before) ** power if before > 0.0 else -(abs(before) ** power)
    whole = 0.5 * config.permanent * signed_qty_nanos / day + config.temporary * (mean - now)
    return float(whole) * config.volatility_bp / BP_IN_ONE


def shift_nanos(part: float, px_nanos: int, tick_nanos: int) -> int:
    """The same at a price, in whole ticks."""
    return round(part * (px_nanos / tick_nanos)) * tick_nanos if tick_nanos > 0 else 0


def _flow(push: Push, config: ImpactConfig, ts_ns: int) -> float:
    return push.flow_nanos * exp((push.ts_ns - ts_ns) / (config.decay_s * NANO)) if push.flow_nanos else 0.0
