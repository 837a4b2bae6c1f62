"""The way from the trader to the broker: commands through link and latency to the venue, sync requests and their
answers, and the outages of the link. Commands of one order never overtake each other, and a cancel-all overtakes
nothing.
"""

from typing import Final

import msgspec

from broker.sim.account import Account
from broker.sim.agenda import (
    ARRIVE,
    CANCEL,
    CANCEL_ALL,
    FACT,
    REPLACE,
    SYNC,
    WHAT_IF,
    Agenda,
    CancelAsk,
    Payload,
    Revision,
    SyncAsk,
    WhatIfAsk,
)
from broker.sim.book import WORKED, SimOrder, VenueState
from broker.sim.chance import FAULT_COMMAND, FAULT_SYNC_END, LATENCY_UP, Chance
from broker.sim.config import VenueConfig
from broker.sim.faults import DEGRADED
from broker.sim.outbox import LINK_DEGRADED, LINK_LOST, LINK_READY, Link, Outbox
from broker.sim.sync import sync_facts
from broker.sim.terms import OrderTerms
from broker.sim.worked import Progress, recipe_of
from core.commands import AskWhatIf, CancelAllOrders, CancelOrder, OrderIntent, PlaceOrder, ReplaceOrder, RequestSync
from core.errors import Bug
from core.events import LinkDegraded, LinkLost, LinkRestored, OrderRejected, SyncCompleted, SyncStarted
from core.moments import utc_ns

BrokerCommand = PlaceOrder | ReplaceOrder | CancelOrder | CancelAllOrders | RequestSync | AskWhatIf

# Chance keys of commands that belong to no order; foreign orders' keys (minus the perm id) are far below.
_KEY_CANCEL_ALL: Final = -1
_KEY_SYNC: Final = -2
_KEY_STRAY: Final = -3
_KEY_WHAT_IF: Final = -4


class Waiting(msgspec.Struct, gc=False, array_like=True, kw_only=True):
    """A command the front holds until its server is back: agenda kind, perm id (0 = none), payload."""

    kind: int
    key: int
    payload: Payload


class InboxState(msgspec.Struct, gc=False, array_like=True, kw_only=True, eq=False):
    """What a snapshot keeps."""

    waiting: list[Waiting]
    arrive_ns: int = 0  # the last moment any command reaches the venue
    cancel_alls: int = 0
    strays: int = 0


