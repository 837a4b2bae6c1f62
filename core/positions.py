"""Positions at average cost, exact: cash spent, cost carried and profit realised add up to the last nano."""

import msgspec

from core.ids import Side
from core.units import notional_nanos, share_of


class Position(msgspec.Struct, gc=False, kw_only=True):
    """Holding of one strategy (or, with strategy "", of nobody we know) in one instrument."""

    strategy: str
    inst: int
    qty_nanos: int = 0  # signed
    cost_nanos: int = 0  # signed cash carried by the open quantity
    realised_nanos: int = 0
    fees_nanos: int = 0

    def book(self, side: Side, qty_nanos: int, value_nanos: int) -> int:
        """Book one execution worth `value_nanos` (> 0); returns the profit realised. Half-even, rest stays."""
        held = self.qty_nanos
        change = side * qty_nanos
        if held == 0 or (held > 0) == (change > 0):
            self.qty_nanos = held + change
            self.cost_nanos += side * value_nanos
            return 0
        size = held if held > 0 else -held
        closed = qty_nanos if qty_nanos < size else size
        cost_out = share_of(self.cost_nanos, closed, size)
        value_out = share_of(value_nanos, closed, qty_nanos)
        realised = -side * value_out - cost_out
        self.qty_nanos = held + change
        self.cost_nanos += -cost_out + side * (value_nanos - value_out)
        self.realised_nanos += realised
        return realised

    def unrealised_nanos(self, mark_nanos: int) -> int:
        """Value at a mark less the cost carried."""
        return value_at(self.qty_nanos, mark_nanos) - self.cost_nanos

    @property
    def average_px_nanos(self) -> int:
        """Average entry price, half-even; 0 when flat. For display."""
        return abs(share_of(10**9, self.cost_nanos, self.qty_nanos)) if self.qty_nanos else 0


def value_at(qty_nanos: int, mark_nanos: int) -> int:
    """Signed market value of a signed quantity."""
    return notional_nanos(mark_nanos, qty_nanos) if qty_nanos >= 0 else -notional_nanos(mark_nanos, -qty_nanos)
