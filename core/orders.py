"""The life of one order as a literal table (facts as IBKR sends them). Unknown is a state, never a guess: it keeps its
risk reserved until evidence settles it. A pair that is not in the table is a bug and raises with the order's story.
"""

from enum import IntEnum
from typing import Final

import msgspec

from core.errors import Bug
from core.ids import SIDE_NAMES, Side
from core.story import Story, tell
from core.units import exact_text


class State(IntEnum):
    """Order states; values are journalled in snapshots and never renumbered."""

    SENDING = 1  # command recorded; the broker has not answered
    WORKING = 2
    CANCELLING = 3  # cancel sent, order may still fill
    UNKNOWN = 4  # no answer, crash or link loss in between: reserved until settled by evidence
    INACTIVE = 5  # IBKR Inactive: held or about to revive
    FILLED = 10
    CANCELLED = 11
    REJECTED = 12
    LOST = 13  # settled as never arrived (or by an operator); a later fill is still booked, and halts
    NOT_SENT = 14  # refused by our own port; it never left


TERMINAL_FROM: Final = 10
# Bound once: looking a member up in its enum costs more than the comparison (the executor asks at every step).
_SENDING: Final = State.SENDING
_CANCELLING: Final = State.CANCELLING
_UNKNOWN: Final = State.UNKNOWN


class Fact(IntEnum):
    """What can happen to an order."""

    ACK = 1
    PART = 2  # a fill that leaves a rest
    FULL = 3  # a fill that completes the order
    CANCEL_SENT = 4
    CANCELLED = 5
    REJECTED = 6
    CANCEL_REFUSED = 7
    CANCEL_NOT_FOUND = 8  # 10147: the broker does not know the order
    INACTIVE = 9
    SILENCE = 10  # no answer in time, crash, link loss
    ABSENT = 11  # settled: two complete syncs do not show it, or an operator said so
    NOT_SENT = 12
    REDUCED = 13  # a correction or bust took executed quantity back
    LISTED = 14  # a sync asked for after its last change lists it as open at the broker


