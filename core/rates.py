"""Counters the gate reads, folded from the commands that were recorded: order rates and the duplicate window."""

from collections import deque
from typing import Final

import msgspec

NANOS_PER_SECOND: Final = 1_000_000_000
DuplicateKey = tuple[int, int, int, int, int, int, int]  # inst, side, qty, limit, parent, slice, version


class RateLimit(msgspec.Struct, gc=False):
    """`events` per `window_ns`, with a burst of `events`. `interval_ns` is the time one event uses up: derived."""

    events: int
    window_ns: int
    interval_ns: int = 0

    def __post_init__(self) -> None:
        self.interval_ns = self.window_ns // self.events


def conforms(tat_ns: int, ts_ns: int, limit: RateLimit) -> bool:
    """Whether an event now conforms, by the generic cell rate algorithm (ITU-T I.371 annex A): one integer of state.

    `tat_ns` is the theoretical arrival time: the later of itself and now, plus `interval_ns`, after each event
    (counted in core/money/requests.py). It may run ahead of now by the window less one interval.
    """
    return tat_ns - ts_ns <= limit.window_ns - limit.interval_ns


class DuplicateWindow:
    """Orders sent within `window_ns`. At most two expire per insertion: it never scans."""

    __slots__ = ("_keys", "_queue", "window_ns")

    def __init__(self, window_ns: int) -> None:
        self.window_ns = window_ns
        self._queue: deque[tuple[int, DuplicateKey]] = deque()
        self._keys: dict[DuplicateKey, int] = {}

    def seen(self, key: DuplicateKey, ts_ns: int) -> bool:
        """Whether the same order left within the window."""
        sent = self._keys.get(key)
        return sent is not None and ts_ns - sent < self.window_ns

    def add(self, key: DuplicateKey, ts_ns: int) -> None:
        """Remember an order that is being sent."""
        self._keys[key] = ts_ns
        queue = self._queue
        queue.append((ts_ns, key))
        for _ in range(2):
            if not queue or ts_ns - queue[0][0] < self.window_ns:
                return
            sent, old = queue.popleft()
            if self._keys.get(old) == sent:
                del self._keys[old]

    def state(self) -> list[tuple[int, DuplicateKey]]:
        """For a snapshot."""
        return list(self._queue)

    def load(self, state: list[tuple[int, DuplicateKey]]) -> None:
        """From a snapshot."""
        self._queue = deque(state)
        self._keys = {key: sent for sent, key in state}
