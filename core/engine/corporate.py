"""Splits and dividends inside the engine: given by a person, carried out on their day, once; and the suspicion of one.

A split halts its symbol, takes every order and schedule in it off, and waits until nothing of them works and the broker
shows the new quantity (or a person says that it does). Then books, targets, reference and features change in one step.
"""

from typing import Final

from core import book_commands as b
from core import commands as c
from core import events as e
from core.corporate import (
    ACCRUED,
    DIVIDEND,
    DONE,
    KEPT,
    RATIO_MAX,
    SPLIT,
    SPLIT_PENDING,
    WITHDRAWAL,
    Action,
    Terms,
    dividend_of,
    explains,
    share_out,
    split_total,
    suspected_ratio,
    told,
)
from core.engine import brackets, ladder
from core.engine.adoption import position_differences
from core.engine.authority import confirmed
from core.engine.scope import reconcile_all, refence
from core.engine.trading import Trading
from core.latches import ACCOUNT, HALTED, REDUCING, SYMBOL
from core.orders import State
from core.parents import ParentState
from core.units import NANO, exact_text, share_of

SUSPECTED: Final = "SPLIT_SUSPECTED"
PAID_TOLERANCE_NANOS: Final = NANO // 100  # the broker pays in cents


# ---- a person's word -----------------------------------------------------------------------------------------------
def on_applied(engine: Trading, event: e.CorporateActionApplied) -> None:
    """Keep it and go as far as can be; the same id again changes nothing."""
    terms = event.terms
    known = engine.money.corporate.get(terms.action_id)
    if known is not None and known.terms == terms:
        engine.reply = (True, f"{told(known, engine.symbols[terms.inst])} (given before; nothing changes)")
        return
    refusal = _why_not(engine, terms, known)
    if refusal:
        engine.reply = (False, refusal)
        return
    inst = terms.inst if known is None else known.terms.inst
    what = f"{terms.kind} {engine.symbols[inst]} {terms.ratio if terms.kind == SPLIT else ''}".strip()
    by = confirmed(engine, event, f"corporate action {terms.action_id}: {what}", level=ACCOUNT, state=f"{terms}")
    if not by:
        return
    engine.emit(b.KeepCorporateAction(terms=terms, by=by, reason=event.reason, now=event.now))
    if terms.kind == WITHDRAWAL:
        _lift(engine, inst, f"{terms.action_id} withdrawn by {by}")
        engine.reply = (True, f"{terms.action_id} withdrawn")
        return
    action = engine.money.corporate[terms.action_id]
    if terms.kind == SPLIT:
        _begin(engine, action)
    engine.reply = (True, _answer(engine, action))


def _why_not(engine: Trading, terms: Terms, known: Action | None) -> str:
    """The first thing that forbids it; "" = nothing does."""
    money = engine.money
    if terms.kind == WITHDRAWAL:
        if known is None or known.state not in (KEPT, ACCRUED):
            return f"{terms.action_id}: nothing that still waits" + (f", it is {known.state}" if known else "")
        return ""
    if known is not None:
        return f"{terms.action_id} was given with other terms: {known.terms}; withdraw it, or choose another id"
    if not 0 <= terms.inst < len(engine.symbols):
        return "the symbol is not configured"
    if not money.trading_date:
        return "the trading day is not known yet: try again when the trader is synchronised"
    if terms.kind == DIVIDEND:
        return _why_not_dividend(engine, terms)
    if not (0 < terms.num <= RATIO_MAX and 0 < terms.den <= RATIO_MAX and terms.num != terms.den):
        return f"ratio {terms.ratio}: two different numbers from 1 to {RATIO_MAX}"
    waiting = _pending(engine, terms.inst)
    if waiting is not None:
        return f"{waiting.terms.action_id} waits in the same symbol: withdraw it first"
    for found in money.differences:
        if found.inst != terms.inst or not _explained(engine, terms, found.qty_nanos):
            return f"unexplained difference to the broker, and no {terms.ratio} split: {found.text}"
    unknown = [o.order_id for o in money.live_orders.values() if o.inst == terms.inst and o.state is State.UNKNOWN]
    return f"orders {unknown} are UNKNOWN: settle them first (`quantd orders resolve`)" if unknown else ""


