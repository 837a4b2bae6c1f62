"""Control 49 (ours): the slow numbers of the risk worker, value at risk, stress, days to exit. An account that holds or
works something must have been measured within the age limit, and the newest numbers must lie below the soft levels. An
account without position and order has nothing to measure: its first order passes and is measured at once.

The ladder latches the same levels when several measurements show them; this check stands at the order from the first.
"""

from core.commands import OrderIntent
from core.units import NANO
from risk.view import GateView

CONTROL: int = 49
CODE: str = "MEASURED_RISK"
LIFT: str = "by itself: with a measurement below the levels; exits pass"


def check(o: OrderIntent, v: GateView) -> int:
    """Nothing measured in time denies entries."""
    if v.reduce_only:
        return 0
    if v.levels.over:
        return CONTROL
    return CONTROL if v.ts_ns - v.money.risk_since_ns > v.levels.age_ns and (v.exposure.gross or v.count) else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """The level that is passed, or the age."""
    if v.levels.over:
        return v.levels.text
    age = f"measured {(v.ts_ns - v.money.risk_since_ns) // NANO} s ago" if v.money.risk_since_ns else "never measured"
    return age, f"<= {v.levels.age_ns // NANO} s"
