"""Historical requests: bars, schedules, ticks, the earliest moment, histograms; and the rules on how often.

Answers at once and in full. What goes on after the answer (keepUpToDate) is `live_bars`' concern.
"""

import re
from typing import Any, Final, NamedTuple

from numpy.typing import NDArray

from broker.gateway.contracts.book import ContractBook
from broker.gateway.contracts.listing import Listed, Query, Refusal, invalid, read_query
from broker.gateway.market import access, times
from broker.gateway.market.bar_text import KINDS, BarText
from broker.gateway.market.live_bars import LiveBars
from broker.gateway.market.pacing import OPEN_MAX, VIOLATION, HistoryPacing
from broker.gateway.market.past import Past
from broker.gateway.market.past_ticks import KINDS as TICK_KINDS
from broker.gateway.market.past_ticks import TICKS_MAX, PastTicks
from broker.gateway.market.series import Span, spans
from broker.gateway.market.settings import MarketSettings
from broker.gateway.market.tape import MarketTape
from broker.gateway.market.ticks import plain
from broker.gateway.market.times import Duration, Moment
from broker.gateway.market.windows import Windows, local_text, utc_text
from broker.gateway.part import Client, Field, Fields, World
from broker.gateway.versions import HISTORICAL_SCHEDULE
from core.instruments import TickRule, increment_at
from core.units import NANO

_BARS, _SCHEDULE, _HEAD, _HISTOGRAM = 17, 106, 88, 89
SERVICE: Final = "Historical Market Data Service error message:"
NO_DATA: Final = Refusal(162, f"{SERVICE}HMDS query returned no data")
TOO_LONG: Final = Refusal(162, f"{SERVICE}Time length exceed max.")
NOT_CONNECTED: Final = Refusal(162, f"{SERVICE}HMDS server disconnect occurred.  Attempting reconnection...")
DUPLICATE: Final = Refusal(102, "Duplicate ticker id")
MADE_UP: Final = 2199  # in the range of warnings, which no client takes for a failure; TWS has no such code
BARS_MAX: Final = 150_000  # in one answer: a frame must stay below what clients read
OTHER_KINDS: Final = ("SCHEDULE", "HISTORICAL_VOLATILITY", "OPTION_IMPLIED_VOLATILITY", "FEE_RATE", "YIELD_BID",
                      "YIELD_ASK", "YIELD_BID_ASK", "YIELD_LAST", "AGGTRADES")  # fmt: skip
_PERIOD: Final = re.compile(r"(\d{1,4}) (sec|second|min|minute|hour|day|week|month|year)s?", re.ASCII)
_PERIODS: Final = {
    "sec": (1, "S"), "second": (1, "S"), "min": (60, "S"), "minute": (60, "S"), "hour": (3_600, "S"), "day": (1, "D"),
    "week": (1, "W"), "month": (1, "M"), "year": (1, "Y"),
}  # fmt: skip


class Asked(NamedTuple):
    """A request for bars, checked."""

    listed: Listed
    exchange: str
    step_ns: int
    length: Duration
    end: Moment
    regular: bool
    kind: str
    date_format: int
    live: bool


