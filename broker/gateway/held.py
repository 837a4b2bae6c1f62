"""Messages that a fault holds back, and one timer for them: each goes on when due, those due together in order."""

import asyncio
import heapq
from collections.abc import Callable
from typing import Final

HELD_MAX: Final = 100_000  # messages of one connection and direction


class Held:
    """`deliver` takes what is due; `overflow` is called instead of holding back more than `HELD_MAX`."""

    def __init__(self, deliver: Callable[[bytes], None], overflow: Callable[[str], None]) -> None:
        self._deliver = deliver
        self._overflow = overflow
        self._waiting: list[tuple[float, int, bytes]] = []  # heap by the loop's time, then order
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    def put(self, wall_s: float, piece: bytes) -> None:
        """Deliver it so many seconds from now."""
        if len(self._waiting) >= HELD_MAX:
            self._overflow(f"a fault holds back more than {HELD_MAX} messages")
            return
        self._count += 1
        heapq.heappush(self._waiting, (asyncio.get_running_loop().time() + wall_s, self._count, piece))
        if self._waiting[0][1] == self._count:
            self._arm()

    def clear(self) -> None:
        """The connection is gone."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(self._waiting[0][0], self._due)

    def _due(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self._waiting and self._waiting[0][0] <= now:
            self._deliver(heapq.heappop(self._waiting)[2])
        if self._waiting:
            self._arm()
