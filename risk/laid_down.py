"""What broker and market lay down (core.money.conditions, price bands), as one order sees it: clock,
borrow, the broker's funds, bands. The base of the gate's view, which calls it once per
order. Decides nothing.
"""

from typing import Final

from core.bands import restricts_shorts
from core.exposure import Exposure
from core.market import FIELDS, INDEX
from core.money.conditions import Conditions
from core.ports import Context
from core.units import BP
from risk.bounds import AccountBounds
from risk.rules import NEVER_PX, Rules

EASY_MILLI: Final = 2_500  # level above which shares are there without asking (IB tick 46: 2.5)
_NEVER: Final = 1 << 62
_NOT_MEASURED: Final = -1
_CHANGED: Final = INDEX["changed_ts_ns"]
_LOW: Final = INDEX["low_px_nanos"]
_REF_TS: Final = INDEX["band_ref_ts_ns"]
_LOWER: Final = INDEX["band_lower_nanos"]
_UPPER: Final = INDEX["band_upper_nanos"]
_LIMIT_STATE: Final = INDEX["band_limit_state"]


class LaidDown:
    """Its fields are the view's. Those of borrow are of sales alone: a buy leaves them as they were."""

    __slots__ = (
        "_clock_offset_ns", "_clock_ts_ns", "borrow_age_ns", "borrow_level", "borrow_shares", "clock_until_ns",
        "exposure", "free_bp", "funds", "funds_free", "funds_missing", "short_restricted",
    )  # fmt: skip

    # Of the view, read here.
    account: AccountBounds
    age_ns_max: int
    rules: Rules
    ts_ns: int

    def __init__(self, context: Context) -> None:
        self.exposure: Exposure = context.exposure
        self.borrow_level = self.borrow_shares = -1
        self.borrow_age_ns = _NEVER
        self.short_restricted = 0
        self.free_bp = self.funds_missing = 0
        self.forget_told()

    def forget_told(self) -> None:
        """Limits changed; or no broker's account: then nothing but our own estimate binds."""
        self.funds = self.funds_free = NEVER_PX
        self._clock_ts_ns = self._clock_offset_ns = 0
        self.clock_until_ns = _NOT_MEASURED  # until when the clock was compared with the broker's, and right

    def _is_frozen(self, context: Context) -> int:
        """1 if another instrument's quote has changed of late: the market moves and this quote does not."""
        return 1 if self.ts_ns - max(context.market.view[_CHANGED::FIELDS]) <= self.age_ns_max else 0

    def _set_bands(self, context: Context, inst: int, ref: int, told: int) -> None:
        view, at = context.market.view, inst * FIELDS
        self.rules.set_bands(
            ref,
            told,
            ts_ns=self.ts_ns,
            previous_close=context.previous_close_nanos[inst],
            margin_bp=self.account.band_margin_bp,
            row=(view[at + _REF_TS], view[at + _LOWER], view[at + _UPPER], view[at + _LIMIT_STATE]),
        )

    def _read_told(self, context: Context, side: int, inst: int) -> None:
        """Clock and funds; borrow for sales alone."""
        conditions = context.money.conditions
        if conditions.clock_ts_ns != self._clock_ts_ns or conditions.clock_offset_ns != self._clock_offset_ns:
            self._read_clock(conditions)
        self.funds_missing = self._read_funds(conditions) if conditions.funds_awaited else 0
        a = self.account
        self.free_bp = a.margin_free_bp if self.exposure.rate_bp_max <= a.margin_flat_bp_max else 0
        if side < 0:
            self._read_borrow(context, conditions, inst)

    def _read_clock(self, conditions: Conditions) -> None:
        a, offset = self.account, conditions.clock_offset_ns
        self._clock_ts_ns, self._clock_offset_ns = conditions.clock_ts_ns, offset
        right = conditions.clock_ts_ns and abs(offset) <= a.clock_offset_ns_max
        self.clock_until_ns = conditions.clock_ts_ns + a.clock_ns_max if right else _NOT_MEASURED

    def _read_borrow(self, context: Context, conditions: Conditions, inst: int) -> None:
        """Shares to borrow; whether the short-sale restriction holds: as recorded, or by the day's low now."""
        told = conditions.borrow[inst]
        self.borrow_level = told.level_milli
        self.borrow_shares = told.shares_nanos
        self.borrow_age_ns = self.ts_ns - told.ts_ns
        low = context.market.view[inst * FIELDS + _LOW]
        fallen = restricts_shorts(low, context.previous_close_nanos[inst]) if low else False
        self.short_restricted = 1 if fallen or self.rules.date <= conditions.short_until[inst] else 0

    def _read_funds(self, conditions: Conditions) -> int:
        """1 if the broker's account values never came or are old; else they are read."""
        funds = conditions.funds
        if funds is None or self.ts_ns - funds.ts_ns > self.account.funds_ns_max:
            return 1
        if funds.available_nanos != self.funds:
            self.funds = funds.available_nanos
            self.funds_free = funds.available_nanos * BP // self.account.margin_flat_bp_max
        return 0
