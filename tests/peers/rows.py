"""How what a library with callbacks decodes becomes the shape that all drivers report in. Knows no connection."""

from typing import Any

from tests.peers.scenario import Row


def number(value: Any) -> float:
    """A decimal, a float or a text, as JSON can hold it."""
    return float(value)


def details_row(found: Any) -> Row:
    contract = found.contract
    return {
        "con_id": contract.conId, "symbol": contract.symbol, "kind": contract.secType, "exchange": contract.exchange,
        "primary": contract.primaryExchange, "currency": contract.currency, "class": contract.tradingClass,
        "local": contract.localSymbol, "name": found.longName, "tick": found.minTick, "order_types": found.orderTypes,
        "exchanges": found.validExchanges, "rules": found.marketRuleIds, "zone": found.timeZoneId,
        "hours": found.tradingHours, "liquid": found.liquidHours, "stock_type": found.stockType,
        "size_step": number(getattr(found, "sizeIncrement", 0) or 0),
    }  # fmt: skip


def bar_row(bar: Any) -> Row:
    return {
        "at": bar.date, "open": bar.open, "high": bar.high, "low": bar.low, "close": bar.close,
        "volume": number(bar.volume), "count": bar.barCount,
    }  # fmt: skip


def order_row(order_id: int, contract: Any, order: Any, state: Any) -> Row:
    return {
        "order_id": order_id, "perm_id": order.permId, "client_id": order.clientId, "symbol": contract.symbol,
        "con_id": contract.conId, "side": order.action, "quantity": number(order.totalQuantity),
        "kind": order.orderType, "limit": order.lmtPrice, "stop": order.auxPrice, "tif": order.tif,
        "ref": order.orderRef, "parent": order.parentId, "group": order.ocaGroup, "account": order.account,
        "status": state.status,
    }  # fmt: skip


def fill_row(contract: Any, execution: Any) -> Row:
    return {
        "exec_id": execution.execId, "order_id": execution.orderId, "perm_id": execution.permId,
        "client_id": execution.clientId, "symbol": contract.symbol, "side": execution.side,
        "shares": number(execution.shares), "px": execution.price, "total": number(execution.cumQty),
        "average": execution.avgPrice, "account": execution.acctNumber, "time": execution.time,
        "ref": execution.orderRef, "venue": execution.exchange,
    }  # fmt: skip
