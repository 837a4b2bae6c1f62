"""What a book must pass before it trades with another book of the account at the mid: every control that speaks of the
book, the strategy, the symbol or what is known of the market. Those that speak of a message, of the venue, of what the
account could do to itself or to others in the market do not apply: nothing is sent, and the account holds what it did.
"""

from typing import Final

from core.commands import OrderIntent
from core.units import NANO, round_down
from risk.checks import (
    Check,
    clock,
    concentration,
    day_loss,
    deployment,
    drawdown,
    fail_closed,
    gross_exposure,
    ladder_state,
    link_ready,
    market_quality,
    order_notional,
    order_quantity,
    position,
    price_bands,
    price_collar,
    repeated_execution,
    restricted,
    risk_measured,
    session_hours,
    unexplained_difference,
    unknown_order,
    value_window,
)
from risk.view import GateView

# Whether books and price are certain: asked as of an entry, whichever way the book goes. An exit that fails here has
# the market, where the reduce-only lane is.
CERTAINTY: Final[tuple[Check, ...]] = (
    link_ready,
    unexplained_difference,
    unknown_order,
    clock,
    session_hours,
    price_bands,
    market_quality,
)
# Whether the book may: an exit is one that brings the book nearer to nothing, wherever the account stands.
LIMITS: Final[tuple[Check, ...]] = (
    ladder_state,
    day_loss,
    drawdown,
    fail_closed,
    restricted,
    deployment,
    order_quantity,
    order_notional,
    price_collar,
    value_window,
    repeated_execution,
    position,
    gross_exposure,
    concentration,
    risk_measured,
)


def forbidding(o: OrderIntent, v: GateView, ts_ns: int) -> Check | None:
    """The first control that says no; the view stands as it was asked, for `explain`."""
    v.refresh(o, ts_ns, entry=True)
    for check in CERTAINTY:
        if check.check(o, v):
            return check
    v.reduce_only = 1 if v.book_position * o.side < 0 and v.own_worst <= 0 else 0
    # The account is not moved: what it holds, works and may reach is for its own orders.
    v.worst = v.exposure_new = 0
    v.reserved_side = -o.side * v.exposure.net - v.notional_new
    for check in LIMITS:
        if check.check(o, v):
            return check
    return None


def largest(v: GateView) -> int:
    """What controls 1 and 2 leave of one order, in whole lots; 0 = not known."""
    lot, px = v.rules.lot_increment, v.value_px
    if lot <= 0 or px <= 0:
        return 0
    b = v.bounds
    value = min(b.order_notional_max_nanos, v.equity_bp * b.order_equity_bp_max)
    return round_down(min(b.order_quantity_max_nanos, value * NANO // px), lot)
