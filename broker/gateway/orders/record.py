"""One order of the gateway from its first placeOrder to its last report, and one execution of it. Plain state: what is
told to whom and what happens next is decided elsewhere.
"""

from typing import Final

import msgspec

from broker.gateway.orders.request import PlaceRequest
from core.units import NANO, div_half_even

# Where an order is.
KEPT: Final = 0  # transmit = false: nobody but its client knows it; gone with the gateway
WAITS: Final = 1  # told as PreSubmitted, enters the venue when its parent is filled, or shares to borrow are found
QUEUED: Final = 2  # taken while the server is lost, submitted when it is back
SENT: Final = 3  # at the venue, or on its way
DONE: Final = 4

# Status words of the protocol.
PENDING_SUBMIT: Final = "PendingSubmit"  # sent, no answer of the venue yet
PRE_SUBMITTED: Final = "PreSubmitted"
SUBMITTED: Final = "Submitted"
PENDING_CANCEL: Final = "PendingCancel"
FILLED: Final = "Filled"
CANCELLED: Final = "Cancelled"
API_CANCELLED: Final = "ApiCancelled"
INACTIVE: Final = "Inactive"


class OrderRecord(msgspec.Struct, array_like=True, kw_only=True, eq=False):
    """Money in nanos, times in ns of the gateway's clock. `number` is its id at the venue."""

    number: int
    perm_id: int
    client_id: int
    order_id: int  # the client's; 0 = placed by hand
    account: str
    inst: int
    side: int
    order_type: int
    tif: int
    request: PlaceRequest
    qty_nanos: int
    limit_px_nanos: int  # 0 = it names none
    created_ns: int
    stage: int = KEPT
    status: str = ""  # last one that is true; "" = not taken yet
    why_held: str = ""
    parent: int = 0  # number of the parent order
    parent_order_id: int = 0
    oca_group: str = ""
    oca_type: int = 0
    bound_id: int = 0  # the id client 0 knows a manual order by; negative
    filled_nanos: int = 0
    value_nanos: int = 0  # of all executions
    last_px_nanos: int = 0
    executions: int = 0
    version: int = 0  # of the last modify sent
    pending: dict[int, PlaceRequest] = msgspec.field(default_factory=dict)  # modifies without an answer yet
    cancelling: bool = False
    silent: bool = False  # what the venue still says of it concerns nobody
    warned: bool = False  # 399 was told
    trail_px_nanos: int = 0  # where a trailing stop stood when it was told last
    ended_ns: int = 0
    completed_status: str = ""  # in the words of completedOrder

    @property
    def shown_status(self) -> str:
        """The status clients see."""
        if self.cancelling:
            return PENDING_CANCEL
        return self.status or PENDING_SUBMIT

    @property
    def remaining_nanos(self) -> int:
        """What may still execute."""
        return max(0, self.qty_nanos - self.filled_nanos)

    @property
    def average_px_nanos(self) -> int:
        """Of all executions, half-even; 0 before the first."""
        return div_half_even(self.value_nanos * NANO, self.filled_nanos) if self.filled_nanos else 0

    @property
    def open(self) -> bool:
        """Transmitted and not done."""
        return self.stage in (WAITS, QUEUED, SENT)

    @property
    def manual(self) -> bool:
        """Placed by a person."""
        return self.order_id == 0


class Fill(msgspec.Struct, array_like=True, kw_only=True, eq=False):
    """One execution of the day as it stands; a correction makes a new one and drops the old."""

    exec_id: str
    number: int  # of the order
    qty_nanos: int
    px_nanos: int
    cum_qty_nanos: int  # of the order up to and with this one
    average_px_nanos: int
    ts_ns: int
    liquidity: int
    commission_nanos: int = -1  # -1 = not reported yet
    currency: str = ""
    realised_nanos: int = 0
    closes: bool = False
