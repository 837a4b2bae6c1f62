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
from core.money.snapshot import dump
from core.money.state import READY, Money
from core.orders import State
from daemon.command_digest import DECIDING, _content
from daemon.machine import Machine
from risk.triggers import LIFTS_ITSELF
from tests.simulation.world import (
    GROSS_MAX,
    ORDER_MAX,
    POSITION_MAX,
    SYMBOLS,
    WORKING_EXIT_RESERVE,
    WORKING_MAX,
)

STEPS_PER_SECOND_MAX = 200
NANO = 10**9
LIFTING = (e.OperatorResumed, e.DifferenceAcknowledged, e.DeployArmed)
LISTED = (e.ExecutionReported, e.CommissionReported, e.CompletedOrderReported)
LatchKeys = dict[tuple[int, str, str], int]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Of the account, as its config has them."""

    order_nanos: int = ORDER_MAX
    position_nanos: int = POSITION_MAX
    gross_nanos: int = GROSS_MAX
    working: int = WORKING_MAX
    working_exit_reserve: int = WORKING_EXIT_RESERVE


class Watch:
    """Checks every step, every send and the end; counts what it saw."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
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
        self.forgetful = False

    # ---- every step --------------------------------------------------------------------------------------------
    def after_step(self, machine: Machine, event: Any, ts_ns: int) -> None:
        """Books add up, latches stay, nothing spins."""
        machine.engine.assert_invariants()
        self._count(event, ts_ns)
        held = latch_keys(machine.engine.money)
        if not isinstance(event, LIFTING):
            gone = [
                key
                for key in self.latches
                if key[2] not in LIFTS_ITSELF and (key not in held or held[key] < self.latches[key])
            ]
            assert not gone, f"latches {gone} vanished by themselves on {event!r}"
        self.latches = held
        _check_children(machine.engine.money)
        _check_marks(machine)

    def _count(self, event: Any, ts_ns: int) -> None:
        name = type(event).__name__
        self.counts[name] = self.counts.get(name, 0) + 1
        self.steps += 1
        if isinstance(event, LISTED):
            return  # as many as there is history, once per sync
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
            if isinstance(message, c.PlaceOrder):
                algo = f"children of {message.order.intent.algo}"
                self.counts[algo] = self.counts.get(algo, 0) + 1
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
        assert intent.qty_nanos <= self.limits.order_nanos, f"order {intent.order_id} is larger than the limit"
        exchange = machine.exchange
        assert exchange is not None, "the simulation always has a venue"
        check_limits(machine, exchange, approved, self.limits)

    # ---- crash -------------------------------------------------------------------------------------------------
    def recovered(self, machine: Machine, latches: LatchKeys, *, exact: bool, before: Money) -> None:
        """Whatever was latched is latched, and nothing that was sent is forgotten."""
        money = machine.engine.money
        held = latch_keys(money)
        lost = [key for key in latches if key not in held]
        assert not lost, f"latches {lost} did not survive the crash"
        self.latches = held
        for order_id in self.sent:
            # After a lost tail it is the first sync that says which ids are taken: nothing leaves before it.
            assert order_id < money.next_order_id or self.forgetful, (
                f"order {order_id} was sent and the journal does not know it"
            )
        for order_id, order in money.orders.items():  # journalled and never sent: its id is used up all the same
            if order_id not in self.sent and order.order_ref:
                self.sent[order_id] = order.order_ref
                self.refs[order.order_ref] = order_id
        if exact:
            assert set(money.live_orders) == set(before.live_orders), "recovery has other live orders"
            assert money.ledger.holdings == before.ledger.holdings, "recovery has other holdings"
            assert money.ledger.cash == before.ledger.cash, "recovery has other cash"
            assert dump(money) == dump(before), "recovery has another money state"

    def in_doubt(self, machine: Machine, *, crashed: bool) -> None:
        """Back from a crash, before the first word of the broker: nothing that had no answer counts as answered."""
        money = machine.engine.money
        assert money.link != READY, "the link is READY before anyone said so"
        for order in money.live_orders.values():
            waits = order.state in (State.SENDING, State.CANCELLING)
            assert not (waits and crashed), f"not in doubt after a crash: {money.story_of(order.order_id)}"

    def tail_lost(self, machine: Machine, exchange: Exchange) -> None:
        """Orders the broker never got may be numbered again; all others may not, though the journal lacks them."""
        at_broker = exchange._venue.state.order_ids
        for order_id in [order_id for order_id in self.sent if order_id not in at_broker]:
            if order_id >= machine.engine.money.next_order_id:
                del self.sent[order_id]
        self.latches = latch_keys(machine.engine.money)
        self.forgetful = True
        self.mistakes += 1  # fills of forgotten orders belong to nobody

    # ---- the end -----------------------------------------------------------------------------------------------
    def in_peace(self, machine: Machine, ts_ns: int) -> None:
        """While trading goes on: whatever nothing is under way for is the same on both sides."""
        exchange = machine.exchange
        assert exchange is not None, "the simulation always has a venue"
        check_settled(machine.engine.money, exchange, ts_ns)

    def note_mistake(self) -> None:
        """An operator settled something against the truth, or took a difference over."""
        self.mistakes += 1

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
        check_parents(money, strict=not self.mistakes)


