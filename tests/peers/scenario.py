"""What every client library does with the gateway, and says about it: one JSON line a step.

Runs inside a peer's own environment (`python -m tests.peers.scenario DRIVER HOST PORT`), so it imports the standard
library and its driver alone. Knows no expected value: `test_peers.py` judges. A driver hides how a library is called
and gives back what it decoded, in one shape for all of them.
"""

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

Row = dict[str, Any]

STEP_S: Final = 60.0  # a step that takes longer has failed; the whole scenario takes a few seconds
CLIENT_ID: Final = 31
OTHER_CLIENT_ID: Final = 32
STOCK: Final = {"secType": "STK", "symbol": "AAA", "exchange": "SMART", "currency": "USD"}
SECOND: Final = {**STOCK, "symbol": "BBB"}
UNKNOWN: Final = {**STOCK, "symbol": "NOSUCH"}
WORKING: Final = ("PreSubmitted", "Submitted")
DEAD: Final = ("Cancelled", "ApiCancelled", "Inactive")


class Driver(Protocol):
    """One client library. Every wait ends by `STEP_S`, with TimeoutError."""

    account: str

    def connect(self, host: str, port: int, client_id: int) -> Row: ...
    def refused(self, host: str, port: int, client_id: int) -> list[int]:
        """A second connection that must not succeed: the codes it was told."""
        ...

    def other(self) -> "Driver":
        """A further, unconnected client of the same library."""
        ...

    def disconnect(self) -> None: ...
    def now_s(self) -> int: ...
    def wait(self, condition: Callable[[], Any]) -> Any:
        """Until it is true; its value."""
        ...

    def details(self, contract: Row) -> list[Row]: ...
    def rule(self, number: int) -> list[list[float]]: ...
    def search(self, pattern: str) -> list[Row]: ...
    def quotes(self, contract: Row, generic: str) -> None: ...
    def quote(self, contract: Row) -> Row:
        """What the subscription has told so far: the last of each kind, and how often."""
        ...

    def end_quotes(self, contract: Row) -> None: ...
    def snapshot(self, contract: Row) -> Row: ...
    def ticks(self, contract: Row, kind: str, count: int) -> list[Row]: ...
    def bars(self, contract: Row, duration: str, size: str, what: str, updates: int) -> Row: ...
    def head(self, contract: Row) -> str: ...
    def past_ticks(self, contract: Row, what: str, count: int) -> list[Row]: ...
    def five_second_bars(self, contract: Row, count: int) -> list[Row]: ...
    def depth(self, contract: Row) -> Row: ...
    def place(self, contract: Row, order: Row, order_id: int) -> None: ...
    def next_id(self) -> int: ...
    def cancel(self, order_id: int) -> None: ...
    def global_cancel(self) -> None: ...
    def order(self, order_id: int) -> Row:
        """What is known of it now: the last echo and status, the statuses seen, its fills with commissions."""
        ...

    def what_if(self, contract: Row, order: Row) -> Row: ...
    def positions(self) -> list[Row]: ...
    def account_values(self) -> Row: ...
    def summary(self) -> Row: ...
    def profit(self, con_id: int) -> Row: ...
    def executions(self) -> list[Row]: ...
    def open_orders(self, everyone: bool) -> list[Row]: ...
    def completed_orders(self) -> list[Row]: ...
    def codes(self, number: int) -> list[int]:
        """Error codes told for a request or order so far."""
        ...

    def code_texts(self) -> list[list[Any]]: ...
    def faults(self) -> list[str]:
        """What the library logged as wrong and what died in its threads."""
        ...


def emit(step: str, **values: Any) -> None:
    """One line of the report."""
    print(json.dumps({"step": step, "at_s": round(time.monotonic() - STARTED, 2), **values}, default=str), flush=True)


STARTED: Final = time.monotonic()


def limit(action: str, quantity: int, px: float, **more: Any) -> Row:
    """A limit order, written out as careful users do."""
    return {"action": action, "totalQuantity": quantity, "orderType": "LMT", "lmtPrice": px, "tif": "DAY", **more}


def market(action: str, quantity: int, **more: Any) -> Row:
    return {"action": action, "totalQuantity": quantity, "orderType": "MKT", "tif": "DAY", **more}


