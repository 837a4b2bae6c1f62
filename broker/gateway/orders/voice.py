"""Who is told what of an order. Owns the connected clients and the rules of sight: a client sees
its own orders, the master id all, client 0 its own and those placed by hand. Changes no order.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from broker.gateway.contracts.book import ContractBook
from broker.gateway.contracts.hours import wire_zone
from broker.gateway.orders.encode import (
    LIVE,
    commission_fields,
    completed_order_fields,
    execution_fields,
    open_order_fields,
    status_fields,
)
from broker.gateway.orders.journal import MANUAL_CLIENT, OrderJournal
from broker.gateway.orders.record import Fill, OrderRecord
from broker.gateway.part import NASTY_STATUS, Client, Field, World
from broker.gateway.registry import Registry
from core.units import NANO

ORDER_BOUND: Final = 100


class Voice:
    """Tells connected clients; a client that is not there misses what happens and has to ask."""

    def __init__(self, world: World, registry: Registry, book: ContractBook, journal: OrderJournal) -> None:
        self._world = world
        self._registry = registry
        self._book = book
        self._journal = journal
        self.clients: dict[int, Client] = {}  # by client id
        self.auto_bind = False  # client 0 wants manual orders as its own

    # ---- whom --------------------------------------------------------------------------------------------------
    def hearers(self, record: OrderRecord, *, trades: bool = False) -> Iterator[Client]:
        """Connected clients that see an order, or its trades, by themselves."""
        unbound = record.manual and not record.bound_id and not trades
        for client_id, client in self.clients.items():
            if client_id == self._registry.master_client_id or (client_id == record.client_id and not unbound):
                yield client

    def sees(self, client: Client, record: OrderRecord) -> bool:
        """Whether a client sees an order without asking for everybody's."""
        return client.client_id in (record.client_id, self._registry.master_client_id)

    def id_for(self, client: Client, record: OrderRecord) -> int:
        """What an order is called towards a client: manual ones have an id for client 0 only, once bound."""
        if record.manual:
            return record.bound_id if client.client_id == MANUAL_CLIENT else 0
        return record.order_id

    # ---- what --------------------------------------------------------------------------------------------------
    def order(self, record: OrderRecord) -> None:
        """openOrder and orderStatus, to all who see it."""
        for _ in range(self._times()):
            for client in self.hearers(record):
                self.order_to(client, record)

    def order_to(self, client: Client, record: OrderRecord) -> None:
        """openOrder and orderStatus, to one."""
        order_id, listed = self.id_for(client, record), self._book.of_inst(record.inst)
        client.send(*open_order_fields(record, listed, client.version, order_id))
        client.send(*status_fields(record, client.version, order_id))

    def status(self, record: OrderRecord) -> None:
        """orderStatus alone, to all who see it."""
        for _ in range(self._times()):
            for client in self.hearers(record):
                client.send(*status_fields(record, client.version, self.id_for(client, record)))

    def what_if(self, client: Client, record: OrderRecord, margins: list[Field]) -> None:
        """The one answer to a what-if."""
        listed = self._book.of_inst(record.inst)
        client.send(*open_order_fields(record, listed, client.version, record.order_id, margins))

    def execution(self, record: OrderRecord, fill: Fill) -> None:
        """execDetails as it happens, to all who see it."""
        for client in self.hearers(record, trades=True):
            self.execution_to(client, record, fill, LIVE)

    def execution_to(self, client: Client, record: OrderRecord, fill: Fill, req_id: int) -> None:
        """execDetails, to one."""
        client.send(
            *execution_fields(
                record,
                fill,
                self._book.of_inst(record.inst),
                client.version,
                req_id=req_id,
                order_id=self.id_for(client, record),
                time=self.time_text(record.inst, fill.ts_ns),
            )
        )

    def commission(self, record: OrderRecord, fill: Fill) -> None:
        """commissionReport, to all who see the order."""
        for client in self.hearers(record, trades=True):
            client.send(*commission_fields(fill))

    def completed_to(self, client: Client, record: OrderRecord) -> None:
        """completedOrder, to one."""
        parent = self._journal.records.get(record.parent)
        client.send(
            *completed_order_fields(
                record,
                self._book.of_inst(record.inst),
                client.version,
                completed_time=self.time_text(record.inst, record.ended_ns),
                parent_perm_id=parent.perm_id if parent is not None else 0,
            )
        )

    def bound(self, client: Client, record: OrderRecord) -> None:
        """orderBound: a manual order has an id from now on."""
        client.send(ORDER_BOUND, record.perm_id, MANUAL_CLIENT, record.bound_id)

    def error(self, record: OrderRecord, code: int, text: str) -> None:
        """An error about an order, to the client whose it is."""
        client = self.clients.get(record.client_id)
        if client is not None and self.id_for(client, record):
            client.error(self.id_for(client, record), code, text)

    # ---- the leaves --------------------------------------------------------------------------------------------
    def time_text(self, inst: int, ts_ns: int) -> str:
        """`yyyymmdd HH:MM:SS US/Eastern`: the instrument's own clock, named as clients can look it up."""
        name = wire_zone(self._world.calendars[self._world.instruments[inst].calendar].table.timezone)
        return f"{datetime.fromtimestamp(ts_ns // NANO, UTC).astimezone(ZoneInfo(name)):%Y%m%d %H:%M:%S} {name}"

    def _times(self) -> int:
        """Real gateways say the same more than once."""
        return 2 if self._world.faults.strikes(NASTY_STATUS) else 1
