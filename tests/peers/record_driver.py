"""What all drivers share whose library reports by callbacks: every callback is recorded as it comes, the driver asks
and waits on the record. Knows no library and no expected value; a subclass makes the client, contracts and orders.
"""

import abc
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

from tests.peers.rows import bar_row, details_row, fill_row, number, order_row
from tests.peers.scenario import STEP_S, Row

TICK_NAMES: Final = {
    0: "bid_size", 1: "bid", 2: "ask", 3: "ask_size", 4: "last", 5: "last_size", 6: "high", 7: "low", 8: "volume",
    9: "close", 14: "open", 45: "last_s", 46: "shortable", 49: "halted", 89: "shortable_shares",
}  # fmt: skip
RT_VOLUME: Final = 48
SUMMARY_TAGS: Final = "AccountType,NetLiquidation,TotalCashValue,BuyingPower,GrossPositionValue,InitMarginReq"
QUIET_CODES: Final = {2104, 2106, 2107, 2108, 2158}  # a farm is well


class Record:
    """Every callback by its name, in order."""

    def __init__(self) -> None:
        self.calls: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self.changed = threading.Condition()

    def add(self, name: str, values: tuple[Any, ...]) -> None:
        """One callback, from whatever thread."""
        with self.changed:
            self.calls[name].append(values)
            self.changed.notify_all()


