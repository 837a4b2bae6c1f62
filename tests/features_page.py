"""Writes docs/features.md from the catalogue, with costs measured here and now: `python -m tests.features_page`.

A feature's cost is its share of the compiled part that it has in common with others: the part's time over the number
of features it keeps or writes. The staleness test ignores the numbers, which are a machine's.
"""

import re
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np

from daemon.kernels import configure

configure()  # before numba is imported, which reads its settings once

from numba import njit  # noqa: E402

from core.profiles import PROFILE_NAMES, TBT  # noqa: E402
from strategies.features import bars, grid, kernels, ticks  # noqa: E402
from strategies.features.catalogue import CATALOGUE, COUNT, SPEC_VERSION, Feature  # noqa: E402
from strategies.features.state import new_feature_state, set_session  # noqa: E402

PAGE = Path(__file__).resolve().parents[1] / "docs" / "features.md"
ROUNDS, LOOPS = 9, 20_000
PX, CENT, LOT, SECOND = 50e9, 10_000_000, 100e9, 10**9
COST = re.compile(r"^(\| \d+ \| .* \|) [\d.]+ \|$", re.MULTILINE)

HEAD = f"""\
# Features

Made from `strategies/features/catalogue.py` by `python -m tests.features_page`; a test compares all but the costs.
Forty numbers per instrument, kept by compiled kernels, the same live, in replay and in training. Spec version
{SPEC_VERSION}. A model's card carries the hash of what it was trained on: version, formulas, profile, leader and
external names.

## Rules

- *Missing or stale.* A feature that cannot be computed from what has come is **not ready**: bit 0 in the mask, value
  0.0. A strategy is not asked until all features of its model are ready. No number is ever NaN or infinite.
- *Sessions.* State starts over with a session's first row. Rows outside the session, and rows the source marked as
  suspicious, touch nothing.
- *Quotes.* Tick features rest on usable quotes: two-sided, sizes above 0, not crossed. A value holds until the next
  usable quote, also through unusable ones; while the present quote is unusable or the feed has gapped, none is ready.
- *Silence.* More than 300 s without a usable quote starts the tick features over; the session's VWAP and bars go on.
- *Prints* count when they may update "last" (their sale condition says so).
- *Bars* are the session's minutes. One closes when the first row at or past its end comes; a minute without prints
  repeats the close. In profile `bar` they come from five-second bars, which belong to the minute they end in; a quote
  at the same time does not close it.
- *The leader* is followed while its own quote is usable and no older than 300 s.
- *External features* (`ext.NAME`) are numbers handed in with a time; one older than its age limit is not ready.

## Terms

- mid: (bid + ask) / 2. bp: 1/10,000. `[…]` is 1 if true, else 0.
- EMA_h(x): time-weighted mean of x, which holds from one usable quote to the next: weight exp(-age / h seconds), and
  the rest of the weight on the first value. SUM_h(x): sum over events, weight exp(-age / h). SPAN_h = h (1 - exp(-age
  of the start / h)).
- Grid: whole UTC seconds. The mid at a grid second is the one that held just before it. The first usable quote at or
  past a second closes it.
- Wilder mean: the plain mean of the first n, then (mean (n - 1) + x) / n.

## Catalogue

Cadence: `tick` changes with every usable quote or print, `second` when a grid second closes, `bar` when a minute
closes. Warm-up is counted from the session's first usable quote (first print for bars), at the latest. Cost is in
nanoseconds per change and emission: the feature's share of the compiled part it has in common with others.

| # | name | formula | profiles | cadence | warm-up | source | cost, ns |
|---|---|---|---|---|---|---|---|
"""


def page(costs: dict[str, float]) -> str:
    """The whole page."""
    return HEAD + "".join(_row(at, feature, costs[feature.name]) for at, feature in enumerate(CATALOGUE, start=1))


def without_costs(text: str) -> str:
    """What the staleness test compares."""
    return COST.sub(r"\1 |", text)


def _row(at: int, feature: Feature, cost: float) -> str:
    profiles = ", ".join(PROFILE_NAMES[profile] for profile in feature.profiles)
    warm_s = feature.warm_ns // SECOND
    warm = "none" if not warm_s else f"{warm_s // 60} min" if feature.cadence == "bar" else f"{warm_s} s"
    cells = (str(at), f"`{feature.name}`", feature.formula.replace("|", "\\|"), profiles, feature.cadence, warm,
             feature.source, f"{cost:.1f}")  # fmt: skip
    return "| " + " | ".join(cells) + " |\n"


