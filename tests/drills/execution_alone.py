"""VWAP's weights against even ones on the recorded days, without a venue: every window of a length, each slice taken at
the market's own volume-weighted price of its time. The volume curve of a day is the median of the other four days of
the same name, so nothing of the day itself is in it. Weights come from the trader's own algorithm.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.curves import DayVolume, median_curve
from core.units import NANO
from execution.algos import Terms
from execution.algos.vwap import curve_weights
from tests.drills.execution import OPEN, SYMBOLS, _utc_s, prints_of
from tests.drills.gateway_days import DAYS

SLOT_S: Final = 300
SESSION_S: Final = 23_400
# Length in seconds and slices; the longest leaves five minutes at both ends.
LENGTHS: Final = {"10m": (600, 10), "30m": (1_800, 15), "1h": (3_600, 30), "2h": (7_200, 30), "day": (22_800, 95)}
FIRST_S: Final = 300


def compared(folder: Path) -> Iterator[tuple[str, str, str, float, float]]:
    """Length, symbol, day, and the distances in bp of curve and even parts from the window's VWAP."""
    for symbol in SYMBOLS:
        ts_ns, price, size = prints_of(folder, symbol)
        opens = [_utc_s(day, OPEN) * NANO for day in DAYS]
        days = [_day_volume(at, ts_ns, size, open_ns) for at, open_ns in enumerate(opens)]
        sums = np.concatenate(([0.0], np.cumsum(price * size))), np.concatenate(([0.0], np.cumsum(size)))
        for at, open_ns in enumerate(opens):
            curve = median_curve([day for day in days if day.date != days[at].date])
            for name, (length_s, slices) in LENGTHS.items():
                for start_s in range(FIRST_S, SESSION_S - FIRST_S - length_s + 1, length_s):
                    start_ns = open_ns + start_s * NANO
                    end_ns = start_ns + length_s * NANO
                    terms = Terms(
                        lots=10**6, start_ns=start_ns, open_ns=open_ns, close_ns=open_ns + SESSION_S * NANO, curve=curve
                    )
                    weights, _ = curve_weights(terms, start_ns, end_ns, slices)
                    edges = np.linspace(start_ns, end_ns, slices + 1).astype(np.int64)
                    places = np.searchsorted(ts_ns, edges)
                    turned, traded = (np.diff(column[places]) for column in sums)
                    by_curve = np.diff(np.array([0, *weights])) / NANO
                    even = np.full(slices, 1 / slices)
                    found = [_distance_bp(parts, turned, traded) for parts in (by_curve, even)]
                    yield name, symbol, DAYS[at], found[0], found[1]


def _distance_bp(parts: Any, turned: Any, traded: Any) -> float:
    """Of a schedule with these parts from the window's VWAP. A slice without a trade has no price, and no part."""
    good = traded > 0
    own = (parts[good] * turned[good] / traded[good]).sum() / parts[good].sum()
    return abs(float(own / (turned.sum() / traded.sum()) - 1.0)) * 10_000


def _day_volume(at: int, ts_ns: Any, size: Any, open_ns: int) -> DayVolume:
    edges = np.searchsorted(ts_ns, open_ns + np.arange(0, SESSION_S + 1, SLOT_S) * NANO)
    total = np.concatenate(([0], np.cumsum(size)))[edges]
    return DayVolume(date=at + 1, kind="full", slots=tuple(int(volume) for volume in np.diff(total)))
