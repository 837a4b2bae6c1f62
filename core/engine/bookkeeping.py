"""Booking what a broker's statement says and the books lack: each line once, all of them or none."""

from core import book_commands as b
from core import commands as c
from core import events as e
from core.corporate import FEE_KINDS_MAX, LINE_KINDS, BookLine
from core.engine.authority import confirmed
from core.engine.ladder import mark_of
from core.engine.trading import Trading
from core.latches import ACCOUNT


def on_corrected(engine: Trading, event: e.BooksCorrected) -> None:
    """Check every line before the first is booked; lines that were booked before are passed over."""
    for line in event.lines:
        refusal = _why_not(engine, line)
        if refusal:
            engine.reply = (False, f"{line.line_id}: {refusal}")
            return
    fresh = [line for line in event.lines if not _is_booked(engine, line)]
    old = len(event.lines) - len(fresh)
    before = f"; {old} were booked before" if old else ""
    if not fresh:
        engine.reply = (True, f"nothing to book{before}")
        return
    by = confirmed(engine, event, f"book {len(fresh)} corrections", level=ACCOUNT, state=f"{event.lines}")
    if not by:
        return
    for line in fresh:
        engine.emit(b.CorrectBooks(line=line, by=by, reason=event.reason))
    ledger = engine.money.ledger
    for inst in dict.fromkeys(line.inst for line in fresh if line.inst >= 0):
        engine.exposure.mark(inst, mark_of(engine, inst), ledger)
    engine.reply = (True, f"{len(fresh)} lines booked{before}; checking with the broker again")
    if all(line.kind == "fees" for line in fresh):  # a sum that is known got its parts: nothing moved
        engine.reply = (True, f"{len(fresh)} commissions by kind{before}")
        return
    engine.alert("BOOKS_CORRECTED", "warning", f"{by} booked {len(fresh)} lines: {event.reason}")
    engine.emit(c.RequestSync(reason="books corrected"))


def _is_booked(engine: Trading, line: BookLine) -> bool:
    money = engine.money
    known = money.ledger.executions.get(line.exec_id) if line.kind != "cash" else None
    if line.kind == "execution":
        return known is not None or line.line_id in money.booked_lines
    if line.kind == "commission" and known is not None:
        return known.commission_known and known.commission_nanos == line.commission_nanos
    if line.kind == "fees" and known is not None:
        return known.fees == line.fees
    return line.line_id in money.booked_lines


def _why_not(engine: Trading, line: BookLine) -> str:
    """What forbids one line; "" = nothing does."""
    ledger = engine.money.ledger
    if line.kind not in LINE_KINDS:
        return f"{line.kind!r} is no kind of correction: one of {', '.join(LINE_KINDS)}"
    if line.kind == "execution":
        if not 0 <= line.inst < len(ledger.holdings) or line.side not in (1, -1):
            return "an execution needs a configured symbol and a side"
        if line.qty_nanos <= 0 or line.px_nanos <= 0 or not line.exec_id:
            return "an execution needs an id, and a quantity and a price above 0"
        earlier = ledger.version_before(line.exec_id)
        return f"it corrects {earlier}, which is booked: book the correction" if earlier else ""
    if line.kind == "correction":
        if line.exec_id not in ledger.executions:
            return f"execution {line.exec_id} is older than what the books can still correct: ask for an adjustment"
        return "" if line.qty_nanos >= 0 and line.px_nanos >= 0 else "quantity and price: not below 0"
    if line.kind == "conversion":
        currencies = (line.currency, line.other_currency)
        if ledger.currency not in currencies or currencies[0] == currencies[1]:
            return f"a conversion is between {ledger.currency} and another currency"
        return "" if line.amount_nanos > 0 and line.other_nanos > 0 else "both amounts of a conversion: above 0"
    if line.kind == "fees":
        if not line.exec_id or not 0 < len(line.fees) <= FEE_KINDS_MAX or not all(kind for kind, _ in line.fees):
            return f"fees need an execution and 1 to {FEE_KINDS_MAX} kinds"
        whole = sum(amount for _, amount in line.fees)
        return "" if whole == line.commission_nanos else "the kinds of a commission must add up to it"
    if line.kind == "cash":
        return "" if line.amount_nanos and line.currency and line.cash_kind else "cash needs amount, currency and kind"
    return ""
