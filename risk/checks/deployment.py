"""Control 43: what a strategy was deployed for (RTS 6 art. 8): instruments, venues, price, order value, orders of a day
and position. Order value, orders and position rise evenly over the strategy's first trading days, counted from its
first order ever, which the books remember. Exits are not bound.
"""

from core.commands import OrderIntent
from core.units import NANO, exact_text
from risk.view import GateView

CONTROL: int = 43
CODE: str = "DEPLOYMENT"
LIFT: str = "operator: approve the strategy for more, and raise its deployment limits"


def check(o: OrderIntent, v: GateView) -> int:
    """A replace is no further order of the day."""
    if v.reduce_only:
        return 0
    d = v.history.deployment
    t = v.history.tally
    if v.value_px > d.px_max_nanos or v.notional > d.order_notional_max_nanos:
        return CONTROL
    if t.orders_day >= d.orders_day_max and not o.version:
        return CONTROL
    if v.own_worst * v.value_px > d.position_notional_max_nanos * NANO:
        return CONTROL
    if o.inst in t.instruments:
        return 0
    if len(t.instruments) >= d.instruments_max:
        return CONTROL
    if len(t.instruments) < d.venues_max:
        return 0  # fewer instruments than venues: no need to count these
    return CONTROL if v.history.venues(o.inst) > d.venues_max else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """What it was not deployed for."""
    d, t = v.history.deployment, v.history.tally
    if v.value_px > d.px_max_nanos:
        return f"price {exact_text(v.value_px)}", exact_text(d.px_max_nanos)
    if v.notional > d.order_notional_max_nanos:
        return f"order of {exact_text(v.notional)}", exact_text(d.order_notional_max_nanos)
    if t.orders_day >= d.orders_day_max and not o.version:
        return f"order {t.orders_day + 1} of the day", str(d.orders_day_max)
    if v.own_worst * v.value_px > d.position_notional_max_nanos * NANO:
        return f"position of {exact_text(v.own_worst * v.value_px // NANO)}", exact_text(d.position_notional_max_nanos)
    if len(t.instruments) >= d.instruments_max:
        return f"instrument {len(t.instruments) + 1}", str(d.instruments_max)
    return f"{v.history.venues(o.inst)} venues", str(d.venues_max)
