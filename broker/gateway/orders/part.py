"""The gateway's orders as one part: who answers which request, how facts and links reach the records, manual orders,
and what outlives a restart. The rules themselves are in the modules it puts together.
"""

from collections.abc import Callable, Mapping
from typing import Any

from broker.gateway.account.settings import AccountSettings
from broker.gateway.contracts.book import ContractBook
from broker.gateway.contracts.listing import Refusal
from broker.gateway.moments import midnight_ns
from broker.gateway.orders.draft import Drafter
from broker.gateway.orders.facts import FactReader
from broker.gateway.orders.intake import Intake
from broker.gateway.orders.journal import MANUAL_CLIENT, OrderJournal
from broker.gateway.orders.lifecycle import Lifecycle
from broker.gateway.orders.limits import Limits
from broker.gateway.orders.queries import Queries
from broker.gateway.orders.record import OrderRecord
from broker.gateway.orders.request import PlaceRequest
from broker.gateway.orders.settings import OrderSettings
from broker.gateway.orders.voice import Voice
from broker.gateway.part import NEVER, Client, Handler, World
from broker.gateway.registry import Registry

PLACE, CANCEL, OPEN, EXECUTIONS, AUTO_OPEN, ALL_OPEN, GLOBAL_CANCEL, COMPLETED = 3, 4, 5, 7, 15, 16, 58, 99


def _plenty(symbol: str) -> int:
    """More shares to borrow than one order may have."""
    return 1_000_000_000


class OrderPart:
    """One `Part`. `timezone` says when the day of executions and completed orders begins, `shortable` how many
    shares of a symbol can be borrowed.
    """

    def __init__(
        self,
        world: World,
        *,
        registry: Registry,
        book: ContractBook,
        settings: OrderSettings,
        account: AccountSettings,
        currency: str,
        timezone: str,
        shortable: Callable[[str], int] = _plenty,
    ) -> None:
        self._world = world
        self._zone = timezone
        self._midnight_ns = NEVER  # the next one, once time has begun
        self.journal = OrderJournal()
        self._voice = Voice(world, registry, book, self.journal)
        drafter = Drafter(world, book)
        limits = Limits(world, settings, account, currency, self.journal, shortable)
        self._lifecycle = Lifecycle(
            world, settings=settings, journal=self.journal, voice=self._voice, drafter=drafter, limits=limits
        )
        self._intake = Intake(
            world,
            settings=settings,
            registry=registry,
            journal=self.journal,
            voice=self._voice,
            drafter=drafter,
            limits=limits,
            lifecycle=self._lifecycle,
        )
        self._facts = FactReader(
            world, settings=settings, journal=self.journal, voice=self._voice, lifecycle=self._lifecycle
        )
        self._queries = Queries(world, settings=settings, journal=self.journal, voice=self._voice, zone=timezone)

    def handlers(self) -> Mapping[int, Handler]:
        """Requests it answers."""
        return {
            PLACE: self._intake.place,
            CANCEL: self._intake.cancel,
            GLOBAL_CANCEL: self._intake.cancel_all,
            OPEN: self._queries.open_orders,
            ALL_OPEN: self._queries.all_open_orders,
            AUTO_OPEN: self._queries.auto_open_orders,
            EXECUTIONS: self._queries.executions,
            COMPLETED: self._queries.completed_orders,
        }

    # ---- the part ----------------------------------------------------------------------------------------------
    def opened(self, client: Client) -> None:
        """A client that comes hears of its orders from now on."""
        self._start_day()
        self._voice.clients[client.client_id] = client

    def closed(self, client: Client) -> None:
        """Its orders stay."""
        if self._voice.clients.get(client.client_id) is client:
            del self._voice.clients[client.client_id]
        if client.client_id == MANUAL_CLIENT:
            self._voice.auto_bind = False

    def on_row(self, row: tuple[Any, ...]) -> None:
        """The venue matches; rows are its."""

    def on_fact(self, ts_ns: int, fact: Any) -> None:
        """A fact of the exchange."""
        self._facts.read(fact)

    def on_link(self, data_lost: bool) -> None:
        """With the server back, what was queued goes out."""
        if not self._world.faults.server_lost:
            self._lifecycle.server_back()

    @property
    def next_due_ns(self) -> int:
        """The next midnight, or shares that are found before."""
        return min(self._midnight_ns, self._lifecycle.next_located_ns)

    def advance(self, ts_ns: int) -> None:
        """Shares to borrow are found. Midnight: executions and completed orders of yesterday are no longer told."""
        self._lifecycle.located(ts_ns)
        if ts_ns >= self._midnight_ns:
            self.journal.roll(midnight_ns(ts_ns, self._zone))
            self._midnight_ns = midnight_ns(ts_ns, self._zone, days=1)

    def dump(self) -> bytes:
        """Records and executions."""
        return self.journal.dump()

    def load(self, state: bytes) -> None:
        """From `dump`."""
        self.journal.load(state)
        self._start_day()

    def new_session(self) -> None:
        """The gateway has restarted: orders that were never transmitted are gone."""
        self.journal.drop_kept()

    # ---- by hand -----------------------------------------------------------------------------------------------
    def place_manual(self, request: PlaceRequest) -> OrderRecord | Refusal:
        """A person places an order at the gateway's screen; it belongs to no client until client 0 binds it."""
        record = self._intake.manual(request)
        if isinstance(record, OrderRecord):
            self._queries.bind_manual(record)
        return record

    def modify_manual(self, record: OrderRecord, request: PlaceRequest) -> Refusal | None:
        """A person changes an order of any client."""
        return self._intake.modify(record, request)

    def cancel_manual(self, perm_id: int) -> bool:
        """A person cancels an order of any client; False if none of that perm id is open."""
        record = self.journal.of_perm(perm_id)
        if record is None or not record.open:
            return False
        self._intake.cancel_order(record)
        return True

    def correct(self, exec_id: str, *, qty_nanos: int, px_nanos: int) -> bool:
        """The venue corrects an execution of the day; quantity 0 busts it. False if there is none of that id."""
        return self._world.exchange.correct_execution(
            exec_id, qty_nanos=qty_nanos, px_nanos=px_nanos, ts_ns=self._world.now_ns
        )

    def _start_day(self) -> None:
        """Time has begun: days are counted from here."""
        if self._midnight_ns == NEVER and self._world.now_ns:
            self._midnight_ns = midnight_ns(self._world.now_ns, self._zone, days=1)
