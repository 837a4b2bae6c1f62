"""Who sees, owns and may touch which order, and what survives: clients, manual orders, restarts, a lost server."""

from typing import Any

from ib_async import ExecutionFilter, LimitOrder, MarketOrder, StopOrder

from broker.gateway.orders.record import OrderRecord
from broker.gateway.orders.request import manual_request
from broker.gateway.orders.settings import OrderSettings
from tests.fakes.gateway_peer import Peer, Rig, market_rig
from tests.fakes.tape import Tape

BOTH = ["openOrder Submitted", "orderStatus Submitted"]


def limit(side: str, size: float, px: float, **more: Any) -> LimitOrder:
    """A day's limit order."""
    return LimitOrder(side, size, px, **({"tif": "DAY"} | more))


def by_hand(rig: Rig, **values: str) -> OrderRecord:
    """A person buys at the gateway's screen."""
    words = {"symbol": "S0", "secType": "STK", "exchange": "SMART", "currency": "USD", "transmit": "1"} | {
        "action": "BUY", "totalQuantity": "100", "orderType": "LMT", "lmtPrice": "9.99", "tif": "DAY",
    }  # fmt: skip
    record = rig.orders.place_manual(manual_request(**(words | values)))
    assert isinstance(record, OrderRecord)
    rig.wait()
    return record


def open_ids(peer: Peer) -> list[tuple[int, int]]:
    """Order id and client id of all open orders a list shows."""
    found = [(args[0], args[2].clientId) for args in peer.heard("openOrder")]
    peer.news()
    return found


def test_everyone_hears_of_its_own_and_the_master_of_all() -> None:
    """Statuses, executions and commissions; a snapshot of all is open to everybody."""
    rig = market_rig(master=11)
    one, two, master = rig.client(1), rig.client(2), rig.client(11)
    one.place(5, limit("BUY", 100, 9.99))
    two.place(5, MarketOrder("BUY", 10, tif="DAY"))
    rig.wait(1)
    assert one.news() == BOTH
    assert [name for name in two.news() if name.startswith(("exec", "comm"))] == [
        "execDetails 10@10.02",
        "commissionReport",
    ]
    heard = master.news()
    assert (heard.count("commissionReport"), heard.count("openOrder Submitted")) == (1, 1)
    one.ask.reqOpenOrders()
    assert open_ids(one) == [(5, 1)]
    two.ask.reqOpenOrders()
    assert open_ids(two) == []
    two.ask.reqAllOpenOrders()
    assert open_ids(two) == [(5, 1)]
    for peer, count in ((one, 0), (two, 1), (master, 1)):
        peer.ask.reqExecutions(1, ExecutionFilter())
        assert len(peer.heard("execDetails")) == count
        peer.news()
    one.ask.reqCompletedOrders(False)
    assert one.news() == ["completedOrder", "completedOrdersEnd"]


def test_another_client_s_order_cannot_be_cancelled_unless_the_gateway_lets_it() -> None:
    """10147 by default; a switch for gateways seen to allow it; a global cancel takes everybody's."""
    for across in (False, True):
        rig = market_rig(settings=OrderSettings(cancel_across_clients=across))
        one, two = rig.client(1), rig.client(2)
        one.place(7, limit("BUY", 100, 9.99))
        rig.wait()
        one.news()
        two.ask.cancelOrder(7)
        rig.wait()
        assert (one.news() == []) is not across
        assert [args[1] for args in two.heard("error")] == ([] if across else [10147])
    rig = market_rig()
    one, two = rig.client(1), rig.client(2)
    one.place(1, limit("BUY", 100, 9.99))
    one.place(2, MarketOrder("BUY", 100, tif="DAY", transmit=False))
    by_hand(rig)
    one.news()
    two.ask.reqGlobalCancel()
    rig.wait()
    assert sorted(args[0] for args in one.heard("orderStatus") if args[1].endswith("Cancelled")) == [1, 2]
    two.ask.reqAllOpenOrders()
    assert two.news() == ["openOrderEnd"]


