"""What a placeOrder says: every field of the wire, by name and in canonical text, so that openOrder can give it back.

Owns the field order of placeOrder. Knows no order state and no rule about what is allowed.
"""

from typing import Final

import msgspec

from broker.gateway.part import Field, Fields
from broker.gateway.versions import (
    ADVANCED_REJECT,
    AUTO_CANCEL_PARENT,
    DURATION,
    MANUAL_ORDER_TIME,
    NO_FA_PROFILE,
    PEGGED_BEST,
    POST_TO_ATS,
)
from broker.gateway.wire import FieldReader, Malformed, field_text, nanos_text
from core.units import NANO

LIST_MAX: Final = 100  # legs, parameters and conditions of one order

_NOT_SET: Final = -(2**62)
TEXT, WHOLE, NUMBER, FLAG, FREE = "tinfx"  # FREE: a number that may also be Infinite or have many digits

Layout = tuple[tuple[str, str], ...]


def _layout(text: str) -> Layout:
    return tuple((entry[:-2], entry[-1]) for entry in text.split())


# name:kind in wire order; the conditional sections stand between the blocks (see `read_request`).
_CONTRACT: Final = _layout(
    "conId:i symbol:t secType:t lastTradeDate:t strike:n right:t multiplier:t exchange:t primaryExchange:t currency:t"
    " localSymbol:t tradingClass:t secIdType:t secId:t"
)
_TERMS: Final = _layout(
    "action:t totalQuantity:n orderType:t lmtPrice:n auxPrice:n tif:t ocaGroup:t account:t openClose:t origin:i"
    " orderRef:t transmit:f parentId:i blockOrder:f sweepToFill:f displaySize:i triggerMethod:i outsideRth:f hidden:f"
)
_ADVICE: Final = _layout(
    "sharesAllocation:t discretionaryAmt:n goodAfterTime:t goodTillDate:t faGroup:t faMethod:t faPercentage:t"
)
_DETAILS: Final = _layout(
    "modelCode:t shortSaleSlot:i designatedLocation:t exemptCode:i ocaType:i rule80A:t settlingFirm:t allOrNone:f"
    " minQty:i percentOffset:n eTradeOnly:f firmQuoteOnly:f nbboPriceCap:n auctionStrategy:i startingPrice:n"
    " stockRefPrice:n delta:n stockRangeLower:n stockRangeUpper:n overridePercentageConstraints:f volatility:n"
    " volatilityType:i deltaNeutralOrderType:t deltaNeutralAuxPrice:n"
)
_DELTA_NEUTRAL: Final = _layout(
    "deltaNeutralConId:i deltaNeutralSettlingFirm:t deltaNeutralClearingAccount:t deltaNeutralClearingIntent:t"
    " deltaNeutralOpenClose:t deltaNeutralShortSale:f deltaNeutralShortSaleSlot:i deltaNeutralDesignatedLocation:t"
)
_SCALE: Final = _layout(
    "continuousUpdate:f referencePriceType:i trailStopPrice:n trailingPercent:n scaleInitLevelSize:i"
    " scaleSubsLevelSize:i scalePriceIncrement:n"
)
_SCALE_MORE: Final = _layout(
    "scalePriceAdjustValue:n scalePriceAdjustInterval:i scaleProfitOffset:n scaleAutoReset:f scaleInitPosition:i"
    " scaleInitFillQty:i scaleRandomPercent:f"
)
_CLEARING: Final = _layout("optOutSmartRouting:f clearingAccount:t clearingIntent:t notHeld:f")
_FLAGS: Final = _layout("algoId:t whatIf:f orderMiscOptions:t solicited:f randomizeSize:f randomizePrice:f")
_PEG_BENCH: Final = _layout(
    "referenceContractId:i isPeggedChangeAmountDecrease:f peggedChangeAmount:n referenceChangeAmount:n"
    " referenceExchangeId:t"
)
_ADJUSTED: Final = _layout(
    "adjustedOrderType:t triggerPrice:n lmtPriceOffset:n adjustedStopPrice:n adjustedStopLimitPrice:n"
    " adjustedTrailingAmount:n adjustableTrailingUnit:i extOperator:t softDollarTierName:t softDollarTierValue:t"
    " cashQty:n mifid2DecisionMaker:t mifid2DecisionAlgo:t mifid2ExecutionTrader:t mifid2ExecutionAlgo:t"
    " dontUseAutoPriceForHedge:f isOmsContainer:f discretionaryUpToLimitPrice:f usePriceMgmtAlgo:i"
)
_FA_PROFILE: Final = _layout("faProfile:t")
_HEDGE: Final = _layout("scaleTable:t activeStartTime:t activeStopTime:t hedgeType:t")
_HEDGE_MORE: Final = _layout("hedgeParam:t")
_ALGO: Final = _layout("algoStrategy:t")
_CONDITIONS_MORE: Final = _layout("conditionsIgnoreRth:f conditionsCancelOrder:f")
_GATED: Final = (
    (DURATION, _layout("duration:i")),
    (POST_TO_ATS, _layout("postToAts:i")),
    (AUTO_CANCEL_PARENT, _layout("autoCancelParent:f")),
    (ADVANCED_REJECT, _layout("advancedErrorOverride:t")),
    (MANUAL_ORDER_TIME, _layout("manualOrderTime:t")),
)
_TRADE_QTY: Final = _layout("minTradeQty:i")
_COMPETE: Final = _layout("minCompeteSize:i competeAgainstBestOffset:x")
_MID_OFFSETS: Final = _layout("midOffsetAtWhole:n midOffsetAtHalf:n")
# Fields of a condition after its type, by type: conjunction first (B6).
_CONDITION_FIELDS: Final = {1: 6, 3: 3, 4: 3, 5: 4, 6: 5, 7: 5}


