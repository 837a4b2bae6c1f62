"""Control 32 and 23: orders leave in READY only, which means ids, accounts and a complete sync of this connection are
in. On anything else nothing but cancels leaves, exits included: TWS may queue and send later what it gets while cut
off.
"""

from core.commands import OrderIntent
from core.money.state import LINK_NAMES, READY
from risk.view import GateView

CONTROL: int = 32
CODE: str = "LINK_NOT_READY"
LIFT: str = "by itself: when the link is READY again"


def check(o: OrderIntent, v: GateView) -> int:
    """READY or nothing."""
    return 0 if v.link == READY else CONTROL


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """The link's state."""
    return LINK_NAMES[v.link], LINK_NAMES[READY]
