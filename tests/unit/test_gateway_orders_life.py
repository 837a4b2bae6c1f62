"""How orders live in the gateway: the sequences of messages a client sees (as captured from real gateways)."""

from typing import Any

import pytest
from ib_async import ExecutionFilter, LimitOrder, MarketOrder, Order, StopLimitOrder, StopOrder, TagValue

from broker.gateway.orders.settings import OrderSettings
from broker.gateway.part import FILL_AFTER_CANCEL, LOST_ORDER, NASTY_STATUS, REJECT_CANCEL, REJECT_MODIFY, REJECT_ORDER
from core.units import NANO
from tests.fakes.gateway_peer import VENUE, Rig, market_rig
from tests.fakes.tape import CLOSE_S, Tape, at

DAY_S = 86_400
BOTH = ["openOrder Submitted", "orderStatus Submitted"]
HELD = ["openOrder PreSubmitted", "orderStatus PreSubmitted"]
CANCELLED = ["orderStatus PendingCancel", "orderStatus Cancelled", "error 202"]


def limit(side: str, size: float, px: float, **more: object) -> LimitOrder:
    """A limit order that says its time in force."""
    return LimitOrder(side, size, px, **{"tif": "DAY"} | more)


def test_a_market_order_is_presubmitted_traded_filled_and_paid() -> None:
    """openOrder and status, execution, openOrder and status Filled, then the commission."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, MarketOrder("BUY", 100, tif="DAY"))
    rig.wait()
    assert peer.heard("orderStatus")[-1][1:5] == ("Filled", 100.0, 0.0, 10.02)
    assert peer.news() == [*HELD, "execDetails 100@10.02", "openOrder Filled", "orderStatus Filled"]
    rig.wait(1)
    assert peer.news() == ["commissionReport"]


def test_a_resting_limit_is_cancelled_with_its_code_last() -> None:
    """PendingCancel, Cancelled, then 202; in the two-step form PreSubmitted comes first."""
    rig = market_rig(config=VENUE.__class__(latency=VENUE.latency, two_step_ack=True))
    peer = rig.client()
    peer.place(1, limit("BUY", 100, 9.99))
    rig.wait()
    assert peer.news() == [*HELD, *BOTH]
    peer.ask.cancelOrder(1)
    rig.wait()
    assert peer.news() == CANCELLED
    peer.ask.cancelOrder(1)
    peer.ask.cancelOrder(99)
    assert [args[1] for args in peer.heard("error")] == [10148, 10147]


def test_partial_fills_count_up() -> None:
    """Every execution has its own id, the cumulative quantity and the average so far."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, limit("BUY", 700, 10.02))
    rig.wait().play(Tape().quote(5, 1000, 1002, 500, 500).quote(7, 999, 1001, 500, 500)).wait()
    fills = [args[2] for args in peer.heard("execDetails")]
    assert [(fill.shares, fill.cumQty, fill.price) for fill in fills] == [(500, 500, 10.02), (200, 700, 10.02)]
    assert len({fill.execId for fill in fills}) == 2
    assert [args[2:4] for args in peer.heard("orderStatus")] == [(0, 700), (500, 200), (700, 0)]


def test_immediate_orders_end_at_once() -> None:
    """IOC: PendingCancel, Cancelled, 202. FOK that cannot fill: Inactive, and the venue is rid of it."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, limit("BUY", 600, 10.02, tif="IOC"))
    rig.wait()
    assert peer.news()[-3:] == CANCELLED
    peer.place(2, limit("BUY", 600, 10.02, tif="FOK"))
    rig.wait()
    assert peer.news()[-1] == "orderStatus Inactive"
    rig.wait()
    assert (peer.news(), rig.position) == ([], 500)
    peer.ask.reqOpenOrders()
    assert peer.news() == ["openOrderEnd"]


def test_a_limit_far_through_the_market_is_taken_for_a_mistake() -> None:
    """More than three per cent beyond the far side: Cancelled with 202, nothing trades."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, limit("BUY", 10, 10.33))
    peer.place(2, limit("BUY", 10, 10.32))
    rig.wait()
    assert peer.news()[:4] == [*HELD, "orderStatus Cancelled", "error 202"]
    assert rig.position == 10


