"""Exact integer money: nanos (1e-9) of price, quantity and cash. Every division here names its rounding.

Snapshots and records carry 64-bit integers, so one account may hold at most 9.2e9 units of a currency; the
config refuses more than `CASH_NANOS_MAX`.
"""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Final

NANO: Final = 1_000_000_000
CASH_NANOS_MAX: Final = 4_000_000_000 * NANO
BP: Final = 10_000  # basis points in one


def div_half_even(numerator: int, denominator: int) -> int:
    """Divide two integers, rounding half to even (IEEE 754 / banker's rounding). Raises ZeroDivisionError."""
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and quotient & 1):
        quotient += 1
    return quotient


def notional_nanos(px_nanos: int, qty_nanos: int) -> int:
    """Price times quantity in cash nanos, half-even. Exact for whole shares at any price in nanos."""
    product = px_nanos * qty_nanos
    quotient, rest = divmod(product, NANO)
    return quotient if rest == 0 else div_half_even(product, NANO)


def share_of(total: int, part: int, whole: int) -> int:
    """The part/whole share of an integer amount, half-even; the caller keeps the remainder with the last part."""
    return total if part == whole else div_half_even(total * part, whole)


def parse_nanos(text: str | int | float, *, field: str) -> int:
    """Turn a decimal text or TOML number into nanos; refuses more than nine decimals and non-numbers.

    Raises ValueError naming `field`.
    """
    try:
        value = Decimal(str(text))
    except InvalidOperation as fault:
        raise ValueError(f"{field}: {text!r} is not a number") from fault
    if not value.is_finite():
        raise ValueError(f"{field}: {text!r} is not a finite number")
    scaled = value * NANO
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{field}: {text!r} has more than nine decimals")
    return int(scaled)


def decimal_text(nanos: int, *, places: int = 2) -> str:
    """Show nanos as a decimal text with `places` decimals, half-even: for people, never for computing."""
    value = (Decimal(nanos) / NANO).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    return f"{value:f}"


def exact_text(nanos: int) -> str:
    """Show nanos as the shortest exact decimal text."""
    whole, rest = divmod(abs(nanos), NANO)
    text = f"{whole}.{rest:09d}".rstrip("0") if rest else str(whole)
    return f"-{text}" if nanos < 0 else text


def round_down(nanos: int, step_nanos: int) -> int:
    """Round towards zero to a multiple of a step (tick or lot)."""
    return nanos // step_nanos * step_nanos if nanos >= 0 else -(-nanos // step_nanos * step_nanos)
