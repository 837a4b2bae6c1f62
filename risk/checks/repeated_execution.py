"""Control 11: how often a strategy may act without a person (RTS 6 art. 15(3)): children of one schedule, schedules of
a day, and schedules since an operator last resumed it. Past any of them the strategy is disabled and halted until an
operator resumes it by name (risk/ladder.py sets the latch); that alone starts the counts anew, whatever day it is and
however often the trader restarted.

A child counts when it leaves; partial fills do not count, nor does one that never left. Exits are not bound.
"""

from core.commands import OrderIntent
from core.units import BP
from risk.view import GateView

CONTROL: int = 11
CODE: str = "REPEATED_EXECUTION"
LIFT: str = "operator: find out why, then resume the strategy"


def check(o: OrderIntent, v: GateView) -> int:
    """The schedule of this order is counted already, the order is not."""
    if v.reduce_only:
        return 0
    b = v.bounds.book.counts
    t = v.history.tally
    if t.parents_day > b.parents_day_max or t.parents_unattended > b.parents_unattended_max:
        return CONTROL
    p = v.history.parent
    if p is None or o.version:
        return 0
    return CONTROL if p.sent >= p.slices * b.children_slices_bp_max // BP + b.children_extra_max else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """Which count."""
    b, t, p = v.bounds.book.counts, v.history.tally, v.history.parent
    if t.parents_day > b.parents_day_max:
        return f"{t.parents_day} schedules today", str(b.parents_day_max)
    if t.parents_unattended > b.parents_unattended_max:
        return f"{t.parents_unattended} schedules since a person looked", str(b.parents_unattended_max)
    if p is None:
        return "", ""
    most = p.slices * b.children_slices_bp_max // BP + b.children_extra_max
    return f"{p.sent + 1} children of schedule {p.parent_id}", f"{most}, for {p.slices} planned"
