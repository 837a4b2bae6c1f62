"""When the engine wants to be told the time: the deadlines themselves. What happens then is in core/engine/clock.py."""

import heapq
from typing import Final

import msgspec

NEVER: Final = (1 << 63) - 1


class DeadlineState(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Snapshot form."""

    wakes: dict[int, int]
    mark_ns: int
    sync_ns: int
    boundary_ns: int
    kill_ns: int
    noted_ns: int
    risk_ns: int = NEVER
    risk_first: bool = True
    watch_ns: int = NEVER
    link_ns: int = NEVER


class Deadlines:
    """Deadlines of one engine, in UTC nanoseconds; NEVER = not armed."""

    __slots__ = (
        "_heap", "_wakes", "boundary_ns", "kill_ns", "limit_ns", "link_ns", "mark_ns", "noted_ns", "risk_first",
        "risk_ns", "sync_ns", "watch_ns",
    )  # fmt: skip

    def __init__(self) -> None:
        self._heap: list[tuple[int, int]] = []
        self._wakes: dict[int, int] = {}
        self.mark_ns = NEVER
        self.sync_ns = NEVER
        self.boundary_ns = 0  # the first step sets fences for the session it is in
        self.kill_ns = NEVER
        self.limit_ns = NEVER  # when a change of limits ends: money state knows it, so it is in no snapshot
        self.link_ns = NEVER  # when a link that is away is told
        self.watch_ns = NEVER  # the next look at what the market lays down, in regular hours
        self.noted_ns = 0  # when equity was last noted
        self.risk_ns = NEVER  # when risk is measured again
        self.risk_first = True  # there was nothing to measure before

    def set_wake(self, parent_id: int, wake_ns: int) -> None:
        """Ask the executor again about a live parent at `wake_ns`."""
        if self._wakes.get(parent_id) == wake_ns:
            return
        self._wakes[parent_id] = wake_ns
        heapq.heappush(self._heap, (wake_ns, parent_id))

    def drop_wake(self, parent_id: int) -> None:
        """A parent needs no more waking."""
        self._wakes.pop(parent_id, None)

    def has_wake(self, parent_id: int) -> bool:
        """Whether a parent is waiting to be asked."""
        return parent_id in self._wakes

    def next_ns(self) -> int:
        """The earliest deadline."""
        heap = self._heap
        while heap and self._wakes.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
        due = heap[0][0] if heap else NEVER
        due = self.mark_ns if self.mark_ns < due else due
        due = self.sync_ns if self.sync_ns < due else due
        due = self.limit_ns if self.limit_ns < due else due
        due = self.link_ns if self.link_ns < due else due
        due = self.watch_ns if self.watch_ns < due else due
        due = self.boundary_ns if self.boundary_ns < due else due
        due = self.risk_ns if self.risk_ns < due else due
        return self.kill_ns if self.kill_ns < due else due

    def take_wake(self, now_ns: int) -> int:
        """The next parent whose wake is due by `now_ns`, 0 = none; it waits no more."""
        heap = self._heap
        while heap and heap[0][0] <= now_ns:
            wake_ns, parent_id = heapq.heappop(heap)
            if self._wakes.get(parent_id) == wake_ns:
                del self._wakes[parent_id]
                return parent_id
        return 0

    def state(self) -> DeadlineState:
        """For a snapshot."""
        return DeadlineState(
            wakes=dict(self._wakes),
            mark_ns=self.mark_ns,
            sync_ns=self.sync_ns,
            boundary_ns=self.boundary_ns,
            kill_ns=self.kill_ns,
            noted_ns=self.noted_ns,
            risk_ns=self.risk_ns,
            risk_first=self.risk_first,
            watch_ns=self.watch_ns,
            link_ns=self.link_ns,
        )

    def load(self, state: DeadlineState) -> None:
        """From a snapshot."""
        self._wakes = dict(state.wakes)
        self._heap = [(wake_ns, parent_id) for parent_id, wake_ns in state.wakes.items()]
        heapq.heapify(self._heap)
        self.mark_ns, self.sync_ns = state.mark_ns, state.sync_ns
        self.boundary_ns, self.kill_ns, self.noted_ns = state.boundary_ns, state.kill_ns, state.noted_ns
        self.risk_ns, self.risk_first = state.risk_ns, state.risk_first
        self.watch_ns, self.link_ns = state.watch_ns, state.link_ns
