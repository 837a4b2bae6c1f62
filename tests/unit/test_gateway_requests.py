"""Every request of the protocol is known by name, and its request id is where the client library writes it."""

from pathlib import Path
from typing import Any

import pytest
from ib_async.client import Client as IbClient
from ib_async.contract import Stock
from ib_async.objects import ExecutionFilter, ScannerSubscription, WshEventData
from ib_async.order import MarketOrder

from broker.gateway.general import NEEDS_NO_ANSWER, General
from broker.gateway.part import Client
from broker.gateway.registry import Registry
from broker.gateway.requests import REQUESTS, message_id, request_id
from broker.gateway.wire import FieldReader
from daemon.gateway.build import build_gateway
from tests.fakes.gateway import RecordingClient, new_world
from tests.fakes.gateway_built import gateway_config, gateway_tables
from tests.fakes.wire_fuzz import client_requests, sent_by_ib_async

ID = 4711
STOCK = Stock("IBM", "SMART", "USD")

# What ib_async can ask, with a request id where there is one.
CALLS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("reqMktData", (ID, STOCK, "", False, False, [])), ("cancelMktData", (ID,)),
    ("placeOrder", (ID, STOCK, MarketOrder("BUY", 1))),
    ("cancelOrder", (ID,)), ("reqExecutions", (ID, ExecutionFilter())), ("reqContractDetails", (ID, STOCK)),
    ("reqMktDepth", (ID, STOCK, 5, False, [])), ("cancelMktDepth", (ID, False)), ("replaceFA", (ID, 1, "")),
    ("reqHistoricalData", (ID, STOCK, "", "1 D", "1 min", "TRADES", True, 1, False, [])),
    ("cancelHistoricalData", (ID,)),
    ("exerciseOptions", (ID, STOCK, 1, 1, "", 0)), ("reqScannerSubscription", (ID, ScannerSubscription(), [], [])),
    ("cancelScannerSubscription", (ID,)), ("reqRealTimeBars", (ID, STOCK, 5, "TRADES", False, [])),
    ("cancelRealTimeBars", (ID,)), ("reqFundamentalData", (ID, STOCK, "", [])), ("cancelFundamentalData", (ID,)),
    ("calculateImpliedVolatility", (ID, STOCK, 1.0, 1.0, [])), ("calculateOptionPrice", (ID, STOCK, 1.0, 1.0, [])),
    ("cancelCalculateImpliedVolatility", (ID,)), ("cancelCalculateOptionPrice", (ID,)),
    ("reqAccountSummary", (ID, "All", "")), ("cancelAccountSummary", (ID,)), ("queryDisplayGroups", (ID,)),
    ("subscribeToGroupEvents", (ID, 1)), ("updateDisplayGroup", (ID, "")), ("unsubscribeFromGroupEvents", (ID,)),
    ("reqPositionsMulti", (ID, "", "")), ("cancelPositionsMulti", (ID,)),
    ("reqAccountUpdatesMulti", (ID, "", "", False)),
    ("cancelAccountUpdatesMulti", (ID,)), ("reqSecDefOptParams", (ID, "IBM", "", "STK", 1)),
    ("reqSoftDollarTiers", (ID,)), ("reqMatchingSymbols", (ID, "I")), ("reqSmartComponents", (ID, "a6")),
    ("reqNewsArticle", (ID, "", "", [])), ("reqHistoricalNews", (ID, 1, "", "", "", 1, [])),
    ("reqHeadTimeStamp", (ID, STOCK, "TRADES", True, 1)), ("reqHistogramData", (ID, STOCK, True, "1 D")),
    ("cancelHistogramData", (ID,)), ("cancelHeadTimeStamp", (ID,)), ("reqPnL", (ID, "", "")), ("cancelPnL", (ID,)),
    ("reqPnLSingle", (ID, "", "", 1)), ("cancelPnLSingle", (ID,)),
    ("reqHistoricalTicks", (ID, STOCK, "", "", 1, "TRADES", True, False, [])),
    ("reqTickByTickData", (ID, STOCK, "Last", 0, False)), ("cancelTickByTickData", (ID,)), ("reqWshMetaData", (ID,)),
    ("cancelWshMetaData", (ID,)), ("reqWshEventData", (ID, WshEventData())), ("cancelWshEventData", (ID,)),
    ("reqUserInfo", (ID,)),
)  # fmt: skip
WITHOUT: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("reqOpenOrders", ()), ("reqAccountUpdates", (True, "")), ("reqIds", (1,)), ("reqNewsBulletins", (True,)),
    ("cancelNewsBulletins", ()), ("setServerLogLevel", (1,)), ("reqAutoOpenOrders", (True,)), ("reqAllOpenOrders", ()),
    ("reqManagedAccts", ()), ("requestFA", (1,)), ("reqScannerParameters", ()), ("reqCurrentTime", ()),
    ("reqGlobalCancel", ()), ("reqMarketDataType", (1,)), ("reqPositions", ()), ("cancelPositions", ()),
    ("reqFamilyCodes", ()), ("reqMktDepthExchanges", ()), ("reqNewsProviders", ()), ("reqMarketRule", (26,)),
    ("reqCompletedOrders", (False,)), ("startApi", ()),
)  # fmt: skip


@pytest.mark.parametrize(("method", "arguments"), CALLS, ids=[method for method, _ in CALLS])
def test_the_request_id_is_found(method: str, arguments: tuple[Any, ...]) -> None:
    """Error answers to a message that cannot be read carry the id its client waits for."""
    fields = sent_by_ib_async(method, *arguments)
    assert request_id(message_id(fields), fields) == ID


@pytest.mark.parametrize(("method", "arguments"), WITHOUT, ids=[method for method, _ in WITHOUT])
def test_no_request_id_is_made_up(method: str, arguments: tuple[Any, ...]) -> None:
    """Messages without one are answered under -1."""
    fields = sent_by_ib_async(method, *arguments)
    assert request_id(message_id(fields), fields) == -1


def test_every_request_of_the_client_library_is_known() -> None:
    """What ib_async can send is in the table, and what is in the table and not in ib_async is known by name."""
    known = {message_id(sent_by_ib_async(method, *arguments)) for method, arguments in CALLS + WITHOUT}
    assert set(REQUESTS) - known == {65, 66, 72, 73}
    assert {method for method, _ in CALLS + WITHOUT} <= set(dir(IbClient))


def test_what_nobody_serves_is_answered() -> None:
    """Every request of the general part ends in an error under its own id or in an empty list, but for cancels."""
    world, _ = new_world()
    world.now_ns = 5 * 10**9
    general = General(world, Registry())
    valid = {int(str(fields[0])): fields for fields in client_requests("IBM", order_symbol="IBM")}
    for msg_id, handler in general.handlers().items():
        client = RecordingClient()
        fields = [str(field) for field in valid.get(msg_id, (msg_id, 1, "x", "y"))]
        receiver: Client = client
        handler(receiver, FieldReader(fields, 1))
        if msg_id in NEEDS_NO_ANSWER:
            assert client.sent == []
            continue
        (answer,) = client.sent
        if answer[0] == 4:
            assert answer[2] == request_id(msg_id, fields)
            assert answer[3] in (162, 321, 365, 430, 10276)


def test_every_request_has_one_part_that_answers(tmp_path: Path) -> None:
    """The whole machine answers every message of the table and no other, each by one part (it checks that itself)."""
    machine = build_gateway(gateway_config(tmp_path), gateway_tables()).machine
    assert sorted(machine.handlers) == sorted(REQUESTS)
