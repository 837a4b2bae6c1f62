"""Control 40: which controls a person may let one order fail, and which override an order matches.

RTS 6 article 15(6) wants a temporary, exceptional, logged way past a block that somebody verified. Open to it is what
limits the size of a business decision. Closed is what an override would turn into a breach of law or of certainty:
rules of the market (3, 4, 12, 15-17, 19-21), the broker's own arithmetic (18), loss stops and latches, which have a way
up of their own (24-26, 29, 31, 41), what counts runaway machines (9, 11, 14), and whatever says that the trader does
not know (22, 23, 30, 32-37, 48).
"""

from typing import Final

from core.commands import OrderIntent
from core.limit_changes import Override

OVERRIDABLE: Final = (1, 2, 5, 6, 7, 8, 10, 13, 43)


def why_not_override(control: int) -> str:
    """Why a control may not be overridden; "" = it may."""
    if control in OVERRIDABLE:
        return ""
    return f"control {control} may not be overridden: only {', '.join(map(str, OVERRIDABLE))} limit a business decision"


def matching(overrides: list[Override], o: OrderIntent, failed: list[int], ts_ns: int) -> int:
    """Id of the override an order may use; 0 = none. It must fail that one control alone, and be new: a replace would
    use an override up for an order that already works.
    """
    if not overrides or len(failed) != 1 or o.version:
        return 0
    for grant in overrides:
        if (
            grant.control == failed[0]
            and grant.strategy == o.strategy
            and grant.inst == o.inst
            and grant.side == o.side
            and o.qty_nanos <= grant.qty_nanos
            and ts_ns < grant.until_ns
            and _price_fits(grant, o)
        ):
            return grant.override_id
    return 0


def _price_fits(grant: Override, o: OrderIntent) -> bool:
    """Without a price any limit will do; with one a market order has none to compare."""
    if not grant.px_nanos:
        return True
    return o.limit_px_nanos > 0 and o.side * o.limit_px_nanos <= o.side * grant.px_nanos
