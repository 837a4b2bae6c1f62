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
LEFT_MAX: Final = 256  # orders whose moments are kept before they are sorted into buckets

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
    machine says which orders leave. Moments are kept as they come and sorted into buckets by `settle`, so that an order
    costs a tuple on its way.
    """

    __slots__ = (
        "_held", "_leaves_ns", "_left", "_told", "decide", "dispatch", "gate", "hold", "journal", "marks", "others",
        "read_began_ns", "receive", "ticks", "wire",
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
        self._held: dict[int, tuple[int, Marks]] = {}  # by order: the read it began in, and its step
        self._left: list[tuple[int, int, int, Marks, bool]] = []  # read began, leaves, left, step, waited for the disk

    def keep(self, order_id: int) -> None:
        """An order of the present step waits for the disk."""
        if len(self._held) < HELD_MAX:
            self._held[order_id] = (self.read_began_ns(), self.marks)

    def drop(self, order_id: int) -> None:
        """It will never leave."""
        self._held.pop(order_id, None)

    def leaves(self) -> None:
        """An order is handed to the socket now."""
        self._leaves_ns = now_ns()

    def left(self, order_id: int) -> None:
        """It has been."""
        left_ns = now_ns()
        held = self._held.pop(order_id, None) if self._held else None
        if held is None:
            self._left.append((self.read_began_ns(), self._leaves_ns, left_ns, self.marks, False))
        else:
            self._left.append((held[0], self._leaves_ns, left_ns, held[1], True))
        if len(self._left) >= LEFT_MAX:
            self.settle()

    def settle(self) -> None:
        """Sort what has left into the buckets: before they are read."""
        for read_ns, leaves_ns, left_ns, marks, waited in self._left:
            began_ns, decided_ns, committed_ns, market = marks
            self.wire.add(left_ns - leaves_ns)
            (self.ticks if market else self.others).add(left_ns - (read_ns or began_ns))
            self.dispatch.add(left_ns - (leaves_ns if waited else committed_ns))
            if waited:
                self.hold.add(leaves_ns - committed_ns)
            if marks is not self._told:
                self._told = marks
                if read_ns:
                    self.receive.add(began_ns - read_ns)
                self.decide.add(decided_ns - began_ns)
                self.journal.add(committed_ns - decided_ns)
        self._left.clear()