# ---- costs: each part in a loop of its own ---------------------------------------------------------------------------
@njit
def _quotes(X: Any, loops: int) -> None:
    start = X[0]["ts_ns"]
    for k in range(1, loops + 1):
        ticks.take_quote(X[0], X[1], start + k, PX + k % 3 * CENT, PX + 2 * CENT, LOT + k % 7, LOT)


@njit
def _seconds(X: Any, loops: int) -> None:
    start = X[0]["second"]
    for k in range(1, loops + 1):
        grid.close_seconds(X[0], X[1], start + k)


@njit
def _bars(X: Any, loops: int) -> None:
    for k in range(1, loops + 1):
        X[0]["bar_close"] = PX + k % 5 * CENT
        X[0]["bar_high"] = PX + 6 * CENT
        X[0]["bar_low"] = PX - CENT
        bars.close_bars(X[0], X[0]["bar_end_ns"])


@njit
def _returns_out(X: Any, loops: int, out: Any) -> None:
    for k in range(loops):
        kernels._emit_returns(X[0], X[0]["second"] + k % 2, out, 0)


@njit
def _means_out(X: Any, loops: int, out: Any) -> None:
    for _ in range(loops):
        kernels._emit_means(X[0], 1.0, out, 0)


@njit
def _trades_out(X: Any, loops: int, out: Any) -> None:
    for _ in range(loops):
        kernels._emit_trades(X[0], 1.0, out, 0)


@njit
def _rest_out(X: Any, loops: int, out: Any) -> None:
    """An instrument in profile `bar`: times and bars only."""
    for k in range(loops):
        kernels.emit_row(X[1], X[0], 1, 1, X[1]["open_ns"] + k, out, 0)


def _state() -> Any:
    """Two instruments far into their session: the second, in profile bar, has all its bars."""
    X = new_feature_state(2, TBT, (1, -1))
    open_ns = 1_700_000_000 * SECOND
    for inst in (0, 1):
        set_session(X, inst, open_ns, 1 << 62)
    X["session_ns"] = open_ns
    for inst in (0, 1):
        for second in range(600):
            ticks.take_quote(X[inst], X[1], open_ns + second * SECOND, PX, PX + 2 * CENT, LOT, LOT + second)
    X["bar_end_ns"] = open_ns + 60 * SECOND
    X["bar_open"] = PX
    X["profile"][1] = 3
    X["bar_mask"][1] = sum(1 << at for at in range(COUNT - 6, COUNT))
    return X


def _ns(part: Callable[..., None], *more: Any) -> float:
    """Nanoseconds of one pass, best of several."""
    best = 1e18
    for _ in range(ROUNDS):
        X = _state()
        part(X, 10, *more)
        began = perf_counter_ns()
        part(X, LOOPS, *more)
        best = min(best, (perf_counter_ns() - began) / LOOPS)
    return best


def measured() -> dict[str, float]:
    """Cost of every feature on this machine."""
    out = np.zeros(COUNT, np.float32)
    emit_return = _ns(_returns_out, out) / 5
    rest = _ns(_rest_out, out) / 8
    second, bar = _ns(_seconds) / 3, _ns(_bars) / 6
    quoted = [f.name for f in CATALOGUE[:32] if f.cadence == "tick" and "ret_" not in f.name]
    traded = [name for name in quoted if name.startswith(("trade", "vwap", "volume", "quote_rate"))]
    update = _ns(_quotes) / len(quoted)
    mean_out, trade_out = _ns(_means_out, out) / (len(quoted) - len(traded)), _ns(_trades_out, out) / len(traded)
    costs = {}
    for feature in CATALOGUE:
        if "ret_" in feature.name:
            costs[feature.name] = emit_return
        elif feature.name in traded:
            costs[feature.name] = update + trade_out
        elif feature.name in quoted:
            costs[feature.name] = update + mean_out
        else:
            costs[feature.name] = {"second": second, "bar": bar + rest, "tick": rest}[feature.cadence]
    return costs


def write() -> None:
    """Overwrite the page."""
    PAGE.write_text(page(measured()), encoding="utf-8")


if __name__ == "__main__":
    write()
