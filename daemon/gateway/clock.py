"""The gateway's clock: a market time that runs so many times as fast as the wall's, from an origin that is kept on
disk, so that a gateway that was away comes back later in market time too. Never backwards while it runs.
"""

import time
from typing import Protocol

import msgspec


class ClockOrigin(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """Where market time stood at a moment of the wall, and its speed."""

    tape_ns: int
    wall_ns: int
    speed: float


class Clock(Protocol):
    """What the gateway needs of its clock."""

    @property
    def speed(self) -> float: ...
    @property
    def origin(self) -> ClockOrigin: ...
    def now_ns(self) -> int: ...
    def wall_s(self, duration_ns: int) -> float: ...


class ScaledClock:
    """Market time as `origin` says."""

    def __init__(self, origin: ClockOrigin) -> None:
        self.origin = origin
        # The wall may be set while we run; a monotonic clock may not.
        away_ns = max(0, time.time_ns() - origin.wall_ns)
        self._start_ns = origin.tape_ns + int(away_ns * origin.speed)
        self._monotonic_ns = time.monotonic_ns()

    @property
    def speed(self) -> float:
        """Seconds of the market in a second of the wall."""
        return self.origin.speed

    def now_ns(self) -> int:
        """Present market time."""
        return self._start_ns + int((time.monotonic_ns() - self._monotonic_ns) * self.origin.speed)

    def wall_s(self, duration_ns: int) -> float:
        """How long a stretch of market time lasts on the wall, in seconds."""
        return duration_ns / self.origin.speed / 1e9


def origin_at(tape_ns: int, *, speed: float) -> ClockOrigin:
    """A clock that stands at `tape_ns` now."""
    return ClockOrigin(tape_ns=tape_ns, wall_ns=time.time_ns(), speed=speed)