def test_a_stop_waits_for_its_trigger() -> None:
    """PreSubmitted, held for "trigger", until a print goes through; then it is a market order."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, StopOrder("SELL", 100, 9.90, tif="DAY"))
    peer.place(2, StopLimitOrder("SELL", 100, 9.89, 9.90, tif="DAY"))
    rig.wait()
    assert [args[9] for args in peer.heard("orderStatus")] == ["trigger", "trigger"]
    peer.news()
    rig.play(Tape().quote(3, 988, 990, 500, 500).print(4, 989, 100)).wait()
    filled = ["execDetails 100@9.88", "openOrder Filled", "orderStatus Filled"]
    assert peer.news() == [*BOTH, *filled, *BOTH]  # the stop limit rests above the market
    assert rig.position == -100


def test_a_trailing_stop_follows_and_fires() -> None:
    """openOrder shows where it stands; by amount and by percentage."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, Order(action="SELL", totalQuantity=100, orderType="TRAIL", auxPrice=0.10, tif="DAY"))
    peer.place(2, Order(action="SELL", totalQuantity=100, orderType="TRAIL", trailingPercent=1, tif="DAY"))
    rig.wait()
    stops = {args[0]: args[2] for args in peer.heard("openOrder")}
    assert (stops[1].trailStopPrice, stops[1].auxPrice) == (9.91, 0.10)
    assert (stops[2].trailStopPrice, stops[2].trailingPercent) == (9.90, 1.0)
    rig.play(Tape().print(2, 1021, 100).quote(3, 1010, 1012, 500, 500).print(4, 1011, 100)).wait()
    assert rig.position == -100  # 10.21 - 0.10 is touched; one per cent away is not
    peer.ask.reqOpenOrders()
    assert [args[0] for args in peer.heard("openOrder")][-1] == 2


def test_on_open_and_on_close_orders_trade_in_their_auctions() -> None:
    """MOO at the first regular print of the next day, LOO not if it is beyond its limit, MOC at the close."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, Order(action="BUY", totalQuantity=50, orderType="MOC", tif="DAY"))
    rig.wait().until(CLOSE_S + 1)
    assert rig.position == 50
    peer.place(2, MarketOrder("BUY", 100, tif="OPG"))
    peer.place(3, limit("BUY", 100, 10.03, tif="OPG"))
    peer.place(4, limit("BUY", 100, 10.05, tif="OPG"))
    rig.wait()
    peer.news()
    rig.until(DAY_S + 0.5).play(Tape().print(DAY_S + 1, 1004, 5_000)).wait()
    fills = {args[2].orderId: args[2].price for args in peer.heard("execDetails")}
    assert fills == {2: 10.04, 4: 10.04}
    assert [args[1] for args in peer.heard("orderStatus") if args[0] == 3][-1] == "Cancelled"


def test_an_order_before_its_hours_is_warned_of_and_waits() -> None:
    """399 says from when on it works; GTC lives over the night, DAY does not."""
    rig = Rig().play(Tape().quote(-3600, 1000, 1002, 500, 500))
    peer = rig.client()
    peer.place(1, limit("BUY", 100, 9.99, tif="GTC"))
    peer.place(2, limit("BUY", 100, 9.98))
    peer.place(3, limit("BUY", 100, 10.02, outsideRth=True))
    rig.wait()
    codes = [(args[0], args[1]) for args in peer.heard("error")]
    assert codes == [(1, 399), (2, 399)]
    assert "2026-01-05 09:30:00 US/Eastern" in peer.heard("error")[0][2]
    assert rig.position == 100
    peer.news()
    rig.play(Tape().quote(1, 1000, 1002, 500, 500)).until(CLOSE_S + 1)
    assert [args[0] for args in peer.heard("orderStatus") if args[1] == "Cancelled"] == [2]
    rig.play(Tape().quote(DAY_S + 1, 990, 992, 500, 500)).wait()
    assert rig.position == 200


def test_good_till_a_moment_ends_there() -> None:
    """GTD with the exchange's zone, with UTC, and with nothing readable."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, limit("BUY", 10, 9.9, tif="GTD", goodTillDate="20260105 09:31:00 US/Eastern"))
    peer.place(2, limit("BUY", 10, 9.9, tif="GTD", goodTillDate="20260105-14:32:00"))
    peer.place(3, limit("BUY", 10, 9.9, tif="GTD", goodTillDate="tomorrow"))
    peer.place(4, limit("BUY", 10, 9.9, tif="GTD", goodTillDate="20260105"))
    rig.until(61)
    assert [args[0] for args in peer.heard("orderStatus") if args[1] == "Cancelled"] == [1]
    rig.until(121)
    assert [args[0] for args in peer.heard("orderStatus") if args[1] == "Cancelled"] == [1, 2]
    assert [args[:2] for args in peer.heard("error") if args[1] == 321] == [(3, 321)]


