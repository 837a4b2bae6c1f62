"""The seams of the engine: what it needs from strategies, execution, risk and the outside. Siblings meet only here."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from core import commands as c
from core.context import NOT_AWAITED as NOT_AWAITED
from core.context import Context as Context
from core.events import OrderGiven
from core.ids import Side
from core.limit_changes import LimitVerdict, ScaledLimit
from core.notes import Decision, Failure, Refusal
from core.parents import Parent


class Pipeline(Protocol):
    """Market state and strategy kernels in one compiled pass. Codes are bits: DECIDE, WATCHED."""

    def step(self, row: Any) -> int:
        """Apply one row (a 1-element ROW array); returns its code."""
        ...

    def run(self, rows: Any, lo: int, hi: int, stop_ts_ns: int) -> int:
        """Apply rows[lo:hi] until one has a code or is at or past `stop_ts_ns`.

        Returns k: rows[lo:k] are applied. `code` holds the last applied row's code (0 = stopped for time or end).
        """
        ...

    def quote(
        self, at: int, ts_ns: int, exchange_ts_ns: int, inst: int, kind: int, flags: int,
        bid_px_nanos: int, ask_px_nanos: int, bid_qty_nanos: int, ask_qty_nanos: int,
    ) -> int:  # fmt: skip
        """Write a live row at `at` of the block that was handed over at construction and apply it; returns its code."""
        ...

    @property
    def code(self) -> int:
        """Code of the last row applied by `run`."""
        ...

    def fence(self, strategy: str, inst: int, from_ns: int, until_ns: int) -> None:
        """Ask for decisions only within [from_ns, until_ns)."""
        ...

    def session(self, inst: int, open_ns: int, close_ns: int) -> None:
        """Features of an instrument belong to the session [open_ns, close_ns); setting it again changes nothing."""
        ...

    def gap(self, inst: int) -> None:
        """Market data of an instrument were lost, or it was halted: features of single ticks warm up again."""
        ...

    def forget(self, inst: int) -> None:
        """What was seen of an instrument was of other shares (a split): all its features begin anew."""
        ...

    @property
    def external_names(self) -> tuple[str, ...]:
        """Numbers from outside that somebody reads."""
        ...

    def external(self, name: str, inst: int, value: float, as_of_ns: int, age_ns_max: int) -> None:
        """A number from outside, for one instrument or with -1 for all; names that nobody reads are passed over."""
        ...

    def dump(self) -> bytes:
        """State for a snapshot."""
        ...

    def load(self, state: bytes) -> None:
        """State from a snapshot."""
        ...


class Verdict(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a strategy answers: its decision, or the error that disables it."""

    decision: Decision | None = None
    error: str = ""


class Strategy(Protocol):
    """What to want. Never raises (strategies/guarded.py turns an exception into `Verdict.error`)."""

    @property
    def name(self) -> str:
        """Config name: the scope of its books, limits and latches."""
        ...

    @property
    def instruments(self) -> tuple[int, ...]:
        """Instruments it trades."""
        ...

    def decide(self, ts_ns: int, inst: int) -> Verdict:
        """Called when its kernel asked for a decision on an instrument; all features are ready."""
        ...

    def forget(self, inst: int) -> None:
        """Its position was taken from it (kill, flatten): start over from flat."""
        ...

    def adopt(self) -> None:
        """After a cold start: stand where the targets in the books say, so that hysteresis goes on from there."""
        ...


