"""A Flex statement as the broker would write it, from the books of a simulated day, with what a test changes in it."""

from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

from core.money.state import Money
from core.units import decimal_text, exact_text, notional_nanos

Attributes = dict[str, str]


@dataclass
class Flex:
    """Rows by section; `write` makes the file."""

    account: str
    day: int
    trades: list[Attributes] = field(default_factory=list)
    cash: list[Attributes] = field(default_factory=list)
    positions: list[Attributes] = field(default_factory=list)
    ending: dict[str, str] = field(default_factory=dict)
    corporate: list[Attributes] = field(default_factory=list)
    kinds: list[Attributes] = field(default_factory=list)  # what commissions were made of
    others: str = ""  # other accounts' statements, before ours

    def write(self, path: Path, *, head: str = "") -> Path:
        """The file; `head` stands before the first element."""
        sections = {
            "Trades": _rows("Trade", self.trades),
            "CashTransactions": _rows("CashTransaction", self.cash),
            "OpenPositions": _rows("OpenPosition", self.positions),
            "CashReport": _rows(
                "CashReportCurrency", [{"currency": name, "endingCash": held} for name, held in self.ending.items()]
            ),
            "CorporateActions": _rows("CorporateAction", self.corporate),
            "UnbundledCommissionDetails": _rows("UnbundledCommissionDetail", self.kinds),
        }
        body = "\n".join(f"<{name}>\n{rows}\n</{name}>" for name, rows in sections.items())
        own = f'accountId="{self.account}" fromDate="{self.day}" toDate="{self.day}" period="LastBusinessDay"'
        path.write_text(
            f'{head}<FlexQueryResponse queryName="all" type="AF">\n<FlexStatements count="1">\n'
            f"{self.others}<FlexStatement {own}>\n"
            f"{body}\n</FlexStatement>\n</FlexStatements>\n</FlexQueryResponse>\n",
            encoding="utf-8",
        )
        return path


def _rows(name: str, rows: list[Attributes]) -> str:
    return "\n".join(f"<{name} " + " ".join(f"{k}={quoteattr(v)}" for k, v in row.items()) + " />" for row in rows)


def flex_of(money: Money, day: int) -> Flex:
    """What the broker would say of everything that the books hold."""
    symbols, ledger = money.settings.symbols, money.ledger
    made = Flex(account=money.settings.account, day=day)
    for number, x in enumerate({x.seq: x for x in ledger.executions.values()}.values()):
        made.trades.append(
            {
                "accountId": made.account, "assetCategory": "STK", "symbol": symbols[x.inst],
                "tradeID": str(7_000 + number), "ibExecID": x.exec_id, "tradeDate": str(day),
                "dateTime": f"{day};120001", "buySell": "BUY" if x.side > 0 else "SELL", "currency": "USD",
                "quantity": exact_text(x.side * x.qty_nanos), "tradePrice": exact_text(x.px_nanos),
                "proceeds": exact_text(-x.side * notional_nanos(x.px_nanos, x.qty_nanos)),
                "ibCommission": exact_text(-x.commission_nanos), "taxes": "0", "levelOfDetail": "EXECUTION",
            }
        )  # fmt: skip
    for inst, qty in enumerate(ledger.holdings):
        if qty:
            row = {"symbol": symbols[inst], "assetCategory": "STK", "position": exact_text(qty)}
            made.positions.append(row | {"levelOfDetail": "SUMMARY"})
    made.ending = {name: decimal_text(held, places=5) for name, held in ledger.cash.items()}
    return made
