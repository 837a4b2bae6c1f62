"""Every schedule of a journal with its orders and executions: when it was decided, when it arrived, what was sent,
what came back, how it ended. Walks records in order and asks the market what it needs on the way. Executions,
corrections and commissions are booked by core's own ledger, so a busted or late one counts here as it counts there.
"""

from typing import Any, Final

from core import book_commands as b
from core import commands as c
from core import events as e
from core import notes as n
from core.book_commands import CrossBooks
from core.errors import QuantdError
from core.ids import BUY, SELL
from core.ledger import Execution, Ledger
from core.parents import ParentState
from core.units import NANO
from daemon.tca.market import Market
from daemon.tca.trail import CROSSED, Decided, FillTrail, OrderTrail, Trail, Unopened
from execution.tca import HORIZONS_MIN

FILLS_MAX: Final = 1_000_000  # kept at once; a report over more is asked for by day
REFUSALS_KEPT_MAX: Final = 5  # texts a schedule; all are counted
EXECUTIONS_KEPT_NS: Final = 172_800 * NANO  # the broker repeats executions of its day only
HORIZONS_NS: Final = tuple(minutes * 60 * NANO for minutes in HORIZONS_MIN)
CLOCKS_APART_NS: Final = 2 * NANO  # an execution's own time is believed this close to ours


class _Executions(Ledger):
    """Which executions count, with their corrections and costs, by the ledger's own rules; nobody asks here what they
    made of a position.
    """

    def _move(self, execution: Execution, side: int, qty_nanos: int, px_nanos: int, *, undo: bool = False) -> None:
        pass


