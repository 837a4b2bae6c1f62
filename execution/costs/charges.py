"""Commission and fees of an order cut into children, each an order of its own to the broker that pays its own minimum.
Owns how children are counted: those of one size and one tier of the month pay the same, so one of them is asked for.
"""

from bisect import bisect_right
from collections.abc import Iterator

import msgspec

from core.fees import ADDED, REMOVED, FeeTable
from core.units import NANO


class Order(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is to be traded, and when for the fee tables."""

    side: int
    qty_nanos: int
    date: int  # yyyymmdd
    lot_nanos: int = NANO
    month_before_nanos: int = 0  # shares traded in the calendar month so far
    venue: str = ""


class Charges:
    """Charges of one order at one price, over as many schedules as are looked at."""

    __slots__ = ("_edges", "_fees", "_known", "_order", "_px_nanos")

    def __init__(self, order: Order, px_nanos: int, fees: FeeTable) -> None:
        self._order = order
        self._px_nanos = px_nanos
        self._fees = fees
        self._edges = fees.month_edges(order.date)
        self._known: dict[tuple[int, int, int], tuple[int, int]] = {}

    def of(self, weights: tuple[float, ...], *, children: int, rests: bool) -> tuple[int, int]:
        """Commission and all other fees of `children` orders in each part. `rests`: no order crosses the spread."""
        commission = other = 0
        liquidity = ADDED if rests else REMOVED
        month, edges = self._order.month_before_nanos, self._edges
        for qty, count in sizes(self._order, weights, children):
            left = count
            while left:
                tier = bisect_right(edges, month)
                within = min(left, (edges[tier] - month) // qty) if tier < len(edges) else left
                # An order that crosses an edge pays both rates: nobody else pays what it pays.
                paid = self._one(qty, tier if within else -1, month, liquidity)
                within = within or 1
                commission += within * paid[0]
                other += within * paid[1]
                month += within * qty
                left -= within
        return commission, other

    def _one(self, qty_nanos: int, tier: int, month_nanos: int, liquidity: int) -> tuple[int, int]:
        key = (qty_nanos, tier if tier >= 0 else -1 - month_nanos, liquidity)
        known = self._known.get(key)
        if known is None:
            order = self._order
            found = self._fees.commission_nanos(
                date=order.date, side=order.side, qty_nanos=qty_nanos, px_nanos=self._px_nanos,
                month_before_nanos=month_nanos, liquidity=liquidity, venue=order.venue,
            )  # fmt: skip
            known = self._known[key] = (found.per_order_nanos, found.total_nanos - found.per_order_nanos)
        return known


def sizes(order: Order, weights: tuple[float, ...], children: int) -> Iterator[tuple[int, int]]:
    """The orders as they will be sent, (size, how many) in turn: whole lots, and all of it with the last."""
    lot, total, sent, cumulative = order.lot_nanos, order.qty_nanos, 0, 0.0
    last = len(weights) - 1
    for at, weight in enumerate(weights):
        cumulative += weight
        upto = total if at == last else round(total * cumulative) // lot * lot
        part = min(upto, total) - sent
        sent += part
        if part <= 0:
            continue
        lots = part // lot
        count = min(children, lots) or 1
        each, larger = divmod(lots, count)
        odd = part - lots * lot  # less than a lot: the last one takes it along
        if larger:
            if count > larger:
                yield each * lot, count - larger
            count, each = larger, each + 1
        if odd:
            if count > 1:
                yield each * lot, count - 1
            yield each * lot + odd, 1
        else:
            yield each * lot, count
