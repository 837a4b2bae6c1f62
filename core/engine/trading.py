"""The engine's state and the moves every handler makes: emit, note, alert, reconcile, work. Knows no fact and no table:
what happens on which fact is above this (scope, ladder, clock, table, engine: each imports only those before it).
"""

from typing import Any, Final

import msgspec

from core import commands as c
from core import records as r
from core.engine.deadlines import NEVER, Deadlines
from core.engine.margin import WHAT_IF_NS, WHAT_IF_SPACING_NS, what_if_of
from core.engine.opinion import OpinionState
from core.engine.opinion import StopWatch as StopWatch
from core.latches import ACCOUNT, PROCESS, Latch
from core.money.fold import fold_command
from core.money.snapshot import dump
from core.notes import AnyNote, Blocked, Refusal
from core.orders import State
from core.parents import NO_ORDER, Parent, ParentState
from core.ports import Context, Desk, Executor, Gate, Monitor, Pipeline, Strategy
from core.reservations import reserved_of

Records = list[tuple[int, int, Any]]  # (kind, seq, message) in the order they happened

DUPLICATES: Final = 12
REPEATING: Final = (11, DUPLICATES)  # only a mistake explains these refusals: the strategy may have to stop
SIZE_CONTROLS: Final = (1, 2, 8)  # quantity, value, part of the volume: an exit is cut to them
BY_ITSELF: Final = "trader"  # the operator of what the trader does by a setting (on_stop, on_disable)
FLATTEN: Final = "FLATTEN"  # code of the latch an operator's flatten sets
_ACTIVE: Final = ParentState.ACTIVE
ACTIONS_PER_STEP_MAX: Final = 8  # a parent may end, be planned again and place within one step; more is a loop


