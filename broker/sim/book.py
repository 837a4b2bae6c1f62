"""The order as the broker sees it, the book of one instrument, and the queue model of a resting limit order.

Queue model. On arrival everything displayed at our price is ahead of us: nothing if we improve the touch, unknown
(-1) if we rest behind it, until the touch comes to us. What prints at our price comes off the front. A displayed
decrease that no print explains comes off in proportion to our place in it, times `cancel_ahead_ppm`. The tape does
not hold our own order, so never more than the displayed size is ahead.
"""

from typing import Final

import msgspec

from broker.sim.chance import PPM
from broker.sim.impact import Push
from broker.sim.worked import Progress
from core.events import PENDING_SUBMIT, PRE_SUBMITTED, STATUS_CANCELLED, STATUS_FILLED, SUBMITTED
from core.ids import BUY

REJECTED: Final = 100  # broker-side only: reported as cancelled, as the broker's completed orders do
UNKNOWN: Final = -1
TRAIL: Final = 101  # broker-side only, as its orders come from other clients: a stop that follows the market
AT_OPEN: Final = 102  # as working type: waits for the first regular print or quote
WORKED: Final = 103  # as working type: an algorithm of the broker's lets it out by and by
FRESH: Final = -1  # as level_qty_nanos: on the book, but has not met a quote of its hours yet


class SimOrder(msgspec.Struct, gc=False, array_like=True, kw_only=True, eq=False):
    """One order, ours (order_id > 0) or foreign (0). Times ns, money nanos."""

    order_id: int
    perm_id: int
    order_ref: str
    client_id: int
    inst: int
    side: int
    qty_nanos: int
    order_type: int
    working_type: int  # MKT or LMT once it works; a stop turns into one of them
    limit_px_nanos: int
    stop_px_nanos: int
    tif: int
    gtd_ts_ns: int
    outside_rth: bool
    key: int  # for chance: order id, or minus the perm id
    increment_nanos: int = 1  # size increment of the day it arrived
    version: int = 0
    status: int = PENDING_SUBMIT
    filled_nanos: int = 0  # ever executed; corrections do not reopen an order
    busted_nanos: int = 0
    active: bool = False  # sees market rows
    expiry_ns: int = 0
    queue_ahead_nanos: int = UNKNOWN
    level_qty_nanos: int = 0  # displayed at our price when last seen
    printed_nanos: int = 0  # printed at our price since then
    executions: int = 0
    commands: int = 0  # counters for chance
    facts: int = 0
    arrive_ns: int = 0  # last moment a command of it reaches the venue
    deliver_ns: int = 0  # last moment a fact of it is delivered
    fee_date: int = 0
    fee_qty_nanos: int = 0
    fee_value_nanos: int = 0
    fee_charged_nanos: int = 0
    ended_date: int = 0
    ended_ns: int = 0
    review_ns: int = 0  # when its hours are looked at next; a look at another moment is out of date
    trail_nanos: int = 0  # TRAIL: how far the stop stays behind the market, as an amount or in parts of the price
    trail_ppm: int = 0
    oca_group: str = ""
    oca_type: int = 0
    loses_race: bool = False  # its cancel will come too late
    fee_rated: int = 0  # tiered rate times quantity of the day so far, nanos of nanos
    progress: Progress | None = None  # of the broker's own algorithm, where one works it

    @property
    def remaining_nanos(self) -> int:
        """What can still execute."""
        return self.qty_nanos - self.filled_nanos

    @property
    def done(self) -> bool:
        """Filled, cancelled, expired or rejected: nothing brings it back."""
        return self.status in (STATUS_FILLED, STATUS_CANCELLED, REJECTED)

    @property
    def open_status(self) -> int:
        """The status the broker shows while it is not done."""
        if self.status == SUBMITTED and not self.active:
            return PRE_SUBMITTED
        return self.status


class Book(msgspec.Struct, gc=False, array_like=True, kw_only=True, eq=False):
    """Our working orders on one instrument in time priority, and the displayed size we already took."""

    inst: int
    orders: list[SimOrder] = msgspec.field(default_factory=list)
    halted: bool = False
    ask_px_nanos: int = 0
    ask_shown_nanos: int = 0
    ask_taken_nanos: int = 0
    ask_taken_ns: int = 0
    bid_px_nanos: int = 0
    bid_shown_nanos: int = 0
    bid_taken_nanos: int = 0
    bid_taken_ns: int = 0
    push: Push = msgspec.field(default_factory=Push)


