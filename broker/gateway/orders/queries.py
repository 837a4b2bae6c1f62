"""What clients ask about orders: open ones, their own or everybody's, completed ones, executions with a filter.

Reads records; the only thing it changes is that client 0 takes manual orders for its own. Every answer has
its End.
"""

from typing import Final

import msgspec

from broker.gateway.moments import parse_moment
from broker.gateway.orders.draft import INVALID, SIDES
from broker.gateway.orders.encode import commission_fields
from broker.gateway.orders.journal import MANUAL_CLIENT, OrderJournal
from broker.gateway.orders.record import API_CANCELLED, DONE, Fill, OrderRecord
from broker.gateway.orders.settings import OrderSettings
from broker.gateway.orders.voice import Voice
from broker.gateway.part import Client, Fields, World

OPEN_END, EXECUTIONS_END, COMPLETED_END = 53, 55, 102
NOT_CLIENT_0: Final = (327, "Only the default client (i.e 0) can auto bind orders.")


class ExecutionFilter(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What reqExecutions asks for; an empty field asks for all."""

    client_id: int = 0
    account: str = ""
    since_ns: int = 0
    symbol: str = ""
    sec_type: str = ""
    exchange: str = ""
    side: int = 0


class Queries:
    """Handlers of messages 5, 7, 15, 16 and 99."""

    def __init__(
        self, world: World, *, settings: OrderSettings, journal: OrderJournal, voice: Voice, zone: str
    ) -> None:
        self._world = world
        self._settings = settings
        self._journal = journal
        self._voice = voice
        self._zone = zone

    def open_orders(self, client: Client, fields: Fields) -> None:
        """reqOpenOrders: the client's own; client 0 takes the manual ones along and makes them its own."""
        for record in self._journal.open_orders():
            if record.client_id != client.client_id:
                continue
            if record.manual:
                self._bind(client, record)
            self._voice.order_to(client, record)
        client.send(OPEN_END, 1)

    def all_open_orders(self, client: Client, fields: Fields) -> None:
        """reqAllOpenOrders: everybody's as they stand, binding nothing."""
        for record in self._journal.open_orders():
            self._voice.order_to(client, record)
        client.send(OPEN_END, 1)

    def auto_open_orders(self, client: Client, fields: Fields) -> None:
        """reqAutoOpenOrders: client 0 wants manual orders, present and future ones, as its own."""
        fields.skip(1)
        wanted = fields.flag()
        if client.client_id != MANUAL_CLIENT:
            client.error(-1, *NOT_CLIENT_0)
            return
        self._voice.auto_bind = wanted
        if wanted:
            for record in self._journal.open_orders():
                self.bind_manual(record)

    def bind_manual(self, record: OrderRecord) -> None:
        """Make a manual order client 0's own, if it is there and wants that."""
        client = self._voice.clients.get(MANUAL_CLIENT)
        if client is not None and self._voice.auto_bind and record.manual and not record.bound_id:
            self._bind(client, record)
            self._voice.order_to(client, record)

    def _bind(self, client: Client, record: OrderRecord) -> None:
        if not record.bound_id:
            self._journal.bind(record)
            self._voice.bound(client, record)

    def completed_orders(self, client: Client, fields: Fields) -> None:
        """reqCompletedOrders: the day's, of all clients; `apiOnly` leaves the manual ones out. What was never sent
        to the server is none.
        """
        api_only = fields.flag()
        for record in self._journal.records.values():
            if record.stage == DONE and record.status != API_CANCELLED and not (api_only and record.manual):
                self._voice.completed_to(client, record)
        client.send(COMPLETED_END)

    def executions(self, client: Client, fields: Fields) -> None:
        """reqExecutions: those of the day the client may see, in order, each with what it cost if that is known."""
        fields.skip(1)
        req_id = fields.integer()
        wanted = self._read_filter(fields)
        if isinstance(wanted, str):
            client.error(req_id, 321, f"{INVALID}{wanted}")
            return
        for fill in self._journal.fills.values():
            record = self._journal.records.get(fill.number)
            if record is None or not self._matches(client, record, fill, wanted):
                continue
            self._voice.execution_to(client, record, fill, req_id)
            if fill.commission_nanos >= 0:
                client.send(*commission_fields(fill))
        client.send(EXECUTIONS_END, 1, req_id)

    def _read_filter(self, fields: Fields) -> ExecutionFilter | str:
        client_id, account, since = fields.integer(), fields.text(), fields.text().strip()
        symbol, sec_type, exchange, side = fields.text(), fields.text(), fields.text(), fields.text().upper()
        since_ns = parse_moment(since, self._zone) if since else 0
        if since_ns is None:
            return "Invalid time format; use yyyymmdd-hh:mm:ss (UTC) or yyyymmdd hh:mm:ss zone"
        if side and side not in SIDES and side not in ("BOT", "SLD"):
            return "Invalid side"
        return ExecutionFilter(
            client_id=client_id,
            account=account,
            since_ns=since_ns,
            symbol=symbol.upper(),
            sec_type=sec_type.upper(),
            exchange=exchange.upper(),
            side=SIDES.get({"BOT": "BUY", "SLD": "SELL"}.get(side, side), 0),
        )

    def _matches(self, client: Client, record: OrderRecord, fill: Fill, wanted: ExecutionFilter) -> bool:
        instrument = self._world.instruments[record.inst]
        manual_too = client.client_id == MANUAL_CLIENT and record.manual
        return (
            (self._settings.executions_of_all or self._voice.sees(client, record) or manual_too)
            and (not wanted.client_id or wanted.client_id == record.client_id)
            and wanted.account in ("", record.account)
            and fill.ts_ns >= wanted.since_ns
            and wanted.symbol in ("", instrument.symbol)
            and wanted.sec_type in ("", instrument.sec_type)
            and wanted.exchange in ("", "SMART", instrument.primary_exchange)
            and wanted.side in (0, record.side)
        )
