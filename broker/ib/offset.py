"""How far our clock is from the broker's, from answers that tell whole seconds. Each answer leaves a second (and its
own round trip) of room; several together leave the overlap of their rooms, because the offset is the same for all.
"""

from collections import deque
from typing import Final

from core.units import NANO

ANSWERS_KEPT: Final = 12  # a drift of the machine's clock must not outlive them


class OffsetEstimate:
    """Our clock less the broker's, as an interval."""

    __slots__ = ("_rooms",)

    def __init__(self) -> None:
        self._rooms: deque[tuple[int, int]] = deque(maxlen=ANSWERS_KEPT)

    def clear(self) -> None:
        """Our clock was set: what came before says nothing."""
        self._rooms.clear()

    def take(self, *, sent_ns: int, received_ns: int, broker_second_ns: int) -> int:
        """One answer, both times by our clock; returns the least offset in size that all kept answers allow.

        The broker read its clock between the two moments, somewhere within its second.
        """
        self._rooms.append((sent_ns - broker_second_ns - NANO, received_ns - broker_second_ns))
        low, high = self._overlap()
        if low > high:  # our clock or the broker's was stepped: only the newest answer counts
            newest = self._rooms[-1]
            self._rooms.clear()
            self._rooms.append(newest)
            low, high = newest
        return low if low > 0 else min(high, 0)

    def _overlap(self) -> tuple[int, int]:
        return max(low for low, _ in self._rooms), min(high for _, high in self._rooms)
