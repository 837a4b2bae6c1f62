"""Who may move the ladder: the monitor moves it down when a trigger fires (risk/triggers.py), and the rules say which
latches lift by themselves and what must hold before an operator may lift the others. The latches themselves live in
core.latches. What is counted here is opinion state: a restart of another program counts again.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from core import events as e
from core.commands import MoveLadder
from core.latches import ACCOUNT, ACTIVE, HALTED, PROCESS, REDUCING, STRATEGY, Latch
from core.money.state import LINK_NAMES, READY
from core.notes import Failure, Refusal
from core.ports import Context
from core.units import NANO
from risk import triggers as t
from risk.bounds import Resolved
from risk.checks import duplicate_order, repeated_execution
from risk.in_force import LimitsInForce
from risk.limits import Limits
from risk.triggers import BY_LATCH, LIFTS_ITSELF, MONITOR, Judge, Probe
from risk.watch import Watch, WatchState, new_state

KILL: Final = "KILL"
Moves = list[MoveLadder]

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(WatchState).decode
REPEATS: Final = (repeated_execution.CONTROL, duplicate_order.CONTROL)


def lifts_itself(code: str) -> bool:
    """Whether the cause may lift its own latch when it has passed: connectivity and stale data only."""
    return code in LIFTS_ITSELF


def who_lifts(code: str) -> str:
    """Who can lift a latch of this code, for people."""
    return "by itself: when the cause has passed" if lifts_itself(code) else "operator: resume the scope, with a reason"


class Ladder:
    """Implements core.ports.Monitor."""

    __slots__ = ("_context", "_facts", "_good_since", "_judge", "_limits", "_watch", "watched")

    def __init__(
        self, context: Context, limits: Limits, *, mark_interval_ns: int = NANO, sync_interval_ns: int = 0
    ) -> None:
        """Resolve the limits. Raises ConfigError on a bad one."""
        self._context = context
        self._limits = LimitsInForce(context, limits)
        self._watch = Watch(context, mark_interval_ns=mark_interval_ns, sync_interval_ns=sync_interval_ns)
        self._judge = Judge()
        self._good_since: dict[tuple[int, str, str], int] = {}  # latches that may lift themselves: good since then
        self._facts: dict[type, Callable[[Any, int], Moves]] = {
            e.OrderFilled: self._filled,
            e.ExecutionReported: self._executed,
            e.ExecutionCorrected: self._executed,
            e.OrderRejected: self._rejected,
            e.ReplaceRejected: self._replace_rejected,
            e.OrderInactivated: self._rejected,
            e.LinkDegraded: self._cut_off,
            e.LinkLost: self._cut_off,
            e.ClockOffsetMeasured: self._clock_measured,
            e.RiskMeasured: self._risk_measured,
            e.OperatorResumed: self._resumed,
        }
        self.watched = frozenset(self._facts)

    @property
    def _resolved(self) -> Resolved:
        return self._limits.resolved()

    def lifts_itself(self, code: str) -> bool:
        """Whether the cause may lift its own latch."""
        return code in LIFTS_ITSELF

    @property
    def waits(self) -> bool:
        """Whether a latch stands that may lift itself."""
        latches = self._context.money.latches
        return latches.any_held and any(latch.code in LIFTS_ITSELF for latch in latches.held())

    # ---- marks -------------------------------------------------------------------------------------------------
    def on_mark(self, ts_ns: int) -> Moves:
        """Moves for every trigger that enough marks show beyond a level and that is not latched yet; and for every
        latch that may lift itself and has been good for long enough.
        """
        judge, latches = self._judge, self._context.money.latches
        moves: Moves = []
        judge.moves = moves
        if not self._context.exposure.unmarked:
            self._watch.sample_moves(ts_ns)
        self._look(judge, ts_ns)
        if latches.any_held:
            self._lift(moves, ts_ns)
        elif self._good_since:
            self._good_since.clear()
        return moves

    def _look(self, judge: Judge, ts_ns: int) -> None:
        watch, resolved = self._watch, self._resolved
        judge.least, judge.of = resolved.account.watch.trigger_breaches, resolved.account.watch.trigger_marks
        watch.silences(judge, resolved, ts_ns)
        watch.ages(judge, resolved, ts_ns)
        watch.rates(judge, resolved, ts_ns)
        if self._context.exposure.unmarked:
            return  # a position without a mark: equity is not known, and control 48 blocks entries
        watch.losses(judge, resolved)
        watch.exposures(judge, resolved)
        watch.positions(judge, resolved)

    def _lift(self, moves: Moves, ts_ns: int) -> None:
        """REDUCING to ACTIVE, for connectivity and stale data, and only if nothing else tripped the same orders."""
        held = self._context.money.latches.held()
        quiet_ns = self._resolved.account.watch.lift_quiet_seconds
        others = [latch for latch in held if latch.code not in LIFTS_ITSELF]
        standing = {}
        for latch in held:
            key = (latch.level, latch.scope, latch.code)
            if latch.code not in LIFTS_ITSELF or self._still_bad(latch):
                continue
            standing[key] = since = self._good_since.get(key, ts_ns)
            alone = not any(o.level <= ACCOUNT or (o.level, o.scope) == (latch.level, latch.scope) for o in others)
            if alone and ts_ns - since >= quiet_ns:
                moves.append(_lifted(latch, (ts_ns - since) // NANO))
                self._judge.samples.bits.pop(key, None)
        self._good_since = standing

    def _still_bad(self, latch: Latch) -> bool:
        """Whether the cause was there at this mark."""
        money = self._context.money
        if latch.code == t.LINK.code:
            return money.sendable() != READY or bool(money.differences)  # a clean sync since the link came back
        return bool(self._judge.samples.bits.get((latch.level, latch.scope, latch.code), 0) & 1)

    # ---- facts -------------------------------------------------------------------------------------------------
    def on_fact(self, event: Any, ts_ns: int) -> Moves:
        """What a fact alone shows, without waiting for a mark."""
        return self._facts[type(event)](event, ts_ns)

    def on_order(self, ts_ns: int) -> None:
        """An order or a replace was sent."""
        self._watch.state.orders.add(ts_ns)

    def on_refused(self, refusal: Refusal) -> list[MoveLadder]:
        """A strategy that repeats itself is halted: by control 11 at once, by 12 after too many duplicates."""
        moves: list[MoveLadder] = []
        for failure in refusal.failures:
            if failure.control not in REPEATS or not self._is_repeating(refusal.strategy, failure):
                continue
            held = self._context.money.latches.held(STRATEGY, refusal.strategy)
            if all(latch.code != failure.code for latch in held):
                move = MoveLadder(
                    level=STRATEGY,
                    scope=refusal.strategy,
                    state=HALTED,
                    code=failure.code,
                    reason="it repeats itself without a person",
                    by=MONITOR,
                    value=failure.value,
                    limit=failure.limit,
                )
                moves.append(move)
        return moves

    def _is_repeating(self, strategy: str, failure: Failure) -> bool:
        book = self._resolved.books.get(strategy)
        if book is None:
            return False  # not configured: the gate takes nothing of it anyway
        if failure.control != duplicate_order.CONTROL:
            return True
        return self._context.money.counters.tally(strategy).duplicates_day >= book.counts.duplicate_refusals_max

    def on_odd(self, ts_ns: int) -> None:
        """Something odd, or no answer."""
        self._watch.state.errors.add(ts_ns)

    def _filled(self, event: e.OrderFilled, ts_ns: int) -> Moves:
        order = self._context.money.orders.get(event.order_id)
        strategy = ""
        if order is not None:
            strategy = order.strategy
            self._watch.count_fill(order, event.side, event.qty_nanos, event.px_nanos, ts_ns)
        return self._breached(event.inst, strategy)

    def _executed(self, event: e.ExecutionReported | e.ExecutionCorrected, ts_ns: int) -> Moves:
        order = self._context.money.orders.get(event.order_id)
        return [] if order is None else self._breached(order.inst, order.strategy)

    def _breached(self, inst: int, strategy: str) -> Moves:
        resolved = self._limits.resolved()
        moves: Moves = []
        if not self._watch.within(resolved, inst, strategy):
            self._judge.moves = moves
            self._watch.filled(self._judge, resolved, inst, strategy)
        return moves

    def _replace_rejected(self, event: e.ReplaceRejected, ts_ns: int) -> Moves:
        """Without a code the broker rejected nothing: the fill of its order outran it, it was lost, or never left."""
        return self._rejected(event, ts_ns) if event.code else []

    def _rejected(self, event: Any, ts_ns: int) -> Moves:
        self._watch.state.rejects.add(ts_ns)
        return []

    def _cut_off(self, event: e.LinkDegraded | e.LinkLost, ts_ns: int) -> Moves:
        """Control 23: exits only until the link is back, clean and quiet."""
        if self._context.money.latches.holds(ACCOUNT, "", t.LINK.code):
            self._good_since.pop((ACCOUNT, "", t.LINK.code), None)
            return []
        reason = f"{t.LINK.what}: code {event.code} {event.reason}".strip()
        return [MoveLadder(level=ACCOUNT, scope="", state=REDUCING, code=t.LINK.code, reason=reason, by=MONITOR)]

    def _clock_measured(self, event: e.ClockOffsetMeasured, ts_ns: int) -> Moves:
        self._watch.state.clock_offset_ns = event.offset_ns
        judge = self._ready()
        self._watch.clock(judge, self._resolved)
        return judge.moves

    def _risk_measured(self, event: e.RiskMeasured, ts_ns: int) -> Moves:
        judge = self._ready()
        self._watch.measured(judge, self._resolved)
        return judge.moves

    def _ready(self) -> Judge:
        """The judge for samples of their own pace."""
        judge, watch = self._judge, self._resolved.account.watch
        judge.moves, judge.least, judge.of = [], watch.trigger_breaches, watch.trigger_marks
        return judge

    def _resumed(self, event: e.OperatorResumed, ts_ns: int) -> Moves:
        """What an operator lifted is counted from zero: the same fills are no new reason."""
        latches, bits = self._context.money.latches, self._judge.samples.bits
        for key in [key for key in bits if not latches.holds(*key)]:
            del bits[key]
        for strategy, window in self._watch.state.slippage.items():
            if event.level <= ACCOUNT or event.scope == strategy:
                window.clear()
        return []

    def forget(self, inst: int) -> None:
        """The moves of an instrument's mark were of other shares."""
        self._watch.state.moves.pop(inst, None)

    # ---- snapshot ----------------------------------------------------------------------------------------------
    def dump(self) -> bytes:
        """All that is counted."""
        state = self._watch.state
        state.samples = [(*key, bits) for key, bits in self._judge.samples.bits.items()]
        state.good_since = [(*key, since) for key, since in self._good_since.items()]
        return _encode(state)

    def load(self, state: bytes) -> None:
        """From a snapshot."""
        self._watch.state = found = _decode(state) if state else new_state()
        self._judge.samples.bits = {(level, scope, code): bits for level, scope, code, bits in found.samples}
        self._good_since = {(level, scope, code): since for level, scope, code, since in found.good_since}

    # ---- lifting -----------------------------------------------------------------------------------------------
    def may_lift(self, level: int, scope: str, code: str) -> str:
        """Why an operator must not lift a latch now; "" = it may be lifted. Each reason names a remedy."""
        money = self._context.money
        if code in BY_LATCH and code not in LIFTS_ITSELF:
            stands = self._stands(level, scope, code)
            if stands:
                return stands
        if code == KILL:
            for kill in money.kills:
                if kill.level == level and kill.scope == scope and not kill.verified_ns:
                    return "the kill is not verified: wait for a complete sync without open orders"
        if money.differences:
            return f"{len(money.differences)} differences to the broker: acknowledge the report first"
        if level in (PROCESS, ACCOUNT) and money.link != READY:
            return f"link is {LINK_NAMES[money.link]}: wait until it is READY"
        return self._sync_too_old(level)

    def _stands(self, level: int, scope: str, code: str) -> str:
        probe = Probe()
        self._look(probe, self._context.money.ts_ns)
        self._watch.clock(probe, self._resolved)
        self._watch.measured(probe, self._resolved)
        value = probe.standing.get((level, scope, code), "")
        trigger = BY_LATCH[code]
        return f"{trigger.what} of {value} still stands: {trigger.remedy}" if value else ""

    def _sync_too_old(self, level: int) -> str:
        """States: HALTED is left only after a clean reconcile that is young enough (0 = not asked: replay)."""
        most = self._resolved.account.resume_sync_age_ns_max
        if level not in (PROCESS, ACCOUNT) or not most:
            return ""
        money = self._context.money
        age = money.ts_ns - money.last_sync_ts_ns
        return "" if age <= most else f"the last sync is {age // NANO} s old, limit {most // NANO} s: run a sync first"


def _lifted(latch: Latch, quiet_s: int) -> MoveLadder:
    return MoveLadder(
        level=latch.level,
        scope=latch.scope,
        state=ACTIVE,
        code=latch.code,
        reason=f"passed: good for {quiet_s} s",
        by=MONITOR,
    )
