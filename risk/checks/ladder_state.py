"""Control 29 (and 26, 31: every kill and latch ends here): ACTIVE, REDUCING or HALTED, most severe of process, account,
symbol and strategy. REDUCING lets any reduce-only order pass, HALTED only an operator's flatten (FIA 2015 §1.11).
"""

from core.commands import INTENT_FLATTEN, OrderIntent
from core.latches import ACTIVE, HALTED, STATE_NAMES
from risk.view import GateView

CONTROL: int = 29
CODE: str = "LADDER_STATE"
LIFT: str = "operator: resume the scope (connectivity and stale data lift by themselves)"


def check(o: OrderIntent, v: GateView) -> int:
    """Pass when ACTIVE, or as the state allows."""
    if v.ladder == ACTIVE:
        return 0
    if not v.reduce_only:
        return CONTROL
    return CONTROL if v.ladder == HALTED and o.purpose != INTENT_FLATTEN else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """The state, and what it lets pass."""
    return STATE_NAMES[v.ladder], "a flatten" if v.ladder == HALTED else "reduce-only orders"