class EngineSettings(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Times the engine works to, in nanoseconds, and what happens when a strategy fails."""

    mark_interval_ns: int = 1_000_000_000
    sync_interval_ns: int = 30_000_000_000
    ack_timeout_ns: int = 5_000_000_000
    kill_retry_ns: int = 2_000_000_000
    risk_interval_ns: int = 0  # risk is measured this often while there is any; 0 = never
    kill_alert_ns: int = 10_000_000_000
    link_alert_ns: int = 0  # a link that is away for so long, beyond known restarts, is told again; 0 = never
    equity_note_interval_ns: int = 60_000_000_000
    cash_tolerance_bp: int = 10  # of equity: a smaller unexplained cash difference is booked (control 33)
    cash_tolerance_nanos: int = 500 * 10**9
    whatif_notional_nanos: int = 1 << 62  # a schedule of this value waits for the broker's what-if (control 18)
    margin_rate_ns_max: int = 86_400 * 10**9  # a younger rate needs no question
    day_trades_warned: int = 0  # day trades in five days at which to tell a person; 0 = not counted
    index_inst: int = -1  # the proxy of the market-wide breaker; -1 = none
    on_disable: dict[str, str] = {}  # by strategy: park (default), hold or flatten
    on_stop: dict[str, str] = {}
    persons: int = 2  # who must agree before risk is added at a level of `two_person_levels` (control 41)
    two_person_levels: tuple[int, ...] = (PROCESS, ACCOUNT)
    cross_internally: bool = False  # opposite wants of two books meet inside the account (core/engine/crossing.py)


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(OpinionState).decode


class Trading:
    """Market, money and opinion state of one trader, and the moves a step is made of."""

    def __init__(
        self,
        *,
        settings: EngineSettings,
        context: Context,
        pipeline: Pipeline,
        strategies: tuple[Strategy, ...],
        desk: Desk,
        executor: Executor,
        gate: Gate,
        monitor: Monitor,
    ) -> None:
        self.settings = settings
        self.context = context
        self.money = context.money
        self.market = context.market
        self.exposure = context.exposure
        self.pipeline = pipeline
        self.strategies = {strategy.name: strategy for strategy in strategies}
        self.desk = desk
        self.executor = executor
        self.gate = gate
        self.monitor = monitor
        self.symbols = tuple(instrument.symbol for instrument in context.instruments)
        self.traders: tuple[tuple[Strategy, ...], ...] = tuple(
            tuple(s for s in strategies if inst in s.instruments) for inst in range(len(context.instruments))
        )
        self.seq = 0
        self.ts_ns = 0
        self.records: Records = []
        self.reply: tuple[bool, str] = (True, "")  # answer to the last operator fact
        self.second = ""  # the other person behind it, where two were needed
        self.refused: list[Refusal] = []  # in this step, by a control of REPEATING
        self.timers = Deadlines()
        self.blocked: dict[tuple[str, int], str] = {}  # wanted trades that wait, and why (noted once per reason)
        self.retry: dict[tuple[str, int], None] = {}  # those to ask again at the next mark
        self.uncrossed: dict[tuple[str, int], str] = {}  # opposite wants that did not cross, and why (noted once)
        self.stops: dict[int, StopWatch] = {}  # by instrument, where something is held
        self.brackets: dict[int, StopWatch] = {}  # the same of what closes a manual order, by its number
        self.stopping = False
        self.exposure.set_rates(self.money.conditions.rates)
        self.unsynced = True  # no complete sync since the link came back: schedules wait for it
        self.next_deadline_ns = NEVER

    # ---- what a step can do ------------------------------------------------------------------------------------
    def emit(self, command: Any) -> None:
        """Record a command; money state follows at once, so the next check in this step sees it."""
        self.seq = seq = self.seq + 1
        fold_command(self.money, seq, self.ts_ns, command)
        self.records.append((r.COMMAND, seq, command))

    def note(self, note: AnyNote) -> None:
        """Record an explanation."""
        self.seq = seq = self.seq + 1
        self.records.append((r.NOTE, seq, note))

    def alert(self, code: str, severity: str, text: str) -> None:
        """Tell a person."""
        self.emit(c.RaiseAlert(code=code, severity=severity, text=text))

    def end_alerts(self, *codes: str, by: str = c.ENDED) -> None:
        """What they told of has passed, or `by` has dealt with it: nobody need be told of them again."""
        opened = tuple(code for code in codes if code in self.money.alerts)
        if opened:
            self.emit(c.CloseAlerts(codes=opened, by=by))

    def reconcile(self, strategy: str, inst: int) -> None:
        """Bring position and schedules of one strategy in one instrument in line with its target."""
        if self.stopping or self.money.safe:  # SAFE: status and cancels only; whatever raised twice is not asked again
            return
        latch = self._flattening(strategy, inst) if self.money.latches.any_held else None
        if latch is not None:
            self._flatten(strategy, inst, operator=latch.by)
            return
        for _ in range(ACTIONS_PER_STEP_MAX):
            plan = self.desk.plan(strategy, inst, self.ts_ns)
            blocked = "" if plan is None else plan.blocked
            if blocked or self.blocked:
                self._note_blocked(strategy, inst, blocked, "" if plan is None else plan.detail)
            if plan is None or blocked:
                return
            if plan.supersede:
                if not self.end_parent(
                    self.money.parents[plan.supersede], state=ParentState.SUPERSEDED, reason="target changed"
                ):
                    return  # its child must be gone before another schedule may trade
                continue
            if plan.open is not None:
                if plan.warning and "EDGE_UNPAID" not in self.money.alerts:  # once, until somebody has seen it
                    self.alert("EDGE_UNPAID", "warning", f"{self.symbols[inst]}, {strategy}: {plan.warning}")
                self.open_parent(plan.open)
            return

    def open_parent(self, opening: c.OpenParent) -> None:
        """Start a schedule; a large one asks the broker first what it would bind, at most once a minute."""
        question = what_if_of(self.context, self.settings, opening, self.ts_ns)
        if question is not None and self.ts_ns - self.money.conditions.what_if_ns < WHAT_IF_SPACING_NS:
            self._note_blocked(opening.strategy, opening.inst, "margin: the broker takes one what-if a minute")
            return
        self.emit(opening)
        if question is not None:
            self.emit(question)
        self.work(self.money.parents[opening.parent_id])

    def refuse_parent(self, parent: Parent, reason: str) -> None:
        """A schedule that must not begin: it ends, and the desk may try again when a what-if may be asked again."""
        self.emit(c.EndParent(parent_id=parent.parent_id, state=ParentState.CANCELLED, reason=f"MARGIN: {reason}"))
        self.timers.drop_wake(parent.parent_id)
        self.alert("MARGIN_REFUSED", "warning", f"{self.symbols[parent.inst]}, {parent.strategy}: {reason}")
        self.reconcile(parent.strategy, parent.inst)

    def _awaits(self, parent: Parent) -> bool:
        """AWAITING_MARGIN: nothing of it is sent before the answer; no answer in time refuses it."""
        due_ns = parent.what_if_due_ns
        if not due_ns or not parent.active:
            return False
        if self.ts_ns < due_ns:
            self.timers.set_wake(parent.parent_id, due_ns)
        else:
            self.refuse_parent(parent, f"no answer to the what-if within {WHAT_IF_NS // 10**9} s")
        return True

    def _flattening(self, strategy: str, inst: int) -> Latch | None:
        """A flatten holds this scope until resumed; the latch alone says so, so a crash goes on with it. A later kill
        ends it; an earlier one must be verified first, and only a person's flatten overrules it.
        """
        money, symbol = self.money, self.symbols[inst]
        kills = [kill for kill in money.kills if not kill.over_ns and kill.covers(symbol, strategy)]
        for latch in money.latches.binding(strategy=strategy, symbol=symbol):
            if latch.code == FLATTEN and not any(
                latch.by == BY_ITSELF or not kill.verified_ns or kill.seq > latch.asked_seq for kill in kills
            ):
                return latch
        return None

    def _flatten(self, strategy: str, inst: int, *, operator: str) -> None:
        """Close what is held, once nothing of the strategy works in the instrument any more."""
        money = self.money
        if any(parent.strategy == strategy for parent in money.live_parents.of(inst)):
            return
        if any(order.strategy == strategy for order in money.live_orders.of(inst)):
            return
        opening = self.desk.flatten(strategy, inst, self.ts_ns)
        if opening is not None:
            self.emit(msgspec.structs.replace(opening, operator=operator))  # control 28: its orders name who asked
            self.work(money.parents[opening.parent_id])

    def _note_blocked(self, strategy: str, inst: int, reason: str, detail: str = "") -> None:
        key = (strategy, inst)
        if not reason:
            self.blocked.pop(key, None)
            self.retry.pop(key, None)
            return
        self.retry[key] = None
        if self.blocked.get(key) != reason:
            self.blocked[key] = reason
            self.note(Blocked(strategy=strategy, inst=inst, reason=detail or reason))

    def end_parent(self, parent: Parent, *, state: int, reason: str, final: bool = False) -> bool:
        """End a schedule and take its child off the book; True when nothing of it is live any more. `final`: see
        `EndParent`.
        """
        if parent.state is _ACTIVE:
            self.emit(c.EndParent(parent_id=parent.parent_id, state=state, reason=reason, final=final))
        if parent.child == NO_ORDER:
            self.timers.drop_wake(parent.parent_id)
            return True
        self.cancel(parent.child, reason)
        return False

    def cancel(self, order_id: int, reason: str) -> None:
        """Cancel a live order unless a cancel is on its way."""
        order = self.money.live_orders.get(order_id)
        if order is not None and order.state is not State.CANCELLING:
            self.emit(c.CancelOrder(order_id=order_id, reason=reason))

    def work(self, parent: Parent) -> None:
        """Let the executor take its next steps for one schedule."""
        if self.stopping or self.money.safe or self._awaits(parent):
            return
        for _ in range(ACTIONS_PER_STEP_MAX):
            action = self.executor.act(parent, self.ts_ns)
            if action is None:
                break
            if action.record is not None:
                self.emit(action.record)
                continue
            if action.end:
                ended = c.EndParent(
                    parent_id=parent.parent_id, state=action.end, reason=action.reason, final=action.final
                )
                self.emit(ended)
                self.timers.drop_wake(parent.parent_id)
                self.reconcile(parent.strategy, parent.inst)
                return
            if action.cancel:
                self.emit(c.CancelOrder(order_id=action.cancel, reason=action.reason))
                break
            if action.place is not None:
                self._submit(parent, action.place, new=True)
            elif action.replace is not None:
                self._submit(parent, action.replace, new=False)
            break
        self.timers.set_wake(parent.parent_id, self.executor.wake_ns(parent, self.ts_ns))

    def _sliced(self, intent: c.OrderIntent) -> c.OrderIntent | None:
        """An exit larger than one order may be goes out in slices; an entry that large is refused by the gate. None =
        nothing is left to do: the child has the size of a slice already, or was cancelled because it has more.
        """
        if self.money.ledger.held_nanos(intent.strategy, intent.inst) * intent.side >= 0:
            return intent
        most = self.gate.slice_max_nanos(intent.strategy, intent.inst, intent.side, self.ts_ns)
        if intent.qty_nanos <= most or not most:
            return intent
        child = self.money.live_orders.get(intent.order_id) if intent.version else None
        if child is not None and child.qty_nanos > most:
            self.cancel(child.order_id, "more than one order may be now")
            return None
        if child is not None and child.qty_nanos == most and child.limit_px_nanos == intent.limit_px_nanos:
            return None
        return msgspec.structs.replace(intent, qty_nanos=most)

    def _submit(self, parent: Parent, intent: c.OrderIntent, *, new: bool) -> None:
        verdict = self.gate.approve(intent, self.ts_ns, self.seq + 1)
        if isinstance(verdict, Refusal) and verdict.failures[0].control in SIZE_CONTROLS:
            sliced = self._sliced(intent)
            if sliced is None:
                return
            if sliced is not intent:
                verdict = self.gate.approve(sliced, self.ts_ns, self.seq + 1)
        if isinstance(verdict, c.ApprovedOrder):
            if verdict.override:
                self.alert("OVERRIDE_USED", "critical", f"order {intent.order_id} used override {verdict.override}")
            self.emit(c.PlaceOrder(order=verdict) if new else c.ReplaceOrder(order=verdict))
            self.monitor.on_order(self.ts_ns)
            return
        self.note(verdict)
        if parent.purpose == c.INTENT_MANUAL and not parent.children:
            self._give_up(parent, verdict)
            return
        until = self.ts_ns + self.executor.backoff_ns(parent)
        controls = [failure.control for failure in verdict.failures]
        if any(control in REPEATING for control in controls):
            self.refused.append(verdict)
            if DUPLICATES in controls:  # asked again before the window is over it would only be refused again
                until = max(until, self.ts_ns + self.money.settings.duplicate_window_ns)
        self.emit(c.AdvanceParent(parent_id=parent.parent_id, next_ts_ns=until, chases=parent.chases))

    def _give_up(self, parent: Parent, verdict: Refusal) -> None:
        """A person's order that the gate refuses at first does not wait for a better time, as a strategy's does."""
        why = "; ".join(f"{f.code} (control {f.control}): {f.value}, allowed {f.limit}" for f in verdict.failures)
        reason = f"refused by {why}; lifted by {verdict.failures[0].lift}"
        self.end_parent(parent, state=ParentState.CANCELLED, reason=reason)
        if parent.story[0][1] != self.ts_ns:  # else the person is told in the answer
            self.alert("MANUAL_REFUSED", "warning", f"order {parent.parent_id}: {reason}")

    # ---- snapshot ----------------------------------------------------------------------------------------------
    def dump(self) -> dict[str, bytes]:
        """All state of the engine, by part; `load` on a fresh engine of the same code and config continues it."""
        opinion = OpinionState(
            seq=self.seq,
            ts_ns=self.ts_ns,
            timers=self.timers.state(),
            marks=self.exposure.marks,
            blocked=[(strategy, inst, why) for (strategy, inst), why in self.blocked.items()],
            retry=list(self.retry),
            stopping=self.stopping,
            unsynced=self.unsynced,
            monitor=[],
            watch=self.monitor.dump(),
            arrivals=self.context.arrivals,
            stops=self.stops,
            brackets=self.brackets,
            uncrossed=[(strategy, inst, why) for (strategy, inst), why in self.uncrossed.items()],
        )
        return {"money": dump(self.money), "opinion": _encode(opinion), "pipeline": self.pipeline.dump()}

    def load_opinion(self, parts: dict[str, bytes]) -> None:
        """Opinion state from a snapshot; money state was given to the constructor."""
        opinion = _decode(parts["opinion"])
        self.pipeline.load(parts["pipeline"])
        self.seq, self.ts_ns = opinion.seq, opinion.ts_ns
        self.timers.load(opinion.timers)
        for inst, mark in enumerate(opinion.marks):
            self.exposure.mark(inst, mark, self.money.ledger)
        self.blocked = {(strategy, inst): why for strategy, inst, why in opinion.blocked}
        self.retry = dict.fromkeys(opinion.retry)
        self.stopping = opinion.stopping
        self.unsynced = opinion.unsynced
        self.stops, self.brackets = opinion.stops, opinion.brackets
        self.uncrossed = {(strategy, inst): why for strategy, inst, why in opinion.uncrossed}
        if opinion.watch:
            self.monitor.load(opinion.watch)
        self.context.load_arrivals(opinion.arrivals)
        self.timers.limit_ns = self.money.limit_changes.until_ns
        self.next_deadline_ns = self.timers.next_ns()

    # ---- proof -------------------------------------------------------------------------------------------------
    def assert_invariants(self) -> None:
        """Raise AssertionError when the books do not add up; run after every step in tests."""
        money = self.money
        money.ledger.assert_identity()
        money.live_parents.assert_index()
        money.live_orders.assert_index()
        for parent in money.live_parents.values():
            assert parent.filled_nanos <= parent.qty_nanos, f"parent {parent.parent_id} over-filled"
            if parent.child != NO_ORDER:
                child = money.orders[parent.child]
                room = parent.qty_nanos - parent.filled_nanos
                assert not child.live or child.reserved_nanos <= room, (
                    f"child {child.order_id} may over-fill its parent"
                )
        buys, sells = reserved_of(money.live_orders.values(), len(self.symbols))
        assert buys == money.reservations.buy_qty, f"reserved buys {money.reservations.buy_qty} but orders say {buys}"
        assert sells == money.reservations.sell_qty, "reserved sells do not match the orders"
