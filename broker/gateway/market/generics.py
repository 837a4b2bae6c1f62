"""Ticks that a client asks for by generic tick number, as far as this market knows them.

What nobody here knows (yearly ranges, implied volatility, auctions, dividends, news) is taken and never ticks, as on a
real line for which there is nothing.
"""

from collections.abc import Mapping
from typing import Final

from broker.gateway.market import ticks
from broker.gateway.market.bars import MINUTE_NS
from broker.gateway.market.settings import MarketSettings
from broker.gateway.market.tape import MarketTape
from broker.gateway.market.ticks import State, Tail
from broker.gateway.part import World
from core.units import NANO

# Everything TWS takes for a stock; another number is an error.
KNOWN_GENERICS: Final = frozenset({
    100, 101, 104, 105, 106, 125, 162, 165, 166, 177, 220, 221, 225, 232, 233, 236, 256, 258, 292, 293, 294, 295, 318,
    370, 375, 377, 381, 384, 387, 388, 391, 407, 411, 428, 439, 456, 459, 460, 499, 506, 511, 512, 513, 514, 515, 516,
    517, 545, 576, 577, 578, 584, 585, 586, 587, 588, 595, 614, 623, 645, 646, 647, 658, 662, 663, 692, 718, 787,
})  # fmt: skip
STATS, MARK_PRICE, RT_VOLUME, SHORTABLE, COUNT, RATE, VOLUME_RATE, RT_TRADES = 165, 221, 233, 236, 293, 294, 295, 375
_OLD_MARK: Final = 232
_EASY, _LOCATE, _NONE = "3", "2", "1"  # > 2.5: at least 1,000 shares; > 1.5: must be located; else none
_EASY_SHARES: Final = 1_000


class Generics:
    """Reads the day; keeps nothing."""

    def __init__(
        self, world: World, tape: MarketTape, settings: MarketSettings, volumes: Mapping[tuple[int, int], int]
    ) -> None:
        """`volumes`: known average volumes by (inst, date)."""
        self._world, self._tape, self._settings, self._volumes = world, tape, settings, volumes

    def all_of(self, inst: int, shown: State, asked: frozenset[int]) -> list[Tail]:
        """What a line starts with."""
        tails: list[Tail] = []
        average = self._volumes.get((inst, int(self._tape.days[inst]["date"])), 0)
        if STATS in asked and average:
            tails.append(ticks.size(ticks.AVERAGE_VOLUME, average))
        tails += self.of_day(inst, asked)
        if asked & {MARK_PRICE, _OLD_MARK} and (mark := _mark(shown)):
            tails.append(ticks.price(ticks.MARK, mark, 0, 0))
        return tails + self._counts(inst, asked)

    def of_day(self, inst: int, asked: frozenset[int]) -> list[Tail]:
        """Shares to borrow: the lender's list of the day."""
        if SHORTABLE not in asked:
            return []
        shares = self._settings.shortable.get(self._world.instruments[inst].symbol, self._settings.shortable_shares)
        level = _EASY if shares >= _EASY_SHARES else _LOCATE if shares else _NONE
        return [ticks.generic(ticks.SHORTABLE, level), ticks.size(ticks.SHORTABLE_SHARES, shares * NANO)]

    def of_quote(self, before: State, after: State, asked: frozenset[int]) -> list[Tail]:
        """What a change of the quote adds."""
        mark = _mark(after)
        if asked & {MARK_PRICE, _OLD_MARK} and mark and mark != _mark(before):
            return [ticks.price(ticks.MARK, mark, 0, 0)]
        return []

    def of_print(self, inst: int, after: State, qty: int, ts_ns: int, asked: frozenset[int]) -> list[Tail]:
        """What prints add."""
        tails: list[Tail] = []
        if asked & {RT_VOLUME, RT_TRADES}:
            text = self._volume_text(inst, after, qty, ts_ns)
            for number, tick in ((RT_VOLUME, ticks.RT_VOLUME), (RT_TRADES, ticks.RT_TRADE_VOLUME)):
                if number in asked:
                    tails.append(ticks.string(tick, text))
        return tails + self._counts(inst, asked)

    def _volume_text(self, inst: int, after: State, qty: int, ts_ns: int) -> str:
        """price;size;time ms;total volume;vwap;single trade"""
        day = self._tape.days[inst]
        volume, value = float(day["volume"]) / NANO, float(day["value"])
        vwap = round(value / volume * NANO) if volume else after.last
        # A line's print is the sum of a slot's: whether it was one only is known where it is the size of the last.
        single = "true" if qty == int(day["last_qty"]) else "false"
        numbers = (ticks.plain(after.last), ticks.plain(qty), str(ts_ns // 1_000_000), ticks.plain(after.volume))
        return ";".join((*numbers, ticks.plain(vwap), single))

    def _counts(self, inst: int, asked: frozenset[int]) -> list[Tail]:
        tails: list[Tail] = []
        if not asked & {COUNT, RATE, VOLUME_RATE}:
            return tails
        if COUNT in asked:
            tails.append(ticks.generic(ticks.TRADE_COUNT, str(int(self._tape.days[inst]["count"]))))
        minute_ns = (self._world.now_ns // MINUTE_NS - 1) * MINUTE_NS  # the last whole one
        before = [bar for bar in self._tape.newest(inst, MINUTE_NS, 2) if bar["start_ns"] == minute_ns]
        if before and RATE in asked:
            tails.append(ticks.generic(ticks.TRADE_RATE, str(int(before[0]["count"]))))
        if before and VOLUME_RATE in asked:
            tails.append(ticks.generic(ticks.VOLUME_RATE, ticks.plain(int(before[0]["volume"]))))
        return tails


def _mark(shown: State) -> int:
    """Last within the quote, else the nearer side; 0 = not known."""
    if not shown.last:
        return (shown.bid + shown.ask) // 2 if shown.bid and shown.ask else 0
    if shown.bid and shown.ask and shown.bid <= shown.ask:
        return min(max(shown.last, shown.bid), shown.ask)
    return shown.last