def test_modifies_change_price_size_and_time_in_force() -> None:
    """The same id again; what is filled is silence, what is another order is 105."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, limit("BUY", 100, 9.90))
    rig.wait()
    peer.news()
    peer.place(1, limit("BUY", 200, 9.95, tif="GTC"))
    rig.wait()
    order = peer.heard("openOrder")[0][2]
    assert (order.totalQuantity, order.lmtPrice, order.tif) == (200, 9.95, "GTC")
    assert peer.news() == BOTH
    peer.place(1, limit("SELL", 200, 9.95))
    peer.place(1, limit("BUY", 200, 9.953))
    peer.place(1, limit("BUY", 200, 10.02))
    rig.wait()
    assert [args[1] for args in peer.heard("error")] == [105, 110]
    assert rig.position == 200
    peer.news()
    peer.place(1, limit("BUY", 300, 10.02))
    rig.wait()
    assert peer.news() == []


def test_faults_strike_where_they_say() -> None:
    """Each is a fate of a single order: refused, lost, told twice, filled after its cancel, kept as it is."""
    rig = market_rig()
    peer = rig.client()
    rig.faults.due = [REJECT_ORDER]
    peer.place(1, limit("BUY", 100, 9.99))
    assert peer.news() == ["openOrder Inactive", "orderStatus Inactive", "error 201"]
    rig.faults.due = [LOST_ORDER]
    peer.place(2, limit("BUY", 100, 9.99))
    rig.wait(60)
    assert peer.news() == []
    rig.faults.due = [NASTY_STATUS]
    peer.place(3, limit("BUY", 100, 9.99))
    rig.wait()
    assert peer.news() == [*BOTH, *BOTH]
    rig.faults.due = [REJECT_MODIFY]
    peer.place(3, limit("BUY", 100, 9.98))
    assert peer.news() == ["error 201"]
    rig.faults.due = [REJECT_CANCEL]
    peer.ask.cancelOrder(3)
    assert peer.news() == ["error 161"]
    peer.place(4, limit("BUY", 100, 9.97))
    rig.wait()
    peer.news()
    rig.faults.due = [REJECT_CANCEL]
    peer.ask.reqGlobalCancel()
    rig.wait(1)
    assert peer.news() == ["error 161", *CANCELLED], "of two orders one is taken back"
    rig.faults.due = [FILL_AFTER_CANCEL]
    peer.ask.cancelOrder(3)
    rig.wait(1)
    assert peer.news() == [
        *CANCELLED, "execDetails 100@9.99", "openOrder Filled", "orderStatus Filled", "commissionReport",
    ]  # fmt: skip
    assert rig.position == 100


def test_a_correction_replaces_and_a_bust_takes_back() -> None:
    """The new execDetails has the last segment one higher; requests show what stands, cash and position follow."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, MarketOrder("BUY", 100, tif="DAY"))
    rig.wait(1)
    first = peer.heard("execDetails")[0][2].execId
    assert rig.orders.correct(first, qty_nanos=100 * NANO, px_nanos=10_010_000_000)
    rig.wait()
    second = peer.heard("execDetails")[1][2]
    assert (second.execId, second.price, second.shares) == (f"{first[:-2]}02", 10.01, 100)
    assert not rig.orders.correct(first, qty_nanos=0, px_nanos=0)
    cash = rig.world.exchange.account.state.cash_nanos["USD"]
    assert rig.orders.correct(second.execId, qty_nanos=0, px_nanos=10_010_000_000)
    rig.wait()
    assert rig.position == 0
    assert rig.world.exchange.account.state.cash_nanos["USD"] == cash + 1_001 * NANO
    peer.news()
    peer.ask.reqExecutions(5, ExecutionFilter())
    shown = [args[2] for args in peer.heard("execDetails")]
    assert [(fill.execId[-2:], fill.shares) for fill in shown] == [("03", 0)]


