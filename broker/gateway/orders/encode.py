"""openOrder, completedOrder, orderStatus, execDetails and commissionReport as fields, exact per protocol version.

Owns the field order of those messages. Reads records; sends nothing, changes nothing.
"""

from functools import cache
from operator import itemgetter
from typing import Final

from broker.gateway.contracts.listing import Listed
from broker.gateway.orders.record import Fill, OrderRecord
from broker.gateway.part import Field
from broker.gateway.versions import (
    AUTO_CANCEL_PARENT,
    DURATION,
    FRACTIONAL_SIZES,
    NO_FA_PROFILE,
    PEGGED_BEST,
    PENDING_PRICE_REVISION,
    POST_TO_ATS,
)
from broker.gateway.wire import UNSET_DOUBLE, nanos_text
from core.commands import TIF_NAMES
from core.ids import BUY
from core.units import NANO

OPEN_ORDER, ORDER_STATUS, EXEC_DETAILS, COMMISSION, COMPLETED_ORDER = 5, 3, 11, 59, 101
LIVE: Final = -1  # request id of what nobody asked for

_C11: Final = "conId symbol secType lastTradeDate strike right multiplier exchange currency localSymbol tradingClass"
_OPEN_HEAD: Final = (
    "orderId C11 action totalQuantity orderType lmtPrice auxPrice tif ocaGroup account openClose origin orderRef"
    " clientId permId outsideRth hidden discretionaryAmt goodAfterTime sharesAllocation faGroup faMethod faPercentage"
    " faProfile modelCode goodTillDate rule80A percentOffset settlingFirm shortSaleSlot designatedLocation exemptCode"
    " auctionStrategy startingPrice stockRefPrice delta stockRangeLower stockRangeUpper displaySize blockOrder"
    " sweepToFill allOrNone minQty ocaType eTradeOnly firmQuoteOnly nbboPriceCap parentId triggerMethod volatility"
    " volatilityType dnOrderType deltaNeutralAuxPrice zero empty empty empty dnOpenClose zero zero empty"
    " continuousUpdate referencePriceType trailStopPrice trailingPercent unset empty empty zero zero zero"
    " scaleInitLevelSize scaleSubsLevelSize empty hedgeType optOutSmartRouting clearingAccount clearingIntent notHeld"
    " zero ALGO solicited whatIf status"
)
_OPEN_TAIL: Final = (
    "randomizeSize randomizePrice zero adjustedOrderType triggerPrice trailStopPrice lmtPriceOffset adjustedStopPrice"
    " adjustedStopLimitPrice adjustedTrailingAmount adjustableTrailingUnit softDollarTierName softDollarTierValue"
    " softDollarTierName cashQty dontUseAutoPriceForHedge isOmsContainer discretionaryUpToLimitPrice usePriceMgmtAlgo"
)
_COMPLETED: Final = (
    "C11 action totalQuantity orderType lmtPrice auxPrice tif ocaGroup account openClose origin orderRef permId"
    " outsideRth hidden discretionaryAmt goodAfterTime faGroup faMethod faPercentage faProfile modelCode goodTillDate"
    " rule80A percentOffset settlingFirm shortSaleSlot designatedLocation exemptCode startingPrice stockRefPrice delta"
    " stockRangeLower stockRangeUpper displaySize sweepToFill allOrNone minQty ocaType triggerMethod volatility"
    " volatilityType dnOrderType deltaNeutralAuxPrice zero zero zero empty continuousUpdate referencePriceType"
    " trailStopPrice trailingPercent empty zero zero zero scaleInitLevelSize scaleSubsLevelSize empty hedgeType"
    " clearingAccount clearingIntent notHeld zero ALGO solicited status randomizeSize randomizePrice zero"
    " trailStopPrice lmtPriceOffset cashQty dontUseAutoPriceForHedge isOmsContainer autoCancelDate filledQuantity"
    " refFuturesConId autoCancelParent shareholder zero zero parentPermId completedTime completedStatus"
)
_PEGGED: Final = "minTradeQty minCompeteSize competeAgainstBestOffset midOffsetAtWhole midOffsetAtHalf"
_GATED: Final = ((DURATION, "duration"), (POST_TO_ATS, "postToAts"), (AUTO_CANCEL_PARENT, "autoCancelParent"))
MARGIN_FIELDS: Final = 13  # initMarginBefore .. warningText after the status