def _why_not_dividend(engine: Trading, terms: Terms) -> str:
    if terms.per_share_nanos <= 0 or not terms.currency:
        return "a dividend needs an amount above 0 and a currency"
    if terms.ex_date <= engine.money.trading_date:
        return (
            f"the ex date {terms.ex_date} has begun: who held it then is not known any more; book what the broker paid "
            "with `quantd statement import`"
        )
    return "" if terms.pay_date >= terms.ex_date else f"pay date {terms.pay_date}: not before the ex date"


def _explained(engine: Trading, terms: Terms, difference_nanos: int) -> bool:
    ours = engine.money.ledger.holdings[terms.inst]
    return explains(num=terms.num, den=terms.den, ours_nanos=ours, theirs_nanos=ours + difference_nanos)


def _answer(engine: Trading, action: Action) -> str:
    line = told(action, engine.symbols[action.terms.inst])
    if action.state != KEPT or action.terms.kind == DIVIDEND:
        return line
    if action.terms.ex_date > engine.money.trading_date:
        return f"{line}; it begins with that trading day"
    return f"{line}; {_waits_for(engine, action)}"


# ---- a split -------------------------------------------------------------------------------------------------------
def _pending(engine: Trading, inst: int) -> Action | None:
    for action in engine.money.corporate.values():
        if action.state == KEPT and action.terms.kind == SPLIT and action.terms.inst == inst:
            return action
    return None


def _begin(engine: Trading, action: Action) -> None:
    """On its day: nothing new in the symbol, everything that rests comes off; then as soon as it can be."""
    terms = action.terms
    if terms.ex_date > engine.money.trading_date:
        return
    ladder.halt(
        engine, SPLIT_PENDING, f"{terms.action_id}: split {terms.ratio}", level=SYMBOL, scope=_symbol(engine, terms)
    )
    brackets.end(engine, SYMBOL, _symbol(engine, terms), f"split {terms.ratio}")  # its prices are of other shares
    for parent in list(engine.money.live_parents.values()):
        if parent.inst == terms.inst:
            engine.end_parent(parent, state=ParentState.CANCELLED, reason=f"split {terms.ratio}")
    for order in list(engine.money.live_orders.values()):
        if order.inst == terms.inst:
            engine.cancel(order.order_id, f"split {terms.ratio}")
    go_on(engine, terms.inst)


def go_on(engine: Trading, inst: int) -> None:
    """An order in the symbol is over, or the broker has told its positions: carry a split out that waits for it."""
    action = _pending(engine, inst)
    if action is None or action.terms.ex_date > engine.money.trading_date or _waits_for(engine, action):
        return
    _carry_out(engine, action)


def _waits_for(engine: Trading, action: Action) -> str:
    """What a split still waits for; "" = nothing."""
    money, terms = engine.money, action.terms
    live = [order.order_id for order in money.live_orders.values() if order.inst == terms.inst]
    if live:
        return f"waits for the end of orders {live}"
    found = position_differences(engine).get(terms.inst)
    held = money.ledger.holdings[terms.inst]
    if found is not None:
        return (
            "" if _explained(engine, terms, found.qty_nanos) else f"the broker's position is no {terms.ratio} of ours"
        )
    return "" if action.now or not held else "waits until the broker's position shows it"


