"""What broker and market lay down (core.money.conditions, price bands), read into one order's view: clock, borrow, the
broker's funds, bands, a quote that does not move. Decides nothing; the view calls it once per order.
"""

from typing import TYPE_CHECKING, Final

from core.bands import restricts_shorts
from core.market import FIELDS, INDEX
from core.ports import Context
from core.sessions import REGULAR
from core.units import BP
from risk.rules import NEVER_PX, Rules

if TYPE_CHECKING:
    from risk.view import GateView

EASY_MILLI: Final = 2_500  # level above which shares are there without asking (IB tick 46: 2.5)
_NEVER: Final = 1 << 62
_CHANGED: Final = INDEX["changed_ts_ns"]
_LOW: Final = INDEX["low_px_nanos"]
_REF_TS: Final = INDEX["band_ref_ts_ns"]
_LOWER: Final = INDEX["band_lower_nanos"]
_UPPER: Final = INDEX["band_upper_nanos"]
_LIMIT_STATE: Final = INDEX["band_limit_state"]


def read_market(
    v: "GateView", context: Context, inst: int, *, unchanged_ns: int, resumed: int, ref: int, told: int
) -> None:
    """How long the quote has stood, how long ago a halt ended, and how near to a band a touch may come."""
    v.changed_ns = unchanged_ns
    v.frozen = 0 if unchanged_ns <= v.bounds.frozen_ns_max else _is_frozen(v, context)
    v.resumed_ns = v.ts_ns - resumed if resumed else _NEVER
    if v.phase != REGULAR:  # the plan binds in regular hours alone
        v.edge_low, v.edge_high = 0, NEVER_PX
        return
    rules = v.rules
    if rules.band_ref != ref or rules.band_told != told or v.ts_ns >= rules.band_until_ns:
        _set_bands(v, context, rules, inst, ref, told)
    v.edge_low, v.edge_high = rules.edge_low, rules.edge_high


def _is_frozen(v: "GateView", context: Context) -> int:
    """1 if another instrument's quote has changed of late: the market moves and this quote does not."""
    return 1 if v.ts_ns - max(context.market.view[_CHANGED::FIELDS]) <= v.age_ns_max else 0


def _set_bands(v: "GateView", context: Context, rules: Rules, inst: int, ref: int, told: int) -> None:
    view, at = context.market.view, inst * FIELDS
    rules.set_bands(
        ref,
        told,
        ts_ns=v.ts_ns,
        previous_close=context.previous_close_nanos[inst],
        margin_bp=v.account.band_margin_bp,
        row=(view[at + _REF_TS], view[at + _LOWER], view[at + _UPPER], view[at + _LIMIT_STATE]),
    )


def read_told(v: "GateView", context: Context, side: int, inst: int) -> None:
    """Clock, breaker, funds; borrow for sales alone."""
    v.conditions = conditions = context.money.conditions
    v.index_until_ns = conditions.index_until_ns
    v.clock_offset_ns = conditions.clock_offset_ns
    v.clock_age_ns = v.ts_ns - conditions.clock_ts_ns if conditions.clock_ts_ns else _NEVER
    v.funds_missing = _funds_missing(v) if conditions.funds_awaited else 0
    if side < 0:
        _read_borrow(v, context, inst)


def _read_borrow(v: "GateView", context: Context, inst: int) -> None:
    """Shares to borrow; whether the short-sale restriction holds: as recorded, or by the day's low now."""
    conditions = v.conditions
    told = conditions.borrow[inst]
    v.borrow_level = told.level_milli
    v.borrow_shares = told.shares_nanos
    v.borrow_age_ns = v.ts_ns - told.ts_ns
    low = context.market.view[inst * FIELDS + _LOW]
    fallen = restricts_shorts(low, context.previous_close_nanos[inst]) if low else False
    v.short_restricted = 1 if fallen or v.date <= conditions.short_until[inst] else 0


def _funds_missing(v: "GateView") -> int:
    """1 if the broker's account values never came or are old; else they are read."""
    funds = v.conditions.funds
    if funds is None or v.ts_ns - funds.ts_ns > v.account.funds_ns_max:
        return 1
    if funds.available_nanos != v.funds:
        v.funds = funds.available_nanos
        v.funds_free = funds.available_nanos * BP // v.account.margin_flat_bp_max
    return 0
