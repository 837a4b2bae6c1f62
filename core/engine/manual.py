"""Orders that people give by hand: taken as an ordinary schedule of their own book, through the same gate as others, or
refused with what is wrong and what helps. Says who may give one; how it is traded is the desk's and the executor's.
"""

from collections.abc import Callable
from typing import Any, Final

from core import commands as c
from core import events as e
from core import manual_commands as mc
from core.engine import brackets
from core.engine.authority import answered, confirmed, may_add_risk
from core.engine.kill import where_of
from core.engine.trading import Trading
from core.ids import SIDE_NAMES
from core.instruments import increment_at, rule_on
from core.latches import ACTIVE, HALTED, STATE_NAMES, STRATEGY
from core.manual import MANUAL
from core.parents import Parent, ParentState
from core.units import exact_text

RESTING: Final = "resting"  # the one algorithm that the broker's groups can hold


def on_given(engine: Trading, event: e.OrderGiven) -> None:
    """Open the schedule, or say why not."""
    reduces = _reduces(engine, event)
    refusal = _why_not(engine, event, reduces=reduces)
    opening = refusal or engine.desk.order(event, engine.ts_ns)
    if isinstance(opening, str):
        engine.reply = (False, opening)
        return
    if not reduces and not confirmed(engine, event, what_of(engine, event), level=STRATEGY):
        return
    engine.emit(
        mc.KeepManualOrder(
            parent_id=opening.parent_id,
            strategy=event.strategy,
            inst=event.inst,
            side=event.side,
            tif=event.tif,
            reason=event.reason,
            by=event.operator,
            authority=event.authority,
            second=engine.second,
            oca_group=event.oca_group,
            take_profit_px_nanos=event.take_profit_px_nanos,
            stop_px_nanos=event.stop_px_nanos,
        )
    )
    engine.open_parent(opening)
    _answer(engine, event, opening.parent_id)


def _answer(engine: Trading, event: e.OrderGiven, parent_id: int) -> None:
    """What became of it at once."""
    parent = engine.money.parents.get(parent_id)
    if parent is None:
        engine.emit(mc.EndProtection(parent_id=parent_id, reason="never began"))
        engine.reply = (False, "margin: the broker takes one what-if a minute: give the order again in a minute")
        return
    if not parent.active:
        engine.reply = (False, parent.reason)
        return
    child = f", sent as order {parent.child}" if parent.child else ""
    child = ", once the broker has said what it would bind" if parent.what_if_due_ns else child
    engine.reply = (True, f"order {parent_id}: {what_of(engine, event)}{child}")


def what_of(engine: Trading, event: e.OrderGiven) -> str:
    """The order for people; two persons confirm it by these words."""
    words = [SIDE_NAMES[event.side], exact_text(event.qty_nanos), engine.symbols[event.inst], "by", event.algo]
    words += ["at", exact_text(event.limit_px_nanos)] if event.limit_px_nanos else []
    words += [c.TIF_NAMES[event.tif]] if event.tif != c.DAY else []
    words += ["take profit", exact_text(event.take_profit_px_nanos)] if event.take_profit_px_nanos else []
    words += ["stop", exact_text(event.stop_px_nanos)] if event.stop_px_nanos else []
    words += ["group", event.oca_group] if event.oca_group else []
    return " ".join([*words, "for", event.strategy])


def _reduces(engine: Trading, event: e.OrderGiven) -> bool:
    """Whether it only closes what its book holds and no other order of the book closes already."""
    money, key = engine.money, (event.strategy, event.inst)
    held = money.ledger.held_nanos(*key)
    reserved = money.reservations
    closing = (reserved.sell_qty_by_book if held > 0 else reserved.buy_qty_by_book).get(key, 0)
    return held * event.side < 0 and event.qty_nanos + closing <= abs(held)


def _why_not(engine: Trading, event: e.OrderGiven, *, reduces: bool) -> str:
    """The first reason against it, with what helps; "" = none that is known before the gate."""
    money = engine.money
    if money.safe or engine.stopping:
        return "the trader is in safe mode" if money.safe else "the trader is stopping: give it to the next run"
    if not reduces and not may_add_risk(event):
        return "it adds risk: prove who gives it (`--as OPERATOR`); without a proof an order may only close its book"
    trader = engine.strategies.get(event.strategy)
    if trader is not None and event.inst in trader.instruments and money.ledger.book_of(event.strategy).enabled:
        return (
            f"strategy: {event.strategy} decides on {engine.symbols[event.inst]} itself and would trade it back: leave "
            f"--strategy out (book {MANUAL}), or close its book with `quantd flatten --strategy {event.strategy}`"
        )
    state = money.latches.effective(strategy=event.strategy, symbol=engine.symbols[event.inst])
    if state != ACTIVE and (state == HALTED or not reduces):
        latch = money.latches.binding(strategy=event.strategy, symbol=engine.symbols[event.inst])[0]
        exits = "" if state == HALTED else " (orders that only close may pass)"
        where = where_of(latch.level, latch.scope)
        return f"{where} is {STATE_NAMES[state]}{exits}: {latch.code}, {latch.reason}: `quantd resume` lifts it"
    return _terms_fault(engine, event)


