"""Market depth (reqMktDepth) as far as best bid and offer tell it: one level of truth, and by setting made-up ones
behind it. Steps with the conflated rows that lines are made of.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker.gateway.contracts.book import ContractBook
from broker.gateway.contracts.listing import SMART, Refusal, invalid, read_query
from broker.gateway.market import access
from broker.gateway.market.past_ticks import size_text
from broker.gateway.market.settings import MarketSettings
from broker.gateway.market.tape import MarketTape
from broker.gateway.market.ticks import plain
from broker.gateway.part import NEVER, Client, Fields, World
from broker.gateway.versions import FRACTIONAL_SIZES
from core.instruments import TickRule, increment_at
from core.rows import QUOTE

_DEPTH, _DEPTH_L2 = 12, 13
INSERT, UPDATE, DELETE = 0, 1, 2
ASK_SIDE, BID_SIDE = 0, 1
ROWS_MAX: Final = 1_000
HALTED: Final = Refusal(316, "Market depth data has been HALTED. Please re-subscribe.")
RESET: Final = Refusal(
    317, "Market depth data has been RESET. Please empty deep book contents before applying any new entries."
)
UNSUPPORTED: Final = Refusal(10092, "Deep market data is not supported for this combination of security type/exchange")

Level = tuple[int, int]  # price, size; nanos


class Book:
    """One subscription and what it was shown."""

    __slots__ = ("client", "inst", "old", "place", "req_id", "rows", "shown", "smart")

    def __init__(self, client: Client, req_id: int, inst: int, *, rows: int, smart: bool, place: str) -> None:
        self.client, self.req_id, self.inst, self.rows, self.smart, self.place = (
            client, req_id, inst, rows, smart, place,
        )  # fmt: skip
        self.old = client.version < FRACTIONAL_SIZES
        self.shown: dict[int, list[Level]] = {ASK_SIDE: [], BID_SIDE: []}


class Depth:
    """All subscriptions of all clients."""

    def __init__(self, world: World, book: ContractBook, tape: MarketTape, settings: MarketSettings) -> None:
        self._world, self._contracts, self._tape, self._settings = world, book, tape, settings
        self._all: dict[tuple[int, int], Book] = {}

    def request(self, client: Client, fields: Fields) -> None:
        """reqMktDepth."""
        fields.skip(1)
        req_id, query = fields.integer(), read_query(fields)
        rows, smart = fields.integer(), fields.flag()
        listed = self._contracts.resolve(query)
        if isinstance(listed, Refusal):
            client.error(req_id, *listed)
        elif (client.number, req_id) in self._all:
            client.error(req_id, 102, "Duplicate ticker id")
        elif not 1 <= rows <= ROWS_MAX:
            client.error(req_id, *invalid("Invalid number of market depth rows"))
        elif smart != (query.exchange == SMART) or listed.inst < 0:
            client.error(req_id, *UNSUPPORTED)
        elif not access.sees_live(self._settings, listed):
            client.error(req_id, 354, f"Requested market data is not subscribed.{access.source(listed)}")
        elif self._world.faults.competing:
            client.error(req_id, *access.COMPETING)
        elif len(self._all) >= self._settings.depth_max:
            text = f"Max number ({self._settings.depth_max}) of market depth requests has been reached"
            client.error(req_id, 309, text)
        else:
            place = listed.primary_exchange if smart else query.exchange
            made = Book(client, req_id, listed.inst, rows=rows, smart=smart, place=place)
            self._all[(client.number, req_id)] = made
            self._tape.close_slot(self._world.now_ns)
            if not self._world.faults.market_stopped:
                self._show(made, self._tape.shown_quote(listed.inst))

    def cancel(self, client: Client, fields: Fields) -> None:
        """cancelMktDepth."""
        fields.skip(1)
        req_id = fields.integer()
        if self._all.pop((client.number, req_id), None) is None:
            client.error(req_id, 310, f"Can't find the subscribed market depth with tickerId:{req_id}")

    def closed(self, client: Client) -> None:
        """A connection is gone."""
        for key in [key for key in self._all if key[0] == client.number]:
            del self._all[key]

    def clear(self) -> None:
        """All subscriptions are lost."""
        self._all.clear()

    def tell_all(self, refusal: Refusal) -> None:
        """An error to every subscription."""
        for book in self._all.values():
            book.client.error(book.req_id, *refusal)

    def resume(self) -> None:
        """Data flows again: books begin anew."""
        self.tell_all(RESET)
        for book in self._all.values():
            book.shown = {ASK_SIDE: [], BID_SIDE: []}
            self._show(book, self._tape.shown_quote(book.inst))

    @property
    def next_due_ns(self) -> int:
        """When the open slot ends."""
        return self._tape.slot_ns if self._all else NEVER

    # ---- the market --------------------------------------------------------------------------------------------
    def deliver(self, rows: NDArray[np.void]) -> None:
        """Conflated rows, in order."""
        if not self._all or self._world.faults.market_stopped:
            return
        wanted = {book.inst for book in self._all.values()}
        for row in rows[rows["kind"] == QUOTE].tolist():
            if row[2] in wanted:
                for book in self._all.values():
                    if book.inst == row[2]:
                        self._show(book, row[5:9])

    def _show(self, book: Book, quote: tuple[Any, ...] | None) -> None:
        bid, ask, bid_qty, ask_qty = quote or (0, 0, 0, 0)
        self._side(book, ASK_SIDE, self._levels(book, ask, ask_qty, 1))
        self._side(book, BID_SIDE, self._levels(book, bid, bid_qty, -1))

    def _levels(self, book: Book, px: int, qty: int, away: int) -> list[Level]:
        if px <= 0:
            return []
        rule = TickRule(effective_from=0, increments=self._contracts.of_inst(book.inst).increments)
        step, levels = increment_at(rule, px), min(book.rows, self._settings.depth_levels)
        # Behind the first level nothing is known: sizes grow a little, as books do.
        found = [(px + away * step * level, qty * (1 + level % 3)) for level in range(levels)]
        return [level for level in found if level[0] > 0]

    def _side(self, book: Book, side: int, levels: list[Level]) -> None:
        shown = book.shown[side]
        for position, level in enumerate(levels):
            if position >= len(shown):
                self._send(book, position, INSERT, side, level)
            elif level != shown[position]:
                self._send(book, position, UPDATE, side, level)
        for position in range(len(shown) - 1, len(levels) - 1, -1):
            self._send(book, position, DELETE, side, (0, 0))
        book.shown[side] = levels

    def _send(self, book: Book, position: int, operation: int, side: int, level: Level) -> None:
        px, qty = plain(level[0]), size_text(level[1], old=book.old)
        if book.smart:
            book.client.send(
                _DEPTH_L2, 1, book.req_id, position, book.place, operation, side, px, qty, True
            )  # fmt: skip
        else:
            book.client.send(_DEPTH, 1, book.req_id, position, operation, side, px, qty)
