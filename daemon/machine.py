"""Engine and port as one machine: who is next, and what goes where. The port is the simulated venue, which runs along
deterministically, or a live broker's, which only the running trader has.

Used by the runner (which journals what it does) and by the rerun (which compares with what was journalled). Knows no
journal, clock or socket.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

from broker.sim.exchange import Exchange
from core import commands as c
from core import events as e
from core.engine import Engine
from core.engine.deadlines import NEVER
from core.money.fold import fold_outcome
from core.ports import BrokerPort
from daemon.instruments import OrderPath

DECIDE: Final = 1
WATCHED: Final = 2
LIVE_ROWS_MAX: Final = 64  # quiet rows journalled at once: an order never waits behind more

# What the venue itself says. Everything else (time, operator, shell, feed) comes from elsewhere.
VENUE_FACTS: Final = (
    e.OrderAcknowledged, e.OrderFilled, e.ExecutionCorrected, e.CommissionReported, e.OrderCancelled, e.OrderRejected,
    e.OrderReplaced, e.ReplaceRejected, e.CancelRejected, e.OrderInactivated, e.SyncStarted, e.OpenOrderReported,
    e.CompletedOrderReported, e.ExecutionReported, e.PositionReported, e.CashReported, e.SyncCompleted,
    e.LinkDegraded, e.LinkLost, e.WhatIfAnswered,
)  # fmt: skip
# What it says too, in the place of a broker that is not there; a shadow's broker says it itself.
VENUE_OR_BROKER_FACTS: Final = (e.LinkRestored, e.ShortableChanged, e.ClockOffsetMeasured)


class Measurer(Protocol):
    """Who measures risk: in this process at once, or a worker, whose answer comes later as a fact."""

    def measure(self, engine: Engine, ts_ns: int) -> e.RiskMeasured | None:
        """The answer, or None: it comes later, or not at all."""
        ...


FEED_CONTROLS: Final = (e.HaltChanged, e.FeedGapped)
SESSION_READY: Final = "simulated venue"  # reason of the LinkRestored that the shell itself sends at the first start


class Machine:
    """One engine with its port. With neither exchange nor port (replay verify) commands go nowhere."""

    port: BrokerPort | None = None  # a live broker's; set by the running trader alone
    measurer: Measurer | None = None  # answers `MeasureRisk`; set by the running trader alone
    may_send: Callable[[], str] | None = None  # why no order may leave at this moment ("" = it may); with a broker
    path: OrderPath | None = None  # times orders; set by the runner alone

    def __init__(
        self,
        engine: Engine,
        exchange: Exchange | None,
        live_rows: Any,
        *,
        cancels_first: bool = False,
        told_elsewhere: bool = False,
    ) -> None:
        self.engine = engine
        self.exchange = exchange
        self.cancels_first = cancels_first  # orders of a step leave after all else: they wait for the disk
        self.measured: list[e.RiskMeasured] = []  # answers to be stepped after the dispatch
        self.told_elsewhere = told_elsewhere  # a shadow's broker tells borrow and time
        self.dispatching = False  # a broker that answers at once must wait for the step's other commands
        self.live_rows = live_rows  # where the pipeline puts the rows it is handed one by one

    def due_ns(self) -> int:
        """The next moment something happens without a market row. Not a property: it is asked before every row."""
        due, exchange = self.engine.next_deadline_ns, self.exchange
        if exchange is not None:
            told = exchange.next_due_ns
            if told < due:
                return told
        return due

    @property
    def now_ns(self) -> int:
        """Where time stands: the venue may have moved on, without a word, after the engine's last step."""
        engine, exchange = self.engine, self.exchange
        return engine.ts_ns if exchange is None else max(engine.ts_ns, exchange.now_ns)

    def next_fact(self, ts_ns: int) -> tuple[int, Any] | None:
        """The next fact or deadline at or before `ts_ns`: the venue's facts first, then the engine's time."""
        engine, exchange = self.engine, self.exchange
        while True:
            # A deadline set for the past (a reset, a late start) is served now: time never goes back.
            deadline = max(engine.next_deadline_ns, engine.ts_ns)
            limit = ts_ns if ts_ns < deadline else deadline
            if exchange is not None and exchange.next_due_ns <= limit:
                fact = exchange.pop_due(limit)
                if fact is not None:
                    return fact
            if deadline <= ts_ns:
                return deadline, _TIME
            return None

    def show_row(self, row: tuple[int, ...]) -> None:
        """Show the venue a row it watches (its fields, as in core.rows.ROW); the market state already holds it."""
        if self.exchange is not None:
            ts_ns, _, inst, kind, flags, bid, ask, bid_qty, ask_qty = row
            self.exchange.on_row(
                ts_ns=ts_ns,
                inst=inst,
                kind=kind,
                flags=flags,
                bid_px_nanos=bid,
                ask_px_nanos=ask,
                bid_qty_nanos=bid_qty,
                ask_qty_nanos=ask_qty,
            )

    def before(self, event: Any, ts_ns: int) -> None:
        """What the venue must know of a fact that is not its own."""
        if self.exchange is None:
            return
        if type(event) is e.HaltChanged:
            self.exchange.on_halt(event.inst, event.halted > 0, ts_ns)
        elif not self.told_elsewhere and not self.exchange.tells and self._begins(event):
            self.exchange.session_ready(ts_ns)

    def _begins(self, event: Any) -> bool:
        """A fresh session with the venue; or a later run whose venue was left by a release that told less."""
        if type(event) is e.LinkRestored:
            return bool(event.reason == SESSION_READY)
        return type(event) is e.TraderStarted and self.engine.money.trading_date > 0

    def dispatch(self, records: list[tuple[int, int, Any]], ts_ns: int) -> list[tuple[int, c.NotSent]]:
        """Hand a step's broker commands to the port; returns what the port refused, folded already.

        Right before the send lease and ladder epoch are read again: an order approved under an older one stays here.
        """
        refused: list[tuple[int, c.NotSent]] = []
        if self.cancels_first:
            records = [x for x in records if type(x[2]) not in ORDERS] + [x for x in records if type(x[2]) in ORDERS]
        self.dispatching = True
        for _, _, message in records:
            known = type(message)
            if known not in _SENT:
                continue
            if known is c.MeasureRisk:
                answer = None if self.measurer is None else self.measurer.measure(self.engine, ts_ns)
                if answer is not None:
                    self.measured.append(answer)
                continue
            if known not in ORDERS:
                reason = self._submit(message, ts_ns)
                if reason and known is c.CancelOrder:  # it still works: a kill must not take it for asked
                    outcome = c.NotSent(order_id=message.order_id, version=c.CANCEL, reason=reason)
                    refused.append(self.refuse(outcome, ts_ns))
                continue
            order, path = message.order, self.path
            if path is not None:
                path.leaves()
            reason = self._stop(order) or self._submit(message, ts_ns)
            if path is not None:
                (path.drop if reason else path.left)(order.intent.order_id)
            if reason:
                intent = order.intent
                outcome = c.NotSent(order_id=intent.order_id, version=intent.version, reason=reason)
                refused.append(self.refuse(outcome, ts_ns))
        self.dispatching = False
        return refused

    def _stop(self, order: c.ApprovedOrder) -> str:
        if order.ladder_epoch != self.engine.money.latches.moves:
            return "ladder moved"
        may_send = self.may_send
        return "" if may_send is None else may_send()

    def _submit(self, message: Any, ts_ns: int) -> str:
        if self.exchange is not None:
            self.exchange.submit(message, ts_ns=ts_ns)
            return ""
        return "" if self.port is None else self.port.submit(message, ts_ns=ts_ns)

    def cancel_all(self, reason: str, ts_ns: int) -> None:
        """The poison rule's last command; no step made it."""
        self._submit(c.CancelAllOrders(reason=reason), ts_ns)

    def refuse(self, outcome: c.NotSent, ts_ns: int) -> tuple[int, c.NotSent]:
        """Fold an outcome under a seq of its own."""
        engine = self.engine
        engine.seq += 1
        fold_outcome(engine.money, engine.seq, ts_ns, outcome)
        return engine.seq, outcome


_TIME: Final = e.TimeAdvanced()
_SENT: Final = frozenset({*c.BROKER_COMMANDS, c.MeasureRisk})
ORDERS: Final = frozenset({c.PlaceOrder, c.ReplaceOrder})

__all__ = [
    "DECIDE", "FEED_CONTROLS", "NEVER", "ORDERS", "SESSION_READY", "VENUE_FACTS", "VENUE_OR_BROKER_FACTS", "WATCHED",
    "Machine",
]  # fmt: skip