def _carry_out(engine: Trading, action: Action) -> None:
    money, terms = engine.money, action.terms
    inst, symbol = terms.inst, _symbol(engine, terms)
    ledger = money.ledger
    held = ledger.holdings[inst]
    found = position_differences(engine).get(inst)
    total = split_total(held, num=terms.num, den=terms.den) if found is None else held + found.qty_nanos
    books = tuple((p.strategy, p.qty_nanos) for p in ledger.positions.values() if p.inst == inst and p.qty_nanos)
    mark, fresh = ladder.mark_of(engine, inst), _is_of_today(engine, inst)
    close = engine.context.previous_close_nanos[inst]
    old_close = not (fresh and close and abs(close - mark) * terms.den < abs(close * terms.den - mark * terms.num))
    after = share_out(books, total, num=terms.num, den=terms.den)
    engine.emit(
        b.SplitBooks(
            action_id=terms.action_id, inst=inst, num=terms.num, den=terms.den, books=after, rescaled=old_close
        )
    )
    _retarget(engine, terms, dict(books))
    if old_close:
        engine.context.split(terms)
    if not fresh:
        engine.market.forget(inst)
    engine.pipeline.forget(inst)
    engine.monitor.forget(inst)
    engine.stops.pop(inst, None)  # the stop went with the other orders: the next mark places one of the new shares
    engine.exposure.mark(inst, mark if fresh else share_of(mark, terms.den, terms.num), ledger)
    limits = _rescale_limits(engine, action)
    text = f"{symbol} {terms.ratio}: {exact_text(held)} became {exact_text(total)}; {limits}"
    engine.alert("SPLIT_APPLIED", "warning", f"{terms.action_id}: {text}")
    engine.emit(c.RequestSync(reason="split applied"))
    _lift(engine, inst, f"{terms.action_id} applied")


def _rescale_limits(engine: Trading, action: Action) -> str:
    """The symbol's own limits in shares become those of the new; overrides of one order are of the old ones and end."""
    terms, told = action.terms, []
    for override in list(engine.money.limit_changes.overrides):
        if override.inst == terms.inst:
            engine.emit(c.DropOverride(override_id=override.override_id, reason=f"split {terms.ratio}"))
    for limit in engine.gate.limits_after_split(_symbol(engine, terms), terms.num, terms.den):
        if limit.refusal:
            told.append(f"{limit.name} stays {limit.old}: {limit.refusal}")
            continue
        told.append(f"{limit.name} {limit.old} became {limit.value}")
        engine.emit(
            c.SetLimit(
                scope=limit.scope, name=limit.name, value=limit.value, old=limit.old, until_ns=limit.until_ns,
                reason=f"{terms.action_id}: split {terms.ratio}", by=action.by, raises=terms.num > terms.den,
            )
        )  # fmt: skip
    own = ", ".join(told) or "the symbol has no limits in shares of its own"
    return f"{own}; limits in shares of the account, a class or a strategy stay as they are"


def _retarget(engine: Trading, terms: Terms, before: dict[str, int]) -> None:
    """Targets of the old shares become those of the new; a strategy stands where it then is."""
    ledger, inst = engine.money.ledger, terms.inst
    for book in list(ledger.books.values()):
        target = book.targets.get(inst)
        if target is None:
            continue
        held = ledger.held_nanos(book.strategy, inst)
        scaled = held if target == before.get(book.strategy, 0) else split_total(target, num=terms.num, den=terms.den)
        engine.emit(c.SetTarget(strategy=book.strategy, inst=inst, qty_nanos=scaled))
    for strategy in engine.traders[inst]:
        strategy.adopt()


def _is_of_today(engine: Trading, inst: int) -> bool:
    """Whether the price at hand was made in the present day's regular hours: then it is of the new shares."""
    session = engine.context.calendars[inst].session(engine.ts_ns)
    quoted = max(engine.market.get(inst, "quote_ts_ns"), engine.market.get(inst, "last_ts_ns"))
    return session is not None and session.open_ns <= quoted and engine.market.mark_nanos(inst) > 0


def _symbol(engine: Trading, terms: Terms) -> str:
    return engine.symbols[terms.inst]


def _lift(engine: Trading, inst: int, reason: str) -> None:
    symbol = engine.symbols[inst]
    for latch in engine.money.latches.held(SYMBOL, symbol):
        if latch.code in (SPLIT_PENDING, SUSPECTED):
            ladder.lift(engine, latch, reason, "trader")
    ladder.unpause(engine)
    refence(engine)
    reconcile_all(engine)


