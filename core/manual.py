"""Orders that people give by hand, as money state remembers them: what belongs to one beside the schedule that trades
it (core/parents.py), which has the same number. Knows no order of the broker.
"""

from typing import Final

import msgspec

from core.ids import Side

MANUAL: Final = "manual"  # the book of what people trade by hand; no strategy may have this name
KEPT_MAX: Final = 256  # those that are over are kept for display


class ManualOrder(msgspec.Struct, gc=False, kw_only=True):
    """One order as it was given."""

    parent_id: int
    strategy: str  # whose book
    inst: int
    side: Side
    since_ns: int
    reason: str
    by: str
    tif: int
    oca_group: str = ""  # of ours: the first of a group that fills takes the others off; "" = none
    take_profit_px_nanos: int = (
        0  # what follows its fills: a limit order and a stop, each for all that is held; 0 = none
    )
    stop_px_nanos: int = 0
    filled_nanos: int = 0
    closed_nanos: int = 0  # what those have filled
    over: str = ""  # why nothing follows its fills any more; "" = it does, or there is nothing to follow

    @property
    def protected(self) -> bool:
        """Whether orders follow its fills."""
        return self.take_profit_px_nanos > 0 or self.stop_px_nanos > 0
