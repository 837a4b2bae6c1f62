"""One schedule as a report follows it: decision, orders, executions. Words and numbers; trails.py fills them."""

from typing import Final

import msgspec

from core import commands as c
from core.ledger import Execution
from core.parents import ParentState

CROSSED: Final = 4  # in place of a liquidity: with another book of the account, at no cost


class FillTrail(msgspec.Struct, gc=False, kw_only=True):
    """One execution. `execution` is the ledger's, so a correction or a cost that comes later is in it."""

    execution: Execution
    liquidity: int  # 1 added, 2 removed, 3 routed out, CROSSED, 0 not told
    told_ns: int  # our clock
    exchange_ns: int  # the broker's; 0 = not told
    quote: int  # ticket: just before the execution
    later: tuple[int, ...]  # tickets, by HORIZONS_MIN
    met: tuple[int, int] = (0, 0)  # bid and ask, where the record itself says them


class OrderTrail(msgspec.Struct, gc=False, kw_only=True):
    """One child order; times are UTC ns, 0 = never."""

    order_id: int
    qty_nanos: int
    px_nanos: int
    sent_ns: int
    acknowledged_ns: int = 0
    ended_ns: int = 0
    ending: str = ""  # filled, cancelled, rejected: …, not sent: …, settled as …
    replaces: int = 0
    filled_nanos: int = 0


class Decided(msgspec.Struct, gc=False, kw_only=True):
    """When a trade was wanted, and what became of it so far."""

    date: int
    ts_ns: int
    ticket: int
    target_nanos: int = 0
    opened: bool = False
    waits: str = ""  # why nothing was opened


class Trail(msgspec.Struct, gc=False, kw_only=True):
    """One schedule."""

    date: int
    opening: c.OpenParent
    opened_ns: int
    decision_ns: int
    decision: int  # tickets of points
    arrival: int
    end: int = 0
    end_ns: int = 0
    state: int = int(ParentState.ACTIVE)
    reason: str = ""
    orders: list[OrderTrail] = []
    fills: list[FillTrail] = []
    refusals: int = 0
    refused: list[str] = []
    replans: int = 0
    weights: tuple[int, ...] = ()

    @property
    def filled_nanos(self) -> int:
        """As the ledger has it now."""
        return sum(fill.execution.qty_nanos for fill in self.fills)


class Unopened(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A target that never became a schedule before the next one replaced it."""

    date: int
    strategy: str
    inst: int
    ts_ns: int
    target_nanos: int
    why: str
