"""An activity statement as the broker's Flex query writes it (XML), as plain rows. Knows no books.

The file comes from outside: no entity and no document type is taken, and size, depth and count are bounded. A fault
names its line, element and field.
"""

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from pathlib import Path
from typing import Final, NoReturn
from xml.parsers import expat

import msgspec

from core.errors import ConfigError
from core.units import NANO
from daemon.statement.rows import CashLine, Conversion, CorporateLine, Holding, Statement, Trade

FILE_BYTES_MAX: Final = 256 << 20
DEPTH_MAX: Final = 16
ELEMENTS_MAX: Final = 2_000_000
TEXT_MAX: Final = 1_000  # of one field that is kept
STOCK: Final = "STK"
CASH: Final = "CASH"
_AMOUNT_MAX: Final = Decimal(10) ** 12


_CASH_KINDS: Final = {
    "Deposits/Withdrawals": "deposit",
    "Deposits & Withdrawals": "deposit",
    "Dividends": "dividend",
    "Payment In Lieu Of Dividends": "dividend",
    "Withholding Tax": "withholding",
    "Broker Interest Paid": "interest",
    "Broker Interest Received": "interest",
    "Bond Interest Paid": "interest",
    "Bond Interest Received": "interest",
    "Other Fees": "fee",
    "Broker Fees": "fee",
    "Advisor Fees": "fee",
    "Commission Adjustments": "commission",
}
CANCELS: Final = ("TradeCancel", "FracShareCancel")
FRACTIONS: Final = ("FracShare",)
IN_LIEU: Final = "in lieu"
FEE_KINDS: Final = {
    "brokerExecutionCharge": "commission",
    "brokerClearingCharge": "commission",
    "thirdPartyExecutionCharge": "exchange",
    "thirdPartyClearingCharge": "clearing",
    "regFINRATradingActivityFee": "taf",
    "regSection31TransactionFee": "sec31",
    "regOther": "regulatory",
    "other": "other",
}
SECTIONS: Final = ("Trades", "CashTransactions", "OpenPositions", "CashReport", "CorporateActions")


class _Fields:
    """The attributes of one element, read by name."""

    def __init__(self, place: str, attributes: dict[str, str]) -> None:
        self._place = place
        self._attributes = attributes

    def fail(self, name: str, why: str) -> NoReturn:
        raise ConfigError(f"{self._place}.{name}: {why}")

    def text(self, name: str, *, needed: bool = False) -> str:
        value = self._attributes.get(name, "").strip()
        if needed and not value:
            self.fail(name, "is missing: add it to the Flex query")
        if len(value) > TEXT_MAX:
            self.fail(name, f"{len(value)} characters, at most {TEXT_MAX}")
        return value

    def number(self, name: str, *, needed: bool = False) -> int:
        """A decimal in nanos, half-even beyond nine places."""
        text = self.text(name, needed=needed)
        if not text:
            return 0
        try:
            value = Decimal(text.replace(",", ""))
        except InvalidOperation:
            self.fail(name, f"{text[:40]!r} is not a number")
        if not value.is_finite() or abs(value) > _AMOUNT_MAX:
            self.fail(name, f"{text[:40]!r} is out of bounds")
        return int((value * NANO).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))

    def date(self, *names: str) -> int:
        """The first of these that is there, as yyyymmdd; a time of day is left out."""
        for name in names:
            text = self.text(name)
            if not text:
                continue
            day = "".join(sign for sign in text[:10] if sign.isdigit())[:8]
            if len(day) != 8 or not (1 <= int(day[4:6]) <= 12 and 1 <= int(day[6:]) <= 31):
                self.fail(name, f"{text[:40]!r} is no day: set the query's date format to yyyyMMdd")
            return int(day)
        self.fail(names[0], "is missing: add it to the Flex query")

    def con_id(self) -> int:
        text = self.text("conid")
        return int(text) if text.isdigit() and len(text) < 16 else 0

    def is_detail(self, *levels: str) -> bool:
        """Sums of other levels stand beside the single lines."""
        return self.text("levelOfDetail") in ("", *levels)


