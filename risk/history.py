"""What was sent before, as one order needs it: the counts of its account, strategy and schedule, whether it repeats
another order, and what its strategy is deployed for today. Part of the gate's view (risk/view.py); owns no limit.
"""

from core.commands import OrderIntent
from core.money.attempts import duplicate_key
from core.money.counters import NOBODY, NOTHING, Tally, ValueWindows
from core.parents import Parent
from core.ports import Context
from core.rates import NO_SENDER
from risk.bounds import Bounds
from risk.count_bounds import DeploymentBounds, ramped


class History:
    """One order's past; `read` overwrites every field."""

    __slots__ = (
        "_context", "_ramps", "_venues", "counters", "deployment", "duplicate", "parent", "schedule_qty", "tally",
        "windows",
    )  # fmt: skip

    def __init__(self, context: Context, bounds: Bounds) -> None:
        self._context = context
        self._ramps: dict[str, tuple[DeploymentBounds, int, DeploymentBounds]] = {}  # by strategy: of, on day, ramped
        self._venues: dict[str, tuple[Tally, int, frozenset[str]]] = {}  # by strategy: of which count
        self.counters = context.money.counters
        self.tally: Tally = NOBODY
        self.windows: ValueWindows = NOTHING
        self.parent: Parent | None = None  # the order's schedule
        self.schedule_qty = 0  # of the whole schedule, at least of the order
        self.duplicate = 0
        self.deployment: DeploymentBounds = bounds.book.deployment

    def read(self, o: OrderIntent, bounds: Bounds, ts_ns: int) -> None:
        """Everything of one order."""
        money, counters, strategy = self._context.money, self.counters, o.strategy
        self.parent = parent = money.live_parents.get(o.parent_id)
        self.schedule_qty = o.qty_nanos
        if parent is not None and parent.qty_nanos > o.qty_nanos:
            self.schedule_qty = parent.qty_nanos
        duplicates, key = money.duplicates, duplicate_key(o)
        sender = duplicates.sender(key, ts_ns) if key in duplicates.keys else NO_SENDER
        self.duplicate = 0 if sender == NO_SENDER else self._repeats(o, sender)
        tally = self.tally = counters.tallies.get(strategy, NOBODY)
        self.windows = counters.windows.get(strategy, NOTHING)
        deployment = bounds.book.deployment
        ramping = tally.days < deployment.ramp_days
        self.deployment = self._ramped(strategy, deployment, tally.days) if ramping else deployment

    def _ramped(self, strategy: str, deployment: DeploymentBounds, days: int) -> DeploymentBounds:
        """Worked out once a day, and again when the limits change."""
        kept = self._ramps.get(strategy)
        if kept is None or kept[0] is not deployment or kept[1] != days:
            kept = self._ramps[strategy] = (deployment, days, ramped(deployment, days))
        return kept[2]

    def _repeats(self, o: OrderIntent, sender: int) -> int:
        """1 if an order that equals one sent within the window is a mistake (control 12), whoever numbered it.

        It is none where the same schedule sends another of its planned slices, or where its fills account for all that
        it sent: then nothing is lost, and the next part is due. A trial order is nobody's duplicate.
        """
        parent = self.parent
        if o.slice_no < 0 or o.version:
            return 0
        if parent is None or sender != o.parent_id:
            return 1
        return 0 if parent.sent < parent.slices or parent.traded_nanos >= parent.sent_nanos else 1

    def venues(self, inst: int) -> int:
        """How many venues the strategy would have sent to with this instrument."""
        instruments, tally = self._context.instruments, self.tally
        of, count, venues = self._venues.get(tally.strategy, (NOBODY, 0, frozenset[str]()))
        if of is not tally or count != len(tally.instruments):  # a tally's instruments only ever grow
            venues = frozenset(instruments[traded].exchange for traded in tally.instruments)
            self._venues[tally.strategy] = (tally, len(tally.instruments), venues)
        return len(venues) + (instruments[inst].exchange not in venues)
