"""Facts the broker tells about our orders."""

from typing import Final

from core.events.base import Event
from core.ids import Side

# Order status words of the broker that matter to us (IBKR orderStatus); the adapter maps everything else to these.
PENDING_SUBMIT: Final = 0
PRE_SUBMITTED: Final = 1
SUBMITTED: Final = 2
PENDING_CANCEL: Final = 3
STATUS_FILLED: Final = 4
STATUS_CANCELLED: Final = 5
STATUS_INACTIVE: Final = 6


class OrderAcknowledged(Event, frozen=True, tag=10):
    """The broker holds the order (PreSubmitted or Submitted)."""

    order_id: int
    perm_id: int = 0
    status: int = SUBMITTED


class OrderFilled(Event, frozen=True, tag=11):
    """One execution. `exec_id` makes it unique; the same id again is ignored."""

    order_id: int
    exec_id: str
    side: Side
    qty_nanos: int
    px_nanos: int
    inst: int
    perm_id: int = 0
    order_ref: str = ""
    exchange_ts_ns: int = 0
    liquidity: int = 0  # 1 added, 2 removed, 3 routed out (IBKR lastLiquidity)


class ExecutionCorrected(Event, frozen=True, tag=12):
    """An execution was replaced (IBKR: last segment of the exec id + 1) or, with quantity 0, busted."""

    order_id: int
    exec_id: str
    corrects: str  # the exec id replaced
    qty_nanos: int
    px_nanos: int


class CommissionReported(Event, frozen=True, tag=13):
    """The cost of one execution; may come late, or before its execution."""

    exec_id: str
    commission_nanos: int
    currency: str = "USD"


class OrderCancelled(Event, frozen=True, tag=14):
    """The order is off the book; fills may still come."""

    order_id: int
    reason: str = ""


class OrderRejected(Event, frozen=True, tag=15):
    """The broker refused the order."""

    order_id: int
    code: int
    text: str = ""


class OrderReplaced(Event, frozen=True, tag=16):
    """The broker works the new version of the order."""

    order_id: int
    version: int
    qty_nanos: int
    limit_px_nanos: int


class ReplaceRejected(Event, frozen=True, tag=17):
    """The new version was refused; the old one stays live (IBKR code 110 on a modify)."""

    order_id: int
    version: int
    code: int
    text: str = ""


class CancelRejected(Event, frozen=True, tag=18):
    """The cancel was refused (161, 10147, 10148): the order is in whatever state the next fact says."""

    order_id: int
    code: int
    text: str = ""


class OrderInactivated(Event, frozen=True, tag=19):
    """IBKR's Inactive: held, rejected or about to revive; it keeps its risk reserved."""

    order_id: int
    reason: str = ""