class _Reader:
    """Takes elements one by one; keeps those of one account."""

    def __init__(self, path: Path, account: str) -> None:
        self._path = path
        self._account = account
        self._parser = expat.ParserCreate()
        self._depth = self._count = 0
        self._mine = False
        self.accounts: list[str] = []
        self.statement: Statement | None = None
        self._seen: set[str] = set()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._no_doctype
        self._parser.EntityDeclHandler = self._no_doctype

    def read(self) -> None:
        try:
            with self._path.open("rb") as file:
                self._parser.ParseFile(file)
        except expat.ExpatError as fault:
            line = getattr(fault, "lineno", self._parser.CurrentLineNumber)
            raise ConfigError(
                f"{self._path}: line {line}: is no well-formed XML ({fault}): download it again, whole"
            ) from None

    def _no_doctype(self, *_: object) -> NoReturn:
        line = self._parser.CurrentLineNumber
        raise ConfigError(f"{self._path}: line {line}: document types and entities are not read; a statement has none")

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name == "FlexStatement":
            self._mine = False

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._count += 1
        line = self._parser.CurrentLineNumber
        if self._depth > DEPTH_MAX or self._count > ELEMENTS_MAX:
            raise ConfigError(f"{self._path}: line {line}: deeper or longer than any statement")
        if self._count == 1 and name != "FlexQueryResponse":
            raise ConfigError(f"{self._path}: line {line}: {name}: not a Flex statement (FlexQueryResponse)")
        fields = _Fields(f"{self._path}: line {line}: {name}", attributes)
        if name == "FlexStatement":
            self._open(fields)
        elif self._mine and self.statement is not None:
            if name in SECTIONS and name not in self.statement.sections:
                self.statement.sections.append(name)
            take = _ELEMENTS.get(name)
            if take is not None and fields.text("accountId") in ("", self._account):
                take(self.statement, fields, line, self._seen)

    def _open(self, fields: _Fields) -> None:
        account = fields.text("accountId", needed=True)
        self.accounts.append(account)
        self._mine = account == self._account
        if not self._mine:
            return
        first, last = fields.date("fromDate"), fields.date("toDate")
        if self.statement is not None:
            fields.fail("accountId", f"{account} has two statements in one file: import them one by one")
        if first > last:
            fields.fail("toDate", f"{last} is before {first}")
        self.statement = Statement(account=account, from_date=first, to_date=last)


def read_flex(path: Path, account: str) -> Statement:
    """The statement of one account. Raises ConfigError naming line and field, or what is wrong with the file."""
    try:
        size = path.stat().st_size
    except OSError as fault:
        raise ConfigError(f"{path}: cannot be read: {fault.strerror}") from fault
    if size > FILE_BYTES_MAX:
        raise ConfigError(f"{path}: {size} bytes are no statement of one account")
    reader = _Reader(path, account)
    reader.read()
    if reader.statement is None:
        found = ", ".join(reader.accounts[:5]) or "none"
        raise ConfigError(f"{path}: no statement of account {account}; the file has: {found}")
    return reader.statement


def _trade(statement: Statement, f: _Fields, line: int, seen: set[str]) -> None:
    if not f.is_detail("EXECUTION"):
        return
    category = f.text("assetCategory", needed=True)
    if category not in (STOCK, CASH):
        statement.others[category] = statement.others.get(category, 0) + 1
        return
    kind, trade_id, exec_id = f.text("transactionType"), f.text("tradeID"), f.text("ibExecID")
    taken_back = kind in CANCELS or "(Ca.)" in f.text("buySell")
    key = f"{exec_id} {trade_id} {f.text('transactionID')}"
    if not key.strip() or not (exec_id or trade_id or taken_back or kind in FRACTIONS):
        f.fail("ibExecID", "is missing, and tradeID too: add them to the Flex query")
    if key in seen:
        return
    seen.add(key)
    qty, px = f.number("quantity", needed=True), f.number("tradePrice", needed=True)
    cost = -f.number("ibCommission") - f.number("taxes")
    date = f.date("tradeDate", "dateTime")
    if not qty or px < 0:
        f.fail("quantity" if not qty else "tradePrice", "is no trade")
    if category == CASH:
        if taken_back:
            f.fail("transactionType", "a conversion that was taken back: book its two amounts by hand, as cash")
        _convert(statement, f, line, trade_id=trade_id or exec_id, qty=qty, cost=cost, date=date)
        return
    trade = Trade(
        line=line, exec_id=exec_id, trade_id=trade_id, symbol=f.text("symbol", needed=True), con_id=f.con_id(),
        date=date, side=1 if qty > 0 else -1, qty_nanos=abs(qty), px_nanos=px, cost_nanos=cost,
        currency=f.text("currency", needed=True),
    )  # fmt: skip
    if kind in FRACTIONS:
        _fraction(statement, f, trade)
    elif taken_back:
        _take_back(statement, trade, f.text("origTradeID"))
    else:
        _stand(statement, f, trade)


