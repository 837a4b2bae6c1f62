"""Requests about schedules: what a parent is to do and how far its plan got. They change our own books and nothing at
the broker. Everybody reads them from core/commands.py, which lists all requests.
"""

from typing import Final

from core.command_base import Command
from core.ids import Side

# Why an order exists: kept on every order (control 28) and part of the duplicate key (control 12).
INTENT_SCHEDULE: Final = 1
INTENT_FLATTEN: Final = 2
INTENT_MANUAL: Final = 3
INTENT_PROTECT: Final = 5  # closes what a manual order filled: at a profit, or as a stop (core/engine/brackets.py)
INTENT_DISASTER: Final = 4  # a stop far from the market that outlives us (core/engine/disaster.py)
STANDING: Final = (INTENT_DISASTER, INTENT_PROTECT)  # beside a position for as long as it is held, with us or without

# Part of the `why` of a plan whose volatility nobody has measured yet: the first that is may replace it altogether.
AS_CONFIGURED: Final = "volatility as configured"


class OpenParent(Command, frozen=True, tag=21):
    """Start a schedule. Times are UTC ns; `slices` as the algo planned them."""

    parent_id: int
    strategy: str
    inst: int
    side: Side
    qty_nanos: int
    algo: str
    start_ts_ns: int
    end_ts_ns: int
    slices: int
    limit_px_nanos: int = 0
    arrival_mid_nanos: int = 0
    purpose: int = INTENT_SCHEDULE
    urgency: int = 0
    operator: str = ""  # who asked for it, where no strategy did
    weights: tuple[int, ...] = ()  # part due from each slice on, in billionths: ascending, the last is all; () = even
    params: str = ""  # of the algo, as resolved: canonical JSON
    expected_cost_nanos: int = 0
    expected_risk_nanos: int = 0  # one standard deviation of the cost
    decision_mid_nanos: int = 0  # mid when the target was set
    decision_ts_ns: int = 0
    why: str = ""  # the choice and the plan in words
    kappa_nanos: int = 0  # how fast a shortfall schedule decays, per regular day, in billionths
    auction_ts_ns: int = 0  # from here on the rest is for the closing auction; 0 = none


class EndParent(Command, frozen=True, tag=22):
    """A schedule is over: done, cancelled, expired or superseded."""

    parent_id: int
    state: int
    reason: str
    final: bool = False  # its rest is given up: the same target opens no other schedule


class PauseParent(Command, frozen=True, tag=23):
    """Park a schedule (its children are cancelled) or let it go on exactly where it stood."""

    parent_id: int
    paused: bool
    reason: str


class AdvanceParent(Command, frozen=True, tag=24):
    """The executor's own progress: the next moment it must act and how often it chased, so that a crash resumes it."""

    parent_id: int
    next_ts_ns: int
    chases: int


class ReplanParent(Command, frozen=True, tag=80):
    """A schedule goes on along other weights from a slice on; those before it stand as they were."""

    parent_id: int
    from_slice: int
    weights: tuple[int, ...]
    reason: str
    kappa_nanos: int = 0


class BeginSlice(Command, frozen=True, tag=81):
    """A slice of a schedule that watches the market has begun: `others_nanos` traded by others since its start, at the
    day's volume counter `volume_nanos`. What the slice may trade follows from these and stands until the next one.
    """

    parent_id: int
    slice_no: int
    others_nanos: int
    volume_nanos: int
