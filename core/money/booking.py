"""Folding corporate actions and corrections of the books. What may be booked was decided before the command came."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from core import book_commands as b
from core.corporate import (
    ACCRUED,
    ACTIONS_MAX,
    DIVIDEND,
    DONE,
    KEPT,
    PAID,
    WITHDRAWAL,
    WITHDRAWN,
    Action,
    BookLine,
)
from core.ledger import UNCLAIMED, Execution
from core.money.inputs import correct
from core.money.state import OWNERS, Money
from core.story import tell
from core.units import exact_text, notional_nanos, share_of

LINES_KEPT_MAX: Final = 8_192  # ids of booked lines remembered, the newest
WITHHOLDING: Final = "withholding"


def _keep(m: Money, command: b.KeepCorporateAction) -> None:
    terms = command.terms
    if terms.kind == WITHDRAWAL:
        _withdraw(m, m.corporate[terms.action_id])
        return
    over = [key for key, action in m.corporate.items() if action.state not in (KEPT, ACCRUED)]
    for key in over[: max(0, len(m.corporate) + 1 - ACTIONS_MAX)]:
        del m.corporate[key]
    m.corporate[terms.action_id] = Action(
        terms=terms, by=command.by, reason=command.reason, now=command.now, since_ns=m.ts_ns
    )


def _withdraw(m: Money, action: Action) -> None:
    """It waits no more; a dividend that is due never was, as far as it has not been paid."""
    if action.state == ACCRUED:
        left = action.gross_nanos - action.withheld_nanos
        whole = action.due_nanos
        m.ledger.release(action.terms.currency, left)
        for strategy, income in action.income if whole else ():
            m.ledger.book_of(strategy).income_nanos -= share_of(income, left, whole)
        action.gross_nanos = action.withheld_nanos = 0
    action.state = WITHDRAWN


def _split(m: Money, command: b.SplitBooks) -> None:
    action = m.corporate[command.action_id]
    m.ledger.split(command.inst, command.books, num=command.num, den=command.den)
    action.state, action.done_ns, action.rescaled = DONE, m.ts_ns, command.rescaled
    m.differences = tuple(found for found in m.differences if found.inst != command.inst)
    borrow = m.conditions.borrow[command.inst]
    if borrow.shares_nanos > 0:
        m.conditions.borrow[command.inst] = msgspec.structs.replace(
            borrow, shares_nanos=borrow.shares_nanos * command.num // command.den
        )


def _cross(m: Money, command: b.CrossBooks) -> None:
    m.ledger.cross(
        command.inst,
        buyer=command.buyer,
        seller=command.seller,
        qty_nanos=command.qty_nanos,
        px_nanos=command.px_nanos,
        seq=m.seq,
    )
    value = notional_nanos(command.px_nanos, command.qty_nanos)
    for strategy, parent_id in ((command.buyer, command.buyer_parent), (command.seller, command.seller_parent)):
        m.counters.cross(m.ts_ns, m.trading_date, strategy, command.inst, value, command.qty_nanos)
        parent = m.parents.get(parent_id)
        if parent is not None:
            parent.filled_nanos += command.qty_nanos
            parent.crossed_nanos += command.qty_nanos
            parent.value_nanos += value
            tell(parent.story, m.seq, m.ts_ns, f"CROSSED {exact_text(command.qty_nanos)}")


def _accrue(m: Money, command: b.AccrueDividend) -> None:
    action = m.corporate[command.action_id]
    income = []
    for strategy, gross, withheld in command.books:
        m.ledger.accrue(strategy, action.terms.currency, gross - withheld)
        income.append((strategy, m.ledger.in_base_nanos(action.terms.currency, gross - withheld)))
        action.gross_nanos += gross
        action.withheld_nanos += withheld
    action.income, action.due_nanos = tuple(income), action.gross_nanos - action.withheld_nanos
    action.state, action.done_ns = ACCRUED if action.gross_nanos else PAID, m.ts_ns


def _pay(m: Money, command: b.PayDividend) -> None:
    action = m.corporate[command.action_id]
    currency, gross, withheld = command.currency, command.gross_nanos, command.withheld_nanos
    _settle(m, action, gross, withheld)
    m.ledger.adjust(currency, gross, DIVIDEND)
    if withheld:
        m.ledger.adjust(currency, -withheld, WITHHOLDING)
    if currency == m.settings.currency:
        m.cash_difference_nanos -= gross - withheld


def _settle(m: Money, action: Action, gross: int, withheld: int) -> None:
    """So much of what was due is due no more."""
    action.gross_nanos -= gross
    action.withheld_nanos -= withheld
    m.ledger.release(action.terms.currency, gross - withheld)
    if not action.gross_nanos and not action.withheld_nanos:
        action.state = PAID


def _suspect(m: Money, command: b.SuspectSplit) -> None:
    m.suspected[command.inst] = m.trading_date


def _correct(m: Money, command: b.CorrectBooks) -> None:
    line = command.line
    if line.line_id in m.booked_lines:
        return
    if line.kind != "fees" or line.exec_id not in m.ledger.executions:  # else the execution itself remembers
        m.booked_lines[line.line_id] = None
    if len(m.booked_lines) > LINES_KEPT_MAX:
        del m.booked_lines[next(iter(m.booked_lines))]
    _LINES[line.kind](m, line)


def _execution(m: Money, line: BookLine) -> None:
    booked = m.ledger.execute(
        Execution(
            exec_id=line.exec_id, order_id=0, strategy=UNCLAIMED, inst=line.inst, side=line.side,
            qty_nanos=line.qty_nanos, px_nanos=line.px_nanos, ts_ns=m.ts_ns, seq=m.seq,
        )
    )  # fmt: skip
    if booked:
        m.ledger.charge(line.exec_id, line.commission_nanos)
        m.differences = tuple(found for found in m.differences if found.inst != line.inst)


def _replace(m: Money, line: BookLine) -> None:
    correct(m, 0, line.exec_id, line.line_id, line.qty_nanos, line.px_nanos)


def _commission(m: Money, line: BookLine) -> None:
    """Of an execution that is older than the books remember, the change alone is cash of its kind."""
    if line.exec_id in m.ledger.executions:
        m.ledger.charge(line.exec_id, line.commission_nanos)
    elif line.amount_nanos:
        m.ledger.adjust(m.settings.currency, line.amount_nanos, "commission")


def _fees(m: Money, line: BookLine) -> None:
    m.ledger.name_fees(line.exec_id, line.fees)


def _cash(m: Money, line: BookLine) -> None:
    m.adjust_cash(line.currency, line.amount_nanos, line.cash_kind)
    if line.cash_kind in OWNERS and line.currency == m.settings.currency:
        m.cash_difference_nanos -= line.amount_nanos
    if line.cash_kind not in (DIVIDEND, WITHHOLDING):
        return
    for action in m.corporate.values():  # the oldest that is due: what was paid takes its place, whatever it was
        if action.state == ACCRUED and action.terms.inst == line.inst and action.terms.currency == line.currency:
            gross, withheld = (action.gross_nanos, 0) if line.cash_kind == DIVIDEND else (0, action.withheld_nanos)
            if gross or withheld:
                _settle(m, action, gross, withheld)
                return


def _convert(m: Money, line: BookLine) -> None:
    """The first rate of a currency says what we had of it all along: that is no profit."""
    ledger = m.ledger
    other = line.other_currency if line.currency == ledger.currency else line.currency
    held = 0 if other in ledger.rates else ledger.cash.get(other, 0)
    ledger.convert(line.currency, line.amount_nanos, line.other_currency, line.other_nanos)
    m.deposit(ledger.in_base_nanos(other, held))
    if line.commission_nanos:
        m.ledger.adjust(m.settings.currency, -line.commission_nanos, "fee")


_LINES: Final[dict[str, Callable[[Money, BookLine], None]]] = {
    "execution": _execution,
    "correction": _replace,
    "commission": _commission,
    "cash": _cash,
    "conversion": _convert,
    "fees": _fees,
}

BOOKED: Final[dict[type, Callable[[Money, Any], None]]] = {
    b.KeepCorporateAction: _keep,
    b.SplitBooks: _split,
    b.CrossBooks: _cross,
    b.AccrueDividend: _accrue,
    b.PayDividend: _pay,
    b.SuspectSplit: _suspect,
    b.CorrectBooks: _correct,
}