class Inbox:
    """Takes commands at the moment they leave the trader; knows nothing of matching."""

    __slots__ = (
        "_account", "_agenda", "_chance", "_config", "_drop_ppm", "_link", "_orders", "_outbox", "state",
    )  # fmt: skip

    def __init__(
        self,
        *,
        account: Account,
        agenda: Agenda,
        chance: Chance,
        config: VenueConfig,
        orders: VenueState,
        outbox: Outbox,
        link: Link,
        state: InboxState,
    ) -> None:
        self._account = account
        self._agenda = agenda
        self._chance = chance
        self._config = config
        self._orders = orders
        self._outbox = outbox
        self._link = link
        self._drop_ppm = {rule.kind: rule.drop_ppm for rule in config.faults.messages if rule.drop_ppm}
        self.state = state

    def submit(self, command: BrokerCommand, ts_ns: int) -> None:
        """Hand a command to the broker's front, unless the link swallows it."""
        if isinstance(command, RequestSync):
            self._submit_sync(command, ts_ns)
            return
        if self._swallowed():
            return
        if isinstance(command, PlaceOrder):
            order = command.order
            self._submit_place(_terms(order.intent, order.order_ref, self._config.client_id), ts_ns)
        elif isinstance(command, CancelAllOrders):
            self.state.cancel_alls += 1
            if not self._dropped("CancelAllOrders", _KEY_CANCEL_ALL, self.state.cancel_alls):
                self._route(CANCEL_ALL, None, None, ts_ns)
        elif isinstance(command, AskWhatIf):
            self._submit_question(command, ts_ns)
        elif isinstance(command, CancelOrder):
            self._submit_for(command.order_id, CANCEL, CancelAsk(order_id=command.order_id), "CancelOrder", ts_ns)
        else:
            self._submit_replace(_terms(command.order.intent, "", 0), ts_ns)

    def enter(self, terms: OrderTerms, ts_ns: int) -> None:
        """An order of somebody else's, who needs no approval of ours."""
        if not self._swallowed():
            self._submit_place(terms, ts_ns)

    def amend(self, terms: OrderTerms, ts_ns: int) -> None:
        """The same, for the next version of an order."""
        if not self._swallowed():
            self._submit_replace(terms, ts_ns)

    def answer_sync(self, sync_id: int, ts_ns: int, *, since_ns: int) -> None:
        """The front reads the truth and sends it off; without a server behind it the sync stays incomplete."""
        if self._link.state:
            self._sync_failed(sync_id, ts_ns)
            return
        due_ns = ts_ns + self._config.latency.down_ns
        for fact in sync_facts(sync_id, self._orders, self._account, since_ns=since_ns):
            self._outbox.send(fact, due_ns)
        if self._chance.hits(self._config.faults.sync_end_ppm, _KEY_SYNC, FAULT_SYNC_END, sync_id):
            late_ns = due_ns + self._config.latency.sync_timeout_ns
            self._outbox.send(SyncCompleted(sync_id=sync_id, complete=False, missing="executions"), late_ns)
        else:
            self._outbox.send(SyncCompleted(sync_id=sync_id, complete=True), due_ns)

    def link_down(self, number: int, ts_ns: int) -> None:
        """An outage of the plan begins. A lost socket takes what was on its way to the trader with it."""
        outage = self._config.faults.links[number]
        link = self._link
        link.until_ns = outage.at_ns + outage.duration_ns
        link.data_loss = outage.data_loss
        if outage.kind == DEGRADED:
            link.state = LINK_DEGRADED
            self._outbox.local(LinkDegraded(code=1100, reason="connectivity to the server has been lost"), ts_ns)
            return
        link.state = LINK_LOST
        gone = [entry[4] for entry in self._agenda.remove_kind(FACT)]
        self._outbox.local(LinkLost(code=1300, reason="connection lost"), ts_ns)
        for fact in gone:
            if isinstance(fact, SyncCompleted):  # the adapter's own conclusion, so it is drawn all the same
                self._sync_failed(fact.sync_id, ts_ns)

    def link_up(self, ts_ns: int) -> None:
        """The outage ends; what the front held goes to the venue."""
        lost = self._link.data_loss or self._link.state == LINK_LOST
        self._link.state = LINK_READY
        reason = "1101 restored, data lost" if lost else "1102 restored, data maintained"
        self._outbox.local(LinkRestored(reason=reason), ts_ns)
        waiting, self.state.waiting = self.state.waiting, []
        for item in waiting:
            self._route(item.kind, self._orders.orders.get(item.key), item.payload, ts_ns)

    # ---- the leaves --------------------------------------------------------------------------------------------
    def _swallowed(self) -> bool:
        return self._link.state == LINK_LOST or (self._link.state != 0 and not self._config.faults.resubmit_queued)

    def _submit_place(self, terms: OrderTerms, ts_ns: int) -> None:
        orders = self._orders
        order_id = terms.order_id
        if self._dropped("PlaceOrder", order_id, 0):
            return
        refusal = self._front_refusal(terms)
        if refusal is not None:
            code, text = refusal
            due_ns = ts_ns + self._config.latency.up_ns + self._config.latency.down_ns
            self._outbox.send(OrderRejected(order_id=order_id, code=code, text=text), due_ns)
            return
        perm_id = terms.perm_id or orders.take_perm_id()
        order = _order(terms, perm_id)
        orders.orders[perm_id] = order
        orders.order_ids[order_id] = perm_id
        self._route(ARRIVE, order, None, ts_ns)

    def _submit_replace(self, terms: OrderTerms, ts_ns: int) -> None:
        self._submit_for(terms.order_id, REPLACE, _revision(terms), "ReplaceOrder", ts_ns)

    def _front_refusal(self, terms: OrderTerms) -> tuple[int, str] | None:
        if terms.order_id <= 0:
            return 10149, f"Invalid order id: {terms.order_id}"
        if terms.order_id in self._orders.order_ids or (
            terms.order_id <= self._orders.order_id_purged and not terms.perm_id  # held back, not used before
        ):
            return 103, "Duplicate order id"
        if not 0 <= terms.inst < len(self._orders.books):
            return 200, "No security definition has been found for the request"
        return None

    def _submit_for(self, order_id: int, kind: int, payload: Payload, name: str, ts_ns: int) -> None:
        """Send a replace or cancel; it travels on its own if the broker knows no such order."""
        perm_id = self._orders.order_ids.get(order_id)
        order = self._orders.orders[perm_id] if perm_id is not None else None
        if order is not None:
            order.commands += 1
        else:
            self.state.strays += 1
        counter = order.commands if order is not None else self.state.strays
        if not self._dropped(name, order_id, counter):
            self._route(kind, order, payload, ts_ns)

    def _submit_sync(self, command: RequestSync, ts_ns: int) -> None:
        self._link.syncs += 1
        sync_id = self._link.syncs
        self._outbox.local(SyncStarted(sync_id=sync_id, reason=command.reason), ts_ns)
        if self._link.state or self._dropped("RequestSync", _KEY_SYNC, sync_id):
            self._sync_failed(sync_id, ts_ns + self._config.latency.sync_timeout_ns)
            return
        self._agenda.push(
            ts_ns + self._up_ns(_KEY_SYNC, sync_id), SYNC, 0, SyncAsk(sync_id=sync_id, since_ns=command.since_ns)
        )

    def _submit_question(self, command: AskWhatIf, ts_ns: int) -> None:
        """A question is not held for later: without a server behind the front it has no answer."""
        if self._link.state or self._dropped("AskWhatIf", _KEY_WHAT_IF, command.order_id):
            return
        ask = WhatIfAsk(
            request_id=command.order_id, inst=command.inst, side=command.side, qty_nanos=command.qty_nanos,
            limit_px_nanos=command.limit_px_nanos,
        )  # fmt: skip
        self._agenda.push(ts_ns + self._up_ns(_KEY_WHAT_IF, command.order_id), WHAT_IF, 0, ask)

    def _sync_failed(self, sync_id: int, ts_ns: int) -> None:
        self._outbox.local(SyncCompleted(sync_id=sync_id, complete=False, missing="link"), ts_ns)

    def _route(self, kind: int, order: SimOrder | None, payload: Payload, ts_ns: int) -> None:
        """Send a command from the front to the venue, or hold it while there is no server."""
        if self._link.state:
            key = order.perm_id if order is not None else 0
            self.state.waiting.append(Waiting(kind=kind, key=key, payload=payload))
            return
        state = self.state
        if order is not None:
            due_ns = max(ts_ns + self._up_ns(order.key, order.commands), order.arrive_ns)
            order.arrive_ns = due_ns
        elif kind == CANCEL_ALL:
            due_ns = max(ts_ns + self._up_ns(_KEY_CANCEL_ALL, state.cancel_alls), state.arrive_ns)
        else:
            due_ns = ts_ns + self._up_ns(_KEY_STRAY, state.strays)
        state.arrive_ns = max(state.arrive_ns, due_ns)
        self._agenda.push(due_ns, kind, order.perm_id if order is not None else 0, payload)

    def _up_ns(self, key: int, counter: int) -> int:
        latency = self._config.latency
        return latency.up_ns + self._chance.jitter(latency.up_jitter_ns, key, LATENCY_UP, counter)

    def _dropped(self, name: str, key: int, counter: int) -> bool:
        ppm = self._drop_ppm.get(name, 0) if self._drop_ppm else 0
        return self._chance.hits(ppm, key, FAULT_COMMAND, counter)


