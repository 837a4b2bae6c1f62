"""What the books hold of a period: executions, cash that moved without a trade, and how the period ended. Folded with
core's own code from the last days before it (checkpoint.py), else from the journal's begin; needs no running trader.
"""

from pathlib import Path
from typing import Any

import msgspec

from core import book_commands as b
from core import commands as c
from core import events as e
from core.corporate import DONE, SPLIT
from core.errors import JournalError
from core.ledger import Execution
from core.money.state import Money
from core.records import COMMAND, INPUT, OUTCOME, REFERENCE, decode
from core.reference import InstrumentLoaded
from daemon.journal import JournalReader
from daemon.statement.checkpoint import day_before, keep, start


class Moved(msgspec.Struct, kw_only=True):
    """Cash that the books moved without a trade."""

    date: int
    currency: str
    kind: str
    amount_nanos: int
    line_id: str = ""
    taken: bool = False  # a line of the statement says the same


class Booked(msgspec.Struct, kw_only=True):
    """The books' side of the comparison."""

    account: str
    currency: str
    symbols: tuple[str, ...] = ()
    con_ids: dict[int, str] = {}
    executions: dict[str, Execution] = {}  # every one since the fold began, by each id it had
    dates: dict[int, int] = {}  # trading day by the seq of the execution
    cash: list[Moved] = []
    lines: dict[str, int] = {}  # trading day of every correction booked, by id; 0 = before the fold began
    closing: dict[int, tuple[int, int, int]] = {}  # quantity, price and cost at the period's end, by seq
    corporate: list[tuple[str, str]] = []  # (symbol, what) of splits carried out
    holdings: dict[str, int] = {}  # at the period's end
    ending_cash: dict[str, int] = {}
    ended: bool = False  # a later day has begun


def booked_until(directory: Path, from_date: int, to_date: int, kept: Path | None = None) -> Booked:
    """The books as they were when the trading day `to_date` was over, and everything since a week before `from_date`
    that led there, corrections of later days included. `kept` is where the books before the period are remembered, so
    that the next comparison begins there. Raises JournalError.
    """
    before = day_before(from_date)
    books, from_seq = start(directory, kept, before)
    found = Booked(account="", currency="")
    for record in JournalReader(directory).references():
        message = decode(record.kind, record.payload)
        if type(message) is InstrumentLoaded:
            found.con_ids[message.instrument.con_id] = message.instrument.symbol
    if books.money is not None:
        _begin(found, books.money)
    behind = books.money is None or books.money.trading_date < before
    for record in JournalReader(directory, from_seq=from_seq).messages():
        if record.kind not in (INPUT, COMMAND, OUTCOME, REFERENCE) or record.seq < from_seq:
            continue
        message = decode(record.kind, record.payload)
        if behind and type(message) is e.DayRolled and message.date >= before and books.money is not None:
            behind = False
            if kept is not None and books.money.trading_date and record.seq > from_seq:
                keep(directory, kept, books.money, record.seq - 1)
        if type(message) is e.DayRolled and message.date > to_date and not found.ended and books.money is not None:
            found.ended = True
            _close(found, books.money)
        moved = books.take(record.kind, record.seq, record.ts_ns, message)
        if moved.fault:
            raise JournalError(f"record {record.seq}: {moved.fault}")
        money = books.money
        if money is None:
            continue
        if moved.execution is not None:
            found.executions[moved.exec_id] = moved.execution
            found.dates.setdefault(moved.execution.seq, money.trading_date)
        _take_cash(found, message, money)
        if type(message) is b.SplitBooks:
            found.corporate.append((money.settings.symbols[message.inst], f"split {message.num}:{message.den}"))
    if books.money is None:
        raise JournalError(f"{directory}: no books in this journal")
    found.symbols = books.money.settings.symbols
    found.account, found.currency = books.money.settings.account, books.money.settings.currency
    if not found.ended:
        _close(found, books.money)
    return found


def _begin(found: Booked, money: Money) -> None:
    """What was there when the fold began."""
    found.executions.update(money.ledger.executions)
    found.lines.update(dict.fromkeys(money.booked_lines, 0))
    for action in money.corporate.values():
        if action.terms.kind == SPLIT and action.state == DONE:
            found.corporate.append((money.settings.symbols[action.terms.inst], f"split {action.terms.ratio}"))


def _close(found: Booked, money: Money) -> None:
    held = enumerate(money.ledger.holdings)
    found.holdings = {money.settings.symbols[inst]: qty for inst, qty in held if qty}
    found.ending_cash = dict(money.ledger.cash)
    found.closing = {x.seq: (x.qty_nanos, x.px_nanos, x.commission_nanos) for x in found.executions.values()}


def _take_cash(found: Booked, message: Any, money: Money) -> None:
    def add(currency: str, kind: str, amount: int, line_id: str = "") -> None:
        day = money.trading_date
        if amount:
            found.cash.append(Moved(date=day, currency=currency, kind=kind, amount_nanos=amount, line_id=line_id))

    if type(message) in (e.CashAdjusted, c.AdjustCash):
        add(message.currency, message.kind or "difference", message.amount_nanos)
    elif type(message) is b.PayDividend:
        add(message.currency, "dividend", message.gross_nanos)
        add(message.currency, "withholding", -message.withheld_nanos)
    elif type(message) is b.CorrectBooks:
        line = message.line
        found.lines.setdefault(line.line_id, money.trading_date)
        if line.kind != "cash":
            return
        add(line.currency, line.cash_kind, line.amount_nanos, line.line_id)
