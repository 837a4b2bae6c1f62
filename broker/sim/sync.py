"""What a synchronisation answers: the truth of the moment it is read, as facts. Reads the venue and the account,
changes nothing.
"""

from broker.sim.account import Account, Execution
from broker.sim.book import SimOrder, VenueState
from core.commands import STP
from core.events import (
    STATUS_CANCELLED,
    STATUS_FILLED,
    AnyEvent,
    CashReported,
    CommissionReported,
    CompletedOrderReported,
    ExecutionReported,
    OpenOrderReported,
    PositionReported,
)


def sync_facts(sync_id: int, venue: VenueState, account: Account, *, since_ns: int) -> list[AnyEvent]:
    """Open orders; orders completed and executions made or corrected since `since_ns`; positions, cash; no End."""
    facts: list[AnyEvent] = [open_order(sync_id, order) for order in venue.orders.values() if not order.done]
    facts += [
        completed_order(sync_id, order) for order in venue.orders.values() if order.done and order.ended_ns >= since_ns
    ]
    for execution in account.state.executions.values():
        if execution.changed_ns >= since_ns:
            facts += execution_facts(sync_id, execution, account.currency(execution.inst))
    facts += [
        PositionReported(
            sync_id=sync_id, inst=inst, qty_nanos=position.qty_nanos, average_cost_nanos=position.average_cost_nanos
        )
        for inst, position in account.state.positions.items()
        if position.qty_nanos
    ]
    facts += [
        CashReported(sync_id=sync_id, currency=currency, cash_nanos=cash)
        for currency, cash in account.state.cash_nanos.items()
    ]
    return facts


def open_order(sync_id: int, order: SimOrder) -> OpenOrderReported:
    """One order that is not done, those on their way to the venue too (PENDING_SUBMIT)."""
    recipe = order.progress.recipe if order.progress is not None else None
    return OpenOrderReported(
        sync_id=sync_id,
        order_id=order.order_id,
        order_ref=order.order_ref,
        perm_id=order.perm_id,
        inst=order.inst,
        side=order.side,
        qty_nanos=order.qty_nanos,
        filled_nanos=order.filled_nanos - order.busted_nanos,
        status=order.open_status,
        limit_px_nanos=order.limit_px_nanos,
        client_id=order.client_id,
        stop_px_nanos=order.stop_px_nanos if order.order_type == STP else 0,
        broker_algo=recipe.strategy if recipe is not None else "",
        broker_params=recipe.params if recipe is not None else (),
    )


def execution_facts(sync_id: int, execution: Execution, currency: str) -> list[AnyEvent]:
    """One execution and its cost: the broker sends a commission report with each execution it is asked for. One that
    was taken back is no longer shown, its cost is.
    """
    cost = CommissionReported(
        exec_id=execution.exec_id, commission_nanos=execution.commission_nanos, currency=currency
    )  # fmt: skip
    if not execution.qty_nanos:
        return [cost]
    told = ExecutionReported(
        sync_id=sync_id,
        order_id=execution.order_id,
        exec_id=execution.exec_id,
        side=execution.side,
        qty_nanos=execution.qty_nanos,
        px_nanos=execution.px_nanos,
        inst=execution.inst,
        perm_id=execution.perm_id,
        order_ref=execution.order_ref,
    )
    return [told, cost]


def completed_order(sync_id: int, order: SimOrder) -> CompletedOrderReported:
    """One order that ended today; a rejected one shows as cancelled, as in the broker's completed orders."""
    return CompletedOrderReported(
        sync_id=sync_id,
        order_id=order.order_id,
        order_ref=order.order_ref,
        perm_id=order.perm_id,
        inst=order.inst,
        side=order.side,
        qty_nanos=order.qty_nanos,
        filled_nanos=order.filled_nanos - order.busted_nanos,
        status=STATUS_FILLED if order.status == STATUS_FILLED else STATUS_CANCELLED,
    )
