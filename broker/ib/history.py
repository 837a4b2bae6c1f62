"""The slow numbers of the day, fetched at start and daily: previous close and average volume from daily bars, volume
curve from minute bars. Paced well below IBKR's limits, and only after orders were synchronised once.
"""

import math
from typing import Any, Final

from broker.ib.config import IbSettings
from broker.ib.contracts import Contracts
from broker.ib.seam import LANE_DATA, NEVER, READY, Shell
from broker.ib.translate import nanos_of_float
from broker.ib.volume_days import curve, days_of
from core import events as e
from core.curves import DayVolume
from core.instruments import Instrument
from core.sessions import Calendar
from core.units import NANO

OPEN_MAX: Final = 5  # requests at once; IBKR allows 50
SPACING_NS: Final = NANO // 2  # between two requests; IBKR: fewer than six in two seconds for one contract
TIMEOUT_NS: Final = 60 * NANO
RETRY_NS: Final = 120 * NANO
TRIES_MAX: Final = 5  # then they are asked for again each hour
HOUR_NS: Final = 3_600 * NANO
DAILY: Final = "daily bars"
MINUTES: Final = "minute bars"
CLOSES_MAX: Final = 260  # days of closes that the risk worker looks at
_ADV_DAYS: Final = 20
_ADV_DAYS_MIN: Final = 5  # fewer days make no average
_SHARES_MAX: Final = 9e9  # of one bar; more does not fit in nanos
BARS_MAX: Final = 100_000  # of one answer
POOLED_MAX: Final = 20  # names whose days make the common curve: more would cost time and hardly move it


class Fetch:
    """One instrument's numbers for one trading day."""

    __slots__ = ("bars", "curve", "date", "days", "done", "inst", "made_of", "told", "tries", "wait_ns")

    def __init__(self, inst: int, date: int) -> None:
        self.inst = inst
        self.date = date
        self.done: dict[str, bool] = {}  # kind -> whether it brought bars
        self.bars: dict[str, list[Any]] = {DAILY: [], MINUTES: []}
        self.days: list[DayVolume] = []  # of the minute bars
        self.curve: tuple[int, ...] = ()  # as told last
        self.made_of = ""  # why it is not the name's own
        self.tries = 0
        self.wait_ns = 0
        self.told = False


