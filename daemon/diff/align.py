"""Which decision of one run answers to which of the other: in order, same direction, closest in time. Pure."""

from collections.abc import Sequence
from typing import Final

from daemon.diff.day import Decision

SAME_TARGET_BONUS: Final = 4  # the very same target counts as a quarter of the window nearer


def align(live: Sequence[Decision], shadow: Sequence[Decision], *, within_ns: int) -> list[tuple[int, int]]:
    """Index pairs, both ascending, that make the decisions match best; both sides of one strategy and instrument, by
    time. A pair is closer than `within_ns` and changes the target in the same direction.

    The heaviest common subsequence, where a pair weighs what it is nearer than the window.
    """
    best = _PrefixBest(len(shadow))
    chains: list[tuple[int, int, int]] = []  # (live index, shadow index, chain before)
    low = 0
    for at, one in enumerate(live):
        while low < len(shadow) and shadow[low].ts_ns <= one.ts_ns - within_ns:
            low += 1
        found = []
        for other in range(low, len(shadow)):
            if shadow[other].ts_ns >= one.ts_ns + within_ns:
                break
            weight = _weight(one, shadow[other], within_ns)
            if weight > 0:
                total, before = best.upto(other)
                found.append((other, total + weight, before))
        for other, total, before in found:  # after the look: one decision is paired once
            chains.append((at, other, before))
            best.put(other, total, len(chains) - 1)
    return _walk_back(chains, best.upto(len(shadow))[1])


def _weight(one: Decision, other: Decision, within_ns: int) -> int:
    if (one.change_nanos > 0) != (other.change_nanos > 0) or one.carried != other.carried:
        return 0
    bonus = within_ns // SAME_TARGET_BONUS if one.target_nanos == other.target_nanos else 0
    return within_ns - abs(one.ts_ns - other.ts_ns) + bonus


def _walk_back(chains: list[tuple[int, int, int]], end: int) -> list[tuple[int, int]]:
    pairs = []
    while end >= 0:
        at, other, end = chains[end]
        pairs.append((at, other))
    return pairs[::-1]


class _PrefixBest:
    """Heaviest chain that ends before a place: a Fenwick tree of maxima."""

    def __init__(self, size: int) -> None:
        self._tree = [(0, -1)] * (size + 1)

    def upto(self, place: int) -> tuple[int, int]:
        """(weight, number) of the heaviest chain whose last place is below `place`."""
        best = (0, -1)
        while place > 0:
            best = max(best, self._tree[place], key=_heavier)
            place &= place - 1
        return best

    def put(self, place: int, weight: int, number: int) -> None:
        """A chain that ends at `place`."""
        place += 1
        while place < len(self._tree):
            if weight > self._tree[place][0]:
                self._tree[place] = (weight, number)
            place += place & -place


def _heavier(chain: tuple[int, int]) -> int:
    return chain[0]