def latch_keys(money: Money) -> LatchKeys:
    """Every latch with its state."""
    return {(latch.level, latch.scope, latch.code): latch.state for latch in money.latches.held()}


def open_orders(exchange: Exchange) -> list[SimOrder]:
    """What the broker works or will work."""
    return [order for order in exchange._venue.state.orders.values() if not order.done]


def _check_marks(machine: Machine) -> None:
    """What is held is valued, or counted as not valued: the gate must never take it for nothing."""
    exposure, ledger = machine.engine.exposure, machine.engine.money.ledger
    for inst, held in enumerate(ledger.holdings):
        assert not held or exposure.marks[inst] or exposure.unmarked, f"{SYMBOLS[inst]} is held and worth nothing"


def _check_children(money: Money) -> None:
    """One live child per parent, and it is the parent's own."""
    seen: dict[int, int] = {}
    for order in money.live_orders.values():
        most = max(order.qty_nanos, order.pending_qty_nanos) - order.filled_nanos
        assert order.reserved_nanos >= most, f"less reserved than may fill: {money.story_of(order.order_id)}"
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
    for order in open_orders(exchange):  # another client's, which no sync has shown us
        if not order.order_id and order.inst == inst and order.side == side and order.perm_id not in money.foreign:
            unseen += order.remaining_nanos
    return unseen


def check_limits(machine: Machine, exchange: Exchange, approved: c.ApprovedOrder, limits: Limits) -> None:
    """Position, gross and working orders at the broker with this order filled and every other one too."""
    money, intent = machine.engine.money, approved.intent
    work = {order.order_id or -order.perm_id: order for order in open_orders(exchange)}
    replaced = work.pop(intent.order_id, None)
    if intent.version and replaced is None:
        return  # it has ended at the broker, who will refuse: nothing is added
    reserve = limits.working_exit_reserve if approved.reduce_only else 0
    own = 1 + sum(1 for order_id in work if order_id > 0)
    assert own <= limits.working + reserve, f"{own} orders work at the broker"
    if approved.reduce_only:
        return
    inst, side = intent.inst, intent.side
    held = exchange.account.state.positions.get(inst)
    position = 0 if held is None else held.qty_nanos
    rest = sum(order.remaining_nanos for order in work.values() if order.inst == inst and order.side == side)
    filled = 0 if replaced is None else replaced.filled_nanos  # a fill we have not heard of counts once
    worst = side * position + rest + intent.qty_nanos - filled
    slack = unseen_nanos(money, exchange, inst, side)
    assert worst <= limits.position_nanos + slack, (
        f"order {intent.order_id} can lead to {worst} in {SYMBOLS[inst]}, limit {limits.position_nanos}, unseen {slack}"
    )
    check_gross(machine, exchange, approved, work, limits.gross_nanos)


