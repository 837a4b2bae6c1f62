"""When the engine wants to be told the time, and what it does then: schedules, marks, unanswered orders, kills, syncs,
session edges. All deadlines live here; `rearm` runs after every step.
"""

import heapq
from typing import TYPE_CHECKING, Final

import msgspec

from core import commands as c
from core.engine.ladder import move_ladder
from core.engine.scope import chase_kills, reconcile_all, refence
from core.money.state import DOWN, READY
from core.notes import EquityMarked
from core.orders import Order, State
from core.sessions import CLOSED, REGULAR

if TYPE_CHECKING:
    from core.engine.engine import Engine

NEVER: Final = (1 << 63) - 1
SYNC_OVERLAP_NS: Final = 60 * 10**9  # a timed sync reaches this far behind the last complete one
QUIET_MARK_FACTOR: Final = 60  # marks are this much rarer while every market is closed


class TimerState(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Snapshot form."""

    wakes: dict[int, int]
    mark_ns: int
    sync_ns: int
    boundary_ns: int
    kill_ns: int
    noted_ns: int


class Timers:
    """Deadlines of one engine."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        self._heap: list[tuple[int, int]] = []
        self._wakes: dict[int, int] = {}
        self.mark_ns = NEVER
        self.sync_ns = NEVER
        self.boundary_ns = 0  # the first step sets fences for the session it is in
        self.kill_ns = NEVER
        self._noted_ns = 0

    # ---- arming ------------------------------------------------------------------------------------------------
    def set_wake(self, parent_id: int, wake_ns: int) -> None:
        """Ask the executor again about a live parent at `wake_ns`."""
        if self._wakes.get(parent_id) == wake_ns:
            return
        self._wakes[parent_id] = wake_ns
        heapq.heappush(self._heap, (wake_ns, parent_id))

    def drop_wake(self, parent_id: int) -> None:
        """A parent needs no more waking."""
        self._wakes.pop(parent_id, None)

    def has_wake(self, parent_id: int) -> bool:
        """Whether a parent is waiting to be asked."""
        return parent_id in self._wakes

    def next_ns(self) -> int:
        """The earliest deadline."""
        heap = self._heap
        while heap and self._wakes.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
        due = heap[0][0] if heap else NEVER
        due = self.mark_ns if self.mark_ns < due else due
        due = self.sync_ns if self.sync_ns < due else due
        due = self.boundary_ns if self.boundary_ns < due else due
        return self.kill_ns if self.kill_ns < due else due

    def rearm(self) -> None:
        """Start the clocks that present state calls for."""
        engine = self._engine
        money = engine.money
        if self.mark_ns == NEVER and (money.live_orders or money.live_parents or engine.retry or self._exposed()):
            closed = all(calendar.phase(engine.ts_ns) == CLOSED for calendar in engine.context.calendars)
            self.mark_ns = engine.ts_ns + engine.settings.mark_interval_ns * (QUIET_MARK_FACTOR if closed else 1)
        if self.sync_ns == NEVER and money.link == READY:
            self.sync_ns = engine.ts_ns + engine.settings.sync_interval_ns
        if self.kill_ns == NEVER and any(not kill.verified_ns for kill in money.kills):
            self.kill_ns = engine.ts_ns + engine.settings.kill_retry_ns

    def _exposed(self) -> bool:
        exposure = self._engine.exposure
        return exposure.gross != 0 or exposure.unmarked > 0

    # ---- firing ------------------------------------------------------------------------------------------------
    def fire(self) -> None:
        """Everything that is due at the engine's present time, in a fixed order."""
        engine, now = self._engine, self._engine.ts_ns
        if self.boundary_ns <= now:
            self.on_boundary()
        if self.kill_ns <= now:
            self.kill_ns = NEVER
            chase_kills(engine)
        if self.mark_ns <= now:
            self.mark_ns = NEVER
            self._on_mark()
        if self.sync_ns <= now:
            self.sync_ns = NEVER
            self._on_sync()
        while self._heap and self._heap[0][0] <= now:
            wake_ns, parent_id = heapq.heappop(self._heap)
            if self._wakes.get(parent_id) != wake_ns:
                continue
            del self._wakes[parent_id]
            parent = engine.money.live_parents.get(parent_id)
            if parent is not None:
                engine.work(parent)

    def on_boundary(self) -> None:
        """A session opened or closed somewhere: move the fences and look at every target again."""
        engine = self._engine
        self.boundary_ns = min(calendar.next_boundary_ns(engine.ts_ns) for calendar in engine.context.calendars)
        if self.boundary_ns <= engine.ts_ns:
            self.boundary_ns = NEVER  # the table ends here; the gate denies from now on
        refence(engine)
        reconcile_all(engine)

    def _on_mark(self) -> None:
        engine = self._engine
        money, exposure = engine.money, engine.exposure
        exposure.mark_all(engine.market, money.ledger)
        equity = money.ledger.equity_nanos(exposure.marks)
        if equity != money.equity_nanos and not exposure.unmarked:  # a position without a mark would look lost
            unrealised = money.ledger.unrealised_nanos(exposure.marks)
            engine.emit(c.MarkEquity(equity_nanos=equity, unrealised_nanos=unrealised))
            self._note_equity(unrealised)
        for move in engine.monitor.on_mark(engine.ts_ns):
            move_ladder(engine, move)
        for order in list(money.live_orders.values()):
            self._check_answer(order)
        if engine.retry:
            waiting = list(engine.retry)
            engine.retry.clear()
            for strategy, inst in waiting:
                if engine.context.calendars[inst].phase(engine.ts_ns) == REGULAR:
                    engine.reconcile(strategy, inst)

    def _note_equity(self, unrealised_nanos: int) -> None:
        engine = self._engine
        if engine.ts_ns - self._noted_ns < engine.settings.equity_note_interval_ns:
            return
        self._noted_ns = engine.ts_ns
        ledger = engine.money.ledger
        engine.note(
            EquityMarked(
                equity_nanos=engine.money.equity_nanos,
                cash_nanos=ledger.cash[ledger.currency],
                unrealised_nanos=unrealised_nanos,
                realised_nanos=ledger.realised_nanos,
                fees_nanos=ledger.fees_nanos,
            )
        )

    def _check_answer(self, order: Order) -> None:
        """No answer within the time allowed: UNKNOWN, an alert and a sync; never a re-send (control 34)."""
        engine = self._engine
        waiting = order.pending_version or order.state in (State.SENDING, State.CANCELLING)
        since = max(order.changed_ts_ns, order.cancel_ts_ns, order.sent_ts_ns)
        if not waiting or engine.ts_ns - since < engine.settings.ack_timeout_ns or engine.money.link == DOWN:
            return
        if order.state is State.WORKING:  # a replace without answer: both versions stay reserved until a sync tells
            order.changed_ts_ns = engine.ts_ns
        engine.emit(c.DoubtOrder(order_id=order.order_id, reason="no answer in time"))
        engine.alert("ORDER_UNANSWERED", "warning", engine.money.story_of(order.order_id))
        engine.emit(c.RequestSync(reason="order unanswered"))

    def _on_sync(self) -> None:
        engine = self._engine
        money = engine.money
        if money.link != READY:
            return
        quiet = all(calendar.phase(engine.ts_ns) == CLOSED for calendar in engine.context.calendars)
        if not quiet or money.live_orders or money.differences:
            doubt = any(order.state is State.UNKNOWN for order in money.live_orders.values())
            since = 0 if doubt else max(0, money.last_sync_ts_ns - SYNC_OVERLAP_NS)
            engine.emit(c.RequestSync(reason="timer", since_ns=since))

    # ---- snapshot ----------------------------------------------------------------------------------------------
    def state(self) -> TimerState:
        """For a snapshot."""
        return TimerState(
            wakes=dict(self._wakes),
            mark_ns=self.mark_ns,
            sync_ns=self.sync_ns,
            boundary_ns=self.boundary_ns,
            kill_ns=self.kill_ns,
            noted_ns=self._noted_ns,
        )

    def load(self, state: TimerState) -> None:
        """From a snapshot."""
        self._wakes = dict(state.wakes)
        self._heap = [(wake_ns, parent_id) for parent_id, wake_ns in state.wakes.items()]
        heapq.heapify(self._heap)
        self.mark_ns, self.sync_ns = state.mark_ns, state.sync_ns
        self.boundary_ns, self.kill_ns, self._noted_ns = state.boundary_ns, state.kill_ns, state.noted_ns
