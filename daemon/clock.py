"""The clocks of a live trader: the wall's, and the one a paper gateway announces (its tape's time, at its speed).

Neither goes back: whoever asks twice gets the same or a later time. Live mode knows the wall's alone, by its type.
"""

import time
from typing import Final

from core.errors import BrokerFault

SPEED_MAX: Final = 10_000.0


class WallClock:
    """UTC nanoseconds: the system's time at the start, and the monotonic clock from there. Steps of the system's clock
    are not seen; the offset to the broker's is measured and reported by the adapter.
    """

    __slots__ = ("_anchor_ns",)

    def __init__(self) -> None:
        self._anchor_ns = time.time_ns() - time.monotonic_ns()

    def now_ns(self) -> int:
        """The present."""
        return self._anchor_ns + time.monotonic_ns()

    def wall_s(self, duration_ns: int) -> float:
        """A second is a second."""
        return duration_ns / 1e9

    def announce(self, ts_ns: int, speed: float) -> None:
        """Nobody tells the wall's clock what time it is."""
        raise BrokerFault('the gateway announces a clock of its own and ib.clock is "wall": no orders on another time')


class GatewayClock:
    """The time of a paper gateway, as it announced it last."""

    __slots__ = ("_latest_ns", "_tape_ns", "_wall_ns", "speed")

    def __init__(self, ts_ns: int, speed: float) -> None:
        self.speed = 1.0
        self._latest_ns = 0
        self._tape_ns = self._wall_ns = 0
        self.announce(ts_ns, speed)

    def announce(self, ts_ns: int, speed: float) -> None:
        """From now on it is `ts_ns`, unless that is past: then time stands until it has come. Raises BrokerFault."""
        if not 0.0 < speed <= SPEED_MAX or ts_ns <= 0:
            raise BrokerFault(f"the gateway announces {ts_ns} ns at speed {speed}: no such clock")
        self._tape_ns, self._wall_ns, self.speed = ts_ns, time.monotonic_ns(), speed

    def now_ns(self) -> int:
        """The present."""
        ts_ns = self._tape_ns + int((time.monotonic_ns() - self._wall_ns) * self.speed)
        if ts_ns > self._latest_ns:
            self._latest_ns = ts_ns
        return self._latest_ns

    def wall_s(self, duration_ns: int) -> float:
        """How long it lasts here."""
        return duration_ns / self.speed / 1e9
