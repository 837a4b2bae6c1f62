"""What must hold, whatever goes wrong. Reads the trader's books and the broker's truth, changes neither."""

import hashlib
from typing import Any

import msgspec

from broker.sim.book import SimOrder
from broker.sim.exchange import Exchange
from core import commands as c
from core import events as e
from core import records as r
from core.latches import ACTIVE, HALTED, REDUCING
from core.money.state import READY, Money
from core.orders import State
from daemon.command_digest import DECIDING, _content
from daemon.machine import Machine
from tests.simulation.world import (
    GROSS_MAX,
    ORDER_MAX,
    POSITION_MAX,
    SYMBOLS,
    WORKING_EXIT_RESERVE,
    WORKING_MAX,
)

STEPS_PER_SECOND_MAX = 400
NANO = 10**9
LIFTING = (e.OperatorResumed, e.DifferenceAcknowledged, e.DeployArmed)
LatchKeys = dict[tuple[int, str, str], int]


class Watch:
    """Checks every step, every send and the end; counts what it saw."""

    def __init__(self) -> None:
        self.sent: dict[int, str] = {}  # order id -> reference, over all lives of the trader
        self.refs: dict[str, int] = {}
        self.latches: LatchKeys = {}
        self.steps = 0
        self.second = 0
        self.in_second = 0
        self.counts: dict[str, int] = {}
        self.mistakes = 0  # what an operator settled wrongly or took over
        self.digest = hashlib.blake2b(digest_size=16)
        self.adjusted = 0

    # ---- every step --------------------------------------------------------------------------------------------
    def after_step(self, machine: Machine, event: Any, ts_ns: int) -> None:
        """Books add up, latches stay, nothing spins."""
        machine.engine.assert_invariants()
        self._count(event, ts_ns)
        held = latch_keys(machine.engine.money)
        if not isinstance(event, LIFTING):
            gone = [key for key in self.latches if key not in held or held[key] < self.latches[key]]
            assert not gone, f"latches {gone} vanished by themselves on {event!r}"
        self.latches = held
        _check_children(machine.engine.money)

    def _count(self, event: Any, ts_ns: int) -> None:
        name = type(event).__name__
        self.counts[name] = self.counts.get(name, 0) + 1
        self.steps += 1
        second = ts_ns // NANO
        self.in_second = self.in_second + 1 if second == self.second else 1
        self.second = second
        assert self.in_second <= STEPS_PER_SECOND_MAX, f"{self.in_second} steps within one second: it spins"
        if type(event) is e.OrderRejected:
            assert event.code != 103, f"the broker saw order id {event.order_id} twice"

    # ---- every send --------------------------------------------------------------------------------------------
    def before_send(self, machine: Machine, records: list[tuple[int, int, Any]], ts_ns: int) -> None:
        """Right before commands leave."""
        money = machine.engine.money
        for kind, _, message in records:
            if kind != r.COMMAND:
                continue
            if isinstance(message, DECIDING):
                self.digest.update(msgspec.msgpack.encode((ts_ns, type(message).__name__, _content(message))))
            name = type(message).__name__
            self.counts[name] = self.counts.get(name, 0) + 1
            if isinstance(message, c.PlaceOrder | c.ReplaceOrder):
                if message.order.ladder_epoch == money.latches.moves:
                    self._check_order(machine, message)
            elif isinstance(message, c.AdjustCash):
                self.adjusted += message.amount_nanos

    def _check_order(self, machine: Machine, command: c.PlaceOrder | c.ReplaceOrder) -> None:
        money, approved = machine.engine.money, command.order
        intent = approved.intent
        assert money.link == READY, f"order {intent.order_id} leaves while the link is not READY"
        if isinstance(command, c.PlaceOrder):
            known = self.sent.get(intent.order_id)
            assert known is None, f"order id {intent.order_id} is sent twice: {known} and {approved.order_ref}"
            assert approved.order_ref not in self.refs, f"reference {approved.order_ref} is sent twice"
            self.sent[intent.order_id] = approved.order_ref
            self.refs[approved.order_ref] = intent.order_id
        state = money.latches.effective(strategy=intent.strategy, symbol=SYMBOLS[intent.inst])
        if state >= REDUCING:
            assert approved.reduce_only, f"order {intent.order_id} adds risk while the ladder is at {state}"
        if state == HALTED:
            assert intent.purpose == c.INTENT_FLATTEN, f"order {intent.order_id} leaves while HALTED"
        assert intent.qty_nanos <= ORDER_MAX, f"order {intent.order_id} is larger than the limit"
        exchange = machine.exchange
        assert exchange is not None, "the simulation always has a venue"
        check_limits(machine, exchange, approved)

    # ---- crash -------------------------------------------------------------------------------------------------
    def recovered(self, machine: Machine, latches: LatchKeys, *, exact: bool, before: Money) -> None:
        """Whatever was latched is latched, and nothing that was sent is forgotten."""
        money = machine.engine.money
        held = latch_keys(money)
        lost = [key for key in latches if key not in held]
        assert not lost, f"latches {lost} did not survive the crash"
        self.latches = held
        for order_id in self.sent:
            assert order_id < money.next_order_id, f"order {order_id} was sent and the journal does not know it"
        for order_id, order in money.orders.items():  # journalled and never sent: its id is used up all the same
            if order_id not in self.sent and order.order_ref:
                self.sent[order_id] = order.order_ref
                self.refs[order.order_ref] = order_id
        if exact:
            assert set(money.live_orders) == set(before.live_orders), "recovery has other live orders"
            assert money.ledger.holdings == before.ledger.holdings, "recovery has other holdings"
            assert money.ledger.cash == before.ledger.cash, "recovery has other cash"

    # ---- the end -----------------------------------------------------------------------------------------------
    def at_end(self, machine: Machine) -> None:
        """All faults are over and everything had time to settle."""
        money, exchange = machine.engine.money, machine.exchange
        assert exchange is not None, "the simulation always has a venue"
        assert money.link == READY, "the link did not come back"
        check_working_sets(money, exchange)
        if money.differences:
            halted = money.latches.scope_state(1, "") == HALTED
            assert halted, f"differences {money.differences} do not halt"
            self.counts["unexplained"] = 1
            check_reported(money, exchange)
        else:
            check_books(money, exchange, strict=not self.mistakes)
        check_parents(money, exchange)


