"""What live orders may still do to the account, kept as running sums so that the gate is O(1) in working orders.

Derived from the orders alone; rebuilt after a restore, never journalled.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from core.commands import INTENT_DISASTER, INTENT_PROTECT, MKT, MOC, STP
from core.concentration import Concentration
from core.orders import Order, State
from core.units import share_of

_UNLIMITED: Final = frozenset({MKT, MOC, STP})
_NO_LIMIT: Final = 1 << 62  # a buy without a limit crosses every offer; a sell without one is 0 and crosses every bid


GroupKey = tuple[str, str, int, int]  # group, strategy, instrument, side


class Held(msgspec.Struct, frozen=True, gc=False):
    """One order's present contribution."""

    qty_nanos: int
    notional_nanos: int
    limit_px_nanos: int
    in_doubt: int = 0  # 1 = UNKNOWN: sent, never answered


class Reservations:
    """Sums per instrument and side, gross notional per account and strategy, and best own limits."""

    __slots__ = (
        "_groups",
        "_held",
        "buy_count",
        "buy_limits",
        "buy_notional",
        "buy_qty",
        "buy_qty_by_book",
        "concentration",
        "count",
        "in_doubt",
        "notional",
        "notional_by_strategy",
        "sell_count",
        "sell_limits",
        "sell_qty",
        "sell_qty_by_book",
    )

    def __init__(self, instruments: int) -> None:
        self.buy_qty = [0] * instruments
        self.sell_qty = [0] * instruments
        self.buy_count = [0] * instruments
        self.sell_count = [0] * instruments
        self.buy_limits: list[list[int]] = [[] for _ in range(instruments)]  # ascending; best bid of ours is last
        self.sell_limits: list[list[int]] = [[] for _ in range(instruments)]  # ascending; best offer of ours is first
        self.buy_qty_by_book: dict[tuple[str, int], int] = {}  # by (strategy, instrument)
        self.sell_qty_by_book: dict[tuple[str, int], int] = {}
        self.in_doubt = [0] * instruments  # orders in state UNKNOWN
        self.notional = 0
        self.buy_notional = 0
        self.notional_by_strategy: dict[str, int] = {}
        self.count = 0
        self.concentration: Concentration | None = None  # is told every change of a value; set by `tell`
        self._held: dict[int, Held] = {}
        self._groups: dict[GroupKey, dict[int, Order]] = {}  # live orders of one-cancels-all groups

    def tell(self, concentration: Concentration, live_orders: Mapping[int, Order]) -> None:
        """From now on buckets follow what is held, beginning with what is held already."""
        self.concentration = concentration
        for order_id, held in self._held.items():
            concentration.add(live_orders[order_id].inst, held.notional_nanos)

    def open(self, order: Order) -> None:
        """Hold a new order: the ordinary case of `update`, without a look for what was held before."""
        beside = order.purpose == INTENT_DISASTER or order.oca_group
        if order.qty_nanos <= 0 or order.order_id in self._held or beside:
            self.update(order)
            return
        if order.order_type in _UNLIMITED:
            limit = _NO_LIMIT if order.side > 0 else 0
        else:
            limit = order.limit_px_nanos
        held = self._held[order.order_id] = Held(order.qty_nanos, order.notional_nanos, limit)
        self._apply(order, held, 1)

    def update(self, order: Order) -> None:
        """Bring the sums in line with an order after any change to it."""
        if order.oca_group:
            self._update_group(order)
        else:
            self._set(order, contribution(order))

    def _update_group(self, order: Order) -> None:
        """The broker lets one order of a group trade: those of one book and side hold what the largest of them does."""
        key = group_key(order)
        members = self._groups.setdefault(key, {})
        members[order.order_id] = order
        largest = max(members.values(), key=lambda member: (member.reserved_nanos, -member.order_id))
        for member in list(members.values()):
            now = contribution(member)
            if now is not None and member is not largest:
                now = None if member.order_type == STP else Held(0, 0, now.limit_px_nanos, now.in_doubt)
            self._set(member, now)
            if not member.live:
                del members[member.order_id]
        if not members:
            del self._groups[key]

    def group_nanos(self, key: GroupKey) -> int:
        """What a group holds."""
        members = self._groups.get(key)
        return max(member.reserved_nanos for member in members.values()) if members else 0

    def _set(self, order: Order, now: Held | None) -> None:
        held = self._held.get(order.order_id)
        if held is not None:
            if held == now:
                return
            self._apply(order, held, -1)
        elif now is None:
            return
        if now is None:
            self._held.pop(order.order_id, None)
        else:
            self._apply(order, now, 1)
            self._held[order.order_id] = now

    def _apply(self, order: Order, held: Held, sign: int) -> None:
        inst = order.inst
        if order.side > 0:
            self.buy_qty[inst] += sign * held.qty_nanos
            self.buy_count[inst] += sign
            self.buy_notional += sign * held.notional_nanos
            limits, by_book = self.buy_limits[inst], self.buy_qty_by_book
        else:
            self.sell_qty[inst] += sign * held.qty_nanos
            self.sell_count[inst] += sign
            limits, by_book = self.sell_limits[inst], self.sell_qty_by_book
        book = (order.strategy, inst)
        by_book[book] = by_book.get(book, 0) + sign * held.qty_nanos
        self.in_doubt[inst] += sign * held.in_doubt
        if sign > 0:
            insort(limits, held.limit_px_nanos)
        else:
            del limits[bisect_left(limits, held.limit_px_nanos)]
        self.count += sign
        notional = sign * held.notional_nanos
        self.notional += notional
        if self.concentration is not None:
            self.concentration.add(inst, notional)
        by_strategy = self.notional_by_strategy
        by_strategy[order.strategy] = by_strategy.get(order.strategy, 0) + notional


