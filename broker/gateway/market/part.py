"""The gateway's market part: joins lines, single ticks, depth, bars and history over one tape. Owns who answers which
request, and what a fault of the link does to subscriptions.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from broker.gateway.contracts.book import ContractBook
from broker.gateway.market import access, depth
from broker.gateway.market.depth import Depth
from broker.gateway.market.history import History
from broker.gateway.market.lines import Lines
from broker.gateway.market.live_bars import LiveBars
from broker.gateway.market.pacing import HistoryPacing
from broker.gateway.market.past import Past
from broker.gateway.market.past_ticks import PastTicks
from broker.gateway.market.recorded import RecordedDays
from broker.gateway.market.settings import MarketSettings
from broker.gateway.market.tape import MarketTape
from broker.gateway.market.tick_by_tick import TickByTick
from broker.gateway.part import Client, Handler, World
from core.events import HaltChanged
from core.reference import InstrumentReference


class MarketPart:
    """One `Part`; its tape is among `world.tapes` from the start."""

    def __init__(
        self, world: World, book: ContractBook, settings: MarketSettings, slow: Sequence[InstrumentReference] = (),
        recorded: Sequence[RecordedDays] = (),
    ) -> None:  # fmt: skip
        """`slow`: previous closes and average volumes, as far as they are known. `recorded`: the operator's bars of
        days before the feed, by instrument, where `settings.history` names a file.
        """
        of_days = [row for row in slow if not row.until]  # what a made-up market says of itself is no day's number
        closes = {(row.inst, row.effective_from): row.previous_close_nanos for row in of_days}
        volumes = {(row.inst, row.effective_from): row.adv_nanos for row in of_days}
        self._world = world
        self.tape = tape = MarketTape(
            world.instruments, world.calendars, settings, closes=closes, deliver=self._deliver,
            begun=lambda inst: self._lines.day_begun(inst),
        )  # fmt: skip
        past = Past(world, tape, settings, volumes, recorded)
        places = tuple(book.of_inst(inst).primary_exchange for inst in range(len(world.instruments)))
        past_ticks = PastTicks(tape, places)
        pacing = HistoryPacing(enabled=settings.pacing)
        self._lines = Lines(world, book, tape, settings, volumes)
        self._depth = Depth(world, book, tape, settings)
        self._ticks = TickByTick(world, book, tape, settings, past_ticks)
        self._live = LiveBars(world, book, tape, settings, past, pacing)
        self._history = History(world, book, tape, settings, past, past_ticks, self._live, pacing)
        self._stopped = self._competing = self._no_history = False
        world.tapes.append(tape.take)

    def handlers(self) -> Mapping[int, Handler]:
        """Requests it answers."""
        return {
            1: self._lines.request, 2: self._lines.cancel, 59: self._lines.data_type,
            97: self._ticks.request, 98: self._ticks.cancel,
            10: self._depth.request, 11: self._depth.cancel,
            50: self._live.request, 51: self._live.cancel,
            20: self._history.bars, 25: self._live.cancel_kept,
            87: self._history.head, 90: self._history.nothing_to_cancel,
            88: self._history.histogram, 89: self._history.nothing_to_cancel,
            96: self._history.ticks,
        }  # fmt: skip

    def opened(self, client: Client) -> None:
        """A session begins with no subscription."""

    def closed(self, client: Client) -> None:
        """Its subscriptions end."""
        for holder in (self._lines, self._depth, self._ticks, self._live, self._history):
            holder.closed(client)

    # ---- the market --------------------------------------------------------------------------------------------
    def on_row(self, row: tuple[Any, ...]) -> None:
        """A row of an instrument whose single ticks somebody wants."""
        self._ticks.on_row(row)

    def on_fact(self, ts_ns: int, fact: Any) -> None:
        """Halts only: the account's facts are not of this part."""
        if type(fact) is HaltChanged:
            self._lines.halted(fact.inst, fact.halted)

    def on_link(self, data_lost: bool) -> None:
        """Data stops or flows again. Subscriptions that are lost end without a word; others begin anew."""
        faults = self._world.faults
        if data_lost:
            for holder in (self._lines, self._depth, self._ticks, self._live):
                holder.clear()
        if faults.competing and not self._competing:
            for holder in (self._lines, self._depth, self._ticks, self._live):
                holder.tell_all(access.COMPETING)
        market, history = faults.market_stopped and not self._stopped, faults.history_stopped and not self._no_history
        if market or history:
            self._live.broken(market=market, history=history)
        if market:
            self._depth.tell_all(depth.HALTED)
        elif self._stopped and not faults.market_stopped:
            self._lines.resume()
            self._depth.resume()
        self._stopped, self._competing = faults.market_stopped, faults.competing
        self._no_history = faults.history_stopped

    def _deliver(self, rows: NDArray[Any]) -> None:
        self._lines.deliver(rows)
        self._depth.deliver(rows)

    # ---- time --------------------------------------------------------------------------------------------------
    @property
    def next_due_ns(self) -> int:
        """The next slot, bar or end of a snapshot."""
        due = self._lines.next_due_ns
        for other in (self._depth.next_due_ns, self._live.next_due_ns):
            if other < due:
                due = other
        return due

    def advance(self, ts_ns: int) -> None:
        """Serve it."""
        self._lines.advance(ts_ns)
        self._live.advance(ts_ns)

    def dump(self) -> bytes:
        """Bars and days; no subscription outlives its client."""
        return self.tape.dump()

    def load(self, state: bytes) -> None:
        """From `dump`."""
        self.tape.load(state)
