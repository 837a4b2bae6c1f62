"""Commission and fees of an order cut into children, each an order of its own to the broker that pays its own minimum.
Owns how children are counted: those of one size and one tier of the month pay the same, so one of them is asked for.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

import msgspec

from core.fees import ADDED, REMOVED, FeeTable
from core.units import NANO, notional_nanos

ROUNDING_NANOS: Final = 100  # every row of an order is rounded to a nano, and there are fewer rows than that


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

    __slots__ = ("_edges", "_fees", "_known", "_order", "_px_nanos", "_whole")

    def __init__(self, order: Order, px_nanos: int, fees: FeeTable) -> None:
        self._order = order
        self._px_nanos = px_nanos
        self._fees = fees
        self._edges = fees.month_edges(order.date)
        self._known: dict[tuple[int, int, int], tuple[int, int]] = {}
        self._whole: dict[bool, int | None] = {}

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

    def least(self, children: int, *, rests: bool) -> int | None:
        """What so many equal orders are charged at the least: what one of the whole size is, because the more is
        charged for a share the smaller the order is (a minimum weighs less, a cap more, rates are the same); and the
        minimum of each. None where that does not hold: a rebate, or a month in which the rate changes on the way.
        """
        if rests not in self._whole:
            self._whole[rests] = self._charge_whole(ADDED if rests else REMOVED)
        whole = self._whole[rests]
        if whole is None:
            return None
        order = self._order
        lots = order.qty_nanos // order.lot_nanos
        count = min(children, lots) or 1
        smallest = notional_nanos(self._px_nanos, lots // count * order.lot_nanos or order.qty_nanos)
        minimum = self._fees.minimum_nanos(order.date, ADDED if rests else REMOVED, order.venue, smallest)
        return max(whole, count * minimum) - count * ROUNDING_NANOS

    def _charge_whole(self, liquidity: int) -> int | None:
        order, edges = self._order, self._edges
        month = order.month_before_nanos
        tier = bisect_right(edges, month)
        if tier < len(edges) and month + order.qty_nanos > edges[tier]:
            return None
        if not self._fees.amortises(order.date, liquidity, order.venue):
            return None
        return sum(self._one(order.qty_nanos, tier, month, liquidity))

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
    lot, total, parts = order.lot_nanos, order.qty_nanos, len(weights)
    if weights.count(weights[0]) == parts:  # no part by part: equal ones differ by a lot at most
        yield from _equal(total, lot, parts * children)
        return
    sent, cumulative = 0, 0.0
    for at, weight in enumerate(weights):
        cumulative += weight
        upto = total if at == parts - 1 else round(total * cumulative) // lot * lot
        part = min(upto, total) - sent
        sent += part
        if part > 0:
            yield from _equal(part, lot, children)


def _equal(total: int, lot: int, most: int) -> Iterator[tuple[int, int]]:
    """At most so many orders of equal size; what is less than a lot goes with the last."""
    lots, odd = divmod(total, lot)
    count = min(most, lots) or 1
    each, larger = divmod(lots, count)
    if larger:
        yield each * lot, count - larger
        count, each = larger, each + 1
    if odd and count > 1:
        yield each * lot, count - 1
        count = 1
    yield each * lot + odd, count
