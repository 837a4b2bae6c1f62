"""Splits and dividends: their terms, where each stands, and the arithmetic. And the lines by which books are corrected.

Pure words and integers; what follows from them is in core/engine/corporate.py and core/money/books.py.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

import msgspec

from core.units import NANO, exact_text, notional_nanos, share_of

SPLIT: Final = "split"
DIVIDEND: Final = "dividend"
WITHDRAWAL: Final = "withdraw"  # takes back one that waits

KEPT: Final = "kept"  # given, and waiting: for its day, its orders to go, or the broker
DONE: Final = "done"  # the books are split
ACCRUED: Final = "accrued"  # the dividend is due
PAID: Final = "paid"
WITHDRAWN: Final = "withdrawn"
SPLIT_PENDING: Final = "SPLIT"  # latch of a symbol whose split is not carried out yet
ACTIONS_MAX: Final = 1_024  # remembered; the oldest that are over go
RATIO_MAX: Final = 10_000  # shares for one, either way
PPM: Final = 1_000_000

# What a price may suspect. Ratios nearer to one look like any bad day; of those the broker's position must tell.
_MANY: Final = (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100)
SUSPECTED: Final = (*((many, 1) for many in _MANY), *((1, many) for many in _MANY), (3, 2), (2, 3))
TOLERANCE_PPM: Final = 60_000  # of the ratio: the night's own move


class Terms(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """What was decided. A split: `num` shares for `den`. A dividend: cash a share, part of it withheld from longs."""

    action_id: str
    kind: str
    inst: int = -1
    ex_date: int = 0  # yyyymmdd: the first trading day of the new shares, or without the dividend
    num: int = 1
    den: int = 1
    per_share_nanos: int = 0
    currency: str = ""
    pay_date: int = 0
    withheld_ppm: int = 0

    @property
    def ratio(self) -> str:
        """As people write it."""
        return f"{self.num}:{self.den}"


class Action(msgspec.Struct, gc=False, kw_only=True):
    """One corporate action and where it stands."""

    terms: Terms
    state: str = KEPT
    by: str = ""
    reason: str = ""
    now: bool = False  # a person says that the broker has done it: its word is not waited for
    since_ns: int = 0
    done_ns: int = 0
    rescaled: bool = False  # the day's previous close and volume were still those of the old shares
    gross_nanos: int = 0  # of a dividend, still due
    withheld_nanos: int = 0
    due_nanos: int = 0  # net, when it became due
    income: tuple[tuple[str, int], ...] = ()  # what each book was credited when it became due, in the base currency


class BookLine(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """One correction of the books. `kind`: execution (one the books lack), correction (of price or quantity),
    commission, cash, conversion (of `amount_nanos` in `currency` into `other_nanos` of another), fees (what a
    commission was made of).
    """

    kind: str
    line_id: str  # booked once, however often it is told
    exec_id: str = ""
    inst: int = -1
    side: int = 0
    qty_nanos: int = 0
    px_nanos: int = 0
    commission_nanos: int = 0
    currency: str = ""
    amount_nanos: int = 0  # signed for cash
    cash_kind: str = ""  # deposit, withdrawal, dividend, withholding, interest, fee, …
    other_currency: str = ""
    other_nanos: int = 0
    text: str = ""
    fees: tuple[tuple[str, int], ...] = ()  # (kind, cash nanos)


FEE_KINDS_MAX: Final = 16  # of one execution
LINE_KINDS: Final = ("execution", "correction", "commission", "cash", "conversion", "fees")


def suspected_ratio(close_nanos: int, px_nanos: int) -> tuple[int, int] | None:
    """Shares for shares that would explain a price after a close, nearest first; None = an ordinary price."""
    if close_nanos <= 0 or px_nanos <= 0 or 7 * close_nanos < 10 * px_nanos < 14 * close_nanos:
        return None
    best: tuple[int, int] | None = None
    nearest = TOLERANCE_PPM
    for num, den in SUSPECTED:
        off = abs(px_nanos * num - close_nanos * den) * PPM // (close_nanos * den)
        if off < nearest:
            best, nearest = (num, den), off
    return best


def explains(*, num: int, den: int, ours_nanos: int, theirs_nanos: int) -> bool:
    """Whether a split makes our quantity the broker's, but for a fraction of a share paid in cash."""
    return theirs_nanos != ours_nanos and abs(theirs_nanos * den - ours_nanos * num) < den * NANO


