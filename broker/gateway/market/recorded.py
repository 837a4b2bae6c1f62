"""History of the days before the feed begins, of which the operator has bars: served as they are. A day without bars is
empty; nothing stands in for it. Bars of trades only: of quotes and single prints there is nothing.

Pure: no file. Who reads them hands them over by date.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker.gateway.market.bars import BAR
from broker.gateway.market.windows import Window
from core.units import NANO

RecordedDays = Mapping[int, NDArray[Any]]  # one-minute bars (BAR, ascending) by date, yyyymmdd
_NONE: Final[NDArray[Any]] = np.zeros(0, BAR)


class RecordedHistory:
    """Minute bars of one instrument. `sessions`: regular windows before the feed's first."""

    made_up: Final = False

    def __init__(self, *, sessions: Sequence[Window], days: RecordedDays) -> None:
        self._sessions = sessions
        self._days = days
        first = next((days[window.date] for window in sessions if window.date in days), _NONE)
        self.first_ns = int(first[0]["start_ns"]) if len(first) else 0

    def minutes(self, at: int) -> NDArray[Any]:
        """The bars of a session, by its place in `sessions`."""
        return self._days.get(self._sessions[at].date, _NONE)


def recorded_bars(rows: Sequence[tuple[int, int, int, int, int, int]]) -> NDArray[Any]:
    """Bars out of (start ns, open, high, low, close, share nanos). How many prints they had is not known, only whether
    there was one; the average price is the mean of the four.
    """
    bars = np.zeros(len(rows), BAR)
    if not rows:
        return bars
    table = np.array(rows, np.int64)
    for at, name in enumerate(("start_ns", "open", "high", "low", "close", "volume")):
        bars[name] = table[:, at]
    bars["count"] = bars["volume"] > 0
    mean = table[:, 1:5].sum(axis=1) / (4.0 * NANO)
    bars["value"] = mean * (bars["volume"] / NANO)
    return bars
