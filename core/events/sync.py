"""Facts of one full synchronisation, and of the link and the account."""

from core.events.base import Event
from core.ids import Side


class SyncStarted(Event, frozen=True, tag=30):
    """The adapter has asked for executions, open and completed orders, positions and cash."""

    sync_id: int
    reason: str = ""


class OpenOrderReported(Event, frozen=True, tag=31):
    """One open order at the broker, ours (order_id > 0) or foreign (order_id 0)."""

    sync_id: int
    order_id: int
    order_ref: str
    perm_id: int
    inst: int
    side: Side
    qty_nanos: int
    filled_nanos: int
    status: int
    limit_px_nanos: int = 0
    client_id: int = 0
    stop_px_nanos: int = 0  # of a plain stop order
    broker_algo: str = ""  # the broker's own algorithm that works it, and its tags
    broker_params: tuple[tuple[str, str], ...] = ()


class CompletedOrderReported(Event, frozen=True, tag=32):
    """One order that ended within the broker's day."""

    sync_id: int
    order_id: int
    order_ref: str
    perm_id: int
    inst: int
    side: Side
    qty_nanos: int
    filled_nanos: int
    status: int


class ExecutionReported(Event, frozen=True, tag=33):
    """One execution of the broker's day as the sync shows it; booked if we lack it."""

    sync_id: int
    order_id: int
    exec_id: str
    side: Side
    qty_nanos: int
    px_nanos: int
    inst: int
    perm_id: int = 0
    order_ref: str = ""


class PositionReported(Event, frozen=True, tag=34):
    """The account's position in one instrument; instruments never reported in a complete sync are flat."""

    sync_id: int
    inst: int
    qty_nanos: int
    average_cost_nanos: int = 0


class CashReported(Event, frozen=True, tag=35):
    """The account's cash in one currency."""

    sync_id: int
    currency: str
    cash_nanos: int


class AccountValued(Event, frozen=True, tag=64):
    """The broker's own values of the account, in its base currency: what binds before our estimate does."""

    sync_id: int
    equity_with_loan_nanos: int
    available_nanos: int  # AvailableFunds: for new positions
    excess_nanos: int  # ExcessLiquidity: before positions are closed


class SyncCompleted(Event, frozen=True, tag=36):
    """All End messages arrived (`complete`) or some did not: `missing` names them."""

    sync_id: int
    complete: bool
    missing: str = ""


class LinkRestored(Event, frozen=True, tag=40):
    """READY: ids, accounts and a complete sync are in."""

    reason: str = ""


class LinkDegraded(Event, frozen=True, tag=41):
    """The socket is up but the broker behind it is not (1100, farm codes, decoder fault): only cancels leave."""

    code: int = 0
    reason: str = ""
    until_ns: int = 0  # a restart that is known in advance lasts until then; 0 = none is on


class LinkLost(Event, frozen=True, tag=42):
    """The socket is gone: nothing leaves."""

    code: int = 0
    reason: str = ""
    until_ns: int = 0  # as of LinkDegraded


class OrderIdsSeen(Event, frozen=True, tag=43):
    """The broker gives order ids from `order_id_next` on (nextValidId). Its counter may roll back; ours never does."""

    order_id_next: int


class CashAdjusted(Event, frozen=True, tag=45):
    """Cash moved without a trade: interest, dividend, data fee, deposit ("deposit" moves the high-water mark)."""

    currency: str
    amount_nanos: int
    kind: str
    reason: str = ""
