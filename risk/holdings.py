"""Positions and live orders as one order meets them: what is held, what may still be bought and sold, and the worst
that may come of both with this order. A base of the gate's view, which calls it once per order. Decides nothing.
"""

from core.commands import OrderIntent
from core.ledger import UNCLAIMED
from core.money.state import Money
from risk.foreign import NO_CROSS, ForeignOrders
from risk.laid_down import LaidDown


class Holdings(LaidDown):
    """Its fields are the view's. A replaced order's own share is left out by the view, foreign orders are in."""

    __slots__ = (
        "book_gross", "book_position", "book_profit", "buy_qty", "count", "cross_px", "enabled", "foreign",
        "mark_missing", "money", "own_worst", "position", "qty_new", "reserved", "reserved_book", "reserved_side",
        "sell_qty", "side_count", "worst",
    )  # fmt: skip

    book_gross: int
    book_position: int
    book_profit: int
    buy_qty: int
    count: int
    cross_px: int
    enabled: bool
    foreign: ForeignOrders
    mark_missing: int
    money: Money
    own_worst: int
    position: int
    qty_new: int
    reserved: int
    reserved_book: int
    reserved_side: int
    sell_qty: int
    side_count: int
    worst: int

    def _read_books(self, o: OrderIntent, key: tuple[str, int]) -> None:
        """Positions, what our live orders may still add, and the worst that may come of both with this order: bought
        for a buy, sold short for a sale.
        """
        money, exposure = self.money, self.exposure
        strategy, inst = key
        r, ledger = money.reservations, money.ledger
        position = ledger.positions.get(key)
        self.position = held = ledger.holdings[inst]
        self.book_position = own = 0 if position is None else position.qty_nanos
        book = ledger.books.get(strategy)
        if book is None:
            self.enabled = False
            self.book_profit = 0
        else:
            self.enabled = book.enabled
            open_profit = exposure.strategy_unrealised.get(strategy, 0)
            self.book_profit = book.realised_nanos - book.fees_nanos - book.day_base_nanos + open_profit
        self.book_gross = exposure.strategy_gross.get(strategy, 0)
        self.mark_missing = exposure.unmarked
        self.count = r.count
        self.reserved = r.notional
        self.reserved_book = r.notional_by_strategy.get(strategy, 0)
        self.qty_new = new = o.qty_nanos
        self.buy_qty = bought = r.buy_qty[inst]
        self.sell_qty = sold = r.sell_qty[inst]
        if o.side > 0:
            self.worst = held + bought + new
            self.own_worst = own + r.buy_qty_by_book.get(key, 0) + new
            limits = r.sell_limits[inst]
            self.cross_px = limits[0] if limits else NO_CROSS
            self.side_count = r.buy_count[inst]
            self.reserved_side = r.buy_notional
        else:
            self.worst = sold + new - held
            self.own_worst = r.sell_qty_by_book.get(key, 0) + new - own
            limits = r.buy_limits[inst]
            self.cross_px = limits[-1] if limits else NO_CROSS
            self.side_count = r.sell_count[inst]
            self.reserved_side = r.notional - r.buy_notional

    def _add_foreign(self, o: OrderIntent) -> None:
        """Orders of other clients of the account do to it what ours do."""
        foreign, inst, best = self.foreign, o.inst, self.cross_px
        self.mark_missing += foreign.unpriced
        self.buy_qty += foreign.buys[inst]
        self.sell_qty += foreign.sells[inst]
        self.reserved += foreign.value
        if o.side > 0:
            theirs = foreign.sell_best[inst]
            self.cross_px = best if theirs == NO_CROSS or 0 <= best < theirs else theirs
            self.worst += foreign.buys[inst]
            self.side_count += foreign.buy_counts[inst]
            self.reserved_side += foreign.buy_value
        else:
            theirs = foreign.buy_best[inst]
            self.cross_px = best if best > theirs else theirs
            self.worst += foreign.sells[inst]
            self.side_count += foreign.sell_counts[inst]
            self.reserved_side += foreign.value - foreign.buy_value

    def _join_group(self, o: OrderIntent) -> None:
        """Of a one-cancels-all group one order trades: it adds what it has more than the largest of them."""
        most = self.money.reservations.group_nanos((o.oca_group, o.strategy, o.inst, o.side))
        shared = most if most < o.qty_nanos else o.qty_nanos
        self.worst -= shared
        self.own_worst -= shared

    def _stand_alone(self, o: OrderIntent) -> None:
        """A disaster stop stands beside whatever closes the position for good: judged as the only resting exit."""
        if o.strategy == UNCLAIMED:  # of several books: it closes what the account holds
            self.book_position = self.position
        self.buy_qty = self.sell_qty = 0
        self.worst = self.qty_new + o.side * self.position
        self.own_worst = self.qty_new + o.side * self.book_position
