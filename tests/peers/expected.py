"""What a client must have decoded: one check for each step of the scenario, from the gateway's file and from arithmetic
on what the same client was told. Knows no library.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import pytest

Report = dict[str, dict[str, Any]]
Row = dict[str, Any]

ACCOUNT: Final = "DU7654321"
CASH: Final = 1_000_000
OPEN_S: Final = int(datetime(2026, 10, 5, 13, 30, tzinfo=UTC).timestamp())  # 09:30 in New York
CLOSE_S: Final = OPEN_S + 23_400
PREVIOUS_CLOSE: Final = {"AAA": 24.90, "BBB": 99.50}
TICK: Final = 0.01
HELD: Final = 300  # shares, after all of it
SHARE_FEE: Final = 0.005  # the least: 1.00 an order
CAT_FEE: Final = 0.000003  # a share, from May 2026
SEC_FEE: Final = 20.60e-6  # of what is sold, from April 2026
UNSET: Final = 1.7976931348623157e308


def on_tick(px: float) -> bool:
    return abs(px / TICK - round(px / TICK)) < 1e-6


def fee_of(fills: list[Row]) -> float:
    """What one order costs, by the published schedule."""
    shares: float = sum(fill["shares"] for fill in fills)
    sold: float = sum(fill["shares"] * fill["px"] for fill in fills if fill["side"] == "SLD")
    return max(1.0, SHARE_FEE * shares) + CAT_FEE * shares + SEC_FEE * sold


def check_fills(order: Row, *, side: str, quantity: int, number: int) -> None:
    """An order that filled: its executions, their prices, their commissions."""
    fills = order["fills"]
    assert order["status"] == "Filled"
    assert (order["filled"], order["remaining"]) == (quantity, 0)
    assert sum(fill["shares"] for fill in fills) == quantity
    assert len({fill["exec_id"] for fill in fills}) == len(fills)
    average = sum(fill["shares"] * fill["px"] for fill in fills) / quantity
    assert order["average"] == pytest.approx(average, abs=1e-6)
    assert fills[-1]["average"] == pytest.approx(average, abs=1e-6)
    assert fills[-1]["total"] == quantity
    for fill in fills:
        assert (fill["side"], fill["order_id"], fill["symbol"]) == (side, number, "AAA")
        assert (fill["account"], fill["currency"], fill["client_id"]) == (ACCOUNT, "USD", 31)
        assert fill["perm_id"] == order["perm_id"] > 0
        assert fill["venue"]
        assert on_tick(fill["px"])
    assert sum(fill["fee"] for fill in fills) == pytest.approx(fee_of(fills), abs=1e-6)


# ---- what is there -----------------------------------------------------------------------------------------------
def connect(report: Report) -> None:
    session = report["connect"]
    assert session["accounts"] == [ACCOUNT]
    assert session["next_id"] >= 1
    assert OPEN_S <= session["now_s"] < CLOSE_S


def details(report: Report) -> None:
    (found,) = report["details"]["details"]
    assert (found["symbol"], found["kind"], found["exchange"], found["currency"]) == ("AAA", "STK", "SMART", "USD")
    assert found["con_id"] > 0
    assert found["tick"] == TICK
    assert found["zone"] == "US/Eastern"
    rules = found["rules"].split(",")
    assert len(rules) == len(found["exchanges"].split(","))
    assert {"LMT", "MKT", "STP"} <= set(found["order_types"].split(","))
    assert "20261005:0930-20261005:1600" in found["liquid"].split(";")
    assert found["hours"].startswith("20261005:0400-20261005:2000")
    assert report["details"]["by_id"] == [found]
    (increment,) = report["rule"]["increments"][-1:]
    assert increment[1] == TICK
    assert report["unknown"]["details"] == []
    assert report["unknown"]["errors"][0][1] == 200


def search(report: Report) -> None:
    (con_id,) = (found["con_id"] for found in report["details"]["details"])
    found = [row for row in report["search"]["found"] if row["symbol"] == "AAA"]
    assert [row["con_id"] for row in found] == [con_id]
    assert (found[0]["kind"], found[0]["currency"]) == ("STK", "USD")


# ---- market data -------------------------------------------------------------------------------------------------
def quotes(report: Report) -> None:
    for name, symbol in (("quotes", "AAA"), ("snapshot", "BBB")):
        quote = report[name]
        assert 0 < quote["bid"] < quote["ask"] < quote["bid"] + 0.2, name
        assert all(on_tick(quote[side]) for side in ("bid", "ask", "last", "close")), name
        assert quote["close"] == PREVIOUS_CLOSE[symbol]
        assert quote["bid_size"] > 0
        assert quote["ask_size"] > 0
        assert quote["volume"] > 0
    quote = report["quotes"]
    assert quote["data_type"] == 1
    assert quote["halted"] == 0
    assert quote["low"] <= quote["last"] <= quote["high"]
    assert quote["shortable_shares"] > 0
    assert quote["rt_total"] > 0
    assert quote["low"] - TICK <= quote["rt_vwap"] <= quote["high"] + TICK


def ticks(report: Report) -> None:
    quoted, traded = report["ticks_quote"]["ticks"], report["ticks_trade"]["ticks"]
    assert (len(quoted), len(traded)) == (5, 3)
    for tick in quoted:
        assert 0 < tick["bid"] < tick["ask"]
        assert tick["bid_size"] > 0
        assert tick["ask_size"] > 0
    for tick in traded:
        assert abs(tick["px"] - 100) < 2
        assert tick["size"] > 0
        assert tick["exchange"]
    for tick in quoted + traded:
        assert OPEN_S <= tick.get("at_s", OPEN_S) < CLOSE_S


def depth(report: Report) -> None:
    found = report["depth"]
    assert found["bid"][0] < found["ask"][0]
    assert min(found["bid"][1], found["ask"][1]) > 0


def check_bar(bar: Row, px: float) -> None:
    assert bar["low"] <= min(bar["open"], bar["close"]) <= max(bar["open"], bar["close"]) <= bar["high"]
    assert abs(bar["close"] / px - 1) < 0.25


def bars(report: Report) -> None:
    first, second = report["five_second_bars"]["bars"]
    assert second["at_s"] - first["at_s"] == 5
    assert first["at_s"] % 5 == 0
    for bar in (first, second):
        check_bar(bar, 25)
    daily = report["daily"]["bars"]
    assert len(daily) == 5
    days = [bar["at"] for bar in daily]
    assert days == sorted(set(days))
    assert all(len(day) == 8 for day in days)
    minutes = report["minutes"]["bars"]
    assert len(minutes) >= 1
    live = report["live_bars"]
    assert len(live["later"]) >= 2
    for bar in [*daily, *minutes]:
        check_bar(bar, 25)
    for bar in [*live["bars"], *live["later"]]:
        check_bar(bar, 100)
        assert bar["volume"] >= 0
    assert live["later"][0]["at"] >= live["bars"][-1]["at"]
    for name in ("daily", "minutes", "live_bars"):
        assert report[name]["codes"] == []
    assert all(bar["volume"] > 0 for bar in daily)


def past(report: Report) -> None:
    assert report["head"]["head"] < "20261005-13:30:00"
    quoted, traded = report["past_quotes"]["ticks"], report["past_trades"]["ticks"]
    assert len(quoted) >= 10
    assert len(traded) >= 10
    assert all(0 < tick["bid"] < tick["ask"] for tick in quoted)
    assert all(on_tick(tick["px"]) and tick["size"] > 0 for tick in traded)
    for found in (quoted, traded):
        times = [tick["at_s"] for tick in found]
        assert times == sorted(times)
        assert OPEN_S - 120 <= times[0] < CLOSE_S


# ---- orders ------------------------------------------------------------------------------------------------------
def limit_orders(report: Report) -> None:
    number, px = report["limit_placed"]["asked"]
    order = report["limit_placed"]["order"]
    assert order["status"] == "Submitted"
    assert (order["order_id"], order["client_id"], order["account"]) == (number, 31, ACCOUNT)
    assert (order["side"], order["quantity"], order["kind"], order["tif"]) == ("BUY", 100, "LMT", "DAY")
    assert (order["limit"], order["ref"], order["symbol"]) == (px, "peer-1", "AAA")
    assert (order["filled"], order["remaining"]) == (0, 100)
    assert order["perm_id"] > 0
    changed = report["limit_changed"]["order"]
    assert (changed["limit"], changed["quantity"]) == (report["limit_changed"]["asked"][1], 70)
    assert changed["perm_id"] == order["perm_id"]
    assert changed["status"] == "Submitted"
    ended = report["limit_cancelled"]["order"]
    assert (ended["status"], ended["perm_id"], ended["filled"]) == ("Cancelled", order["perm_id"], 0)
    assert report["limit_cancelled"]["codes"] == [202]
    assert report["cancelled_twice"]["codes"][1:] in ([10148], [161], [10147])
    assert report["cancelled_twice"]["order"]["status"] == "Cancelled"
    assert report["held_back"]["order"] == {"statuses": [], "fills": []}
    assert report["let_go"]["order"]["status"] == "Submitted"
    assert report["off_tick"]["codes"][0] == 110
    assert report["off_tick"]["order"].get("status") not in ("Submitted", "PreSubmitted", "Filled")


def fills(report: Report) -> None:
    bought, sold = report["market_buy"], report["market_sell"]
    check_fills(bought["order"], side="BOT", quantity=300, number=bought["number"])
    check_fills(sold["order"], side="SLD", quantity=100, number=sold["number"])
    assert all(fill["ref"] == "peer-market" for fill in bought["order"]["fills"])
    assert abs(bought["order"]["average"] - bought["quote"]["ask"]) < 0.3
    realised = sum(fill["realised"] for fill in sold["order"]["fills"])
    paid, got = bought["order"], sold["order"]
    gained = 100 * (got["average"] - paid["average"]) - sum(fill["fee"] for fill in got["fills"])
    assert realised == pytest.approx(gained, abs=0.0001)
    assert all(fill["realised"] in (0, UNSET) for fill in paid["fills"])


def bracket(report: Report) -> None:
    parent, taker, loss = report["bracket"]["ids"]
    found = report["bracket"]
    check_fills(found["parent"], side="BOT", quantity=100, number=parent)
    assert (found["taker"]["parent"], found["loss"]["parent"]) == (parent, parent)
    assert (found["taker"]["kind"], found["loss"]["kind"]) == ("LMT", "STP")
    assert found["loss"]["stop"] < found["taker"]["limit"]
    ended = report["bracket_ended"]
    check_fills(ended["taker"], side="SLD", quantity=100, number=taker)
    assert (ended["loss"]["status"], ended["loss"]["order_id"], ended["loss"]["filled"]) == ("Cancelled", loss, 0)


def one_cancels_all(report: Report) -> None:
    taken, other = report["oca"]["taken"], report["oca"]["other"]
    check_fills(taken, side="BOT", quantity=100, number=taken["order_id"])
    assert (other["status"], other["filled"]) == ("Cancelled", 0)
    assert other["group"] == taken["group"] != ""


# ---- what came of it ---------------------------------------------------------------------------------------------
def all_fills(report: Report) -> list[Row]:
    found = (report["market_buy"]["order"], report["market_sell"]["order"], report["bracket"]["parent"])
    return [
        fill
        for order in (*found, report["bracket_ended"]["taker"], report["oca"]["taken"])
        for fill in order["fills"]
    ]  # fmt: skip


def money(report: Report) -> None:
    fills = all_fills(report)
    cash = CASH - sum(
        (1 if fill["side"] == "BOT" else -1) * fill["shares"] * fill["px"] + fill["fee"] for fill in fills
    )
    (held,) = report["positions"]["positions"]
    assert (held["account"], held["symbol"], held["size"]) == (ACCOUNT, "AAA", HELD)
    assert held["con_id"] == report["details"]["details"][0]["con_id"]
    assert abs(held["cost"] - 25) < 1
    (line,) = report["account"]["portfolio"]
    assert (line["con_id"], line["size"], line["account"]) == (held["con_id"], HELD, ACCOUNT)
    assert line["value"] == pytest.approx(HELD * line["px"], abs=0.05)
    equity = 0.0
    for name in ("account", "summary"):
        values = report[name]["values"]
        assert float(values["TotalCashValue"]) == pytest.approx(cash, abs=0.01), name
        equity = float(values["NetLiquidation"])
        assert equity == pytest.approx(cash + HELD * line["px"], abs=40.0), name
        assert float(values["GrossPositionValue"]) == pytest.approx(HELD * line["px"], abs=40.0), name
        assert float(values["BuyingPower"]) > equity
    profit = report["profit"]
    assert profit["one"]["size"] == HELD
    assert profit["one"]["value"] == pytest.approx(HELD * line["px"], abs=40.0)
    sales = sum(fill["realised"] for fill in fills if fill["side"] == "SLD")
    paid = sum(fill["fee"] for fill in fills if fill["side"] == "BOT")
    assert profit["account"]["realised"] == pytest.approx(sales - paid, abs=0.001)
    assert profit["one"]["open"] == pytest.approx(HELD * (line["px"] - held["cost"]), abs=40.0)
    assert profit["account"]["daily"] == pytest.approx(equity - CASH, abs=40.0)


def what_if(report: Report) -> None:
    found = report["what_if"]
    assert found["codes"] == []
    assert found["statuses"] == []
    assert found["initial_change"] == pytest.approx(0.5 * 100 * 25, rel=0.1)
    assert found["initial_after"] == pytest.approx(found["initial_before"] + found["initial_change"], abs=0.02)
    assert 0 < found["maintenance_change"] <= found["initial_change"]
    assert found["fee"] == UNSET or found["fee"] == pytest.approx(1.0, abs=0.01)


def records(report: Report) -> None:
    told = {fill["exec_id"]: fill for fill in all_fills(report)}
    listed = {fill["exec_id"]: fill for fill in report["executions"]["executions"]}
    assert set(listed) == set(told)
    for exec_id, fill in listed.items():
        for name in ("shares", "px", "fee", "order_id", "perm_id", "side", "total", "ref"):
            assert fill[name] == told[exec_id][name], (exec_id, name)
    resting = report["open_orders"]["resting"]
    (order,) = report["open_orders"]["orders"]
    assert (order["order_id"], order["ref"], order["status"]) == (resting, "peer-rest", "Submitted")
    ended = {order["perm_id"]: order for order in report["completed_orders"]["orders"]}
    bought, cancelled = report["market_buy"]["order"], report["limit_cancelled"]["order"]
    assert ended[bought["perm_id"]]["status"] == "Filled"
    assert ended[bought["perm_id"]]["filled"] == 300
    assert ended[cancelled["perm_id"]]["status"] == "Cancelled"
    assert ended[cancelled["perm_id"]]["ref"] == "peer-1"
    assert order["perm_id"] not in ended


def clients(report: Report) -> None:
    other = report["other_client"]
    assert other["own"] == []
    (order,) = other["all"]
    assert (order["order_id"], order["client_id"]) == (report["open_orders"]["resting"], 31)
    assert report["same_client_id"]["codes"] == [326]
    assert report["same_client_id"]["faults"] == []


def sweep(report: Report) -> None:
    found = report["global_cancel"]
    assert [order["status"] for order in found["orders"]] == ["Cancelled"] * 3
    assert found["left"] == []


def reconnect(report: Report) -> None:
    found = report["reconnect"]
    assert found["version"] == report["connect"]["version"]
    assert found["next_id"] > found["number"]
    (order,) = found["orders"]
    for name in ("order_id", "perm_id", "client_id", "limit", "quantity", "tif", "ref"):
        assert order[name] == found["before"][name], name
    assert order["status"] == "Submitted"
    assert {fill["exec_id"] for fill in found["executions"]} == {fill["exec_id"] for fill in all_fills(report)}
    assert [position["size"] for position in found["positions"]] == [HELD]
    ended = report["cancelled_after"]["order"]
    assert (ended["status"], ended["perm_id"]) == ("Cancelled", order["perm_id"])


CHECKS: Final[tuple[Callable[[Report], None], ...]] = (
    connect, details, search, quotes, ticks, depth, bars, past, limit_orders, fills, bracket, one_cancels_all, money,
    what_if, records, clients, sweep, reconnect,
)  # fmt: skip


def timeless(name: str, row: Row) -> Any:
    """What does not depend on the moment, and what every version of the protocol carries."""
    if name == "details":
        return [{key: value for key, value in found.items() if key != "size_step"} for found in row["details"]]
    if name == "daily":
        return row["bars"][:-1]  # the last one is today's
    if name == "rule":
        return row["increments"]
    return sorted(row["found"], key=lambda found: int(found["con_id"]))
