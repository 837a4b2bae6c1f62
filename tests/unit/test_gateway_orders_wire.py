"""The gateway's order messages on the wire: what ib_async writes is read whole, and what is written ib_async reads."""

from functools import cache
from typing import Any

import pytest
from ib_async import LimitOrder, Order, OrderCondition, Stock, StopOrder, TagValue
from ib_async.order import PriceCondition

from broker.gateway.orders.request import PlaceRequest, read_request
from broker.gateway.wire import FieldReader, Malformed, split_fields
from tests.fakes.gateway_peer import Peer, Rig, market_rig

CONDITIONS: Any = OrderCondition
TIMES = [("startTime", "09:30:00 US/Eastern"), ("endTime", "20260105-14:30:02")]
VERSIONS = (157, 159, 163, 170, 176, 177, 178)


@cache
def encoding_rig() -> Rig:
    """One for all that only encodes."""
    return market_rig()


def wire(order: Order, version: int, contract: Stock | None = None) -> list[str]:
    """The fields ib_async writes for an order."""
    peer = encoding_rig().client(version=version)
    written: list[str] = []
    peer.ask.sendMsg = written.append
    peer.place(7, order, contract=contract)
    return split_fields(written[0].encode())


def read(order: Order, version: int) -> PlaceRequest:
    """What the gateway reads of it; nothing is left over."""
    reader = FieldReader(wire(order, version), 1)
    request = read_request(reader, version)
    assert reader.left == 0
    return request


@pytest.mark.parametrize(("version", "count"), [(157, 110), (176, 115), (177, 114), (178, 114)])
def test_a_plain_order_has_as_many_fields_as_real_clients_send(version: int, count: int) -> None:
    """Counted with the peers' own encoders."""
    assert len(wire(LimitOrder("BUY", 100, 10.5), version)) == count


@pytest.mark.parametrize("version", VERSIONS)
def test_every_kind_of_order_is_read_to_its_last_field(version: int) -> None:
    """The sections that only some orders have move nothing behind them."""
    plain = read(LimitOrder("SELL", 100, 10.5, tif="GTC", orderRef="q-1", account="DU0000001"), version)
    assert (plain.order_id, plain.nanos("lmtPrice"), plain.text("orderRef")) == (7, 10_500_000_000, "q-1")
    assert plain.flag("transmit")
    algo = LimitOrder("BUY", 1, 10, algoStrategy="Adaptive", algoParams=[TagValue("adaptivePriority", "Normal")])
    assert read(algo, version).algo_params == (("adaptivePriority", "Normal"),)
    assert read(LimitOrder("BUY", 1, 10, deltaNeutralOrderType="None"), version).flag("transmit")
    assert read(LimitOrder("BUY", 1, 10, hedgeType="D", hedgeParam="1"), version).text("hedgeParam") == "1"
    scaled = LimitOrder("BUY", 1, 10, scaleInitLevelSize=1, scalePriceIncrement=0.1, scaleProfitOffset=0.2)
    assert read(scaled, version).nanos("scaleProfitOffset") == 200_000_000
    assert read(Order(orderType="PEG BENCH", action="BUY", referenceContractId=5), version).integer(
        "referenceContractId"
    )
    condition = PriceCondition(price=9.5, conId=1000, exch="SMART")
    held = LimitOrder("BUY", 1, 10, conditions=[condition], conditionsIgnoreRth=True)
    assert read(held, version).conditions[0][0] == "1"
    for kind in ("PEG BEST", "PEG MID"):
        pegged = Order(orderType=kind, action="BUY", minCompeteSize=5, competeAgainstBestOffset=float("inf"))
        assert read(pegged, version).text("orderType") == kind


def test_the_condition_classes_are_known() -> None:
    """Every condition type of the library has the width the gateway reads."""
    for kind in (1, 3, 4, 5, 6, 7):
        condition = CONDITIONS.createClass(kind)()
        assert len(read(LimitOrder("BUY", 1, 10, conditions=[condition]), 178).conditions[0]) >= 3


@pytest.mark.parametrize("cut", [1, 5, 20, 60, 113])
def test_a_cut_message_is_malformed(cut: int) -> None:
    """It says which field is missing; nothing of it is taken."""
    fields = wire(LimitOrder("BUY", 1, 10), 178)[:cut]
    with pytest.raises(Malformed, match="missing"):
        read_request(FieldReader(fields, 1), 178)


def test_a_list_without_bounds_is_malformed() -> None:
    """A count that no order has is garbage, not a loop."""
    fields = wire(LimitOrder("BUY", 1, 10, algoStrategy="X"), 178)
    fields[fields.index("X") + 1] = "1000000"
    with pytest.raises(Malformed, match="algo parameters"):
        read_request(FieldReader(fields, 1), 178)


