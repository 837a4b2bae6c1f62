"""Comparing our books with a full synchronisation of the broker's. Missed executions are booked before this runs, so
what is left cannot be explained: a difference. Pure; the engine decides what a difference does (control 33).
"""

from typing import Final

import msgspec

from core.broker_algos import other_than_ours
from core.events import CompletedOrderReported, OpenOrderReported
from core.ids import SIDE_NAMES
from core.ledger import Ledger
from core.orders import Order
from core.units import NANO, exact_text

LOST_AFTER_SYNCS: Final = 2
SYNC_SPACING_NS: Final = 30_000_000_000  # between two syncs that count towards LOST
COST_WAIT_NS: Final = 90_000_000_000  # a commission report comes within seconds, or with the next two syncs
CASH_ROUNDING_NANOS: Final = NANO // 100  # the broker tells cash in cents; commissions have more places
READY_BEFORE_LOST_NS: Final = 60_000_000_000


class Difference(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One line of the report. `kind`: position | cash | order | filled | adopted."""

    kind: str
    text: str
    inst: int = -1
    qty_nanos: int = 0  # broker less ours, for a position
    average_cost_nanos: int = 0  # of the broker's whole position, a share


class Sync(msgspec.Struct, gc=False, kw_only=True):
    """What one synchronisation has reported so far."""

    sync_id: int
    started_ts_ns: int
    open: dict[int, OpenOrderReported] = {}
    completed: dict[int, CompletedOrderReported] = {}
    foreign: dict[int, OpenOrderReported] = {}  # by permId
    positions: dict[int, int] = {}
    average_costs: dict[int, int] = {}  # by instrument, a share
    cash: dict[str, int] = {}


def position_differences(sync: Sync, holdings: list[int], symbols: tuple[str, ...]) -> list[Difference]:
    """Compare the union of both sides: an instrument never reported is flat at the broker."""
    found = []
    for inst, ours in enumerate(holdings):
        theirs = sync.positions.get(inst, 0)
        if theirs != ours:
            text = f"{symbols[inst]}: ours {exact_text(ours)}, broker {exact_text(theirs)}"
            cost = sync.average_costs.get(inst, 0)
            found.append(
                Difference(kind="position", text=text, inst=inst, qty_nanos=theirs - ours, average_cost_nanos=cost)
            )
    for inst, theirs in sync.positions.items():
        if inst >= len(holdings) and theirs:
            found.append(Difference(kind="position", text=f"instrument {inst}: not ours, broker {exact_text(theirs)}"))
    return found


def order_differences(sync: Sync, orders: dict[int, Order]) -> list[Difference]:
    """Orders both sides know but describe differently. Absence is handled by the order's own state."""
    found = []
    for order_id, report in sync.open.items():
        order = orders.get(order_id)
        if order is not None and (order.side != report.side or order.inst != report.inst):
            text = f"#{order_id}: ours {SIDE_NAMES[order.side]}, broker {SIDE_NAMES[report.side]} inst {report.inst}"
            found.append(Difference(kind="order", text=text))
        if order is not None and report.filled_nanos > order.filled_nanos:
            found.append(_filled(order, report.filled_nanos))
        if order is not None and (report.broker_algo or order.broker_algo):
            odd = other_than_ours(order.broker_algo, order.broker_params, report.broker_algo, report.broker_params)
            if odd:
                found.append(Difference(kind="order", text=f"#{order_id}: {odd}"))
    for order_id, ended in sync.completed.items():
        order = orders.get(order_id)
        if order is not None and ended.filled_nanos > order.filled_nanos:
            found.append(_filled(order, ended.filled_nanos))
    return found


def _filled(order: Order, theirs_nanos: int) -> Difference:
    ours, theirs = exact_text(order.filled_nanos), exact_text(theirs_nanos)
    return Difference(kind="filled", text=f"#{order.order_id}: ours filled {ours}, broker {theirs}: executions missing")


def cash_difference_nanos(sync: Sync, ledger: Ledger) -> int:
    """Broker cash less ours in the base currency; 0 while a commission is still to come (it would be counted twice),
    but not for ever: one that was lost must not hide a difference.
    """
    theirs = sync.cash.get(ledger.currency)
    if theirs is None or ledger.awaits_cost(sync.started_ts_ns - COST_WAIT_NS):
        return 0
    difference = theirs - ledger.cash[ledger.currency]
    return difference if abs(difference) >= CASH_ROUNDING_NANOS else 0
