"""What clients ask of orders: placeOrder new and again, cancelOrder, reqGlobalCancel. Decides what a request means for
which order, refuses what may not be, and hands the rest to the lifecycle.
"""

from typing import Final

from broker.gateway.contracts.listing import Refusal
from broker.gateway.orders.draft import DEFAULT_TIF, Draft, Drafter
from broker.gateway.orders.journal import OrderJournal
from broker.gateway.orders.lifecycle import BY_TRADER, REFUSED_BY_PLAN, Lifecycle
from broker.gateway.orders.limits import Limits
from broker.gateway.orders.record import CANCELLED, DONE, FILLED, KEPT, QUEUED, SENT, WAITS, OrderRecord
from broker.gateway.orders.request import PlaceRequest, read_request
from broker.gateway.orders.settings import OrderSettings
from broker.gateway.orders.terms import new_record
from broker.gateway.orders.voice import Voice
from broker.gateway.part import (
    FILL_AFTER_CANCEL,
    LOST_ORDER,
    REJECT_CANCEL,
    REJECT_MODIFY,
    Client,
    Field,
    Fields,
    World,
)
from broker.gateway.registry import ORDER_ID_MAX, Registry
from core.commands import CancelAllOrders, CancelOrder

DUPLICATE_ID: Final = Refusal(103, "Duplicate order id")
FILLED_MODIFY: Final = Refusal(104, "Cannot modify a filled order.")
MISMATCH: Final = Refusal(105, "Order being modified does not match original order.")
MISSING_PARENT: Final = Refusal(10006, "Missing parent order.")
TOO_MANY: Final = Refusal(201, "Order rejected - reason:too many orders are remembered of today.")
WHAT_IF_TRANSMIT: Final = Refusal(413, "The What-If order should have the transmit-flag set to true.")
STILL_PROCESSED: Final = Refusal(2102, "Unable to modify this order as it is still being processed.")