class History:
    """Handlers of the historical requests."""

    def __init__(
        self, world: World, book: ContractBook, tape: MarketTape, settings: MarketSettings, past: Past,
        past_ticks: PastTicks, live: LiveBars, pacing: HistoryPacing,
    ) -> None:  # fmt: skip
        self._world, self._book, self._tape, self._settings = world, book, tape, settings
        self._past, self._past_ticks, self._live, self._pacing = past, past_ticks, live, pacing
        self._told: set[tuple[int, int]] = set()  # (connection, inst): who knows that history is made up

    def closed(self, client: Client) -> None:
        """A connection is gone."""
        self._told = {told for told in self._told if told[0] != client.number}

    # ---- bars --------------------------------------------------------------------------------------------------
    def bars(self, client: Client, fields: Fields) -> None:
        """reqHistoricalData."""
        req_id, query = fields.integer(), read_query(fields)
        fields.skip(1)  # includeExpired
        asked = self._read(query, fields)
        if not isinstance(asked, Refusal):
            asked = self._checked(client, req_id, asked)
        if isinstance(asked, Refusal):
            client.error(req_id, *asked)
            return
        if asked.end.warned:
            client.error(req_id, *times.NO_ZONE)
        windows = self._tape.windows_of(asked.listed.inst)
        covered = spans(windows, asked.end.ts_ns, asked.length, regular=asked.regular)
        if asked.kind == "SCHEDULE":
            self._schedule(client, req_id, windows, covered)
        else:
            self._answer(client, req_id, asked, windows, covered)

    def _read(self, query: Query, fields: Fields) -> Asked | Refusal:
        end_text, size_text, length_text = fields.text(), fields.text(), fields.text()
        regular, kind, date_format = fields.flag(), fields.text().upper(), fields.integer()
        if query.sec_type == "BAG":
            return Refusal(200, "No security definition has been found for the request")
        live = fields.flag()
        listed = self._book.resolve(query)
        if isinstance(listed, Refusal):
            return listed
        if not query.exchange:
            return invalid("Please enter exchange")
        step_ns, length = times.bar_size(size_text), times.duration(length_text)
        windows = self._tape.windows_of(max(0, listed.inst))
        end = times.moment(end_text, now_ns=self._world.now_ns, zone=windows.zone, field="End Date/Time")
        for read in (step_ns, length, end):
            if isinstance(read, Refusal):
                return read
        assert isinstance(step_ns, int)
        assert isinstance(length, Duration)
        assert isinstance(end, Moment)
        if kind not in KINDS and kind not in OTHER_KINDS:
            return invalid(f"Invalid whatToShow {kind[:30]}")
        if date_format not in (1, 2):
            return invalid("Invalid date format; 1 and 2 are valid")
        if (live or kind == "ADJUSTED_LAST") and end_text.strip():
            return invalid("End Date not supported with keepUpToDate and adjusted last")
        if kind == "SCHEDULE" and step_ns != times.DAY:
            return invalid("Only bar size 1 day is supported for SCHEDULE")
        return Asked(listed, query.exchange, step_ns, length, end, regular, kind, date_format, live)

    def _checked(self, client: Client, req_id: int, asked: Asked) -> Asked | Refusal:
        if self._live.has(client, req_id):
            return DUPLICATE
        if asked.kind == "SCHEDULE" and client.version < HISTORICAL_SCHEDULE:
            return invalid("SCHEDULE is not supported by this API version")
        if refusal := self._served(asked.listed):
            return refusal
        if asked.kind in OTHER_KINDS and asked.kind != "SCHEDULE":
            return NO_DATA
        if asked.live and self._live.count >= OPEN_MAX:
            return Refusal(162, f"{SERVICE}Max number of simultaneous historical data requests has been reached")
        contract = (asked.listed.con_id, asked.exchange, asked.kind)
        end = 0 if asked.end.ts_ns == self._world.now_ns else asked.end.ts_ns
        what = (*contract, asked.step_ns, asked.length, end, asked.regular, asked.live)
        if self._pacing.refuses(self._world.now_ns, what=what, contract=contract, step_ns=asked.step_ns):
            return Refusal(162, f"{SERVICE}{VIOLATION}")
        return asked

    def _answer(self, client: Client, req_id: int, asked: Asked, windows: Windows, covered: list[Span]) -> None:
        inst = asked.listed.inst
        found = self._bars(inst, covered, asked.step_ns)
        if isinstance(found, Refusal):
            client.error(req_id, *found)
            return
        text = BarText(
            asked.kind, version=client.version, windows=windows, date_format=asked.date_format, step_ns=asked.step_ns
        )  # fmt: skip
        out: list[Field] = []
        count = 0
        for bar in found.tolist():
            if (made := text.fields(bar)) is not None:
                out.append(text.date(bar[0]))
                out += made
                count += 1
        if not count and not asked.live:
            client.error(req_id, *NO_DATA)
            return
        self._mark(client, inst, covered)
        start_ns = covered[0].start_ns if covered else asked.end.ts_ns
        client.send(_BARS, req_id, text.time(start_ns), text.time(asked.end.ts_ns), count, *out)
        if asked.live:
            self._live.keep(
                client, req_id, inst, step_ns=asked.step_ns, regular=asked.regular, text=text
            )  # fmt: skip

    def _bars(self, inst: int, covered: list[Span], step_ns: int) -> NDArray[Any] | Refusal:
        try:
            found = self._past.bars(inst, covered, step_ns)
        except ValueError:  # more base bars than one request may touch
            return TOO_LONG
        return TOO_LONG if len(found) > BARS_MAX else found

    def _schedule(self, client: Client, req_id: int, windows: Windows, covered: list[Span]) -> None:
        if not covered:
            client.error(req_id, *NO_DATA)
            return
        sessions: list[Field] = []
        for span in covered:
            window = span.window
            sessions += [_dashed(window.start_ns, window.offset_s), _dashed(window.end_ns, window.offset_s)]
            sessions.append(str(window.date))
        first, last = sessions[0], sessions[-2]
        client.send(_SCHEDULE, req_id, first, last, windows.wire_zone, len(covered), *sessions)

    def _served(self, listed: Listed) -> Refusal | None:
        if not access.sees_history(self._settings, listed):
            return Refusal(162, f"{SERVICE}{access.no_permission(listed)}")
        return NOT_CONNECTED if self._world.faults.history_stopped else None

    def _mark(self, client: Client, inst: int, covered: list[Span]) -> None:
        """Say once that bars are made up, to whom they are given."""
        first = self._past.first_date(inst)
        key = (client.number, inst)
        if covered and covered[0].window.date < first and key not in self._told and self._made_up(inst):
            self._told.add(key)
            symbol = self._world.instruments[inst].symbol
            client.error(-1, MADE_UP, f"Paper gateway: history of {symbol} before {first} is made up, not recorded")

    def _made_up(self, inst: int) -> bool:
        before = self._past.before(inst)
        return before is not None and before.made_up

    # ---- ticks -------------------------------------------------------------------------------------------------
    def ticks(self, client: Client, fields: Fields) -> None:
        """reqHistoricalTicks."""
        req_id, query = fields.integer(), read_query(fields)
        fields.skip(1)  # includeExpired
        start_text, end_text, count = fields.text().strip(), fields.text().strip(), fields.integer()
        kind, regular, ignore_size = fields.text().upper(), fields.flag(), fields.flag()
        listed = self._book.resolve(query)
        if isinstance(listed, Refusal):
            client.error(req_id, *listed)
        elif refusal := self._ticks_refusal(listed, start_text, end_text, count, kind):
            client.error(req_id, *refusal)
        else:
            start, end = self._moment(listed, start_text, "Start"), self._moment(listed, end_text, "End")
            if isinstance(start, Refusal) or isinstance(end, Refusal):
                client.error(req_id, *(start if isinstance(start, Refusal) else end))
                return
            if start.warned or end.warned:
                client.error(req_id, *times.NO_ZONE)
            self._past_ticks.send(
                client, req_id, listed.inst, kind, count, ignore_size=ignore_size, regular=regular,
                start_ns=start.ts_ns if start_text else 0, end_ns=end.ts_ns if end_text else 0,
            )  # fmt: skip

    def _moment(self, listed: Listed, text: str, name: str) -> Moment | Refusal:
        zone = self._tape.windows_of(listed.inst).zone
        return times.moment(text, now_ns=self._world.now_ns, zone=zone, field=f"{name} Date/Time")

    def _ticks_refusal(self, listed: Listed, start: str, end: str, count: int, kind: str) -> Refusal | None:
        if refusal := self._served(listed):
            return refusal
        if bool(start) == bool(end):
            return invalid("Please specify either start time or end time")
        if not 1 <= count <= TICKS_MAX:
            return invalid(f"Number of ticks must be between 1 and {TICKS_MAX}")
        if kind not in TICK_KINDS:
            return invalid(f"Invalid whatToShow {kind[:30]}")
        contract = (listed.con_id, "ticks", kind)
        if self._pacing.refuses(self._world.now_ns, what=(*contract, start, end, count), contract=contract, step_ns=0):
            return Refusal(162, f"{SERVICE}{VIOLATION}")
        return None

    # ---- the rest ----------------------------------------------------------------------------------------------
    def head(self, client: Client, fields: Fields) -> None:
        """reqHeadTimestamp."""
        req_id, query = fields.integer(), read_query(fields)
        fields.skip(1)  # includeExpired
        regular, kind, date_format = fields.flag(), fields.text().upper(), fields.integer()
        listed = self._book.resolve(query)
        if isinstance(listed, Refusal):
            client.error(req_id, *listed)
        elif kind not in KINDS:
            client.error(req_id, *(NO_DATA if kind in OTHER_KINDS else invalid(f"Invalid whatToShow {kind[:30]}")))
        elif refusal := self._served(listed):
            client.error(req_id, *refusal)
        elif not (start_ns := self._past.start_ns(listed.inst, regular=regular)):
            client.error(req_id, *NO_DATA)
        else:
            client.send(_HEAD, req_id, str(start_ns // NANO) if date_format == 2 else utc_text(start_ns))

    def nothing_to_cancel(self, client: Client, fields: Fields) -> None:
        """Cancels of what was answered at once: clients send them after the answer, and TWS says nothing."""
        fields.integer()

    def histogram(self, client: Client, fields: Fields) -> None:
        """reqHistogramData: volume by price, a minute's volume at its close."""
        req_id, query = fields.integer(), read_query(fields)
        fields.skip(1)  # includeExpired
        regular, period = fields.flag(), _PERIOD.fullmatch(fields.text().strip())
        listed = self._book.resolve(query)
        if isinstance(listed, Refusal):
            client.error(req_id, *listed)
            return
        refusal = self._served(listed) if period else invalid("Invalid time period")
        if refusal is not None or period is None:
            client.error(req_id, *(refusal or NO_DATA))
            return
        each, unit = _PERIODS[period[2]]
        windows = self._tape.windows_of(listed.inst)
        length = Duration(max(1, int(period[1]) * each), unit)
        covered = spans(windows, self._world.now_ns, length, regular=regular)
        found = self._bars(listed.inst, covered, times.MINUTE)
        if isinstance(found, Refusal):
            client.error(req_id, *found)
            return
        self._mark(client, listed.inst, covered)
        client.send(_HISTOGRAM, req_id, *_histogram(listed, found))


def _dashed(ts_ns: int, offset_s: int) -> str:
    """Local time as schedules write it."""
    return local_text(ts_ns, offset_s).replace(" ", "-")


def _histogram(listed: Listed, bars: NDArray[Any]) -> list[Field]:
    """The number of prices, then price and shares of each."""
    rule = TickRule(effective_from=0, increments=listed.increments)
    volumes: dict[int, int] = {}
    for px, volume in zip(bars["close"].tolist(), bars["volume"].tolist(), strict=True):
        if volume:
            step = increment_at(rule, px)
            price = px // step * step
            volumes[price] = volumes.get(price, 0) + volume
    pairs: list[Field] = [field for px in sorted(volumes) for field in (plain(px), volumes[px] // NANO)]
    return [len(volumes), *pairs]
