"""The signals that ask a process of ours for its end, counted from its first moment on."""

import signal
from collections.abc import Callable
from types import FrameType


class Stops:
    """SIGINT and SIGTERM, counted until somebody can act on them."""

    def __init__(self) -> None:
        self.asked = 0
        self._act: Callable[[], None] | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.asked += 1
        if self._act is not None:
            self._act()

    def call(self, act: Callable[[], None]) -> None:
        """Call `act` for each, those so far included."""
        self._act = act
        for _ in range(self.asked):
            act()