class Intake:
    """Handlers of message 3, 4 and 58."""

    def __init__(
        self,
        world: World,
        *,
        settings: OrderSettings,
        registry: Registry,
        journal: OrderJournal,
        voice: Voice,
        drafter: Drafter,
        limits: Limits,
        lifecycle: Lifecycle,
    ) -> None:
        self._world = world
        self._settings = settings
        self._registry = registry
        self._journal = journal
        self._voice = voice
        self._drafter = drafter
        self._limits = limits
        self._lifecycle = lifecycle

    # ---- placeOrder --------------------------------------------------------------------------------------------
    def place(self, client: Client, fields: Fields) -> None:
        """A new order, or an order once more: the same id means a modify."""
        request = read_request(fields, client.version)
        known = self._journal.of(client.client_id, request.order_id)
        next_id = self._registry.next_valid_id(client.client_id)
        if known is not None and (known.stage != DONE or request.order_id < next_id):
            refusal = self.modify(known, request)
        elif not 0 < request.order_id <= ORDER_ID_MAX:
            refusal = Refusal(10149, f"Invalid order id: {request.order_id}")
        elif request.order_id < next_id:
            refusal = DUPLICATE_ID
        else:
            refusal = self._new(client, request)
        if refusal is not None:
            client.error(request.order_id, *refusal)

    def _new(self, client: Client, request: PlaceRequest) -> Refusal | None:
        draft = self._draft(request)
        if isinstance(draft, Refusal):
            return draft
        what_if = request.flag("whatIf")
        if what_if and not request.flag("transmit"):
            return WHAT_IF_TRANSMIT
        parent = None
        if request.integer("parentId"):
            parent = self._journal.of(client.client_id, request.integer("parentId"))
            if parent is None or parent.parent or parent.inst != draft.inst:
                return MISSING_PARENT
        if not what_if and self._world.faults.strikes(LOST_ORDER):
            return None
        self._notes(client, request, draft)
        if what_if:
            self._what_if(client, request, draft)
            return None
        if len(self._journal.records) >= self._settings.records_max:
            return TOO_MANY
        record = self._record(client.client_id, request, draft)
        record.parent = parent.number if parent is not None else 0
        self._registry.used(client.client_id, request.order_id)
        self._journal.add(record)
        if request.flag("transmit"):
            self._transmit(record, draft)
        return None

    def manual(self, request: PlaceRequest) -> OrderRecord | Refusal:
        """An order placed by hand, at once."""
        draft = self._draft(request)
        if isinstance(draft, Refusal):
            return draft
        if len(self._journal.records) >= self._settings.records_max:
            return TOO_MANY
        record = self._record(0, request, draft)
        self._journal.add(record)
        self._lifecycle.transmit(record, draft)
        return record

    def _record(self, client_id: int, request: PlaceRequest, draft: Draft) -> OrderRecord:
        return new_record(
            draft,
            request,
            number=self._journal.new_number(),
            perm_id=self._world.exchange.new_perm_id(),
            client_id=client_id,
            ts_ns=self._world.now_ns,
        )

    def _draft(self, request: PlaceRequest) -> Draft | Refusal:
        draft = self._drafter.draft(request)
        if isinstance(draft, Refusal):
            return draft
        return self._limits.precaution(draft, far=request.flag("overridePercentageConstraints")) or draft

    def _notes(self, client: Client, request: PlaceRequest, draft: Draft) -> None:
        if not request.text("tif") and self._settings.tell_default_tif:
            client.error(request.order_id, *DEFAULT_TIF)
        for code, text in draft.notes:
            client.error(request.order_id, code, text)

    def _transmit(self, record: OrderRecord, draft: Draft) -> None:
        """An order goes with what is kept back around it; each one as its last request reads."""
        for member in self._journal.family(record):
            if member.stage != KEPT:
                continue
            reads = draft if member is record else self._drafter.draft(member.request)
            if isinstance(reads, Refusal):
                self._lifecycle.reject(member, reads)
            else:
                self._lifecycle.transmit(member, reads)

    def _what_if(self, client: Client, request: PlaceRequest, draft: Draft) -> None:
        record = new_record(
            draft, request, number=0, perm_id=self._world.exchange.new_perm_id(), client_id=client.client_id,
            ts_ns=self._world.now_ns,
        )  # fmt: skip
        record.status = "PreSubmitted"
        date = self._drafter.session_date(draft.inst, self._world.now_ns, outside_rth=draft.outside_rth)
        margins: list[Field] = self._limits.what_if(draft, date)
        self._voice.what_if(client, record, margins)

    # ---- the same id again -------------------------------------------------------------------------------------
    def modify(self, record: OrderRecord, request: PlaceRequest) -> Refusal | None:
        """An order is sent again, by its client or by hand."""
        if record.stage == DONE:
            if record.status != FILLED:
                return DUPLICATE_ID
            return None if self._settings.silent_modify_of_filled else FILLED_MODIFY
        draft = self._draft(request)
        if isinstance(draft, Refusal):
            return draft
        if not _same_order(record, draft, request):
            return MISMATCH
        if record.cancelling:
            return STILL_PROCESSED
        if record.stage == SENT:
            if self._world.faults.strikes(REJECT_MODIFY):
                return REFUSED_BY_PLAN
            self._lifecycle.amend(record, draft)
            return None
        record.request, record.qty_nanos, record.tif = request, draft.qty_nanos, draft.tif
        record.limit_px_nanos = draft.limit_px_nanos
        if record.stage == WAITS:
            self._voice.order(record)
        elif record.stage == KEPT and request.flag("transmit"):
            self._transmit(record, draft)
        return None

    # ---- cancels -----------------------------------------------------------------------------------------------
    def cancel(self, client: Client, fields: Fields) -> None:
        """cancelOrder."""
        fields.skip(1)
        order_id = fields.integer()
        record = self._journal.of(client.client_id, order_id)
        if record is None and self._settings.cancel_across_clients:
            record = self._journal.of_others(order_id)
        if record is None:
            client.error(order_id, 10147, f"OrderId {order_id} that needs to be cancelled is not found.")
        elif record.stage == DONE:
            text = f"OrderId {order_id} that needs to be cancelled can not be cancelled, state: {record.status}."
            client.error(order_id, 10148, text)
        elif not self._refuses_cancel(client, record):
            self.cancel_order(record)

    def cancel_order(self, record: OrderRecord) -> None:
        """Take an order back, wherever it is."""
        if record.stage in (KEPT, QUEUED):
            self._lifecycle.drop(record)
        elif record.stage == WAITS:
            self._lifecycle.end(record, CANCELLED, BY_TRADER)
        elif record.cancelling:
            self._voice.status(record)  # asked for once more
        else:
            if self._world.faults.strikes(FILL_AFTER_CANCEL):
                self._world.exchange.lose_race(record.number)
            self._lifecycle.cancel_at_venue(record)

    def cancel_all(self, client: Client, fields: Fields) -> None:
        """reqGlobalCancel: every order of the account, whoever placed it."""
        faults = self._world.faults
        spared = False
        for record in list(self._journal.live.values()):
            if record.stage != SENT:
                if record.stage != DONE:  # a parent before it took it along
                    self.cancel_order(record)
            elif self._refuses_cancel(client, record):
                spared = True
            elif not faults.server_lost:
                record.cancelling = True
                if self._settings.tell_pending_cancel:
                    self._voice.status(record)
            else:
                self._lifecycle.cancel_at_venue(record)
        if spared and not faults.server_lost:
            for record in list(self._journal.live.values()):
                if record.stage == SENT and record.cancelling:
                    one = CancelOrder(order_id=record.number, reason="client")
                    self._world.exchange.submit(one, ts_ns=self._world.now_ns)
        elif not faults.server_lost:
            self._world.exchange.submit(CancelAllOrders(reason="client"), ts_ns=self._world.now_ns)

    def _refuses_cancel(self, client: Client, record: OrderRecord) -> bool:
        """By plan: an order at the venue stays there; whoever asked is told if the order is its own."""
        if record.stage != SENT or record.cancelling or not self._world.faults.strikes(REJECT_CANCEL):
            return False
        if record.client_id == client.client_id:
            text = "Cancel attempted when order is not in a cancellable state. Order permId ="
            client.error(record.order_id, 161, f"{text}{record.perm_id}")
        return True


def _same_order(record: OrderRecord, draft: Draft, request: PlaceRequest) -> bool:
    """A modify may change prices, size, hours and time in force, nothing else: no algorithm and none of its tags."""
    return (
        (record.account, record.inst, record.side, record.order_type)
        == (draft.account, draft.inst, draft.side, draft.order_type)
        and request.integer("parentId") in (0, record.parent_order_id)
        and request.text("ocaGroup") in ("", record.oca_group)
        and request.text("algoStrategy") == record.request.text("algoStrategy")
        and dict(request.algo_params) == dict(record.request.algo_params)
        and not request.flag("whatIf")
    )
