"""All orders and executions the gateway remembers, and who knows which by what id. Owns the numbers given to orders at
the venue, the ids client 0 knows manual orders by, and the state that outlives a restart. Sends nothing.
"""

from typing import Final

import msgspec

from broker.gateway.orders.record import DONE, KEPT, Fill, OrderRecord

MANUAL_CLIENT: Final = 0


class Later(msgspec.Struct, array_like=True, kw_only=True):
    """What waits for the server: place, modify or cancel of an order."""

    kind: int
    number: int
    version: int = 0


class _Kept(msgspec.Struct, array_like=True, kw_only=True):
    """What a dump holds."""

    numbers: int
    bound: int
    records: list[OrderRecord]
    fills: list[Fill]
    later: list[Later]
    locating: list[tuple[int, int]]


_decoder: Final = msgspec.msgpack.Decoder(_Kept)


class OrderJournal:
    """Orders by venue number, by perm id and by client and order id; executions by id."""

    def __init__(self) -> None:
        self.records: dict[int, OrderRecord] = {}
        self.live: dict[int, OrderRecord] = {}  # those not done
        self.fills: dict[str, Fill] = {}
        self.later: list[Later] = []
        self.locating: list[tuple[int, int]] = []  # when shares are found, for which order; in order of time
        self._numbers = 0
        self._bound = 0
        self._by_client: dict[tuple[int, int], int] = {}
        self._by_perm: dict[int, int] = {}

    def new_number(self) -> int:
        """An id for the venue, never given before."""
        self._numbers += 1
        return self._numbers

    def add(self, record: OrderRecord) -> None:
        """Remember an order; one of the same client and order id is known by its number and perm id only, from now."""
        self.records[record.number] = record
        if record.stage != DONE:
            self.live[record.number] = record
        self._by_perm[record.perm_id] = record.number
        if not record.manual:
            self._by_client[record.client_id, record.order_id] = record.number

    def finish(self, record: OrderRecord, ts_ns: int) -> None:
        """It is over; the day remembers it."""
        record.stage, record.ended_ns, record.cancelling = DONE, ts_ns, False
        self.live.pop(record.number, None)

    def forget(self, record: OrderRecord) -> None:
        """It never existed."""
        del self.records[record.number]
        self.live.pop(record.number, None)
        self._by_perm.pop(record.perm_id, None)
        for key in ((record.client_id, record.order_id), (MANUAL_CLIENT, record.bound_id)):
            if self._by_client.get(key) == record.number:
                del self._by_client[key]

    def bind(self, record: OrderRecord) -> int:
        """Give client 0 an id for a manual order: negative, as TWS does by default."""
        if not record.bound_id:
            self._bound -= 1
            record.bound_id = self._bound
            self._by_client[MANUAL_CLIENT, record.bound_id] = record.number
        return record.bound_id

    def of(self, client_id: int, order_id: int) -> OrderRecord | None:
        """The order a client means by an id."""
        number = self._by_client.get((client_id, order_id))
        return self.records[number] if number is not None else None

    def of_perm(self, perm_id: int) -> OrderRecord | None:
        """The order of a perm id."""
        number = self._by_perm.get(perm_id)
        return self.records[number] if number is not None else None

    def of_others(self, order_id: int) -> OrderRecord | None:
        """Another client's open order, if only one has that id."""
        found = [record for record in self.live.values() if record.order_id == order_id and record.open]
        return found[0] if len(found) == 1 else None

    def open_orders(self) -> list[OrderRecord]:
        """Transmitted and not done, oldest first."""
        return [record for record in self.live.values() if record.open]

    def children(self, number: int) -> list[OrderRecord]:
        """Orders attached to one, not done."""
        return [record for record in self.live.values() if record.parent == number]

    def family(self, record: OrderRecord) -> list[OrderRecord]:
        """An order that is transmitted and what goes with it, parents first: its parent and, if it has one, all its
        brothers and sisters that are still kept back.
        """
        if not record.parent:
            return [record]
        parent = self.records.get(record.parent)
        kept = [child for child in self.children(record.parent) if child.stage == KEPT or child is record]
        return ([parent] if parent is not None and parent.stage == KEPT else []) + kept

    def fills_of(self, number: int) -> list[Fill]:
        """Executions of one order, in order."""
        return [fill for fill in self.fills.values() if fill.number == number]

    def roll(self, midnight_ns: int) -> None:
        """A new day began: what ended or was executed before it is forgotten, but for parents of what still lives."""
        parents = {record.parent for record in self.live.values()}
        for record in [r for r in self.records.values() if r.stage == DONE and r.ended_ns < midnight_ns]:
            if record.number not in parents:
                self.forget(record)
        self.fills = {fill.exec_id: fill for fill in self.fills.values() if fill.ts_ns >= midnight_ns}

    def drop_kept(self) -> None:
        """The gateway's session is over: what was never transmitted is gone."""
        for record in [record for record in self.live.values() if record.stage == KEPT]:
            self.forget(record)

    def dump(self) -> bytes:
        """Everything; what was never transmitted too, because a snapshot is also taken while the session goes on."""
        kept = _Kept(
            numbers=self._numbers,
            bound=self._bound,
            records=list(self.records.values()),
            fills=list(self.fills.values()),
            later=self.later,
            locating=self.locating,
        )
        return msgspec.msgpack.encode(kept)

    def load(self, state: bytes) -> None:
        """From `dump`."""
        kept = _decoder.decode(state)
        self._numbers, self._bound = kept.numbers, kept.bound
        self.later, self.locating = kept.later, kept.locating
        self.fills = {fill.exec_id: fill for fill in kept.fills}
        for record in kept.records:
            self.add(record)
            if record.bound_id:
                self._by_client[MANUAL_CLIENT, record.bound_id] = record.number
