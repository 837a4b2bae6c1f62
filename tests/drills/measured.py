"""What a trader measured of itself, as the drills keep it. The trader's buckets double, so a time is known within a
factor of two: within its bucket it is taken as evenly spread.
"""

from typing import Final

from daemon.instruments import BOUNDS_NS
from daemon.status.measures import Measures

PARTS: Final = {"p50_us": 0.5, "p99_us": 0.99}


def times_of(measures: Measures | None, *names: str) -> dict[str, float]:
    """Of these histograms together: how many samples, median and p99 in microseconds; zeros where nothing was told."""
    counts = [0] * (len(BOUNDS_NS) + 1)
    told = {} if measures is None else measures.times
    for name in names:
        for at, count in enumerate(told[name].counts if name in told else ()):
            counts[at] += count
    return {"samples": sum(counts)} | {name: _quantile_us(counts, part) for name, part in PARTS.items()}


def _quantile_us(counts: list[int], part: float) -> float:
    wanted, below = part * sum(counts), 0
    for at, count in enumerate(counts[:-1]):
        if count and below + count >= wanted:
            low = BOUNDS_NS[at - 1] if at else 0
            return round((low + (BOUNDS_NS[at] - low) * (wanted - below) / count) / 1_000, 2)
        below += count
    return BOUNDS_NS[-1] / 1_000 if below else 0.0
