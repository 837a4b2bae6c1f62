"""The tape's clock at a paced speed: so many times as fast as the wall's, tied to it when it is first asked."""

import time


class TapeClock:
    """`factor` is the multiple of real time; 0 = as fast as possible, and this clock is not asked."""

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self._wall_ns = 0
        self._tape_ns = 0

    def now_ns(self, first_ns: int) -> int:
        """The tape's present time; at the first call it stands at `first_ns`."""
        wall_ns = time.monotonic_ns()
        if not self._wall_ns:
            self._wall_ns, self._tape_ns = wall_ns, first_ns
        return self._tape_ns + int((wall_ns - self._wall_ns) * self.factor)

    def wall_s(self, tape_ns: int) -> float:
        """How long a stretch of the tape lasts on the wall, in seconds."""
        return tape_ns / self.factor / 1e9
