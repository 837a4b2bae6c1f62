"""Price bands of single stocks and the market-wide breaker: the arithmetic of the two plans, as dated here. Knows
numbers alone; where a reference price comes from is core.market's, what follows is the gate's and the engine's.

Limit Up / Limit Down: the National Market System plan as amended (text of October 2024): bands of a share of the
reference price, by tier and by the previous close; doubled in the last 25 minutes for tier 1, and for tier 2 up to
3.00 only. A leveraged fund's plan bands are wider by its leverage: ours stay at the plain width, which stops sooner.
Market-wide breaker: 7 and 13 % down from the previous close halt for 15 minutes before 15:25, 20 % for the day.
"""

from typing import Final

from core.units import NANO

TIER_1: Final = 1  # S&P 500, Russell 1000 and some exchange-traded products
TIER_2: Final = 2  # every other listed stock; also where no tier is known
PPM: Final = 1_000_000
MINUTE_NS: Final = 60 * NANO
DOUBLED_NS: Final = 25 * MINUTE_NS  # before the close
_THREE: Final = 3 * NANO
_LOW: Final = 3 * NANO // 4  # 0.75
_LOW_WIDTH: Final = 3 * NANO // 20  # 0.15
_LOW_PPM: Final = 750_000
_MIDDLE_PPM: Final = 200_000
_PPM: Final = {TIER_1: 50_000, TIER_2: 100_000}

BREAKER_PPM: Final = (70_000, 130_000, 200_000)  # declines of level 1, 2, 3
BREAKER_NS: Final = 15 * MINUTE_NS  # of level 1 and 2 ...
BREAKER_LATEST_NS: Final = 35 * MINUTE_NS  # ... unless less is left of the day (15:25 on a full day)

SHORT_DECLINE_PPM: Final = 100_000  # Rule 201 (17 CFR 242.201): a decline of ten per cent restricts short sales


def width_nanos(reference_px_nanos: int, *, previous_close_nanos: int, tier: int, doubled: bool) -> int:
    """Half the width of a band, down to a whole nano; the class goes by the previous close (none: the reference)."""
    by = previous_close_nanos or reference_px_nanos
    if by > _THREE:
        ppm = _PPM[tier]
        return reference_px_nanos * (2 * ppm if doubled and tier == TIER_1 else ppm) // PPM
    times = 2 if doubled else 1
    if by >= _LOW:
        return times * (reference_px_nanos * _MIDDLE_PPM // PPM)
    return times * min(_LOW_WIDTH, reference_px_nanos * _LOW_PPM // PPM)


def breaker_level(px_nanos: int, previous_close_nanos: int) -> int:
    """The level (0 to 3) that a price of the index proxy has reached; 0 without a previous close."""
    decline = (previous_close_nanos - px_nanos) * PPM
    return sum(1 for ppm in BREAKER_PPM if previous_close_nanos > 0 and decline >= previous_close_nanos * ppm)


def breaker_until_ns(level: int, *, ts_ns: int, close_ns: int, forever_ns: int) -> int:
    """When a breaker that trips now lets go; 0 = it halts nothing (level 1 and 2 late in the day)."""
    if level >= len(BREAKER_PPM):
        return forever_ns
    return 0 if ts_ns >= close_ns - BREAKER_LATEST_NS else ts_ns + BREAKER_NS


def restricts_shorts(low_px_nanos: int, previous_close_nanos: int) -> bool:
    """Whether the day's lowest price triggers the short-sale restriction."""
    decline = (previous_close_nanos - low_px_nanos) * PPM
    return low_px_nanos > 0 and previous_close_nanos > 0 and decline >= previous_close_nanos * SHORT_DECLINE_PPM
