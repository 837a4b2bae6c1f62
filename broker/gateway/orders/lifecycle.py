"""What happens to an order between its client and the venue: transmitted, held for its parent, sent, refused, ended;
and what that does to its children. Every way into DONE is here. Reads no message and no fact.
"""

from typing import Final

from broker.gateway.contracts.listing import Refusal
from broker.gateway.orders.draft import Draft, Drafter
from broker.gateway.orders.journal import Later, OrderJournal
from broker.gateway.orders.limits import Limits
from broker.gateway.orders.record import (
    API_CANCELLED,
    CANCELLED,
    DONE,
    FILLED,
    INACTIVE,
    KEPT,
    PRE_SUBMITTED,
    QUEUED,
    SENT,
    WAITS,
    OrderRecord,
)
from broker.gateway.orders.settings import OrderSettings
from broker.gateway.orders.terms import venue_terms
from broker.gateway.orders.voice import Voice
from broker.gateway.part import NEVER, REJECT_ORDER, World
from broker.gateway.wire import nanos_text
from broker.sim.oca import REDUCE
from core.commands import CancelOrder
from core.units import NANO

PLACE: Final = 0
MODIFY: Final = 1
CANCEL: Final = 2

CANCELED: Final = (202, "Order Canceled - reason:")
PRICE_PROTECTION: Final = (202, "Order Canceled - reason:the limit price is too far through the market.")
REFUSED_BY_PLAN: Final = Refusal(201, "Order rejected - reason:refused by the fault plan.")
BY_TRADER: Final = "Cancelled by Trader"
BY_SYSTEM: Final = "Cancelled by System:"
LOCATE: Final = (
    404,
    "Shares for this order are not immediately available for short sale. The order will be held while we attempt to"
    " locate the shares.",
)
SIZE_REDUCED: Final = (481, "The order size was reduced to what its parent order was filled for.")
NO_ERROR: Final = 399  # from this code on they do not refuse an order


