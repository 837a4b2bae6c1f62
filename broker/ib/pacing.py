"""The budget of outgoing messages: IBKR takes 50 a second and cuts the session of a client that sends more (code 100).

Three queues wait for it, cancels before synchronisation before data; orders never wait: they are written at once or
refused. A window of the last messages is kept rather than a rate, so that a kill may use all of it in one burst and
still no second, as the gateway counts, holds more than 50. Sans-IO: the owner writes what `pump` returns.
"""

from collections import deque
from typing import Final

from broker.ib.config import MESSAGES_PER_SECOND
from broker.ib.seam import LANE_CANCEL, LANE_DATA, LANE_SYNC, NEVER

WINDOW_NS: Final = 1_050_000_000  # a second, and what the network may push together
QUEUED_MAX: Final = 48  # of the window that queued messages may use: an order finds room behind them
SYNC_MAX: Final = 40  # and synchronisation leaves cancels some
DATA_PER_SECOND: Final = 10  # while READY; everything that sync and cancels leave otherwise
QUEUE_MAX: Final = {LANE_CANCEL: 4_096, LANE_SYNC: 64, LANE_DATA: 4_096}


class Pacer:
    """Times are the clock's nanoseconds: a scaled gateway counts its own seconds."""

    def __init__(self) -> None:
        self._sent: deque[int] = deque(maxlen=MESSAGES_PER_SECOND)
        self._data: deque[int] = deque(maxlen=DATA_PER_SECOND)
        self._queues: dict[int, deque[tuple[int, bytes]]] = {lane: deque() for lane in sorted(QUEUE_MAX)}
        self._keys: dict[int, None] = {}  # of what waits: a cancel that is asked for again waits once
        self.data_limited = False  # READY: data keep to their share
        self.next_ns = NEVER  # when `pump` has something to do again

    def put(self, lane: int, frame: bytes, key: int = 0) -> bool:
        """Queue a message, unless one with the same key (not 0) waits already; False when its queue is full."""
        queue = self._queues[lane]
        if key and key in self._keys:
            return True
        if len(queue) >= QUEUE_MAX[lane]:
            return False
        queue.append((key, frame))
        if key:
            self._keys[key] = None
        return True

    def order(self, now_ns: int) -> bool:
        """Whether an order may leave this moment; if so it is counted."""
        sent = self._sent
        if len(sent) == MESSAGES_PER_SECOND and sent[0] > now_ns - WINDOW_NS:
            return False
        sent.append(now_ns)
        return True

    def pump(self, now_ns: int) -> list[bytes]:
        """What may leave now, in order."""
        leaving: list[bytes] = []
        self.next_ns = NEVER
        for lane, queue in self._queues.items():
            while queue:
                free_ns = self._free_ns(lane, now_ns)
                if free_ns > now_ns:
                    self.next_ns = min(self.next_ns, free_ns)
                    break
                key, frame = queue.popleft()
                self._keys.pop(key, None)
                leaving.append(frame)
                self._sent.append(now_ns)
                if lane == LANE_DATA:
                    self._data.append(now_ns)
        return leaving

    def waiting(self, lane: int) -> int:
        """Messages queued in a lane."""
        return len(self._queues[lane])

    def clear(self) -> None:
        """The connection is gone, and what waited for it. The window stays: the gateway may count on."""
        for queue in self._queues.values():
            queue.clear()
        self._keys.clear()
        self.next_ns = NEVER

    def _free_ns(self, lane: int, now_ns: int) -> int:
        """When the lane may send its next message; not after `now_ns` = now."""
        most = QUEUED_MAX if lane == LANE_CANCEL else SYNC_MAX
        sent = self._sent
        free_ns = now_ns if len(sent) < most else max(now_ns, sent[-most] + WINDOW_NS)
        if lane == LANE_DATA and self.data_limited and len(self._data) == DATA_PER_SECOND:
            free_ns = max(free_ns, self._data[0] + WINDOW_NS)
        return free_ns
