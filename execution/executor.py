"""The executor: chases any trajectory with one child order at a time. It keeps nothing of its own: everything it reads
is the parent, its child order, the clock handed in and the market, so a crash resumes every schedule exactly. (What
`Days` and `Stages` remember follows from the reference tables and the parents' own unchanging fields.)

Each slice rests at the near touch first and crosses after its patient part; what a slice missed is due with the next.
It knows no risk limits (the gate refuses) and no strategy.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from core import commands as c
from core.errors import Bug
from core.ids import oca_name
from core.instruments import LotRule, increment_at
from core.money.state import DOWN, READY
from core.orders import Order, State
from core.parents import OPERATOR, Parent, ParentState
from core.ports import Action, Context
from core.units import NANO, exact_text, round_down
from execution.pacing import begin_slice, grown_nanos, next_nanos, wanted_nanos
from execution.settings import ExecutionSettings
from execution.stage import FOREVER_NS, Stage, Stages
from execution.touch import Day, Days, Touch, crossing_px, is_marketable, passive_px, to_tick, touch_of

PAUSED_BY_CRASH: Final = "crash"  # orders stay and nothing is sent until an operator resumes
IDLE_NS: Final = 60 * NANO  # wake-up where even the session table knows no next moment
BROKER_TIME_NS: Final = 2 * NANO  # an end is told in whole seconds: nearer to it the broker would find it past
ON_CLOSE: Final = (c.MOC, c.LOC)
_ACTIVE: Final = ParentState.ACTIVE
_INACTIVE: Final = State.INACTIVE


class ChaseExecutor:
    """Implements core.ports.Executor."""

    __slots__ = ("_context", "_days", "_default", "_settings", "_stages")

    def __init__(
        self, context: Context, *, settings: Mapping[str, ExecutionSettings], default: ExecutionSettings
    ) -> None:
        self._context = context
        self._settings = settings  # by strategy
        self._default = default  # for parents of a strategy that has left the config
        self._days = Days(context)
        self._stages = Stages()

    def backoff_ns(self, parent: Parent) -> int:
        """How long to wait after the gate refused a child."""
        return self._settings.get(parent.strategy, self._default).backoff_ns

    # ---- what to do now ----------------------------------------------------------------------------------------
    def act(self, parent: Parent, ts_ns: int) -> Action | None:
        """The next single step; None = wait. A child with an answer outstanding is never touched."""
        child = self._child(parent) if parent.child else None
        if child is not None and child.busy:
            return None
        if parent.state is not _ACTIVE:
            return self._drop(child, ts_ns, "parent ended")
        if parent.filled_nanos >= parent.qty_nanos:
            if child is None:
                return Action(end=ParentState.DONE, reason="filled")
            return None if _crashed(parent) else self._drop(child, ts_ns, "parent filled")
        if parent.paused:
            return None if _stays(parent, child) else self._drop(child, ts_ns, "parent paused")
        settings = self._settings.get(parent.strategy, self._default)
        if ts_ns >= self._expiry_ns(parent, settings):
            return self._expire(parent, child, ts_ns)
        return self._work(parent, child, settings, ts_ns)

    def _expiry_ns(self, parent: Parent, settings: ExecutionSettings) -> int:
        """When it gives up."""
        return parent.end_ts_ns + (settings.grace_ns if self._stages.completes(parent) else 0)

    def _expire(self, parent: Parent, child: Order | None, ts_ns: int) -> Action | None:
        """Out of time. Outside regular hours a child is left alone: it is a DAY order and ends by itself."""
        if child is None:
            rest = exact_text(parent.remaining_nanos)
            final = not self._stages.completes(parent)
            return Action(end=ParentState.EXPIRED, final=final, reason=f"out of time with {rest} to go")
        if self._days.regular(parent.inst, ts_ns) is None:
            return None
        return self._drop(child, ts_ns, "out of time")

    def _work(self, parent: Parent, child: Order | None, settings: ExecutionSettings, ts_ns: int) -> Action | None:
        money = self._context.money
        day = self._days.regular(parent.inst, ts_ns)
        if day is None or ts_ns < parent.start_ts_ns or money.link == DOWN:
            return None
        if day.lot is None:
            return None
        stage = self._stages.at(parent, settings, day.lot.increment_nanos, ts_ns)
        if stage.watched and parent.slice_no < stage.number:
            return Action(record=begin_slice(self._context, parent, stage, day, ts_ns))
        touch = touch_of(self._context, parent.inst, day)
        if touch is None or (child is not None and child.state is _INACTIVE):
            return None
        if parent.side < 0 and self._is_restricted_short(parent):
            if stage.broker_algo:
                return self._drop(child, ts_ns, "short sales are restricted")
            stage = msgspec.structs.replace(stage, cross_ns=FOREVER_NS, adverse_nanos=0, auction=False)
        want = wanted_nanos(parent, stage)
        if child is not None and want < child.remaining_nanos:
            # After a late fill of an earlier child. Not a replace: one that is refused could only be tried again at
            # once (a spin) or later (over-fill); a cancel is final, and what is still due follows as a new child.
            return self._drop(child, ts_ns, "more on the book than is due")
        if child is not None and stage.auction and ts_ns <= day.cutoff_ns and child.order_type not in ON_CLOSE:
            return self._drop(child, ts_ns, "the rest is for the auction")
        if money.sendable() != READY or ts_ns < parent.not_before_ns:
            return None
        if parent.side < 0 and not stage.broker_algo:
            want = self._one_mark(parent, child, want, touch.lot.increment_nanos)
            if child is not None and want < child.remaining_nanos:  # another book has sold meanwhile
                return self._drop(child, ts_ns, "more on the book than the account owns")
        if child is None:
            auction = stage.auction and ts_ns <= day.cutoff_ns
            return self._place(parent, settings, stage, touch, want, ts_ns, auction)
        if child.broker_algo or stage.algo.rests or child.order_type in ON_CLOSE:
            return None
        return _adjust(parent, child, settings, stage, touch, want, ts_ns)

    def _is_restricted_short(self, parent: Parent) -> bool:
        """A short sale under the restriction of Rule 201 must not reach the bid: it rests at the offer to the end."""
        money = self._context.money
        if money.conditions.short_until[parent.inst] < money.trading_date:
            return False
        return money.ledger.holdings[parent.inst] < parent.remaining_nanos

    def _one_mark(self, parent: Parent, child: Order | None, want: int, lot_nanos: int) -> int:
        """A sale is long or short, never both (Reg SHO 200(g)). A book's own needs stop at its zero; where several
        books trade, the account's zero may come earlier: what it owns goes first, the rest as a sale of its own.
        """
        money, inst = self._context.money, parent.inst
        others = money.reservations.sell_qty[inst] - (0 if child is None else child.reserved_nanos)
        owned = round_down(money.ledger.holdings[inst] - others, lot_nanos)
        return owned if 0 < owned < want else want

    def _place(
        self, parent: Parent, settings: ExecutionSettings, stage: Stage, touch: Touch, want: int, ts_ns: int,
        auction: bool,
    ) -> Action | None:  # fmt: skip
        held = stage.broker_algo or stage.algo.rests
        if held and ts_ns >= parent.end_ts_ns - (BROKER_TIME_NS if stage.broker_algo else 0):
            return None  # its time is over, or too short for the broker; a child that still works may finish
        if not auction and not held:
            want = next_nanos(parent, settings, stage, want)
        if not _is_enough(settings, stage, touch.lot, want):
            return None
        if parent.last_child and ts_ns < self._retry_ns(parent, settings):
            return None
        if self._context.money.live_orders and self._has_stray(parent):
            return None
        if auction:
            return Action(place=_on_close(parent, self._context.money.next_order_id, want, touch))
        if stage.broker_algo:
            return _by_broker(parent, self._context.money.next_order_id, want, stage, touch)
        if stage.algo.rests:
            return self._rest(parent, want, touch)
        px = _px(parent, settings, touch, crossing=_crosses(parent, stage, touch, ts_ns))
        if px <= 0:
            return None
        return Action(place=_intent(parent, self._context.money.next_order_id, want, px))

    def _rest(self, parent: Parent, want: int, touch: Touch) -> Action | None:
        """At the parent's limit until somebody takes it off: one that ended by itself is not sent again."""
        money = self._context.money
        last = money.orders.get(parent.last_child)
        kept = money.manual.get(parent.parent_id)
        if last is not None and (last.state is State.FILLED or not last.cancel_ts_ns):
            if kept is not None and kept.oca_group and last.state in (State.FILLED, State.CANCELLED):
                return Action(end=ParentState.CANCELLED, reason="its group has traded")
            if last.state is not State.FILLED:
                reason = f"order {last.order_id} ended by itself: {last.state.name}"
                return Action(end=ParentState.CANCELLED, reason=reason)
        px = to_tick(touch.tick, parent.limit_px_nanos, parent.side < 0)
        if px <= 0:
            return None
        intent = _intent(parent, money.next_order_id, want, px)
        if kept is not None:
            group = oca_name(money.settings.account_tag, kept.oca_group) if kept.oca_group else ""
            intent = msgspec.structs.replace(
                intent, tif=kept.tif, oca_group=group, oca_type=c.OCA_REDUCE_WITH_BLOCK if group else 0
            )
        return Action(place=intent)

    def _drop(self, child: Order | None, ts_ns: int, reason: str) -> Action | None:
        """Cancel a child; again only after the back-off, when a cancel was refused."""
        if child is None or self._context.money.link == DOWN or ts_ns < self._cancel_ns(child):
            return None
        return Action(cancel=child.order_id, reason=reason)

    # ---- what it reads -----------------------------------------------------------------------------------------
    def _child(self, parent: Parent) -> Order:
        """The live child of a parent that has one."""
        child = self._context.money.live_orders.get(parent.child)
        if child is None:
            raise Bug(f"parent {parent.parent_id} has child {parent.child}, which is not live")
        return child

    def _has_stray(self, parent: Parent) -> bool:
        """An earlier child came back to life (an order settled as lost): one live child at most, so wait for it."""
        orders = self._context.money.live_orders.of(parent.inst)
        return any(order.parent_id == parent.parent_id for order in orders)

    def _retry_ns(self, parent: Parent, settings: ExecutionSettings) -> int:
        """Not before this after a child that ended unfilled (rejected, not sent, cancelled by others)."""
        order = self._context.money.orders.get(parent.last_child) if parent.last_child else None
        if order is None or order.live or order.state is State.FILLED:
            return 0
        return order.changed_ts_ns + settings.backoff_ns

    def _cancel_ns(self, child: Order) -> int:
        settings = self._settings.get(child.strategy, self._default)
        return child.cancel_ts_ns + settings.backoff_ns if child.cancel_ts_ns else 0

    # ---- when to be asked again --------------------------------------------------------------------------------
    def wake_ns(self, parent: Parent, ts_ns: int) -> int:
        """The next moment at which `act` may answer differently without an event; always after `ts_ns`."""
        child = self._child(parent) if parent.child else None
        day = self._days.regular(parent.inst, ts_ns)
        best = self._boundary_ns(parent.inst, ts_ns) if day is None else day.close_ns
        if child is not None and child.cancel_ts_ns:
            cancel = self._cancel_ns(child)
            best = cancel if ts_ns < cancel < best else best
        if parent.state is _ACTIVE and not parent.paused:
            for moment in self._schedule(parent, child, day, ts_ns):
                if ts_ns < moment < best:
                    best = moment
        return best

    def _boundary_ns(self, inst: int, ts_ns: int) -> int:
        """The next change of the session's phase."""
        boundary = self._context.calendars[inst].next_boundary_ns(ts_ns)
        return boundary if boundary > ts_ns else ts_ns + IDLE_NS

    def _schedule(self, parent: Parent, child: Order | None, day: Day | None, ts_ns: int) -> tuple[int, ...]:
        """Moments of the schedule around a time; those that have passed are harmless."""
        settings = self._settings.get(parent.strategy, self._default)
        lot = None if day is None else day.lot
        # Times do not depend on the lot: outside regular hours any will do.
        stage = self._stages.at(parent, settings, 1 if lot is None else lot.increment_nanos, ts_ns)
        expiry = self._expiry_ns(parent, settings)
        retry = self._retry_ns(parent, settings) if child is None else 0
        poll = 0
        if day is not None and parent.start_ts_ns <= ts_ns < expiry:
            poll = self._poll_ns(parent, child, settings, stage, day, ts_ns)
        return stage.cross_ns, stage.until_ns, parent.end_ts_ns, expiry, parent.not_before_ns, retry, poll

    def _poll_ns(
        self, parent: Parent, child: Order | None, settings: ExecutionSettings, stage: Stage, day: Day, ts_ns: int
    ) -> int:
        """The next look at the market: by the chase interval from the child's last change, or while no child could be
        placed. 0 = nothing to look for before the schedule moves.
        """
        if child is not None:
            if child.busy or child.broker_algo or stage.algo.rests or child.order_type in ON_CLOSE:
                return 0
            passed = ts_ns - child.changed_ts_ns
            return child.changed_ts_ns + (passed // settings.chase_ns + 1) * settings.chase_ns
        touch = touch_of(self._context, parent.inst, day)
        if touch is None:
            return ts_ns + settings.chase_ns
        want = next_nanos(parent, settings, stage, wanted_nanos(parent, stage))
        if _is_enough(settings, stage, touch.lot, want):
            return ts_ns + settings.chase_ns
        return 0


def _is_enough(settings: ExecutionSettings, stage: Stage, lot: LotRule, want: int) -> bool:
    """Whether a new child of this size is worth sending: the last slice takes any size the venue takes."""
    if want <= 0 or want < lot.minimum_nanos:
        return False
    return stage.final or want >= settings.child_lots_min * lot.increment_nanos


def _adjust(
    parent: Parent, child: Order, settings: ExecutionSettings, stage: Stage, touch: Touch, want: int, ts_ns: int
) -> Action | None:
    """Replace a child that is too small or left behind by the market."""
    crossing = _crosses(parent, stage, touch, ts_ns)
    since = stage.cross_ns if ts_ns >= stage.cross_ns else stage.from_ns
    # A new phase may re-price at once; within one it waits for the chase interval.
    if child.changed_ts_ns >= since and ts_ns < child.changed_ts_ns + settings.chase_ns:
        return None
    px = _px(parent, settings, touch, crossing=crossing)
    behind = (px - child.limit_px_nanos) * parent.side >= increment_at(touch.tick, px)
    if crossing and is_marketable(touch, parent.side, child.limit_px_nanos):
        behind = False  # it reaches the touch already: a fill is under way
    want = grown_nanos(parent, settings, stage, child, want)
    if px <= 0 or not (behind or want > child.remaining_nanos):
        return None
    return Action(replace=_intent(parent, child.order_id, child.filled_nanos + want, px, child))


def _crosses(parent: Parent, stage: Stage, touch: Touch, ts_ns: int) -> bool:
    """Whether it is time to pay the spread: by the clock, or because the market has run away."""
    if ts_ns >= stage.cross_ns:
        return True
    adverse = stage.adverse_nanos
    return adverse > 0 and (touch.bid_px_nanos + touch.ask_px_nanos - 2 * adverse) * parent.side > 0


def _px(parent: Parent, settings: ExecutionSettings, touch: Touch, *, crossing: bool) -> int:
    if crossing:
        return crossing_px(touch, parent.side, parent.limit_px_nanos, settings.cross_ticks_max)
    return passive_px(touch, parent.side, parent.limit_px_nanos)


def _intent(parent: Parent, order_id: int, qty_nanos: int, px_nanos: int, child: Order | None = None) -> c.OrderIntent:
    return c.OrderIntent(
        order_id=order_id,
        parent_id=parent.parent_id,
        slice_no=parent.children if child is None else child.slice_no,
        strategy=parent.strategy,
        inst=parent.inst,
        side=parent.side,
        qty_nanos=qty_nanos,
        order_type=c.LMT,
        limit_px_nanos=px_nanos,
        tif=c.DAY,
        purpose=parent.purpose,
        algo=parent.algo,
        operator=parent.operator,
        version=0 if child is None else child.version + 1,
    )


def _on_close(parent: Parent, order_id: int, qty_nanos: int, touch: Touch) -> c.OrderIntent:
    """For the closing auction: at any price, or within the parent's limit."""
    limit = parent.limit_px_nanos
    if not limit:
        return msgspec.structs.replace(_intent(parent, order_id, qty_nanos, 0), order_type=c.MOC)
    px = to_tick(touch.tick, limit, parent.side < 0)
    return msgspec.structs.replace(_intent(parent, order_id, qty_nanos, px), order_type=c.LOC)


def _by_broker(parent: Parent, order_id: int, qty_nanos: int, stage: Stage, touch: Touch) -> Action | None:
    """The whole of it in the broker's hands, at the parent's limit; without one nothing is sent."""
    px = to_tick(touch.tick, parent.limit_px_nanos, parent.side < 0)
    if px <= 0:
        return None
    return Action(
        place=msgspec.structs.replace(
            _intent(parent, order_id, qty_nanos, px), broker_algo=stage.broker_algo, broker_params=stage.broker_params
        )
    )


def _stays(parent: Parent, child: Order | None) -> bool:
    """A halt leaves on the book what can only reduce; an operator who pauses this very schedule wants it off."""
    exits = child is not None and child.reduce_only and parent.paused_reason != OPERATOR
    return exits or _crashed(parent)


def _crashed(parent: Parent) -> bool:
    return parent.paused and parent.paused_reason == PAUSED_BY_CRASH
