"""Running estimates of a market from its quotes: realised volatility and the usual spread. Pure and bounded: one number
or two each, `update` apart from reading. Knows no instrument, order or clock. Weights fade as 1 / (1 + dt / T) per
step, as the exponential of the C library differs between processors.
"""

from math import sqrt
from typing import Final

import msgspec

BAR_NS: Final = 300 * 10**9
VOLATILITY_BARS: Final = 24.0  # memory of the realised volatility: two hours of bars
BARS_MIN: Final = 6  # before it speaks
SPREAD_MEMORY_NS: Final = 900 * 10**9
SPREAD_SEEN_NS: Final = 60 * 10**9  # before it speaks


class RealisedVolatility(msgspec.Struct, gc=False, kw_only=True):
    """Root of the fading mean square of five-minute returns of the mid, as a day's standard deviation."""

    bar_ns: int = BAR_NS
    variance: float = 0.0  # of one bar
    bars: int = 0
    bar: int = -1  # number of the bar that began last
    mid_nanos: int = 0  # at its begin

    def update(self, ts_ns: int, mid_nanos: int) -> bool:
        """A usable quote. True when a bar ended and the number changed. A bar without its neighbour gives no return:
        the night and a halt are not volatility of the day.
        """
        bar = ts_ns // self.bar_ns
        if bar == self.bar or mid_nanos <= 0:
            return False
        follows = bar == self.bar + 1 and self.mid_nanos > 0
        if follows:
            change = (mid_nanos - self.mid_nanos) / self.mid_nanos  # det-ok: a return, no money
            weight = max(1.0 / (self.bars + 1), 1.0 / VOLATILITY_BARS)
            self.variance += (change * change - self.variance) * weight
            self.bars += 1
        self.bar, self.mid_nanos = bar, mid_nanos
        return follows

    def of_day(self, session_ns: int) -> float:
        """Standard deviation of the return over a session; 0 = too little seen."""
        if self.bars < BARS_MIN:
            return 0.0
        return sqrt(self.variance * (session_ns / self.bar_ns))


class UsualSpread(msgspec.Struct, gc=False, kw_only=True):
    """Spread averaged over the time it stood, fading."""

    mean_nanos: float = 0.0
    seen_ns: int = 0
    ts_ns: int = 0
    spread_nanos: int = 0

    def update(self, ts_ns: int, bid_nanos: int, ask_nanos: int) -> None:
        """A usable quote: the spread before it counts for as long as it stood."""
        stood = ts_ns - self.ts_ns
        if self.ts_ns and stood > 0:
            memory = min(self.seen_ns, SPREAD_MEMORY_NS)
            stood = min(stood, SPREAD_MEMORY_NS)
            self.mean_nanos += (self.spread_nanos - self.mean_nanos) * (stood / (memory + stood))
            self.seen_ns = min(self.seen_ns + stood, SPREAD_MEMORY_NS)
        self.ts_ns, self.spread_nanos = ts_ns, ask_nanos - bid_nanos

    def restart(self) -> None:
        """Nothing is known of the time until the next quote: a gap, a halt, the night."""
        self.ts_ns = 0

    def nanos(self) -> int:
        """The usual spread; 0 = too little seen."""
        return round(self.mean_nanos) if self.seen_ns >= SPREAD_SEEN_NS else 0
