"""The executor: chases any trajectory with one child order at a time. It keeps nothing of its own: everything it reads
is the parent, its child order, the clock handed in and the market, so a crash resumes every schedule exactly.

Each slice rests at the near touch first and crosses after its patient part; what a slice missed is due with the next.
It knows no risk limits (the gate refuses) and no strategy.
"""

from collections.abc import Mapping
from typing import Final

from core import commands as c
from core.errors import Bug
from core.instruments import increment_at
from core.money.state import DOWN, READY
from core.orders import Order, State
from core.parents import Parent, ParentState
from core.ports import Action, Context
from core.sessions import Session
from core.units import NANO, exact_text, round_down
from execution.algos import algo_of
from execution.settings import ExecutionSettings
from execution.touch import Touch, crossing_px, is_marketable, passive_px, regular_session, touch_of
from execution.trajectory import Trajectory

PAUSED_BY_CRASH: Final = "crash"  # orders stay and nothing is sent until an operator resumes
IDLE_NS: Final = 60 * NANO  # wake-up where even the session table knows no next moment


class ChaseExecutor:
    """Implements core.ports.Executor."""

    __slots__ = ("_context", "_default", "_settings")

    def __init__(
        self, context: Context, *, settings: Mapping[str, ExecutionSettings], default: ExecutionSettings
    ) -> None:
        self._context = context
        self._settings = settings  # by strategy
        self._default = default  # for parents of a strategy that has left the config

    def backoff_ns(self, parent: Parent) -> int:
        """How long to wait after the gate refused a child."""
        return self._of(parent).backoff_ns

    # ---- what to do now ----------------------------------------------------------------------------------------
    def act(self, parent: Parent, ts_ns: int) -> Action | None:
        """The next single step; None = wait. A child with an answer outstanding is never touched."""
        child = self._child(parent)
        if child is not None and child.busy:
            return None
        if not parent.active:
            return self._drop(child, ts_ns, "parent ended")
        if parent.remaining_nanos <= 0:
            if child is None:
                return Action(end=ParentState.DONE, reason="filled")
            return None if _crashed(parent) else self._drop(child, ts_ns, "parent filled")
        if parent.paused:
            return None if _crashed(parent) else self._drop(child, ts_ns, "parent paused")
        if ts_ns >= parent.end_ts_ns + self._of(parent).grace_ns:
            return self._expire(parent, child, ts_ns)
        return self._work(parent, child, ts_ns)

    def _expire(self, parent: Parent, child: Order | None, ts_ns: int) -> Action | None:
        """Out of time. Outside regular hours a child is left alone: it is a DAY order and ends by itself."""
        if child is None:
            rest = exact_text(parent.remaining_nanos)
            return Action(end=ParentState.EXPIRED, reason=f"out of time with {rest} to go")
        if regular_session(self._context, parent.inst, ts_ns) is None:
            return None
        return self._drop(child, ts_ns, "out of time")

    def _work(self, parent: Parent, child: Order | None, ts_ns: int) -> Action | None:
        money = self._context.money
        session = regular_session(self._context, parent.inst, ts_ns)
        if session is None or ts_ns < parent.start_ts_ns or money.link == DOWN:
            return None
        touch = touch_of(self._context, parent.inst, session)
        if touch is None or (child is not None and child.state is State.INACTIVE):
            return None
        trajectory = algo_of(parent.algo).trajectory(parent, touch.lot.increment_nanos)
        want = self._want(parent, trajectory, touch, ts_ns)
        if child is not None and want < child.remaining_nanos:
            # After a late fill of an earlier child. Not a replace: one that is refused could only be tried again at
            # once (a spin) or later (over-fill); a cancel is final, and what is still due follows as a new child.
            return self._drop(child, ts_ns, "more on the book than is due")
        if money.sendable != READY or ts_ns < parent.not_before_ns:
            return None
        if child is None:
            return self._place(parent, trajectory, touch, want, ts_ns)
        return self._adjust(parent, child, trajectory, touch, want, ts_ns)

    def _want(self, parent: Parent, trajectory: Trajectory, touch: Touch, ts_ns: int) -> int:
        """Whole lots due and not filled; never more than what is left of the parent."""
        due = trajectory.cumulative_nanos(ts_ns) - parent.filled_nanos
        most = parent.remaining_nanos
        return round_down(due if due < most else most, touch.lot.increment_nanos)

    def _place(self, parent: Parent, trajectory: Trajectory, touch: Touch, want: int, ts_ns: int) -> Action | None:
        if ts_ns < self._retry_ns(parent) or not self._is_enough(parent, trajectory, touch, want, ts_ns):
            return None
        if self._has_stray(parent):
            return None
        px = self._px(parent, trajectory, touch, ts_ns)
        if px <= 0:
            return None
        return Action(place=self._intent(parent, self._context.money.next_order_id, want, px))

    def _is_enough(self, parent: Parent, trajectory: Trajectory, touch: Touch, want: int, ts_ns: int) -> bool:
        """Whether a new child of this size is worth sending: the last slice takes any size the venue takes."""
        lot = touch.lot
        if want <= 0 or want < lot.minimum_nanos:
            return False
        last = trajectory.slice_at(ts_ns) >= trajectory.slices - 1
        return last or want >= self._of(parent).child_lots_min * lot.increment_nanos

    def _adjust(
        self, parent: Parent, child: Order, trajectory: Trajectory, touch: Touch, want: int, ts_ns: int
    ) -> Action | None:
        """Replace a child that is too small or left behind by the market."""
        px = self._px(parent, trajectory, touch, ts_ns)
        total = child.filled_nanos + want
        settings = self._of(parent)
        since, crossing = self._phase(parent, trajectory, ts_ns)
        # A new phase may re-price at once; within one it waits for the chase interval.
        if child.changed_ts_ns >= since and ts_ns < child.changed_ts_ns + settings.chase_ns:
            return None
        behind = (px - child.limit_px_nanos) * parent.side >= increment_at(touch.tick, px)
        if crossing and is_marketable(touch, parent.side, child.limit_px_nanos):
            behind = False  # it reaches the touch already: a fill is under way
        if px <= 0 or not (behind or want > child.remaining_nanos):
            return None
        return Action(replace=self._intent(parent, child.order_id, total, px, child))

    def _px(self, parent: Parent, trajectory: Trajectory, touch: Touch, ts_ns: int) -> int:
        _, crossing = self._phase(parent, trajectory, ts_ns)
        if crossing:
            ticks = self._of(parent).cross_ticks_max
            return crossing_px(touch, parent.side, parent.limit_px_nanos, ticks)
        return passive_px(touch, parent.side, parent.limit_px_nanos)

    def _phase(self, parent: Parent, trajectory: Trajectory, ts_ns: int) -> tuple[int, bool]:
        """When the present phase began, and whether it crosses."""
        number = trajectory.slice_at(ts_ns)
        if number >= trajectory.slices:
            return trajectory.boundary_ns(trajectory.slices), True
        cross = self._cross_ns(parent, trajectory, number)
        return (cross, True) if ts_ns >= cross else (trajectory.boundary_ns(number), False)

    def _cross_ns(self, parent: Parent, trajectory: Trajectory, number: int) -> int:
        """When slice `number` stops being patient."""
        begin = trajectory.boundary_ns(number)
        if algo_of(parent.algo).crosses_at_once or parent.purpose == c.INTENT_FLATTEN:
            return begin
        return begin + (trajectory.boundary_ns(number + 1) - begin) * self._of(parent).patience_nanos // NANO

    def _drop(self, child: Order | None, ts_ns: int, reason: str) -> Action | None:
        """Cancel a child; again only after the back-off, when a cancel was refused."""
        if child is None or self._context.money.link == DOWN or ts_ns < self._cancel_ns(child):
            return None
        return Action(cancel=child.order_id, reason=reason)

    def _intent(
        self, parent: Parent, order_id: int, qty_nanos: int, px_nanos: int, child: Order | None = None
    ) -> c.OrderIntent:
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
            version=0 if child is None else child.version + 1,
        )

    # ---- what it reads -----------------------------------------------------------------------------------------
    def _of(self, parent: Parent) -> ExecutionSettings:
        return self._settings.get(parent.strategy, self._default)

    def _child(self, parent: Parent) -> Order | None:
        if not parent.child:
            return None
        child = self._context.money.live_orders.get(parent.child)
        if child is None:
            raise Bug(f"parent {parent.parent_id} has child {parent.child}, which is not live")
        return child

    def _has_stray(self, parent: Parent) -> bool:
        """An earlier child came back to life (an order settled as lost): one live child at most, so wait for it."""
        money = self._context.money
        if not money.reservations.any_live(parent.inst):
            return False
        return any(order.parent_id == parent.parent_id for order in money.live_orders.values())

    def _retry_ns(self, parent: Parent) -> int:
        """Not before this after a child that ended unfilled (rejected, not sent, cancelled by others)."""
        order = self._context.money.orders.get(parent.last_child)
        if order is None or order.live or order.state is State.FILLED:
            return 0
        return order.changed_ts_ns + self._of(parent).backoff_ns

    def _cancel_ns(self, child: Order) -> int:
        settings = self._settings.get(child.strategy, self._default)
        return child.cancel_ts_ns + settings.backoff_ns if child.cancel_ts_ns else 0

    # ---- when to be asked again --------------------------------------------------------------------------------
    def wake_ns(self, parent: Parent, ts_ns: int) -> int:
        """The next moment at which `act` may answer differently without an event; always after `ts_ns`."""
        child = self._child(parent)
        calendar = self._context.calendars[parent.inst]
        best = calendar.next_boundary_ns(ts_ns)
        if best <= ts_ns:
            best = ts_ns + IDLE_NS
        moments = [self._cancel_ns(child)] if child is not None else []
        if parent.active and not parent.paused:
            moments += self._timeline(parent, ts_ns)
            session = regular_session(self._context, parent.inst, ts_ns)
            if session is not None:
                moments.append(self._poll_ns(parent, child, session, ts_ns))
        for moment in moments:
            if ts_ns < moment < best:
                best = moment
        return best

    def _timeline(self, parent: Parent, ts_ns: int) -> list[int]:
        """Moments of the schedule around a time; those that have passed are harmless."""
        end = parent.end_ts_ns
        moments = [parent.start_ts_ns, end, end + self._of(parent).grace_ns, parent.not_before_ns]
        if not parent.child:
            moments.append(self._retry_ns(parent))
        trajectory = algo_of(parent.algo).trajectory(parent, 1)  # times do not depend on the lot
        number = trajectory.slice_at(ts_ns)
        if 0 <= number < trajectory.slices:
            moments += [trajectory.boundary_ns(number + 1), self._cross_ns(parent, trajectory, number)]
        return moments

    def _poll_ns(self, parent: Parent, child: Order | None, session: Session, ts_ns: int) -> int:
        """The next look at the market: by the chase interval from the child's last change, or while no child could be
        placed. 0 = nothing to look for before the schedule moves.
        """
        settings = self._of(parent)
        if ts_ns < parent.start_ts_ns or ts_ns >= parent.end_ts_ns + settings.grace_ns:
            return 0
        if child is not None:
            passed = ts_ns - child.changed_ts_ns
            return 0 if child.busy else child.changed_ts_ns + (passed // settings.chase_ns + 1) * settings.chase_ns
        touch = touch_of(self._context, parent.inst, session)
        if touch is None:
            return ts_ns + settings.chase_ns
        trajectory = algo_of(parent.algo).trajectory(parent, touch.lot.increment_nanos)
        want = self._want(parent, trajectory, touch, ts_ns)
        return ts_ns + settings.chase_ns if self._is_enough(parent, trajectory, touch, want, ts_ns) else 0


def _crashed(parent: Parent) -> bool:
    return parent.paused and parent.paused_reason == PAUSED_BY_CRASH
