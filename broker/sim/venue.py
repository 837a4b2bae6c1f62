"""The venue and its front: what happens to an order from arrival to its one end, by command and by the clock. Knows no
link, no sync and no snapshot; what the market does to working orders is the floor's.
"""

from broker.sim import worked
from broker.sim.account import Account
from broker.sim.agenda import REVIEW, STEP, Agenda, Revision
from broker.sim.book import AT_OPEN, REJECTED, TRAIL, SimOrder
from broker.sim.chance import FAULT_LATE_FILL, FAULT_REJECT, Chance
from broker.sim.config import NEVER, VenueConfig
from broker.sim.floor import Floor
from broker.sim.hours import window
from broker.sim.oca import WHOLE, forget_groups, left_of, reduced_nanos
from broker.sim.validate import ON_CLOSE, refusal_of, terms_refusal
from core.commands import DAY, FOK, GTD, IOC, LMT, MKT, OPG, STP, STP_LMT
from core.events import (
    PENDING_SUBMIT,
    PRE_SUBMITTED,
    STATUS_FILLED,
    STATUS_INACTIVE,
    CancelRejected,
    OrderAcknowledged,
    OrderRejected,
    OrderReplaced,
    ReplaceRejected,
)
from core.instruments import Instrument, rule_on


class Venue:
    """Every method is given the moment it happens at; moments never go back."""

    __slots__ = ("_account", "_agenda", "_chance", "_config", "_floor", "_instruments", "hours", "state")

    def __init__(
        self,
        *,
        instruments: tuple[Instrument, ...],
        account: Account,
        agenda: Agenda,
        chance: Chance,
        config: VenueConfig,
        floor: Floor,
    ) -> None:
        self._instruments = instruments
        self._account = account
        self._agenda = agenda
        self._chance = chance
        self._config = config
        self._floor = floor
        self.hours = floor.hours
        self.state = floor.state

    # ---- commands ----------------------------------------------------------------------------------------------
    def arrive(self, order: SimOrder, ts_ns: int) -> None:
        """A new order reaches the venue: refused, held for later, or worked."""
        assert order.status == PENDING_SUBMIT, f"order {order.perm_id} reaches the venue twice"
        instrument = self._instruments[order.inst]
        if order.order_type in (MKT, STP, TRAIL, *ON_CLOSE) or order.tif == OPG:
            order.outside_rth = False  # ignored for these types (IBKR 2109)
        session = self.hours[order.inst].session_for(ts_ns, order.outside_rth)
        refusal = refusal_of(order, instrument, session, ts_ns)
        group_left = left_of(self.state, order.oca_group, self.hours[order.inst].date_of(ts_ns))
        if refusal is None and not group_left:
            refusal = 201, "Order rejected - reason:the OCA group is already filled or cancelled"
        if refusal is None and self._chance.hits(self._config.faults.reject_ppm, order.key, FAULT_REJECT, 0):
            refusal = 201, "Order rejected - reason: refused by the fault plan"
        if refusal is not None or session is None:
            code, text = refusal or (201, "Order rejected - reason: no trading session is known for this contract")
            self._floor.end(order, REJECTED, ts_ns)
            self._floor.tell(order, OrderRejected(order_id=order.order_id, code=code, text=text), ts_ns)
            return
        start_ns, end_ns = window(session, order.outside_rth)
        self.roll(self.hours[order.inst].date_of(ts_ns))
        lot = rule_on(instrument.lots, session.date)
        order.increment_nanos = lot.increment_nanos if lot is not None else 1
        order.expiry_ns = _expiry_ns(order, end_ns)
        if order.tif == OPG:
            order.working_type = AT_OPEN
        opens = start_ns <= ts_ns and order.order_type not in ON_CLOSE
        self._acknowledge(order, ts_ns, works=opens and order.order_type in (MKT, LMT))
        next_ns = end_ns if start_ns <= ts_ns else start_ns
        self._look_again(order, next_ns)
        if group_left < WHOLE:  # it joins a group that has traded in part
            self._floor.shrink(order, reduced_nanos(order, WHOLE, group_left), ts_ns)
        if order.done:
            return
        if opens:
            self._activate(order, end_ns, ts_ns)
        elif order.tif in (IOC, FOK):
            self._floor.cancelled(order, "immediate order outside trading hours", ts_ns)

    def replace(self, order: SimOrder, revision: Revision, ts_ns: int) -> None:
        """A new version reaches the venue. Price changes and size increases go to the back of the queue."""
        refusal = self._replace_refusal(order, revision, ts_ns)
        if refusal is not None:
            code, text = refusal
            if code == 104 and self._config.silent_replace_of_filled:
                return
            refused = ReplaceRejected(order_id=order.order_id, version=revision.version, code=code, text=text)
            self._floor.tell(order, refused, ts_ns)
            return
        keeps_place = (
            revision.limit_px_nanos == order.limit_px_nanos
            and revision.stop_px_nanos == order.stop_px_nanos
            and revision.qty_nanos <= order.qty_nanos
            and (revision.trail_nanos, revision.trail_ppm) == (order.trail_nanos, order.trail_ppm)
        )
        order.version = revision.version
        order.qty_nanos = revision.qty_nanos
        order.limit_px_nanos = revision.limit_px_nanos
        order.stop_px_nanos = revision.stop_px_nanos
        order.trail_nanos, order.trail_ppm = revision.trail_nanos, revision.trail_ppm
        replaced = OrderReplaced(
            order_id=order.order_id,
            version=revision.version,
            qty_nanos=revision.qty_nanos,
            limit_px_nanos=revision.limit_px_nanos,
        )
        self._floor.tell(order, replaced, ts_ns)
        if order.active and not keeps_place:
            orders = self.state.books[order.inst].orders
            orders.remove(order)
            orders.append(order)
            self._floor.work(order, ts_ns)
        if revision.tif and not order.done:
            self._change_hours(order, revision, ts_ns)

    def cancel(self, order: SimOrder, ts_ns: int, reason: str = "Order Canceled - reason:") -> None:
        """A cancel reaches the venue."""
        if order.done:
            filled = order.status == STATUS_FILLED
            code = 10148 if filled else 161
            state = "Filled." if filled else "Cancelled."
            text = f"OrderId {order.order_id} that needs to be cancelled can not be cancelled, state: {state}"
            self._floor.tell(order, CancelRejected(order_id=order.order_id, code=code, text=text), ts_ns)
            return
        session = self.hours[order.inst].session_for(ts_ns, order.outside_rth)
        if order.order_type in ON_CLOSE and session is not None and ts_ns > session.moc_cutoff_ns:
            text = f"Cancel attempted when order is not in a cancellable state. Order permId = {order.perm_id}"
            self._floor.tell(order, CancelRejected(order_id=order.order_id, code=161, text=text), ts_ns)
            return
        late = order.active and (
            order.loses_race
            or self._chance.hits(self._config.faults.late_fill_ppm, order.key, FAULT_LATE_FILL, order.commands)
        )
        self._floor.cancelled(order, reason, ts_ns)
        if late:
            self._floor.late_fill(order, ts_ns, self._config.faults.late_fill_delay_ns)

    def cancel_all(self, ts_ns: int) -> None:
        """Cancel every order of the account, foreign ones included."""
        for order in list(self.state.orders.values()):
            if not order.done and order.status != PENDING_SUBMIT:
                self.cancel(order, ts_ns, "Order Canceled - reason: global cancel")

    # ---- time --------------------------------------------------------------------------------------------------
    def review(self, order: SimOrder, ts_ns: int) -> None:
        """A moment an order waited for: its auction, its expiry, or its hours begin or end."""
        if order.done or (order.review_ns and ts_ns != order.review_ns):
            return
        session = self.hours[order.inst].session_for(ts_ns, order.outside_rth)
        if order.order_type in ON_CLOSE:
            if order.expiry_ns <= ts_ns:
                self._floor.closing_auction(order, ts_ns)
            else:
                self._look_again(order, order.expiry_ns)
            return
        if order.expiry_ns <= ts_ns:
            self._floor.cancelled(order, "expired", ts_ns)
            return
        if session is None:
            self._floor.deactivate(order)
            return
        start_ns, end_ns = window(session, order.outside_rth)
        opens = start_ns <= ts_ns
        self._look_again(order, end_ns if opens else start_ns)
        if not opens:
            self._floor.deactivate(order)
        elif not order.active and order.status != STATUS_INACTIVE:
            if order.status == PRE_SUBMITTED and order.order_type in (MKT, LMT):
                self._floor.submitted(order, ts_ns)
            self._activate(order, end_ns, ts_ns, fresh=True)

    def step(self, order: SimOrder, ts_ns: int) -> None:
        """The broker's own algorithm looks at an order: it lets out what is due, and ends it when its time is over."""
        progress = order.progress
        if progress is None or not order.active or ts_ns != progress.step_ns:
            return
        self._floor.let_out(order, ts_ns)
        if order.done:
            return
        if ts_ns >= progress.ends_ns and progress.recipe.ends_the_order:
            self._floor.cancelled(order, "the time of its algorithm is over", ts_ns)
            return
        next_ns = ts_ns + progress.gap_ns
        self._step_at(order, progress.ends_ns if ts_ns < progress.ends_ns < next_ns else next_ns)

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
        forget_groups(state, date)

    # ---- the leaves --------------------------------------------------------------------------------------------
    def _acknowledge(self, order: SimOrder, ts_ns: int, *, works: bool) -> None:
        if works and not self._config.two_step_ack:
            self._floor.submitted(order, ts_ns)
            return
        order.status = PRE_SUBMITTED
        held = OrderAcknowledged(order_id=order.order_id, perm_id=order.perm_id, status=PRE_SUBMITTED)
        self._floor.tell(order, held, ts_ns)
        if works:
            self._floor.submitted(order, ts_ns)

    def _activate(self, order: SimOrder, end_ns: int, ts_ns: int, *, fresh: bool = False) -> None:
        """On the book; the broker's own algorithm begins where one works the order. `end_ns` ends its hours."""
        self._floor.activate(order, ts_ns, fresh=fresh)
        if order.progress is not None and not order.done:
            worked.begin(order.progress, ts_ns=ts_ns, close_ns=end_ns, filled_nanos=order.filled_nanos)
            self._step_at(order, order.progress.step_ns)

    def _step_at(self, order: SimOrder, ts_ns: int) -> None:
        assert order.progress is not None, "asked for orders that an algorithm works"
        order.progress.step_ns = ts_ns
        self._agenda.push(ts_ns, STEP, order.perm_id, None)

    def _look_again(self, order: SimOrder, next_ns: int) -> None:
        """Wait for the next moment of an order's hours; an earlier one it waited for is out of date."""
        order.review_ns = min(next_ns, order.expiry_ns)
        self._agenda.push(order.review_ns, REVIEW, order.perm_id, None)

    def _change_hours(self, order: SimOrder, revision: Revision, ts_ns: int) -> None:
        """A replace also said until when and in which hours the order works."""
        outside_rth = revision.outside_rth and order.order_type in (LMT, STP_LMT)
        if (revision.tif, revision.gtd_ts_ns, outside_rth) == (order.tif, order.gtd_ts_ns, order.outside_rth):
            return
        order.tif, order.gtd_ts_ns, order.outside_rth = revision.tif, revision.gtd_ts_ns, outside_rth
        session = self.hours[order.inst].session_for(ts_ns, outside_rth)
        if session is not None:
            order.expiry_ns = _expiry_ns(order, window(session, outside_rth)[1])
            order.review_ns = ts_ns
            self.review(order, ts_ns)

    def _replace_refusal(self, order: SimOrder, revision: Revision, ts_ns: int) -> tuple[int, str] | None:
        if order.done:
            filled = order.status == STATUS_FILLED
            return (104, "Cannot modify a filled order.") if filled else (135, "Can't find order: it has ended")
        same = (revision.inst, revision.side, revision.order_type) == (order.inst, order.side, order.order_type)
        if not same or order.status == STATUS_INACTIVE:
            return 105, "Order being modified does not match original order."
        moments = (IOC, FOK, OPG)
        if revision.tif not in (0, order.tif) and (revision.tif in moments or order.tif in moments):
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
            trails=revision.trail_nanos > 0 or revision.trail_ppm > 0,
        )


def _expiry_ns(order: SimOrder, end_ns: int) -> int:
    """When it ends unfilled; `end_ns` is the end of the hours it works in."""
    if order.tif in (DAY, OPG):
        return end_ns
    return order.gtd_ts_ns if order.tif == GTD else NEVER
