"""What people ask for by hand. See core/events/operator.py for what `authority` and `second` say."""

from core.events.base import Event
from core.ids import Side
from core.latches import STRATEGY


class OrderGiven(Event, frozen=True, tag=100):
    """An operator wants to buy or sell, in a book of its own. `algo` and `params` (canonical JSON) say how; a limit of
    0 = none. With a price to take profit at, or a stop, orders that close it follow its fills.
    """

    strategy: str  # whose book
    inst: int
    side: Side
    qty_nanos: int
    algo: str
    params: str
    tif: int
    reason: str
    operator: str
    limit_px_nanos: int = 0
    take_profit_px_nanos: int = 0
    stop_px_nanos: int = 0
    oca_group: str = ""
    authority: str = ""

    @property
    def level(self) -> int:
        """Of the ladder: it is one book's."""
        return STRATEGY


class OrderWithdrawn(Event, frozen=True, tag=101):
    """An operator takes a manual order back: what of it is not filled."""

    parent_id: int
    reason: str
    operator: str
    authority: str = ""
    second: str = ""
    protection: bool = False  # also what follows its fills; the position stays

    @property
    def level(self) -> int:
        """Of the ladder: it is one book's."""
        return STRATEGY
