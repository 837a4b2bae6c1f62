"""The venue and its front: what happens to an order from arrival to its one end. Owns orders and books; knows no
link, no sync and no snapshot. Facts leave through the outbox, executions through settlement.
"""

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from broker.sim.account import Account
from broker.sim.agenda import REVIEW, Agenda, Revision
from broker.sim.book import FRESH, REJECTED, UNKNOWN, Book, Quote, SimOrder, follow_queue, join_queue
from broker.sim.chance import FAULT_LATE_FILL, FAULT_REJECT, Chance
from broker.sim.config import NEVER, VenueConfig
from broker.sim.hours import Hours, window
from broker.sim.matching import (
    Cut,
    auction_fills,
    available_nanos,
    closing_px_nanos,
    marketable,
    print_cut,
    take_limit,
    take_market,
    tick_nanos,
    touch,
    triggers,
)
from broker.sim.outbox import Outbox
from broker.sim.settlement import ADDED, REMOVED, Settlement
from broker.sim.validate import ON_CLOSE, refusal_of, terms_refusal
from core.commands import DAY, FOK, GTD, IOC, LMT, MKT, STP, STP_LMT
from core.events import (
    PENDING_SUBMIT,
    PRE_SUBMITTED,
    STATUS_CANCELLED,
    STATUS_FILLED,
    STATUS_INACTIVE,
    SUBMITTED,
    AnyEvent,
    CancelRejected,
    OrderAcknowledged,
    OrderCancelled,
    OrderInactivated,
    OrderRejected,
    OrderReplaced,
    ReplaceRejected,
)
from core.instruments import Instrument, rule_on


class VenueState(msgspec.Struct, gc=False, array_like=True, kw_only=True, eq=False):
    """What a snapshot keeps. `orders` by perm id, of today or still open; `order_ids` the same by our id."""

    orders: dict[int, SimOrder]
    order_ids: dict[int, int]
    books: list[Book]
    perm_id_next: int
    order_id_purged: int = 0  # the highest of our ids that is forgotten
    day: int = 0


