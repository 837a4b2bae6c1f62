"""Rolling counts and samples of the monitor: bounded, exact in integers, the same for the same facts. Knows no trigger,
limit or order. Times are UTC ns.
"""

from math import isqrt
from typing import Final

import msgspec

SLOTS: Final = 12  # a window is counted in so many parts: it reaches up to one part further back, never less
FAST_WEIGHT: Final = 64  # marks that the present volatility is made of
USUAL_WEIGHT: Final = 4_096  # and the usual one: more than an hour of marks
USUAL_MARKS_MIN: Final = 600  # ten minutes of marks before anything is usual
JUMP_SIGMAS_SQUARED: Final = 144  # a move counts as at most twelve usual ones: one bad tick is no volatility
USUAL_SQUARES_MAX: Final = 4  # what is usual learns slowly of what is not, or a wild minute would soon be usual
QUIET_SQUARE: Final = 400  # ppm^2 a mark: below 20 millionths a second (0.3 % a day) nothing is usual
GAP_MARKS: Final = 3  # after so many missed marks a move is no move of one mark
PPM: Final = 1_000_000


class Window(msgspec.Struct, gc=False, kw_only=True):
    """Sums over the last `span_ns`."""

    span_ns: int
    sums: list[int] = []
    weights: list[int] = []
    counts: list[int] = []
    slot: int = 0  # number of the newest part since the epoch

    def add(self, ts_ns: int, amount: int = 1, weight: int = 0) -> None:
        """One more."""
        at = self._move(ts_ns)
        self.sums[at] += amount
        self.weights[at] += weight
        self.counts[at] += 1

    def _move(self, ts_ns: int) -> int:
        slot = ts_ns // (self.span_ns // SLOTS)
        if slot == self.slot and self.counts:
            return slot % (SLOTS + 1)
        if not self.counts:
            self.sums, self.weights, self.counts = [0] * (SLOTS + 1), [0] * (SLOTS + 1), [0] * (SLOTS + 1)
            self.slot = slot
        for passed in range(self.slot + 1, min(slot, self.slot + SLOTS + 1) + 1):
            at = passed % (SLOTS + 1)
            self.sums[at] = self.weights[at] = self.counts[at] = 0
        self.slot = max(slot, self.slot)
        return self.slot % (SLOTS + 1)

    def count(self, ts_ns: int) -> int:
        """How many."""
        if not self.counts:
            return 0
        self._move(ts_ns)
        return sum(self.counts)

    def mean_bp(self, ts_ns: int) -> tuple[int, int]:
        """How many, and their amount as a share of their weight in basis points, rounded up."""
        count = self.count(ts_ns)
        weight = sum(self.weights)
        return count, -(-sum(self.sums) * 10_000 // weight) if weight > 0 else 0

    def clear(self) -> None:
        """Start over."""
        self.sums, self.weights, self.counts = [], [], []


class Moves(msgspec.Struct, gc=False, kw_only=True):
    """Mean squares of one instrument's moves from mark to mark, in millionths squared: now, and usually."""

    px_nanos: int = 0
    ts_ns: int = 0
    marks: int = 0
    fast: int = 0  # times FAST_WEIGHT
    usual: int = 0  # times USUAL_WEIGHT

    def take(self, ts_ns: int, px_nanos: int, step_ns: int) -> None:
        """One mark; `step_ns` is the usual time between two."""
        before, since = self.px_nanos, ts_ns - self.ts_ns
        self.px_nanos, self.ts_ns = px_nanos, ts_ns
        if not before or since > GAP_MARKS * step_ns:
            return
        move = (px_nanos - before) * PPM // before
        square = move * move
        usual = self.usual_square
        if self.marks >= USUAL_MARKS_MIN and square > JUMP_SIGMAS_SQUARED * usual:
            square = JUMP_SIGMAS_SQUARED * usual
        self.marks += 1
        self.fast += square - self.fast // FAST_WEIGHT
        if self.marks > USUAL_MARKS_MIN and square > USUAL_SQUARES_MAX * usual:
            square = USUAL_SQUARES_MAX * usual
        weight = self.marks if self.marks < USUAL_WEIGHT else USUAL_WEIGHT
        self.usual += (square * USUAL_WEIGHT - self.usual) // weight

    @property
    def usual_square(self) -> int:
        """The usual mean square, never below a quiet market's."""
        found = self.usual // USUAL_WEIGHT
        return found if found > QUIET_SQUARE else QUIET_SQUARE

    def multiple_milli(self) -> int:
        """Present volatility as a multiple of the usual one, in thousandths; 0 = not known yet."""
        if self.marks < USUAL_MARKS_MIN:
            return 0
        return isqrt(self.fast * PPM // (FAST_WEIGHT * self.usual_square))


class Samples:
    """N of M: which of the last marks showed a breach, by (level, scope, code)."""

    __slots__ = ("bits",)

    def __init__(self) -> None:
        self.bits: dict[tuple[int, str, str], int] = {}

    def take(self, key: tuple[int, str, str], breach: bool, *, least: int, of: int) -> bool:
        """One more sample; whether `least` of the last `of` showed the breach."""
        bits = ((self.bits.get(key, 0) << 1) | breach) & ((1 << of) - 1)
        if bits:
            self.bits[key] = bits
        else:
            self.bits.pop(key, None)
        return bits.bit_count() >= least
