"""Whether market data live: subscriptions, proof of life, blindness, repair. Never the order channel's matter.

An unchanged price is not stale: a line that does not tick is proven alive by the ticks of the others, for a while, then
by a snapshot that must answer with the same quote. What cannot prove itself is blind: the trader is told once, and the
line is subscribed again with growing pauses. Delayed, frozen and stolen data (a competing session) are blind too.
"""

from collections.abc import Callable
from typing import Any, Final

from broker.ib.codes import Meaning
from broker.ib.config import IbSettings, ns
from broker.ib.line import BOTH_KNOWN, LIVE_TYPE, Line
from broker.ib.market import Market
from broker.ib.seam import DOWN, LANE_DATA, NEVER, READY, Shell
from core import events as e
from core.profiles import BAR as BAR_PROFILE
from core.profiles import TBT
from core.sessions import CLOSED, REGULAR, Calendar
from core.units import NANO

CHECK_NS: Final = NANO // 2  # how often lines are looked at
SHARED_FRESH_NS: Final = 2 * NANO  # another line's tick proves something for this long
FIRST_TICK_NS: Final = 5 * NANO  # after a subscription, in regular hours
MISMATCH_NS: Final = NANO  # a line may lag behind a snapshot by its conflation, not by this
STREAM_SPACING_NS: Final = 15 * NANO  # between two tick-by-tick requests for one instrument
SNAPSHOTS_MAX: Final = 5  # open at once; each takes a line of the reserve
BARS_LATE_NS: Final = 15 * NANO  # an instrument that trades has a five-second bar within this
GENERIC_TICKS: Final = "236"  # shortable

# How long before a snapshot is asked for, of the time that other lines' ticks count.
_ASK_EARLY_PPM: Final = 750_000


class Snapshot:
    """One line being asked whether what it shows still stands."""

    __slots__ = ("ask_px_nanos", "bid_px_nanos", "due_ns", "line", "mismatch_ns", "over", "request_id", "seen")

    def __init__(self, line: Line, request_id: int, due_ns: int) -> None:
        self.line = line
        self.request_id = request_id
        self.due_ns = due_ns
        self.bid_px_nanos = self.ask_px_nanos = 0
        self.seen = 0
        self.over = False  # its End has come: there is nothing to cancel
        self.mismatch_ns = 0  # when it showed something else than the line

    def tick(self, is_bid: bool, px_nanos: int) -> None:
        """One of its prices."""
        px_nanos = max(px_nanos, 0)
        if is_bid:
            self.bid_px_nanos = px_nanos
            self.seen |= 1
        else:
            self.ask_px_nanos = px_nanos
            self.seen |= 2


