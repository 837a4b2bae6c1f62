"""`ib_async` and its predecessor `ib_insync`, used through their upper layer as their users do.

Which of the two it is, the environment decides. Knows no expected value.
"""

import importlib
import importlib.util
import logging
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from tests.peers.scenario import STEP_S, Row

LIBRARY: Final = "ib_async" if importlib.util.find_spec("ib_async") else "ib_insync"
library: Any = importlib.import_module(LIBRARY)

QUIET_CODES: Final = {2104, 2106, 2107, 2108, 2158}  # a farm is well
# What it logs of an error message it was sent, and of the connection that the gateway refused.
TOLD: Final = (
    "Error ",
    "Warning ",
    "Canceled order",
    "IBKR API validation",
    "Peer closed connection",
    "API connection",
)


class Faults(logging.Handler):
    """What the library finds wrong with what it was sent."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if not text.startswith(TOLD):
            self.texts.append(f"{record.name}: {text} {record.exc_info[1]!r}" if record.exc_info else text)


class InsyncDriver:
    """One `IB` and what it was told of errors."""

    def __init__(self) -> None:
        self.account = ""
        self.ib: Any = library.IB()
        self.ib.errorEvent += self._on_error
        self._errors: list[list[Any]] = []
        self._contracts: dict[str, Any] = {}
        self._changes = 0
        self._log = Faults()
        logging.getLogger(LIBRARY).addHandler(self._log)

    def _on_error(self, req_id: int, code: int, text: str, _contract: Any) -> None:
        if code not in QUIET_CODES:
            self._errors.append([req_id, code, text])

    # -- session ----------------------------------------------------------------------------------------------------

    def connect(self, host: str, port: int, client_id: int) -> Row:
        self._errors.clear()
        # It does not wait for the end of the connection before, and the other side refuses the number until then.
        self.ib.sleep(0)
        more = {"raiseSyncErrors": True} if LIBRARY == "ib_async" else {}  # the old one logs them, which is a fault too
        self.ib.connect(host, port, client_id, timeout=STEP_S, **more)
        accounts = self.ib.managedAccounts()
        self.account = accounts[0]
        return {"version": self.ib.client.serverVersion(), "accounts": accounts, "next_id": self.ib.client._reqIdSeq}

    def refused(self, host: str, port: int, client_id: int) -> list[int]:
        other = InsyncDriver()
        try:
            other.ib.connect(host, port, client_id, timeout=1)
        except (TimeoutError, ConnectionError):
            return other.codes(-1)
        other.ib.disconnect()
        return []

    def other(self) -> "InsyncDriver":
        return InsyncDriver()

    def disconnect(self) -> None:
        self.ib.disconnect()
        self.ib.sleep(0)

    def wait(self, condition: Callable[[], Any]) -> Any:
        end = time.monotonic() + STEP_S
        while not (found := condition()):
            if time.monotonic() > end or not self.ib.isConnected():
                raise TimeoutError(
                    f"not told within {STEP_S} s: {self._errors} {self.ib.trades()[-2:]} {self.faults()}"
                )
            self.ib.waitOnUpdate(0.05)
        return found

    def now_s(self) -> int:
        return int(self.ib.reqCurrentTime().timestamp())

    def code_texts(self) -> list[list[Any]]:
        return self._errors

    def codes(self, number: int) -> list[int]:
        return [code for req_id, code, _text in self._errors if req_id == number]

    def faults(self) -> list[str]:
        return self._log.texts

    # -- what is there ----------------------------------------------------------------------------------------------

    def details(self, contract: Row) -> list[Row]:
        return [_details(found) for found in self.ib.reqContractDetails(library.Contract(**contract))]

    def _qualified(self, contract: Row) -> Any:
        """With its id, without which the library keeps no ticker of it."""
        symbol = contract["symbol"]
        if symbol not in self._contracts:
            (self._contracts[symbol],) = self.ib.qualifyContracts(library.Contract(**contract))
        return self._contracts[symbol]

    def rule(self, number: int) -> list[list[float]]:
        return [[step.lowEdge, step.increment] for step in self.ib.reqMarketRule(number)]

    def search(self, pattern: str) -> list[Row]:
        return [
            {"con_id": row.contract.conId, "symbol": row.contract.symbol, "kind": row.contract.secType,
             "primary": row.contract.primaryExchange, "currency": row.contract.currency}
            for row in self.ib.reqMatchingSymbols(pattern)
        ]  # fmt: skip

    # -- market data ------------------------------------------------------------------------------------------------

    def quotes(self, contract: Row, generic: str) -> None:
        self._changes = 0
        ticker = self.ib.reqMktData(self._qualified(contract), generic)
        ticker.updateEvent += self._on_ticks

    def _on_ticks(self, ticker: Any) -> None:
        self._changes += len(ticker.ticks)

    def quote(self, contract: Row) -> Row:
        return {**_quote(self._ticker(contract)), "changes": self._changes}

    def _ticker(self, contract: Row) -> Any:
        return next(ticker for ticker in self.ib.tickers() if ticker.contract.symbol == contract["symbol"])

    def end_quotes(self, contract: Row) -> None:
        self.ib.cancelMktData(self._ticker(contract).contract)

    def snapshot(self, contract: Row) -> Row:
        return _quote(self.ib.reqTickers(self._qualified(contract))[0])

    def ticks(self, contract: Row, kind: str, count: int) -> list[Row]:
        asked, found = self._qualified(contract), []
        ticker = self.ib.reqTickByTickData(asked, kind)

        def collect(changed: Any) -> None:
            found.extend(changed.tickByTicks)

        ticker.updateEvent += collect
        self.wait(lambda: len(found) >= count)
        ticker.updateEvent -= collect
        self.ib.cancelTickByTickData(asked, kind)
        if kind == "BidAsk":
            # The library puts the time of arrival in place of the exchange's.
            return [{"bid": t.bidPrice, "ask": t.askPrice, "bid_size": t.bidSize, "ask_size": t.askSize}
                    for t in found[:count]]  # fmt: skip
        return [{"px": t.price, "size": t.size, "exchange": t.exchange} for t in found[:count]]

    def bars(self, contract: Row, duration: str, size: str, what: str, updates: int) -> Row:
        asked, later = self._qualified(contract), []
        bars = self.ib.reqHistoricalData(asked, "", duration, size, what, True, 1, updates > 0)
        first = [_bar(bar) for bar in bars]

        def collect(changed: Any, _is_new: bool) -> None:
            later.append(_bar(changed[-1]))

        if updates:
            bars.updateEvent += collect
            self.wait(lambda: len(later) >= updates)
            self.ib.cancelHistoricalData(bars)
        return {
            "bars": first,
            "later": later,
            "codes": [code for code in self.codes(bars.reqId) if code != 162],
        }  # its answer to a cancel

    def head(self, contract: Row) -> str:
        found: datetime = self.ib.reqHeadTimeStamp(self._qualified(contract), "TRADES", True)
        return f"{found:%Y%m%d-%H:%M:%S}"

    def past_ticks(self, contract: Row, what: str, count: int) -> list[Row]:
        start = datetime.fromtimestamp(self.now_s() - 120, UTC)
        ticks = self.ib.reqHistoricalTicks(self._qualified(contract), start, "", count, what, True)
        if what == "BID_ASK":
            return [
                {"at_s": int(tick.time.timestamp()), "bid": tick.priceBid, "ask": tick.priceAsk,
                 "bid_size": tick.sizeBid, "ask_size": tick.sizeAsk} for tick in ticks
            ]  # fmt: skip
        return [
            {"at_s": int(tick.time.timestamp()), "px": tick.price, "size": tick.size, "exchange": tick.exchange}
            for tick in ticks
        ]

    def five_second_bars(self, contract: Row, count: int) -> list[Row]:
        bars = self.ib.reqRealTimeBars(self._qualified(contract), 5, "MIDPOINT", True)
        self.wait(lambda: len(bars) >= count)
        self.ib.cancelRealTimeBars(bars)
        return [
            {"at_s": int(bar.time.timestamp()), "open": bar.open_, "high": bar.high, "low": bar.low, "close": bar.close}
            for bar in bars[:count]
        ]

    def depth(self, contract: Row) -> Row:
        asked, before = self._qualified(contract), len(self._errors)
        ticker = self.ib.reqMktDepth(asked, 5, True)
        self.wait(lambda: (ticker.domBids and ticker.domAsks) or len(self._errors) > before)
        best = {
            side: [levels[0].price, levels[0].size] if levels else None
            for side, levels in (("bid", ticker.domBids), ("ask", ticker.domAsks))
        }
        self.ib.cancelMktDepth(asked, True)
        return {**best, "codes": [code for _id, code, _text in self._errors[before:]]}

    # -- orders -----------------------------------------------------------------------------------------------------

    def next_id(self) -> int:
        return int(self.ib.client.getReqId())

    def place(self, contract: Row, order: Row, order_id: int) -> None:
        known = self._trade(order_id)
        if known is None:
            self.ib.placeOrder(self._qualified(contract), library.Order(**order, orderId=order_id))
            return
        for name, value in {"transmit": True, **order}.items():
            setattr(known.order, name, value)
        self.ib.placeOrder(known.contract, known.order)

    def _trade(self, order_id: int) -> Any:
        client_id = self.ib.client.clientId
        found = (t for t in self.ib.trades() if t.order.orderId == order_id and t.order.clientId == client_id)
        return next(found, None)

    def cancel(self, order_id: int) -> None:
        trade = self._trade(order_id)
        if trade.isDone():  # the upper layer sends nothing then
            self.ib.client.cancelOrder(order_id, "")
        else:
            self.ib.cancelOrder(trade.order)

    def global_cancel(self) -> None:
        self.ib.reqGlobalCancel()

    def order(self, order_id: int) -> Row:
        trade = self._trade(order_id)
        # An order that was sent and not answered looks the same here as one that does not exist elsewhere.
        if trade is None or (trade.orderStatus.status == "PendingSubmit" and not trade.order.permId):
            return {"statuses": [], "fills": []}
        status = trade.orderStatus
        return {
            **_order(trade), "filled": status.filled, "remaining": status.remaining, "average": status.avgFillPrice,
            "perm_id": status.permId or trade.order.permId, "parent": status.parentId or trade.order.parentId,
            "statuses": [entry.status for entry in trade.log], "fills": [_fill(fill) for fill in trade.fills],
        }  # fmt: skip

    def what_if(self, contract: Row, order: Row) -> Row:
        before = len(self._errors)
        state = self.ib.whatIfOrder(self._qualified(contract), library.Order(**order))
        return {
            "initial_before": float(state.initMarginBefore), "initial_change": float(state.initMarginChange),
            "initial_after": float(state.initMarginAfter), "maintenance_change": float(state.maintMarginChange),
            "equity_before": float(state.equityWithLoanBefore), "fee": state.commission,
            "statuses": [], "codes": [code for _id, code, _text in self._errors[before:]],
        }  # fmt: skip

    # -- account and records ----------------------------------------------------------------------------------------

    def positions(self) -> list[Row]:
        self.ib.reqPositions()
        return [
            {"account": found.account, "con_id": found.contract.conId, "symbol": found.contract.symbol,
             "size": found.position, "cost": found.avgCost}
            for found in self.ib.positions()
        ]  # fmt: skip

    def account_values(self) -> Row:
        # Subscribed since it connected, and told again when a position changes.
        values = {found.tag: found.value for found in self.ib.accountValues(self.account) if not found.modelCode}
        portfolio = [
            {"con_id": found.contract.conId, "size": found.position, "px": found.marketPrice,
             "value": found.marketValue, "cost": found.averageCost, "account": found.account}
            for found in self.ib.portfolio(self.account)
        ]  # fmt: skip
        return {"values": values, "portfolio": portfolio}

    def summary(self) -> Row:
        return {"values": {found.tag: found.value for found in self.ib.accountSummary(self.account)}}

    def profit(self, con_id: int) -> Row:
        whole, one = self.ib.reqPnL(self.account), self.ib.reqPnLSingle(self.account, "", con_id)
        self.wait(lambda: not math.isnan(whole.dailyPnL) and not math.isnan(one.dailyPnL))
        self.ib.cancelPnL(self.account)
        self.ib.cancelPnLSingle(self.account, "", con_id)
        return {
            "account": {"daily": whole.dailyPnL, "open": whole.unrealizedPnL, "realised": whole.realizedPnL},
            "one": {"size": one.position, "daily": one.dailyPnL, "open": one.unrealizedPnL, "realised": one.realizedPnL,
                    "value": one.value},
        }  # fmt: skip

    def executions(self) -> list[Row]:
        told = {fill.execution.execId for fill in self.ib.reqExecutions()}
        # Of an execution it knows already, it gives back a new one without its commission.
        return [_fill(fill) for fill in self.ib.fills() if fill.execution.execId in told]

    def open_orders(self, everyone: bool) -> list[Row]:
        found = self.ib.reqAllOpenOrders() if everyone else self.ib.reqOpenOrders()
        return [_order(trade) for trade in found]

    def completed_orders(self) -> list[Row]:
        return [{**_order(trade), "filled": trade.order.filledQuantity} for trade in self.ib.reqCompletedOrders(False)]


def _quote(ticker: Any) -> Row:
    named = {
        "bid": ticker.bid, "bid_size": ticker.bidSize, "ask": ticker.ask, "ask_size": ticker.askSize,
        "last": ticker.last, "last_size": ticker.lastSize, "volume": ticker.volume, "open": ticker.open,
        "high": ticker.high, "low": ticker.low, "close": ticker.close, "halted": ticker.halted,
        "shortable_shares": ticker.shortableShares, "tick": getattr(ticker, "minTick", math.nan),
        "rt_total": ticker.rtVolume, "rt_vwap": ticker.vwap,
    }  # fmt: skip
    told = {name: value for name, value in named.items() if not math.isnan(value)}
    return {**told, "bbo_exchange": getattr(ticker, "bboExchange", ""), "data_type": ticker.marketDataType}


def _details(found: Any) -> Row:
    contract = found.contract
    return {
        "con_id": contract.conId, "symbol": contract.symbol, "kind": contract.secType, "exchange": contract.exchange,
        "primary": contract.primaryExchange, "currency": contract.currency, "class": contract.tradingClass,
        "local": contract.localSymbol, "name": found.longName, "tick": found.minTick, "order_types": found.orderTypes,
        "exchanges": found.validExchanges, "rules": found.marketRuleIds, "zone": found.timeZoneId,
        "hours": found.tradingHours, "liquid": found.liquidHours, "stock_type": found.stockType,
        "size_step": found.sizeIncrement,
    }  # fmt: skip


def _bar(bar: Any) -> Row:
    at = bar.date
    text = f"{at:%Y%m%d %H:%M:%S} {at.tzinfo}" if isinstance(at, datetime) else f"{at:%Y%m%d}"
    return {
        "at": text, "open": bar.open, "high": bar.high, "low": bar.low, "close": bar.close, "volume": bar.volume,
        "count": bar.barCount,
    }  # fmt: skip


def _order(trade: Any) -> Row:
    order, contract = trade.order, trade.contract
    return {
        "order_id": order.orderId, "perm_id": order.permId, "client_id": order.clientId, "symbol": contract.symbol,
        "con_id": contract.conId, "side": order.action, "quantity": order.totalQuantity, "kind": order.orderType,
        "limit": order.lmtPrice, "stop": order.auxPrice, "tif": order.tif, "ref": order.orderRef,
        "parent": order.parentId, "group": order.ocaGroup, "account": order.account,
        "status": trade.orderStatus.status,
    }  # fmt: skip


def _fill(fill: Any) -> Row:
    execution, report = fill.execution, fill.commissionReport
    told = (
        {"fee": report.commission, "currency": report.currency, "realised": report.realizedPNL} if report.execId else {}
    )
    return {
        "exec_id": execution.execId, "order_id": execution.orderId, "perm_id": execution.permId,
        "client_id": execution.clientId, "symbol": fill.contract.symbol, "side": execution.side,
        "shares": execution.shares, "px": execution.price, "total": execution.cumQty, "average": execution.avgPrice,
        "account": execution.acctNumber, "time": f"{execution.time:%Y%m%d-%H:%M:%S}", "ref": execution.orderRef,
        "venue": execution.exchange, **told,
    }  # fmt: skip


def driver() -> InsyncDriver:
    """An unconnected client."""
    return InsyncDriver()
