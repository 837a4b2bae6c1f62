"""Counters the gate reads, folded from the commands that were recorded: order rates and the duplicate window."""

from collections import deque
from typing import Final

import msgspec

NANOS_PER_SECOND: Final = 1_000_000_000
SentKey = tuple[str, int, int, int, int, int]  # strategy, inst, side, qty, limit, purpose
NO_SENDER: Final = -1


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
    """Orders sent within `window_ns`, and by which parent. At most two expire per insertion: it never scans."""

    __slots__ = ("_queue", "keys", "window_ns")

    def __init__(self, window_ns: int) -> None:
        self.window_ns = window_ns
        self._queue: deque[tuple[int, int, SentKey]] = deque()  # when, parent, what
        self.keys: dict[SentKey, tuple[int, int]] = {}

    def sender(self, key: SentKey, ts_ns: int) -> int:
        """Parent of the same order that left within the window (0 = it had none); NO_SENDER = none left."""
        last = self.keys.get(key)
        return last[1] if last is not None and ts_ns - last[0] < self.window_ns else NO_SENDER

    def add(self, key: SentKey, ts_ns: int, parent_id: int) -> None:
        """Remember an order that is being sent."""
        self.keys[key] = (ts_ns, parent_id)
        queue = self._queue
        queue.append((ts_ns, parent_id, key))
        for _ in range(2):
            if not queue or ts_ns - queue[0][0] < self.window_ns:
                return
            sent, parent_id, old = queue.popleft()
            if self.keys.get(old) == (sent, parent_id):
                del self.keys[old]

    def state(self) -> list[tuple[int, int, SentKey]]:
        """For a snapshot."""
        return list(self._queue)

    def load(self, state: list[tuple[int, int, SentKey]]) -> None:
        """From a snapshot."""
        self._queue = deque(state)
        self.keys = {key: (sent, parent_id) for sent, parent_id, key in state}