class Life:
    """The subscriptions of one connection."""

    def __init__(
        self,
        shell: Shell,
        market: Market,
        settings: IbSettings,
        *,
        contract_of: Callable[[int], Any],
        calendars: tuple[Calendar, ...] = (),
    ) -> None:
        self._shell = shell
        self._market = market
        self._settings = settings
        self._contract_of = contract_of  # None while it is not qualified
        self._calendars = calendars
        self._shared_ns = ns(settings.shared_life_s)
        self._silence_ns = ns(settings.silence_s)
        self._snapshots: dict[int, Snapshot] = {}  # by instrument
        self._later: list[tuple[int, int, str]] = []  # second tick-by-tick streams: when, instrument, type
        self._farm_broken = False
        self._snapshots_max = min(SNAPSHOTS_MAX, max(1, settings.lines_reserve))
        self.next_ns = NEVER

    # ---- subscriptions -----------------------------------------------------------------------------------------
    def session_up(self) -> None:
        """A new session: everything is subscribed anew. Live data only; delayed data are refused, not shown."""
        self._farm_broken = False
        self._shell.request(LANE_DATA, "reqMarketDataType", LIVE_TYPE)
        self.next_ns = self._shell.now_ns + CHECK_NS
        for line in self._market.lines:
            self._subscribe(line)

    def qualified(self, inst: int) -> None:
        """The contract of an instrument is known."""
        line = self._market.lines[inst]
        if self._shell.link != DOWN and not line.streams:
            self._subscribe(line)

    def _subscribe(self, line: Line) -> None:
        contract = self._contract_of(line.inst)
        if contract is None:
            return
        now_ns = self._shell.now_ns
        line.clear()
        line.repair_ns = NEVER
        line.tick_ns = line.proof_ns = 0
        line.first_due_ns = now_ns + self._shell.patience_ns(FIRST_TICK_NS)
        request_id = self._stream(line, "cancelMktData", self._market.quotes)
        sent = self._shell.request(LANE_DATA, "reqMktData", request_id, contract, GENERIC_TICKS, False, False, [])
        if self._market.profile == BAR_PROFILE:
            request_id = self._stream(line, "cancelRealTimeBars", self._market.trades)
            sent &= self._shell.request(LANE_DATA, "reqRealTimeBars", request_id, contract, 5, "TRADES", False, [])
        elif self._market.profile == TBT:
            self._tick_stream(line, "BidAsk")
            self._later = [later for later in self._later if later[1] != line.inst]
            self._later.append((now_ns + STREAM_SPACING_NS, line.inst, "AllLast"))
        if not sent:
            self.blind(line, "the queue of requests is full")

    def _tick_stream(self, line: Line, kind: str) -> None:
        request_id = self._stream(line, "cancelTickByTickData", self._market.trades)
        contract = self._contract_of(line.inst)
        self._shell.request(LANE_DATA, "reqTickByTickData", request_id, contract, kind, 0, False)

    def _stream(self, line: Line, cancel: str, routes: dict[bytes, Line]) -> int:
        request_id = self._shell.request_id()
        line.streams[request_id] = cancel
        routes[b"%d" % request_id] = line
        return request_id

    def _unsubscribe(self, line: Line, *, tell: bool) -> None:
        for request_id, cancel in line.streams.items():
            key = b"%d" % request_id
            self._market.quotes.pop(key, None)
            self._market.trades.pop(key, None)
            if tell:
                self._shell.request(LANE_DATA, cancel, request_id)
        line.streams.clear()
        self._end_snapshot(line.inst, tell=tell)

    # ---- what happens to the link ------------------------------------------------------------------------------
    def session_lost(self) -> None:
        """The socket is gone, and all subscriptions with it."""
        for line in self._market.lines:
            self.blind(line, "the connection is lost", repair=False)
            self._unsubscribe(line, tell=False)
        self._snapshots.clear()
        self._market.snapshots.clear()
        self._later.clear()
        self.next_ns = NEVER

    def server_lost(self) -> None:
        """The gateway has lost the broker's servers: no line proves anything now."""
        for line in self._market.lines:
            self.blind(line, "the broker's servers are not connected", repair=False)

    def server_back(self, *, lost: bool) -> None:
        """The servers are back: subscriptions are gone (1101), or every feed must show that it ticks (1102)."""
        self._farm_broken = False
        if lost:
            self.subscribe_all()
            return
        now_ns = self._shell.now_ns
        for line in self._market.lines:
            line.first_due_ns = now_ns + self._shell.patience_ns(FIRST_TICK_NS)
            line.proof_ns = line.tick_ns = 0
        self.next_ns = now_ns

    def subscribe_all(self) -> None:
        """Data only: cancel and subscribe every line."""
        for line in self._market.lines:
            self._unsubscribe(line, tell=True)
            self._subscribe(line)

    def farm(self, broken: bool) -> None:
        """A market data farm broke or is back. Which lines are its is not told: each must prove itself meanwhile, and
        all are subscribed again after, because some gateways never resume them.
        """
        was, self._farm_broken = self._farm_broken, broken
        if was and not broken:
            self.subscribe_all()
        self.next_ns = min(self.next_ns, self._shell.now_ns)

    # ---- what happens to a line --------------------------------------------------------------------------------
    def line_of(self, request_id: int) -> Line | None:
        """Whose stream a request id is."""
        key = b"%d" % request_id
        return self._market.quotes.get(key) or self._market.trades.get(key)

    def refused(self, request_id: int, code: int, text: str, meaning: Meaning | None) -> bool:
        """An error to a subscription or a snapshot; False = not ours."""
        line = self.line_of(request_id)
        if line is not None:
            if meaning is Meaning.NOTE:
                return True
            hopeless = meaning in (Meaning.DATA_NEVER, Meaning.REFUSED)
            if code == 10167:
                line.market_type = 3
            self.blind(line, f"{code} {text}", slow=hopeless)
            return True
        for snapshot in list(self._snapshots.values()):
            if snapshot.request_id == request_id:
                if meaning is not Meaning.NOTE:
                    self._end_snapshot(snapshot.line.inst, tell=False)
                    self.blind(snapshot.line, f"a snapshot was refused: {code} {text}")
                return True
        return False

    def competing(self, text: str) -> None:
        """Somebody else has this username's data."""
        for line in self._market.lines:
            self.blind(line, f"10197 {text}")

    def data_type(self, request_id: int, kind: int) -> None:
        """marketDataType of a line: anything but live is blind."""
        line = self.line_of(request_id)
        if line is None or line.market_type == kind:
            return
        line.market_type = kind
        if kind != LIVE_TYPE:
            words = {2: "frozen", 3: "delayed", 4: "delayed and frozen"}.get(kind, f"of type {kind}")
            self.blind(line, f"its data are {words}", slow=True)

    def blind(self, line: Line, why: str, *, slow: bool = False, repair: bool = True) -> None:
        """Nothing of this line may be traded on until its next quote; a repair is planned."""
        settings = self._settings
        if repair and line.repair_ns == NEVER:
            wait_ns = max(line.backoff_ns, ns(settings.repair_min_s))
            if self._market.profile == TBT:
                wait_ns = max(wait_ns, STREAM_SPACING_NS)  # sooner is refused
            if slow:
                wait_ns = ns(settings.repair_max_s)
            line.repair_ns = self._shell.now_ns + wait_ns
            line.backoff_ns = min(2 * wait_ns, ns(settings.repair_max_s))
        if line.blind and line.why == why:
            return
        news = not line.blind or (repair and line.why in ("", "not subscribed"))
        line.blind, line.why = True, why
        line.first_due_ns = NEVER
        if news:
            self._shell.log("line_blind", symbol=line.symbol, reason=why)
            self._shell.fact(e.FeedGapped(inst=line.inst, dropped=0, reason=why))

    # ---- time --------------------------------------------------------------------------------------------------
    def tick(self, now_ns: int) -> None:
        """Look at every line."""
        self.next_ns = now_ns + CHECK_NS
        if self._shell.link == DOWN:
            self.next_ns = NEVER
            return
        self._start_later(now_ns)
        shared = not self._farm_broken and now_ns - self._market.tick_ns <= SHARED_FRESH_NS
        for snapshot in list(self._snapshots.values()):
            self._judge(snapshot, now_ns)
        for line in self._market.lines:
            if line.repair_ns <= now_ns:
                if self._shell.link == READY:
                    self._unsubscribe(line, tell=True)
                    self._subscribe(line)
            elif line.streams:
                self._look_at(line, now_ns, shared)

    def _look_at(self, line: Line, now_ns: int, shared: bool) -> None:
        phase = self._phase(line.inst, now_ns)
        if phase == CLOSED or (line.halted or 0) > 0 or self._shell.link != READY:
            return
        if not line.proof_ns:
            self._await_first(line, now_ns, phase)
            return
        age_ns = now_ns - line.proof_ns
        if age_ns <= (self._shared_ns if shared else self._silence_ns):
            self._market.show_alive(line)
        if phase != REGULAR or line.blind:
            return
        asks_ns = self._shared_ns * _ASK_EARLY_PPM // 1_000_000 if shared else self._silence_ns
        if age_ns >= asks_ns:
            self._ask(line, now_ns)
        if line.unbarred_ns and now_ns - line.unbarred_ns >= self._shell.patience_ns(BARS_LATE_NS):
            self.blind(line, "it trades and brings no five-second bars")
        if self._farm_broken and age_ns >= self._silence_ns:
            self.blind(line, "its market data farm is broken", repair=False)

    def _await_first(self, line: Line, now_ns: int, phase: int) -> None:
        """Subscribed (or told to prove itself), and no tick so far."""
        if line.known == BOTH_KNOWN and now_ns >= line.first_due_ns - self._shell.patience_ns(FIRST_TICK_NS) // 2:
            self._ask(line, now_ns)
        if phase != REGULAR:
            line.first_due_ns = now_ns + self._shell.patience_ns(FIRST_TICK_NS)  # counted from the open
        elif line.first_due_ns <= now_ns:
            line.first_due_ns = NEVER
            self.blind(line, f"no tick within {FIRST_TICK_NS // NANO} s")

    def _start_later(self, now_ns: int) -> None:
        due = [later for later in self._later if later[0] <= now_ns]
        if due:
            self._later = [later for later in self._later if later[0] > now_ns]
            for _, inst, kind in due:
                self._tick_stream(self._market.lines[inst], kind)

    def _phase(self, inst: int, now_ns: int) -> int:
        return self._calendars[inst].phase(now_ns) if self._calendars else REGULAR

    # ---- snapshots ---------------------------------------------------------------------------------------------
    def _ask(self, line: Line, now_ns: int) -> None:
        if line.inst in self._snapshots or len(self._snapshots) >= self._snapshots_max:
            return
        request_id = self._shell.request_id()
        due_ns = now_ns + self._shell.patience_ns(ns(self._settings.snapshot_timeout_s))
        snapshot = Snapshot(line, request_id, due_ns)
        contract = self._contract_of(line.inst)
        if self._shell.request(LANE_DATA, "reqMktData", request_id, contract, "", True, False, []):
            self._snapshots[line.inst] = snapshot
            self._market.snapshots[b"%d" % request_id] = snapshot

    def _judge(self, snapshot: Snapshot, now_ns: int) -> None:
        line = snapshot.line
        if line.tick_ns > snapshot.mismatch_ns > 0 or (line.proof_ns and now_ns - line.proof_ns < CHECK_NS):
            self._end_snapshot(line.inst, tell=True)  # the line spoke for itself
        elif snapshot.seen == 3:
            if (snapshot.bid_px_nanos, snapshot.ask_px_nanos) == (line.bid_px_nanos, line.ask_px_nanos):
                self._end_snapshot(line.inst, tell=True)
                line.proof_ns = self._market.tick_ns = now_ns  # its farm lives, whatever the line does
                if line.blind and line.market_type == LIVE_TYPE:
                    self._market.show_quote(line)
                self._market.show_alive(line)
            elif not snapshot.mismatch_ns:
                snapshot.mismatch_ns = now_ns
            elif now_ns - snapshot.mismatch_ns >= self._shell.patience_ns(MISMATCH_NS):
                self._end_snapshot(line.inst, tell=True)
                self.blind(line, "a snapshot shows another quote: the line is dead")
        elif snapshot.due_ns <= now_ns:
            self._end_snapshot(line.inst, tell=True)
            self.blind(line, "a snapshot was not answered")
            self._blind_the_silent(now_ns)

    def _blind_the_silent(self, now_ns: int) -> None:
        """A question went unanswered while nothing ticks anywhere: whoever cannot prove itself is blind with it."""
        if now_ns - self._market.tick_ns <= SHARED_FRESH_NS:
            return
        for line in self._market.lines:
            if line.streams and not line.blind and now_ns - line.proof_ns > self._silence_ns:
                if self._phase(line.inst, now_ns) == REGULAR and (line.halted or 0) <= 0:
                    self.blind(line, "nothing ticks, and a snapshot of another line was not answered")

    def snapshot_end(self, request_id: int) -> None:
        """tickSnapshotEnd: what has not come by now does not come."""
        for snapshot in self._snapshots.values():
            if snapshot.request_id == request_id:
                snapshot.over = True
                if snapshot.seen != 3:
                    snapshot.due_ns = self._shell.now_ns

    def _end_snapshot(self, inst: int, *, tell: bool) -> None:
        snapshot = self._snapshots.pop(inst, None)
        if snapshot is not None:
            self._market.snapshots.pop(b"%d" % snapshot.request_id, None)
            if tell and not snapshot.over:
                self._shell.request(LANE_DATA, "cancelMktData", snapshot.request_id)