class Venue:
    """Every method is given the moment it happens at; moments never go back."""

    __slots__ = (
        "_account", "_agenda", "_chance", "_config", "_instruments", "_outbox", "_quote_at", "_settlement", "_watch",
        "hours", "state",
    )  # fmt: skip

    def __init__(
        self,
        *,
        instruments: tuple[Instrument, ...],
        hours: tuple[Hours, ...],
        account: Account,
        agenda: Agenda,
        chance: Chance,
        config: VenueConfig,
        outbox: Outbox,
        settlement: Settlement,
        quote_at: Callable[[int], Quote],
        watch: NDArray[np.int64],
        state: VenueState,
    ) -> None:
        self._instruments = instruments
        self.hours = hours
        self._account = account
        self._agenda = agenda
        self._chance = chance
        self._config = config
        self._outbox = outbox
        self._settlement = settlement
        self._quote_at = quote_at
        self._watch = watch
        self.state = state

    # ---- commands ----------------------------------------------------------------------------------------------
    def arrive(self, order: SimOrder, ts_ns: int) -> None:
        """A new order reaches the venue: refused, held for later, or worked."""
        assert order.status == PENDING_SUBMIT, f"order {order.perm_id} reaches the venue twice"
        instrument = self._instruments[order.inst]
        if order.order_type in (MKT, STP, *ON_CLOSE):
            order.outside_rth = False  # ignored for these types (IBKR 2109)
        session = self.hours[order.inst].session_for(ts_ns, order.outside_rth)
        refusal = refusal_of(order, instrument, session, ts_ns)
        if refusal is None and self._chance.hits(self._config.faults.reject_ppm, order.key, FAULT_REJECT, 0):
            refusal = 201, "Order rejected - reason: refused by the fault plan"
        if refusal is not None or session is None:
            code, text = refusal or (201, "Order rejected - reason: no trading session is known for this contract")
            self._end(order, REJECTED, ts_ns)
            self._tell(order, OrderRejected(order_id=order.order_id, code=code, text=text), ts_ns)
            return
        start_ns, end_ns = window(session, order.outside_rth)
        self.roll(self.hours[order.inst].date_of(ts_ns))
        lot = rule_on(instrument.lots, session.date)
        order.increment_nanos = lot.increment_nanos if lot is not None else 1
        order.expiry_ns = end_ns if order.tif == DAY else order.gtd_ts_ns if order.tif == GTD else NEVER
        opens = start_ns <= ts_ns and order.order_type not in ON_CLOSE
        self._acknowledge(order, ts_ns, works=opens and order.order_type in (MKT, LMT))
        next_ns = end_ns if start_ns <= ts_ns else start_ns
        self._agenda.push(min(next_ns, order.expiry_ns), REVIEW, order.perm_id, None)
        if opens:
            self._activate(order, ts_ns)
        elif order.tif in (IOC, FOK):
            self._cancelled(order, "immediate order outside trading hours", ts_ns)

    def replace(self, order: SimOrder, revision: Revision, ts_ns: int) -> None:
        """A new version reaches the venue. Price changes and size increases go to the back of the queue."""
        refusal = self._replace_refusal(order, revision, ts_ns)
        if refusal is not None:
            code, text = refusal
            if code == 104 and self._config.silent_replace_of_filled:
                return
            refused = ReplaceRejected(order_id=order.order_id, version=revision.version, code=code, text=text)
            self._tell(order, refused, ts_ns)
            return
        keeps_place = (
            revision.limit_px_nanos == order.limit_px_nanos
            and revision.stop_px_nanos == order.stop_px_nanos
            and revision.qty_nanos <= order.qty_nanos
        )
        order.version = revision.version
        order.qty_nanos = revision.qty_nanos
        order.limit_px_nanos = revision.limit_px_nanos
        order.stop_px_nanos = revision.stop_px_nanos
        replaced = OrderReplaced(
            order_id=order.order_id,
            version=revision.version,
            qty_nanos=revision.qty_nanos,
            limit_px_nanos=revision.limit_px_nanos,
        )
        self._tell(order, replaced, ts_ns)
        if order.active and not keeps_place:
            orders = self.state.books[order.inst].orders
            orders.remove(order)
            orders.append(order)
            self._work(order, ts_ns)

    def cancel(self, order: SimOrder, ts_ns: int, reason: str = "Order Canceled - reason:") -> None:
        """A cancel reaches the venue."""
        if order.done:
            filled = order.status == STATUS_FILLED
            code = 10148 if filled else 161
            state = "Filled." if filled else "Cancelled."
            text = f"OrderId {order.order_id} that needs to be cancelled can not be cancelled, state: {state}"
            self._tell(order, CancelRejected(order_id=order.order_id, code=code, text=text), ts_ns)
            return
        session = self.hours[order.inst].session_for(ts_ns, order.outside_rth)
        if order.order_type in ON_CLOSE and session is not None and ts_ns > session.moc_cutoff_ns:
            text = f"Cancel attempted when order is not in a cancellable state. Order permId = {order.perm_id}"
            self._tell(order, CancelRejected(order_id=order.order_id, code=161, text=text), ts_ns)
            return
        late = order.active and self._chance.hits(
            self._config.faults.late_fill_ppm, order.key, FAULT_LATE_FILL, order.commands
        )
        self._cancelled(order, reason, ts_ns)
        if late:
            self._late_fill(order, ts_ns)

    def cancel_all(self, ts_ns: int) -> None:
        """Cancel every order of the account, foreign ones included."""
        for order in list(self.state.orders.values()):
            if not order.done and order.status != PENDING_SUBMIT:
                self.cancel(order, ts_ns, "Order Canceled - reason: global cancel")

    # ---- time --------------------------------------------------------------------------------------------------
    def review(self, order: SimOrder, ts_ns: int) -> None:
        """A moment an order waited for: its auction, its expiry, or its hours begin or end."""
        if order.done:
            return
        session = self.hours[order.inst].session_for(ts_ns, order.outside_rth)
        if order.order_type in ON_CLOSE:
            if order.expiry_ns <= ts_ns:
                self._auction(order, ts_ns)
            else:
                self._agenda.push(order.expiry_ns, REVIEW, order.perm_id, None)
            return
        if order.expiry_ns <= ts_ns:
            self._cancelled(order, "expired", ts_ns)
            return
        if session is None:
            self._deactivate(order)
            return
        start_ns, end_ns = window(session, order.outside_rth)
        opens = start_ns <= ts_ns
        self._agenda.push(min(end_ns if opens else start_ns, order.expiry_ns), REVIEW, order.perm_id, None)
        if not opens:
            self._deactivate(order)
        elif not order.active and order.status != STATUS_INACTIVE:
            if order.status == PRE_SUBMITTED and order.order_type in (MKT, LMT):
                self._submitted(order, ts_ns)
            self._activate(order, ts_ns, fresh=True)

    def roll(self, date: int) -> None:
        """Forget what ended and executed before a new day of the broker."""
        state = self.state
        if date <= state.day:
            return
        state.day = date
        self._account.forget(date)
        for order in [order for order in state.orders.values() if order.done and order.ended_date < date]:
            del state.orders[order.perm_id]
            if order.order_id:
                del state.order_ids[order.order_id]
                state.order_id_purged = max(state.order_id_purged, order.order_id)

    # ---- market rows -------------------------------------------------------------------------------------------
    def quote_row(
        self, book: Book, bid_px_nanos: int, ask_px_nanos: int, bid_qty_nanos: int, ask_qty_nanos: int, ts_ns: int
    ) -> None:
        """A sane quote passes the working orders."""
        for order in tuple(book.orders):
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
                self._work(order, ts_ns)

    def print_row(self, book: Book, px_nanos: int, qty_nanos: int, ts_ns: int) -> None:
        """A print passes the working orders, in time priority: what an earlier one got, a later one does not."""
        given, participation_ppm = 0, self._config.participation_ppm
        for order in tuple(book.orders):
            if order.working_type == LMT:
                left = qty_nanos - given
                cut = print_cut(order, px_nanos=px_nanos, qty_nanos=left, participation_ppm=participation_ppm)
                if cut:
                    if px_nanos == order.limit_px_nanos:
                        given += cut
                    self._fill(order, [(cut, order.limit_px_nanos)], ts_ns, ADDED)
            elif triggers(order, px_nanos):
                self._trigger(order, ts_ns)

    # ---- the leaves --------------------------------------------------------------------------------------------
    def _acknowledge(self, order: SimOrder, ts_ns: int, *, works: bool) -> None:
        if works and not self._config.two_step_ack:
            self._submitted(order, ts_ns)
            return
        order.status = PRE_SUBMITTED
        held = OrderAcknowledged(order_id=order.order_id, perm_id=order.perm_id, status=PRE_SUBMITTED)
        self._tell(order, held, ts_ns)
        if works:
            self._submitted(order, ts_ns)

    def _submitted(self, order: SimOrder, ts_ns: int) -> None:
        order.status = SUBMITTED
        self._tell(order, OrderAcknowledged(order_id=order.order_id, perm_id=order.perm_id, status=SUBMITTED), ts_ns)

    def _activate(self, order: SimOrder, ts_ns: int, *, fresh: bool = False) -> None:
        """Put an order on the book. At the start of its hours the known quote is of before: it waits for the first."""
        order.active = True
        self.state.books[order.inst].orders.append(order)
        self._watch[order.inst] += 1
        if fresh:
            order.queue_ahead_nanos, order.level_qty_nanos = UNKNOWN, FRESH
        else:
            self._work(order, ts_ns)

    def _deactivate(self, order: SimOrder) -> None:
        if order.active:
            order.active = False
            self.state.books[order.inst].orders.remove(order)
            self._watch[order.inst] -= 1

    def _work(self, order: SimOrder, ts_ns: int) -> None:
        """Match an order that newly meets the market (arrival, open, trigger, replace); what stays rests."""
        book, quote = self.state.books[order.inst], self._quote_at(order.inst)
        if order.working_type not in (MKT, LMT):
            if not book.halted and triggers(order, quote.last_px_nanos):
                self._trigger(order, ts_ns)
            return
        if not book.halted and quote.sane and marketable(order, quote):
            self._fill(order, self._taking(order, book, quote, ts_ns), ts_ns, REMOVED)
        if order.done:
            return
        if order.tif == FOK and self._config.fok_ends_inactive:
            self._deactivate(order)
            order.status = STATUS_INACTIVE
            self._tell(order, OrderInactivated(order_id=order.order_id, reason="FOK could not fill"), ts_ns)
        elif order.tif in (IOC, FOK):
            self._cancelled(order, "immediate order could not fill", ts_ns)
        else:
            join_queue(order, quote)

    def _taking(self, order: SimOrder, book: Book, quote: Quote, ts_ns: int) -> list[Cut]:
        config = self._config
        if order.working_type == MKT:
            instrument, date = self._instruments[order.inst], self.hours[order.inst].date_of(ts_ns)
            return take_market(order, book, quote, config, instrument=instrument, date=date, ts_ns=ts_ns)
        if order.tif == FOK and available_nanos(order, book, quote, config, ts_ns) < order.remaining_nanos:
            return []
        return take_limit(order, book, quote, config, ts_ns=ts_ns, resting=False)

    def _trigger(self, order: SimOrder, ts_ns: int) -> None:
        order.working_type = LMT if order.order_type == STP_LMT else MKT
        self._submitted(order, ts_ns)
        self._work(order, ts_ns)

    def _auction(self, order: SimOrder, ts_ns: int) -> None:
        date = self.hours[order.inst].date_of(ts_ns)
        px = closing_px_nanos(self._quote_at(order.inst), self._instruments[order.inst], date)
        halted = self.state.books[order.inst].halted
        if not halted and auction_fills(order, px):
            self._submitted(order, ts_ns)
            self._fill(order, [(order.remaining_nanos, px)], ts_ns, REMOVED)
        else:
            self._cancelled(order, "not filled in the closing auction", ts_ns)

    def _fill(self, order: SimOrder, cuts: list[Cut], ts_ns: int, liquidity: int, later_ns: int = 0) -> None:
        if not cuts:
            return
        date = self.hours[order.inst].date_of(ts_ns)
        for qty_nanos, px_nanos in cuts:
            self._settlement.execute(
                order,
                qty_nanos=qty_nanos,
                px_nanos=px_nanos,
                tick=tick_nanos(self._instruments[order.inst], px_nanos, date),
                ts_ns=ts_ns,
                date=date,
                liquidity=liquidity,
                later_ns=later_ns,
            )
        if not order.remaining_nanos and not order.done:
            self._end(order, STATUS_FILLED, ts_ns)

    def _late_fill(self, order: SimOrder, ts_ns: int) -> None:
        """The race a cancel loses: the rest was executed before it, but the news comes after."""
        quote = self._quote_at(order.inst)
        px = order.limit_px_nanos if order.working_type == LMT else touch(order, quote)[0]
        if px > 0 and order.remaining_nanos:
            later_ns = self._config.faults.late_fill_delay_ns
            self._fill(order, [(order.remaining_nanos, px)], ts_ns, ADDED, later_ns)

    def _cancelled(self, order: SimOrder, reason: str, ts_ns: int) -> None:
        self._end(order, STATUS_CANCELLED, ts_ns)
        self._tell(order, OrderCancelled(order_id=order.order_id, reason=reason), ts_ns)

    def _end(self, order: SimOrder, status: int, ts_ns: int) -> None:
        self._deactivate(order)
        order.status = status
        order.ended_ns = ts_ns
        order.ended_date = self.hours[order.inst].date_of(ts_ns)

    def _tell(self, order: SimOrder, fact: AnyEvent, ts_ns: int) -> None:
        """Foreign orders have no id of ours to tell about: only their executions reach us."""
        if order.order_id:
            self._outbox.order_fact(order, fact, ts_ns)

    def _replace_refusal(self, order: SimOrder, revision: Revision, ts_ns: int) -> tuple[int, str] | None:
        if order.done:
            filled = order.status == STATUS_FILLED
            return (104, "Cannot modify a filled order.") if filled else (135, "Can't find order: it has ended")
        same = (revision.inst, revision.side, revision.order_type) == (order.inst, order.side, order.order_type)
        if not same or order.status == STATUS_INACTIVE:
            return 105, "Order being modified does not match original order."
        if revision.qty_nanos <= order.filled_nanos:
            return 201, "Order rejected - reason: the new size is not above what is filled"
        session = self.hours[order.inst].session_for(ts_ns, order.outside_rth)
        if session is None:
            return 201, "Order rejected - reason: no trading session is known for this contract"
        if order.order_type in ON_CLOSE and ts_ns > session.moc_cutoff_ns:
            return 201, "Order rejected - reason: past the cut-off for on-close orders"
        return terms_refusal(
            self._instruments[order.inst],
            session.date,
            order_type=order.order_type,
            qty_nanos=revision.qty_nanos,
            limit_px_nanos=revision.limit_px_nanos,
            stop_px_nanos=revision.stop_px_nanos,
        )