def check_gross(
    machine: Machine, exchange: Exchange, approved: c.ApprovedOrder, work: dict[int, SimOrder], most: int
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
    assert gross <= most * 101 // 100, f"order {approved.intent.order_id} can lead to a gross of {gross}"


def check_working_sets(money: Money, exchange: Exchange) -> None:
    """No live order of ours that the broker lacks, none of the broker's that we lack."""
    ours = sorted(money.live_orders)
    theirs = sorted(order.order_id for order in open_orders(exchange) if order.order_id)
    assert ours == theirs, f"we work {[money.story_of(x) for x in ours]}, the broker {theirs}"
    for order in money.live_orders.values():
        assert order.state is State.WORKING, f"after peace: {money.story_of(order.order_id)}"


def just_ended(exchange: Exchange, order_id: int, ts_ns: int) -> bool:
    """Whether the broker's order ended so short ago that the word of it may be on its way."""
    state = exchange._venue.state
    order = state.orders.get(state.order_ids.get(order_id, 0))
    return order is not None and order.done and ts_ns - order.ended_ns < NANO


def check_settled(money: Money, exchange: Exchange, ts_ns: int) -> None:
    """Orders that were left alone for a second: terms, executed quantity and existence agree."""
    theirs = {order.order_id: order for order in open_orders(exchange) if order.order_id}
    for order in money.live_orders.values():
        moved_ns = max(order.changed_ts_ns, order.sent_ts_ns, order.cancel_ts_ns)
        assert order.state is not State.UNKNOWN, f"after peace: {money.story_of(order.order_id)}"
        if order.busy or ts_ns - moved_ns < NANO:
            continue
        at_broker = theirs.get(order.order_id)
        if at_broker is None and just_ended(exchange, order.order_id, ts_ns):
            continue
        assert at_broker is not None, f"the broker has no {money.story_of(order.order_id)}"
        ours = (order.side, order.qty_nanos, order.limit_px_nanos, order.version)
        assert ours == (at_broker.side, at_broker.qty_nanos, at_broker.limit_px_nanos, at_broker.version), (
            f"{money.story_of(order.order_id)}: the broker has {at_broker}"
        )
    for order_id in theirs:
        assert order_id in money.live_orders or ts_ns - theirs[order_id].arrive_ns < NANO, (
            f"the broker works {theirs[order_id]}, we have {money.story_of(order_id)}"
        )


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
    change = truth.cash_nanos["USD"] - money.ledger.cash["USD"]
    reduced = any(latch.code == "CASH" for latch in money.latches.held(1, ""))
    assert not change or reduced, f"cash {money.ledger.cash['USD']} differs by {change}, and nothing is latched"
    if not strict:
        return
    assert not change, f"cash {money.ledger.cash['USD']} differs by {change}"
    unknown = 0  # the cost of executions taken back before anything could tell us of them
    for exec_id, theirs in truth.executions.items():
        mine = money.ledger.executions.get(exec_id)
        if mine is None and not theirs.qty_nanos:
            unknown += theirs.commission_nanos
            continue
        assert mine is not None, f"execution {exec_id} of order {theirs.order_id} is not booked"
        assert (mine.qty_nanos, mine.px_nanos, mine.side, mine.inst) == (
            theirs.qty_nanos, theirs.px_nanos, theirs.side, theirs.inst,
        ), f"execution {exec_id}: ours {mine}, broker {theirs}"  # fmt: skip
        assert mine.commission_nanos == theirs.commission_nanos, f"cost of {exec_id}: ours {mine}, broker {theirs}"
    adjusted = money.ledger.adjusted_nanos
    assert adjusted == -unknown, f"{adjusted} nanos of cash were booked as unexplained, {-unknown} are to be expected"


def check_parents(money: Money, *, strict: bool) -> None:
    """What the children executed and the books crossed is what the parents got, and never more than was asked for
    (unless an operator settled an order as filled that then did fill: both are booked, and the difference halts).
    """
    filled: dict[int, int] = {}
    for order in money.orders.values():
        filled[order.parent_id] = filled.get(order.parent_id, 0) + order.filled_nanos
    for parent in money.parents.values():
        assert parent.traded_nanos == filled.get(parent.parent_id, 0), f"parent {parent.parent_id}: {parent}"
        assert parent.filled_nanos <= parent.qty_nanos or not strict, (
            f"parent {parent.parent_id} is over-filled: {parent}"
        )


__all__ = ["ACTIVE", "Watch"]