# What TWS sends where the client said nothing; all other unset fields are empty.
_ZEROS: Final = (
    "outsideRth hidden discretionaryAmt shortSaleSlot auctionStrategy displaySize blockOrder sweepToFill allOrNone"
    " eTradeOnly firmQuoteOnly triggerMethod continuousUpdate optOutSmartRouting notHeld solicited randomizeSize"
    " randomizePrice adjustableTrailingUnit dontUseAutoPriceForHedge isOmsContainer discretionaryUpToLimitPrice"
    " usePriceMgmtAlgo autoCancelParent whatIf zero origin refFuturesConId"
)
_UNSET: Final = (
    "percentOffset startingPrice stockRefPrice delta stockRangeLower stockRangeUpper nbboPriceCap volatility"
    " deltaNeutralAuxPrice trailStopPrice trailingPercent unset triggerPrice lmtPriceOffset adjustedStopPrice"
    " adjustedStopLimitPrice adjustedTrailingAmount cashQty midOffsetAtWhole midOffsetAtHalf lmtPrice auxPrice"
    " competeAgainstBestOffset"
)
_WORDS: Final[dict[str, Field]] = {
    # TWS names "None" and then sends the eight delta-neutral fields, of every stock order.
    "dnOrderType": "None", "dnOpenClose": "?", "adjustedOrderType": "None", "clearingIntent": "IB", "exemptCode": "-1",
    "shareholder": "Not an insider or substantial shareholder", "openClose": "O",
}  # fmt: skip


def _defaults() -> dict[str, Field]:
    zeros: dict[str, Field] = dict.fromkeys(_ZEROS.split(), "0")
    return zeros | dict.fromkeys(_UNSET.split(), UNSET_DOUBLE) | _WORDS


_DEFAULTS: Final = _defaults()


@cache
def _names(text: str, version: int) -> tuple[str, ...]:
    names = [name for name in text.split() if name != "faProfile" or version < NO_FA_PROFILE]
    return tuple(names)


@cache
def _tail(version: int) -> tuple[str, ...]:
    names = list(_names(_OPEN_TAIL, version)) + [name for since, name in _GATED if version >= since]
    return (*names, *(_PEGGED.split() if version >= PEGGED_BEST else ()))


