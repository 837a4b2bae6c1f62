"""Control 16: the deny list, and the allow list where one is given. An entry says whether a position may be closed
(15c3-5 (c)(2)(ii), RTS 6 art. 15(5)).
"""

from core.commands import OrderIntent
from risk.bounds import FREE, NOTHING
from risk.view import GateView

CONTROL: int = 16
CODE: str = "RESTRICTED"
LIFT: str = "operator: change the lists in the config"


def check(o: OrderIntent, v: GateView) -> int:
    """Exits pass unless the entry says no exit."""
    level = v.bounds.restriction
    if level == FREE:
        return 0
    return CONTROL if level == NOTHING or not v.reduce_only else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """The entry's reason."""
    allowed = "no orders" if v.bounds.restriction == NOTHING else "exits only"
    return f"{v.bounds.symbol}: {v.bounds.restriction_reason}", allowed
