"""Who may move the ladder: the day-loss monitor (control 24) moves it down, and the rules say which latches lift by
themselves and what must hold before an operator may lift the others. The latches themselves live in core.latches.

The only state here is how many marks in a row showed a breach: a restart asks for that many marks again.
"""

from typing import Final

from core.commands import MoveLadder
from core.latches import ACCOUNT, HALTED, PROCESS, REDUCING, STRATEGY, Latches
from core.money.state import LINK_NAMES, READY
from core.notes import Failure, Refusal
from core.ports import Context
from core.units import BP, NANO, decimal_text
from risk.bounds import Resolved
from risk.checks import duplicate_order, repeated_execution
from risk.in_force import LimitsInForce
from risk.limits import Limits

# Latch codes with a rule of their own. Every code not listed here is lifted by an operator, with a reason.
DAY_LOSS_SOFT: Final = "DAY_LOSS_SOFT"
DAY_LOSS_HARD: Final = "DAY_LOSS_HARD"
KILL: Final = "KILL"
LINK: Final = "LINK"
STALE_DATA: Final = "STALE_DATA"
LIFTS_ITSELF: Final = (LINK, STALE_DATA)
MONITOR: Final = "risk monitor"
REPEATS: Final = (repeated_execution.CONTROL, duplicate_order.CONTROL)


def lifts_itself(code: str) -> bool:
    """Whether the cause may lift its own latch when it has passed: connectivity and stale data only."""
    return code in LIFTS_ITSELF


def who_lifts(code: str) -> str:
    """Who can lift a latch of this code, for people."""
    return "by itself: when the cause has passed" if lifts_itself(code) else "operator: resume the scope, with a reason"


class Ladder:
    """Implements core.ports.Monitor."""

    __slots__ = ("_context", "_limits", "_streaks")

    def __init__(self, context: Context, limits: Limits) -> None:
        """Resolve the limits. Raises ConfigError on a bad one."""
        self._context = context
        self._limits = LimitsInForce(context, limits)
        self._streaks: dict[tuple[int, str, str], int] = {}  # (level, scope, code) -> marks in a row

    @property
    def _resolved(self) -> Resolved:
        return self._limits.resolved()

    def on_mark(self, ts_ns: int) -> list[MoveLadder]:
        """Moves for every loss limit that enough marks in a row show to be breached and that is not latched yet."""
        if self._context.exposure.unmarked:
            return []  # a position without a mark: equity is not known, and control 48 blocks entries
        moves: list[MoveLadder] = []
        account = self._resolved.account
        self._watch(moves, ACCOUNT, "", account.day_loss_soft_bp, account.day_loss_hard_bp)
        for strategy, book in self._resolved.books.items():
            self._watch(moves, STRATEGY, strategy, book.day_loss_soft_bp, book.day_loss_hard_bp)
        return moves

    def _watch(self, moves: list[MoveLadder], level: int, scope: str, soft_bp: int, hard_bp: int) -> None:
        loss = self._loss_nanos(level, scope)
        base, scaled = self._context.money.day_base_equity_nanos, loss * BP  # `_breached`, once a second and limit
        for code, state, bp in ((DAY_LOSS_SOFT, REDUCING, soft_bp), (DAY_LOSS_HARD, HALTED, hard_bp)):
            key = (level, scope, code)
            if base > 0 and scaled < base * bp:
                self._streaks[key] = 0
                continue
            streak = self._streaks[key] = self._streaks.get(key, 0) + 1
            if streak >= self._resolved.account.day_loss_marks and not _holds(self._context.money.latches, key):
                moves.append(self._move(level, scope, code, state, loss, bp))

    def _loss_nanos(self, level: int, scope: str) -> int:
        """Loss since the day roll, > 0 = lost. A strategy's open profit counts in full, overnight ones included."""
        money = self._context.money
        if level == ACCOUNT:
            return money.day_base_equity_nanos - money.equity_nanos
        book = money.ledger.books.get(scope)
        if book is None:
            return 0
        open_profit = self._context.exposure.strategy_unrealised.get(scope, 0)
        return book.day_base_nanos - (book.realised_nanos - book.fees_nanos) - open_profit

    def _breached(self, loss_nanos: int, bp: int) -> bool:
        base = self._context.money.day_base_equity_nanos
        return base <= 0 or loss_nanos * BP >= base * bp

    def _move(self, level: int, scope: str, code: str, state: int, loss_nanos: int, bp: int) -> MoveLadder:
        limit = self._context.money.day_base_equity_nanos * bp // BP
        return MoveLadder(
            level=level,
            scope=scope,
            state=state,
            code=code,
            reason=f"day's loss reached {bp} bp of the day's first equity",
            by=MONITOR,
            value=decimal_text(loss_nanos),
            limit=decimal_text(limit),
        )

    def on_refused(self, refusal: Refusal) -> list[MoveLadder]:
        """A strategy that repeats itself is halted: by control 11 at once, by 12 after too many duplicates."""
        moves: list[MoveLadder] = []
        for failure in refusal.failures:
            if failure.control not in REPEATS or not self._is_repeating(refusal.strategy, failure):
                continue
            if not _holds(self._context.money.latches, (STRATEGY, refusal.strategy, failure.code)):
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

    def state(self) -> list[tuple[int, str, str, int]]:
        """The streaks, for a snapshot."""
        return [(level, scope, code, streak) for (level, scope, code), streak in self._streaks.items()]

    def load(self, state: list[tuple[int, str, str, int]]) -> None:
        """From a snapshot."""
        self._streaks = {(level, scope, code): streak for level, scope, code, streak in state}

    def may_lift(self, level: int, scope: str, code: str) -> str:
        """Why an operator must not lift a latch now; "" = it may be lifted. Each reason names a remedy."""
        money = self._context.money
        if code in (DAY_LOSS_SOFT, DAY_LOSS_HARD):
            return self._loss_stands(level, scope, code)
        if code == KILL:
            for kill in money.kills:
                if kill.level == level and kill.scope == scope and not kill.verified_ns:
                    return "the kill is not verified: wait for a complete sync without open orders"
        if money.differences:
            return f"{len(money.differences)} differences to the broker: acknowledge the report first"
        if level in (PROCESS, ACCOUNT) and money.link != READY:
            return f"link is {LINK_NAMES[money.link]}: wait until it is READY"
        return self._sync_too_old(level)

    def _loss_stands(self, level: int, scope: str, code: str) -> str:
        if level == ACCOUNT:
            bounds = self._resolved.account
            bp = bounds.day_loss_soft_bp if code == DAY_LOSS_SOFT else bounds.day_loss_hard_bp
        else:
            book = self._resolved.books.get(scope)
            if book is None:
                return ""
            bp = book.day_loss_soft_bp if code == DAY_LOSS_SOFT else book.day_loss_hard_bp
        loss = self._loss_nanos(level, scope)
        if not self._breached(loss, bp):
            return ""
        return f"the loss of {decimal_text(loss)} still stands: wait for the day roll, or raise the limit"

    def _sync_too_old(self, level: int) -> str:
        """States: HALTED is left only after a clean reconcile that is young enough (0 = not asked: replay)."""
        most = self._resolved.account.resume_sync_age_ns_max
        if level not in (PROCESS, ACCOUNT) or not most:
            return ""
        money = self._context.money
        age = money.ts_ns - money.last_sync_ts_ns
        return "" if age <= most else f"the last sync is {age // NANO} s old, limit {most // NANO} s: run a sync first"


def _holds(latches: Latches, key: tuple[int, str, str]) -> bool:
    level, scope, code = key
    return any(latch.code == code for latch in latches.held(level, scope))
