"""The simulated broker as one machine over (tape, seed, commands): submit commands, show it market rows, take its
facts. Owns the order of time. No clock, no chance but the seeded hash.

The caller, for each moment: `pop_due(ts)` until None (stepping the engine and submitting its commands in between), then
update `quotes`, then `on_row`. So everything due up to a row meets the market as it was before the row. A row is needed
only while `watch[inst] > 0`; an order reaching a so far unwatched instrument reads `quotes`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from broker.sim.account import Account
from broker.sim.agenda import (
    ARRIVE,
    CANCEL_ALL,
    FACT,
    LINK_DOWN,
    LINK_UP,
    REVIEW,
    STEP,
    TELL,
    Agenda,
    CancelAsk,
    Correction,
    Payload,
    Revision,
    SyncAsk,
    WhatIfAsk,
)
from broker.sim.book import Quote, SimOrder
from broker.sim.chance import Chance
from broker.sim.config import NEVER, VenueConfig
from broker.sim.floor import Floor
from broker.sim.hours import Hours
from broker.sim.impact import shift, shift_nanos
from broker.sim.inbox import BrokerCommand, Inbox
from broker.sim.matching import tick_nanos
from broker.sim.outbox import Outbox
from broker.sim.settlement import Settlement
from broker.sim.snapshot import FORMAT, ExchangeState, decode, encode, opening
from broker.sim.terms import OrderTerms
from broker.sim.told import BORROW_TOLD_NS, CLOCK_TOLD_NS, borrow_fact, what_if_fact
from broker.sim.venue import Venue
from core.errors import Bug
from core.events import AnyEvent, CancelRejected, ClockOffsetMeasured, ReplaceRejected
from core.fees import FeeTable
from core.instruments import Instrument
from core.rows import DUPLICATE, NOT_LAST, PRINT, QUOTE, SUSPICIOUS
from core.sessions import Calendar

QUOTE_FIELDS: Final = ("bid_px_nanos", "ask_px_nanos", "bid_qty_nanos", "ask_qty_nanos", "last_px_nanos")
_NO_FILL: Final = SUSPICIOUS | NOT_LAST | DUPLICATE


class Exchange:
    """Broker, venue and the wire between. `quotes`: structured array with int64 QUOTE_FIELDS by inst, the last good
    quote and print; `watch`: int64 by inst, counted up and down here. Raises Bug on a caller that goes back in time.
    """

    def __init__(
        self,
        *,
        instruments: tuple[Instrument, ...],
        calendars: dict[str, Calendar],
        fees: FeeTable,
        config: VenueConfig,
        watch: NDArray[np.int64],
        quotes: NDArray[np.void],
        state: ExchangeState | None = None,
    ) -> None:
        fresh, state = state is None, state or opening(config, instruments)
        self._config = config
        self._instruments = instruments
        self._quotes = quotes[list(QUOTE_FIELDS)]  # a view: the caller's updates show through
        self._now_ns = state.now_ns
        self._calm_ns = config.faults.until_ns or NEVER
        self._chance = chance = Chance(config.seed)
        chance.calm = state.now_ns >= self._calm_ns
        self._agenda = agenda = Agenda(state.agenda, state.pushed)
        self._link = state.link
        self._outbox = outbox = Outbox(agenda, chance, config, state.link)
        self._account = account = Account(instruments, fees, state.account)
        self._settlement = Settlement(account, agenda, chance, config, outbox)
        self._floor = Floor(
            instruments=instruments,
            hours=tuple(Hours(calendars[instrument.calendar]) for instrument in instruments),
            config=config,
            outbox=outbox,
            settlement=self._settlement,
            quote_at=self._quote_at,
            watch=watch,
            state=state.venue,
        )
        self._venue = Venue(
            instruments=instruments, account=account, agenda=agenda, chance=chance, config=config, floor=self._floor
        )
        self._inbox = Inbox(
            account=account, agenda=agenda, chance=chance, config=config, orders=state.venue, outbox=outbox,
            link=state.link, state=state.inbox,
        )  # fmt: skip
        self._books = state.venue.books
        self.tells = any(entry[2] == TELL for entry in state.agenda)  # what a broker would tell beside orders
        for book in self._books:
            watch[book.inst] += len(book.orders)
        if fresh:
            self._plan_outages()

    @property
    def next_due_ns(self) -> int:
        """The next moment the machine must be asked by `pop_due`; NEVER if none."""
        return self._agenda.next_due_ns

    @property
    def now_ns(self) -> int:
        """The last moment anything happened here; it may lie behind the last fact told."""
        return self._now_ns

    @property
    def account(self) -> Account:
        """Broker-side truth, for tests and the paper gateway's account pages."""
        return self._account

    # ---- market ------------------------------------------------------------------------------------------------
    def on_row(
        self,
        *,
        ts_ns: int,
        inst: int,
        kind: int,
        flags: int,
        bid_px_nanos: int,
        ask_px_nanos: int,
        bid_qty_nanos: int,
        ask_qty_nanos: int,
    ) -> None:
        """One market row (core/rows.py). Rows that must not fill by themselves are ignored altogether."""
        book = self._books[inst]
        if not book.orders or book.halted or flags & _NO_FILL:
            return
        if ts_ns > self._agenda.next_due_ns or ts_ns < self._now_ns:
            raise Bug(f"market row at {ts_ns}: the venue stands at {self._now_ns} and is due at {self.next_due_ns}")
        self._pass_to(ts_ns)
        if kind == QUOTE:
            if 0 < bid_px_nanos < ask_px_nanos and bid_qty_nanos > 0 and ask_qty_nanos > 0:
                self._floor.quote_row(book, bid_px_nanos, ask_px_nanos, bid_qty_nanos, ask_qty_nanos, ts_ns)
        elif kind == PRINT and bid_px_nanos > 0 and bid_qty_nanos > 0:
            self._floor.print_row(book, bid_px_nanos, bid_qty_nanos, ts_ns)

    @property
    def moves_market(self) -> bool:
        """Whether rows must go through `moved` before anybody reads them."""
        return self._config.impact.on

    def moved(self, row: NDArray[np.void]) -> NDArray[np.void]:
        """One row of the tape as it stands after what we have traded so far: itself, or a shifted copy."""
        ts_ns, _, inst, kind, _, bid, ask, _, _ = row[0].item()
        moved = self.moved_px(inst, kind, bid, ask, ts_ns)
        if moved == (bid, ask):
            return row
        found = row.copy()
        found["bid_px_nanos"], found["ask_px_nanos"] = moved
        return found

    def moved_px(self, inst: int, kind: int, bid_px_nanos: int, ask_px_nanos: int, ts_ns: int) -> tuple[int, int]:
        """The two prices of such a row."""
        push = self._books[inst].push
        if not push.ts_ns or kind not in (QUOTE, PRINT):
            return bid_px_nanos, ask_px_nanos
        px = bid_px_nanos or ask_px_nanos
        tick = tick_nanos(self._instruments[inst], px, self._venue.hours[inst].date_of(ts_ns))
        by = shift_nanos(shift(push, self._config.impact, ts_ns), px, tick)
        return (
            max(tick, bid_px_nanos + by) if bid_px_nanos > 0 else bid_px_nanos,
            max(tick, ask_px_nanos + by) if ask_px_nanos > 0 else ask_px_nanos,
        )

    def on_halt(self, inst: int, halted: bool, ts_ns: int) -> None:
        """Trading of an instrument stops or goes on; orders and cancels are taken, nothing matches."""
        self._move_to(ts_ns)
        self._books[inst].halted = halted

    def session_ready(self, ts_ns: int) -> None:
        """The session of a trader in this process begins: what a broker tells beside orders is told from now on."""
        self._move_to(ts_ns)
        self.tells = True
        self._tell_borrow(ts_ns)
        self._agenda.push(ts_ns, TELL, 0, None)

    def _tell_borrow(self, ts_ns: int) -> None:
        for book in self._books:
            self._outbox.local(borrow_fact(self._config.borrow, book.inst), ts_ns)

    # ---- commands ----------------------------------------------------------------------------------------------
    def submit(self, command: BrokerCommand, *, ts_ns: int) -> None:
        """The command leaves the trader now. What the link or a fault swallows has no answer, as in life."""
        self._move_to(ts_ns)
        self._inbox.submit(command, ts_ns)

    def new_perm_id(self) -> int:
        """A perm id for an order that somebody holds back for now."""
        return self._venue.state.take_perm_id()

    def enter(self, terms: OrderTerms, *, ts_ns: int) -> None:
        """A client of the paper gateway sends an order; its facts come by `terms.order_id`. Cancels go by `submit`."""
        self._move_to(ts_ns)
        self._inbox.enter(terms, ts_ns)

    def amend(self, terms: OrderTerms, *, ts_ns: int) -> None:
        """The same client changes it: `terms` in full, with a new version."""
        self._move_to(ts_ns)
        self._inbox.amend(terms, ts_ns)

    def order(self, order_id: int) -> SimOrder | None:
        """An order as it stands at the venue, to read; None once it is forgotten."""
        return self._venue.state.orders.get(self._venue.state.order_ids.get(order_id, 0))

    def lose_race(self, order_id: int) -> None:
        """The cancel of this order, sent after this, will turn out to have come after its execution."""
        order = self.order(order_id)
        if order is not None:
            order.loses_race = True

    def correct_execution(self, exec_id: str, *, qty_nanos: int, px_nanos: int, ts_ns: int) -> bool:
        """The venue corrects an execution of the day; quantity 0 takes it back. False if it knows none of that id."""
        self._move_to(ts_ns)
        execution = self._account.state.executions.get(exec_id)
        order = self._venue.state.orders.get(execution.perm_id) if execution is not None else None
        if order is None:
            return False
        self._settlement.correct(order, Correction(exec_id=exec_id, qty_nanos=qty_nanos, px_nanos=px_nanos), ts_ns)
        return True

    def foreign_order(
        self,
        *,
        inst: int,
        side: int,
        qty_nanos: int,
        order_type: int,
        tif: int,
        ts_ns: int,
        limit_px_nanos: int = 0,
        stop_px_nanos: int = 0,
        outside_rth: bool = False,
    ) -> int:
        """A person places an order at the broker (no id, no reference of ours), at the venue at once; its perm id."""
        self._move_to(ts_ns)
        state = self._venue.state
        perm_id = state.take_perm_id()
        state.orders[perm_id] = order = SimOrder(
            order_id=0, perm_id=perm_id, order_ref="", client_id=0, inst=inst, side=side, qty_nanos=qty_nanos,
            order_type=order_type, working_type=order_type, limit_px_nanos=limit_px_nanos, stop_px_nanos=stop_px_nanos,
            tif=tif, gtd_ts_ns=0, outside_rth=outside_rth, key=-perm_id,
        )  # fmt: skip
        self._venue.arrive(order, ts_ns)
        return perm_id

    def foreign_cancel(self, perm_id: int, *, ts_ns: int) -> None:
        """A person cancels an order at the broker, ours or foreign. Nothing happens if it is done."""
        self._move_to(ts_ns)
        order = self._venue.state.orders.get(perm_id)
        if order is not None and not order.done:
            self._venue.cancel(order, ts_ns, "Order Canceled - reason: by hand")

    # ---- time --------------------------------------------------------------------------------------------------
    def pop_due(self, ts_ns: int) -> tuple[int, AnyEvent] | None:
        """The next fact due by `ts_ns` with its time, after all that happens inside before it; None if none is left."""
        agenda = self._agenda
        while agenda.next_due_ns <= ts_ns:
            due_ns, _, kind, key, payload = agenda.pop()
            self._pass_to(max(self._now_ns, due_ns))
            if kind == FACT:
                assert not isinstance(payload, Revision | CancelAsk | SyncAsk | Correction | WhatIfAsk | None)
                return due_ns, payload
            self._act(kind, key, payload, due_ns)
        return None

    def snapshot(self) -> bytes:
        """All state, to be given to `restore` with the same constructor arguments."""
        return encode(
            ExchangeState(
                format=FORMAT,
                config=self._config,
                now_ns=self._now_ns,
                agenda=sorted(self._agenda.entries, key=lambda entry: entry[:2]),
                pushed=self._agenda.pushed,
                link=self._link,
                inbox=self._inbox.state,
                venue=self._venue.state,
                account=self._account.state,
            )
        )

    @classmethod
    def restore(
        cls,
        payload: bytes,
        *,
        instruments: tuple[Instrument, ...],
        calendars: dict[str, Calendar],
        fees: FeeTable,
        config: VenueConfig,
        watch: NDArray[np.int64],
        quotes: NDArray[np.void],
    ) -> "Exchange":
        """An exchange that goes on where the snapshot was taken; adds its working orders to `watch`."""
        return cls(
            instruments=instruments,
            calendars=calendars,
            fees=fees,
            config=config,
            watch=watch,
            quotes=quotes,
            state=decode(payload, config=config),
        )

    # ---- the leaves --------------------------------------------------------------------------------------------
    def _act(self, kind: int, key: int, payload: Payload, ts_ns: int) -> None:
        order = self._venue.state.orders.get(key)
        if kind == REVIEW:
            if order is not None:
                self._venue.review(order, ts_ns)
        elif kind == ARRIVE:
            if order is not None:
                self._venue.arrive(order, ts_ns)
        elif kind == STEP:
            if order is not None:
                self._venue.step(order, ts_ns)
        elif isinstance(payload, Revision):
            self._arrive_revision(order, payload, ts_ns)
        elif isinstance(payload, CancelAsk):
            self._arrive_cancel(order, payload, ts_ns)
        elif isinstance(payload, Correction):
            if order is not None:
                self._settlement.correct(order, payload, ts_ns)
        elif isinstance(payload, SyncAsk):
            self._roll(ts_ns)
            self._inbox.answer_sync(payload.sync_id, ts_ns, since_ns=payload.since_ns)
        elif isinstance(payload, WhatIfAsk):
            answer = what_if_fact(payload, self._account, self._config, self._mark_nanos)
            self._outbox.send(answer, ts_ns + self._config.latency.down_ns)
        elif kind == TELL:
            self._outbox.local(ClockOffsetMeasured(offset_ns=0, round_trip_ns=0), ts_ns)  # there is one clock
            if ts_ns // BORROW_TOLD_NS != (ts_ns - CLOCK_TOLD_NS) // BORROW_TOLD_NS:
                self._tell_borrow(ts_ns)
            self._agenda.push(ts_ns + CLOCK_TOLD_NS, TELL, 0, None)
        elif kind == CANCEL_ALL:
            self._venue.cancel_all(ts_ns)
        elif kind == LINK_DOWN:
            self._inbox.link_down(key, ts_ns)
        elif kind == LINK_UP:
            self._inbox.link_up(ts_ns)

    def _arrive_revision(self, order: SimOrder | None, revision: Revision, ts_ns: int) -> None:
        if order is not None:
            self._venue.replace(order, revision, ts_ns)
            return
        unknown = ReplaceRejected(
            order_id=revision.order_id, version=revision.version, code=135, text="Can't find order with id"
        )  # fmt: skip
        self._outbox.send(unknown, ts_ns + self._config.latency.down_ns)

    def _arrive_cancel(self, order: SimOrder | None, ask: CancelAsk, ts_ns: int) -> None:
        if order is not None:
            self._venue.cancel(order, ts_ns)
            return
        text = f"OrderId {ask.order_id} that needs to be cancelled is not found."
        unknown = CancelRejected(order_id=ask.order_id, code=10147, text=text)
        self._outbox.send(unknown, ts_ns + self._config.latency.down_ns)

    def _roll(self, ts_ns: int) -> None:
        self._venue.roll(max(hours.date_of(ts_ns) for hours in self._venue.hours))

    def _plan_outages(self) -> None:
        for number, outage in enumerate(self._config.faults.links):
            self._agenda.push(outage.at_ns, LINK_DOWN, number, None)
            self._agenda.push(outage.at_ns + outage.duration_ns, LINK_UP, number, None)

    def _mark_nanos(self, inst: int, fallback: int) -> int:
        quote = self._quote_at(inst)
        if 0 < quote.bid_px_nanos < quote.ask_px_nanos:
            return (quote.bid_px_nanos + quote.ask_px_nanos) // 2
        return quote.last_px_nanos or fallback

    def _quote_at(self, inst: int) -> Quote:
        return Quote(*self._quotes[inst].item())

    def _move_to(self, ts_ns: int) -> None:
        if ts_ns < self._now_ns:
            raise Bug(f"the venue stands at {self._now_ns} and was told of {ts_ns}")
        self._pass_to(ts_ns)

    def _pass_to(self, ts_ns: int) -> None:
        self._now_ns = ts_ns
        if ts_ns >= self._calm_ns:
            self._chance.calm = True
