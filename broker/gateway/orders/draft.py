"""From the words of a placeOrder to an order's terms, or to the error TWS answers. Checks what the request says by
itself and against its contract; knows no other order, no account and no market.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from broker.gateway.contracts.book import ContractBook
from broker.gateway.contracts.listing import STK, Query, Refusal
from broker.gateway.moments import algo_moment, parse_moment
from broker.gateway.orders.record import OrderRecord
from broker.gateway.orders.request import PlaceRequest, whole
from broker.gateway.part import World
from broker.sim.book import TRAIL
from broker.sim.hours import Hours
from broker.sim.oca import OCA_TYPES, REDUCE
from broker.sim.validate import terms_refusal
from broker.sim.worked import Recipe, recipe_of
from core.broker_algos import STRATEGIES, params_fault
from core.commands import DAY, FOK, GTC, GTD, IOC, LMT, LOC, MKT, MOC, OPG, STP, STP_LMT
from core.ids import BUY, SELL

DESCRIPTIONS_MAX: Final = 10_000
INVALID: Final = "Error validating request.-'bF' : cause - "
ORDER_TYPES: Final = {
    "MKT": MKT, "LMT": LMT, "STP": STP, "STP LMT": STP_LMT, "STPLMT": STP_LMT, "TRAIL": TRAIL, "MOC": MOC, "LOC": LOC,
}  # fmt: skip
# Real ones that this gateway does not work: never as something else.
OTHER_TYPES: Final = frozenset({
    "TRAIL LIMIT", "TRAILLMT", "MIT", "LIT", "REL", "MTL", "MIDPRICE", "MKT PRT", "STP PRT", "VOL", "BOX TOP",
    "SNAP MKT", "SNAP MID", "SNAP PRIM", "PASSV REL", "PEG MKT", "PEG MID", "PEGMID", "PEG BEST", "PEGBEST", "PEG STK",
    "PEG BENCH", "PEGBENCH", "PEG PRIM", "PEG MIDVOL", "REL + LMT", "REL + MKT", "LMT + MKT", "AUC", "FUNARI", "QUOTE",
})  # fmt: skip
TIFS: Final = {"": DAY, "DAY": DAY, "GTC": GTC, "IOC": IOC, "FOK": FOK, "GTD": GTD, "OPG": OPG}
OTHER_TIFS: Final = frozenset({"AUC", "DTC", "Minutes"})
SIDES: Final = {"BUY": BUY, "SELL": SELL, "SSHORT": SELL, "SLONG": SELL}
# What would make another order of it, so that working it as the plain one would be wrong.
_NOT_WORKED: Final = (
    "scalePriceIncrement", "percentOffset", "cashQty", "minTradeQty", "lmtPriceOffset", "adjustedStopPrice",
    "adjustedStopLimitPrice", "duration", "discretionaryAmt",
)  # fmt: skip
_WORDS_NOT_WORKED: Final = (
    "goodAfterTime",
    "hedgeType",
    "algoId",
    "faGroup",
    "faProfile",
    "activeStartTime",
    "activeStopTime",
)
_LAST_TRIGGERS: Final = (0, 2)  # trigger methods of stops: a stock's default, and "last", which is the same
_ALGO_TIFS: Final = (DAY, GTC, GTD)
_FLAGS_NOT_WORKED: Final = ("allOrNone", "notHeld", "eTradeOnly", "firmQuoteOnly")
_PPM_OF_PERCENT_NANOS: Final = 100_000

DEFAULT_TIF: Final = (10349, "Order TIF was set to DAY based on order preset.")
OUTSIDE_IGNORED: Final = (
    2109,
    "Order Event Warning: Attribute 'Outside Regular Trading Hours' is ignored based on the order type and destination."
    " PlaceOrder is now being processed.",
)


class Draft(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An order that may be taken. `notes` are warnings that go with it."""

    account: str
    inst: int
    side: int
    order_type: int
    tif: int
    qty_nanos: int
    limit_px_nanos: int = 0
    stop_px_nanos: int = 0
    trail_nanos: int = 0
    trail_ppm: int = 0
    gtd_ts_ns: int = 0
    outside_rth: bool = False
    oca_group: str = ""
    oca_type: int = 0
    recipe: Recipe | None = None  # the broker's own algorithm that works it
    request: PlaceRequest
    notes: tuple[tuple[int, str], ...] = ()


class _Words(NamedTuple):
    side: int
    order_type: int
    tif: int


