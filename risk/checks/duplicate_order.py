"""Control 12: the same order of a strategy within the window, or an order id used before, is a mistake (15c3-5:
duplicative orders). Instrument, side, quantity, price and purpose make it the same, whatever schedule or slice it calls
itself: a program that has lost count of its fills numbers its mistakes well. A schedule may send equal orders only as
planned slices, or while its fills account for all that it sent (risk/history.py). A replace that changes nothing is a
duplicate too.

Refused duplicates are counted. A schedule that is refused waits the window out; a strategy that keeps asking is halted
at `duplicate_refusals_max` a day, until an operator resumes it.
"""

from core.commands import OrderIntent
from risk.view import GateView

CONTROL: int = 12
CODE: str = "DUPLICATE_ORDER"
LIFT: str = "by itself: when the window is over; operator: resume the strategy, when there were too many"


def check(o: OrderIntent, v: GateView) -> int:
    """Exits too; the day's count does not bind them."""
    if v.history.duplicate or v.id_used:
        return CONTROL
    if v.reduce_only:
        return 0
    return CONTROL if v.history.tally.duplicates_day >= v.bounds.book.counts.duplicate_refusals_max else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """Which of the three."""
    if v.id_used:
        return f"order id {o.order_id} was used", "a new id"
    if v.history.duplicate:
        return "same strategy, instrument, side, quantity and price", "once per window"
    refused = v.history.tally.duplicates_day
    return f"{refused} duplicates refused today", str(v.bounds.book.counts.duplicate_refusals_max)