class Scenario:
    """The steps, in the order of a user's day."""

    def __init__(self, driver: Driver, host: str, port: int) -> None:
        self.driver = driver
        self.host, self.port = host, port
        self.con_id = 0
        self.own: list[int] = []

    @property
    def quote(self) -> Row:
        return self.driver.quote(STOCK)

    def run(self) -> None:
        self.start()
        self.reference()
        self.market_data()
        self.history()
        self.limit_orders()
        self.fills()
        self.brackets()
        self.one_cancels_all()
        self.money()
        self.records()
        self.clients()
        self.sweep()
        self.again()
        emit("errors", errors=self.driver.code_texts())
        self.driver.disconnect()
        emit("end", faults=self.driver.faults())

    # -- what is there ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        session = self.driver.connect(self.host, self.port, CLIENT_ID)
        emit("connect", **session, now_s=self.driver.now_s())

    def reference(self) -> None:
        driver = self.driver
        details = driver.details(STOCK)
        self.con_id = details[0]["con_id"]
        emit("details", details=details, by_id=driver.details({"conId": self.con_id, "exchange": "SMART"}))
        emit("rule", increments=driver.rule(int(details[0]["rules"].split(",")[0])))
        emit("unknown", details=driver.details(UNKNOWN), errors=driver.code_texts()[-1:])
        emit("search", found=driver.search("AA"))

    def market_data(self) -> None:
        driver = self.driver
        driver.quotes(STOCK, "233,236")
        driver.wait(lambda: {"bid", "ask", "last", "rt_total"} <= set(self.quote) and self.quote["changes"] >= 8)
        emit("quotes", **self.quote)
        emit("snapshot", **driver.snapshot(SECOND))
        emit("ticks_quote", ticks=driver.ticks(STOCK, "BidAsk", 5))
        emit("ticks_trade", ticks=driver.ticks(SECOND, "AllLast", 3))
        emit("depth", **driver.depth(STOCK))
        emit("five_second_bars", bars=driver.five_second_bars(STOCK, 2))

    def history(self) -> None:
        driver = self.driver
        emit("daily", **driver.bars(STOCK, "5 D", "1 day", "TRADES", 0))
        emit("minutes", **driver.bars(STOCK, "1 D", "1 min", "MIDPOINT", 0))
        emit("live_bars", **driver.bars(SECOND, "600 S", "5 secs", "TRADES", 2))
        emit("head", head=driver.head(STOCK))
        emit("past_quotes", ticks=driver.past_ticks(STOCK, "BID_ASK", 10))
        emit("past_trades", ticks=driver.past_ticks(STOCK, "TRADES", 10))

    # -- orders -----------------------------------------------------------------------------------------------------

    def place(self, order: Row, order_id: int = 0) -> int:
        """New with the next number, or again with the given one."""
        if not order_id:
            order_id = self.driver.next_id()
            self.own.append(order_id)
        self.driver.place(STOCK, {"account": self.driver.account, **order}, order_id)
        return order_id

    def until(self, order_id: int, statuses: Sequence[str]) -> Row:
        """By its orderStatus: an openOrder alone does not count what is filled."""

        def reached() -> bool:
            order = self.driver.order(order_id)
            return order.get("status") in statuses and "filled" in order

        self.driver.wait(reached)
        return self.driver.order(order_id)

    def filled(self, order_id: int) -> Row:
        """Filled, and every fill with its commission."""

        def complete() -> bool:
            order = self.driver.order(order_id)
            fills = order.get("fills", [])
            told = sum(fill["shares"] for fill in fills)
            return (
                order.get("status") == "Filled" and told == order["quantity"] and all("fee" in fill for fill in fills)
            )

        self.driver.wait(complete)
        return self.driver.order(order_id)

    def away(self, dollars: float) -> float:
        """A buying price that far below the bid, on the tick."""
        return round(float(self.quote["bid"]) - dollars, 2)

    def limit_orders(self) -> None:
        px = self.away(0.5)
        number = self.place(limit("BUY", 100, px, orderRef="peer-1"))
        emit("limit_placed", asked=[number, px], order=self.until(number, ("Submitted",)))
        lower = round(px - 0.1, 2)
        self.place(limit("BUY", 70, lower, orderRef="peer-1"), number)
        self.driver.wait(lambda: self.driver.order(number)["limit"] == lower)
        emit("limit_changed", asked=[number, lower], order=self.driver.order(number))
        self.driver.cancel(number)
        order = self.until(number, DEAD)
        self.driver.wait(lambda: 202 in self.driver.codes(number))
        emit("limit_cancelled", order=order, codes=self.driver.codes(number))
        self.driver.cancel(number)
        self.driver.wait(lambda: len(self.driver.codes(number)) > 1)
        emit("cancelled_twice", codes=self.driver.codes(number), order=self.driver.order(number))
        untold = self.place(limit("BUY", 100, px, transmit=False))
        self.driver.now_s()  # answered after the order was read
        emit("held_back", order=self.driver.order(untold))
        self.place(limit("BUY", 100, px), untold)
        emit("let_go", order=self.until(untold, ("Submitted",)))
        self.driver.cancel(untold)
        self.until(untold, DEAD)
        off_tick = self.place(limit("BUY", 100, px + 0.001))
        self.driver.wait(lambda: self.driver.codes(off_tick))
        emit("off_tick", codes=self.driver.codes(off_tick), order=self.driver.order(off_tick))

    def fills(self) -> None:
        number = self.place(market("BUY", 300, orderRef="peer-market"))
        emit("market_buy", number=number, order=self.filled(number), quote=self.quote)
        number = self.place(market("SELL", 100))
        emit("market_sell", number=number, order=self.filled(number), quote=self.quote)

    def brackets(self) -> None:
        """A parent that fills at once, its profit taker and its stop; then the taker fills, which ends the stop."""
        ask = self.quote["ask"]
        parent = self.place(limit("BUY", 100, round(ask + 0.1, 2), transmit=False))
        taker = self.place(limit("SELL", 100, round(ask + 1, 2), parentId=parent, transmit=False))
        stop = {"action": "SELL", "totalQuantity": 100, "orderType": "STP", "auxPrice": round(ask - 1, 2), "tif": "DAY"}
        loss = self.place({**stop, "parentId": parent, "transmit": True})
        entry = self.filled(parent)
        emit("bracket", ids=[parent, taker, loss], parent=entry, taker=self.until(taker, ("Submitted",)),
             loss=self.until(loss, WORKING))  # fmt: skip
        self.place(limit("SELL", 100, self.away(0.1), parentId=parent), taker)
        emit("bracket_ended", taker=self.filled(taker), loss=self.until(loss, DEAD))

    def one_cancels_all(self) -> None:
        group = {"ocaGroup": f"peer-{self.port}", "ocaType": 1}
        low = self.place(limit("BUY", 100, self.away(0.5), **group))
        self.until(low, ("Submitted",))
        taken = self.place(limit("BUY", 100, round(self.quote["ask"] + 0.1, 2), **group))
        emit("oca", taken=self.filled(taken), other=self.until(low, DEAD))

    # -- what came of it --------------------------------------------------------------------------------------------

    def money(self) -> None:
        driver = self.driver
        emit("what_if", **driver.what_if(STOCK, {**market("BUY", 100), "account": driver.account}))
        emit("positions", positions=driver.positions())
        emit("account", **driver.account_values())
        emit("summary", **driver.summary())
        emit("profit", **driver.profit(self.con_id))

    def records(self) -> None:
        driver = self.driver
        resting = self.place(limit("BUY", 100, self.away(0.5), orderRef="peer-rest"))
        self.until(resting, ("Submitted",))
        emit("executions", executions=driver.executions())
        emit("open_orders", resting=resting, orders=driver.open_orders(everyone=False))
        emit("completed_orders", orders=driver.completed_orders())

    def clients(self) -> None:
        """Another client sees its own orders, and all of them only when it asks for all."""
        other = self.driver.other()
        session = other.connect(self.host, self.port, OTHER_CLIENT_ID)
        emit("other_client", **session, own=other.open_orders(everyone=False), all=other.open_orders(everyone=True))
        other.disconnect()
        emit("same_client_id", codes=self.driver.refused(self.host, self.port, CLIENT_ID), faults=other.faults())

    def sweep(self) -> None:
        numbers = [self.place(limit("BUY", 100, self.away(0.6 + 0.01 * step))) for step in range(3)]
        for number in numbers:
            self.until(number, ("Submitted",))
        self.driver.global_cancel()
        emit("global_cancel", orders=[self.until(number, DEAD) for number in numbers],
             left=self.driver.open_orders(everyone=True))  # fmt: skip

    def again(self) -> None:
        """An order outlives the connection of its client."""
        number = self.place({**limit("BUY", 100, self.away(0.5)), "tif": "GTC", "orderRef": "peer-lives"})
        before = self.until(number, ("Submitted",))
        self.driver.end_quotes(STOCK)
        self.driver.disconnect()
        session = self.driver.connect(self.host, self.port, CLIENT_ID)
        orders = self.driver.open_orders(everyone=False)
        emit("reconnect", number=number, before=before, **session, orders=orders,
             executions=self.driver.executions(), positions=self.driver.positions())  # fmt: skip
        self.driver.cancel(number)
        emit("cancelled_after", order=self.until(number, DEAD))


def main() -> None:
    name, host, port = sys.argv[1:]
    module = importlib.import_module(f"tests.peers.{name}")
    try:
        Scenario(module.driver(), host, int(port)).run()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # the reader threads of some libraries would outlive a failure for ever


if __name__ == "__main__":
    main()