class Lifecycle:
    """Moves records; the voice tells of every move."""

    def __init__(
        self,
        world: World,
        *,
        settings: OrderSettings,
        journal: OrderJournal,
        voice: Voice,
        drafter: Drafter,
        limits: Limits,
    ) -> None:
        self._world = world
        self._settings = settings
        self._journal = journal
        self._voice = voice
        self._drafter = drafter
        self._limits = limits

    # ---- towards the venue -------------------------------------------------------------------------------------
    def transmit(self, record: OrderRecord, draft: Draft) -> None:
        """A client lets an order go: it is accepted or refused, waits for its parent, or enters the venue."""
        parent = self._journal.records.get(record.parent)
        if record.parent and parent is None:
            self._journal.forget(record)  # its parent died unanswered, and it dies the same way
            return
        if parent is not None and parent.stage == DONE and not parent.filled_nanos:
            self.end(record, CANCELLED, BY_SYSTEM)
            return
        if parent is not None and not record.oca_group:  # brothers and sisters cancel each other
            record.oca_group, record.oca_type = str(parent.perm_id), REDUCE
        refusal = self._limits.refusal(record)
        if refusal is None and self._world.faults.strikes(REJECT_ORDER):
            refusal = REFUSED_BY_PLAN
        if refusal is not None:
            self.reject(record, refusal)
        elif parent is not None and parent.status != FILLED and parent.stage != DONE:
            self._wait(record)
        elif self._limits.protected(record, draft.limit_px_nanos):
            record.stage, record.status = SENT, PRE_SUBMITTED
            self._voice.order(record)
            self.end(record, CANCELLED, BY_SYSTEM, told=PRICE_PROTECTION)
        else:
            self._send(record, draft)

    def _wait(self, record: OrderRecord) -> None:
        """A child of a parent that works is told as held."""
        record.stage, record.status, record.why_held = WAITS, PRE_SUBMITTED, "child"
        self._voice.order(record)

    def _send(self, record: OrderRecord, draft: Draft, *, located: bool = False) -> None:
        faults = self._world.faults
        shares = None if located else self._limits.missing_shares(record)
        if shares is not None:
            self._locate(record, shares)
            return
        if not faults.server_lost:
            record.stage, record.why_held = SENT, ""
            self._world.exchange.enter(venue_terms(record, draft), ts_ns=self._world.now_ns)
        elif faults.hold_orders or record.status:  # what was told before does not vanish
            record.stage = QUEUED
            self._journal.later.append(Later(kind=PLACE, number=record.number))
        else:
            self._journal.forget(record)  # it dies unanswered, as if it had never been sent

    def _locate(self, record: OrderRecord, shares: int) -> None:
        """A short sale waits for shares to borrow; if there are none at all, until it is cancelled."""
        record.stage, record.status, record.why_held = WAITS, PRE_SUBMITTED, "locate"
        self._voice.order(record)
        self._voice.error(record, *LOCATE)
        if shares:
            due_ns = self._world.now_ns + self._settings.locate_s * NANO
            self._journal.locating.append((due_ns, record.number))

    @property
    def next_located_ns(self) -> int:
        """When shares are found next; NEVER if nobody waits for any."""
        return self._journal.locating[0][0] if self._journal.locating else NEVER

    def located(self, ts_ns: int) -> None:
        """Shares are found for whoever waited long enough."""
        while self.next_located_ns <= ts_ns:
            record = self._journal.records.get(self._journal.locating.pop(0)[1])
            if record is not None and record.stage == WAITS:
                self.release(record, located=True)

    def release(self, record: OrderRecord, *, located: bool = False) -> None:
        """What it waited for has come: it enters the venue as it reads now, unless its own day went by meanwhile."""
        draft = self._drafter.draft(record.request)
        if self._drafter.outlived(record):
            self.end(record, CANCELLED, BY_SYSTEM)
        elif isinstance(draft, Refusal):
            self.reject(record, draft)
        else:
            self._send(record, draft, located=located)

    def amend(self, record: OrderRecord, draft: Draft) -> None:
        """A newer version of an order at the venue, pending until the venue answers."""
        faults = self._world.faults
        record.version += 1
        record.pending[record.version] = draft.request
        if not faults.server_lost:
            terms = venue_terms(record, draft, version=record.version)
            self._world.exchange.amend(terms, ts_ns=self._world.now_ns)
        elif faults.hold_orders:
            self._journal.later.append(Later(kind=MODIFY, number=record.number, version=record.version))
        else:
            del record.pending[record.version]

    def cancel_at_venue(self, record: OrderRecord) -> None:
        """Pending until the venue answers."""
        faults = self._world.faults
        if faults.server_lost and not faults.hold_orders:
            return
        record.cancelling = True
        if self._settings.tell_pending_cancel:
            self._voice.status(record)
        if faults.server_lost:
            self._journal.later.append(Later(kind=CANCEL, number=record.number))
        else:
            self._cancel(record)

    def _cancel(self, record: OrderRecord) -> None:
        self._world.exchange.submit(CancelOrder(order_id=record.number, reason="client"), ts_ns=self._world.now_ns)

    def server_back(self) -> None:
        """What was queued while there was no server goes out now, in order."""
        later, self._journal.later = self._journal.later, []
        for item in later:
            record = self._journal.records.get(item.number)
            if record is None or record.stage == DONE:
                continue
            if item.kind == PLACE:
                self.release(record, located=True)  # it was asked about shares before it was queued
            elif item.kind == CANCEL:
                self._cancel(record)
            elif (request := record.pending.pop(item.version, None)) is not None:
                self._amend_again(record, item.version, self._drafter.draft(request))

    def _amend_again(self, record: OrderRecord, version: int, draft: Draft | Refusal) -> None:
        if isinstance(draft, Refusal):
            self._voice.error(record, *draft)
            return
        record.pending[version] = draft.request
        self._world.exchange.amend(venue_terms(record, draft, version=version), ts_ns=self._world.now_ns)

    # ---- the ends ----------------------------------------------------------------------------------------------
    def reject(self, record: OrderRecord, refusal: Refusal) -> None:
        """Refused after it was taken: Inactive, then the reason. Children go with it."""
        record.status, record.completed_status = INACTIVE, "Inactive"
        self._journal.finish(record, self._world.now_ns)
        if self._settings.rejects_show_inactive and refusal.code == 201:
            self._voice.order(record)
        self._voice.error(record, *refusal)
        self._after_end(record)

    def end(self, record: OrderRecord, status: str, completed: str, *, told: tuple[int, str] | None = CANCELED) -> None:
        """It ends by a cancel of whatever kind: the status first, then the code."""
        record.status, record.completed_status, record.why_held = status, completed, ""
        self._journal.finish(record, self._world.now_ns)
        self._voice.status(record)
        if told is not None:
            self._voice.error(record, *told)
        self._after_end(record)

    def filled(self, record: OrderRecord) -> None:
        """It is complete. What it is told by comes after this."""
        record.status, record.why_held = FILLED, ""
        record.completed_status = f"Filled Size: {nanos_text(record.filled_nanos)}"
        self._journal.finish(record, self._world.now_ns)

    def drop(self, record: OrderRecord) -> None:
        """Cancelled before anybody but its client knew it, and what was attached to it."""
        for child in self._journal.children(record.number):
            self.drop(child)
        if record.stage == QUEUED:
            self._journal.later = [item for item in self._journal.later if item.number != record.number]
        self.end(record, CANCELLED if record.status else API_CANCELLED, BY_TRADER)

    def children_of_filled(self, record: OrderRecord) -> None:
        """A complete parent lets its children in."""
        for child in self._journal.children(record.number):
            if child.stage == WAITS:
                self.release(child)

    def _after_end(self, record: OrderRecord) -> None:
        """A parent that ends unfilled takes its children along; one that was filled in part leaves them that part, so
        that what was bought keeps its stop.
        """
        for child in self._journal.children(record.number):
            if child.stage == KEPT:
                continue
            if not record.filled_nanos or child.stage != WAITS:
                self.end(child, CANCELLED, BY_SYSTEM)
                continue
            if child.qty_nanos > record.filled_nanos:
                child.qty_nanos = record.filled_nanos
                self._voice.error(child, *SIZE_REDUCED)
            self.release(child)