# (state, fact) -> (next state, why this row is odd; empty = ordinary)
Row = tuple[State, str]
_S = State
TABLE: Final[dict[tuple[State, Fact], Row]] = {
    (_S.SENDING, Fact.ACK): (_S.WORKING, ""),
    (_S.SENDING, Fact.PART): (_S.WORKING, "fill before acknowledgement (IBKR: execDetails may precede openOrder)"),
    (_S.SENDING, Fact.FULL): (_S.FILLED, ""),  # MKT: 11 may come with no status at all
    (_S.SENDING, Fact.CANCEL_SENT): (_S.CANCELLING, ""),
    (_S.SENDING, Fact.CANCELLED): (_S.CANCELLED, ""),  # IOC unfilled, price protection
    (_S.SENDING, Fact.REJECTED): (_S.REJECTED, ""),
    (_S.SENDING, Fact.INACTIVE): (_S.INACTIVE, ""),
    (_S.SENDING, Fact.SILENCE): (_S.UNKNOWN, ""),
    (_S.SENDING, Fact.NOT_SENT): (_S.NOT_SENT, ""),
    (_S.SENDING, Fact.ABSENT): (_S.LOST, ""),
    (_S.SENDING, Fact.LISTED): (_S.WORKING, ""),
    (_S.WORKING, Fact.ACK): (_S.WORKING, ""),  # duplicates of openOrder/orderStatus are normal
    (_S.WORKING, Fact.PART): (_S.WORKING, ""),
    (_S.WORKING, Fact.FULL): (_S.FILLED, ""),
    (_S.WORKING, Fact.CANCEL_SENT): (_S.CANCELLING, ""),
    (_S.WORKING, Fact.CANCELLED): (_S.CANCELLED, ""),  # expiry, price protection, another client
    (_S.WORKING, Fact.REJECTED): (_S.REJECTED, "rejected after it was working (201 may follow PreSubmitted)"),
    (_S.WORKING, Fact.CANCEL_REFUSED): (_S.WORKING, "answer to a cancel that was not pending"),
    (_S.WORKING, Fact.CANCEL_NOT_FOUND): (_S.UNKNOWN, "the broker does not know a working order (10147)"),
    (_S.WORKING, Fact.INACTIVE): (_S.INACTIVE, ""),
    (_S.WORKING, Fact.SILENCE): (_S.WORKING, ""),
    (_S.WORKING, Fact.NOT_SENT): (_S.WORKING, ""),  # a replace or cancel of ours that never left
    (_S.WORKING, Fact.ABSENT): (_S.LOST, "a working order vanished at the broker"),
    (_S.WORKING, Fact.LISTED): (_S.WORKING, ""),
    (_S.WORKING, Fact.REDUCED): (_S.WORKING, "execution corrected"),
    (_S.CANCELLING, Fact.ACK): (_S.CANCELLING, ""),
    (_S.CANCELLING, Fact.PART): (_S.CANCELLING, ""),  # fill while PendingCancel
    (_S.CANCELLING, Fact.FULL): (_S.FILLED, ""),
    (_S.CANCELLING, Fact.CANCEL_SENT): (_S.CANCELLING, ""),
    (_S.CANCELLING, Fact.CANCELLED): (_S.CANCELLED, ""),
    (_S.CANCELLING, Fact.REJECTED): (_S.REJECTED, ""),
    (_S.CANCELLING, Fact.CANCEL_REFUSED): (_S.WORKING, ""),
    (_S.CANCELLING, Fact.CANCEL_NOT_FOUND): (_S.UNKNOWN, "the broker does not know an order we cancelled (10147)"),
    (_S.CANCELLING, Fact.INACTIVE): (_S.INACTIVE, ""),
    (_S.CANCELLING, Fact.SILENCE): (_S.UNKNOWN, ""),  # an unknown cancel: the order still counts as working
    (_S.CANCELLING, Fact.NOT_SENT): (_S.WORKING, ""),
    (_S.CANCELLING, Fact.ABSENT): (_S.LOST, ""),
    (_S.CANCELLING, Fact.LISTED): (_S.CANCELLING, ""),
    (_S.CANCELLING, Fact.REDUCED): (_S.CANCELLING, "execution corrected"),
    (_S.UNKNOWN, Fact.ACK): (_S.WORKING, ""),
    (_S.UNKNOWN, Fact.PART): (_S.WORKING, ""),
    (_S.UNKNOWN, Fact.FULL): (_S.FILLED, ""),
    (_S.UNKNOWN, Fact.CANCEL_SENT): (_S.UNKNOWN, ""),
    (_S.UNKNOWN, Fact.CANCELLED): (_S.CANCELLED, ""),
    (_S.UNKNOWN, Fact.REJECTED): (_S.REJECTED, ""),
    (_S.UNKNOWN, Fact.CANCEL_REFUSED): (_S.UNKNOWN, ""),
    (_S.UNKNOWN, Fact.CANCEL_NOT_FOUND): (_S.UNKNOWN, ""),
    (_S.UNKNOWN, Fact.INACTIVE): (_S.INACTIVE, ""),
    (_S.UNKNOWN, Fact.SILENCE): (_S.UNKNOWN, ""),
    (_S.UNKNOWN, Fact.NOT_SENT): (_S.UNKNOWN, ""),
    (_S.UNKNOWN, Fact.ABSENT): (_S.LOST, ""),
    (_S.UNKNOWN, Fact.LISTED): (_S.WORKING, ""),
    (_S.UNKNOWN, Fact.REDUCED): (_S.UNKNOWN, "execution corrected"),
    (_S.INACTIVE, Fact.ACK): (_S.WORKING, "revived from Inactive"),
    (_S.INACTIVE, Fact.PART): (_S.WORKING, "filled while Inactive"),
    (_S.INACTIVE, Fact.FULL): (_S.FILLED, "filled while Inactive"),
    (_S.INACTIVE, Fact.CANCEL_SENT): (_S.CANCELLING, ""),
    (_S.INACTIVE, Fact.CANCELLED): (_S.CANCELLED, ""),
    (_S.INACTIVE, Fact.REJECTED): (_S.REJECTED, ""),
    (_S.INACTIVE, Fact.CANCEL_REFUSED): (_S.INACTIVE, ""),
    (_S.INACTIVE, Fact.CANCEL_NOT_FOUND): (_S.UNKNOWN, ""),
    (_S.INACTIVE, Fact.INACTIVE): (_S.INACTIVE, ""),
    (_S.INACTIVE, Fact.SILENCE): (_S.INACTIVE, ""),
    (_S.INACTIVE, Fact.NOT_SENT): (_S.INACTIVE, ""),
    (_S.INACTIVE, Fact.ABSENT): (_S.LOST, ""),
    (_S.INACTIVE, Fact.LISTED): (_S.INACTIVE, ""),
    (_S.INACTIVE, Fact.REDUCED): (_S.INACTIVE, "execution corrected"),
}


