"""Control 33: an unacknowledged difference to the broker's books blocks entries everywhere, and exits too where it
leaves this position uncertain. Never traded away (RTS 6 art. 17(3)).
"""

from core.commands import OrderIntent
from risk.view import BLOCKS_ALL, NO_DIFFERENCE, GateView

CONTROL: int = 33
CODE: str = "UNEXPLAINED_DIFFERENCE"
LIFT: str = "operator: acknowledge the difference report"


def check(o: OrderIntent, v: GateView) -> int:
    """Exits pass while their own position is certain."""
    if v.differences == NO_DIFFERENCE:
        return 0
    return 0 if v.reduce_only and v.differences != BLOCKS_ALL else CONTROL


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """Where the difference is."""
    return "in this symbol" if v.differences == BLOCKS_ALL else "elsewhere in the account", "none unacknowledged"
