"""A small venue for executor tests: holds orders, answers late or never, fills on demand, and checks what it is sent.

It is deliberately not the simulator: only what can go wrong between one parent and its child.
"""

from dataclasses import dataclass, field

from core import commands as c
from core import events as e
from core.orders import State
from core.units import notional_nanos
from tests.fakes.trading_context import SHARE, Bench


@dataclass
class Resting:
    """An order as the venue holds it."""

    order_id: int
    side: int
    qty_nanos: int
    limit_px_nanos: int
    version: int
    gross_nanos: int = 0  # all it ever executed, busts included
    open: bool = True

    @property
    def left_nanos(self) -> int:
        return self.qty_nanos - self.gross_nanos if self.open else 0


@dataclass
class ChaseVenue:
    """The venue and the wire to it. Requests wait in `inbox` until `answer` takes them."""

    bench: Bench
    orders: dict[int, Resting] = field(default_factory=dict)
    inbox: list[c.OrderIntent | int] = field(default_factory=list)  # a bare number is a cancel
    executions: dict[str, int] = field(default_factory=dict)  # exec id -> quantity as it stands
    corrected: int = 0
    sent: int = 0

    # ---- what the executor sends -------------------------------------------------------------------------------
    def take(self, intent: c.OrderIntent) -> None:
        """A new order or a new version, folded as sent."""
        order = self.bench.money.orders.get(intent.order_id)
        assert (order is None) == (intent.version == 0), "a replace needs an order, a new order none"
        if order is not None:
            assert order.live, "no replace of an order that has ended"
            assert not order.busy, "no replace while an answer is outstanding"
        live = [o for o in self.orders.values() if o.open and o.order_id != intent.order_id]
        assert not live, f"order {intent.order_id} beside the live {live}"
        self.bench.place(intent)
        self.inbox.append(intent)
        self.sent += 1

    def take_cancel(self, order_id: int) -> None:
        order = self.bench.money.orders[order_id]
        assert not order.busy, "no cancel while an answer is outstanding"
        self.bench.fold(c.CancelOrder(order_id=order_id, reason="test"))
        self.inbox.append(order_id)
        self.sent += 1

    # ---- what the venue does -----------------------------------------------------------------------------------
    def answer(self, accept: bool) -> None:
        """Take the oldest request: accept it or refuse it."""
        if self.inbox:
            request = self.inbox.pop(0)
            if isinstance(request, int):
                self._cancel(request, accept)
            elif request.version:
                self._replace(request, accept)
            else:
                self._new(request, accept)

    def _new(self, intent: c.OrderIntent, accept: bool) -> None:
        if not accept:
            self.bench.fold(e.OrderRejected(order_id=intent.order_id, code=201))
            return
        self.orders[intent.order_id] = Resting(intent.order_id, intent.side, intent.qty_nanos, intent.limit_px_nanos, 0)
        self.bench.fold(e.OrderAcknowledged(order_id=intent.order_id))

    def _replace(self, intent: c.OrderIntent, accept: bool) -> None:
        resting = self.orders[intent.order_id]
        if not resting.open or not accept or intent.qty_nanos <= resting.gross_nanos:
            self.bench.fold(e.ReplaceRejected(order_id=intent.order_id, version=intent.version, code=104))
            return
        resting.qty_nanos, resting.limit_px_nanos = intent.qty_nanos, intent.limit_px_nanos
        resting.version = intent.version
        self._tell_version(resting)

    def _tell_version(self, resting: Resting) -> None:
        self.bench.fold(
            e.OrderReplaced(
                order_id=resting.order_id,
                version=resting.version,
                qty_nanos=resting.qty_nanos,
                limit_px_nanos=resting.limit_px_nanos,
            )
        )

    def _cancel(self, order_id: int, accept: bool) -> None:
        resting = self.orders[order_id]
        if not resting.open:  # a bust left us a rest that the venue does not have: unknown, then settled by a sync
            self.bench.fold(e.CancelRejected(order_id=order_id, code=10147))
            self.bench.fold(e.OrderCancelled(order_id=order_id))
            return
        if not accept:
            self.bench.fold(e.CancelRejected(order_id=order_id, code=161))
            return
        resting.open = False
        self.bench.fold(e.OrderCancelled(order_id=order_id))

    def fill(self, shares: int) -> None:
        """Execute up to `shares` of the open order."""
        for resting in self.orders.values():
            qty = min(shares * SHARE, resting.left_nanos)
            if qty > 0:
                resting.gross_nanos += qty
                resting.open = resting.left_nanos > 0
                exec_id = f"e{len(self.executions)}.01"
                self.executions[exec_id] = qty
                self.bench.fill(resting.order_id, qty // SHARE, exec_id=exec_id)

    def fill_marketable(self) -> None:
        """Execute whatever reaches the far touch."""
        bid, ask = (self.bench.context.market.get(0, name) for name in ("bid_px_nanos", "ask_px_nanos"))
        for resting in self.orders.values():
            reaches = resting.limit_px_nanos >= ask if resting.side > 0 else resting.limit_px_nanos <= bid
            if resting.open and reaches:
                self.fill(resting.left_nanos // SHARE)

    def correct(self, shares: int) -> None:
        """Take back up to `shares` of the last execution; the venue does not offer them again."""
        if not self.executions:
            return
        exec_id = list(self.executions)[-1]
        order_id = next(x.order_id for x in self.bench.money.ledger.executions.values() if x.exec_id == exec_id)
        qty = max(0, self.executions[exec_id] - shares * SHARE)
        held = self.bench.money.ledger.executions[exec_id]
        self.corrected += 1
        self.executions[exec_id] = qty
        self.bench.fold(
            e.ExecutionCorrected(
                order_id=order_id,
                exec_id=f"c{self.corrected}",
                corrects=exec_id,
                qty_nanos=qty,
                px_nanos=held.px_nanos,
            )
        )
        assert notional_nanos(held.px_nanos, qty) >= 0

    # ---- the link ----------------------------------------------------------------------------------------------
    def lose_link(self, arrived: bool) -> None:
        """The socket goes; what was under way arrived unheard, or never did."""
        requests, self.inbox = self.inbox, []
        self.bench.fold(e.LinkLost(reason="socket"))
        for request in requests if arrived else []:
            if isinstance(request, int):
                self.orders[request].open = False
            elif request.version == 0:
                self.orders[request.order_id] = Resting(
                    request.order_id, request.side, request.qty_nanos, request.limit_px_nanos, 0
                )
            elif self.orders[request.order_id].gross_nanos < request.qty_nanos:
                resting = self.orders[request.order_id]
                resting.qty_nanos, resting.limit_px_nanos = request.qty_nanos, request.limit_px_nanos
                resting.version = request.version

    def restore_link(self) -> None:
        """The link returns and a synchronisation settles every doubt by what the venue really holds."""
        self.bench.fold(e.LinkRestored())
        self.bench.money.last_sync_ts_ns = self.bench.money.ts_ns
        for order in list(self.bench.money.live_orders.values()):
            resting = self.orders.get(order.order_id)
            if resting is None:
                self.bench.fold(c.SettleOrder(order_id=order.order_id, outcome="lost", reason="absent"))
            elif not resting.open:
                self.bench.fold(e.OrderCancelled(order_id=order.order_id))
            elif order.pending_version and resting.version == order.pending_version:
                self._tell_version(resting)
            else:
                if order.pending_version:
                    self.bench.fold(e.ReplaceRejected(order_id=order.order_id, version=order.pending_version, code=104))
                self.bench.fold(e.OrderAcknowledged(order_id=order.order_id))

    @property
    def filled_nanos(self) -> int:
        """Executed for good, corrections applied."""
        return sum(self.executions.values())

    @property
    def unheard(self) -> bool:
        """An order of ours whose fate is not known."""
        return any(order.state is State.UNKNOWN for order in self.bench.money.live_orders.values())