def _terminal_rows() -> None:
    """Terminal states keep their state whatever is said; fills are still booked and every such row is odd."""
    for state in (_S.FILLED, _S.CANCELLED, _S.REJECTED, _S.LOST, _S.NOT_SENT):
        for fact in Fact:
            TABLE[state, fact] = (state, f"{fact.name.lower()} after {state.name.lower()}")
        for quiet in (Fact.CANCEL_SENT, Fact.SILENCE, Fact.NOT_SENT, Fact.CANCEL_REFUSED, Fact.CANCEL_NOT_FOUND):
            TABLE[state, quiet] = (state, "")  # late answers to our own cancels
        TABLE[state, Fact.ABSENT] = (state, "")
    TABLE[_S.FILLED, Fact.ACK] = (_S.FILLED, "")  # IBKR: status often trails the execution
    TABLE[_S.CANCELLED, Fact.CANCELLED] = (_S.CANCELLED, "")  # 202 after orderStatus Cancelled
    TABLE[_S.CANCELLED, Fact.FULL] = (_S.FILLED, "fill after cancel completed the order")
    for state in (_S.FILLED, _S.CANCELLED, _S.REJECTED, _S.LOST, _S.NOT_SENT):  # an operator or a fact was wrong
        TABLE[state, Fact.LISTED] = (_S.WORKING, f"{state.name.lower()} here and still open at the broker")
    TABLE[_S.LOST, Fact.PART] = (_S.WORKING, "an order settled as lost is being filled")
    TABLE[_S.LOST, Fact.FULL] = (_S.FILLED, "an order settled as lost was filled")
    TABLE[_S.LOST, Fact.ACK] = (_S.WORKING, "an order settled as lost is working at the broker")
    TABLE[_S.FILLED, Fact.REDUCED] = (_S.FILLED, "execution corrected after the order was complete")


_terminal_rows()


class Order(msgspec.Struct, gc=False, kw_only=True):
    """One order of ours: what was approved, what the broker says, what it keeps reserved."""

    order_id: int
    parent_id: int
    slice_no: int
    strategy: str
    inst: int
    side: Side
    qty_nanos: int
    order_type: int
    limit_px_nanos: int
    tif: int
    purpose: int
    order_ref: str
    notional_nanos: int  # the gate's valuation of the whole quantity
    reduce_only: bool
    sent_ts_ns: int
    state: State = State.SENDING
    filled_nanos: int = 0
    perm_id: int = 0
    version: int = 0
    pending_version: int = 0  # a replace in flight, with its quantity and price
    pending_qty_nanos: int = 0
    pending_px_nanos: int = 0
    pending_notional_nanos: int = 0
    changed_ts_ns: int = 0  # last change of state, price or quantity
    cancel_ts_ns: int = 0
    absent_syncs: int = 0  # complete syncs that did not show it while UNKNOWN
    absent_since_ns: int = 0
    story: Story = []
    algo: str = ""  # control 28, with `strategy` and `purpose`: what made the order, and which operator asked for it
    operator: str = ""
    broker_algo: str = ""  # the broker works it: it is cancelled, never replaced
    oca_group: str = ""
    bracket: int = 0  # the manual order whose fills it closes
    broker_params: tuple[tuple[str, str], ...] = ()

    @property
    def live(self) -> bool:
        """Not terminal: it may still fill."""
        return self.state < TERMINAL_FROM

    @property
    def busy(self) -> bool:
        """An answer is outstanding: the executor waits."""
        state = self.state
        return self.pending_version > 0 or state is _SENDING or state is _CANCELLING or state is _UNKNOWN

    @property
    def remaining_nanos(self) -> int:
        """What the working version may still fill."""
        return self.qty_nanos - self.filled_nanos

    @property
    def reserved_nanos(self) -> int:
        """Quantity kept reserved: the larger of the working and the pending version, less fills; 0 when terminal."""
        if self.state >= TERMINAL_FROM:
            return 0
        most = self.qty_nanos if self.qty_nanos >= self.pending_qty_nanos else self.pending_qty_nanos
        return most - self.filled_nanos if most > self.filled_nanos else 0


def advance(order: Order, fact: Fact, *, seq: int, ts_ns: int) -> str:
    """Move an order by the table; returns why the row is odd ("" = ordinary). Raises Bug on a missing pair."""
    row = TABLE.get((order.state, fact))
    if row is None:
        raise Bug(f"order {order.order_id}: no row for {order.state.name} + {fact.name}; {describe(order)}")
    state, odd = row
    tell(order.story, seq, ts_ns, fact.name)
    if state is not order.state:
        order.state = state
        order.changed_ts_ns = ts_ns
    return odd


def describe(order: Order) -> str:
    """One line with the order's whole story, for errors and alerts."""
    story = " > ".join(f"{what}@{seq}" for seq, _, what in order.story)
    return (
        f"#{order.order_id} {SIDE_NAMES[order.side]} {exact_text(order.qty_nanos)} inst {order.inst} at "
        f"{exact_text(order.limit_px_nanos)} {order.state.name} filled {exact_text(order.filled_nanos)} [{story}]"
    )