def _terms(intent: OrderIntent, order_ref: str, client_id: int) -> OrderTerms:
    recipe = recipe_of(intent.broker_algo, intent.broker_params, utc_ns) if intent.broker_algo else None
    if isinstance(recipe, str):
        raise Bug(f"order {intent.order_id}: {recipe}")
    return OrderTerms(
        recipe=recipe,
        order_id=intent.order_id,
        version=intent.version,
        order_ref=order_ref,
        client_id=client_id,
        inst=intent.inst,
        side=intent.side,
        qty_nanos=intent.qty_nanos,
        order_type=intent.order_type,
        limit_px_nanos=intent.limit_px_nanos,
        stop_px_nanos=intent.stop_px_nanos,
        tif=intent.tif,
        gtd_ts_ns=intent.gtd_ts_ns,
        outside_rth=intent.outside_rth,
        oca_group=intent.oca_group,
        oca_type=intent.oca_type,
    )


def _order(terms: OrderTerms, perm_id: int) -> SimOrder:
    return SimOrder(
        order_id=terms.order_id,
        perm_id=perm_id,
        order_ref=terms.order_ref,
        client_id=terms.client_id,
        inst=terms.inst,
        side=terms.side,
        qty_nanos=terms.qty_nanos,
        order_type=terms.order_type,
        working_type=terms.order_type if terms.recipe is None else WORKED,
        progress=None if terms.recipe is None else Progress(recipe=terms.recipe),
        limit_px_nanos=terms.limit_px_nanos,
        stop_px_nanos=terms.stop_px_nanos,
        trail_nanos=terms.trail_nanos,
        trail_ppm=terms.trail_ppm,
        tif=terms.tif,
        gtd_ts_ns=terms.gtd_ts_ns,
        outside_rth=terms.outside_rth,
        oca_group=terms.oca_group,
        oca_type=terms.oca_type,
        key=terms.order_id,
    )


def _revision(terms: OrderTerms) -> Revision:
    return Revision(
        order_id=terms.order_id,
        version=terms.version,
        inst=terms.inst,
        side=terms.side,
        qty_nanos=terms.qty_nanos,
        order_type=terms.order_type,
        limit_px_nanos=terms.limit_px_nanos,
        stop_px_nanos=terms.stop_px_nanos,
        trail_nanos=terms.trail_nanos,
        trail_ppm=terms.trail_ppm,
        tif=terms.tif if terms.hours else 0,
        gtd_ts_ns=terms.gtd_ts_ns,
        outside_rth=terms.outside_rth,
    )
