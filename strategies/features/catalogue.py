"""The catalogue: one row per feature, in a fixed order. Owns names, formulas, profiles, cadence, warm-up and sources;
knows no kernel. docs/features.md is made from it.

A feature's place in `CATALOGUE` is its place in the emitted vector and its bit in the readiness mask. New features are
appended; whoever changes what a feature means raises SPEC_VERSION, and every model trained before is refused.

Terms used in the formulas:
  mid        (bid + ask) / 2 of a usable quote: two-sided, sizes above 0, not crossed, not suspicious
  EMA_h(x)   time-weighted mean of x, which holds from one usable quote to the next: weight exp(-age / h), the rest of
             the mass on the first value since the start
  SUM_h(x)   sum over events of x, weighted exp(-age / h)
  SPAN_h     h (1 - exp(-age of the start / h)): the seconds that SUM_h looks back on
  grid       whole UTC seconds; the mid at a grid second is the one that held just before it
"""

from typing import Final, Literal

import msgspec

from core.profiles import BAR, L1_250, TBT

SPEC_VERSION: Final = 1

SECOND_NS: Final = 10**9
MINUTE_NS: Final = 60 * SECOND_NS
GAP_NS: Final = 300 * SECOND_NS  # longer without a usable quote: the tick features start over

Cadence = Literal["tick", "second", "bar"]
TICK_SET: Final = (TBT, L1_250)
ALL: Final = (TBT, L1_250, BAR)


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `warm_ns`: from the start of the state until the feature is ready, at the latest."""

    name: str
    formula: str
    profiles: tuple[int, ...]
    cadence: Cadence
    warm_ns: int
    source: str


_OWN: Final = "definition"
_ELEMENTS: Final = "Dacorogna et al., An Introduction to High-Frequency Finance, ch. 3"
_OFI: Final = "Cont, Kukanov, Stoikov, J. Financial Econometrics 12 (2014)"
_SIGN: Final = "Lee, Ready, J. Finance 46 (1991): quote rule, then tick test; no lag"
_WILDER: Final = "Wilder, New Concepts in Technical Trading Systems (1978); seeds as TA-Lib"


def _tick(name: str, formula: str, warm_s: int, source: str, *, cadence: Cadence = "tick") -> Feature:
    return Feature(
        name=name, formula=formula, profiles=TICK_SET, cadence=cadence, warm_ns=warm_s * SECOND_NS, source=source
    )


def _bar(name: str, formula: str, bars: int, source: str) -> Feature:
    return Feature(name=name, formula=formula, profiles=ALL, cadence="bar", warm_ns=bars * MINUTE_NS, source=source)


CATALOGUE: Final = (
    *(
        _tick(f"ret_{h}s", f"10^4 (mid / mid at the grid second {h} s before the present one - 1), bp", h + 1, _OWN)
        for h in (1, 4, 16, 64, 256)
    ),
    *(_tick(f"ema_gap_{h}s", f"10^4 (mid - EMA_{h}(mid)) / mid, bp", h, _ELEMENTS) for h in (4, 16, 64, 256)),
    *(
        _tick(
            f"vol_{h}s",
            f"root of the mean of squared 1-s grid returns, weights exp(-age / {h} s), bp per root second",
            h + 2,
            "RiskMetrics Technical Document (1996), ch. 5",
            cadence="second",
        )
        for h in (64, 256)
    ),
    _tick("spread", "10^4 (ask - bid) / mid, bp", 0, _OWN),
    _tick("spread_ratio", "spread / EMA_256(spread)", 256, _OWN),
    _tick("micro_gap", "10^4 ((ask bid_qty + bid ask_qty) / (bid_qty + ask_qty) - mid) / mid, bp", 0,
          "Stoikov, Quantitative Finance 18 (2018), weighted mid"),
    _tick("queue_imbalance", "(bid_qty - ask_qty) / (bid_qty + ask_qty)", 0,
          "Gould, Bonart, Market Microstructure and Liquidity 2 (2016)"),
    *(_tick(f"queue_imbalance_{h}s", f"EMA_{h}(queue_imbalance)", h, _ELEMENTS) for h in (4, 64)),
    *(
        _tick(f"ofi_{h}s", f"SUM_{h}(e) / EMA_{h}((bid_qty + ask_qty) / 2), e = [bid >= bid'] bid_qty - "
              "[bid <= bid'] bid_qty' - [ask <= ask'] ask_qty + [ask >= ask'] ask_qty', ' = the usable quote before",
              h, _OFI)
        for h in (4, 16, 64)
    ),
    *(
        _tick(f"trade_imbalance_{h}s", f"SUM_{h}(sign qty) / SUM_{h}(qty) of prints that may update last, 0 without "
              "volume; sign by the quote that stands, at its mid or without one by the tick test", h, _SIGN)
        for h in (4, 16, 64)
    ),
    _tick("vwap_gap", "10^4 (mid - sum(px qty) / sum(qty) of the session) / mid, bp", 0, _OWN),
    _tick("vwap_gap_256s", "10^4 (mid - SUM_256(px qty) / SUM_256(qty)) / mid, bp", 256, _OWN),
    _tick("trade_rate_16s", "SUM_16(1 per print) / SPAN_16, per second", 16, _OWN),
    _tick("quote_rate_16s", "SUM_16(1 per usable quote) / SPAN_16, per second", 16, _OWN),
    _tick("volume_ratio", "(SUM_16(qty) / SPAN_16) / (SUM_256(qty) / SPAN_256)", 256, _OWN),
    *(
        _tick(f"z_{h}s", f"(mid - EMA_{h}(mid)) / max(D, 0.1 bp of mid), D = root of EMA_{h}(mid^2) - EMA_{h}(mid)^2",
              h, _ELEMENTS)
        for h in (64, 256)
    ),
    _tick("leader_correlation", "correlation of 1-s grid returns with the leader's, weights exp(-age / 256 s), over "
          "seconds in which both have a mid", 258, "RiskMetrics Technical Document (1996), ch. 5", cadence="second"),
    _tick("leader_ret_16s", "the leader's ret_16s", 17, _OWN),
    Feature(name="day_fraction", formula="elapsed time of the session / its length", profiles=ALL, cadence="tick",
            warm_ns=0, source=_OWN),
    Feature(name="to_close", formula="minutes to the session's close, at most 60", profiles=ALL, cadence="tick",
            warm_ns=0, source=_OWN),
    _bar("rsi_14", "100 G / (G + L), G and L Wilder means of 14 rises and falls of the close", 15, _WILDER),
    _bar("macd_histogram", "10^4 (M - EMA_9(M)) / close, M = EMA_12(close) - EMA_26(close), bar EMAs with k = 2 / "
         "(n + 1), each seeded by a plain mean, bp", 34, "Appel, The MACD Method (1979); seeds as TA-Lib"),
    _bar("bollinger_position", "(close - lower) / (upper - lower), bands at mean +- 2 population deviations of 20 "
         "closes", 20, "Bollinger, Bollinger on Bollinger Bands (2001), %b"),
    _bar("atr_14", "10^4 Wilder mean of 14 true ranges / close, bp", 15, _WILDER),
    _bar("parkinson_20", "10^4 root of mean(ln(high / low)^2 / (4 ln 2)) of 20 bars, bp per bar", 20,
         "Parkinson, J. Business 53 (1980)"),
    _bar("garman_klass_20", "10^4 root of mean(ln(high / low)^2 / 2 - (2 ln 2 - 1) ln(close / open)^2) of 20 bars, "
         "bp per bar", 20, "Garman, Klass, J. Business 53 (1980)"),
)  # fmt: skip

COUNT: Final = len(CATALOGUE)
assert COUNT == 40, "kernels and documents say forty"
NAMES: Final = tuple(feature.name for feature in CATALOGUE)
INDEX: Final[dict[str, int]] = {name: at for at, name in enumerate(NAMES)}


def bits(*names: str) -> int:
    """The readiness mask of some features."""
    return sum(1 << INDEX[name] for name in names)


def defined_in(profile: int) -> int:
    """The readiness mask of everything a profile defines."""
    return bits(*(feature.name for feature in CATALOGUE if profile in feature.profiles))
