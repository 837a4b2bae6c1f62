"""Numbers that look random and never are: a hash of a parent's id and a count, so that a replay and a restart see the
same ones (SplitMix64, Steele, Lea and Flood 2014). Knows no schedule.
"""

from typing import Final

_MASK: Final = (1 << 64) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15


def mix(seed: int, number: int) -> int:
    """A 64-bit number for the `number`-th draw of a seed."""
    z = (seed * _GOLDEN + number + 1) * _GOLDEN & _MASK
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _MASK
    return z ^ (z >> 31)


def shake(seed: int, number: int, reach: int) -> int:
    """A draw from -reach to reach, both included."""
    return mix(seed, number) % (2 * reach + 1) - reach if reach > 0 else 0