# ---- what the days and the broker bring ----------------------------------------------------------------------------
def on_day(engine: Trading) -> None:
    """A trading day begins: splits of that day begin, dividends are due on what is held now."""
    for action in list(engine.money.corporate.values()):
        terms = action.terms
        if action.state != KEPT or terms.ex_date > engine.money.trading_date:
            continue
        if terms.kind == SPLIT:
            _begin(engine, action)
            continue
        positions = [p for p in engine.money.ledger.positions.values() if p.inst == terms.inst and p.qty_nanos]
        books = tuple((p.strategy, *dividend_of(terms, p.qty_nanos)) for p in positions)
        engine.emit(b.AccrueDividend(action_id=terms.action_id, books=books))
        engine.alert("DIVIDEND_DUE", "info", told(action, engine.symbols[terms.inst]))


def on_positions(engine: Trading) -> None:
    """A complete sync: what it shows carries a waiting split out, or makes one suspected."""
    for inst, found in position_differences(engine).items():
        go_on(engine, inst)
        ours = engine.money.ledger.holdings[inst]
        close, mark = engine.context.previous_close_nanos[inst], engine.market.mark_nanos(inst)
        ratio = suspected_ratio(close, mark) if found in engine.money.differences else None
        if ratio and explains(num=ratio[0], den=ratio[1], ours_nanos=ours, theirs_nanos=ours + found.qty_nanos):
            _suspect(engine, inst, ratio, found.text)


def book_paid(engine: Trading, difference_nanos: int) -> bool:
    """Whether the broker's cash shows that dividends were paid that were due by today; books them."""
    money = engine.money
    due = [
        action
        for action in money.corporate.values()
        if action.state == ACCRUED
        and action.terms.pay_date <= money.trading_date
        and action.terms.currency == money.settings.currency
    ]
    for paid in (due, *([action] for action in due)):
        net = sum(action.gross_nanos - action.withheld_nanos for action in paid)
        if paid and abs(net - difference_nanos) <= PAID_TOLERANCE_NANOS * len(paid):
            for action in paid:
                engine.emit(
                    b.PayDividend(
                        action_id=action.terms.action_id, currency=action.terms.currency,
                        gross_nanos=action.gross_nanos, withheld_nanos=action.withheld_nanos,
                        reason="the broker's cash shows it",
                    )
                )  # fmt: skip
            return True
    return False


def watch_splits(engine: Trading) -> None:
    """A price that only a split explains, while nothing says that there was none. Ordered by instrument."""
    closes, market = engine.context.previous_close_nanos, engine.market
    for inst, close in enumerate(closes):
        px = market.mark_nanos(inst)
        if 7 * close < 10 * px < 14 * close or not close or not px:
            continue
        ratio = suspected_ratio(close, px)
        if ratio is not None and _is_of_today(engine, inst) and not _denied(engine, inst):
            _suspect(engine, inst, ratio, f"{exact_text(px)} after a close of {exact_text(close)}")


def _denied(engine: Trading, inst: int) -> bool:
    """The broker shows the quantity that we hold, or the split of today is known: the price has moved by itself."""
    money = engine.money
    if any(a.terms.inst == inst and a.terms.kind == SPLIT and a.state in (KEPT, DONE) and
           a.terms.ex_date == money.trading_date for a in money.corporate.values()):  # fmt: skip
        return True
    session = engine.context.calendars[inst].session(engine.ts_ns)
    synced = session is not None and money.last_sync_ts_ns >= session.pre_open_ns
    return bool(money.ledger.holdings[inst]) and synced and inst not in position_differences(engine)


def _suspect(engine: Trading, inst: int, ratio: tuple[int, int], why: str) -> None:
    """Tell it once a day. What is held may be another quantity now: nothing trades; flat: nothing is opened."""
    money, symbol = engine.money, engine.symbols[inst]
    if money.suspected.get(inst) == money.trading_date:
        return
    num, den = ratio
    engine.emit(b.SuspectSplit(inst=inst, num=num, den=den, text=why))
    reason = f"split {num}:{den} suspected: {why}; `quantd corporate apply`, or `quantd resume --symbol {symbol}`"
    state = HALTED if inst in position_differences(engine) else REDUCING
    ladder.move_ladder(
        engine,
        c.MoveLadder(
            level=SYMBOL, scope=symbol, state=state, code=SUSPECTED, reason=reason, by="trader", value=f"{num}:{den}"
        ),
    )
