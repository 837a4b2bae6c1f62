"""The triggers: everything that moves the ladder down without a person, in one table, and the one mechanism they share.
A soft level leaves exits only (REDUCING), a hard level halts. Most are judged at each equity mark and need
`trigger_breaches` of the last `trigger_marks` marks: one bad tick moves nothing. Only connectivity and stale data lift
themselves, after `lift_quiet_seconds` without the cause, and only if no other cause holds the same scope.

Measures live in risk/watch.py, the moves in risk/ladder.py.
"""

from typing import Final

import msgspec

from core.commands import MoveLadder
from core.latches import ACCOUNT, HALTED, REDUCING, STRATEGY, SYMBOL, Latches
from core.units import decimal_text
from risk.windows import Samples

MONITOR: Final = "risk monitor"
SOFT: Final = "_SOFT"
HARD: Final = "_HARD"

# What the value of a trigger is, for people.
CASH: Final = "cash"
SHARE: Final = "basis points"
AGE: Final = "seconds"
NUMBER: Final = "number"
MULTIPLE: Final = "times"
MILLIS: Final = "milliseconds"
DAYS: Final = "days"


class Trigger(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One row. Latch codes are `code` + _SOFT or _HARD; of a cause that lifts itself `code` alone."""

    code: str
    control: int
    levels: tuple[int, ...]  # what it latches
    unit: str
    what: str  # the reason on the latch, and a line for people
    limits: tuple[str, ...]  # rows of the table of limits; the first is soft, the second hard
    lifts_itself: bool = False
    at_once: bool = False  # one sample is enough: it is a fact, not a price
    remedy: str = "wait until it has passed, take risk off, or raise the limit"

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the latches it sets."""
        return (self.code,) if self.lifts_itself else (self.code + SOFT, self.code + HARD)


def _row(
    code: str, control: int, levels: tuple[int, ...], unit: str, what: str, limits: tuple[str, ...],
    *, lifts_itself: bool = False, at_once: bool = False, remedy: str = "",
) -> Trigger:  # fmt: skip
    row = Trigger(
        code=code, control=control, levels=levels, unit=unit, what=what, limits=limits, lifts_itself=lifts_itself,
        at_once=at_once,
    )  # fmt: skip
    return msgspec.structs.replace(row, remedy=remedy) if remedy else row


_BREACH: Final = ("breach_soft_bp", "breach_hard_bp")
DAY_LOSS: Final = _row(
    "DAY_LOSS", 24, (ACCOUNT, STRATEGY), CASH, "day's loss", ("day_loss_soft_bp", "day_loss_hard_bp"),
    remedy="wait for the day roll, or raise the limit",
)  # fmt: skip
DRAWDOWN: Final = _row(
    "DRAWDOWN", 25, (ACCOUNT,), CASH, "fall of equity from its peak", ("drawdown_soft_bp", "drawdown_hard_bp"),
    remedy="raise the limit, or let it count from here on: `quantd reset-peak --reason TEXT`",
)  # fmt: skip
POSITION: Final = _row("POSITION_BREACH", 5, (SYMBOL, STRATEGY), SHARE, "position above its limit", _BREACH)
EXPOSURE: Final = _row("EXPOSURE_BREACH", 6, (ACCOUNT, STRATEGY), SHARE, "gross or net above its limit", _BREACH)
CROWD: Final = _row("CONCENTRATION_BREACH", 7, (ACCOUNT,), SHARE, "sector, issuer or cluster above its limit", _BREACH)
LINK: Final = _row(
    "LINK", 23, (ACCOUNT,), AGE, "no link to the broker", ("lift_quiet_seconds",), lifts_itself=True, at_once=True
)
STALE: Final = _row(
    "STALE_DATA", 22, (ACCOUNT, SYMBOL), AGE, "market data silent or blind", ("feed_seconds_soft", "line_seconds_soft"),
    lifts_itself=True,
)  # fmt: skip
# Of the family of stale data: nothing bad is known, what is known is old. A fresh measurement ends it; what that one
# says beyond a limit is latched under its own code, and that a person lifts.
RISK_STALE: Final = _row(
    "RISK_STALE", 49, (ACCOUNT,), AGE, "measured risk too old", ("risk_seconds_soft",), lifts_itself=True
)
SLIPPAGE: Final = _row(
    "SLIPPAGE", 46, (STRATEGY,), SHARE, "mean cost of fills against arrival", ("slippage_soft_bp", "slippage_hard_bp")
)
VOLATILITY: Final = _row(
    "VOLATILITY", 21, (SYMBOL,), MULTIPLE, "volatility against its usual",
    ("volatility_soft_multiple", "volatility_hard_multiple"),
)  # fmt: skip
ORDERS: Final = _row(
    "ORDER_RATE", 9, (ACCOUNT,), NUMBER, "orders in a minute", ("orders_minute_soft", "orders_minute_hard"),
    at_once=True,
)  # fmt: skip
REJECTS: Final = _row(
    "REJECT_RATE", 14, (ACCOUNT,), NUMBER, "rejects in a minute", ("rejects_minute_soft", "rejects_minute_hard"),
    at_once=True,
)  # fmt: skip
ERRORS: Final = _row(
    "ERROR_RATE", 35, (ACCOUNT,), NUMBER, "odd facts and missing answers in ten minutes",
    ("errors_soft", "errors_hard"), at_once=True,
)  # fmt: skip
SYNC: Final = _row(
    "SYNC_AGE", 33, (ACCOUNT,), AGE, "no complete sync with the broker", ("sync_seconds_soft", "sync_seconds_hard")
)
CLOCK: Final = _row(
    "CLOCK", 36, (ACCOUNT,), MILLIS, "our clock against the broker's",
    ("clock_soft_milliseconds", "clock_hard_milliseconds"),
)  # fmt: skip
VAR: Final = _row("VAR", 49, (ACCOUNT,), SHARE, "value at risk", ("var_soft_bp", "var_hard_bp"))
CVAR: Final = _row("CVAR", 49, (ACCOUNT,), SHARE, "mean loss of the worst days", ("cvar_soft_bp", "cvar_hard_bp"))
STRESS: Final = _row("STRESS", 49, (ACCOUNT,), SHARE, "worst stress scenario", ("stress_soft_bp", "stress_hard_bp"))
EXIT_DAYS: Final = _row("EXIT_DAYS", 49, (ACCOUNT,), DAYS, "slowest position", ("exit_days_soft", "exit_days_hard"))

TRIGGERS: Final = (
    DAY_LOSS, DRAWDOWN, POSITION, EXPOSURE, CROWD, LINK, STALE, RISK_STALE, SLIPPAGE, VOLATILITY, ORDERS, REJECTS,
    ERRORS, SYNC, CLOCK, VAR, CVAR, STRESS, EXIT_DAYS,
)  # fmt: skip
BY_LATCH: Final = {code: trigger for trigger in TRIGGERS for code in trigger.codes}
LIFTS_ITSELF: Final = frozenset(trigger.code for trigger in TRIGGERS if trigger.lifts_itself)
# Those that elsewhere decides, with its own latch: a difference to the broker (RECONCILE, CASH, ODD_EXECUTION), a
# strategy that raises, limits that cannot be read (LIMITS), a guard that fired (GUARD), and whatever a monitor outside
# tells through the socket (`quantd trigger NAME`): drift of a model is one of them.


def text_of(unit: str, value: int) -> str:
    """A value or a level, as the latch shows it."""
    if unit == CASH:
        return decimal_text(value)
    if unit == AGE:
        return f"{decimal_text(value, places=0)} s"
    if unit == SHARE:
        return f"{value} bp"
    if unit == MULTIPLE:
        return f"{value / 1000:.1f} times"
    if unit == DAYS:
        return f"{value / 1000:.1f} days"
    return f"{value} ms" if unit == MILLIS else str(value)


class Judge:
    """Turns values into moves: N of M, soft and hard, each latch set once."""

    __slots__ = ("least", "moves", "of", "samples")

    def __init__(self) -> None:
        self.samples = Samples()
        self.moves: list[MoveLadder] = []  # of this look
        self.least = 1
        self.of = 1

    def judge(
        self, latches: Latches, trigger: Trigger, level: int, scope: str, value: int, soft: int, hard: int,
        detail: str = "",
    ) -> None:  # fmt: skip
        """One value against its levels; `value` >= a level breaches it."""
        if value < soft and not self.samples.bits:
            return
        if trigger.lifts_itself:
            self._one(latches, trigger, (level, scope, trigger.code), REDUCING, value, soft, detail)
            return
        self._one(latches, trigger, (level, scope, trigger.code + SOFT), REDUCING, value, soft, detail)
        self._one(latches, trigger, (level, scope, trigger.code + HARD), HALTED, value, hard, detail)

    def _one(
        self, latches: Latches, trigger: Trigger, key: tuple[int, str, str], state: int, value: int, most: int,
        detail: str,
    ) -> None:  # fmt: skip
        breach = value >= most
        if not breach and key not in self.samples.bits:
            return
        least, of = (1, 1) if trigger.at_once else (self.least, self.of)
        if not self.samples.take(key, breach, least=least, of=of) or not breach or latches.holds(*key):
            return
        level, scope, code = key
        what = f"{trigger.what} ({detail})" if detail else trigger.what
        unit = trigger.unit
        self.moves.append(
            MoveLadder(
                level=level, scope=scope, state=state, code=code, reason=f"{what}: {text_of(unit, value)}",
                by=MONITOR, value=text_of(unit, value), limit=text_of(unit, most),
            )
        )  # fmt: skip


class Probe(Judge):
    """Says what stands beyond a level now; samples nothing and moves nothing."""

    __slots__ = ("standing",)

    def __init__(self) -> None:
        super().__init__()
        self.standing: dict[tuple[int, str, str], str] = {}  # (level, scope, code) -> the value

    def judge(
        self, latches: Latches, trigger: Trigger, level: int, scope: str, value: int, soft: int, hard: int,
        detail: str = "",
    ) -> None:  # fmt: skip
        """Write down what breaches."""
        for code, most in zip(trigger.codes, (soft, hard), strict=False):
            if value >= most:
                self.standing[level, scope, code] = text_of(trigger.unit, value)
