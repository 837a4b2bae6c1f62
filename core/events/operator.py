"""Facts of time, operators and the shell.

An operator's fact says who gave the command and `authority`, how that was verified: peer (the socket's user; enough to
cut risk), unsigned (the same where the config lets it add risk), signed:KEYID, code:STEP, signed:KEYID@mqtt where it
came over a network; "" = the trader itself, or a journal older than the field. `second` is the other person where two
are needed (control 41).
"""

from typing import ClassVar, Final

from core.events.base import Event
from core.latches import ACCOUNT, STRATEGY, SYMBOL

STEER_PAUSE: Final = "pause"
STEER_RESUME: Final = "resume"
STEER_CANCEL: Final = "cancel"


class TimeAdvanced(Event, frozen=True, tag=70):
    """A deadline the engine asked for has come."""


class DayRolled(Event, frozen=True, tag=71):
    """A new trading day (account setting, default 20:00 America/New_York) begins; `date` is yyyymmdd."""

    date: int


class OperatorHalted(Event, frozen=True, tag=80):
    """Block new risk in a scope: schedules are parked and their children cancelled, orders that only reduce stay."""

    level: int
    scope: str
    reason: str
    operator: str
    authority: str = ""
    second: str = ""


class OperatorKilled(Event, frozen=True, tag=81):
    """Block, cancel and verify in a scope."""

    level: int
    scope: str
    reason: str
    operator: str
    authority: str = ""
    second: str = ""


class OperatorFlattened(Event, frozen=True, tag=82):
    """Close the positions of a scope through the reduce-only lane."""

    level: int
    scope: str
    reason: str
    operator: str
    authority: str = ""
    second: str = ""


class OperatorResumed(Event, frozen=True, tag=83):
    """Lift the latch of a scope; refused without a reason and while something else blocks."""

    level: int
    scope: str
    reason: str
    operator: str
    authority: str = ""
    second: str = ""


class OrderResolved(Event, frozen=True, tag=84):
    """An operator settles an UNKNOWN order: outcome is lost, cancelled or filled (with quantity and price)."""

    order_id: int
    outcome: str
    reason: str
    operator: str
    qty_nanos: int = 0
    px_nanos: int = 0
    authority: str = ""
    second: str = ""


class ScheduleSteered(Event, frozen=True, tag=106):
    """An operator pauses one schedule, lets it go on, or cancels it for good."""

    level: ClassVar[int] = STRATEGY  # at which it may be let go on (control 41)

    parent_id: int
    action: str
    reason: str
    operator: str
    authority: str = ""
    second: str = ""


class DifferenceAcknowledged(Event, frozen=True, tag=85):
    """An operator has read the difference report of one sync."""

    sync_id: int
    reason: str
    operator: str
    authority: str = ""
    second: str = ""


class AccountAdopted(Event, frozen=True, tag=87):
    """An operator takes over what the broker holds and our books lack, into named books, without profit or loss.

    What was shown is what is taken: a position or an amount of cash that has changed since is refused.
    """

    positions: tuple[tuple[int, int, str], ...]  # (instrument, signed quantity, strategy; "" = nobody's)
    at: str  # cost they are carried at: average (the broker's average cost) | mark (the present price)
    cash_nanos: int  # broker less ours, booked as a deposit; 0 = leave it
    reason: str
    operator: str
    authority: str = ""
    second: str = ""


class DeployArmed(Event, frozen=True, tag=86):
    """An operator confirms changed code, config or models (control 42)."""

    digest: str
    reason: str
    operator: str
    authority: str = ""
    second: str = ""


class CommandRefused(Event, frozen=True, tag=88):
    """A command that never reached the engine, for the audit: unproven, out of scope, or naming what does not exist."""

    command: str
    operator: str  # as claimed; the peer's user where none was
    authority: str  # as far as it was verified
    why: str


class HighWaterReset(Event, frozen=True, tag=69):
    """An operator lets the drawdown (control 25) count from the present equity on."""

    reason: str
    operator: str
    authority: str = ""
    second: str = ""


class LimitChanged(Event, frozen=True, tag=94):
    """An operator sets one limit of one scope (account, strategy.NAME, class.NAME, symbol.SYMBOL) to a value as the
    config writes it; "" = back to the config's. What lets more pass needs an end and a verified operator, at the levels
    of two persons another one.
    """

    scope: str
    name: str
    value: str
    until_ns: int  # 0 = until it is taken back
    reason: str
    operator: str
    authority: str = ""
    second: str = ""
    lasts_ns: int = 0  # instead of `until_ns`: so long from when it is heard

    @property
    def level(self) -> int:
        """Of the ladder: whose limit it is."""
        return {"strategy": STRATEGY, "symbol": SYMBOL}.get(self.scope.partition(".")[0], ACCOUNT)


class OverrideGranted(Event, frozen=True, tag=95):
    """An operator, and a second person, let one order of at most this size fail one control, once."""

    control: int
    strategy: str
    inst: int
    side: int
    qty_nanos: int
    px_nanos: int  # no worse limit than this; 0 = any
    until_ns: int
    reason: str
    operator: str
    authority: str = ""
    second: str = ""
    lasts_ns: int = 0  # instead of `until_ns`: so long from when it is heard


class AuditSealed(Event, frozen=True, tag=89):
    """The audited records so far and the head of their hash chain (daemon/authority/trail.py); `rules` says which
    records are audited.
    """

    count: int
    digest: str
    rules: int


class LeaseLapsed(Event, frozen=True, tag=98):
    """The trader finds that it was not there for a while: its own lease had run out, the cluster's had, or a guard has
    acted on its orders. Nothing was sent since.
    """

    late_ms: int  # how long the lease had been over; 0 = it had not
    guard_fired: bool
    reason: str


class AlertAcknowledged(Event, frozen=True, tag=99):
    """An operator has seen the alerts of one code, or ("") all that are open."""

    code: str
    operator: str
    authority: str = ""


class TraderStarted(Event, frozen=True, tag=90):
    """First input of a run. `ended` says how the run before ended: new, clean, crash."""

    epoch: int
    mode: str  # replay | paper | live
    ended: str
    after_crash: str  # halted | as_latched
    guard_fired: bool
    changed: str  # which digests differ from the run before, comma separated; empty = none
    safe: bool = False  # the second failure of one error within an hour
    venue_in_process: bool = False  # the simulated venue is recovered with us: nothing sent can be in doubt
    guard_reason: str = ""  # what the guard said, when it fired


class TraderStopped(Event, frozen=True, tag=91):
    """Last input of a run that ends on purpose."""

    reason: str


class StepFailed(Event, frozen=True, tag=92):
    """The engine raised on input `failed_seq`; recovery books that input to money state only."""

    failed_seq: int
    error: str


class DiskReserveChanged(Event, frozen=True, tag=93):
    """The journal's reserve of disk space was lost (no new orders) or is back."""

    available: bool
    free_mb: int