def test_executions_are_the_day_s_and_filtered() -> None:
    """By client, time, symbol and side; a commission goes before the End; midnight forgets them."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, MarketOrder("BUY", 100, tif="DAY"))
    rig.wait(1)
    peer.place(2, MarketOrder("SELL", 40, tif="DAY"))
    rig.wait(1)
    peer.news()
    peer.ask.reqExecutions(1, ExecutionFilter())
    whole = ["execDetails 100@10.02", "commissionReport", "execDetails 40@10", "commissionReport", "execDetailsEnd"]
    assert peer.news() == whole
    for wanted, count in (
        (ExecutionFilter(side="SELL"), 1),
        (ExecutionFilter(symbol="S1"), 0),
        (ExecutionFilter(clientId=3), 0),
        (ExecutionFilter(time="20260105-14:30:01"), 2),
        (ExecutionFilter(time="20260105 09:30:02 US/Eastern"), 1),
        (ExecutionFilter(acctCode="DU9"), 0),
    ):
        peer.ask.reqExecutions(2, wanted)
        assert len(peer.heard("execDetails")) == count, wanted
        assert peer.news()[-1] == "execDetailsEnd"
    peer.ask.reqExecutions(3, ExecutionFilter(time="yesterday"))
    assert peer.news() == ["error 321"]
    rig.until(15 * 3600)  # past midnight in New York
    peer.ask.reqExecutions(4, ExecutionFilter())
    peer.ask.reqCompletedOrders(False)
    assert peer.news()[-2:] == ["execDetailsEnd", "completedOrdersEnd"]


def test_settings_change_what_differs_between_gateways() -> None:
    """No PendingCancel, no 10349, no Inactive, 104 for a filled one."""
    settings = OrderSettings(
        tell_pending_cancel=False, tell_default_tif=False, rejects_show_inactive=False, silent_modify_of_filled=False
    )
    rig = market_rig(settings=settings)
    peer = rig.client()
    peer.place(1, LimitOrder("BUY", 100, 9.99))
    rig.wait()
    peer.ask.cancelOrder(1)
    rig.wait()
    assert peer.news() == [*BOTH, "orderStatus Cancelled", "error 202"]
    rig.faults.due = [REJECT_ORDER]
    peer.place(2, LimitOrder("BUY", 100, 9.99))
    assert peer.news() == ["error 201"]
    peer.place(3, MarketOrder("BUY", 10))
    rig.wait(1)
    peer.news()
    peer.place(3, MarketOrder("BUY", 20))
    assert peer.news() == ["error 104"]


def test_moments_of_a_halt_take_cancels_and_match_nothing() -> None:
    """An order on a halted stock is taken, does not trade, and can be cancelled."""
    rig = market_rig()
    rig.world.exchange.on_halt(0, True, at(1.5))
    rig.until(2)
    peer = rig.client()
    peer.place(1, MarketOrder("BUY", 10, tif="DAY"))
    rig.wait()
    assert peer.news() == HELD
    peer.ask.cancelOrder(1)
    rig.wait()
    assert peer.news() == CANCELLED


def test_a_short_sale_waits_for_shares() -> None:
    """404, held for "locate", then sent; without any shares until it is cancelled; what closes is never held."""
    rig = market_rig(shortable={"S0": 50, "S1": 0}).play(Tape().quote(2, 1000, 1002, inst=1))
    peer = rig.client()
    peer.place(1, MarketOrder("BUY", 100, tif="DAY"))
    rig.wait(1)
    peer.place(2, limit("SELL", 100, 10.50, ocaGroup="out", ocaType=2))
    peer.place(3, StopOrder("SELL", 100, 9.50, tif="DAY", ocaGroup="out", ocaType=2))
    peer.place(4, limit("SELL", 50, 10.50))
    rig.wait()
    assert peer.heard("error") == []
    peer.news()
    peer.place(5, limit("SELL", 10, 10.00))
    peer.place(6, MarketOrder("SELL", 10, tif="DAY"), symbol="S1")
    assert [(args[0], args[1], args[9]) for args in peer.heard("orderStatus")] == [
        (5, "PreSubmitted", "locate"), (6, "PreSubmitted", "locate"),
    ]  # fmt: skip
    assert [args[1] for args in peer.heard("error")] == [404, 404]
    rig.restart().until(61)
    peer = rig.client()
    rig.until(70)
    assert {args[0]: args[1] for args in peer.heard("orderStatus")} == {5: "Filled"}
    peer.ask.cancelOrder(6)
    assert peer.news()[-2:] == ["orderStatus Cancelled", "error 202"]


@pytest.mark.parametrize(
    ("kind", "tag", "value"),
    [
        ("Twap", "endTime", "20260105-14:31:00"),
        ("Vwap", "endTime", "09:31:00 US/Eastern"),
        ("ArrivalPx", "endTime", "20260105 14:31:00 UTC"),
        ("Adaptive", "adaptivePriority", "Urgent"),
    ],
)
def test_algos_are_worked_in_parts_that_nobody_sees(kind: str, tag: str, value: str) -> None:
    """They are accepted, echoed, and filled by and by as one order; a modify may change the size, but no tag."""
    rig = market_rig()
    peer = rig.client()
    tags = [TagValue(tag, value)]
    peer.place(1, limit("BUY", 40, 10.05, algoStrategy=kind, algoParams=tags))
    rig.wait(20)
    assert 0 < rig.position < 40
    assert peer.heard("openOrder")[-1][2].algoStrategy == kind
    peer.place(1, limit("BUY", 50, 10.05, algoStrategy=kind, algoParams=tags))
    peer.place(1, limit("BUY", 50, 10.05, algoStrategy=kind))
    peer.place(1, limit("BUY", 50, 10.05))
    rig.wait(50)
    assert [args[1] for args in peer.heard("error")] == [105, 105]
    assert rig.position == 50
    fills = [args[2] for args in peer.heard("execDetails")]
    assert len(fills) > 3
    assert {(fill.permId, fill.orderId) for fill in fills} == {(fills[0].permId, 1)}
    assert len({args[2].permId for args in peer.heard("openOrder")}) == 1, "its parts are no orders"


@pytest.mark.parametrize(
    ("order", "code", "words"),
    [
        ({"algoStrategy": "Vwop"}, 439, "Algo definition not found"),
        ({"algoStrategy": "Vwap", "algoParams": {"maxPctVol": "0.6"}}, 441, "between 0.1 and 0.5"),
        ({"algoStrategy": "Vwap", "algoParams": {"noTakeLiq": "true"}}, 441, "one of 1, 0"),
        ({"algoStrategy": "Vwap", "algoParams": {"pctVol": "0.1"}}, 441, "no tag of Vwap"),
        ({"algoStrategy": "Twap", "algoParams": {"endTime": "soon"}}, 441, "yyyymmdd-HH:MM:SS in UTC"),
        ({"algoStrategy": "Twap", "algoParams": {"endTime": "20260105-14:30:00"}}, 441, "the end is past"),
        (
            {"algoStrategy": "Twap", "algoParams": {"startTime": "11:00:00", "endTime": "10:00:00"}},
            441,
            "not after the start",
        ),
        ({"algoStrategy": "Adaptive", "tif": "IOC"}, 387, "algo orders"),
        ({"algoStrategy": "Adaptive", "orderType": "STP", "auxPrice": 10.2}, 387, "algo orders"),
    ],
)
def test_what_no_algo_takes_is_refused_with_its_code(order: dict[str, Any], code: int, words: str) -> None:
    """Unknown name, tag, value, time, and what an algo cannot work; nothing reaches the venue."""
    rig = market_rig()
    peer = rig.client()
    tags = [TagValue(*pair) for pair in order.get("algoParams", {}).items()]
    terms: dict[str, Any] = {"action": "BUY", "totalQuantity": 10, "orderType": "LMT", "lmtPrice": 10.05, "tif": "DAY"}
    peer.place(1, Order(**terms | order | {"algoParams": tags}))
    rig.wait(5)
    ((_, said, text, *_),) = peer.heard("error")
    assert (said, rig.position) == (code, 0)
    assert words in text