class Action(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the executor wants done for one parent now: at most one of the fields is set."""

    place: c.OrderIntent | None = None
    replace: c.OrderIntent | None = None
    cancel: int = 0  # order id
    end: int = 0  # ParentState
    final: bool = False  # of an end: see `EndParent`
    record: c.ReplanParent | c.BeginSlice | None = None  # the schedule's own next step: then it is asked again
    reason: str = ""


class Executor(Protocol):
    """How to get there. Stateless beyond money state, so a crash resumes every schedule exactly."""

    def act(self, parent: Parent, ts_ns: int) -> Action | None:
        """The next single step for a live parent; None = wait."""
        ...

    def wake_ns(self, parent: Parent, ts_ns: int) -> int:
        """When to be asked again if nothing happens before; never earlier than `ts_ns + 1`."""
        ...

    def backoff_ns(self, parent: Parent) -> int:
        """How long to wait after the gate refused a child."""
        ...


class DeskPlan(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the desk wants for one strategy and instrument."""

    open: c.OpenParent | None = None
    supersede: int = 0  # parent id to end first
    blocked: str = ""  # why a wanted trade waits; "" = nothing waits. It stays the same while the reason does
    detail: str = ""  # the same with the numbers of the moment, for the record
    warning: str = ""  # what a person should know of the schedule that opens


class Wish(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What one book still wants of an instrument and has nowhere in the market: it may come from another book."""

    strategy: str
    side: Side
    qty_nanos: int
    parent_id: int = 0  # the schedule it is the rest of; 0 = none is open
    decided_ns: int = 0
    decision_mid_nanos: int = 0


class Desk(Protocol):
    """Nets targets against positions and schedules in flight."""

    def wishes(self, inst: int, ts_ns: int) -> tuple[Wish, ...]:
        """Of every book that may trade, oldest decision first; () unless some want to buy and others to sell."""
        ...

    def plan(self, strategy: str, inst: int, ts_ns: int) -> DeskPlan | None:
        """None = nothing to do."""
        ...

    def flatten(self, strategy: str, inst: int, ts_ns: int) -> c.OpenParent | None:
        """A schedule that closes a position through the reduce-only lane; None = nothing to close."""
        ...

    def order(self, given: OrderGiven, ts_ns: int) -> c.OpenParent | str:
        """A person's order as a schedule of its book; or why it cannot be."""
        ...


class Gate(Protocol):
    """The last hop before the port."""

    def approve(self, intent: c.OrderIntent, ts_ns: int, seq: int) -> c.ApprovedOrder | Refusal:
        """Every check in order; the only maker of `ApprovedOrder`."""
        ...

    def slice_max_nanos(self, strategy: str, inst: int, side: int, ts_ns: int) -> int:
        """Largest quantity of one order by controls 1, 2 and 8 now: exits are cut to it, never refused for size."""
        ...

    def cross_max_nanos(self, wish: Wish, inst: int, ts_ns: int) -> int:
        """Largest quantity of one cross by controls 1 and 2: what one order of the book may be."""
        ...

    def cross_failure(self, wish: Wish, inst: int, qty_nanos: int, px_nanos: int, ts_ns: int) -> Failure | None:
        """The first control that keeps a book from trading with another one at this price; None = none does."""
        ...

    def blockers(self, inst: int, strategy: str, ts_ns: int) -> list[Failure]:
        """Everything that would stop a typical new order now, in gate order (`quantd why-not`)."""
        ...

    def disaster_stop_bp(self, strategy: str, inst: int) -> int:
        """How far from the mark a disaster stop stands; 0 = none is asked for."""
        ...

    @property
    def disaster_stops(self) -> bool:
        """Whether any limit asks for one."""
        ...

    @property
    def outlives_day(self) -> bool:
        """Whether orders may stay beyond the day (GTC)."""
        ...

    @property
    def limit_fault(self) -> str:
        """Why operators' changes of limits could not be applied; "" = they are."""
        ...

    def judge_limit(self, scope: str, name: str, value: str) -> LimitVerdict:
        """What a change of a limit would do; value "" = back to the config's."""
        ...

    def limits_after_split(self, symbol: str, num: int, den: int) -> Sequence[ScaledLimit]:
        """What the symbol's own limits in shares are in the new shares; those that cover other symbols stay."""
        ...

    def overridable(self, control: int) -> str:
        """Why a control may not be overridden for one order; "" = it may."""
        ...


class Monitor(Protocol):
    """Watches the account and asks for ladder moves (risk/ladder.py)."""

    @property
    def watched(self) -> frozenset[type]:
        """Facts it wants to hear of, after they were handled."""
        ...

    @property
    def waits(self) -> bool:
        """Whether a latch stands that may lift itself: the marks must go on."""
        ...

    def on_mark(self, ts_ns: int) -> Sequence[c.MoveLadder]:
        """After every equity mark."""
        ...

    def on_refused(self, refusal: Refusal) -> list[c.MoveLadder]:
        """After a refusal that only a mistake explains, which is counted already."""
        ...

    def on_fact(self, event: Any, ts_ns: int) -> Sequence[c.MoveLadder]:
        """After a fact of `watched`."""
        ...

    def on_order(self, ts_ns: int) -> None:
        """An order or a replace was sent."""
        ...

    def on_odd(self, ts_ns: int) -> None:
        """The broker said something legal and unusual, or nothing where an answer was due."""
        ...

    def lifts_itself(self, code: str) -> bool:
        """Whether a cause goes when it has passed, without a person."""
        ...

    def forget(self, inst: int) -> None:
        """What was counted of an instrument's price was of other shares (a split)."""
        ...

    def dump(self) -> bytes:
        """What it has counted so far, for a snapshot."""
        ...

    def load(self, state: bytes) -> None:
        """From a snapshot."""
        ...

    def may_lift(self, level: int, scope: str, code: str) -> str:
        """Why a latch must not be lifted now; "" = it may."""
        ...


class Clock(Protocol):
    """Time as the trader lives it: the wall's, or one announced by the paper gateway (offset and speed)."""

    def now_ns(self) -> int:
        """Never backwards."""
        ...

    def wall_s(self, duration_ns: int) -> float:
        """How long a stretch of this clock's time lasts on the wall, in seconds."""
        ...

    def announce(self, ts_ns: int, speed: float) -> None:
        """The paper gateway says what time it is and how fast its time runs; the wall's clock is told by nobody.

        Called at every connection and whenever the gateway says so again.
        """
        ...


class BrokerSink(Protocol):
    """What a live broker adapter tells the trader; called in the order of receipt, straight from the socket read.

    The receiver stamps with the clock's present time. Raises whatever the engine raises: the adapter lets it through.
    """

    def row(
        self, exchange_ts_ns: int, inst: int, kind: int, flags: int,
        bid_px_nanos: int, ask_px_nanos: int, bid_qty_nanos: int, ask_qty_nanos: int,
    ) -> None:  # fmt: skip
        """One market row (core/rows.py): one QUOTE per instrument and socket read, prints one by one."""
        ...

    def fact(self, event: Any) -> None:
        """One fact of core.events."""
        ...


class BrokerPort(Protocol):
    """The way out to a live broker. Nothing else leaves."""

    def submit(self, command: Any, *, ts_ns: int) -> str:
        """Write one of `BROKER_COMMANDS` to the socket now; "" = written, else why it stayed here (`NotSent.reason`).

        Orders are never queued. Cancels, cancel-all and sync requests may wait for the message budget or the link.
        A fact that follows at once (a sync has begun) may be told to the sink before this returns.
        """
        ...

    def fetch_reference(self, date: int) -> None:
        """Fetch the slow numbers of a trading day (yyyymmdd) for every instrument: paced, after orders are synced.

        Answered by `MarketRuleChanged` and, per instrument, `ReferenceArrived(effective_from=date)`; called at start
        and when a day begins. What fails is tried again, and stands in `missing` meanwhile.
        """
        ...