class VenueState(msgspec.Struct, gc=False, array_like=True, kw_only=True, eq=False):
    """What a snapshot keeps. `orders` by perm id, of today or still open; `order_ids` the same by our id."""

    orders: dict[int, SimOrder]
    order_ids: dict[int, int]
    books: list[Book]
    perm_id_next: int
    order_id_purged: int = 0  # the highest of our ids that is forgotten
    day: int = 0
    oca_day: dict[str, int] = msgspec.field(default_factory=dict)  # groups that traded -> day
    oca_open: dict[str, int] = msgspec.field(default_factory=dict)  # what is left of them, in parts of oca.WHOLE

    def take_perm_id(self) -> int:
        """The next perm id, never given again."""
        perm_id = self.perm_id_next
        self.perm_id_next = perm_id + 1
        return perm_id


class Quote(msgspec.Struct, gc=False):
    """Best bid and offer and last price of one instrument at one moment; fields as exchange.QUOTE_FIELDS."""

    bid_px_nanos: int
    ask_px_nanos: int
    bid_qty_nanos: int
    ask_qty_nanos: int
    last_px_nanos: int

    @property
    def sane(self) -> bool:
        """Two-sided, sized, neither locked nor crossed: only such a quote can fill an order."""
        return 0 < self.bid_px_nanos < self.ask_px_nanos and self.bid_qty_nanos > 0 and self.ask_qty_nanos > 0


def taken_nanos(book: Book, *, side: int, px_nanos: int, shown_nanos: int, ts_ns: int, refill_ns: int) -> int:
    """How much of the displayed size opposite to `side` our own orders have used up; forgets what is out of date.

    The tape never shows our trades, so a second order must not find the same shares again: what was taken stays taken
    while the price stands, except for what is displayed beyond the old size, and until `refill_ns` have passed.
    """
    if side == BUY:
        if px_nanos != book.ask_px_nanos or ts_ns - book.ask_taken_ns >= refill_ns:
            book.ask_taken_nanos = 0
        elif shown_nanos != book.ask_shown_nanos:
            book.ask_taken_nanos = min(book.ask_taken_nanos, book.ask_shown_nanos, shown_nanos)
        book.ask_px_nanos = px_nanos
        book.ask_shown_nanos = shown_nanos
        return book.ask_taken_nanos
    if px_nanos != book.bid_px_nanos or ts_ns - book.bid_taken_ns >= refill_ns:
        book.bid_taken_nanos = 0
    elif shown_nanos != book.bid_shown_nanos:
        book.bid_taken_nanos = min(book.bid_taken_nanos, book.bid_shown_nanos, shown_nanos)
    book.bid_px_nanos = px_nanos
    book.bid_shown_nanos = shown_nanos
    return book.bid_taken_nanos


def take(book: Book, *, side: int, qty_nanos: int, ts_ns: int) -> None:
    """Use up displayed size opposite to `side`."""
    if side == BUY:
        book.ask_taken_nanos += qty_nanos
        book.ask_taken_ns = ts_ns
    else:
        book.bid_taken_nanos += qty_nanos
        book.bid_taken_ns = ts_ns


def join_queue(order: SimOrder, quote: Quote) -> None:
    """Place a limit order that begins to rest behind what is displayed at its price."""
    order.printed_nanos = 0
    own_px = quote.bid_px_nanos if order.side == BUY else quote.ask_px_nanos
    shown = quote.bid_qty_nanos if order.side == BUY else quote.ask_qty_nanos
    if not quote.sane or (own_px - order.limit_px_nanos) * order.side > 0:
        order.queue_ahead_nanos, order.level_qty_nanos = UNKNOWN, 0
    elif own_px == order.limit_px_nanos:
        order.queue_ahead_nanos = order.level_qty_nanos = shown
    else:
        order.queue_ahead_nanos = order.level_qty_nanos = 0


def follow_queue(order: SimOrder, own_px_nanos: int, shown_nanos: int, cancel_ahead_ppm: int) -> None:
    """Move a resting order's queue place by a quote: `own_px_nanos` and size are of the order's own side."""
    if own_px_nanos == order.limit_px_nanos:
        ahead = order.queue_ahead_nanos
        if ahead > 0:
            lost = order.level_qty_nanos - shown_nanos - order.printed_nanos
            if lost > 0 and order.level_qty_nanos > 0:
                ahead -= lost * ahead * cancel_ahead_ppm // (order.level_qty_nanos * PPM)
        if ahead < 0 or ahead > shown_nanos:
            ahead = shown_nanos
        order.queue_ahead_nanos = ahead
        order.level_qty_nanos = shown_nanos
    elif (own_px_nanos - order.limit_px_nanos) * order.side < 0:
        order.queue_ahead_nanos = order.level_qty_nanos = 0  # the touch fell back behind us: we stand alone
    order.printed_nanos = 0