class RecordDriver(abc.ABC):
    """One client of a library with callbacks."""

    def __init__(self, client: Any, record: Record) -> None:
        self.account = ""
        self.client = client
        self.record = record
        self._dead: list[str] = []  # what ended a thread or process of the library
        self._request = 1_000_000
        self._streams: dict[str, int] = {}
        self._order_id = 0

    @abc.abstractmethod
    def _open(self, host: str, port: int, client_id: int) -> None: ...
    @abc.abstractmethod
    def _is_open(self) -> bool: ...
    @abc.abstractmethod
    def _version(self) -> int: ...
    @abc.abstractmethod
    def _contract(self, fields: Row) -> Any: ...
    @abc.abstractmethod
    def _order(self, fields: Row) -> Any: ...
    @abc.abstractmethod
    def other(self) -> "RecordDriver": ...
    @abc.abstractmethod
    def disconnect(self) -> None: ...
    @abc.abstractmethod
    def cancel(self, order_id: int) -> None: ...
    @abc.abstractmethod
    def global_cancel(self) -> None: ...
    @abc.abstractmethod
    def _ask_executions(self, req_id: int) -> None: ...

    # -- session ----------------------------------------------------------------------------------------------------

    def connect(self, host: str, port: int, client_id: int) -> Row:
        self.wait(lambda: self._accepted(host, port, client_id))
        self._order_id = self._last("nextValidId")[0]
        accounts = [name for name in self._last("managedAccounts")[0].split(",") if name]
        self.account = accounts[0]
        return {"version": self._version(), "accounts": accounts, "next_id": self._order_id}

    def _accepted(self, host: str, port: int, client_id: int) -> bool:
        """Try until the other side has seen the end of the connection before: it refuses the number until then."""
        if not self._is_open():
            self.record.calls.clear()
            self._open(host, port, client_id)
        return self._last("nextValidId") is not None and self._last("managedAccounts") is not None

    def refused(self, host: str, port: int, client_id: int) -> list[int]:
        other = self.other()
        other._open(host, port, client_id)
        found: list[int] = other.wait(lambda: other.codes(-1))  # it may see the end before it reads why
        other.disconnect()
        return found

    def wait(self, condition: Callable[[], Any]) -> Any:
        end = time.monotonic() + STEP_S
        with self.record.changed:
            while not (found := condition()):
                if time.monotonic() > end or self._dead:
                    raise TimeoutError(f"not told within {STEP_S} s; last: {self._story()} {self._dead}")
                self.record.changed.wait(0.1)
        return found

    def _all(self, name: str, req_id: int | None = None) -> list[tuple[Any, ...]]:
        with self.record.changed:
            calls = list(self.record.calls[name])
        return [values for values in calls if req_id is None or values[0] == req_id]

    def _story(self) -> list[Any]:
        quiet = {"tickPrice", "tickSize", "tickString", "tickGeneric"}
        return [(name, calls[-3:]) for name, calls in list(self.record.calls.items()) if name not in quiet]

    def _last(self, name: str, req_id: int | None = None) -> Any:
        found = self._all(name, req_id)
        return found[-1] if found else None

    def _new(self) -> int:
        self._request += 1
        return self._request

    def _told(self, name: str, req_id: int) -> None:
        self.wait(lambda: self._last(name, req_id) or self.codes(req_id))

    def now_s(self) -> int:
        before = len(self._all("currentTime"))
        self.client.reqCurrentTime()
        self.wait(lambda: len(self._all("currentTime")) > before)
        return int(self._last("currentTime")[0])

    def code_texts(self) -> list[list[Any]]:
        found = []
        for values in self._all("error"):
            # Newer ones say the time second.
            req_id, code, text = (values[0], *values[2:4]) if isinstance(values[2], int) else values[:3]
            if code not in QUIET_CODES:
                found.append([req_id, code, text])
        return found

    def codes(self, number: int) -> list[int]:
        return [code for req_id, code, _text in self.code_texts() if req_id == number]

    def faults(self) -> list[str]:
        return self._dead

    # -- what is there ----------------------------------------------------------------------------------------------

    def details(self, contract: Row) -> list[Row]:
        req_id = self._new()
        self.client.reqContractDetails(req_id, self._contract(contract))
        self._told("contractDetailsEnd", req_id)
        return [details_row(values[1]) for values in self._all("contractDetails", req_id)]

    def rule(self, number: int) -> list[list[float]]:
        self.client.reqMarketRule(number)
        self.wait(lambda: self._last("marketRule", number))
        return [[step.lowEdge, step.increment] for step in self._last("marketRule", number)[1]]

    def search(self, pattern: str) -> list[Row]:
        req_id = self._new()
        self.client.reqMatchingSymbols(req_id, pattern)
        self._told("symbolSamples", req_id)
        return [
            {"con_id": row.contract.conId, "symbol": row.contract.symbol, "kind": row.contract.secType,
             "primary": row.contract.primaryExchange, "currency": row.contract.currency}
            for row in self._last("symbolSamples", req_id)[1]
        ]  # fmt: skip

    # -- market data ------------------------------------------------------------------------------------------------

    def quotes(self, contract: Row, generic: str) -> None:
        req_id = self._streams[contract["symbol"]] = self._new()
        self.client.reqMktData(req_id, self._contract(contract), generic, False, False, [])

    def quote(self, contract: Row) -> Row:
        return self._quote(self._streams[contract["symbol"]])

    def _quote(self, req_id: int) -> Row:
        quote: Row = {"changes": 0}
        for name in ("tickPrice", "tickSize", "tickGeneric", "tickString"):
            for values in self._all(name, req_id):
                quote["changes"] += 1
                if values[1] == RT_VOLUME:
                    _px, _size, _ms, total, vwap, _single = values[2].split(";")
                    quote["rt_total"], quote["rt_vwap"] = float(total), float(vwap)
                elif values[1] in TICK_NAMES:
                    quote[TICK_NAMES[values[1]]] = values[2] if name == "tickString" else number(values[2])
        for values in self._all("tickReqParams", req_id):
            quote["tick"], quote["bbo_exchange"] = values[1], values[2]
        for values in self._all("marketDataType", req_id):
            quote["data_type"] = values[1]
        return quote

    def end_quotes(self, contract: Row) -> None:
        self.client.cancelMktData(self._streams.pop(contract["symbol"]))

    def snapshot(self, contract: Row) -> Row:
        req_id = self._new()
        self.client.reqMktData(req_id, self._contract(contract), "", True, False, [])
        self._told("tickSnapshotEnd", req_id)
        return self._quote(req_id)

    def ticks(self, contract: Row, kind: str, count: int) -> list[Row]:
        req_id, name = self._new(), "tickByTickBidAsk" if kind == "BidAsk" else "tickByTickAllLast"
        self.client.reqTickByTickData(req_id, self._contract(contract), kind, 0, False)
        self.wait(lambda: len(self._all(name, req_id)) >= count or self.codes(req_id))
        self.client.cancelTickByTickData(req_id)
        found = self._all(name, req_id)[:count]
        if kind == "BidAsk":
            return [
                {"at_s": int(v[1]), "bid": v[2], "ask": v[3], "bid_size": number(v[4]), "ask_size": number(v[5])}
                for v in found
            ]
        return [{"at_s": int(v[2]), "px": v[3], "size": number(v[4]), "exchange": v[6]} for v in found]

    def bars(self, contract: Row, duration: str, size: str, what: str, updates: int) -> Row:
        req_id = self._new()
        self.client.reqHistoricalData(
            req_id, self._contract(contract), "", duration, size, what, 1, 1, updates > 0, []
        )  # fmt: skip
        self._told("historicalDataEnd", req_id)
        bars = [bar_row(values[1]) for values in self._all("historicalData", req_id)]
        self.wait(lambda: len(self._all("historicalDataUpdate", req_id)) >= updates)
        if updates:
            self.client.cancelHistoricalData(req_id)
        later = [bar_row(values[1]) for values in self._all("historicalDataUpdate", req_id)]
        return {"bars": bars, "later": later, "codes": self.codes(req_id)}

    def head(self, contract: Row) -> str:
        req_id = self._new()
        self.client.reqHeadTimeStamp(req_id, self._contract(contract), "TRADES", 1, 1)
        self._told("headTimestamp", req_id)
        self.client.cancelHeadTimeStamp(req_id)
        return str(self._last("headTimestamp", req_id)[1])

    def past_ticks(self, contract: Row, what: str, count: int) -> list[Row]:
        req_id, start = self._new(), time.strftime("%Y%m%d-%H:%M:%S", time.gmtime(self.now_s() - 120))
        name = "historicalTicksBidAsk" if what == "BID_ASK" else "historicalTicksLast"
        self.client.reqHistoricalTicks(req_id, self._contract(contract), start, "", count, what, 1, False, [])
        self._told(name, req_id)
        ticks = [tick for values in self._all(name, req_id) for tick in values[1]]
        if what == "BID_ASK":
            return [
                {"at_s": tick.time, "bid": tick.priceBid, "ask": tick.priceAsk, "bid_size": number(tick.sizeBid),
                 "ask_size": number(tick.sizeAsk)} for tick in ticks
            ]  # fmt: skip
        return [
            {"at_s": tick.time, "px": tick.price, "size": number(tick.size), "exchange": tick.exchange}
            for tick in ticks
        ]

    def five_second_bars(self, contract: Row, count: int) -> list[Row]:
        req_id = self._new()
        self.client.reqRealTimeBars(req_id, self._contract(contract), 5, "MIDPOINT", True, [])
        self.wait(lambda: len(self._all("realtimeBar", req_id)) >= count or self.codes(req_id))
        self.client.cancelRealTimeBars(req_id)
        return [
            {"at_s": int(v[1]), "open": v[2], "high": v[3], "low": v[4], "close": v[5]}
            for v in self._all("realtimeBar", req_id)[:count]
        ]

    def depth(self, contract: Row) -> Row:
        req_id = self._new()
        self.client.reqMktDepth(req_id, self._contract(contract), 5, True, [])

        def sides() -> set[int]:
            return {values[4] for values in self._all("updateMktDepthL2", req_id)}

        self.wait(lambda: sides() == {0, 1} or self.codes(req_id))
        self.client.cancelMktDepth(req_id, True)
        rows = [values for values in self._all("updateMktDepthL2", req_id) if values[1] == 0 and values[3] == 0]
        best = {values[4]: [number(values[5]), number(values[6])] for values in rows}
        return {"bid": best.get(1), "ask": best.get(0), "codes": self.codes(req_id)}

    # -- orders -----------------------------------------------------------------------------------------------------

    def next_id(self) -> int:
        self._order_id += 1
        return self._order_id - 1

    def place(self, contract: Row, order: Row, order_id: int) -> None:
        self.client.placeOrder(order_id, self._contract(contract), self._order(order))

    def order(self, order_id: int) -> Row:
        echo, status = self._last("openOrder", order_id), self._last("orderStatus", order_id)
        row: Row = {} if echo is None else order_row(order_id, *echo[1:])
        if status is not None:
            row |= {"status": status[1], "filled": number(status[2]), "remaining": number(status[3]),
                    "average": status[4], "perm_id": status[5], "parent": status[6],
                    "client_id": status[8]}  # fmt: skip
        row["statuses"] = [values[1] for values in self._all("orderStatus", order_id)]
        row["fills"] = self._fills(lambda execution: execution.orderId == order_id)
        return row

    def _fills(self, wanted: Callable[[Any], bool], req_id: int | None = None) -> list[Row]:
        fees = {}
        for name in ("commissionReport", "commissionAndFeesReport"):
            for (report,) in self._all(name):
                fee = getattr(report, "commission", None)
                fee = report.commissionAndFees if fee is None else fee
                fees[report.execId] = {"fee": fee, "currency": report.currency, "realised": report.realizedPNL}
        found: dict[str, Row] = {}
        for _req_id, contract, execution in self._all("execDetails", req_id):
            if wanted(execution):
                found[execution.execId] = {**fill_row(contract, execution), **fees.get(execution.execId, {})}
        return list(found.values())

    def what_if(self, contract: Row, order: Row) -> Row:
        order_id = self.next_id()
        self.place(contract, {**order, "whatIf": True}, order_id)
        self.wait(lambda: self._last("openOrder", order_id) or self.codes(order_id))
        state = self._last("openOrder", order_id)[3]
        fee = getattr(state, "commission", None)
        return {
            "initial_before": number(state.initMarginBefore), "initial_change": number(state.initMarginChange),
            "initial_after": number(state.initMarginAfter), "maintenance_change": number(state.maintMarginChange),
            "equity_before": number(state.equityWithLoanBefore), "fee": state.commissionAndFees if fee is None else fee,
            "statuses": [values[1] for values in self._all("orderStatus", order_id)], "codes": self.codes(order_id),
        }  # fmt: skip

    # -- account and records ----------------------------------------------------------------------------------------

    def positions(self) -> list[Row]:
        before = len(self._all("positionEnd"))
        start = len(self._all("position"))
        self.client.reqPositions()
        self.wait(lambda: len(self._all("positionEnd")) > before)
        self.client.cancelPositions()
        return [
            {
                "account": account,
                "con_id": contract.conId,
                "symbol": contract.symbol,
                "size": number(size),
                "cost": cost,
            }
            for account, contract, size, cost in self._all("position")[start:]
        ]

    def account_values(self) -> Row:
        self.client.reqAccountUpdates(True, self.account)
        self.wait(lambda: self._last("accountDownloadEnd", None))
        self.client.reqAccountUpdates(False, self.account)
        values = {key: value for key, value, _currency, _account in self._all("updateAccountValue")}
        portfolio = [
            {"con_id": v[0].conId, "size": number(v[1]), "px": v[2], "value": v[3], "cost": v[4], "account": v[7]}
            for v in self._all("updatePortfolio")
        ]
        return {"values": values, "portfolio": portfolio, "told_at": self._last("updateAccountTime")}

    def summary(self) -> Row:
        req_id = self._new()
        self.client.reqAccountSummary(req_id, "All", SUMMARY_TAGS)
        self._told("accountSummaryEnd", req_id)
        self.client.cancelAccountSummary(req_id)
        return {"values": {tag: value for _id, _account, tag, value, _currency in self._all("accountSummary", req_id)}}

    def profit(self, con_id: int) -> Row:
        whole, single = self._new(), self._new()
        self.client.reqPnL(whole, self.account, "")
        self.client.reqPnLSingle(single, self.account, "", con_id)
        self.wait(lambda: self._last("pnl", whole) and self._last("pnlSingle", single))
        self.client.cancelPnL(whole)
        self.client.cancelPnLSingle(single)
        account, one = self._last("pnl", whole), self._last("pnlSingle", single)
        return {
            "account": dict(zip(("daily", "open", "realised"), account[1:], strict=True)),
            "one": {"size": number(one[1]), "daily": one[2], "open": one[3], "realised": one[4], "value": one[5]},
        }

    def executions(self) -> list[Row]:
        req_id = self._new()
        self._ask_executions(req_id)
        self._told("execDetailsEnd", req_id)
        return self._fills(lambda _execution: True, req_id)

    def open_orders(self, everyone: bool) -> list[Row]:
        before, start = len(self._all("openOrderEnd")), len(self._all("openOrder"))
        if everyone:
            self.client.reqAllOpenOrders()
        else:
            self.client.reqOpenOrders()
        self.wait(lambda: len(self._all("openOrderEnd")) > before)
        found = {values[0]: order_row(*values) for values in self._all("openOrder")[start:]}
        return [{**row, "status": self.order(order_id)["status"]} for order_id, row in found.items()]

    def completed_orders(self) -> list[Row]:
        self.client.reqCompletedOrders(False)
        self.wait(lambda: self._last("completedOrdersEnd") is not None)
        return [
            {**order_row(0, *values), "ended": values[2].completedStatus, "ended_at": values[2].completedTime,
             "filled": number(values[1].filledQuantity)}
            for values in self._all("completedOrder")
        ]  # fmt: skip
