"""Bars that go on: real-time bars of five seconds, and historical bars kept up to date. Step at every multiple of five
seconds, when all rows before it have been seen.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker.gateway.contracts.book import ContractBook
from broker.gateway.contracts.listing import Listed, Refusal, invalid, read_query
from broker.gateway.market import access
from broker.gateway.market.bar_text import BarText
from broker.gateway.market.bars import BAR, FIVE_NS
from broker.gateway.market.pacing import VIOLATION, HistoryPacing
from broker.gateway.market.past import Past
from broker.gateway.market.series import Span, label_of
from broker.gateway.market.settings import MarketSettings
from broker.gateway.market.tape import MarketTape
from broker.gateway.market.windows import Window
from broker.gateway.part import NEVER, Client, Fields, World
from core.units import NANO

_REAL_TIME, _UPDATE = 50, 90
DISCONNECTED: Final = Refusal(10182, "Failed to request live updates (disconnected).")
KINDS: Final = ("TRADES", "MIDPOINT", "BID", "ASK")
CANCELLED: Final = Refusal(
    162, "Historical Market Data Service error message:API historical data query cancelled: {}"
)  # fmt: skip


class Going:
    """One subscription."""

    __slots__ = ("client", "inst", "real_time", "regular", "req_id", "step_ns", "text")

    def __init__(
        self, client: Client, req_id: int, inst: int, *, step_ns: int, regular: bool, text: BarText, real_time: bool
    ) -> None:
        self.client, self.req_id, self.inst, self.step_ns = client, req_id, inst, step_ns
        self.regular, self.text, self.real_time = regular, text, real_time


class LiveBars:
    """All subscriptions of all clients, of both kinds."""

    def __init__(
        self, world: World, book: ContractBook, tape: MarketTape, settings: MarketSettings, past: Past,
        pacing: HistoryPacing,
    ) -> None:  # fmt: skip
        self._world, self._book, self._tape, self._settings = world, book, tape, settings
        self._past, self._pacing = past, pacing
        self._real_time: dict[tuple[int, int], Going] = {}
        self._kept: dict[tuple[int, int], Going] = {}
        self.next_due_ns = NEVER

    # ---- requests ----------------------------------------------------------------------------------------------
    def request(self, client: Client, fields: Fields) -> None:
        """reqRealTimeBars."""
        fields.skip(1)
        req_id, query = fields.integer(), read_query(fields)
        seconds, kind, regular = fields.integer(), fields.text().upper(), fields.flag()
        listed = self._book.resolve(query)
        if isinstance(listed, Refusal):
            client.error(req_id, *listed)
        elif refusal := self._refusal(client, req_id, listed, seconds, kind):
            client.error(req_id, *refusal)
        elif self._too_often(client, listed, query.exchange, kind):
            client.error(req_id, 420, f"Invalid Real-time Query:{VIOLATION}")
        else:
            windows = self._tape.windows_of(listed.inst)
            text = BarText(kind, version=client.version, windows=windows, date_format=2, step_ns=FIVE_NS)
            self._add(
                self._real_time,
                Going(client, req_id, listed.inst, step_ns=FIVE_NS, regular=regular, text=text, real_time=True),
            )

    def _too_often(self, client: Client, listed: Listed, exchange: str, kind: str) -> bool:
        contract = (listed.con_id, exchange, kind)
        what = (*contract, "live", client.number)
        return self._pacing.refuses(self._world.now_ns, what=what, contract=contract, step_ns=FIVE_NS)

    def _refusal(self, client: Client, req_id: int, listed: Listed, seconds: int, kind: str) -> Refusal | None:
        if (client.number, req_id) in self._real_time:
            return Refusal(102, "Duplicate ticker id")
        if seconds != FIVE_NS // NANO:
            return invalid("Invalid bar size; only 5 seconds are supported")
        if kind not in KINDS:
            return invalid(f"Invalid whatToShow {kind[:30]}")
        if not access.sees_live(self._settings, listed):
            return Refusal(420, f"Invalid Real-time Query:{access.no_permission(listed)}")
        if self._world.faults.competing:
            return access.COMPETING
        if self._mine(client) >= self._settings.requests_max:
            return Refusal(101, "Max number of tickers has been reached")
        return None

    def _mine(self, client: Client) -> int:
        return sum(1 for number, _ in self._real_time if number == client.number)

    def cancel(self, client: Client, fields: Fields) -> None:
        """cancelRealTimeBars."""
        fields.skip(1)
        req_id = fields.integer()
        if self._real_time.pop((client.number, req_id), None) is None:
            client.error(req_id, 300, f"Can't find EId with tickerId:{req_id}")
        self._plan()

    def cancel_kept(self, client: Client, fields: Fields) -> None:
        """cancelHistoricalData."""
        fields.skip(1)
        req_id = fields.integer()
        if self._kept.pop((client.number, req_id), None) is None:
            client.error(req_id, 366, f"No historical data query found for ticker id:{req_id}")
        else:
            client.error(req_id, CANCELLED.code, CANCELLED.text.format(req_id))
        self._plan()

    def keep(
        self, client: Client, req_id: int, inst: int, *, step_ns: int, regular: bool, text: BarText
    ) -> None:  # fmt: skip
        """Keep an answered request up to date."""
        self._add(
            self._kept,
            Going(client, req_id, inst, step_ns=step_ns, regular=regular, text=text, real_time=False),
        )

    def has(self, client: Client, req_id: int) -> bool:
        """Whether a request of that id is kept up to date."""
        return (client.number, req_id) in self._kept

    @property
    def count(self) -> int:
        """Requests that are open, of all clients."""
        return len(self._kept) + len(self._real_time)

    def closed(self, client: Client) -> None:
        """A connection is gone."""
        for held in (self._real_time, self._kept):
            for key in [key for key in held if key[0] == client.number]:
                del held[key]
        self._plan()

    def clear(self) -> None:
        """All subscriptions are lost."""
        self._real_time.clear()
        self._kept.clear()
        self._plan()

    def broken(self, *, market: bool, history: bool) -> None:
        """A farm has broken: what hangs on it ends, if the settings say so."""
        if self._settings.bars_after_break == "resume":
            return
        for held, gone in ((self._real_time, market), (self._kept, history)):
            if gone:
                if self._settings.bars_after_break == "told":
                    for going in held.values():
                        going.client.error(going.req_id, *DISCONNECTED)
                held.clear()
        self._plan()

    def tell_all(self, refusal: Refusal) -> None:
        """An error to every subscription of real-time bars."""
        for going in self._real_time.values():
            going.client.error(going.req_id, *refusal)

    def _add(self, held: dict[tuple[int, int], Going], going: Going) -> None:
        held[(going.client.number, going.req_id)] = going
        self._plan()

    def _plan(self) -> None:
        self.next_due_ns = (self._world.now_ns // FIVE_NS + 1) * FIVE_NS if self.count else NEVER

    # ---- time --------------------------------------------------------------------------------------------------
    def advance(self, ts_ns: int) -> None:
        """A multiple of five seconds is reached."""
        if self.next_due_ns > ts_ns:
            return
        end_ns = self.next_due_ns
        if not self._world.faults.market_stopped:
            for going in self._real_time.values():
                self._step(going, end_ns)
        if not self._world.faults.history_stopped:
            for going in self._kept.values():
                self._step(going, end_ns)
        self.next_due_ns = (ts_ns // FIVE_NS + 1) * FIVE_NS

    def _step(self, going: Going, end_ns: int) -> None:
        window = self._tape.windows_of(going.inst).at(end_ns - 1, going.regular)
        if window is None:
            return
        if going.real_time:
            self._real(going, end_ns - FIVE_NS)
        else:
            self._update(going, window, end_ns)

    def _real(self, going: Going, start_ns: int) -> None:
        """The bar that has just ended; without a row in it, what stands is all there is to say."""
        bar = self._tape.newest(going.inst, FIVE_NS, 1)
        if not len(bar) or bar[0]["start_ns"] != start_ns:
            bar = np.zeros(1, BAR)
        self._fill(going.inst, bar)
        fields = going.text.fields(bar.tolist()[0])
        if fields is not None:
            going.client.send(_REAL_TIME, 3, going.req_id, start_ns // NANO, *fields)

    def _update(self, going: Going, window: Window, end_ns: int) -> None:
        """The newest bar of a kept request, whole or not; its last update comes when it ends."""
        step_ns = going.step_ns
        start_ns = window.start_ns
        if 0 < step_ns < window.end_ns - window.start_ns:
            midnight_ns = window.midnight_ns()
            start_ns = max(start_ns, (end_ns - 1 - midnight_ns) // step_ns * step_ns + midnight_ns)
        bars = self._past.bars(going.inst, [Span(window, start_ns, end_ns)], step_ns)
        bar = bars[-1:].copy() if len(bars) else np.zeros(1, BAR)
        if not len(bars):
            bar[0]["start_ns"] = label_of(window, start_ns, step_ns)
        self._fill(going.inst, bar)
        label = tuple(bar.tolist()[0])
        fields = going.text.fields(label)
        if fields is not None:
            o, high, low, close, volume, wap, count = fields
            date = going.text.date(label[0])
            going.client.send(_UPDATE, going.req_id, count, date, o, close, high, low, wap, volume)

    def _fill(self, inst: int, bar: NDArray[Any]) -> None:
        """What a bar lacks is what stands: the last print, with volume 0, and the quote."""
        day, it = self._tape.days[inst], bar[0]
        bid, ask = int(day["bid"]), int(day["ask"])
        both = bid + ask if bid > 0 and ask > 0 else 0
        for prefix, px in (("", int(day["last"])), ("bid_", bid), ("ask_", ask), ("mid2_", both)):
            if not it[f"{prefix}open"]:
                for name in ("open", "high", "low", "close"):
                    it[f"{prefix}{name}"] = px
