"""The way from the venue to the trader: latency, order of facts, message faults and the state of the link. Every fact
leaves through here; nothing else pushes one onto the agenda.

Facts of one order arrive in the order they happened. Commission reports are outside that order, as they are at the
real broker. A fact is never invented or lost without a fault that says so.
"""

from typing import Final

import msgspec

from broker.sim.agenda import FACT, Agenda
from broker.sim.book import SimOrder
from broker.sim.chance import (
    FAULT_COMMISSION_FIRST,
    FAULT_DELAY,
    FAULT_DROP,
    FAULT_DUPLICATE,
    FAULT_REORDER,
    LATENCY_COMMISSION,
    LATENCY_DOWN,
    Chance,
)
from broker.sim.config import VenueConfig
from broker.sim.faults import MessageFault
from core.events import AnyEvent, CommissionReported, OrderFilled

LINK_READY: Final = 0
LINK_DEGRADED: Final = 1
LINK_LOST: Final = 2


class Link(msgspec.Struct, gc=False, array_like=True, kw_only=True, eq=False):
    """State of the connection between trader and broker."""

    state: int = LINK_READY
    until_ns: int = 0
    data_loss: bool = False
    syncs: int = 0  # asked for so far


class Outbox:
    """Schedules facts. `link` is changed by the exchange when an outage begins or ends."""

    __slots__ = ("_agenda", "_chance", "_commission_first_ppm", "_latency", "_rules", "link")

    def __init__(self, agenda: Agenda, chance: Chance, config: VenueConfig, link: Link) -> None:
        self._agenda = agenda
        self._chance = chance
        self._latency = config.latency
        self._commission_first_ppm = config.faults.commission_first_ppm
        self._rules: dict[str, MessageFault] = {rule.kind: rule for rule in config.faults.messages}
        self.link = link

    def order_fact(self, order: SimOrder, fact: AnyEvent, ts_ns: int, *, later_ns: int = 0) -> int:
        """Send a fact of an order that happened at `ts_ns`; returns when it is delivered.

        `later_ns` is extra delay in which later facts of the order may overtake it.
        """
        number = order.facts = order.facts + 1
        latency = self._latency
        due_ns = ts_ns + latency.down_ns
        if latency.down_jitter_ns:
            due_ns += self._chance.jitter(latency.down_jitter_ns, order.key, LATENCY_DOWN, number)
        if due_ns < order.deliver_ns:
            due_ns = order.deliver_ns
        rule = self._rules.get(type(fact).__name__) if self._rules else None
        if later_ns:
            due_ns += later_ns
        elif rule is not None and self._hits(rule.reorder_ppm, order, FAULT_REORDER, number):
            due_ns += rule.delay_ns
        else:
            if rule is not None and self._hits(rule.delay_ppm, order, FAULT_DELAY, number):
                due_ns += rule.delay_ns
            order.deliver_ns = due_ns
        self._send_faulty(order, fact, due_ns, rule, number)
        return due_ns

    def fill(self, order: SimOrder, fill: OrderFilled, cost: CommissionReported, ts_ns: int, *, later_ns: int) -> None:
        """Send an execution and, later, its cost; or, by fault, the other way round."""
        first = self._commission_first_ppm > 0 and self._hits(
            self._commission_first_ppm, order, FAULT_COMMISSION_FIRST, order.executions
        )
        gap_ns = self._latency.commission_ns + self._chance.jitter(
            self._latency.commission_jitter_ns, order.key, LATENCY_COMMISSION, order.executions
        )
        if first:
            gap_ns = max(1, gap_ns)
        due_ns = self.order_fact(order, fill, ts_ns, later_ns=later_ns + gap_ns if first else later_ns)
        number = order.facts = order.facts + 1
        rule = self._rules.get("CommissionReported") if self._rules else None
        cost_ns = due_ns - gap_ns if first else due_ns + gap_ns
        if rule is not None and self._hits(rule.delay_ppm, order, FAULT_DELAY, number):
            cost_ns += rule.delay_ns
        if rule is not None and self._hits(rule.reorder_ppm, order, FAULT_REORDER, number):
            cost_ns += rule.delay_ns
        self._send_faulty(order, cost, cost_ns, rule, number)

    def send(self, fact: AnyEvent, due_ns: int) -> None:
        """Schedule a fact unless the link swallows it: gone while lost, held back or gone while degraded."""
        link = self.link
        if link.state:
            if link.state == LINK_LOST or link.data_loss:
                return
            due_ns = max(due_ns, link.until_ns)
        self._agenda.push(due_ns, FACT, 0, fact)

    def local(self, fact: AnyEvent, due_ns: int) -> None:
        """Schedule what the trader's own end of the link finds out: no outage can swallow it."""
        self._agenda.push(due_ns, FACT, 0, fact)

    def _send_faulty(
        self, order: SimOrder, fact: AnyEvent, due_ns: int, rule: MessageFault | None, number: int
    ) -> None:
        if rule is None:
            self.send(fact, due_ns)
            return
        if self._hits(rule.drop_ppm, order, FAULT_DROP, number):
            return
        self.send(fact, due_ns)
        if self._hits(rule.duplicate_ppm, order, FAULT_DUPLICATE, number):
            self.send(fact, due_ns + rule.delay_ns)

    def _hits(self, ppm: int, order: SimOrder, purpose: int, number: int) -> bool:
        return self._chance.hits(ppm, order.key, purpose, number)