def latch_keys(money: Money) -> LatchKeys:
    """Every latch with its state."""
    return {(latch.level, latch.scope, latch.code): latch.state for latch in money.latches.held()}


def open_orders(exchange: Exchange) -> list[SimOrder]:
    """What the broker works or will work."""
    return [order for order in exchange._venue.state.orders.values() if not order.done]


def _check_children(money: Money) -> None:
    """One live child per parent, and it is the parent's own."""
    seen: dict[int, int] = {}
    for order in money.live_orders.values():
        parent = money.parents.get(order.parent_id)
        if parent is not None and parent.child == order.order_id:
            assert order.parent_id not in seen, f"parent {order.parent_id} has two children"
            seen[order.parent_id] = order.order_id


def unseen_nanos(money: Money, exchange: Exchange, inst: int, side: int) -> int:
    """Executed at the broker in orders that we take for over: nobody could have reserved it."""
    unseen = 0
    for execution in exchange.account.state.executions.values():
        if execution.inst != inst or execution.side != side or execution.exec_id in money.ledger.executions:
            continue
        ours = money.orders.get(execution.order_id)
        if ours is None or not ours.live:
            unseen += execution.qty_nanos
    for mine in money.ledger.executions.values():  # busted at the broker, and we have not heard
        if mine.inst == inst and mine.side == -side and mine.exec_id not in exchange.account.state.executions:
            unseen += mine.qty_nanos
    return unseen


def check_limits(machine: Machine, exchange: Exchange, approved: c.ApprovedOrder) -> None:
    """Position, gross and working orders at the broker with this order filled and every other one too."""
    money, intent = machine.engine.money, approved.intent
    work = {order.order_id or -order.perm_id: order for order in open_orders(exchange)}
    work.pop(intent.order_id, None)
    reserve = WORKING_EXIT_RESERVE if approved.reduce_only else 0
    assert len(work) + 1 <= WORKING_MAX + reserve, f"{len(work) + 1} orders work at the broker"
    if approved.reduce_only:
        return
    inst, side = intent.inst, intent.side
    held = exchange.account.state.positions.get(inst)
    position = 0 if held is None else held.qty_nanos
    rest = sum(order.remaining_nanos for order in work.values() if order.inst == inst and order.side == side)
    own = money.orders.get(intent.order_id)
    filled = 0 if own is None else own.filled_nanos
    worst = side * position + rest + intent.qty_nanos - filled
    slack = unseen_nanos(money, exchange, inst, side)
    assert worst <= POSITION_MAX + slack, (
        f"order {intent.order_id} can lead to {worst} in {SYMBOLS[inst]}, limit {POSITION_MAX}, unseen {slack}"
    )
    check_gross(machine, exchange, approved, work)


