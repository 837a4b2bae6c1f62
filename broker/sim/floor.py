"""The trading floor: which orders stand on which book, what every market moment does to them, and what one order's
execution does to the others of its group. Owns activation, matching and the ends of orders; knows no command, link,
sync or snapshot. Facts leave through the outbox, executions through settlement.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from broker.sim.book import (
    AT_OPEN,
    FRESH,
    TRAIL,
    UNKNOWN,
    WORKED,
    Book,
    Quote,
    SimOrder,
    VenueState,
    follow_queue,
    join_queue,
    take,
)
from broker.sim.chance import PPM
from broker.sim.config import VenueConfig
from broker.sim.hours import Hours
from broker.sim.impact import pushed, shift_nanos, walk
from broker.sim.matching import (
    Cut,
    auction_fills,
    available_nanos,
    closing_px_nanos,
    follow_trail,
    marketable,
    print_cut,
    take_limit,
    take_market,
    tick_nanos,
    touch,
    triggers,
    within_limit,
)
from broker.sim.oca import note_traded, others_of, reduced_nanos
from broker.sim.outbox import Outbox
from broker.sim.settlement import Settlement
from broker.sim.worked import due_nanos
from core.commands import FOK, IOC, LMT, MKT, STP_LMT
from core.events import (
    STATUS_CANCELLED,
    STATUS_FILLED,
    STATUS_INACTIVE,
    SUBMITTED,
    AnyEvent,
    OrderAcknowledged,
    OrderCancelled,
    OrderInactivated,
    OrderReplaced,
)
from core.fees import ADDED, REMOVED
from core.instruments import Instrument


class Floor:
    """Every method is given the moment it happens at; moments never go back."""

    __slots__ = (
        "_config", "_instruments", "_outbox", "_quote_at", "_settlement", "_watch", "hours", "state",
    )  # fmt: skip

    def __init__(
        self,
        *,
        instruments: tuple[Instrument, ...],
        hours: tuple[Hours, ...],
        config: VenueConfig,
        outbox: Outbox,
        settlement: Settlement,
        quote_at: Callable[[int], Quote],
        watch: NDArray[np.int64],
        state: VenueState,
    ) -> None:
        self._instruments = instruments
        self.hours = hours
        self._config = config
        self._outbox = outbox
        self._settlement = settlement
        self._quote_at = quote_at
        self._watch = watch
        self.state = state

    # ---- market rows -------------------------------------------------------------------------------------------
    def quote_row(
        self, book: Book, bid_px_nanos: int, ask_px_nanos: int, bid_qty_nanos: int, ask_qty_nanos: int, ts_ns: int
    ) -> None:
        """A sane quote passes the working orders."""
        for order in tuple(book.orders):
            if not order.active:  # an earlier one's execution took it off the book
                continue
            if order.working_type == LMT and order.level_qty_nanos != FRESH:
                if order.side > 0:
                    if ask_px_nanos > order.limit_px_nanos:
                        follow_queue(order, bid_px_nanos, bid_qty_nanos, self._config.cancel_ahead_ppm)
                        continue
                elif bid_px_nanos < order.limit_px_nanos:
                    follow_queue(order, ask_px_nanos, ask_qty_nanos, self._config.cancel_ahead_ppm)
                    continue
                quote = Quote(bid_px_nanos, ask_px_nanos, bid_qty_nanos, ask_qty_nanos, 0)
                cuts = take_limit(order, book, quote, self._config, ts_ns=ts_ns, resting=True)
                self._fill(order, cuts, ts_ns, ADDED)
            elif order.working_type in (MKT, LMT):
                self.work(order, ts_ns)
            elif order.working_type == AT_OPEN:
                self._at_open(order, ask_px_nanos if order.side > 0 else bid_px_nanos, ts_ns)

    def print_row(self, book: Book, px_nanos: int, qty_nanos: int, ts_ns: int) -> None:
        """A print passes the working orders, in time priority: what an earlier one got, a later one does not."""
        given, participation_ppm = 0, self._config.participation_ppm
        for order in tuple(book.orders):
            if not order.active:
                continue
            if order.working_type == LMT:
                left = qty_nanos - given
                cut = print_cut(order, px_nanos=px_nanos, qty_nanos=left, participation_ppm=participation_ppm)
                if cut:
                    if px_nanos == order.limit_px_nanos:
                        given += cut
                    self._fill(order, [(cut, order.limit_px_nanos)], ts_ns, ADDED)
            elif order.working_type == AT_OPEN:
                self._at_open(order, px_nanos, ts_ns)
            elif order.working_type == WORKED:
                given += self._by_print(order, px_nanos, qty_nanos, given, ts_ns)
            elif self._released(order, px_nanos, ts_ns):
                self._trigger(order, ts_ns)

    # ---- on and off the book -----------------------------------------------------------------------------------
    def activate(self, order: SimOrder, ts_ns: int, *, fresh: bool = False) -> None:
        """Put an order on the book. At the start of its hours the known quote is of before: it waits for the first."""
        order.active = True
        self.state.books[order.inst].orders.append(order)
        self._watch[order.inst] += 1
        if fresh:
            order.queue_ahead_nanos, order.level_qty_nanos = UNKNOWN, FRESH
        else:
            self.work(order, ts_ns)

    def deactivate(self, order: SimOrder) -> None:
        """Take an order off the book; it may come back."""
        if order.active:
            order.active = False
            self.state.books[order.inst].orders.remove(order)
            self._watch[order.inst] -= 1

    def work(self, order: SimOrder, ts_ns: int) -> None:
        """Match an order that newly meets the market (arrival, open, trigger, replace); what stays rests."""
        book, quote = self.state.books[order.inst], self._quote_at(order.inst)
        if order.working_type not in (MKT, LMT):
            if not book.halted and self._released(order, quote.last_px_nanos, ts_ns):
                self._trigger(order, ts_ns)
            return
        if not book.halted and quote.sane and marketable(order, quote):
            self._fill(order, self._taking(order, book, quote, ts_ns), ts_ns, REMOVED)
        if order.done:
            return
        if order.tif == FOK and self._config.fok_ends_inactive:
            self.deactivate(order)
            order.status = STATUS_INACTIVE
            self.tell(order, OrderInactivated(order_id=order.order_id, reason="FOK could not fill"), ts_ns)
        elif order.tif in (IOC, FOK):
            self.cancelled(order, "immediate order could not fill", ts_ns)
        else:
            join_queue(order, quote)

    def let_out(self, order: SimOrder, ts_ns: int) -> None:
        """What the broker's own algorithm has due is taken at the touch, within the order's limit."""
        book, quote = self.state.books[order.inst], self._quote_at(order.inst)
        px, _ = touch(order, quote)
        if order.progress is None or order.progress.recipe.is_patient:
            return
        if book.halted or not quote.sane or not within_limit(order, px):
            return
        qty = min(_due(order, ts_ns), available_nanos(order, book, quote, self._config, ts_ns))
        qty = qty // order.increment_nanos * order.increment_nanos if qty < order.remaining_nanos else qty
        if qty > 0:
            take(book, side=order.side, qty_nanos=qty, ts_ns=ts_ns)
            self._fill(order, [(qty, px)], ts_ns, REMOVED)

    def closing_auction(self, order: SimOrder, ts_ns: int) -> None:
        """The end of an on-close order's day: filled at the closing price, or cancelled."""
        date = self.hours[order.inst].date_of(ts_ns)
        px = closing_px_nanos(self._quote_at(order.inst), self._instruments[order.inst], date)
        halted = self.state.books[order.inst].halted
        if not halted and auction_fills(order, px):
            self.submitted(order, ts_ns)
            self._fill(order, [(order.remaining_nanos, px)], ts_ns, REMOVED)
        else:
            self.cancelled(order, "not filled in the closing auction", ts_ns)

    def late_fill(self, order: SimOrder, ts_ns: int, later_ns: int) -> None:
        """The race a cancel loses: the rest was executed before it, but the news comes after."""
        quote = self._quote_at(order.inst)
        limited = order.working_type == LMT or (order.working_type == WORKED and order.limit_px_nanos)
        px = order.limit_px_nanos if limited else touch(order, quote)[0]
        if px > 0 and order.remaining_nanos:
            self._fill(order, [(order.remaining_nanos, px)], ts_ns, ADDED, later_ns)

    # ---- the order's news --------------------------------------------------------------------------------------
    def submitted(self, order: SimOrder, ts_ns: int) -> None:
        """It works from now on."""
        order.status = SUBMITTED
        self.tell(order, OrderAcknowledged(order_id=order.order_id, perm_id=order.perm_id, status=SUBMITTED), ts_ns)

    def cancelled(self, order: SimOrder, reason: str, ts_ns: int) -> None:
        """It ends unfilled, or with what it has."""
        self.end(order, STATUS_CANCELLED, ts_ns)
        self.tell(order, OrderCancelled(order_id=order.order_id, reason=reason), ts_ns)

    def end(self, order: SimOrder, status: int, ts_ns: int) -> None:
        """It is over."""
        self.deactivate(order)
        order.status = status
        order.ended_ns = ts_ns
        order.ended_date = self.hours[order.inst].date_of(ts_ns)

    def tell(self, order: SimOrder, fact: AnyEvent, ts_ns: int) -> None:
        """Foreign orders have no id of ours to tell about: only their executions reach us."""
        if order.order_id:
            self._outbox.order_fact(order, fact, ts_ns)

    # ---- the leaves --------------------------------------------------------------------------------------------
    def _taking(self, order: SimOrder, book: Book, quote: Quote, ts_ns: int) -> list[Cut]:
        config = self._config
        if order.working_type == MKT:
            instrument, date = self._instruments[order.inst], self.hours[order.inst].date_of(ts_ns)
            return take_market(order, book, quote, config, instrument=instrument, date=date, ts_ns=ts_ns)
        if order.tif == FOK and available_nanos(order, book, quote, config, ts_ns) < order.remaining_nanos:
            return []
        if config.impact.on:
            return self._walking(order, book, quote, ts_ns)
        return take_limit(order, book, quote, config, ts_ns=ts_ns, resting=False)

    def _by_print(self, order: SimOrder, px_nanos: int, qty_nanos: int, given_nanos: int, ts_ns: int) -> int:
        """Others trade: the broker's own algorithm counts it, and a patient one has its part of what prints at its own
        side. Returns what it got.
        """
        progress, quote = order.progress, self._quote_at(order.inst)
        if progress is None or not progress.begun_ns or ts_ns < progress.begun_ns:
            return 0
        progress.printed_nanos += qty_nanos
        near = quote.bid_px_nanos if order.side > 0 else quote.ask_px_nanos
        beyond = (near - px_nanos) * order.side >= 0
        if not progress.recipe.is_patient or not quote.sane or not beyond or not within_limit(order, px_nanos):
            return 0
        room = (qty_nanos - given_nanos) * self._config.participation_ppm // PPM
        step = order.increment_nanos
        cut = min(_due(order, ts_ns), room // step * step)
        if cut > 0:
            self._fill(order, [(cut, px_nanos)], ts_ns, ADDED)
        return max(0, cut)

    def _released(self, order: SimOrder, px_nanos: int, ts_ns: int) -> bool:
        if order.order_type == TRAIL:
            date = self.hours[order.inst].date_of(ts_ns)
            follow_trail(order, px_nanos, tick_nanos(self._instruments[order.inst], px_nanos, date))
        return triggers(order, px_nanos)

    def _trigger(self, order: SimOrder, ts_ns: int) -> None:
        order.working_type = LMT if order.order_type == STP_LMT else MKT
        self.submitted(order, ts_ns)
        self.work(order, ts_ns)

    def _at_open(self, order: SimOrder, px_nanos: int, ts_ns: int) -> None:
        """The opening auction takes place at the first regular print, or at the first quote's far side if that comes
        before; it has room for all of us.
        """
        if order.order_type == MKT or (order.limit_px_nanos - px_nanos) * order.side >= 0:
            self._fill(order, [(order.remaining_nanos, px_nanos)], ts_ns, REMOVED)
        else:
            self.cancelled(order, "not filled in the opening auction", ts_ns)

    def _fill(self, order: SimOrder, cuts: list[Cut], ts_ns: int, liquidity: int, later_ns: int = 0) -> None:
        if not cuts:
            return
        date = self.hours[order.inst].date_of(ts_ns)
        before_nanos = order.remaining_nanos
        impact, push = self._config.impact, self.state.books[order.inst].push
        for qty_nanos, px_nanos in cuts:
            tick = tick_nanos(self._instruments[order.inst], px_nanos, date)
            if impact.on and liquidity == REMOVED and order.working_type in (MKT, LMT):  # an auction has room for us
                px_nanos = self._walked_px(order, qty_nanos, px_nanos, tick, ts_ns)
            self._settlement.execute(
                order, qty_nanos=qty_nanos, px_nanos=px_nanos, tick=tick, ts_ns=ts_ns, date=date, liquidity=liquidity,
                later_ns=later_ns,
            )  # fmt: skip
            if impact.on:
                pushed(push, impact, signed_qty_nanos=order.side * qty_nanos, ts_ns=ts_ns)
        if not order.remaining_nanos and not order.done:
            self.end(order, STATUS_FILLED, ts_ns)
        if order.oca_group:
            self._cut_group(order, before_nanos, date, ts_ns)

    def _walking(self, order: SimOrder, book: Book, quote: Quote, ts_ns: int) -> list[Cut]:
        """What a limit order takes where its own push moves the price: what it gets within its limit, on average."""
        px = touch(order, quote)[0]
        tick = tick_nanos(self._instruments[order.inst], px, self.hours[order.inst].date_of(ts_ns))
        most = min(order.remaining_nanos, available_nanos(order, book, quote, self._config, ts_ns))
        step = max(order.increment_nanos, 1)
        low, high = 0, most // step
        while low < high:  # the largest number of steps within the limit
            middle = (low + high + 1) // 2
            within = (order.limit_px_nanos - self._walked_px(order, middle * step, px, tick, ts_ns)) * order.side >= 0
            low, high = (middle, high) if within else (low, middle - 1)
        qty = most if low == most // step else low * step
        if qty <= 0 or (order.tif == FOK and qty < order.remaining_nanos):
            return []
        take(book, side=order.side, qty_nanos=qty, ts_ns=ts_ns)
        return [(qty, px)]

    def _walked_px(self, order: SimOrder, qty_nanos: int, px_nanos: int, tick: int, ts_ns: int) -> int:
        """What it pays for so much, on average, when its own push moves the price while it trades."""
        push = self.state.books[order.inst].push
        part = walk(push, self._config.impact, signed_qty_nanos=order.side * qty_nanos, ts_ns=ts_ns)
        return max(tick, px_nanos + shift_nanos(part, px_nanos, tick))

    def _cut_group(self, order: SimOrder, before_nanos: int, date: int, ts_ns: int) -> None:
        """One of a group traded: the others go (type 1, or it is complete) or shrink with it, in the same moment."""
        left = note_traded(self.state, order, before_nanos, date)
        for other in others_of(order, self.state.orders.values()):
            self.shrink(other, reduced_nanos(other, before_nanos, order.remaining_nanos) if left else 0, ts_ns)

    def shrink(self, order: SimOrder, kept_nanos: int, ts_ns: int) -> None:
        """Its group leaves it this much to execute; nothing = it is cancelled."""
        if kept_nanos <= 0:
            self.cancelled(order, "Order Canceled - reason: its group traded", ts_ns)
            return
        order.qty_nanos = order.filled_nanos + kept_nanos
        changed = OrderReplaced(
            order_id=order.order_id,
            version=order.version,
            qty_nanos=order.qty_nanos,
            limit_px_nanos=order.limit_px_nanos,
        )
        self.tell(order, changed, ts_ns)


def _due(order: SimOrder, ts_ns: int) -> int:
    """What an algorithm of the broker's may trade of an order now."""
    assert order.progress is not None, "asked for orders that an algorithm works"
    due = due_nanos(
        order.progress, qty_nanos=order.qty_nanos, filled_nanos=order.filled_nanos,
        increment_nanos=order.increment_nanos, ts_ns=ts_ns,
    )  # fmt: skip
    return min(due - order.filled_nanos, order.remaining_nanos)
