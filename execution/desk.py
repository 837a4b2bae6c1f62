"""The desk: nets what strategies want to hold against what they hold and what is on its way. Opens one parent per
strategy and instrument; says what opposing strategies may have from each other's books (core/engine/crossing.py), and
lets them take turns with the rest, so that two orders of ours never meet in the market.
It decides what to trade, never how: times come from the algo, prices from the executor, limits from the gate.
"""

from collections.abc import Mapping

import msgspec

from core import commands as c
from core.events import OrderGiven
from core.fees import FeeTable
from core.ids import BUY, SELL, Side
from core.instruments import LotRule, rule_on
from core.latches import ACTIVE, HALTED, STATE_NAMES
from core.ledger import StrategyBook
from core.money.state import LINK_NAMES, READY
from core.orders import State
from core.parents import NO_ORDER, Parent, ParentState
from core.ports import Context, DeskPlan, Wish
from core.sessions import PHASE_NAMES
from core.units import exact_text, round_down
from execution.algos import RESTING, find_algo
from execution.algos.plan import limit_px_nanos
from execution.costs import EdgeVerdict, judge_edge
from execution.flatten import flatten_parent
from execution.manual import manual_parent
from execution.messages import order_rate_fault
from execution.opening import Chosen, Opening, as_opening
from execution.pacing import terms_of
from execution.settings import ExecutionSettings, by_hand
from execution.touch import Day, Days, quote_fault

EDGE_REFUSED = "the stated edge does not pay the expected cost"
NOTHING_STATED = EdgeVerdict(pays=True, refused=False)
_ACTIVE = ParentState.ACTIVE


