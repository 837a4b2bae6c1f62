"""Control 10: value and shares sent within a second, a minute and an hour, per account and strategy (15c3-5: "or over a
short period of time"): many small orders are one large one. Sums never under-count (core/money/counters.py); they may
count up to a twentieth of the window too long.

An order counts when it is sent, a replace with what it adds, an exit like an entry; nothing comes back on a cancel.
What is watched is a rate of attempts: a program that sends and cancels all day holds nothing and is broken all the
same. What is held is for controls 5 to 7. Exits are not bound.
"""

from core.commands import OrderIntent
from core.money.counters import WINDOW_NAMES, ValueWindows
from core.units import exact_text
from risk.count_bounds import CountBounds
from risk.view import GateView

CONTROL: int = 10
CODE: str = "VALUE_WINDOW"
LIFT: str = "by itself: as the window moves on; operator: raise the limit"

Found = tuple[str, int, int]  # what is over, its sum with this order, its limit


def check(o: OrderIntent, v: GateView) -> int:
    """The hour's sum within the smallest of the three limits is within all of them: the ordinary case."""
    if v.reduce_only:
        return 0
    value = v.value_added
    qty = v.qty_added
    hour = v.history.counters.account.hour
    own = v.history.windows.hour
    a = v.account.counts
    b = v.bounds.book.counts
    if hour.value + value <= a.value_least_nanos and hour.qty + qty <= a.quantity_least_nanos:
        if own.value + value <= b.value_least_nanos and own.qty + qty <= b.quantity_least_nanos:
            return 0
    return CONTROL if over(v) else 0


def over(v: GateView) -> Found | None:
    """The first sum that this order would take past its limit."""
    value, qty, history = v.value_added, v.qty_added, v.history
    return first_over("account", history.counters.account, v.account.counts, v.ts_ns, value, qty) or first_over(
        "strategy", history.windows, v.bounds.book.counts, v.ts_ns, value, qty
    )


def first_over(
    whose: str, windows: ValueWindows, counts: CountBounds, ts_ns: int, value_nanos: int, qty_nanos: int
) -> Found | None:
    """The first of one account's or strategy's sums that would be past its limit, with so much more sent now."""
    limits = (
        (windows.second, counts.value_second_max_nanos, counts.quantity_second_max_nanos),
        (windows.minute, counts.value_minute_max_nanos, counts.quantity_minute_max_nanos),
        (windows.hour, counts.value_hour_max_nanos, counts.quantity_hour_max_nanos),
    )
    for name, (window, value_max, qty_max) in zip(WINDOW_NAMES, limits, strict=True):
        value, qty = window.value + value_nanos, window.qty + qty_nanos
        if value <= value_max and qty <= qty_max:
            continue  # the bound from above suffices
        value, qty = window.at(ts_ns)
        value += value_nanos
        qty += qty_nanos
        if value > value_max:
            return f"value of the {whose} within a {name}", value, value_max
        if qty > qty_max:
            return f"shares of the {whose} within a {name}", qty, qty_max
    return None


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """Which window, and what it would hold."""
    found = over(v)
    if found is None:
        return "", ""
    what, total, most = found
    return f"{what}: {exact_text(total)}", exact_text(most)
