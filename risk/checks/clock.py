"""Control 36: our wall clock against the broker's. A clock that is off by more than the limit, or that nobody has
compared of late, stops new risk: session edges, ages and the order of events are judged by it (RTS 25). Exits pass.
"""

from core.commands import OrderIntent
from core.units import exact_text
from risk.view import GateView

CONTROL: int = 36
CODE: str = "CLOCK"
LIFT: str = "by itself: when the broker's time has been compared and agrees; set the machine's clock"


def check(o: OrderIntent, v: GateView) -> int:
    """Both signs."""
    return CONTROL if v.ts_ns > v.clock_until_ns and not v.reduce_only else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """Offset or age."""
    a, told = v.account, v.money.conditions
    if not told.clock_ts_ns or v.ts_ns - told.clock_ts_ns > a.clock_ns_max:
        return "never compared with the broker's, or too long ago", f"within {exact_text(a.clock_ns_max)} s"
    return f"off by {exact_text(told.clock_offset_ns)} s", f"{exact_text(a.clock_offset_ns_max)} s"