def test_orders_outlive_their_client() -> None:
    """It misses what happens meanwhile and learns it by asking."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, limit("BUY", 100, 9.99))
    peer.place(2, limit("BUY", 100, 9.50))
    rig.wait()
    rig.machine.closed(peer)
    rig.play(Tape().quote(3, 997, 999, 500, 500)).wait(1)
    again = rig.client()
    assert again.news() == []
    again.ask.reqOpenOrders()
    assert open_ids(again) == [(2, 11)]
    again.ask.reqExecutions(1, ExecutionFilter())
    assert again.news() == ["execDetails 100@9.99", "commissionReport", "execDetailsEnd"]


def test_manual_orders_belong_to_client_zero_once_bound() -> None:
    """Unbound: order id 0 and client id 0. Bound: orderBound, a negative id to modify and cancel by."""
    rig = market_rig()
    zero, one = rig.client(0), rig.client(1)
    record = by_hand(rig)
    assert zero.news() == []
    one.ask.reqAllOpenOrders()
    assert open_ids(one) == [(0, 0)]
    one.ask.reqAutoOpenOrders(True)
    assert [args[1] for args in one.heard("error")] == [327]
    zero.ask.reqOpenOrders()
    assert zero.heard("orderBound") == [(record.perm_id, 0, -1)]
    assert open_ids(zero) == [(-1, 0)]
    zero.place(-1, limit("BUY", 100, 9.95))
    rig.wait()
    assert zero.heard("openOrder")[0][2].lmtPrice == 9.95
    zero.ask.cancelOrder(-1)
    rig.wait()
    assert zero.news()[-1] == "error 202"
    zero.ask.reqAutoOpenOrders(True)
    by_hand(rig)
    assert zero.news()[:1] == ["orderBound"]
    assert rig.registry.next_valid_id(0) == 1
    zero.ask.reqCompletedOrders(True)
    assert zero.heard("completedOrder") == []


def test_a_person_cancels_and_is_refused_like_anybody() -> None:
    """By perm id, of any client; a bad manual order says why."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, limit("BUY", 100, 9.99))
    rig.wait()
    perm_id = peer.heard("openOrder")[0][2].permId
    assert rig.orders.cancel_manual(perm_id)
    rig.wait()
    assert peer.heard("orderStatus")[-1][1] == "Cancelled"
    assert not rig.orders.cancel_manual(perm_id)
    assert rig.orders.place_manual(manual_request(action="BUY", orderType="LMT")) == (
        321,
        "Error validating request.-'bN' : cause - Please enter a valid security type",
    )