class Drafter:
    """Reads requests against the contract book and the sessions. Every method is pure but for the day it is."""

    def __init__(self, world: World, book: ContractBook) -> None:
        self._world = world
        self._book = book
        self._known: dict[Query, int] = {}  # descriptions that meant a stock: they always mean the same one
        self._hours: Mapping[str, Hours] = {name: Hours(calendar) for name, calendar in world.calendars.items()}

    def draft(self, request: PlaceRequest) -> Draft | Refusal:
        """The order a request asks for, or the first thing that is wrong with it."""
        words = _words(request)
        if isinstance(words, Refusal):
            return words
        account = self._account(request)
        if isinstance(account, Refusal):
            return account
        inst = self._inst(request)
        if isinstance(inst, Refusal):
            return inst
        if refusal := _extras_refusal(request):
            return refusal
        return self._terms(request, words, account, inst)

    def session_date(self, inst: int, ts_ns: int, *, outside_rth: bool) -> int:
        """The day (yyyymmdd) an order sent at a moment trades on; 0 past the session table."""
        hours = self._hours[self._world.instruments[inst].calendar]
        session = hours.session_for(ts_ns, outside_rth)
        return session.date if session is not None else 0

    def outlived(self, record: OrderRecord) -> bool:
        """Whether an order for one day is asked about on another."""
        if record.tif not in (DAY, OPG):
            return False
        outside = record.request.flag("outsideRth")
        now = self.session_date(record.inst, self._world.now_ns, outside_rth=outside)
        return now != self.session_date(record.inst, record.created_ns, outside_rth=outside)

    def _account(self, request: PlaceRequest) -> str | Refusal:
        accounts, named = self._world.accounts, request.text("account")
        if not named and len(accounts) > 1:
            return Refusal(435, "You must specify an account.")
        if named and named not in accounts:
            return Refusal(321, f"{INVALID}Invalid account code '{named[:40]}'.")
        return named or accounts[0]

    def _inst(self, request: PlaceRequest) -> int | Refusal:
        query = query_of(request)
        known = self._known.get(query)
        if known is not None:
            return known
        if request.legs or request.text("secType") == "BAG":
            return Refusal(203, "The security BAG is not available or allowed for this account.")
        found = self._book.resolve(query)
        if isinstance(found, Refusal):
            return found
        if found.inst < 0 or found.sec_type != STK:
            return Refusal(203, f"The security {found.local_symbol} is not available or allowed for this account.")
        if len(self._known) < DESCRIPTIONS_MAX:
            self._known[query] = found.inst
        return found.inst

    def _terms(self, request: PlaceRequest, words: _Words, account: str, inst: int) -> Draft | Refusal:
        side, order_type, tif = words
        instrument = self._world.instruments[inst]
        outside = request.flag("outsideRth")
        # Outside regular hours only limits trade; TWS says so and takes the order (2109).
        ignored = outside and (order_type not in (LMT, STP_LMT) or tif == OPG)
        session = self._hours[instrument.calendar].session_for(self._world.now_ns, outside and not ignored)
        if session is None:
            return Refusal(201, "Order rejected - reason:no trading session is known for this contract.")
        recipe = self._recipe(request, words, instrument.calendar)
        if isinstance(recipe, Refusal):
            return recipe
        percent = request.nanos("trailingPercent") // _PPM_OF_PERCENT_NANOS if order_type == TRAIL else 0
        trail = request.nanos("auxPrice") if order_type == TRAIL else 0
        draft = Draft(
            request=request,
            account=account,
            inst=inst,
            side=side,
            order_type=order_type,
            tif=tif,
            qty_nanos=request.nanos("totalQuantity"),
            limit_px_nanos=request.nanos("lmtPrice") if order_type in (LMT, STP_LMT, LOC) else 0,
            stop_px_nanos=request.nanos("trailStopPrice" if order_type == TRAIL else "auxPrice")
            if order_type in (STP, STP_LMT, TRAIL)
            else 0,
            trail_nanos=trail,
            trail_ppm=0 if trail else percent,
            gtd_ts_ns=self._good_till(request, instrument.calendar) if tif == GTD else 0,
            outside_rth=outside and not ignored,
            oca_group=request.text("ocaGroup"),
            oca_type=(request.integer("ocaType") or REDUCE) if request.text("ocaGroup") else 0,
            recipe=recipe,
            notes=(OUTSIDE_IGNORED,) if ignored else (),
        )
        refusal = _quantity_refusal(draft, request) or terms_refusal(
            instrument, session.date, order_type=order_type, qty_nanos=draft.qty_nanos,
            limit_px_nanos=draft.limit_px_nanos, stop_px_nanos=draft.stop_px_nanos,
            trails=draft.trail_nanos > 0 or draft.trail_ppm > 0,
        )  # fmt: skip
        return Refusal(*refusal) if refusal is not None else draft

    def _recipe(self, request: PlaceRequest, words: _Words, calendar: str) -> Recipe | Refusal | None:
        """The broker's own algorithm that is to work it, by name and tags; None = it works as it stands."""
        strategy = request.text("algoStrategy")
        if not strategy:
            return None
        if strategy not in STRATEGIES:
            return Refusal(439, "The order submission failed. Algo definition not found.")
        if words.order_type not in (MKT, LMT) or words.tif not in _ALGO_TIFS:
            return Refusal(387, "Unsupported order type for this exchange and security type: algo orders.")
        zone = self._world.calendars[calendar].table.timezone
        fault = params_fault(strategy, request.algo_params)
        recipe = recipe_of(strategy, request.algo_params, lambda text: algo_moment(text, zone, self._world.now_ns))
        if not fault and isinstance(recipe, Recipe) and 0 < recipe.end_ns <= self._world.now_ns:
            fault = "the end is past"
        if fault or isinstance(recipe, str):
            return Refusal(441, f"Algo attributes validation failed: {fault or recipe}")
        return recipe

    def _good_till(self, request: PlaceRequest, calendar: str) -> int:
        zone = self._world.calendars[calendar].table.timezone
        return parse_moment(request.text("goodTillDate"), zone) or 0


