"""The rows of a statement, as the broker tells them. Words and numbers alone."""

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Where something stands in the file."""

    line: int


class Trade(Row, frozen=True, kw_only=True):
    """One execution of a stock."""

    exec_id: str
    trade_id: str
    symbol: str
    con_id: int
    date: int
    side: int
    qty_nanos: int
    px_nanos: int
    cost_nanos: int  # commission and taxes, positive = paid
    currency: str


class Conversion(Row, frozen=True, kw_only=True):
    """One execution of a currency pair, as money sold for money."""

    trade_id: str
    date: int
    sold: str
    sold_nanos: int
    bought: str
    bought_nanos: int
    cost_nanos: int
    cost_currency: str


class CashLine(Row, frozen=True, kw_only=True):
    """Cash that moved without a trade. `kind` as the books name it."""

    line_id: str
    kind: str
    currency: str
    amount_nanos: int
    date: int
    symbol: str
    con_id: int
    text: str


class Holding(Row, frozen=True, kw_only=True):
    """A position at the end."""

    symbol: str
    con_id: int
    qty_nanos: int


class CorporateLine(Row, frozen=True, kw_only=True):
    """A corporate action as the broker booked it."""

    kind: str
    symbol: str
    con_id: int
    date: int
    text: str


class Statement(msgspec.Struct, kw_only=True):
    """All of one account and period that the books know. `others` counts trades of other instruments by category."""

    account: str
    from_date: int
    to_date: int
    trades: list[Trade] = []
    cancelled: list[Trade] = []  # that the broker took back and did not book again
    fees: dict[str, dict[str, int]] = {}  # by tradeID: what a commission was made of, positive = paid
    conversions: list[Conversion] = []
    cash: list[CashLine] = []
    holdings: list[Holding] = []
    ending_cash: dict[str, int] = {}
    corporate: list[CorporateLine] = []
    others: dict[str, int] = {}
    sections: list[str] = []  # that the file has: what is not there is not compared