def size_text(nanos: int, version: int) -> str:
    """A quantity as this version reads it: before fractional sizes, whole text only."""
    return nanos_text(nanos) if version >= FRACTIONAL_SIZES else str(nanos // NANO)


def contract_fields(listed: Listed, exchange: str) -> list[Field]:
    """C11: a stock's, as TWS fills it in."""
    strike: Field = nanos_text(listed.strike_nanos)
    head: list[Field] = [listed.con_id, listed.symbol, listed.sec_type, listed.last_trade, strike]
    return [
        *head, listed.right or "?", listed.multiplier, exchange, listed.currency, listed.local_symbol,
        listed.trading_class,
    ]  # fmt: skip


def open_order_fields(
    record: OrderRecord, listed: Listed, version: int, order_id: int, margins: list[Field] | None = None
) -> list[Field]:
    """openOrder as one client sees it. `margins`: of a what-if, the thirteen fields after its status."""
    values = _values(record, version)
    values["orderId"], values["clientId"] = order_id, record.client_id
    values["whatIf"] = "1" if margins is not None else "0"
    head = _fields(_names(_OPEN_HEAD, version), values, record, listed)
    return [OPEN_ORDER, *head, *(margins or NO_MARGINS), *itemgetter(*_tail(version))(values)]


NO_MARGINS: Final[tuple[Field, ...]] = (*[UNSET_DOUBLE] * 9, *[UNSET_DOUBLE] * 3, "", "")


def completed_order_fields(
    record: OrderRecord, listed: Listed, version: int, *, completed_time: str, parent_perm_id: int
) -> list[Field]:
    """completedOrder; it has neither order id nor client id."""
    values = _values(record, version)
    values["filledQuantity"] = size_text(record.filled_nanos, version)
    values["parentPermId"] = parent_perm_id
    values["completedTime"], values["completedStatus"] = completed_time, record.completed_status
    fields = _fields(_names(_COMPLETED, version), values, record, listed)
    tail = _PEGGED.split() if version >= PEGGED_BEST else []
    return [COMPLETED_ORDER, *fields, *(values[name] for name in tail)]


class _Values(dict[str, Field]):
    """Fields by name; one that nobody set has TWS's default."""

    def __missing__(self, name: str) -> Field:
        return _DEFAULTS.get(name, "")


def _values(record: OrderRecord, version: int) -> _Values:
    values = _Values(record.request.values)
    values["totalQuantity"] = size_text(record.qty_nanos, version)
    values["permId"], values["account"], values["status"] = record.perm_id, record.account, record.shown_status
    values["parentId"], values["tif"] = record.parent_order_id, TIF_NAMES[record.tif]
    values["ocaGroup"], values["ocaType"] = record.oca_group, record.oca_type or 3
    if record.trail_px_nanos:
        values["trailStopPrice"] = nanos_text(record.trail_px_nanos)
    # TWS shows prices that a type does not use as 0.
    if record.request.text("orderType") in _NO_LIMIT:
        values["lmtPrice"] = "0"
    if record.request.text("orderType") in _NO_STOP:
        values["auxPrice"] = "0"
    return values


_NO_LIMIT: Final = frozenset({"MKT", "STP", "TRAIL", "MOC"})
_NO_STOP: Final = frozenset({"MKT", "LMT", "MOC", "LOC"})


def _fields(names: tuple[str, ...], values: _Values, record: OrderRecord, listed: Listed) -> list[Field]:
    out: list[Field] = []
    for name in names:
        if name == "C11":
            out += contract_fields(listed, record.request.text("exchange") or listed.exchange)
        elif name == "ALGO":
            strategy = record.request.text("algoStrategy")
            out.append(strategy)
            if strategy:
                out.append(len(record.request.algo_params))
                out += [text for pair in record.request.algo_params for text in pair]
        else:
            out.append(values[name])
    return out


def status_fields(record: OrderRecord, version: int, order_id: int) -> list[Field]:
    """orderStatus."""
    return [
        ORDER_STATUS, order_id, record.shown_status, size_text(record.filled_nanos, version),
        size_text(record.remaining_nanos, version),
        nanos_text(record.average_px_nanos), record.perm_id, record.parent_order_id,
        nanos_text(record.last_px_nanos), record.client_id, record.why_held, "0",
    ]  # fmt: skip


def execution_fields(
    record: OrderRecord, fill: Fill, listed: Listed, version: int, *, req_id: int, order_id: int, time: str
) -> list[Field]:
    """execDetails; the contract's exchange is where it traded."""
    place = listed.primary_exchange or listed.exchange
    fields: list[Field] = [EXEC_DETAILS, req_id, order_id, *contract_fields(listed, place), fill.exec_id, time]
    fields += [record.account, place, "BOT" if record.side == BUY else "SLD", size_text(fill.qty_nanos, version)]
    fields += [nanos_text(fill.px_nanos), record.perm_id, record.client_id, 0, size_text(fill.cum_qty_nanos, version)]
    fields += [nanos_text(fill.average_px_nanos), record.request.text("orderRef"), "", "", "", fill.liquidity]
    return [*fields, 0] if version >= PENDING_PRICE_REVISION else fields


def commission_fields(fill: Fill) -> list[Field]:
    """commissionReport; an opening trade realises nothing, which is told as unset."""
    realised = nanos_text(fill.realised_nanos - fill.commission_nanos) if fill.closes else UNSET_DOUBLE
    cost = nanos_text(fill.commission_nanos)
    return [COMMISSION, 1, fill.exec_id, cost, fill.currency, realised, UNSET_DOUBLE, ""]
