"""Trajectories: how much of a parent is due at a time, as exact integers. Owns the rounding of a schedule to lots and
nothing else: no market, no order, no memory. A trajectory is rebuilt from the parent alone, so a crash loses nothing.
"""

from typing import Protocol

import msgspec

from core.units import NANO, div_half_even, round_down
from execution.chance import shake


class Trajectory(Protocol):
    """A schedule of `slices` parts. Slice k lasts [boundary_ns(k), boundary_ns(k + 1))."""

    @property
    def total_nanos(self) -> int:
        """All that is to be traded."""
        ...

    @property
    def slices(self) -> int:
        """Number of parts, at least 1."""
        ...

    @property
    def boundaries(self) -> tuple[int, ...]:
        """Start of every slice, then the end: `slices + 1` times, ascending."""
        ...

    def boundary_ns(self, number: int) -> int:
        """Start of slice `number`; the end for `slices`."""
        ...

    def slice_at(self, ts_ns: int) -> int:
        """The slice that holds a time: -1 before the start, `slices` at and after the end."""
        ...

    def due_nanos(self, parts: int) -> int:
        """Quantity due after `parts` slices have begun: monotone, whole lots, and exactly the total from the last."""
        ...

    def slice_of(self, number: int) -> tuple[int, int, int]:
        """Start and end of a slice that exists, and the quantity due once it has begun."""
        ...

    def cumulative_nanos(self, ts_ns: int) -> int:
        """Quantity due at a time: it grows where a slice begins and nowhere else."""
        ...


class EvenSteps(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The straight line Q*k/N, each point rounded half-even to a lot, the remainder with the last.

    The first slice is due at the start, the last at the start of the last slice. A point never differs from the
    line by more than half a lot, so no child is more than one lot away from its equal share. No jitter.
    """

    start_ns: int
    end_ns: int
    slices: int
    total_nanos: int
    lot_nanos: int

    @property
    def boundaries(self) -> tuple[int, ...]:
        """See `Trajectory`."""
        return tuple(self.boundary_ns(number) for number in range(self.slices + 1))

    def boundary_ns(self, number: int) -> int:
        """See `Trajectory`. Rounded up, so that `slice_at` agrees with it to the nanosecond."""
        return self.start_ns - (self.start_ns - self.end_ns) * number // self.slices

    def slice_at(self, ts_ns: int) -> int:
        """See `Trajectory`."""
        if ts_ns < self.start_ns:
            return -1
        if ts_ns >= self.end_ns:
            return self.slices
        return (ts_ns - self.start_ns) * self.slices // (self.end_ns - self.start_ns)

    def cumulative_nanos(self, ts_ns: int) -> int:
        """See `Trajectory`."""
        return self.due_nanos(self.slice_at(ts_ns) + 1)

    def slice_of(self, number: int) -> tuple[int, int, int]:
        """See `Trajectory`."""
        start, span, slices = self.start_ns, self.start_ns - self.end_ns, self.slices
        following = number + 1
        return start - span * number // slices, start - span * following // slices, self.due_nanos(following)

    def due_nanos(self, parts: int) -> int:
        """See `Trajectory`."""
        if parts <= 0:
            return 0
        if parts >= self.slices:
            return self.total_nanos
        due = div_half_even(self.total_nanos * parts, self.slices * self.lot_nanos) * self.lot_nanos
        return due if due < self.total_nanos else self.total_nanos


class WeightedSteps(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Uneven parts: after slice k has begun, the part `weights[k]` (billionths, ascending, the last is all) is due,
    rounded half-even to a lot and never more than the total, which the last slice makes exact: no point differs from
    its weight by more than one lot.

    Slices take equal times, except that the last begins at `last_ns` where that is set. `jitter_nanos` (part of a
    slice, in billionths) moves the boundaries between slices by up to half of it either way, by `seed`; never start,
    end or `last_ns`. With less than a whole slice of jitter they stay ascending.
    """

    start_ns: int
    end_ns: int
    total_nanos: int
    lot_nanos: int
    weights: tuple[int, ...]
    jitter_nanos: int = 0
    seed: int = 0
    last_ns: int = 0

    @property
    def slices(self) -> int:
        """See `Trajectory`."""
        return len(self.weights)

    @property
    def boundaries(self) -> tuple[int, ...]:
        """See `Trajectory`."""
        return tuple(self.boundary_ns(number) for number in range(len(self.weights) + 1))

    def boundary_ns(self, number: int) -> int:
        """See `Trajectory`."""
        slices, end = len(self.weights), self.end_ns
        if self.last_ns:
            if number >= slices:
                return end
            slices, end = slices - 1, self.last_ns
        if number <= 0 or number >= slices:
            return self.start_ns if number <= 0 else end
        span = end - self.start_ns
        even = self.start_ns + -(-span * number // slices)
        return even + shake(self.seed, number, span * self.jitter_nanos // (2 * slices * NANO))

    def slice_at(self, ts_ns: int) -> int:
        """See `Trajectory`."""
        if ts_ns < self.start_ns:
            return -1
        slices = len(self.weights)
        if ts_ns >= self.end_ns:
            return slices
        parts, end = (slices - 1, self.last_ns) if self.last_ns else (slices, self.end_ns)
        if ts_ns >= end:
            return slices - 1
        number = (ts_ns - self.start_ns) * parts // (end - self.start_ns)
        while ts_ns < self.boundary_ns(number):
            number -= 1
        while ts_ns >= self.boundary_ns(number + 1):
            number += 1
        return number

    def cumulative_nanos(self, ts_ns: int) -> int:
        """See `Trajectory`."""
        return self.due_nanos(self.slice_at(ts_ns) + 1)

    def slice_of(self, number: int) -> tuple[int, int, int]:
        """See `Trajectory`."""
        return self.boundary_ns(number), self.boundary_ns(number + 1), self.due_nanos(number + 1)

    def due_nanos(self, parts: int) -> int:
        """See `Trajectory`."""
        if parts <= 0:
            return 0
        if parts >= len(self.weights):
            return self.total_nanos
        due = div_half_even(self.total_nanos * self.weights[parts - 1], NANO * self.lot_nanos) * self.lot_nanos
        return due if due < self.total_nanos else round_down(self.total_nanos, self.lot_nanos)


def even_weights(slices: int) -> tuple[int, ...]:
    """Equal parts."""
    return tuple(div_half_even(NANO * number, slices) for number in range(1, slices + 1))


def shaken(weights: tuple[int, ...], jitter_nanos: int, seed: int) -> tuple[int, ...]:
    """Weights with parts that differ by up to `jitter_nanos` (billionths) of the smaller neighbour: still ascending,
    and the last is still all.
    """
    edges = (0, *weights)
    moved = []
    for at in range(1, len(weights)):
        room = min(edges[at] - edges[at - 1], edges[at + 1] - edges[at])
        moved.append(edges[at] + shake(seed, -at, room * jitter_nanos // (2 * NANO)))
    return (*moved, weights[-1]) if weights else ()


def weights_fault(weights: tuple[int, ...]) -> str:
    """Why a schedule cannot follow these weights; "" = it can."""
    before = 0
    for weight in weights:
        if weight < before:
            return f"weight {weight} follows {before}"
        before = weight
    return "" if not weights or before == NANO else f"the last weight is {before}, not {NANO}"