def query_of(request: PlaceRequest) -> Query:
    """The contract a request describes."""
    return Query(
        con_id=request.integer("conId"),
        symbol=request.text("symbol").strip().upper(),
        sec_type=request.text("secType").strip().upper(),
        last_trade=request.text("lastTradeDate").strip(),
        strike_nanos=request.nanos("strike"),
        right=request.text("right").strip("?0 ").upper(),
        multiplier=request.text("multiplier").strip(),
        exchange=request.text("exchange").strip().upper(),
        primary_exchange=request.text("primaryExchange").strip().upper(),
        currency=request.text("currency").strip().upper(),
        local_symbol=request.text("localSymbol").strip(),
        trading_class=request.text("tradingClass").strip(),
        sec_id_type=request.text("secIdType"),
        sec_id=request.text("secId"),
    )


def _words(request: PlaceRequest) -> _Words | Refusal:
    side = SIDES.get(request.text("action").upper())
    if side is None:
        return Refusal(321, f"{INVALID}Invalid order side was entered")
    spoken = request.text("orderType").upper()
    order_type = ORDER_TYPES.get(spoken)
    if order_type is None:
        if spoken in OTHER_TYPES:
            return Refusal(387, "Unsupported order type for this exchange and security type.")
        return Refusal(321, f"{INVALID}Invalid order type was entered")
    tif = TIFS.get(request.text("tif").upper())
    if tif is None:
        if request.text("tif") in OTHER_TIFS:
            return Refusal(387, "Unsupported time in force for this exchange and security type.")
        return Refusal(321, f"{INVALID}Invalid time in force was entered")
    if (order_type in (MOC, LOC) and tif != DAY) or (tif == OPG and order_type not in (MKT, LMT)):
        return Refusal(111, "The order type and time in force are incompatible.")
    return _Words(side, order_type, tif)


def _extras_refusal(request: PlaceRequest) -> Refusal | None:
    if request.conditions:
        return Refusal(387, "Unsupported order type for this exchange and security type: conditional orders.")
    for name in _NOT_WORKED:
        if request.text(name) not in ("", "0"):
            return Refusal(387, f"Unsupported order type for this exchange and security type: {name}.")
    for name in (*_WORDS_NOT_WORKED, *_FLAGS_NOT_WORKED):
        if request.text(name):  # a flag that is not set leaves no text
            return Refusal(387, f"Unsupported order type for this exchange and security type: {name}.")
    if request.text("adjustedOrderType") not in ("", "None"):
        return Refusal(387, "Unsupported order type for this exchange and security type: adjustable orders.")
    if request.integer("triggerMethod") not in _LAST_TRIGGERS:
        return Refusal(387, "Unsupported order type for this exchange and security type: triggerMethod.")
    if request.integer("minQty") > 0:
        return Refusal(387, "Unsupported order type for this exchange and security type: minQty.")
    return None


def _quantity_refusal(draft: Draft, request: PlaceRequest) -> Refusal | None:
    if draft.qty_nanos < 0:
        return Refusal(321, f"{INVALID}Invalid order size was entered")
    if not whole(draft.qty_nanos):
        return Refusal(10243, "Fractional-sized order cannot be placed via API. Please enter order without decimal.")
    if min(draft.limit_px_nanos, draft.stop_px_nanos, draft.trail_nanos, draft.trail_ppm) < 0:
        return Refusal(321, f"{INVALID}Invalid price was entered")
    if draft.tif == GTD and not draft.gtd_ts_ns:
        return Refusal(321, f"{INVALID}Invalid good till date was entered")
    if draft.oca_group and draft.oca_type not in OCA_TYPES:
        return Refusal(321, f"{INVALID}Invalid OCA type was entered")
    return None
