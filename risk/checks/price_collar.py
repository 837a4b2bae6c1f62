"""Control 3: a price worse than the reference by more than the widest of basis points, ticks and spreads is refused, in
every session; no valid reference, no order (RTS 6 art. 15(1)(a)). An exit takes the last reference known within an hour
and a wider band.
"""

from core.commands import OrderIntent
from core.units import exact_text
from risk.view import GateView

CONTROL: int = 3
CODE: str = "PRICE_COLLAR"
LIFT: str = "nobody: price it nearer; an exit without a reference is closed at the broker's desk"


def check(o: OrderIntent, v: GateView) -> int:
    """Only the worse side is a fault: a better price may rest anywhere."""
    reference = v.reference
    if reference <= 0:
        return CONTROL
    if o.side > 0:
        return CONTROL if v.px > reference + v.band else 0
    return CONTROL if v.px < reference - v.band else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """Price against the edge of the band."""
    if v.reference <= 0:
        return "no reference price", "a quote, a trade or a close that is young enough"
    edge = exact_text(v.reference + o.side * v.band)
    return exact_text(v.px), f"{'<=' if o.side > 0 else '>='} {edge} (reference {exact_text(v.reference)})"
