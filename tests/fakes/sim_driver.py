"""Drives broker/sim over a hand-made tape the way the runner does: facts first, then the quote table, then the row."""

from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import numpy as np

from broker.sim.config import LatencyConfig, VenueConfig
from broker.sim.exchange import Exchange
from broker.sim.inbox import BrokerCommand
from core.commands import (
    DAY,
    LMT,
    ApprovedOrder,
    CancelAllOrders,
    CancelOrder,
    OrderIntent,
    PlaceOrder,
    ReplaceOrder,
    RequestSync,
)
from core.events import AnyEvent
from core.fee_plans import DEFAULT_PLANS
from core.fees import FeeTable
from core.ids import BUY
from core.rows import NOT_LAST, PRINT, QUOTE, SUSPICIOUS
from tests.fakes.tape import QUOTES, Tape, at, calendars, cents, instrument, shares

# One millisecond each way and no jitter: a test can say when a fact must come.
PLAIN = VenueConfig(latency=LatencyConfig(up_ns=1_000_000, up_jitter_ns=0, down_ns=1_000_000, down_jitter_ns=0))

Fact = tuple[int, AnyEvent]
Pairs = tuple[tuple[str, str], ...]  # tags of an algorithm of the broker's
E = TypeVar("E")


def order(
    order_id: int,
    *,
    side: int = BUY,
    size: float = 100,
    kind: int = LMT,
    limit: float = 0,
    stop: float = 0,
    tif: int = DAY,
    version: int = 0,
    inst: int = 0,
    gtd_ts_ns: int = 0,
    outside_rth: bool = False,
    algo: tuple[str, Pairs] = ("", ()),
    group: tuple[str, int] = ("", 0),
) -> ApprovedOrder:
    """An approved order as the gate would make it (tests may; only the gate may otherwise)."""
    intent = OrderIntent(
        order_id=order_id,
        parent_id=1,
        slice_no=order_id,
        strategy="test",
        inst=inst,
        side=side,
        qty_nanos=shares(size),
        order_type=kind,
        limit_px_nanos=cents(limit),
        stop_px_nanos=cents(stop),
        tif=tif,
        version=version,
        gtd_ts_ns=gtd_ts_ns,
        outside_rth=outside_rth,
        broker_algo=algo[0],
        broker_params=algo[1],
        oca_group=group[0],
        oca_type=group[1],
    )
    return ApprovedOrder(
        intent=intent, account="DU1", order_ref=f"q-t-1-{order_id}", reduce_only=False, notional_nanos=0, ladder_epoch=0
    )


@dataclass
class Driver:
    """One exchange, the market it reads and everything it said."""

    config: VenueConfig = PLAIN
    instruments: int = 2
    facts: list[Fact] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.made = tuple(instrument(number) for number in range(self.instruments))
        self.fees = FeeTable(DEFAULT_PLANS["ibkr_pro_fixed"])
        self.quotes = np.zeros(self.instruments, dtype=QUOTES)
        self.watch = np.zeros(self.instruments, dtype=np.int64)
        self.exchange = Exchange(
            instruments=self.made,
            calendars=calendars(),
            fees=self.fees,
            config=self.config,
            watch=self.watch,
            quotes=self.quotes,
        )

    # ---- time --------------------------------------------------------------------------------------------------
    def until(self, seconds: float) -> "Driver":
        """Take every fact due up to a moment."""
        while (due := self.exchange.pop_due(at(seconds))) is not None:
            self.facts.append(due)
        return self

    def play(self, tape: Tape) -> "Driver":
        """Show a tape; rows of unwatched instruments only change the quote table."""
        for row in tape.rows:
            self.row(row)
        return self

    def row(self, row: tuple[int, ...]) -> None:
        """Show one row at its time."""
        ts_ns, _, inst, kind, flags, bid_px, ask_px, bid_qty, ask_qty = row
        while (due := self.exchange.pop_due(ts_ns)) is not None:
            self.facts.append(due)
        if kind == QUOTE and not flags & SUSPICIOUS:
            self.quotes[inst] = (bid_px, ask_px, bid_qty, ask_qty, self.quotes[inst]["last_px_nanos"])
        elif kind == PRINT and not flags & (SUSPICIOUS | NOT_LAST):
            self.quotes[inst]["last_px_nanos"] = bid_px
        if self.watch[inst]:
            self.exchange.on_row(
                ts_ns=ts_ns,
                inst=inst,
                kind=kind,
                flags=flags,
                bid_px_nanos=bid_px,
                ask_px_nanos=ask_px,
                bid_qty_nanos=bid_qty,
                ask_qty_nanos=ask_qty,
            )

    def restart(self) -> None:
        """Replace the exchange by one restored from its own snapshot."""
        payload = self.exchange.snapshot()
        self.watch = np.zeros(self.instruments, dtype=np.int64)
        self.exchange = Exchange.restore(
            payload,
            instruments=self.made,
            calendars=calendars(),
            fees=self.fees,
            config=self.config,
            watch=self.watch,
            quotes=self.quotes,
        )
        assert self.exchange.snapshot() == payload

    # ---- commands ----------------------------------------------------------------------------------------------
    def send(self, seconds: float, command: BrokerCommand) -> "Driver":
        """Submit a command at a moment, after the facts before it."""
        self.until(seconds)
        self.exchange.submit(command, ts_ns=at(seconds))
        return self

    def place(self, seconds: float, approved: ApprovedOrder) -> "Driver":
        """Submit a new order."""
        return self.send(seconds, PlaceOrder(order=approved))

    def replace(self, seconds: float, approved: ApprovedOrder) -> "Driver":
        """Submit a new version of an order."""
        return self.send(seconds, ReplaceOrder(order=approved))

    def cancel(self, seconds: float, order_id: int) -> "Driver":
        """Submit a cancel."""
        return self.send(seconds, CancelOrder(order_id=order_id, reason="test"))

    def cancel_all(self, seconds: float) -> "Driver":
        """Submit a global cancel."""
        return self.send(seconds, CancelAllOrders(reason="test"))

    def sync(self, seconds: float) -> "Driver":
        """Ask for a synchronisation and wait for its answer."""
        return self.send(seconds, RequestSync(reason="test")).until(seconds + 10)

    # ---- reading -----------------------------------------------------------------------------------------------
    def of(self, kind: type[E]) -> list[E]:
        """All facts of one kind so far."""
        return [fact for _, fact in self.facts if isinstance(fact, kind)]

    def names(self) -> list[str]:
        """The kinds of all facts so far, in order of delivery."""
        return [type(fact).__name__ for _, fact in self.facts]

    def encoded(self) -> bytes:
        """All facts with their times as bytes, to compare two runs."""
        return msgspec.msgpack.encode(self.facts)
