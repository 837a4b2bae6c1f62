"""Taking over an account that held something before we did: positions into named books, cash as a deposit.

Nothing here trades and nothing is lifted: the account stays halted until a sync shows no difference and an operator
resumes it.
"""

from core import commands as c
from core import events as e
from core.engine.authority import confirmed
from core.engine.ladder import mark_of
from core.engine.scope import refence
from core.engine.trading import Trading
from core.latches import ACCOUNT
from core.ledger import UNCLAIMED
from core.money.state import READY
from core.positions import value_at
from core.reconcile import Difference
from core.units import exact_text

AVERAGE = "average"
MARK = "mark"


def on_adopted(engine: Trading, event: e.AccountAdopted) -> None:
    """Book what the operator confirmed, exactly that, or nothing at all."""
    refusal = _why_not(engine, event)
    if refusal:
        engine.reply = (False, refusal)
        return
    subject = f"adopt {len(event.positions)} positions and {exact_text(event.cash_nanos)} of cash"
    by = confirmed(engine, event, subject, level=ACCOUNT, state=f"{event.at} {event.positions}")
    if not by:
        return
    money = engine.money
    differences = position_differences(engine)
    note = f"{by}: {event.reason}"
    for inst, _, strategy in event.positions:
        if strategy != UNCLAIMED:
            _claim(engine, inst, strategy, event.at, note)
        found = differences.get(inst)
        if found is not None:
            _take(engine, found, strategy, event.at, note)
        if strategy != UNCLAIMED:
            held = money.ledger.held_nanos(strategy, inst)
            engine.emit(c.SetTarget(strategy=strategy, inst=inst, qty_nanos=held))
        engine.exposure.mark(inst, engine.market.mark_nanos(inst), money.ledger)
    if event.cash_nanos:
        currency = money.settings.currency
        engine.emit(c.AdjustCash(currency=currency, amount_nanos=event.cash_nanos, reason=note, kind="deposit"))
    for strategy in dict.fromkeys(owner for _, _, owner in event.positions):
        if strategy in engine.strategies:
            engine.strategies[strategy].adopt()  # it stands where its targets now say, and trades on from there
    engine.emit(c.RequestSync(reason="account adopted"))
    refence(engine)
    engine.reply = (True, _done(engine, event))


def adoptable_nanos(engine: Trading, inst: int, strategy: str) -> int:
    """What may be given to a book: what the broker holds beyond our books and, for a strategy, what is nobody's."""
    found = position_differences(engine).get(inst)
    unclaimed = 0 if strategy == UNCLAIMED else engine.money.ledger.held_nanos(UNCLAIMED, inst)
    return unclaimed + (0 if found is None else found.qty_nanos)


def position_differences(engine: Trading) -> dict[int, Difference]:
    """The report's positions in declared instruments."""
    return {found.inst: found for found in engine.money.differences if found.kind == "position" and found.inst >= 0}


def _claim(engine: Trading, inst: int, strategy: str, at: str, note: str) -> None:
    """What was nobody's becomes the strategy's, from one book to the other: the account as a whole does not move."""
    position = engine.money.ledger.positions.get((UNCLAIMED, inst))
    if position is None or not position.qty_nanos:
        return
    qty = position.qty_nanos
    px = position.average_px_nanos if at == AVERAGE else mark_of(engine, inst)
    engine.emit(c.TransferPosition(inst=inst, qty_nanos=-qty, px_nanos=px, reason=note))
    engine.emit(c.TransferPosition(inst=inst, qty_nanos=qty, px_nanos=px, reason=note, strategy=strategy))


def _take(engine: Trading, found: Difference, strategy: str, at: str, note: str) -> None:
    mark = mark_of(engine, found.inst)
    px = found.average_cost_nanos if at == AVERAGE else mark
    engine.emit(
        c.TransferPosition(
            inst=found.inst,
            qty_nanos=found.qty_nanos,
            px_nanos=px,
            reason=note,
            strategy=strategy,
            deposit_nanos=value_at(found.qty_nanos, mark or px),
        )
    )


def _why_not(engine: Trading, event: e.AccountAdopted) -> str:
    """The first thing that forbids it; "" = nothing does."""
    money = engine.money
    if not money.last_sync_ts_ns:
        return "no complete synchronisation yet: the broker has not said what it holds; try again in a moment"
    if money.link != READY:
        return "the link to the broker is not READY: what it holds may have changed; wait for the next synchronisation"
    if not event.positions and not event.cash_nanos:
        return "nothing to adopt: the books agree with the broker"
    if event.cash_nanos and event.cash_nanos != money.cash_difference_nanos:
        now, seen = exact_text(money.cash_difference_nanos), exact_text(event.cash_nanos)
        return f"cash: the broker's differs by {now} now, not by {seen}: look again"
    insts = [inst for inst, _, _ in event.positions]
    if len(set(insts)) != len(insts):
        return "an instrument is given away twice"
    for inst, qty, strategy in event.positions:
        refusal = _why_not_position(engine, inst, qty, strategy, event.at)
        if refusal:
            return f"{engine.symbols[inst]}: {refusal}"
    return ""


def _why_not_position(engine: Trading, inst: int, qty: int, strategy: str, at: str) -> str:
    money = engine.money
    there = adoptable_nanos(engine, inst, strategy)
    if not qty or qty != there:
        return f"{exact_text(there)} can be adopted now, not {exact_text(qty)}: look again"
    trader = engine.strategies.get(strategy)
    if strategy != UNCLAIMED and (trader is None or inst not in trader.instruments):
        return f"strategy {strategy} does not trade it: give it to one that does, or to nobody"
    if any(parent.strategy == strategy for parent in money.live_parents.of(inst)):
        return f"{strategy} has a schedule in it: halt it and wait until its orders are gone"
    if at == MARK:
        return "" if mark_of(engine, inst) else "no price to take it over at yet: wait for its first quote"
    found = position_differences(engine).get(inst)
    if found is None:
        return ""
    if not found.average_cost_nanos:
        return "the broker gave no average cost: use --at mark"
    ours = money.ledger.holdings[inst]
    # The broker's average is that of the whole position: it says nothing about a part of it.
    return f"our books hold {exact_text(ours)} of it already: use --at mark" if ours else ""


def _done(engine: Trading, event: e.AccountAdopted) -> str:
    left = "; ".join(found.text for found in engine.money.differences)
    rest = f"; still different: {left}" if left else ""
    done = f"adopted {len(event.positions)} positions and {exact_text(event.cash_nanos)} of cash"
    return f"{done}; checking with the broker again{rest}"