def split_total(qty_nanos: int, *, num: int, den: int) -> int:
    """What a quantity becomes: whole shares stay whole, towards zero; the fraction is paid in cash."""
    exact = abs(qty_nanos) * num
    whole = exact // den if qty_nanos % NANO else exact // (den * NANO) * NANO
    return whole if qty_nanos >= 0 else -whole


def share_out(
    held: tuple[tuple[str, int], ...], total_nanos: int, *, num: int, den: int
) -> tuple[tuple[str, int], ...]:
    """The account's new quantity over its books: each its own part, what rounding leaves to the largest fractions (the
    first of equals). The parts add up to `total_nanos` exactly.
    """
    step = NANO if total_nanos % NANO == 0 and all(qty % NANO == 0 for _, qty in held) else 1
    parts = [abs(qty) * num // (den * step) * step * (1 if qty >= 0 else -1) for _, qty in held]
    left = total_nanos - sum(parts)
    rests = [abs(qty * num - part * den) for (_, qty), part in zip(held, parts, strict=True)]
    grows = [1 if qty > 0 else -1 for _, qty in held]
    order = sorted(range(len(held)), key=lambda at: (-rests[at], at))
    for at in order:
        if left * grows[at] > 0 and rests[at]:
            given = min(abs(left), step) * grows[at]
            parts[at] += given
            left -= given
    if left and parts:
        parts[order[0]] += left
    return tuple((strategy, part) for (strategy, _), part in zip(held, parts, strict=True))


def dividend_of(terms: Terms, qty_nanos: int) -> tuple[int, int]:
    """Gross and withheld of a holding; one who is short pays all of it. Half-even, by the nano."""
    size = notional_nanos(terms.per_share_nanos, abs(qty_nanos))
    if qty_nanos < 0:
        return -size, 0
    return size, share_of(size, terms.withheld_ppm, PPM)


def rescaled(terms: Terms, close_nanos: int, volume_nanos: int) -> tuple[int, int]:
    """A price and a volume of the old shares, as of the new ones."""
    return share_of(close_nanos, terms.den, terms.num), share_of(volume_nanos, terms.num, terms.den)


def in_new_shares(dates: Sequence[int], closes_nanos: Sequence[int], splits: Sequence[Terms]) -> tuple[int, ...]:
    """Daily closes as of the newest shares. A file may be adjusted by who wrote it or not: a split moves the closes
    before its day only where the step from the last of them to the first after it is nearer to its ratio than to none.
    """
    closes = list(closes_nanos)
    for terms in splits:
        at = bisect_left(dates, terms.ex_date)
        if not 0 < at < len(closes):
            continue
        before, after = closes[at - 1], closes[at]
        if abs(after * terms.num - before * terms.den) < abs(after - before) * terms.num:
            closes[:at] = [share_of(close, terms.den, terms.num) for close in closes[:at]]
    return tuple(closes)


def told(action: Action, symbol: str) -> str:
    """One line for a person."""
    terms = action.terms
    if terms.kind == SPLIT:
        return f"{terms.action_id}: {symbol} split {terms.ratio}, ex {terms.ex_date}: {action.state}"
    per_share = f"{exact_text(terms.per_share_nanos)} {terms.currency}"
    return f"{terms.action_id}: {symbol} dividend {per_share} a share, ex {terms.ex_date}: {action.state}"
