"""Positions at average cost and in lots, first in first out, exact: by either, cash spent, cost carried and profit
realised add up to the last nano. The two differ in when a profit is realised, never in what it comes to.
"""

from typing import Final

import msgspec

from core.ids import Side
from core.units import notional_nanos, share_of

LOTS_MAX: Final = 512  # of one position; beyond, the two newest are averaged: the last to be sold


class Lot(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What one execution opened and nothing has closed yet."""

    qty_nanos: int  # signed as the position
    cost_nanos: int  # the same sign
    seq: int = 0  # of the execution; 0 = of several, or of none


class Position(msgspec.Struct, gc=False, kw_only=True):
    """Holding of one strategy (or, with strategy "", of nobody we know) in one instrument."""

    strategy: str
    inst: int
    qty_nanos: int = 0  # signed
    cost_nanos: int = 0  # signed cash carried by the open quantity
    realised_nanos: int = 0
    fees_nanos: int = 0
    lots: list[Lot] = []  # oldest first; all of one sign
    realised_fifo_nanos: int = 0

    def __post_init__(self) -> None:
        """A release that kept no lots wrote it: what is open is one lot at its average."""
        if self.lots_cost_nanos - self.realised_fifo_nanos != self.cost_nanos - self.realised_nanos:
            self.lots = [Lot(self.qty_nanos, self.cost_nanos)] if self.qty_nanos else []
            self.realised_fifo_nanos = self.realised_nanos

    def book(self, side: Side, qty_nanos: int, value_nanos: int, *, seq: int = 0, undo: bool = False) -> int:
        """Book one execution worth `value_nanos` (> 0); returns the profit realised at average cost. Half-even, rest
        stays. `undo` takes the execution `seq` back: its own lot goes first.
        """
        self._book_lots(side, qty_nanos, value_nanos, seq, undo=undo)
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

    def _book_lots(self, side: Side, qty_nanos: int, value_nanos: int, seq: int, *, undo: bool) -> None:
        lots = self.lots
        if undo:
            own = next((at for at, lot in enumerate(lots) if lot.seq == seq and lot.qty_nanos * side < 0), 0)
            lots[:] = [*lots[own : own + 1], *lots[:own], *lots[own + 1 :]]
        while qty_nanos and lots and lots[0].qty_nanos * side < 0:
            lot = lots[0]
            size = abs(lot.qty_nanos)
            closed = qty_nanos if qty_nanos < size else size
            cost_out = share_of(lot.cost_nanos, closed, size)
            value_out = share_of(value_nanos, closed, qty_nanos)
            self.realised_fifo_nanos += -side * value_out - cost_out
            qty_nanos -= closed
            value_nanos -= value_out
            if closed == size:
                del lots[0]
            else:
                lots[0] = Lot(lot.qty_nanos + side * closed, lot.cost_nanos - cost_out, lot.seq)
        if qty_nanos:
            lots.append(Lot(side * qty_nanos, side * value_nanos, seq))
        if len(lots) > LOTS_MAX:
            last, newest = lots[-2], lots.pop()
            lots[-1] = Lot(last.qty_nanos + newest.qty_nanos, last.cost_nanos + newest.cost_nanos)

    def split(self, qty_nanos: int) -> int:
        """The quantity after a split or a reverse split, of the same sign; the cost stays. Where nothing is left it is
        lost until cash comes for the fraction: returns the profit realised.
        """
        held, self.qty_nanos = self.qty_nanos, qty_nanos
        if qty_nanos == 0:
            realised = -self.cost_nanos
            self.realised_nanos += realised
            self.realised_fifo_nanos -= self.lots_cost_nanos
            self.cost_nanos = 0
            self.lots = []
            return realised
        before = after = cost = 0
        scaled = []
        for lot in self.lots:
            before += lot.qty_nanos
            cost += lot.cost_nanos
            upto = share_of(qty_nanos, before, held)  # the sum so far, so that no rounding adds up
            if upto != after:
                scaled.append(Lot(upto - after, cost, lot.seq))
                after, cost = upto, 0
        if cost and scaled:
            scaled[-1] = Lot(scaled[-1].qty_nanos, scaled[-1].cost_nanos + cost, scaled[-1].seq)
        self.lots = scaled
        return 0

    @property
    def lots_cost_nanos(self) -> int:
        """Signed cash carried by the open lots."""
        return sum(lot.cost_nanos for lot in self.lots)

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
