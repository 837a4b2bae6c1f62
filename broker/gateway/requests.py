"""Every request of the protocol by message id: its name, and where it says which request it is.

Only for what must know a message without serving it: error answers, faults by kind, logs. Reads no value.
"""

from typing import Final, NamedTuple

NO_REQUEST: Final = -1
START_API: Final = 71
PLACE_ORDER: Final = 3
CANCEL_ORDER: Final = 4
OPEN_ORDERS: Final = 5
GLOBAL_CANCEL: Final = 58
ORDER_REQUESTS: Final = (PLACE_ORDER, CANCEL_ORDER, GLOBAL_CANCEL)  # refused when read-only


class Request(NamedTuple):
    """One kind. `id_at` counts fields after the message id; -1 = it has no request or order id."""

    name: str
    id_at: int


REQUESTS: Final[dict[int, Request]] = {
    1: Request("reqMktData", 1),
    2: Request("cancelMktData", 1),
    3: Request("placeOrder", 0),
    4: Request("cancelOrder", 1),
    5: Request("reqOpenOrders", -1),
    6: Request("reqAccountUpdates", -1),
    7: Request("reqExecutions", 1),
    8: Request("reqIds", -1),
    9: Request("reqContractDetails", 1),
    10: Request("reqMktDepth", 1),
    11: Request("cancelMktDepth", 1),
    12: Request("reqNewsBulletins", -1),
    13: Request("cancelNewsBulletins", -1),
    14: Request("setServerLogLevel", -1),
    15: Request("reqAutoOpenOrders", -1),
    16: Request("reqAllOpenOrders", -1),
    17: Request("reqManagedAccts", -1),
    18: Request("requestFA", -1),
    19: Request("replaceFA", 3),
    20: Request("reqHistoricalData", 0),
    21: Request("exerciseOptions", 1),
    22: Request("reqScannerSubscription", 0),
    23: Request("cancelScannerSubscription", 1),
    24: Request("reqScannerParameters", -1),
    25: Request("cancelHistoricalData", 1),
    49: Request("reqCurrentTime", -1),
    50: Request("reqRealTimeBars", 1),
    51: Request("cancelRealTimeBars", 1),
    52: Request("reqFundamentalData", 1),
    53: Request("cancelFundamentalData", 1),
    54: Request("calculateImpliedVolatility", 1),
    55: Request("calculateOptionPrice", 1),
    56: Request("cancelCalculateImpliedVolatility", 1),
    57: Request("cancelCalculateOptionPrice", 1),
    58: Request("reqGlobalCancel", -1),
    59: Request("reqMarketDataType", -1),
    61: Request("reqPositions", -1),
    62: Request("reqAccountSummary", 1),
    63: Request("cancelAccountSummary", 1),
    64: Request("cancelPositions", -1),
    65: Request("verifyRequest", -1),
    66: Request("verifyMessage", -1),
    67: Request("queryDisplayGroups", 1),
    68: Request("subscribeToGroupEvents", 1),
    69: Request("updateDisplayGroup", 1),
    70: Request("unsubscribeFromGroupEvents", 1),
    71: Request("startApi", -1),
    72: Request("verifyAndAuthRequest", -1),
    73: Request("verifyAndAuthMessage", -1),
    74: Request("reqPositionsMulti", 1),
    75: Request("cancelPositionsMulti", 1),
    76: Request("reqAccountUpdatesMulti", 1),
    77: Request("cancelAccountUpdatesMulti", 1),
    78: Request("reqSecDefOptParams", 0),
    79: Request("reqSoftDollarTiers", 0),
    80: Request("reqFamilyCodes", -1),
    81: Request("reqMatchingSymbols", 0),
    82: Request("reqMktDepthExchanges", -1),
    83: Request("reqSmartComponents", 0),
    84: Request("reqNewsArticle", 0),
    85: Request("reqNewsProviders", -1),
    86: Request("reqHistoricalNews", 0),
    87: Request("reqHeadTimestamp", 0),
    88: Request("reqHistogramData", 0),
    89: Request("cancelHistogramData", 0),
    90: Request("cancelHeadTimestamp", 0),
    91: Request("reqMarketRule", -1),
    92: Request("reqPnL", 0),
    93: Request("cancelPnL", 0),
    94: Request("reqPnLSingle", 0),
    95: Request("cancelPnLSingle", 0),
    96: Request("reqHistoricalTicks", 0),
    97: Request("reqTickByTickData", 0),
    98: Request("cancelTickByTickData", 0),
    99: Request("reqCompletedOrders", -1),
    100: Request("reqWshMetaData", 0),
    101: Request("cancelWshMetaData", 0),
    102: Request("reqWshEventData", 0),
    103: Request("cancelWshEventData", 0),
    104: Request("reqUserInfo", 0),
}


def message_id(fields: list[str]) -> int:
    """The id of a message; -1 = none can be read, it is garbage."""
    head = fields[0] if fields else ""
    return int(head) if 0 < len(head) <= 5 and head.isascii() and head.isdigit() else NO_REQUEST


def request_id(msg_id: int, fields: list[str]) -> int:
    """The request or order id in a message (its id is fields[0]), however broken the rest; -1 = none can be read."""
    kind = REQUESTS.get(msg_id)
    if kind is None or kind.id_at < 0 or len(fields) < kind.id_at + 2:
        return NO_REQUEST
    text = fields[kind.id_at + 1]
    if len(text) > 11 or not text.isascii() or not text.removeprefix("-").isdigit():
        return NO_REQUEST
    return int(text)
