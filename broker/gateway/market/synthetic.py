"""History of the days before the feed begins: made up, and the same every time. Anchored at the close the configuration
knows, or the first price seen, and at the average volume; each day and each minute hangs on a hash of symbol and date.

It serves clients that want bars to warm up with; nothing may be learned from it. No quotes and prints of their own, no
hours outside the regular session. Pure: no file, clock or chance.
"""

import zlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker.gateway.market.bars import BAR, MINUTE_NS
from broker.gateway.market.windows import Window
from core.instruments import TickRule, increment_at
from core.units import NANO

DAY_SIGMA: Final = 0.015  # of a day's return
GAP_SIGMA: Final = 0.004  # of close to open
RANGE_SIGMA: Final = 0.010  # of a day's path around the line from open to close
WICK: Final = 0.5  # how far a minute's high and low lie outside, in steps of its path
SHARES_A_DAY: Final = 1_000_000 * NANO  # where no average volume is known
DAYS_KEPT_MAX: Final = 24  # days of minutes kept ready, of one instrument: 2 MB
_DRAWS: Final = 4  # uniforms in one normal: no C library's digits in it
_SCALE: Final = 3.0**0.5  # their sum has a variance of 4/12

Draws = NDArray[np.float64]


def normals(seed: int, count: int) -> Draws:
    """Normal draws (nearly) out of a seed by counting: splitmix64, four uniforms each."""
    with np.errstate(over="ignore"):
        x = np.uint64(seed & (2**64 - 1)) + np.arange(1, count * _DRAWS + 1, dtype=np.uint64) * np.uint64(
            0x9E3779B97F4A7C15
        )
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    uniforms = (x >> np.uint64(11)).astype(np.float64) * 2.0**-53
    drawn: Draws = (uniforms.reshape(count, _DRAWS).sum(axis=1) - _DRAWS / 2) * _SCALE
    return drawn


class SyntheticHistory:
    """Minute bars of one instrument, backwards from an anchor. `sessions`: regular windows before the feed's first."""

    made_up: Final = True

    def __init__(
        self, *, symbol: str, sessions: Sequence[Window], anchor_nanos: int, adv_nanos: int, ticks: TickRule
    ) -> None:
        self.first_ns = sessions[0].start_ns if sessions else 0
        self._sessions = sessions
        self._seed = zlib.crc32(symbol.encode()) << 32
        self._ticks = ticks
        self._adv_nanos = adv_nanos or SHARES_A_DAY
        self._closes = self._chain(anchor_nanos)
        self._days: dict[int, NDArray[Any]] = {}

    def close_nanos(self, at: int) -> int:
        """The close of a session, by its place in `sessions`."""
        return self._closes[at]

    def minutes(self, at: int) -> NDArray[Any]:
        """The bars of a session, by its place in `sessions`."""
        found = self._days.get(at)
        if found is None:
            if len(self._days) >= DAYS_KEPT_MAX:
                self._days.pop(next(iter(self._days)))
            found = self._days[at] = self._day(at)
        return found

    def _chain(self, anchor_nanos: int) -> list[int]:
        """Closes by session; the last one is the anchor."""
        closes = [0] * len(self._sessions)
        px = anchor_nanos
        for at in range(len(self._sessions) - 1, -1, -1):
            closes[at] = px
            move = float(normals(self._seed + self._sessions[at].date, 1)[0])
            px = self._on_tick(px / (1.0 + DAY_SIGMA * move))
        return closes

    def _on_tick(self, px: float) -> int:
        step = increment_at(self._ticks, int(px))
        return max(step, round(px / step) * step)

    def _day(self, at: int) -> NDArray[Any]:
        window, close = self._sessions[at], self._closes[at]
        count = (window.end_ns - window.start_ns) // MINUTE_NS
        draws = normals(self._seed + window.date + (1 << 31), 3 * count + 3)
        before = self._closes[at - 1] if at else close
        opening = self._on_tick(before * (1.0 + GAP_SIGMA * float(draws[0])))
        step = increment_at(self._ticks, close)
        path = self._path(opening, close, count, draws[3 : 3 + count])
        bars = np.zeros(count, BAR)
        bars["start_ns"] = window.start_ns + np.arange(count) * MINUTE_NS
        o, c = path[:-1], path[1:]
        wicks = np.abs(draws[3 + count : 3 + 2 * count]) * WICK * (RANGE_SIGMA * close / np.sqrt(count))
        ticks_out = np.rint(wicks / step).astype(np.int64) * step
        bars["open"], bars["close"] = o, c
        bars["high"] = np.maximum(o, c) + ticks_out
        bars["low"] = np.maximum(np.minimum(o, c) - ticks_out, step)
        self._volumes(bars, float(draws[1]), draws[3 + 2 * count : 3 + 3 * count])
        _quotes(bars, step)
        return bars

    def _path(self, opening: int, close: int, count: int, draws: Draws) -> NDArray[np.int64]:
        """count + 1 prices on the tick from the open to the close."""
        along = np.arange(count + 1) / count
        walk = np.concatenate(([0.0], np.cumsum(draws)))
        walk = (walk - along * walk[-1]) * (RANGE_SIGMA * close / np.sqrt(count))
        step = increment_at(self._ticks, close)
        path: NDArray[np.int64] = np.rint((opening + (close - opening) * along + walk) / step).astype(np.int64) * step
        path[0], path[-1] = opening, close
        np.maximum(path, step, out=path)
        return path

    def _volumes(self, bars: NDArray[Any], day: float, draws: Draws) -> None:
        """More at both ends of the day, whole shares, about the average in sum."""
        place = np.linspace(-1.0, 1.0, len(bars))
        weights = (0.6 + 1.4 * place**2) * (1.0 + 0.2 * np.clip(draws, -3.0, 3.0))
        shares = self._adv_nanos / NANO * max(0.3, 1.0 + 0.2 * day)
        whole = np.maximum(1, np.rint(weights / weights.sum() * shares)).astype(np.int64)
        bars["volume"] = whole * NANO
        bars["count"] = np.maximum(1, whole // 150)
        bars["value"] = whole * (bars["open"] + bars["high"] + bars["low"] + bars["close"]) / (4.0 * NANO)
        bars["last_qty"] = 100 * NANO


def _quotes(bars: NDArray[Any], step: int) -> None:
    """A bid one step below the prints, an ask at them."""
    for name in ("open", "high", "low", "close"):
        bars[f"ask_{name}"] = bars[name]
        bars[f"bid_{name}"] = np.maximum(bars[name] - step, step)
        bars[f"mid2_{name}"] = bars[f"ask_{name}"] + bars[f"bid_{name}"]
    bars["bid_qty"] = bars["ask_qty"] = 100 * NANO
    bars["bid_ns"] = bars["ask_ns"] = MINUTE_NS
    bars["area_ns"] = bars["start_ns"] + MINUTE_NS
    for side in ("bid", "ask"):
        bars[f"{side}_area"] = (bars[f"{side}_open"] + bars[f"{side}_close"]) * (MINUTE_NS / 2)
