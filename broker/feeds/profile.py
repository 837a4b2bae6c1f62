"""Where a feed's rows become what its profile serves, and how many of them may be expected. Between `merge` and `cut`.

Imports the compiled conflator only for a profile that needs it: a tick-by-tick replay stays without numba (125 MB).
"""

from collections.abc import Iterator
from typing import Final

from broker.feeds.columns import Rows
from core.profiles import PROFILES, TBT
from core.units import NANO

TAIL_NS: Final = {"tbt": 0, "l1_250": 250_000_000, "bar": 5 * NANO}  # a conflated row may come so much after its cause
_SHARE: Final = {"tbt": 1.0, "l1_250": 0.18, "bar": 0.15}  # of recorded rows: five days of a quiet and a busy US stock
# Rows per second of one made-up instrument are r * most / (r + half) for r rows per second in; measured, within 10 %.
_MOST_AND_HALF: Final = {"l1_250": (8.0, 11.6), "bar": (4.4, 5.4)}


def as_served(slabs: Iterator[Rows], *, profile: str, instruments: int) -> Iterator[Rows]:
    """Merged slabs as the profile serves them; the rows of `tbt` are untouched."""
    if PROFILES[profile] == TBT:
        return slabs
    from broker.sim.conflator import conflated

    return conflated(slabs, profile=PROFILES[profile], instruments=instruments)


def recorded_estimate(rows: int, profile: str) -> int:
    """Rows expected of a recorded tape of `rows`; exact for `tbt` only."""
    return int(rows * _SHARE[profile])


def synthetic_estimate(rows_per_second: float, profile: str) -> float:
    """Rows per second expected of one made-up instrument."""
    if profile not in _MOST_AND_HALF:
        return rows_per_second
    most, half = _MOST_AND_HALF[profile]
    return rows_per_second * most / (rows_per_second + half)