class History:
    """All instruments."""

    def __init__(
        self,
        shell: Shell,
        contracts: Contracts,
        settings: IbSettings,
        *,
        instruments: tuple[Instrument, ...],
        calendars: tuple[Calendar, ...],
    ) -> None:
        self._shell = shell
        self._contracts = contracts
        self._days = settings.history_days
        self._instruments = instruments
        self._calendars = calendars
        self._fetches: dict[int, Fetch] = {}
        self._open: dict[int, tuple[Fetch, str, int]] = {}  # request id -> fetch, kind, deadline
        self._allowed = False
        self._next_request_ns = 0
        self.next_ns = NEVER

    # ---- when --------------------------------------------------------------------------------------------------
    def allow(self) -> None:
        """Orders are synchronised: data have their turn."""
        if not self._allowed:
            self._allowed = True
            self.next_ns = self._shell.now_ns

    def fetch(self, date: int) -> None:
        """A trading day needs its numbers; those of another day are forgotten."""
        self._fetches = {instrument.inst: Fetch(instrument.inst, date) for instrument in self._instruments}
        if self._allowed:
            self.next_ns = self._shell.now_ns

    def session_lost(self) -> None:
        """What was asked for does not come."""
        self._allowed = False
        self._open.clear()
        self.next_ns = NEVER

    def tick(self, now_ns: int) -> None:
        """Ask for what is missing, a little at a time."""
        self.next_ns = NEVER
        if not self._allowed or self._shell.link != READY:
            if self._allowed:
                self.next_ns = now_ns + NANO
            return
        for request_id, (fetch, kind, due_ns) in list(self._open.items()):
            if due_ns <= now_ns:
                self._shell.request(LANE_DATA, "cancelHistoricalData", request_id)
                self._failed(request_id, fetch, kind, "no answer in time")
        while len(self._open) < OPEN_MAX and self._next_request_ns <= now_ns:
            wanted = self._wanted(now_ns)
            if wanted is None:
                break
            self._ask(*wanted, now_ns)
        self.next_ns = now_ns + (SPACING_NS if self._open or self._wanted(now_ns) else 10 * NANO)

    def _wanted(self, now_ns: int) -> tuple[Fetch, str] | None:
        """Daily bars of everyone first: with them a symbol is nearly ready."""
        asked = [(fetch.inst, kind) for fetch, kind, _ in self._open.values()]
        for kind in (DAILY, MINUTES):
            for fetch in self._fetches.values():
                known = self._contracts.known[fetch.inst] is not None
                if known and kind not in fetch.done and (fetch.inst, kind) not in asked and fetch.wait_ns <= now_ns:
                    return fetch, kind
        return None

    def _ask(self, fetch: Fetch, kind: str, now_ns: int) -> None:
        request_id = self._shell.request_id()
        contract = self._contracts.known[fetch.inst]
        duration, size = ("1 Y", "1 day") if kind == DAILY else (f"{self._days} D", "1 min")
        fetch.bars[kind] = []
        self._next_request_ns = now_ns + SPACING_NS
        self._open[request_id] = (fetch, kind, now_ns + self._shell.patience_ns(TIMEOUT_NS))
        self._shell.request(
            LANE_DATA, "reqHistoricalData", request_id, contract, "", duration, size, "TRADES", 1, 2, False, []
        )

    # ---- answers -----------------------------------------------------------------------------------------------
    def bar(self, request_id: int, bar: Any) -> None:
        """One bar."""
        asked = self._open.get(request_id)
        if asked is not None and bar.close > 0 and math.isfinite(bar.close) and 0 <= bar.volume < _SHARES_MAX:
            bars = asked[0].bars[asked[1]]
            if len(bars) < BARS_MAX:
                bars.append(bar)

    def end(self, request_id: int) -> None:
        """All bars."""
        asked = self._open.pop(request_id, None)
        if asked is not None:
            fetch, kind, _ = asked
            fetch.done[kind] = True
            self._tell_when_done(fetch)

    def refused(self, request_id: int, code: int, text: str) -> bool:
        """An error to a request; False = not ours."""
        asked = self._open.get(request_id)
        if asked is None:
            return False
        self._failed(request_id, asked[0], asked[1], f"{code} {text}")
        return True

    def _failed(self, request_id: int, fetch: Fetch, kind: str, why: str) -> None:
        self._open.pop(request_id, None)
        fetch.tries += 1
        symbol = self._instruments[fetch.inst].symbol
        self._shell.log("history_failed", symbol=symbol, what=kind, reason=why, tries=fetch.tries)
        fetch.wait_ns = self._shell.now_ns + RETRY_NS
        if fetch.tries >= TRIES_MAX:
            fetch.wait_ns = self._shell.now_ns + HOUR_NS
            fetch.tries = 0
        if not fetch.told:
            self._tell(fetch)  # so that somebody who asks is told what is missing

    # ---- conclusions -------------------------------------------------------------------------------------------
    def _tell_when_done(self, fetch: Fetch) -> None:
        if len(fetch.done) < 2:
            return
        fetch.days = days_of(fetch.bars[MINUTES], self._calendars[fetch.inst], before=fetch.date)
        self._tell(fetch)
        if all(one.told and one.done for one in self._fetches.values()):
            # What all names have in common is known only now: for those that lean on it.
            for one in self._fetches.values():
                if one.curve and one.made_of and one is not fetch and self._curve(one)[0] != one.curve:
                    self._tell(one)

    def _tell(self, fetch: Fetch) -> None:
        fetch.told = True
        daily = [bar for bar in fetch.bars[DAILY] if _date_of(bar) < fetch.date]
        close = nanos_of_float(daily[-1].close) if daily else 0
        volumes = [nanos_of_float(bar.volume) for bar in daily[-_ADV_DAYS:] if bar.volume > 0]
        adv = sum(volumes) // len(volumes) if len(volumes) >= _ADV_DAYS_MIN else 0
        shares, made_of = self._curve(fetch)
        fetch.curve, fetch.made_of = shares, made_of
        missing = [
            name for name, there in (("previous close", close), ("average volume", adv), ("volume curve", shares))
            if not there
        ]  # fmt: skip
        if missing and len(fetch.done) == 2:  # answered, and not enough: asked for again, rarely
            fetch.done.clear()
            fetch.wait_ns = self._shell.now_ns + HOUR_NS
        self._shell.fact(
            e.ReferenceArrived(
                inst=fetch.inst,
                effective_from=fetch.date,
                previous_close_nanos=close,
                adv_nanos=adv,
                curve_ppm=shares,
                missing=", ".join(missing),
                source=f"IBKR historical bars; volume curve: {made_of}" if made_of else "IBKR historical bars",
                close_dates=tuple(_date_of(bar) for bar in daily[-CLOSES_MAX:]),
                closes_nanos=tuple(nanos_of_float(bar.close) for bar in daily[-CLOSES_MAX:]),
            )
        )

    def _curve(self, fetch: Fetch) -> tuple[tuple[int, ...], str]:
        """Share of each minute in the day's volume, and of what it is made."""
        calendar = self._calendars[fetch.inst]
        hours = calendar.table.calendar
        alike = [
            one for one in self._fetches.values() if one.days and self._calendars[one.inst].table.calendar == hours
        ]
        everybody = [day for one in alike[:POOLED_MAX] for day in one.days]
        return curve(fetch.days, everybody, calendar.session_of(fetch.date), date=fetch.date)


def _date_of(bar: Any) -> int:
    """yyyymmdd of a daily bar."""
    text = str(bar.date)[:8]
    return int(text) if text.isdigit() and len(text) == 8 else 0
