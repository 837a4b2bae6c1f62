"""Single ticks (reqTickByTickData): every print or quote of an instrument as its row comes, and the last ones before.

Owns the subscriptions and `world.wanted` for them. A row is encoded once for all who want it.
"""

from typing import Any, Final

from broker.feeds.conditions import NOT_LAST_BITS
from broker.gateway.contracts.book import ContractBook
from broker.gateway.contracts.listing import Refusal, invalid, read_query
from broker.gateway.market import access, ticks
from broker.gateway.market.bars import DAY_AT, DAY_WIDTH
from broker.gateway.market.pacing import TickPacing
from broker.gateway.market.past_ticks import TICKS_MAX, PastTicks
from broker.gateway.market.settings import MarketSettings
from broker.gateway.market.tape import MarketTape
from broker.gateway.part import Client, Fields, World
from broker.gateway.versions import FRACTIONAL_SIZES
from core.rows import NOT_LAST, PRINT, QUOTE, SUSPICIOUS
from core.units import NANO

_TICK: Final = 99
LAST, ALL_LAST, BID_ASK, MID_POINT = 1, 2, 3, 4
KINDS: Final = {"Last": LAST, "AllLast": ALL_LAST, "BidAsk": BID_ASK, "MidPoint": MID_POINT}
_PAST: Final = {LAST: "TRADES", ALL_LAST: "TRADES", BID_ASK: "BID_ASK", MID_POINT: "MIDPOINT"}
TOO_MANY: Final = Refusal(10190, "Max number of tick-by-tick requests has been reached.")
TOO_EARLY: Final = Refusal(
    10190, "Max number of tick-by-tick requests has been reached: one of a kind per instrument in 15 seconds."
)
_ENDS_MAX: Final = 4_096
_LOW, _HIGH = DAY_AT["low"], DAY_AT["high"]
UNREPORTED: Final = 2  # attribute of a print that may not update last
# Sale conditions as their letters on the tape, as far as they have one.
_LETTERS: Final = {
    1: "C", 2: "N", 3: "R", 4: "Y", 5: "F", 6: "O", 7: "6", 8: "5", 9: "4", 10: "T", 11: "L", 13: "T", 14: "Z", 15: "S",
    16: "A", 17: "B", 18: "V", 20: "W", 21: "X", 22: "H", 23: "K", 24: "M", 25: "P", 26: "Q", 29: "7", 31: "I",
}  # fmt: skip
assert set(NOT_LAST_BITS) - set(_LETTERS) == {30}, "every condition that matters has its letter"


def conditions_text(bits: int) -> str:
    """The letters of a print's sale conditions."""
    return " ".join(dict.fromkeys(letter for bit, letter in _LETTERS.items() if bits >> bit & 1))


class Subscription:
    """One."""

    __slots__ = ("client", "head", "ignore_size", "inst", "kind", "old", "req_id")

    def __init__(self, client: Client, req_id: int, inst: int, kind: int, *, ignore_size: bool) -> None:
        self.client, self.req_id, self.inst, self.kind = client, req_id, inst, kind
        self.ignore_size = ignore_size
        self.old = client.version < FRACTIONAL_SIZES
        self.head = b"%d\x00%d\x00%d\x00" % (_TICK, req_id, kind)


