"""One-cancels-all groups: who belongs together, and how much of an order is left when another of its group trades.

All of it happens in the moment of the execution, so a group never trades more than one of its orders would have.
"""

from collections.abc import Iterable
from typing import Final

from broker.sim.book import SimOrder, VenueState
from core.events import PENDING_SUBMIT

CANCEL_WITH_BLOCK: Final = 1
REDUCE_WITH_BLOCK: Final = 2
REDUCE: Final = 3  # a real venue may over-fill these; here they are as safe as type 2
WHOLE: Final = 10**12  # parts of a group that has not traded
OCA_TYPES: Final = (CANCEL_WITH_BLOCK, REDUCE_WITH_BLOCK, REDUCE)


def others_of(order: SimOrder, orders: Iterable[SimOrder]) -> list[SimOrder]:
    """The group's other orders at the venue that are not done; those still on their way learn of it on arrival."""
    return [
        other
        for other in orders
        if other.oca_group == order.oca_group
        and other is not order
        and not other.done
        and other.status != PENDING_SUBMIT
    ]


def reduced_nanos(other: SimOrder, before_nanos: int, after_nanos: int) -> int:
    """What may still execute of `other` once the traded order's open quantity fell from `before` to `after`: the same
    part of its own, in whole increments, rounded down.
    """
    step = other.increment_nanos
    return other.remaining_nanos * after_nanos // before_nanos // step * step


def note_traded(state: VenueState, order: SimOrder, before_nanos: int, date: int) -> int:
    """Remember what is left of an order's group after it traded, for those who join it later; 0 = it is over."""
    group = order.oca_group
    left = left_of(state, group, date)
    left = 0 if order.oca_type == CANCEL_WITH_BLOCK else left * order.remaining_nanos // before_nanos
    state.oca_day[group], state.oca_open[group] = date, left
    return left


def left_of(state: VenueState, group: str, date: int) -> int:
    """What of a group has not traded on a day, in parts of WHOLE."""
    return state.oca_open[group] if state.oca_day.get(group) == date else WHOLE


def forget_groups(state: VenueState, date: int) -> None:
    """Names of earlier days are free again."""
    for group in [group for group, day in state.oca_day.items() if day < date]:
        del state.oca_day[group], state.oca_open[group]
