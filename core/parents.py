"""Parent orders: a quantity to trade along a schedule, and how far it got. Progress is folded from fills, never set."""

from enum import IntEnum
from typing import Final

import msgspec

from core.ids import Side
from core.story import Story


class ParentState(IntEnum):
    """Where a schedule stands; values are journalled."""

    ACTIVE = 1
    DONE = 10
    CANCELLED = 11  # by operator, kill or a disabled strategy
    SUPERSEDED = 12  # the target changed
    EXPIRED = 13  # out of time with a rest


PARENT_ENDED_FROM: Final = 10
NO_ORDER: Final = 0
OPERATOR: Final = "operator"  # why a schedule is paused that only an operator lets go on, by its number


class Parent(msgspec.Struct, gc=False, kw_only=True):
    """One schedule. At most one child is live at a time, so children can never over-fill it."""

    parent_id: int
    strategy: str
    inst: int
    side: Side
    qty_nanos: int
    algo: str
    start_ts_ns: int
    end_ts_ns: int
    slices: int
    limit_px_nanos: int
    arrival_mid_nanos: int
    purpose: int
    urgency: int
    state: ParentState = ParentState.ACTIVE
    paused: bool = False
    paused_reason: str = ""
    filled_nanos: int = 0
    value_nanos: int = 0  # cash value of its fills, for its average price
    children: int = 0  # child orders made so far = next slice number
    child: int = NO_ORDER  # the live child's order id
    last_child: int = NO_ORDER  # the child placed last, live or not: how it ended decides whether to wait
    not_before_ns: int = 0  # the executor must not act earlier (back-off after a refusal)
    chases: int = 0
    reason: str = ""
    story: Story = []
    what_if: int = 0  # the question that was asked of the broker before anything of it may be sent; 0 = none
    what_if_due_ns: int = 0  # > 0 = AWAITING_MARGIN: its answer must come until then
    what_if_px_nanos: int = 0
    sent: int = 0  # child orders sent since a person last resumed the strategy (control 11); none that never left
    sent_nanos: int = 0  # quantity of all children ever sent
    operator: str = ""  # who asked for it, where no strategy did (control 28)
    weights: tuple[int, ...] = ()  # see `OpenParent`, as replanned
    params: str = ""
    expected_cost_nanos: int = 0
    expected_risk_nanos: int = 0
    decision_mid_nanos: int = 0
    decision_ts_ns: int = 0
    why: str = ""
    kappa_nanos: int = 0
    auction_ts_ns: int = 0
    slice_no: int = -1  # the slice that `BeginSlice` began last; -1 = none
    others_nanos: int = 0  # traded by others from the start to that moment
    volume_nanos: int = 0  # the day's volume counter at that moment
    slice_filled_nanos: int = 0  # traded in the market by that moment
    crossed_nanos: int = 0  # of what is filled: with another book of the account, not in the market
    kappa_first_nanos: int = 0  # the first decay above 0 that the market itself gave it

    @property
    def active(self) -> bool:
        """Still trading or paused."""
        return self.state < PARENT_ENDED_FROM

    @property
    def traded_nanos(self) -> int:
        """Filled in the market."""
        return self.filled_nanos - self.crossed_nanos

    @property
    def remaining_nanos(self) -> int:
        """Quantity not filled yet; corrections may make it grow again."""
        return self.qty_nanos - self.filled_nanos
