"""What the trader measures about itself: times on the order path, of reads and syncs, and how late its loop is.

Integers in buckets that double, all made beforehand: a value costs a shift and two additions. Nothing here is asked for
a quiet row. Knows no order, socket or metric; daemon/status/measures.py tells what was counted.
"""

from collections.abc import Callable
from time import perf_counter_ns
from typing import Final

SHIFT: Final = 10  # the first bucket holds what is below 1.024 µs
BUCKETS: Final = 25  # and the last bounded one what is below 17.2 s
BOUNDS_NS: Final = tuple(1 << SHIFT + at for at in range(BUCKETS))
HELD_MAX: Final = 1_024  # orders that wait for the disk and are timed; more leave untimed

TEND_S: Final = 0.1  # between two looks of the trader's loop at all that is not urgent

now_ns = perf_counter_ns


def nothing_is_read() -> int:
    """There is no socket, or nothing is read at the moment."""
    return 0


class Histogram:
    """Counts by bucket; the last one holds everything beyond the bounds. One writer, whatever thread it is."""

    __slots__ = ("counts", "sum_ns")

    def __init__(self) -> None:
        self.counts = [0] * (BUCKETS + 1)
        self.sum_ns = 0

    def add(self, took_ns: int) -> None:
        """One measurement."""
        at = (took_ns >> SHIFT).bit_length()
        self.counts[at if at < BUCKETS else BUCKETS] += 1
        self.sum_ns += took_ns


Marks = tuple[int, int, int, bool]  # step began, step ended, its records committed; a market row woke it


class OrderPath:
    """The stages of the steps that make orders. The runner sets `marks` when a step's records are committed; the
    machine says which orders leave.
    """

    __slots__ = (
        "_dispatched_ns", "_held", "_leaves_ns", "_told", "decide", "dispatch", "gate", "hold", "journal", "marks",
        "others", "read_began_ns", "receive", "ticks", "wire",
    )  # fmt: skip

    def __init__(self) -> None:
        self.receive, self.decide, self.gate, self.journal = Histogram(), Histogram(), Histogram(), Histogram()
        self.hold, self.dispatch, self.wire = Histogram(), Histogram(), Histogram()
        self.ticks = Histogram()  # from the read to the socket, where a market row caused the order
        self.others = Histogram()  # and where anything else did
        self.marks: Marks = (0, 0, 0, False)
        self.read_began_ns: Callable[[], int] = nothing_is_read  # when the present read of the socket began
        self._told: Marks | None = None  # the step whose stages are counted already: it made several orders
        self._leaves_ns = 0
        self._held: dict[int, tuple[int, Marks]] = {}  # by order: where it began, and its step

    def keep(self, order_id: int) -> None:
        """An order of the present step waits for the disk."""
        if len(self._held) < HELD_MAX:
            self._held[order_id] = (self._origin_ns(), self.marks)

    def drop(self, order_id: int) -> None:
        """It will never leave."""
        self._held.pop(order_id, None)

    def leaves(self) -> None:
        """An order is handed to the socket now."""
        self._leaves_ns = now_ns()

    def left(self, order_id: int) -> None:
        """It has been."""
        ended_ns, leaves_ns = now_ns(), self._leaves_ns
        held = self._held.pop(order_id, None) if self._held else None
        origin_ns, marks = (self._origin_ns(), self.marks) if held is None else held
        began_ns, decided_ns, committed_ns, market = marks
        self.wire.add(ended_ns - leaves_ns)
        (self.ticks if market else self.others).add(ended_ns - origin_ns)
        if held is None:
            self.dispatch.add(ended_ns - committed_ns)
        else:
            self.hold.add(leaves_ns - committed_ns)
            self.dispatch.add(ended_ns - leaves_ns)
        if marks is not self._told:
            self._told = marks
            if origin_ns != began_ns:
                self.receive.add(began_ns - origin_ns)
            self.decide.add(decided_ns - began_ns)
            self.journal.add(committed_ns - decided_ns)

    def _origin_ns(self) -> int:
        """The read that the present step is part of, or the step itself."""
        return self.read_began_ns() or self.marks[0]