def test_a_restart_forgets_nothing_that_was_told() -> None:
    """Working orders, held children, fills, ids; only what was never transmitted is gone."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, limit("BUY", 600, 10.02, tif="GTC", transmit=False))
    peer.place(2, StopOrder("SELL", 600, 9.80, tif="GTC", parentId=1))
    peer.place(3, limit("BUY", 10, 9.5, transmit=False))
    rig.wait(1)
    by_hand(rig)
    perm_ids = {args[0]: args[2].permId for args in peer.heard("openOrder")}
    rig.restart()
    rig.play(Tape().quote(5, 1000, 1002, 500, 500)).wait(1)  # it fills while nobody is connected
    peer = rig.client()
    peer.ask.reqAllOpenOrders()
    shown = {args[0]: args[2].permId for args in peer.heard("openOrder")}
    assert (shown[2], sorted(shown)) == (perm_ids[2], [0, 2])
    peer.ask.reqExecutions(1, ExecutionFilter())
    assert [args[2].cumQty for args in peer.heard("execDetails")] == [500, 600]
    peer.news()
    peer.place(2, StopOrder("SELL", 600, 9.85, tif="GTC", parentId=1))
    rig.wait()
    rig.restart()
    peer = rig.client()
    rig.play(Tape().quote(9, 984, 986, 900, 900).print(9, 984, 100)).wait()
    assert {args[0]: args[1] for args in peer.heard("orderStatus")} == {2: "Filled"}
    assert rig.position == 100  # the manual order's


def test_orders_sent_without_a_server_wait_for_it_or_die() -> None:
    """1100: held and submitted at 1102, modifies and cancels too; or never heard of again."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, limit("BUY", 100, 9.90))
    peer.place(2, limit("BUY", 100, 9.91))
    rig.wait()
    peer.news()
    rig.faults.server_lost = rig.faults.hold_orders = True
    rig.machine.link_changed(data_lost=False)
    peer.place(3, limit("BUY", 100, 10.02))
    peer.place(1, limit("BUY", 100, 9.95))
    peer.ask.cancelOrder(2)
    peer.place(4, limit("BUY", 100, 9.99))
    peer.ask.cancelOrder(4)
    rig.wait(5)
    assert peer.news() == ["orderStatus PendingCancel", "orderStatus ApiCancelled", "error 202"]
    assert rig.position == 0
    rig.restart()
    peer = rig.client()
    rig.faults.server_lost = False
    rig.machine.link_changed(data_lost=False)
    rig.wait()
    ends = {args[0]: args[1] for args in peer.heard("orderStatus")}
    assert ends == {1: "Submitted", 2: "Cancelled", 3: "Filled"}
    assert peer.heard("openOrder")[-1][2].lmtPrice in (9.95, 10.02)
    rig.wait(1)
    rig.faults.server_lost, rig.faults.hold_orders = True, False
    rig.machine.link_changed(data_lost=False)
    peer.news()
    peer.place(5, limit("BUY", 100, 10.02))
    rig.wait(5)
    rig.faults.server_lost = False
    rig.machine.link_changed(data_lost=True)
    rig.wait(5)
    assert (peer.news(), rig.position) == ([], 100)


def test_an_order_that_was_told_does_not_vanish_with_the_server() -> None:
    """Shares for it are found while there is no server: it goes out later, or is cancelled as what it was."""
    rig = market_rig(shortable={"S0": 5})
    peer = rig.client()
    peer.place(1, limit("SELL", 10, 10.50))
    peer.place(2, limit("SELL", 10, 10.60))
    rig.wait()
    rig.faults.server_lost, rig.faults.hold_orders = True, False
    rig.machine.link_changed(data_lost=False)
    rig.until(100)
    peer.news()
    peer.ask.cancelOrder(2)
    assert peer.news() == ["orderStatus Cancelled", "error 202"]
    rig.faults.server_lost = False
    rig.machine.link_changed(data_lost=False)
    rig.wait()
    assert peer.news() == BOTH


def test_a_bracket_sent_into_the_void_leaves_no_child() -> None:
    """Without a server and without a queue the whole of it dies, held children too."""
    rig = market_rig(shortable={"S0": 0})
    peer = rig.client()
    rig.faults.server_lost = True
    peer.place(1, limit("BUY", 100, 10.02, transmit=False))
    peer.place(2, limit("SELL", 100, 10.50, parentId=1))
    rig.faults.server_lost = False
    rig.machine.link_changed(data_lost=False)
    rig.wait(5)
    peer.ask.reqAllOpenOrders()
    assert peer.news() == ["openOrderEnd"]


def test_a_stop_at_the_gateway_of_a_long_dead_day_enters_under_its_own_number() -> None:
    """A child that waited over a day's roll is no duplicate to the venue."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, limit("BUY", 100, 9.99, tif="GTC", transmit=False))
    peer.place(2, limit("SELL", 100, 10.5, tif="GTC", parentId=1))
    peer.place(3, MarketOrder("BUY", 10, tif="DAY"))
    rig.wait(1)
    day = 86_400
    rig.until(day - 3600)
    peer.place(4, limit("BUY", 10, 9))  # the venue rolls its day with it
    rig.wait().until(day + 0.5).play(Tape().quote(day + 1, 997, 999, 500, 500)).wait()
    ends = {args[0]: args[1] for args in peer.heard("orderStatus")}
    assert (ends[1], ends[2]) == ("Filled", "Submitted")