def _stand(statement: Statement, f: _Fields, trade: Trade) -> None:
    """A trade that stands; one booked again after it was taken back has the costs of all its rows."""
    before = [one for one in statement.cancelled if trade.trade_id and one.trade_id == trade.trade_id]
    for one in before:
        statement.cancelled.remove(one)
    cost = trade.cost_nanos + sum(one.cost_nanos for one in before)
    own = f.text("ibCommissionCurrency")
    if cost and own not in ("", trade.currency):
        line_id = f"commission of {trade.exec_id or trade.trade_id}"
        statement.cash.append(
            CashLine(
                line=trade.line, line_id=line_id, kind="commission", currency=own, amount_nanos=-cost, date=trade.date,
                symbol=trade.symbol, con_id=trade.con_id, text=line_id,
            )
        )  # fmt: skip
        cost = 0
    statement.trades.append(msgspec.structs.replace(trade, cost_nanos=cost))


def _take_back(statement: Statement, trade: Trade, of: str) -> None:
    """A bust, or the first half of a correction: the row undoes an earlier trade, with the sign turned."""
    terms = (trade.symbol, -trade.side, trade.qty_nanos, trade.px_nanos)
    for at in range(len(statement.trades) - 1, -1, -1):
        one = statement.trades[at]
        same = (one.symbol, one.side, one.qty_nanos, one.px_nanos) == terms
        if one.trade_id == of if of else same:
            del statement.trades[at]
            statement.cancelled.append(msgspec.structs.replace(one, cost_nanos=one.cost_nanos + trade.cost_nanos))
            return
    statement.cancelled.append(msgspec.structs.replace(trade, side=-trade.side, trade_id=of, exec_id=""))


def _fraction(statement: Statement, f: _Fields, trade: Trade) -> None:
    """Cash for a fraction of a share that a corporate action left."""
    if trade.qty_nanos >= NANO:
        f.fail("quantity", "a whole share is no fraction: book it by hand")
    line_id = f"fraction {f.text('transactionID') or trade.trade_id or f'{trade.symbol} {trade.date}'}"
    amount = f.number("proceeds", needed=True) - trade.cost_nanos
    statement.cash.append(
        CashLine(
            line=trade.line, line_id=line_id, kind=IN_LIEU, currency=trade.currency, amount_nanos=amount,
            date=trade.date, symbol=trade.symbol, con_id=trade.con_id, text="cash in lieu of a fraction",
        )
    )  # fmt: skip


def _unbundled(statement: Statement, f: _Fields, line: int, seen: set[str]) -> None:
    """What a commission was made of. The sum of the regulatory ones stands beside its parts."""
    trade_id = f.text("tradeID")
    if not trade_id or f.text("assetCategory") not in ("", STOCK):
        return
    parts = statement.fees.setdefault(trade_id, {})
    named = 0
    for name, kind in FEE_KINDS.items():
        paid = -f.number(name)
        named += paid
        parts[kind] = parts.get(kind, 0) + paid
    regulatory = -f.number("thirdPartyRegulatoryCharge")
    known = sum(-f.number(name) for name in ("regFINRATradingActivityFee", "regSection31TransactionFee", "regOther"))
    parts["regulatory"] = parts.get("regulatory", 0) + regulatory - known
    rest = -f.number("totalCommission", needed=True) - named - (regulatory - known)
    parts["rest"] = parts.get("rest", 0) + rest