def _terms_fault(engine: Trading, event: e.OrderGiven) -> str:
    instrument, date = engine.context.instruments[event.inst], engine.money.trading_date
    lot, tick = rule_on(instrument.lots, date), rule_on(instrument.ticks, date)
    if lot is not None and (event.qty_nanos % lot.increment_nanos or event.qty_nanos < lot.minimum_nanos):
        least = exact_text(max(lot.minimum_nanos, lot.increment_nanos))
        return (
            f"qty {exact_text(event.qty_nanos)}: give a multiple of {exact_text(lot.increment_nanos)}, at least {least}"
        )
    if event.tif == c.GTC and not engine.gate.outlives_day:
        return "tif gtc: limits.account.good_till_cancelled is false: give it for the day, or change the limit"
    if event.oca_group and (event.algo != RESTING or event.take_profit_px_nanos or event.stop_px_nanos):
        return "oca: the broker's groups hold orders that rest at a limit: give --limit PX, and no bracket"
    named = (
        ("limit", event.limit_px_nanos),
        ("take-profit", event.take_profit_px_nanos),
        ("stop", event.stop_px_nanos),
    )
    for field, px in named:
        step = increment_at(tick, px) if px and tick is not None else 0
        if step and px % step:
            below = px // step * step
            return f"{field} {exact_text(px)}: off the tick: give {exact_text(below)} or {exact_text(below + step)}"
    return _bracket_fault(engine, event)


def _bracket_fault(engine: Trading, event: e.OrderGiven) -> str:
    """The profit lies beyond the entry's price and the stop before it, on the right sides."""
    entry = event.limit_px_nanos or engine.market.mark_nanos(event.inst)
    profit, stop, side = event.take_profit_px_nanos, event.stop_px_nanos, event.side
    what = f"a {SIDE_NAMES[side]} at {exact_text(entry)}"
    beyond, before = ("above", "below") if side > 0 else ("below", "above")
    if profit and (profit - entry) * side <= 0:
        return f"take-profit {exact_text(profit)}: {what} takes its profit {beyond} that: give a price {beyond} it"
    if stop and (entry - stop) * side <= 0:
        return f"stop {exact_text(stop)}: {what} is stopped {before} that: give a price {before} it"
    return ""


def on_withdrawn(engine: Trading, event: e.OrderWithdrawn) -> None:
    """Take back what is not filled."""
    parent = engine.money.parents.get(event.parent_id)
    if parent is None or parent.purpose != c.INTENT_MANUAL:
        known = "is no manual order" if parent is not None else "is not known"
        engine.reply = (False, f"order {event.parent_id} {known}: `quantd order list` shows those that are")
        return
    legs = brackets.live_of(engine, parent.parent_id)
    kept = engine.money.manual.get(parent.parent_id)
    protects = kept is not None and kept.protected and not kept.over
    if event.protection and protects and not may_add_risk(event):
        engine.reply = (False, "it takes a stop off: prove who gives it (`--as OPERATOR`)")
        return
    if parent.parent_id not in engine.money.live_parents and not (event.protection and protects):
        hint = "; what closes its fills goes with --protection" if protects else ""
        engine.reply = (False, f"order {event.parent_id} has ended: {_ended(parent)}{hint}")
        return
    if event.protection and protects:
        engine.emit(mc.EndProtection(parent_id=parent.parent_id, reason=f"{event.operator}: {event.reason}"))
        for leg in legs:
            engine.cancel(leg.order_id, event.reason)
    gone = engine.end_parent(parent, state=ParentState.CANCELLED, reason=f"{event.operator}: {event.reason}")
    filled = f"{exact_text(parent.filled_nanos)} of {exact_text(parent.qty_nanos)} filled"
    left = "" if gone else f"; order {parent.child} is being cancelled"
    if protects and not event.protection and parent.filled_nanos:
        left += "; its profit and stop stay: --protection takes them off"
    engine.reply = (True, f"order {event.parent_id} taken back, {filled}{left}")


def _ended(parent: Parent) -> str:
    return f"{parent.state.name} {parent.reason}, {exact_text(parent.filled_nanos)} filled"


HANDLERS: Final[dict[type, Callable[[Trading, Any], None]]] = {
    e.OrderGiven: answered(on_given),
    e.OrderWithdrawn: answered(on_withdrawn),
}
