"""Control 25: the fall of equity from its peak. The peak is money state: it survives every restart, moves up when two
marks in a row show it, and moves with every deposit and withdrawal. The ladder latches the fall; this check stands at
the order, also before the first mark after a start.
"""

from core.commands import OrderIntent
from core.units import decimal_text
from risk.view import GateView

CONTROL: int = 25
CODE: str = "DRAWDOWN"
LIFT: str = "operator: by a higher limit, or `quantd reset-peak`; exits pass"


def check(o: OrderIntent, v: GateView) -> int:
    """Entries stop at the soft limit; an unknown peak denies (it has no part left to fall by)."""
    if v.reduce_only:
        return 0
    return CONTROL if v.equity <= v.levels.floor else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """How far equity fell, and how far it may."""
    peak = v.levels.peak
    if peak <= 0:
        return "peak of equity unknown", "known"
    return f"{decimal_text(peak - v.equity)} below the peak", f"< {decimal_text(peak - v.levels.floor)}"