def _convert(statement: Statement, f: _Fields, line: int, *, trade_id: str, qty: int, cost: int, date: int) -> None:
    """EUR.USD bought: dollars for euros. `proceeds` is the other side, with its sign."""
    pair = f.text("symbol", needed=True).split(".")
    if len(pair) != 2:
        f.fail("symbol", "is no pair of currencies as EUR.USD")
    other = f.number("proceeds", needed=True)
    sold, bought = (pair[1], pair[0]) if qty > 0 else (pair[0], pair[1])
    statement.conversions.append(
        Conversion(
            line=line, trade_id=trade_id, date=date, sold=sold, bought=bought, cost_nanos=cost,
            sold_nanos=abs(other) if qty > 0 else abs(qty), bought_nanos=abs(qty) if qty > 0 else abs(other),
            cost_currency=f.text("ibCommissionCurrency"),
        )
    )  # fmt: skip


def _cash(statement: Statement, f: _Fields, line: int, seen: set[str]) -> None:
    if not f.is_detail("DETAIL"):
        return
    amount = f.number("amount", needed=True)
    if not amount:
        return
    told, identity = f.text("type", needed=True), f.text("transactionID")
    date = f.date("settleDate", "reportDate", "dateTime")
    identity = identity or f"{date} {told} {f.text('currency')} {amount} {f.text('symbol')}"
    if identity in seen:
        f.fail("transactionID", f"{identity[:60]!r} is there twice: add transactionID to the Flex query")
    seen.add(identity)
    statement.cash.append(
        CashLine(
            line=line, line_id=identity, kind=_CASH_KINDS.get(told, "other"), date=date, amount_nanos=amount,
            currency=f.text("currency", needed=True), symbol=f.text("symbol"), con_id=f.con_id(),
            text=f.text("description") or told,
        )
    )  # fmt: skip


def _position(statement: Statement, f: _Fields, line: int, seen: set[str]) -> None:
    if f.is_detail("SUMMARY") and f.text("assetCategory") in ("", STOCK):
        qty = f.number("position", needed=True)
        holding = Holding(line=line, symbol=f.text("symbol", needed=True), con_id=f.con_id(), qty_nanos=qty)
        statement.holdings.append(holding)


def _ending(statement: Statement, f: _Fields, line: int, seen: set[str]) -> None:
    currency = f.text("currency", needed=True)
    if currency != "BASE_SUMMARY":
        statement.ending_cash[currency] = f.number("endingCash", needed=True)


def _corporate(statement: Statement, f: _Fields, line: int, seen: set[str]) -> None:
    if f.is_detail("DETAIL"):
        paid, date = f.number("proceeds"), f.date("reportDate", "dateTime")
        if paid:
            identity = f.text("transactionID") or f.text("actionID") or f"{date} {f.text('symbol')} {paid}"
            statement.cash.append(
                CashLine(
                    line=line, line_id=f"action {identity}", kind=IN_LIEU, currency=f.text("currency", needed=True),
                    amount_nanos=paid, date=date, symbol=f.text("symbol"), con_id=f.con_id(),
                    text=f.text("description"),
                )
            )  # fmt: skip
        statement.corporate.append(
            CorporateLine(
                line=line, kind=f.text("type", needed=True), symbol=f.text("symbol"), con_id=f.con_id(),
                date=f.date("reportDate", "dateTime"), text=f.text("description"),
            )
        )  # fmt: skip


_Take = Callable[[Statement, _Fields, int, set[str]], None]
_ELEMENTS: Final[dict[str, _Take]] = {
    "Trade": _trade,
    "CashTransaction": _cash,
    "OpenPosition": _position,
    "CashReportCurrency": _ending,
    "CorporateAction": _corporate,
    "UnbundledCommissionDetail": _unbundled,
}
