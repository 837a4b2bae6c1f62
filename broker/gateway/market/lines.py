"""Market-data lines (reqMktData): who has one, what each shows, and the ticks of every change.

Lines of one instrument always show the same state, that of the conflated row last sent; so a change is encoded once
for all of them. A new line begins with that state in full. Delayed lines step every five seconds, from the bars.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker.gateway.contracts.book import ContractBook
from broker.gateway.contracts.listing import Listed, Refusal, invalid, read_query
from broker.gateway.contracts.part import BBO_EXCHANGE
from broker.gateway.market import access, ticks
from broker.gateway.market.bars import DAY_AT, DAY_WIDTH, FIVE_NS
from broker.gateway.market.generics import KNOWN_GENERICS, Generics
from broker.gateway.market.settings import MarketSettings
from broker.gateway.market.tape import MarketTape
from broker.gateway.market.ticks import DELAYED, LIVE, NOTHING, State, Tail
from broker.gateway.part import NEVER, Client, Fields, World
from broker.gateway.versions import FRACTIONAL_SIZES
from broker.gateway.wire import nanos_text
from core.rows import PRINT
from core.units import NANO

_REQ_PARAMS, _SNAPSHOT_END, _DATA_TYPE = 81, 57, 58
SNAPSHOT_NS: Final = 11 * NANO
SNAPSHOT_RIGHTS: Final = 3  # tickReqParams: snapshots are allowed
TOO_MANY: Final = Refusal(101, "Max number of tickers has been reached")
DUPLICATE: Final = Refusal(102, "Duplicate ticker id")
GENERICS_MAX: Final = 64
_FEW: Final = 8  # rows up to which picking costs more than passing over
_OPEN, _HIGH, _LOW, _CLOSE = DAY_AT["open"], DAY_AT["high"], DAY_AT["low"], DAY_AT["previous_close"]


class Line:
    """One subscription."""

    __slots__ = ("begun", "client", "generics", "heads", "inst", "old", "req_id", "send", "shows", "until_ns")

    def __init__(self, client: Client, req_id: int, inst: int, *, shows: str, generics: frozenset[int]) -> None:
        self.client = client
        self.req_id = req_id
        self.inst = inst
        self.shows = shows
        self.generics = generics
        self.send: Callable[[bytes], None] = client.send_frame
        self.heads = ticks.heads(req_id)
        self.old = client.version < FRACTIONAL_SIZES
        self.until_ns = NEVER  # of a snapshot
        self.begun = False


def send(line: Line, tails: list[Tail]) -> None:
    """Ticks of one line, in order."""
    heads, put, frame = line.heads, line.send, ticks.frame
    if line.old:
        for kind, _, tail in tails:
            put(frame(heads[kind], tail))
    else:
        for kind, tail, _ in tails:
            put(frame(heads[kind], tail))


class Lines:
    """All lines of all clients."""

    def __init__(
        self, world: World, book: ContractBook, tape: MarketTape, settings: MarketSettings,
        volumes: Mapping[tuple[int, int], int],
    ) -> None:  # fmt: skip
        """`volumes`: known average volumes by (inst, date)."""
        self._world, self._book, self._tape, self._settings = world, book, tape, settings
        self._generics = Generics(world, tape, settings, volumes)
        count = len(world.instruments)
        self._lines: dict[tuple[int, int], Line] = {}
        self._live: list[list[Line]] = [[] for _ in range(count)]
        self._late: list[list[Line]] = [[] for _ in range(count)]
        self._counts: NDArray[np.int64] = np.zeros(count, np.int64)  # of live lines
        self.open_lines = 0
        self._shown = [NOTHING] * count
        self._shown_late = [NOTHING] * count
        self._types: dict[int, int] = {}  # by connection
        self._snapshots: list[Line] = []
        self._late_ns = NEVER

    # ---- requests ----------------------------------------------------------------------------------------------
    def data_type(self, client: Client, fields: Fields) -> None:
        """reqMarketDataType."""
        fields.skip(1)
        kind = fields.integer()
        if not access.LIVE <= kind <= access.DELAYED_FROZEN:
            client.error(-1, *invalid(f"Invalid market data type {kind}"))
            return
        self._types[client.number] = kind

    def request(self, client: Client, fields: Fields) -> None:
        """reqMktData."""
        fields.skip(1)
        req_id, query = fields.integer(), read_query(fields)
        if query.sec_type == "BAG":
            client.error(req_id, 200, "No security definition has been found for the request")
            return
        if fields.flag():  # delta-neutral contract
            fields.skip(3)
        asked, snapshot, regulatory = fields.text(), fields.flag(), fields.flag()
        generics = _generics(asked)
        listed: Listed | Refusal = generics if isinstance(generics, Refusal) else self._book.resolve(query)
        if isinstance(listed, Refusal):
            client.error(req_id, *listed)
            return
        assert not isinstance(generics, Refusal)
        refusal = self._refusal(client, req_id, listed, query.exchange, generics, snapshot, regulatory)
        if refusal is not None:
            client.error(req_id, *refusal)
            return
        grant = access.line(self._settings, listed, self._types.get(client.number, access.LIVE))
        if isinstance(grant, Refusal):
            client.error(req_id, *grant)
            return
        if grant.notice is not None:
            client.error(req_id, *grant.notice)
        self._open(Line(client, req_id, listed.inst, shows=grant.shows, generics=generics), snapshot)

    def cancel(self, client: Client, fields: Fields) -> None:
        """cancelMktData."""
        fields.skip(1)
        req_id = fields.integer()
        line = self._lines.get((client.number, req_id))
        if line is None:
            client.error(req_id, 300, f"Can't find EId with tickerId:{req_id}")
            return
        self._drop(line)

    def _refusal(
        self, client: Client, req_id: int, listed: Listed, exchange: str, generics: frozenset[int], snapshot: bool,
        regulatory: bool,
    ) -> Refusal | None:  # fmt: skip
        if (client.number, req_id) in self._lines:
            return DUPLICATE
        if not exchange:
            return invalid("Please enter exchange")
        if regulatory:
            return invalid("Regulatory snapshots cost a fee and are not served by this gateway")
        if snapshot and generics:
            return invalid("Snapshot market data subscription is not applicable to generic ticks")
        if unknown := generics - KNOWN_GENERICS:
            return invalid(f"Incorrect generic tick list of {','.join(map(str, sorted(unknown)))}")
        if self._world.faults.competing:
            return access.COMPETING
        inst = listed.inst
        taken = sum(1 for live, late in zip(self._live, self._late, strict=True) if live or late)
        if inst >= 0 and not self._live[inst] and not self._late[inst] and taken >= self._settings.lines_max:
            return TOO_MANY
        mine = sum(1 for number, _ in self._lines if number == client.number)
        return TOO_MANY if mine >= self._settings.requests_max else None

    # ---- opening and closing -----------------------------------------------------------------------------------
    def _open(self, line: Line, snapshot: bool) -> None:
        self._lines[(line.client.number, line.req_id)] = line
        if line.shows == access.LATE:
            self._late[line.inst].append(line)
            self._late_ns = min(self._late_ns, (self._world.now_ns // FIVE_NS + 1) * FIVE_NS)
        else:
            if not self._live[line.inst]:
                self._tape.close_slot(self._world.now_ns)
                self._shown[line.inst] = self._state(line.inst)
            self._live[line.inst].append(line)
            self._counts[line.inst] += 1
            self.open_lines += 1
        if not self._world.faults.market_stopped:
            self._begin(line)
        if snapshot:
            line.until_ns = self._world.now_ns + SNAPSHOT_NS
            self._snapshots.append(line)
            self._end_snapshots(self._world.now_ns)

    def _begin(self, line: Line) -> None:
        """All a line shows; with its parameters the first time."""
        inst = line.inst
        if not line.begun:
            line.begun = True
            self._introduce(line)
        late = line.shows == access.LATE
        ids = DELAYED if late else LIVE
        if late and self._shown_late[inst] is NOTHING:
            self._shown_late[inst] = self._state_late(inst)
        shown = self._shown_late[inst] if late else self._shown[inst]
        tails = [] if line.shows == access.PART else ticks.quote(ids, NOTHING, shown)
        prints = shown if line.shows != access.PART else NOTHING._replace(close=shown.close, volume=shown.volume)
        tails += ticks.trade(ids, NOTHING, prints)
        tails.append(ticks.generic(ids[ticks.HALTED], str(int(self._world.quotes[inst]["halted"]))))
        if line.shows == access.ALL:
            tails += self._generics.all_of(inst, shown, line.generics)
        send(line, tails)

    def _introduce(self, line: Line) -> None:
        step = nanos_text(min(step for _, step in self._book.of_inst(line.inst).increments))
        line.client.send(_REQ_PARAMS, line.req_id, step, BBO_EXCHANGE, SNAPSHOT_RIGHTS)
        line.client.send(_DATA_TYPE, 1, line.req_id, self._shown_type(line))

    def _shown_type(self, line: Line) -> int:
        asked = self._types.get(line.client.number, access.LIVE)
        closed = self._tape.windows_of(line.inst).at(self._world.now_ns, False) is None
        if line.shows == access.LATE:
            return access.DELAYED_FROZEN if closed and asked == access.DELAYED_FROZEN else access.DELAYED
        return access.FROZEN if closed and asked in (access.FROZEN, access.DELAYED_FROZEN) else access.LIVE

    def _drop(self, line: Line) -> None:
        del self._lines[(line.client.number, line.req_id)]
        if line.shows == access.LATE:
            self._late[line.inst].remove(line)
            if not self._late[line.inst]:
                self._shown_late[line.inst] = NOTHING
        else:
            self._live[line.inst].remove(line)
            self._counts[line.inst] -= 1
            self.open_lines -= 1
        if line in self._snapshots:
            self._snapshots.remove(line)

    def closed(self, client: Client) -> None:
        """A connection is gone, and its lines with it."""
        for key in [key for key in self._lines if key[0] == client.number]:
            self._drop(self._lines[key])
        self._types.pop(client.number, None)

    def clear(self) -> None:
        """All subscriptions are lost; nobody is told."""
        for line in list(self._lines.values()):
            self._drop(line)

    def resume(self) -> None:
        """Data flows again: every line starts over with what stands now."""
        self._tape.close_slot(self._world.now_ns)
        for inst, lines in enumerate(self._live):
            if lines:
                self._shown[inst] = self._state(inst)
            if self._late[inst]:
                self._shown_late[inst] = self._state_late(inst)
        for line in list(self._lines.values()):
            self._begin(line)

    def tell_all(self, refusal: Refusal) -> None:
        """An error to every line."""
        for line in self._lines.values():
            line.client.error(line.req_id, *refusal)

    # ---- the market --------------------------------------------------------------------------------------------
    def deliver(self, rows: NDArray[Any]) -> None:
        """Conflated rows, in order."""
        if not self.open_lines or self._world.faults.market_stopped:
            return
        for row in (rows if len(rows) <= _FEW else rows[self._counts[rows["inst"]] > 0]).tolist():
            _, exchange_ts_ns, inst, kind, _, first, ask, first_qty, ask_qty = row
            lines = self._live[inst]
            if not lines:
                continue
            before = self._shown[inst]
            if kind == PRINT:
                after = self._printed(before, inst, exchange_ts_ns, first, first_qty)
                self._show_print(inst, before, after, first_qty, exchange_ts_ns)
            else:
                after = before._replace(bid=first, ask=ask, bid_qty=first_qty, ask_qty=ask_qty)
                self._show_quote(inst, before, after)
            self._shown[inst] = after
        if self._snapshots:
            self._end_snapshots(self._world.now_ns)

    def _printed(self, before: State, inst: int, ts_ns: int, px: int, qty: int) -> State:
        day, at = self._tape.day_numbers, inst * DAY_WIDTH
        return before._replace(
            last=px, last_qty=qty, last_s=ts_ns // NANO, volume=before.volume + qty, open=day[at + _OPEN],
            high=day[at + _HIGH], low=day[at + _LOW],
        )  # fmt: skip

    def day_begun(self, inst: int) -> None:
        """A new day: volume and range begin anew, with another previous close. TWS tells the close and volume 0."""
        before = self._shown[inst]
        close = self._tape.day_numbers[inst * DAY_WIDTH + _CLOSE]
        self._shown[inst] = before._replace(volume=0, open=0, high=0, low=0, close=close)
        if self._live[inst] and not self._world.faults.market_stopped:
            tails = ticks.trade(LIVE, before, before._replace(volume=0, close=close))
            for line in self._live[inst]:
                send(line, tails)
                if line.shows == access.ALL:
                    send(line, self._generics.of_day(inst, line.generics))

    def _show_quote(self, inst: int, before: State, after: State) -> None:
        tails = ticks.quote(LIVE, before, after)
        for line in self._live[inst]:
            if line.shows == access.ALL:
                send(line, tails)
                if line.generics:
                    send(line, self._generics.of_quote(before, after, line.generics))

    def _show_print(self, inst: int, before: State, after: State, qty: int, ts_ns: int) -> None:
        tails = ticks.trade(LIVE, before, after)
        volume_only = ticks.trade(LIVE, before, before._replace(volume=after.volume))
        for line in self._live[inst]:
            if line.shows != access.ALL:
                send(line, volume_only)
                continue
            send(line, tails)
            if line.generics:
                send(line, self._generics.of_print(inst, after, qty, ts_ns, line.generics))

    def halted(self, inst: int, halted: int) -> None:
        """Trading stopped or goes on."""
        if self._world.faults.market_stopped:
            return
        for lines, ids in ((self._live[inst], LIVE), (self._late[inst], DELAYED)):
            for line in lines:
                send(line, [ticks.generic(ids[ticks.HALTED], str(halted))])

    def _state(self, inst: int) -> State:
        """What lines of an instrument show, found anew."""
        day, tape = self._tape.days[inst], self._tape
        bid, ask, bid_qty, ask_qty = tape.shown_quote(inst) or (0, 0, 0, 0)
        volume = tape.shown_volume(inst)
        return State(
            bid=bid, ask=ask, bid_qty=bid_qty, ask_qty=ask_qty, last=int(day["last"]), last_qty=int(day["last_qty"]),
            last_s=int(day["last_ns"]) // NANO, volume=volume, open=int(day["open"]), high=int(day["high"]),
            low=int(day["low"]), close=int(day["previous_close"]),
        )  # fmt: skip

    def _state_late(self, inst: int) -> State:
        """The state a while ago, to five seconds, from the bars of today."""
        ts_ns = self._world.now_ns - self._settings.delay_s * NANO
        window = self._tape.windows_of(inst).at(ts_ns, False)
        bars = self._tape.bars(inst, FIVE_NS)
        first = np.searchsorted(bars["start_ns"], window.start_ns) if window else len(bars)
        bars = bars[first : np.searchsorted(bars["start_ns"], ts_ns - FIVE_NS, side="right")]
        close = int(self._tape.days[inst]["previous_close"])
        if not len(bars):
            return State(close=close)
        newest, traded = bars[-1], bars[bars["count"] > 0]
        state = State(
            bid=int(newest["bid_close"]), ask=int(newest["ask_close"]), bid_qty=int(newest["bid_qty"]),
            ask_qty=int(newest["ask_qty"]), close=close,
        )  # fmt: skip
        if not len(traded):
            return state
        return state._replace(
            last=int(traded[-1]["close"]), last_qty=int(traded[-1]["last_qty"]),
            last_s=int(traded[-1]["start_ns"] + FIVE_NS) // NANO, volume=int(traded["volume"].sum()),
            open=int(traded[0]["open"]), high=int(traded["high"].max()), low=int(traded["low"].min()),
        )  # fmt: skip

    # ---- time --------------------------------------------------------------------------------------------------
    @property
    def next_due_ns(self) -> int:
        """The next moment something must be sent although no row comes."""
        due = self._tape.slot_ns if self.open_lines else NEVER
        if self._snapshots:
            due = min(due, *(line.until_ns for line in self._snapshots))
        return due if due < self._late_ns else self._late_ns

    def advance(self, ts_ns: int) -> None:
        """Close the slot, step the delayed lines, end snapshots."""
        self._tape.close_slot(ts_ns)
        if self._late_ns <= ts_ns:
            self._step_late()
            late = any(self._late)
            self._late_ns = (ts_ns // FIVE_NS + 1) * FIVE_NS if late else NEVER
        self._end_snapshots(ts_ns)

    def _step_late(self) -> None:
        if self._world.faults.market_stopped:
            return
        for inst, lines in enumerate(self._late):
            if lines:
                before, after = self._shown_late[inst], self._state_late(inst)
                tails = ticks.quote(DELAYED, before, after) + ticks.trade(DELAYED, before, after)
                self._shown_late[inst] = after
                for line in lines:
                    send(line, tails)

    def _end_snapshots(self, ts_ns: int) -> None:
        for line in list(self._snapshots):
            shown = (self._shown_late if line.shows == access.LATE else self._shown)[line.inst]
            complete = shown.bid and shown.ask and shown.last and not self._world.faults.market_stopped
            if complete or line.until_ns <= ts_ns:
                self._drop(line)
                line.client.send(_SNAPSHOT_END, 1, line.req_id)


def _generics(asked: str) -> frozenset[int] | Refusal:
    """The numbers of a generic tick list."""
    words = [word.split(":")[0].strip() for word in asked.split(",") if word.strip()]
    if len(words) > GENERICS_MAX or not all(word.isascii() and word.isdigit() and len(word) < 6 for word in words):
        return invalid(f"Incorrect generic tick list of {asked[:80]}")
    return frozenset(map(int, words))
