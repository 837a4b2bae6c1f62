"""The features once more, from their written definitions: sums over all events before a moment, pandas for the grid,
TA-Lib for indicators, QuantLib for range volatility. Slow and without state. Shares no code with the kernels.
"""

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import QuantLib
import talib

from core.rows import NOT_LAST, PRINT, QUOTE, SUSPICIOUS

NS = 1_000_000_000


class Oracle:
    """Answers for one instrument of a tape, within one session without a long silence."""

    def __init__(self, rows: Any, inst: int, open_ns: int, close_ns: int, leader: "Oracle | None" = None) -> None:
        mine = (rows["inst"] == inst) & (rows["flags"] & SUSPICIOUS == 0)
        mine &= (rows["ts_ns"] >= open_ns) & (rows["ts_ns"] < close_ns)
        self.at = np.flatnonzero(mine)
        self.rows = rows[mine]
        self.open_ns, self.close_ns, self.leader = open_ns, close_ns, leader
        quote = self.rows["kind"] == QUOTE
        self.usable = (
            quote
            & (self.rows["bid_px_nanos"] > 0)
            & (self.rows["ask_px_nanos"] >= self.rows["bid_px_nanos"])
            & (self.rows["bid_qty_nanos"] > 0)
            & (self.rows["ask_qty_nanos"] > 0)
        )
        quotes = self.rows[self.usable]
        self.t = quotes["ts_ns"]
        self.bid, self.ask = quotes["bid_px_nanos"] / NS, quotes["ask_px_nanos"] / NS
        self.bq, self.aq = quotes["bid_qty_nanos"] / NS, quotes["ask_qty_nanos"] / NS
        self.mid = (self.bid + self.ask) / 2
        self.spread = (self.ask - self.bid) / self.mid * 1e4
        self.imbalance = (self.bq - self.aq) / (self.bq + self.aq)
        self.quote_at = self.at[self.usable]
        eligible = (self.rows["kind"] == PRINT) & (self.rows["flags"] & NOT_LAST == 0)
        eligible &= (self.rows["bid_px_nanos"] > 0) & (self.rows["bid_qty_nanos"] > 0)
        prints = self.rows[eligible]
        self.eligible = eligible
        self.print_at = self.at[eligible]
        self.pt, self.px, self.qty = prints["ts_ns"], prints["bid_px_nanos"] / NS, prints["bid_qty_nanos"] / NS

    # ---- event time --------------------------------------------------------------------------------------------
    def quotes_until(self, k: int) -> int:
        return int(np.searchsorted(self.quote_at, k, side="right"))

    def prints_until(self, k: int) -> int:
        return int(np.searchsorted(self.print_at, k, side="right"))

    def held_mean(self, values: Any, k: int, ts: int, h: float) -> float:
        """Mean of what held, weight of each interval exp(-age of its end) - exp(-age of its start)."""
        n = self.quotes_until(k)
        edges = np.append(self.t[:n], ts)
        decay = np.exp(-(ts - edges) / (h * NS))
        weights = np.diff(decay)
        weights[0] += decay[0]
        return float(np.sum(weights * values[:n]))

    def summed(self, t: Any, values: Any, ts: int, h: float) -> float:
        return float(np.sum(np.exp(-(ts - t) / (h * NS)) * values))

    def span(self, ts: int, h: float) -> float:
        return h * -math.expm1(-(ts - int(self.t[0])) / (h * NS))

    def trades(self, k: int) -> slice:
        """Prints after the first usable quote, up to row k."""
        return slice(int(np.searchsorted(self.print_at, self.quote_at[0])), self.prints_until(k))

    @cached_property
    def flow(self) -> Any:
        up, down = self.bid[1:] >= self.bid[:-1], self.bid[1:] <= self.bid[:-1]
        low, high = self.ask[1:] <= self.ask[:-1], self.ask[1:] >= self.ask[:-1]
        change = up * self.bq[1:] - down * self.bq[:-1] - low * self.aq[1:] + high * self.aq[:-1]
        return np.append(0.0, change)  # the first quote follows none

    @cached_property
    def signs(self) -> Any:
        """Lee and Ready for each eligible print."""
        found = []
        last_px = tick = bid_and_ask = 0
        for row, usable, eligible in zip(self.rows, self.usable, self.eligible, strict=True):
            if row["kind"] == QUOTE:
                bid_and_ask = int(row["bid_px_nanos"]) + int(row["ask_px_nanos"]) if usable else 0
            elif eligible:
                px = int(row["bid_px_nanos"])
                if last_px and px != last_px:
                    tick = 1 if px > last_px else -1
                last_px = px
                away = 2 * px - bid_and_ask if bid_and_ask else 0
                found.append((away > 0) - (away < 0) or tick)
        return np.array(found)

    # ---- the second grid ---------------------------------------------------------------------------------------
    def mid_before(self, second: int) -> float:
        return float(self.mid[np.searchsorted(self.t, second * NS, side="left") - 1])

    @cached_property
    def grid(self) -> Any:
        """Mid just before each whole second of the session, from the second after the first quote's."""
        seconds = np.arange(self.t[0] // NS + 1, self.close_ns // NS + 1)
        held = pd.Series(self.mid, index=self.t).groupby(level=0).last()
        at = np.searchsorted(held.index.to_numpy(), seconds * NS, side="left") - 1
        return pd.Series(held.to_numpy()[at], index=seconds)

    @cached_property
    def grid_returns(self) -> Any:
        return self.grid.pct_change().dropna() * 1e4

    @cached_property
    def vols(self) -> dict[int, Any]:
        squares = self.grid_returns**2
        return {h: np.sqrt(squares.ewm(alpha=1 - math.exp(-1 / h)).mean()) for h in (64, 256)}

    @cached_property
    def correlation(self) -> Any:
        assert self.leader is not None
        both = pd.concat([self.grid_returns, self.leader.grid_returns], axis=1, keys=["own", "other"]).dropna()
        return both["own"].ewm(alpha=1 - math.exp(-1 / 256)).corr(both["other"])

    # ---- bars --------------------------------------------------------------------------------------------------
    @cached_property
    def bars(self) -> Any:
        minute = (self.pt - self.open_ns) // (60 * NS)
        made = pd.Series(self.px).groupby(minute).ohlc()
        made = made.reindex(np.arange(made.index[0], (self.close_ns - self.open_ns) // (60 * NS)))
        made["close"] = made["close"].ffill()
        for name in ("open", "high", "low"):
            made[name] = made[name].fillna(made["close"])
        return made

    @cached_property
    def indicators(self) -> dict[str, Any]:
        o, h, l, c = (self.bars[name].to_numpy() for name in ("open", "high", "low", "close"))  # noqa: E741
        _, _, histogram = talib.MACD(c, 12, 26, 9)
        upper, _, lower = talib.BBANDS(c, 20, 2, 2)
        return {
            "rsi_14": talib.RSI(c, 14),
            "macd_histogram": histogram / c * 1e4,
            "bollinger_position": (c - lower) / (upper - lower),
            "atr_14": talib.ATR(h, l, c, 14) / c * 1e4,
            "parkinson_20": _rolling(QuantLib.ParkinsonSigma(1.0), o, h, l, c),
            "garman_klass_20": _rolling(QuantLib.GarmanKlassSigma5(1.0), o, h, l, c),
        }

    def bars_closed(self, ts: int) -> int:
        return (ts - self.open_ns) // (60 * NS) - int(self.bars.index[0])

    # ---- answers -----------------------------------------------------------------------------------------------
    def answer(self, name: str, k: int, ts: int) -> float:
        """The feature after row k, whose time is ts."""
        if name in self.indicators:
            closed = self.bars_closed(ts)
            return float(self.indicators[name][closed - 1]) if closed > 0 else math.nan
        stem, _, tail = name.rpartition("_")
        if tail.endswith("s") and tail[:-1].isdigit() and stem in WITH_HORIZON:
            return WITH_HORIZON[stem](self, k, ts, int(tail[:-1]))
        return PLAIN[name](self, k, ts)


def _rolling(estimator: Any, o: Any, h: Any, l: Any, c: Any) -> Any:  # noqa: E741
    """Root of the mean over 20 bars of QuantLib's variance for each bar, in bp."""
    one = []
    for bar in zip(o, c, h, l, strict=True):  # QuantLib's order
        series = QuantLib.IntervalPriceTimeSeries()
        series[QuantLib.Date(1, 1, 2020)] = QuantLib.IntervalPrice(*(float(px) for px in bar))
        one.append(estimator.calculate(series).values()[0] ** 2)
    return np.sqrt(pd.Series(one).rolling(20).mean().to_numpy()) * 1e4


def _ret(self: Oracle, k: int, ts: int, h: int) -> float:
    return float(self.mid[self.quotes_until(k) - 1] / self.mid_before(ts // NS - h) - 1) * 1e4


def _gap(self: Oracle, k: int, ts: int, h: int) -> float:
    mid = float(self.mid[self.quotes_until(k) - 1])
    return (mid - self.held_mean(self.mid, k, ts, h)) / mid * 1e4


def _z(self: Oracle, k: int, ts: int, h: int) -> float:
    mid = float(self.mid[self.quotes_until(k) - 1])
    mean = self.held_mean(self.mid, k, ts, h)
    deviation = math.sqrt(self.held_mean((self.mid - mean) ** 2, k, ts, h))
    return (mid - mean) / max(deviation, 1e-5 * mid)


def _ofi(self: Oracle, k: int, ts: int, h: int) -> float:
    n = self.quotes_until(k)
    return self.summed(self.t[:n], self.flow[:n], ts, h) / self.held_mean((self.bq + self.aq) / 2, k, ts, h)


def _signed(self: Oracle, k: int, ts: int, h: int) -> float:
    some = self.trades(k)
    volume = self.summed(self.pt[some], self.qty[some], ts, h)
    return self.summed(self.pt[some], self.signs[some] * self.qty[some], ts, h) / volume if volume else 0.0


def _vwap_gap(self: Oracle, k: int, ts: int, weights: Any, some: slice) -> float:
    mid = float(self.mid[self.quotes_until(k) - 1])
    return (mid - float(np.average(self.px[some], weights=self.qty[some] * weights))) / mid * 1e4


def _decayed_vwap(self: Oracle, k: int, ts: int, h: int) -> float:
    some = self.trades(k)
    return _vwap_gap(self, k, ts, np.exp(-(ts - self.pt[some]) / (h * NS)), some)


def _volume_ratio(self: Oracle, k: int, ts: int) -> float:
    some = self.trades(k)
    short, long = (self.summed(self.pt[some], self.qty[some], ts, h) / self.span(ts, h) for h in (16, 256))
    return short / long


def _micro_gap(self: Oracle, k: int, ts: int) -> float:
    n = self.quotes_until(k) - 1
    micro = (self.ask[n] * self.bq[n] + self.bid[n] * self.aq[n]) / (self.bq[n] + self.aq[n])
    return float((micro - self.mid[n]) / self.mid[n] * 1e4)


def _leader_ret(self: Oracle, k: int, ts: int) -> float:
    assert self.leader is not None
    return _ret(self.leader, k, ts, 16)


WITH_HORIZON: dict[str, Callable[[Oracle, int, int, int], float]] = {
    "ret": _ret,
    "ema_gap": _gap,
    "vol": lambda o, k, ts, h: float(o.vols[h][ts // NS]),
    "queue_imbalance": lambda o, k, ts, h: o.held_mean(o.imbalance, k, ts, h),
    "ofi": _ofi,
    "trade_imbalance": _signed,
    "vwap_gap": _decayed_vwap,
    "trade_rate": lambda o, k, ts, h: o.summed(o.pt[o.trades(k)], 1.0, ts, h) / o.span(ts, h),
    "quote_rate": lambda o, k, ts, h: o.summed(o.t[1 : o.quotes_until(k)], 1.0, ts, h) / o.span(ts, h),
    "z": _z,
}
PLAIN: dict[str, Callable[[Oracle, int, int], float]] = {
    "spread": lambda o, k, ts: float(o.spread[o.quotes_until(k) - 1]),
    "spread_ratio": lambda o, k, ts: float(o.spread[o.quotes_until(k) - 1]) / o.held_mean(o.spread, k, ts, 256),
    "micro_gap": _micro_gap,
    "queue_imbalance": lambda o, k, ts: float(o.imbalance[o.quotes_until(k) - 1]),
    "vwap_gap": lambda o, k, ts: _vwap_gap(o, k, ts, 1.0, slice(0, o.prints_until(k))),
    "volume_ratio": _volume_ratio,
    "leader_correlation": lambda o, k, ts: float(o.correlation[ts // NS]),
    "leader_ret_16s": _leader_ret,
    "day_fraction": lambda o, k, ts: (ts - o.open_ns) / (o.close_ns - o.open_ns),
    "to_close": lambda o, k, ts: min((o.close_ns - ts) / (60 * NS), 60.0),
}
