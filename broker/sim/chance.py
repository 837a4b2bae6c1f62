"""Counter-based random numbers: every draw is a hash of (seed, key, purpose, counter), so that a draw depends on what
it is for and never on how many draws came before, in which process, or after which restart.
"""

from typing import Final

_MASK: Final = (1 << 64) - 1
PPM: Final = 1_000_000

# Purposes. Numbers are part of every recorded simulation: never reuse one.
LATENCY_UP: Final = 1
LATENCY_DOWN: Final = 2
LATENCY_COMMISSION: Final = 3
FAULT_COMMAND: Final = 4
FAULT_DROP: Final = 5
FAULT_DELAY: Final = 6
FAULT_DUPLICATE: Final = 7
FAULT_REORDER: Final = 8
FAULT_REJECT: Final = 9
FAULT_LATE_FILL: Final = 10
FAULT_CORRECTION: Final = 11
FAULT_BUST: Final = 12
FAULT_COMMISSION_FIRST: Final = 13
FAULT_SYNC_END: Final = 14
CORRECTION_SIGN: Final = 15


def mix(number: int) -> int:
    """Scramble 64 bits (the splitmix64 finaliser, Steele, Lea & Flood 2014)."""
    z = (number + 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


class Chance:
    """Draws for one seed. `key` is the order id (negative: something that is not one of our orders)."""

    __slots__ = ("_base", "calm")

    def __init__(self, seed: int) -> None:
        self._base = mix(seed & _MASK)
        self.calm = False  # True = the time of faults is over; latencies go on

    def draw(self, key: int, purpose: int, counter: int) -> int:
        """64 uniform bits."""
        return mix(mix(self._base ^ (key & _MASK)) ^ (purpose << 48) ^ counter)

    def jitter(self, span: int, key: int, purpose: int, counter: int) -> int:
        """Uniform integer in 0..span."""
        return self.draw(key, purpose, counter) % (span + 1) if span else 0

    def hits(self, ppm: int, key: int, purpose: int, counter: int) -> bool:
        """Whether a fault of `ppm` parts per million strikes."""
        return ppm > 0 and not self.calm and self.draw(key, purpose, counter) % PPM < ppm