class NettingDesk:
    """Implements core.ports.Desk. Stateless: money state and the market say everything."""

    __slots__ = ("_context", "_days", "_default", "_opening", "_settings")

    def __init__(
        self,
        context: Context,
        *,
        settings: Mapping[str, ExecutionSettings],
        default: ExecutionSettings,
        fees: FeeTable,
    ) -> None:
        self._context = context
        self._settings = settings  # by strategy
        self._default = default
        self._days = Days(context)
        self._opening = Opening(context, fees)

    def plan(self, strategy: str, inst: int, ts_ns: int) -> DeskPlan | None:
        """None = nothing to do. An ended parent's child must be gone before the next parent opens."""
        money = self._context.money
        ledger = money.ledger
        book = ledger.books.get(strategy)
        target = None if book is None else book.targets.get(inst)
        if book is None or target is None:
            return None
        day = self._days.regular(inst, ts_ns)
        lot = self._lot_outside(inst, ts_ns) if day is None else day.lot
        if lot is None:
            return DeskPlan(blocked="no lot rule for the day")
        position = ledger.positions.get((strategy, inst))
        held = 0 if position is None else position.qty_nanos
        need = need_nanos(held, target, lot.increment_nanos)
        if money.live_parents:
            live = self._live_parent(strategy, inst)
            if live is not None:
                return _against(live, need, lot.increment_nanos)
        if need == 0:
            return _stuck(held, target, lot.increment_nanos)
        given_up = book.given_up.get(inst)
        if given_up:
            return DeskPlan(blocked=f"parent {given_up} ended with a rest: the strategy must decide anew")
        reason = self._blocked(book, inst, held, need, day is not None, lot, ts_ns)
        if reason or day is None:
            return DeskPlan(blocked=reason)
        return self._open(book, inst, need, day, ts_ns)

    def flatten(self, strategy: str, inst: int, ts_ns: int) -> c.OpenParent | None:
        """A parent that closes the whole position; None when there is nothing to close."""
        settings = self._settings.get(strategy, self._default)
        return flatten_parent(
            self._context,
            strategy=strategy,
            inst=inst,
            ts_ns=ts_ns,
            participation_nanos=settings.flatten_participation_nanos,
        )

    def order(self, given: OrderGiven, ts_ns: int) -> c.OpenParent | str:
        """A person's order as a schedule of its book; or why it cannot be."""
        day = self._days.regular(given.inst, ts_ns)
        return manual_parent(self._context, self._opening, by_hand(self._default, given), given, day, ts_ns)

    # ---- what need not go to the market ------------------------------------------------------------------------
    def wishes(self, inst: int, ts_ns: int) -> tuple[Wish, ...]:
        """What books may have from each other: see core.ports.Desk. A tie goes by the order of the config."""
        day = self._days.regular(inst, ts_ns)
        if day is None or day.lot is None or quote_fault(self._context, inst):
            return ()
        ledger, lot = self._context.money.ledger, day.lot.increment_nanos
        needs = {
            name: need
            for name, book in ledger.books.items()
            if inst in book.targets and (need := need_nanos(ledger.held_nanos(name, inst), book.targets[inst], lot))
        }
        if not needs or min(needs.values()) > 0 or max(needs.values()) < 0:
            return ()
        found = [self._wish(ledger.books[name], inst, need, day, ts_ns) for name, need in needs.items()]
        return tuple(sorted((wish for wish in found if wish is not None), key=lambda wish: wish.decided_ns))

    def _wish(self, book: StrategyBook, inst: int, need: int, day: Day, ts_ns: int) -> Wish | None:
        """None where the book must not trade, or all of its need is in the market or waits for something else."""
        context, strategy = self._context, book.strategy
        assert day.lot is not None, "no wishes without a lot"
        held = context.money.ledger.held_nanos(strategy, inst)
        if inst in book.given_up or self._forbidden(book, inst, held, need):
            return None
        side, qty = (BUY, need) if need > 0 else (SELL, -need)
        live = self._live_parent(strategy, inst) if context.money.live_parents else None
        child = NO_ORDER if live is None else live.child
        for order in context.money.live_orders.of(inst):
            if order.strategy == strategy and order.order_id != child:
                if order.purpose not in c.STANDING:
                    return None
        if live is not None:
            qty = min(qty, round_down(self._unsent(live, side, ts_ns), day.lot.increment_nanos))
        elif not self._begins_now(strategy, inst, qty // day.lot.increment_nanos, day, ts_ns):
            return None
        if qty <= 0:
            return None
        decided_ns, decided_mid = book.decided.get(inst, (0, 0))
        return Wish(
            strategy=strategy,
            side=side,
            qty_nanos=qty,
            parent_id=0 if live is None else live.parent_id,
            decided_ns=decided_ns,
            decision_mid_nanos=decided_mid,
        )

    def _unsent(self, live: Parent, side: Side, ts_ns: int) -> int:
        """What a running schedule has neither filled nor at the broker; nothing of one that waits for its hour, for a
        person, for the broker's word on margin, for the auction, or for a better price.
        """
        money, market = self._context.money, self._context.market
        if live.state is not _ACTIVE or live.paused or live.purpose != c.INTENT_SCHEDULE or live.side != side:
            return 0
        if live.what_if_due_ns or live.auction_ts_ns or ts_ns < live.start_ts_ns:
            return 0
        if live.limit_px_nanos and (market.mark_nanos(live.inst) - live.limit_px_nanos) * side > 0:
            return 0
        last = money.orders.get(live.last_child)
        if last is not None and not last.live and last.state is not State.FILLED:
            # A fill may still come after the cancel: what that child had is nobody's for as long as the executor waits.
            if ts_ns < last.changed_ts_ns + self._settings.get(live.strategy, self._default).backoff_ns:
                return 0
        child = money.live_orders.get(live.child)
        return live.remaining_nanos - (0 if child is None else child.reserved_nanos)

    def _begins_now(self, strategy: str, inst: int, lots: int, day: Day, ts_ns: int) -> bool:
        """Whether a schedule of the strategy would trade from this moment on, and not for an auction."""
        settings = self._settings.get(strategy, self._default)
        terms = terms_of(self._context, inst, day, ts_ns, lots=lots, seed=self._context.money.next_parent_id)
        plan = find_algo(settings.algo).plan(settings.params, terms)
        return not plan.fault and not plan.auction_ts_ns and plan.start_ns <= ts_ns

    def _lot_outside(self, inst: int, ts_ns: int) -> LotRule | None:
        """The lot outside regular hours: of the session's date, or between sessions of the trading date."""
        session = self._context.calendars[inst].session(ts_ns)
        date = self._context.money.trading_date if session is None else session.date
        return rule_on(self._context.instruments[inst].lots, date)

    def _live_parent(self, strategy: str, inst: int) -> Parent | None:
        """The parent in charge: an active one, else one that ended and whose child still lives."""
        found: Parent | None = None
        for parent in self._context.money.live_parents.of(inst):
            if parent.strategy == strategy and (found is None or parent.state is _ACTIVE):
                found = parent
        return found

    def _open(self, book: StrategyBook, inst: int, need: int, day: Day, ts_ns: int) -> DeskPlan:
        strategy, context, lot = book.strategy, self._context, day.lot
        assert lot is not None, "the desk asks for the lot before it opens"
        settings = self._settings.get(strategy, self._default)
        side, qty = (BUY, need) if need > 0 else (SELL, -need)
        parent_id, lots = context.money.next_parent_id, qty // lot.increment_nanos
        terms = terms_of(context, inst, day, ts_ns, lots=lots, seed=parent_id)
        chosen = self._opening.plan(settings, terms, inst=inst, side=side, qty_nanos=qty, lot_nanos=lot.increment_nanos)
        fault = chosen.plan.fault or order_rate_fault(context.money, strategy, chosen.algo, chosen.plan)
        if fault:
            return DeskPlan(blocked=fault)
        verdict = self._edge(settings, inst, book, need, chosen)
        if verdict.refused:
            return DeskPlan(blocked=EDGE_REFUSED, detail=verdict.text)
        mid = context.market.mark_nanos(inst)
        decided_ns, decided_mid = book.decided.get(inst, (0, 0))
        return DeskPlan(
            warning=verdict.text,
            open=msgspec.structs.replace(
                as_opening(chosen),
                parent_id=parent_id,
                strategy=strategy,
                inst=inst,
                side=side,
                qty_nanos=qty,
                limit_px_nanos=limit_px_nanos(chosen.params, mid, side),
                arrival_mid_nanos=mid,
                decision_mid_nanos=decided_mid,
                decision_ts_ns=decided_ns,
            ),
        )

    def _edge(
        self, settings: ExecutionSettings, inst: int, book: StrategyBook, need: int, chosen: Chosen
    ) -> EdgeVerdict:
        """An exit is never asked what it earns: it has to get out."""
        held = self._context.money.ledger.held_nanos(book.strategy, inst)
        if settings.edge_policy == "off" or _reduces(held, need):
            return NOTHING_STATED
        return judge_edge(settings.edge_bp_nanos, chosen.expected, policy=settings.edge_policy)

    # ---- why a need waits --------------------------------------------------------------------------------------
    def _blocked(
        self, book: StrategyBook, inst: int, held: int, need: int, regular: bool, lot: LotRule, ts_ns: int
    ) -> str:
        """The first reason in the order trader, ladder, market, size, own traffic; "" = none."""
        money = self._context.money
        forbidden = self._forbidden(book, inst, held, need)
        if forbidden:
            return forbidden
        if not regular:
            return f"session {PHASE_NAMES[self._context.calendars[inst].phase(ts_ns)]}"
        fault = quote_fault(self._context, inst)
        if fault:
            return fault
        if -lot.minimum_nanos < need < lot.minimum_nanos:
            return "less than the smallest order"
        idle = not money.live_parents and not money.live_orders
        return "" if idle else self._traffic_fault(book.strategy, inst, BUY if need > 0 else SELL)

    def _forbidden(self, book: StrategyBook, inst: int, held: int, need: int) -> str:
        """Trader, strategy, link and ladder; "" = they let it trade."""
        money = self._context.money
        if money.safe:
            return "safe mode"
        if not book.enabled:
            return f"strategy disabled: {book.disabled_reason}"
        link = money.sendable()
        if link != READY:
            return f"link {LINK_NAMES[link]}"
        state = money.latches.effective(strategy=book.strategy, symbol=self._context.instruments[inst].symbol)
        if state != ACTIVE and not (state < HALTED and _reduces(held, need)):
            return f"ladder {STATE_NAMES[state]}"
        return ""

    def _traffic_fault(self, strategy: str, inst: int, side: Side) -> str:
        """Own orders in the way: of this book outside any parent, or of another book on the other side. One that rests
        at a limit may wait for days: the gate alone keeps what would reach it from leaving.
        """
        money = self._context.money
        for parent in money.live_parents.of(inst):
            if parent.side == side or parent.strategy == strategy:
                continue
            if parent.algo != RESTING.name:
                return f"{parent.strategy} is trading the other way (parent {parent.parent_id})"
        for order in money.live_orders.of(inst):
            if order.purpose not in c.STANDING and (
                order.strategy == strategy or (order.side != side and order.algo != RESTING.name)
            ):
                return f"order {order.order_id} of {order.strategy or 'nobody'} still works"
        return ""


def need_nanos(held_nanos: int, target_nanos: int, lot_nanos: int) -> int:
    """Signed quantity to trade next in whole lots: towards the target, but never across zero in one order."""
    gap = round_down(target_nanos - held_nanos, lot_nanos)
    if gap < -held_nanos < 0 or gap > -held_nanos > 0:
        return -round_down(held_nanos, lot_nanos)
    return gap


def _reduces(held_nanos: int, need: int) -> bool:
    return held_nanos != 0 and (held_nanos > 0) != (need > 0) and abs(need) <= abs(held_nanos)


def _against(live: Parent, need: int, lot_nanos: int) -> DeskPlan | None:
    """What a parent in flight means for a need."""
    if live.state is not _ACTIVE:
        return DeskPlan(blocked=f"child of parent {live.parent_id} still works") if need else None
    remaining = live.qty_nanos - live.filled_nanos
    if live.side * round_down(remaining, lot_nanos) == need:
        return None
    if remaining <= 0:
        return None  # it is about to end
    if live.purpose != c.INTENT_SCHEDULE:
        return DeskPlan(blocked=f"parent {live.parent_id} is not a schedule of the strategy: it ends first")
    if live.paused:
        return DeskPlan(blocked=f"parent {live.parent_id} is paused: {live.paused_reason}")
    return DeskPlan(supersede=live.parent_id)


def _stuck(held: int, target: int, lot_nanos: int) -> DeskPlan | None:
    """A holding below one lot in the way of the other side cannot be closed: say so, trade nothing."""
    if abs(target - held) < lot_nanos:
        return None
    return DeskPlan(blocked=f"holds {exact_text(held)}, less than one lot, against the target")