def everything(peer: Peer) -> None:
    """Bring about every message an order can cause."""
    rig = peer.rig
    peer.place(1, LimitOrder("BUY", 100, 9.99, tif="GTC", orderRef="mine", ocaGroup="g", ocaType=1))
    rig.wait()
    tags = [TagValue(*pair) for pair in TIMES]
    peer.place(2, LimitOrder("BUY", 100, 10.02, algoStrategy="Twap", algoParams=tags))
    rig.wait(1)
    peer.place(3, StopOrder("SELL", 50, 9.5, tif="DAY"))
    rig.wait()
    peer.ask.cancelOrder(1)
    rig.wait()
    peer.place(4, LimitOrder("BUY", 100, 9.99, whatIf=True))
    peer.ask.reqOpenOrders()
    peer.ask.reqAllOpenOrders()
    peer.ask.reqCompletedOrders(False)


@pytest.mark.parametrize("version", VERSIONS)
def test_ib_async_reads_every_order_message_of_every_version(version: int) -> None:
    """openOrder, orderStatus, execDetails, commissionReport, completedOrder: every field where clients look for it."""
    peer = market_rig().client(version=version)
    everything(peer)
    orders = {args[0]: args for args in peer.heard("openOrder") if args[3].status in ("Filled", "PreSubmitted")}
    _, contract, order, state = orders[2]
    assert (contract.conId, contract.symbol, contract.exchange) == (1000, "S0", "SMART")
    assert (order.action, order.totalQuantity, order.lmtPrice, order.tif) == ("BUY", 100, 10.02, "DAY")
    assert (order.account, order.clientId, order.algoStrategy) == ("DU0000001", 11, "Twap")
    assert [(param.tag, param.value) for param in order.algoParams] == TIMES
    assert (order.permId > 2**29, order.permId < 2**31, state.status) == (True, True, "Filled")
    stop = orders[3][2]
    assert (stop.orderType, stop.auxPrice, stop.lmtPrice, stop.clearingIntent) == ("STP", 9.5, 0.0, "IB")
    what_if = orders[4]
    assert (what_if[2].whatIf, what_if[3].initMarginChange) == (True, "500.5")
    _, contract, fill = peer.heard("execDetails")[0]
    assert (fill.orderId, fill.shares, fill.price, fill.cumQty, fill.avgPrice) == (2, 100, 10.02, 100, 10.02)
    assert (fill.side, fill.acctNumber, fill.exchange, fill.clientId) == ("BOT", "DU0000001", "NYSE", 11)
    assert fill.time.hour == 14  # 09:30 in New York
    report = peer.heard("commissionReport")[0][0]
    assert (report.execId, report.currency, report.realizedPNL > 1e300) == (fill.execId, "USD", True)
    done = {args[1].orderRef: args for args in peer.heard("completedOrder")}
    assert (done["mine"][1].ocaGroup, done["mine"][1].ocaType, done["mine"][2].status) == ("g", 1, "Cancelled")
    assert done["mine"][2].completedStatus == "Cancelled by Trader"
    assert (done[""][1].filledQuantity, done[""][2].completedStatus) == (100.0, "Filled Size: 100")


def test_frames_grow_with_the_versions_as_the_gates_say() -> None:
    """openOrder: + duration, postToAts, autoCancelParent, five, - faProfile; execDetails: + pendingPriceRevision."""
    rig, lengths = market_rig(), {}
    for version in (157, 158, 160, 162, 169, 170, 176, 177, 178):
        peer = rig.client(version, version=version)
        peer.place(1, LimitOrder("BUY", 10, 10.02))
        rig.wait()
        by_kind = {fields[0]: len(fields) for fields in peer.sent}
        lengths[version] = (by_kind[5], by_kind[11])
    first = lengths[157][0]
    assert [lengths[v][0] - first for v in (158, 160, 162, 169, 170, 176, 177, 178)] == [1, 2, 3, 3, 8, 8, 7, 7]
    assert [lengths[v][1] - lengths[157][1] for v in (176, 177, 178)] == [0, 0, 1]


def test_a_downloaded_order_can_be_sent_back_to_modify_it() -> None:
    """What openOrder echoes is a request the gateway takes again, delta-neutral "None" and all."""
    peer = market_rig().client()
    peer.place(1, LimitOrder("BUY", 100, 9.90, tif="DAY"))
    peer.rig.wait()
    _, contract, order, _ = peer.heard("openOrder")[0]
    order.lmtPrice = 9.95
    peer.news()
    peer.ask.placeOrder(1, contract, order)
    peer.rig.wait()
    assert peer.heard("openOrder")[0][2].lmtPrice == 9.95
    assert peer.news() == ["openOrder Submitted", "orderStatus Submitted"]