def check_gross(
    machine: Machine, exchange: Exchange, approved: c.ApprovedOrder, work: dict[int, SimOrder]
) -> None:
    """Value of positions and orders at the trader's own marks, one percent allowed for their age."""
    money = machine.engine.money
    marks = machine.engine.exposure.marks
    gross = approved.notional_nanos
    for inst, mark in enumerate(marks):
        held = exchange.account.state.positions.get(inst)
        gross += abs(0 if held is None else held.qty_nanos) * mark // NANO
        slack = unseen_nanos(money, exchange, inst, 1) + unseen_nanos(money, exchange, inst, -1)
        gross -= slack * mark // NANO
    gross += sum(order.limit_px_nanos * order.remaining_nanos // NANO for order in work.values())
    assert gross <= GROSS_MAX * 101 // 100, f"order {approved.intent.order_id} can lead to a gross of {gross}"


def check_working_sets(money: Money, exchange: Exchange) -> None:
    """No live order of ours that the broker lacks, none of the broker's that we lack."""
    ours = sorted(money.live_orders)
    theirs = sorted(order.order_id for order in open_orders(exchange) if order.order_id)
    assert ours == theirs, f"we work {[money.story_of(x) for x in ours]}, the broker {theirs}"
    for order in money.live_orders.values():
        assert order.state is State.WORKING, f"after peace: {money.story_of(order.order_id)}"


def check_reported(money: Money, exchange: Exchange) -> None:
    """The report names exactly the positions that differ."""
    reported = {found.inst: found.qty_nanos for found in money.differences if found.kind == "position"}
    for inst, ours in enumerate(money.ledger.holdings):
        held = exchange.account.state.positions.get(inst)
        change = (0 if held is None else held.qty_nanos) - ours
        assert reported.get(inst, 0) == change, f"{SYMBOLS[inst]} differs by {change}, reported {reported}"


def check_books(money: Money, exchange: Exchange, *, strict: bool) -> None:
    """Positions and cash are the broker's; every execution is booked once, with its corrections and its cost."""
    for inst, ours in enumerate(money.ledger.holdings):
        held = exchange.account.state.positions.get(inst)
        assert ours == (0 if held is None else held.qty_nanos), f"{SYMBOLS[inst]}: ours {ours}, broker {held}"
    truth = exchange.account.state
    assert money.ledger.cash["USD"] == truth.cash_nanos["USD"], (
        f"cash {money.ledger.cash['USD']}, broker {truth.cash_nanos['USD']}, "
        f"differs by {truth.cash_nanos['USD'] - money.ledger.cash['USD']}"
    )
    if not strict:
        return
    for exec_id, theirs in truth.executions.items():
        ours = money.ledger.executions.get(exec_id)
        assert ours is not None, f"execution {exec_id} of order {theirs.order_id} is not booked"
        assert (ours.qty_nanos, ours.px_nanos, ours.side, ours.inst) == (
            theirs.qty_nanos, theirs.px_nanos, theirs.side, theirs.inst,
        ), f"execution {exec_id}: ours {ours}, broker {theirs}"  # fmt: skip
        assert ours.commission_nanos == theirs.commission_nanos, f"cost of {exec_id}: ours {ours}, broker {theirs}"
    assert money.ledger.adjusted_nanos == 0, f"{money.ledger.adjusted_nanos} nanos of cash were booked as unexplained"


def check_parents(money: Money, exchange: Exchange) -> None:
    """What the children executed is what the parents got, and never more than was asked for."""
    filled: dict[int, int] = {}
    for order in money.orders.values():
        filled[order.parent_id] = filled.get(order.parent_id, 0) + order.filled_nanos
    for parent in money.parents.values():
        assert parent.filled_nanos == filled.get(parent.parent_id, 0), f"parent {parent.parent_id}: {parent}"


__all__ = ["ACTIVE", "Watch"]
