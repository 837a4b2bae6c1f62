"""Trajectories: how much of a parent is due at a time, as exact integers. Owns the rounding of a schedule to lots and
nothing else: no market, no order, no memory. A trajectory is rebuilt from the parent alone, so a crash loses nothing.
"""

from typing import Protocol

import msgspec

from core.units import div_half_even


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