def group_key(order: Order) -> GroupKey:
    """Whose group it shares what it holds with."""
    return order.oca_group, order.strategy, order.inst, order.side


def reserved_of(orders: Iterable[Order], instruments: int) -> tuple[list[int], list[int]]:
    """Quantities to buy and to sell that these orders hold, added up anew: what the running sums are held against."""
    buys, sells = [0] * instruments, [0] * instruments
    groups: dict[GroupKey, int] = {}
    for order in orders:
        if order.oca_group:
            groups[group_key(order)] = max(groups.get(group_key(order), 0), order.reserved_nanos)
        elif order.purpose != INTENT_DISASTER:
            (buys if order.side > 0 else sells)[order.inst] += order.reserved_nanos
    for (_, _, inst, side), most in groups.items():
        (buys if side > 0 else sells)[inst] += most
    return buys, sells


def contribution(order: Order) -> Held | None:
    """What an order holds now: None when terminal. A replace in flight holds the worse of both versions."""
    if not order.live or order.purpose == INTENT_DISASTER:
        # A disaster stop reserves nothing, else it would keep real exits from leaving. A fill of both can pass zero:
        # therefore its execution halts the symbol at once (core/engine/disaster.py).
        return None
    qty = order.reserved_nanos
    if order.pending_version:
        most = max(order.qty_nanos, order.pending_qty_nanos)
        dearest = max(order.notional_nanos, order.pending_notional_nanos)
    else:
        most, dearest = order.qty_nanos, order.notional_nanos
    notional = share_of(dearest, qty, most) if most else 0
    if order.purpose == INTENT_PROTECT and order.order_type == STP:
        limit = 0 if order.side > 0 else _NO_LIMIT  # it trades with nothing that rests nearer to the market
    elif order.order_type in _UNLIMITED:
        limit = _NO_LIMIT if order.side > 0 else 0
    elif not order.pending_version:
        limit = order.limit_px_nanos
    elif order.side > 0:
        limit = max(order.limit_px_nanos, order.pending_px_nanos)
    else:
        limit = min(order.limit_px_nanos, order.pending_px_nanos)
    return Held(qty, notional, limit, 1 if order.state is State.UNKNOWN else 0)
