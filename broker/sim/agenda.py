"""The venue's own future: a heap of moments in (time, order of entry), so that equal times keep the order they were
entered in. Knows nothing of orders; the kinds say who handles an entry.
"""

from heapq import heapify, heappop, heappush
from typing import Final

import msgspec

from broker.sim.config import NEVER
from core.events import AnyEvent

FACT: Final = 0  # payload: the event to deliver
ARRIVE: Final = 1  # an order reaches the venue
REPLACE: Final = 2  # payload: Revision
CANCEL: Final = 3  # payload: CancelAsk when the broker knows no such order
CANCEL_ALL: Final = 4
REVIEW: Final = 5  # an order's hours begin or end, it expires, or its auction is due
SYNC: Final = 6  # payload: SyncAsk
CORRECT: Final = 7  # payload: Correction
LINK_DOWN: Final = 8  # key: number of the outage in the plan
LINK_UP: Final = 9
WHAT_IF: Final = 10  # payload: WhatIfAsk
STEP: Final = 12  # the broker's own algorithm looks at an order
TELL: Final = 11  # the venue of a trader in this process says what a broker would: the time


class Revision(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=200, kw_only=True):
    """A replace on its way to the venue."""

    order_id: int
    version: int
    inst: int
    side: int
    qty_nanos: int
    order_type: int
    limit_px_nanos: int
    stop_px_nanos: int
    trail_nanos: int = 0
    trail_ppm: int = 0
    tif: int = 0  # 0 = the replace says nothing of hours
    gtd_ts_ns: int = 0
    outside_rth: bool = False


class CancelAsk(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=201, kw_only=True):
    """A cancel for an order the broker was never handed."""

    order_id: int


class SyncAsk(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=202, kw_only=True):
    """A synchronisation request on its way to the broker."""

    sync_id: int
    since_ns: int = 0


class WhatIfAsk(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=204, kw_only=True):
    """A question what an order would bind, on its way to the broker."""

    request_id: int
    inst: int
    side: int
    qty_nanos: int
    limit_px_nanos: int


class Correction(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=203, kw_only=True):
    """An execution to be corrected later: quantity 0 takes it back."""

    exec_id: str
    qty_nanos: int
    px_nanos: int


Payload = AnyEvent | Revision | CancelAsk | SyncAsk | Correction | WhatIfAsk | None
Entry = tuple[int, int, int, int, Payload]  # due_ns, number, kind, key (perm id, mostly), payload


class Agenda:
    """Push in any order, pop in time order. `next_due_ns` is NEVER when empty."""

    __slots__ = ("entries", "next_due_ns", "pushed")

    def __init__(self, entries: list[Entry], pushed: int) -> None:
        self.entries = entries
        self.pushed = pushed
        heapify(self.entries)
        self.next_due_ns = entries[0][0] if entries else NEVER

    def push(self, due_ns: int, kind: int, key: int, payload: Payload) -> None:
        """Enter a moment; among equal times it comes last."""
        self.pushed = number = self.pushed + 1
        heappush(self.entries, (due_ns, number, kind, key, payload))
        if due_ns < self.next_due_ns:
            self.next_due_ns = due_ns

    def pop(self) -> Entry:
        """Take the earliest entry. Raises IndexError when empty."""
        entry = heappop(self.entries)
        self.next_due_ns = self.entries[0][0] if self.entries else NEVER
        return entry

    def remove_kind(self, kind: int) -> list[Entry]:
        """Take out all entries of one kind, in time order."""
        removed = sorted(entry for entry in self.entries if entry[2] == kind)
        self.entries = [entry for entry in self.entries if entry[2] != kind]
        heapify(self.entries)
        self.next_due_ns = self.entries[0][0] if self.entries else NEVER
        return removed