class TickByTick:
    """All subscriptions of all clients."""

    def __init__(
        self, world: World, book: ContractBook, tape: MarketTape, settings: MarketSettings, past: PastTicks
    ) -> None:
        self._world, self._book, self._tape, self._settings, self._past = world, book, tape, settings, past
        self._pacing = TickPacing(enabled=settings.pacing)
        self._all: dict[tuple[int, int], Subscription] = {}
        self._by_inst: list[list[Subscription]] = [[] for _ in world.instruments]
        self._quotes = [(0, 0, 0, 0)] * len(world.instruments)
        self._ends: dict[tuple[int, int, int], bytes] = {}  # of a print: by instrument, mask, conditions

    def request(self, client: Client, fields: Fields) -> None:
        """reqTickByTickData."""
        req_id, query = fields.integer(), read_query(fields)
        name, count, ignore_size = fields.text(), fields.integer(), fields.flag()
        kind = KINDS.get(name)
        listed = self._book.resolve(query)
        if isinstance(listed, Refusal):
            client.error(req_id, *listed)
        elif kind is None:
            client.error(req_id, *invalid(f"Invalid tick-by-tick type {name[:20]}"))
        elif not 0 <= count <= TICKS_MAX:
            client.error(req_id, *invalid(f"Number of ticks must be between 0 and {TICKS_MAX}"))
        elif not access.sees_live(self._settings, listed):
            text = f"Failed to request tick-by-tick data:{access.no_permission(listed)}"
            client.error(req_id, 10189, text)
        elif refusal := self._refusal(client, req_id, listed.inst, kind):
            client.error(req_id, *refusal)
        else:
            if count:
                self._past.send(client, req_id, listed.inst, _PAST[kind], count, ignore_size=ignore_size)
            self._add(Subscription(client, req_id, listed.inst, kind, ignore_size=ignore_size))

    def _refusal(self, client: Client, req_id: int, inst: int, kind: int) -> Refusal | None:
        if (client.number, req_id) in self._all:
            return Refusal(102, "Duplicate ticker id")
        if self._world.faults.competing:
            return access.COMPETING
        if len(self._all) >= self._settings.tick_by_tick_max:
            return TOO_MANY
        return TOO_EARLY if self._pacing.refuses(self._world.now_ns, (client.number, inst, kind)) else None

    def cancel(self, client: Client, fields: Fields) -> None:
        """cancelTickByTickData."""
        req_id = fields.integer()
        found = self._all.get((client.number, req_id))
        if found is None:
            client.error(req_id, 300, f"Can't find EId with tickerId:{req_id}")
        else:
            self._drop(found)

    def _add(self, made: Subscription) -> None:
        self._all[(made.client.number, made.req_id)] = made
        if not self._by_inst[made.inst]:
            quote = self._world.quotes[made.inst]
            names = ("bid_px_nanos", "ask_px_nanos", "bid_qty_nanos", "ask_qty_nanos")
            bid, ask, bid_qty, ask_qty = (int(quote[name]) for name in names)
            self._quotes[made.inst] = (bid, ask, bid_qty, ask_qty)
        self._by_inst[made.inst].append(made)
        self._world.wanted[made.inst] += 1

    def _drop(self, found: Subscription) -> None:
        del self._all[(found.client.number, found.req_id)]
        self._by_inst[found.inst].remove(found)
        self._world.wanted[found.inst] -= 1

    def closed(self, client: Client) -> None:
        """A connection is gone."""
        for key in [key for key in self._all if key[0] == client.number]:
            self._drop(self._all[key])

    def clear(self) -> None:
        """All subscriptions are lost."""
        for found in list(self._all.values()):
            self._drop(found)

    def tell_all(self, refusal: Refusal) -> None:
        """An error to every subscription."""
        for found in self._all.values():
            found.client.error(found.req_id, *refusal)

    # ---- the market --------------------------------------------------------------------------------------------
    def on_row(self, row: tuple[Any, ...]) -> None:
        """A raw row."""
        _, exchange_ts_ns, inst, kind, flags, first, ask, first_qty, fourth = row
        takers = self._by_inst[inst]
        if not takers or flags & SUSPICIOUS:
            return
        if kind == PRINT:
            if first > 0 and first_qty > 0 and not self._world.faults.market_stopped:
                self._print(takers, inst, exchange_ts_ns // NANO, flags, first, first_qty, fourth)
        elif kind == QUOTE:
            before = self._quotes[inst]
            self._quotes[inst] = after = (first, ask, first_qty, fourth)
            if after != before and not self._world.faults.market_stopped:
                self._quote(takers, inst, exchange_ts_ns // NANO, before, after)

    def _print(
        self, takers: list[Subscription], inst: int, epoch: int, flags: int, px: int, qty: int, bits: int
    ) -> None:  # fmt: skip
        mask = UNREPORTED if flags & NOT_LAST else 0
        end = self._ends.get((inst, mask, bits))
        if end is None:
            if len(self._ends) >= _ENDS_MAX:
                self._ends.clear()
            place = self._book.of_inst(inst).primary_exchange  # the tape does not say which venue
            end = self._ends[(inst, mask, bits)] = f"{mask}\0{place}\0{conditions_text(bits)}\0".encode()
        front = b"%d\x00%b\x00" % (epoch, ticks.text(px))
        tail = front + ticks.text(qty) + b"\x00" + end
        for taker in takers:
            if taker.kind == ALL_LAST or (taker.kind == LAST and not mask):
                old = taker.old and qty % NANO
                put = tail if not old else front + b"%d\x00" % (qty // NANO) + end
                taker.client.send_frame(ticks.frame(taker.head, put))

    def _quote(
        self, takers: list[Subscription], inst: int, epoch: int, before: tuple[int, ...], after: tuple[int, ...]
    ) -> None:
        bid, ask, bid_qty, ask_qty = after
        day, at = self._tape.day_numbers, inst * DAY_WIDTH
        mask = (1 if 0 < bid < day[at + _LOW] else 0) | (2 if 0 < day[at + _HIGH] < ask else 0)
        new_price = bid != before[0] or ask != before[1]
        text = ticks.text
        front = b"%d\x00%b\x00%b\x00" % (epoch, text(bid), text(ask))
        tail = b"%b%b\x00%b\x00%d\x00" % (front, text(bid_qty), text(ask_qty), mask)
        for taker in takers:
            if taker.kind == BID_ASK and (new_price or not taker.ignore_size):
                put = tail
                if taker.old and (bid_qty % NANO or ask_qty % NANO):
                    put = front + b"%d\x00%d\x00%d\x00" % (bid_qty // NANO, ask_qty // NANO, mask)
                taker.client.send_frame(ticks.frame(taker.head, put))
            elif taker.kind == MID_POINT and bid > 0 and ask > 0 and bid + ask != before[0] + before[1]:
                put = b"%d\x00%b\x00" % (epoch, text((bid + ask) // 2))
                taker.client.send_frame(ticks.frame(taker.head, put))
