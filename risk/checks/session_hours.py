"""Control 20: the session table says what may be sent when. Regular hours take everything; before the open and after
the close only limit orders flagged for it, where the limits allow extended hours; on-close orders until their cut-off
(half days have their own), on-open orders before the open. A time the table does not speak for denies.
"""

from core.commands import LMT, LOC, MOC, OPG, OrderIntent
from core.sessions import CLOSED, PHASE_NAMES, PRE, REGULAR
from risk.view import GateView

CONTROL: int = 20
CODE: str = "SESSION"
LIFT: str = "by itself: when the session allows it"


def check(o: OrderIntent, v: GateView) -> int:
    """By phase."""
    phase = v.phase
    if phase == CLOSED:
        return CONTROL
    if o.tif == OPG:
        return 0 if phase == PRE and not o.outside_rth else CONTROL
    if o.order_type == MOC or o.order_type == LOC:
        return 0 if phase == REGULAR and v.ts_ns <= v.rules.moc_cutoff_ns and not o.outside_rth else CONTROL
    if phase == REGULAR:
        return CONTROL if o.outside_rth and not v.bounds.extended_hours else 0
    return 0 if o.outside_rth and v.bounds.extended_hours and o.order_type == LMT else CONTROL


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """Where the day stands and what would be legal."""
    phase = PHASE_NAMES[v.phase]
    if not v.covered(o.inst):
        return "no session table for this time", "a table that covers it"
    if v.phase == CLOSED:
        return phase, "an open session"
    if o.tif == OPG:
        return phase, "on-open orders before the open"
    if o.order_type == MOC or o.order_type == LOC:
        return f"{phase} at {v.ts_ns}", f"on-close orders in regular hours until {v.rules.moc_cutoff_ns}"
    if not v.bounds.extended_hours:
        return phase, "regular hours only"
    return phase, "limit orders flagged for extended hours"