class Walk:
    """One pass over inputs, notes, commands and outcomes, in order."""

    def __init__(self, market: Market, instruments: int) -> None:
        self.trails: dict[int, Trail] = {}
        self.unopened: list[Unopened] = []
        self.dates: dict[int, None] = {}
        self._market = market
        self._date = 0
        self._seq = 0
        self._ts_ns = 0
        self._ledger = _Executions(instruments=instruments, currency="", start_cash_nanos=0, strategies=())
        self._instruments = instruments
        self._decided: dict[tuple[str, int], Decided] = {}
        self._orders: dict[int, tuple[Trail, OrderTrail]] = {}
        self._fills = 0
        self._split_ns: dict[int, int] = {}
        self.splits: list[tuple[int, int, int, int]] = []  # instrument, trading date, new shares, old shares

    def take(self, seq: int, ts_ns: int, message: Any) -> None:
        """The next record."""
        self._seq, self._ts_ns = seq, ts_ns
        handle = _HANDLERS.get(type(message))
        if handle is not None:
            handle(self, message)

    def finish(self) -> None:
        """The journal's end is the end of what is still open."""
        for trail in self.trails.values():
            if trail.state == ParentState.ACTIVE:
                self._end(trail)
        for key, decided in self._decided.items():
            self._note_unopened(key, decided)

    # ---- decisions and schedules -------------------------------------------------------------------------------
    def rolled(self, event: e.DayRolled) -> None:
        """A trading day begins."""
        self._date = event.date
        self.dates[event.date] = None
        self._ledger.forget_before(self._ts_ns - EXECUTIONS_KEPT_NS)
        self._orders = {key: kept for key, kept in self._orders.items() if not kept[1].ended_ns}

    def targeted(self, command: c.SetTarget) -> None:
        """A strategy wants something else."""
        key = (command.strategy, command.inst)
        before = self._decided.get(key)
        if before is not None:
            self._note_unopened(key, before)
        if self._split_ns.get(command.inst) == self._ts_ns:
            return  # the same target in new shares: nothing was decided, and the price at hand may be the old one
        self._decided[key] = self._decide(command.inst, command.qty_nanos)

    def split(self, command: b.SplitBooks) -> None:
        """What was decided at a price of the old shares counts for nothing in the new ones."""
        for key in [key for key in self._decided if key[1] == command.inst]:
            self._note_unopened(key, self._decided.pop(key))
        self._split_ns[command.inst] = self._ts_ns
        self.splits.append((command.inst, self._date, command.num, command.den))

    def _decide(self, inst: int, target_nanos: int) -> Decided:
        ticket = self._market.ask_point(inst, self._seq, self._ts_ns)
        return Decided(date=self._date, ts_ns=self._ts_ns, ticket=ticket, target_nanos=target_nanos)

    def _note_unopened(self, key: tuple[str, int], decided: Decided) -> None:
        if not decided.opened and decided.waits:
            self.unopened.append(
                Unopened(
                    date=decided.date, strategy=key[0], inst=key[1], ts_ns=decided.ts_ns, why=decided.waits,
                    target_nanos=decided.target_nanos,
                )
            )  # fmt: skip

    def blocked(self, note: n.Blocked) -> None:
        """Why a target waits."""
        decided = self._decided.get((note.strategy, note.inst))
        if decided is not None and not decided.opened:
            decided.waits = note.reason

    def opened(self, command: c.OpenParent) -> None:
        """A schedule begins: its decision is the target's, or its own moment where no strategy decided."""
        arrival = self._market.ask_point(command.inst, self._seq, self._ts_ns)
        decided = self._decided.get((command.strategy, command.inst))
        if decided is None or command.purpose != c.INTENT_SCHEDULE:
            decided = Decided(date=self._date, ts_ns=self._ts_ns, ticket=arrival)
        decided.opened = True
        self.trails[command.parent_id] = Trail(
            date=self._date,
            opening=command,
            opened_ns=self._ts_ns,
            decision_ns=decided.ts_ns,
            decision=decided.ticket,
            arrival=arrival,
            weights=command.weights,
        )

    def crossed(self, command: CrossBooks) -> None:
        """Two books traded with each other: a fill of both schedules."""
        market, inst, now = self._market, command.inst, self._ts_ns
        sides = ((command.buyer, command.buyer_parent, BUY), (command.seller, command.seller_parent, SELL))
        for strategy, parent_id, side in sides:
            trail = self.trails.get(parent_id)
            if trail is None:
                continue
            execution = Execution(
                exec_id=f"cross-{self._seq}", order_id=0, strategy=strategy, inst=inst, side=side,
                qty_nanos=command.qty_nanos, px_nanos=command.px_nanos, ts_ns=now, seq=self._seq,
                commission_known=True,
            )  # fmt: skip
            later = tuple([market.ask_mark(inst, now + minutes * 60 * NANO) for minutes in HORIZONS_MIN])
            fill = FillTrail(
                execution=execution, liquidity=CROSSED, told_ns=now, exchange_ns=0, quote=market.ask_mark(inst, now),
                later=later, met=(command.bid_px_nanos, command.ask_px_nanos),
            )  # fmt: skip
            trail.fills.append(fill)

    def replanned(self, command: c.ReplanParent) -> None:
        """Other weights from a slice on."""
        trail = self.trails.get(command.parent_id)
        if trail is not None:
            trail.replans += 1
            trail.weights = command.weights

    def ended(self, command: c.EndParent) -> None:
        """A schedule is over; what it left undone is decided anew at this moment, so that no move counts twice."""
        trail = self.trails.get(command.parent_id)
        if trail is None:
            return
        trail.state, trail.reason = command.state, command.reason
        self._end(trail)
        key = (trail.opening.strategy, trail.opening.inst)
        short = trail.filled_nanos < trail.opening.qty_nanos
        if short and command.state != ParentState.SUPERSEDED and key in self._decided:
            before = self._decided[key]
            self._decided[key] = self._decide(key[1], before.target_nanos)
            self._decided[key].opened = True  # it was, and its cost is told there

    def _end(self, trail: Trail) -> None:
        trail.end_ns = self._ts_ns
        trail.end = self._market.ask_point(trail.opening.inst, self._seq, self._ts_ns)

    # ---- orders ------------------------------------------------------------------------------------------------
    def placed(self, command: c.PlaceOrder) -> None:
        """A child was sent."""
        intent = command.order.intent
        trail = self.trails.get(intent.parent_id)
        if trail is None:
            return
        order = OrderTrail(
            order_id=intent.order_id, qty_nanos=intent.qty_nanos, px_nanos=intent.limit_px_nanos, sent_ns=self._ts_ns
        )
        trail.orders.append(order)
        self._orders[intent.order_id] = trail, order

    def replaced(self, command: c.ReplaceOrder) -> None:
        """A child was changed."""
        known = self._orders.get(command.order.intent.order_id)
        if known is not None:
            known[1].replaces += 1
            known[1].qty_nanos = command.order.intent.qty_nanos
            known[1].px_nanos = command.order.intent.limit_px_nanos

    def acknowledged(self, event: e.OrderAcknowledged) -> None:
        """The broker holds it."""
        known = self._orders.get(event.order_id)
        if known is not None and not known[1].acknowledged_ns:
            known[1].acknowledged_ns = self._ts_ns

    def cancelled(self, event: e.OrderCancelled) -> None:
        """Off the book."""
        self._order_ended(event.order_id, "cancelled")

    def rejected(self, event: e.OrderRejected) -> None:
        """Refused by the broker."""
        self._order_ended(event.order_id, f"rejected: {event.code} {event.text}".rstrip())

    def not_sent(self, outcome: c.NotSent) -> None:
        """Refused by our own port."""
        if not outcome.version:
            self._order_ended(outcome.order_id, f"not sent: {outcome.reason}")

    def refused(self, note: n.Refusal) -> None:
        """Refused by the gate."""
        trail = self.trails.get(note.parent_id)
        if trail is None:
            return
        trail.refusals += 1
        if len(trail.refused) < REFUSALS_KEPT_MAX and note.failures:
            first = note.failures[0]
            trail.refused.append(f"{first.control} {first.code}: {first.value} against {first.limit}")

    def settled(self, command: c.SettleOrder) -> None:
        """Evidence or a person settled an order."""
        known = self._orders.get(command.order_id)
        if known is None:
            return
        if command.outcome == "filled":
            opening = known[0].opening
            exec_id = f"settled-{command.order_id}-{self._seq}"
            self._book(exec_id, command.order_id, opening.inst, opening.side, command.qty_nanos, command.px_nanos)
        self._order_ended(command.order_id, f"settled as {command.outcome}")

    def _order_ended(self, order_id: int, how: str) -> None:
        known = self._orders.get(order_id)
        if known is not None and not known[1].ended_ns:
            known[1].ended_ns, known[1].ending = self._ts_ns, how

    # ---- executions --------------------------------------------------------------------------------------------
    def filled(self, event: e.OrderFilled | e.ExecutionReported) -> None:
        """An execution; a later version of a booked one replaces it, as in the books."""
        ledger = self._ledger
        if event.exec_id in ledger.executions or event.order_id not in self._orders:
            return
        if not event.exec_id.endswith(".01"):
            earlier = ledger.version_before(event.exec_id)
            if earlier:
                ledger.correct(
                    corrects=earlier, exec_id=event.exec_id, qty_nanos=event.qty_nanos, px_nanos=event.px_nanos
                )
                return
        if ledger.is_superseded(event.exec_id):
            return
        told = event if isinstance(event, e.OrderFilled) else None
        self._book(
            event.exec_id,
            event.order_id,
            event.inst,
            event.side,
            event.qty_nanos,
            event.px_nanos,
            exchange_ns=told.exchange_ts_ns if told is not None else 0,
            liquidity=told.liquidity if told is not None else 0,
        )

    def corrected(self, event: e.ExecutionCorrected) -> None:
        """Replaced or busted; one that was lost on the way is what its correction says."""
        known = self._ledger.correct(
            corrects=event.corrects, exec_id=event.exec_id, qty_nanos=event.qty_nanos, px_nanos=event.px_nanos
        )
        if known is None and event.order_id in self._orders and event.qty_nanos:
            opening = self._orders[event.order_id][0].opening
            self._book(event.exec_id, event.order_id, opening.inst, opening.side, event.qty_nanos, event.px_nanos)

    def charged(self, event: e.CommissionReported) -> None:
        """What an execution cost."""
        self._ledger.charge(event.exec_id, event.commission_nanos)

    def booked(self, command: b.CorrectBooks) -> None:
        """The statement's word on an execution that we have."""
        line, ledger = command.line, self._ledger
        if line.exec_id not in ledger.executions:
            return
        if line.kind == "commission":
            ledger.charge(line.exec_id, line.commission_nanos)
        elif line.kind == "fees":
            ledger.name_fees(line.exec_id, line.fees)
        elif line.kind == "correction":
            ledger.correct(
                corrects=line.exec_id, exec_id=line.line_id, qty_nanos=line.qty_nanos, px_nanos=line.px_nanos
            )

    def _book(
        self, exec_id: str, order_id: int, inst: int, side: int, qty_nanos: int, px_nanos: int, *,
        exchange_ns: int = 0, liquidity: int = 0,
    ) -> None:  # fmt: skip
        if not 0 <= inst < self._instruments:
            return
        trail, order = self._orders[order_id]
        now = self._ts_ns
        execution = Execution(
            exec_id=exec_id, order_id=order_id, strategy="", inst=inst, side=side, qty_nanos=qty_nanos,
            px_nanos=px_nanos, ts_ns=now, seq=self._seq, liquidity=liquidity,
        )  # fmt: skip
        if not self._ledger.execute(execution):
            return
        self._fills += 1
        if self._fills > FILLS_MAX:
            raise QuantdError(f"more than {FILLS_MAX:,} executions: ask for one day with --day")
        made_ns = exchange_ns if exchange_ns and abs(now - exchange_ns) <= CLOCKS_APART_NS else now
        market = self._market
        trail.fills.append(
            FillTrail(
                execution=execution,
                liquidity=liquidity,
                told_ns=now,
                exchange_ns=exchange_ns,
                quote=market.ask_mark(inst, made_ns, before=True),
                later=market.ask_marks(inst, made_ns, HORIZONS_NS),
            )
        )
        order.filled_nanos += qty_nanos
        if order.filled_nanos >= order.qty_nanos:
            self._order_ended(order_id, "filled")
        if trail.state != ParentState.ACTIVE:
            self._end(trail)  # a child that was still on the book


_HANDLERS: Final[dict[type, Any]] = {
    e.DayRolled: Walk.rolled,
    c.SetTarget: Walk.targeted,
    n.Blocked: Walk.blocked,
    c.OpenParent: Walk.opened,
    CrossBooks: Walk.crossed,
    c.ReplanParent: Walk.replanned,
    c.EndParent: Walk.ended,
    c.PlaceOrder: Walk.placed,
    c.ReplaceOrder: Walk.replaced,
    c.NotSent: Walk.not_sent,
    n.Refusal: Walk.refused,
    c.SettleOrder: Walk.settled,
    e.OrderAcknowledged: Walk.acknowledged,
    e.OrderCancelled: Walk.cancelled,
    e.OrderRejected: Walk.rejected,
    e.OrderFilled: Walk.filled,
    e.ExecutionReported: Walk.filled,
    e.ExecutionCorrected: Walk.corrected,
    e.CommissionReported: Walk.charged,
    b.CorrectBooks: Walk.booked,
    b.SplitBooks: Walk.split,
}