class PlaceRequest(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One placeOrder. `values` holds what is set, by wire name: numbers without useless digits, flags as 1 and 0."""

    order_id: int
    values: dict[str, str]
    legs: int = 0  # of a combination
    conditions: tuple[tuple[str, ...], ...] = ()  # each begins with its type
    algo_params: tuple[tuple[str, str], ...] = ()

    def text(self, name: str) -> str:
        """A field as it stands; unset: empty."""
        return self.values.get(name, "")

    def integer(self, name: str) -> int:
        """A whole number; unset: 0."""
        return int(self.values.get(name) or 0)

    def flag(self, name: str) -> bool:
        """A flag; unset: False."""
        return self.values.get(name) == "1"

    def nanos(self, name: str) -> int:
        """A price or quantity; unset: 0, as TWS takes it."""
        text = self.values.get(name)
        return (FieldReader([text]).nanos() or 0) if text else 0


def read_request(fields: Fields, version: int) -> PlaceRequest:
    """Decode a placeOrder of this protocol version. Raises `Malformed`."""
    order_id = fields.integer()
    values: dict[str, str] = {}
    _read(fields, _CONTRACT, values)
    _read(fields, _TERMS, values)
    legs = _read_legs(fields) if values.get("secType", "").upper() == "BAG" else 0
    _read(fields, _ADVICE, values)
    if version < NO_FA_PROFILE:
        _read(fields, _FA_PROFILE, values)
    _read(fields, _DETAILS, values)
    if "deltaNeutralOrderType" in values:
        _read(fields, _DELTA_NEUTRAL, values)
    _read(fields, _SCALE, values)
    if values.get("scalePriceIncrement", "0") not in ("0", "") and not values["scalePriceIncrement"].startswith("-"):
        _read(fields, _SCALE_MORE, values)
    _read(fields, _HEDGE, values)
    if "hedgeType" in values:
        _read(fields, _HEDGE_MORE, values)
    _read(fields, _CLEARING, values)
    if fields.flag():  # a delta-neutral contract: for options only
        fields.skip(3)
    _read(fields, _ALGO, values)
    params = _read_pairs(fields) if "algoStrategy" in values else ()
    _read(fields, _FLAGS, values)
    if values.get("orderType") in ("PEG BENCH", "PEGBENCH"):
        _read(fields, _PEG_BENCH, values)
    conditions = _read_conditions(fields, values)
    _read(fields, _ADJUSTED, values)
    _read_gated(fields, version, values)
    return PlaceRequest(order_id=order_id, values=values, legs=legs, conditions=conditions, algo_params=params)


def _read_gated(fields: Fields, version: int, values: dict[str, str]) -> None:
    """The tail that grew version by version."""
    for since, layout in _GATED:
        if version >= since:
            _read(fields, layout, values)
    if version < PEGGED_BEST:
        return
    if values.get("exchange") == "IBKRATS":
        _read(fields, _TRADE_QTY, values)
    if values.get("orderType") in ("PEG BEST", "PEGBEST"):
        _read(fields, _COMPETE, values)
        if values.get("competeAgainstBestOffset") == "Infinite":
            _read(fields, _MID_OFFSETS, values)
    elif values.get("orderType") in ("PEG MID", "PEGMID"):
        _read(fields, _MID_OFFSETS, values)


def _read(fields: Fields, layout: Layout, values: dict[str, str]) -> None:
    """A run of named fields; what is unset leaves no entry. Raises `Malformed` with the field's name."""
    for name, kind in layout:
        try:
            text = _canonical(fields, kind)
        except Malformed as fault:
            raise Malformed(f"{name}: {fault}") from None
        if text:
            values[name] = text


def _canonical(fields: Fields, kind: str) -> str:
    if kind == TEXT:
        return fields.text()
    if kind == FLAG:
        return "1" if fields.flag() else ""
    if kind == WHOLE:
        number = fields.integer(_NOT_SET)
        return "" if number == _NOT_SET else str(number)
    if kind == FREE:
        value: Field = fields.number()
        return field_text(value)
    nanos = fields.nanos()
    return "" if nanos is None else nanos_text(nanos)


def _count(fields: Fields, what: str) -> int:
    count = fields.integer()
    if not 0 <= count <= LIST_MAX:
        raise Malformed(f"{count} {what}: 0 to {LIST_MAX}")
    return count


def _read_legs(fields: Fields) -> int:
    """Combinations are refused later; their fields must be passed over all the same."""
    legs = _count(fields, "legs")
    fields.skip(8 * legs)
    fields.skip(_count(fields, "leg prices"))
    fields.skip(2 * _count(fields, "routing parameters"))
    return legs


def _read_pairs(fields: Fields) -> tuple[tuple[str, str], ...]:
    return tuple((fields.text(), fields.text()) for _ in range(_count(fields, "algo parameters")))


def _read_conditions(fields: Fields, values: dict[str, str]) -> tuple[tuple[str, ...], ...]:
    count = _count(fields, "conditions")
    found: list[tuple[str, ...]] = []
    for _ in range(count):
        kind = fields.integer()
        width = _CONDITION_FIELDS.get(kind)
        if width is None:
            raise Malformed(f"condition type {kind} is unknown")
        found.append((str(kind), *(fields.text() for _ in range(width))))
    if count:
        _read(fields, _CONDITIONS_MORE, values)
    return tuple(found)


def manual_request(**values: str) -> PlaceRequest:
    """What a person at the screen asks for: the same fields, none of them from a wire."""
    return PlaceRequest(order_id=0, values=values)


def whole(nanos: int) -> bool:
    """Whether a quantity is in whole shares."""
    return nanos % NANO == 0
