"""Orders, schedules and positions of money state as the rows people read, for the live picture and for the
journal's fold.

Imports no market, so that a reader of the journal starts without compiled kernels.
"""

from collections.abc import Callable

from core import commands as c
from core.ids import SIDE_NAMES
from core.ledger import Execution
from core.money.state import Money
from core.orders import Order
from core.parents import Parent
from core.units import BP, NANO, decimal_text, exact_text, notional_nanos, share_of
from daemon.status import picture as s


def symbol_of(symbols: tuple[str, ...], inst: int) -> str:
    """The symbol of an instrument; `#<number>` for one that left the config."""
    return symbols[inst] if 0 <= inst < len(symbols) else f"#{inst}"


def parent_row(parent: Parent, symbols: tuple[str, ...]) -> s.ParentRow:
    """One schedule as people read it."""
    return s.ParentRow(
        id=parent.parent_id,
        strategy=parent.strategy,
        symbol=symbol_of(symbols, parent.inst),
        side=SIDE_NAMES[parent.side],
        qty=exact_text(parent.qty_nanos),
        filled=exact_text(parent.filled_nanos),
        algo=parent.algo,
        state=_state_of(parent),
        end_ns=parent.end_ts_ns,
        arrival_px=exact_text(parent.arrival_mid_nanos) if parent.arrival_mid_nanos else "",
        average_px=decimal_text(share_of(NANO, parent.value_nanos, parent.filled_nanos), places=4)
        if parent.filled_nanos
        else "",
        expected_bp=_expected(parent),
    )


def _expected(parent: Parent) -> str:
    """Cost and one standard deviation of it, in basis points of the schedule's value when it began."""
    value = notional_nanos(parent.arrival_mid_nanos, parent.qty_nanos)
    if not parent.expected_risk_nanos or not value:
        return ""
    both = (share_of(BP * NANO, part, value) for part in (parent.expected_cost_nanos, parent.expected_risk_nanos))
    return "±".join(decimal_text(part, places=1) for part in both)


def _state_of(parent: Parent) -> str:
    if parent.active and parent.paused:
        return "PAUSED"
    return "AWAITING_MARGIN" if parent.active and parent.what_if_due_ns else parent.state.name


def child_row(order: Order, symbols: tuple[str, ...]) -> s.ChildRow:
    """One order as people read it; without a limit price its type stands there."""
    limit = exact_text(order.limit_px_nanos) if order.limit_px_nanos else c.ORDER_TYPE_NAMES[order.order_type]
    return s.ChildRow(
        id=order.order_id,
        parent=order.parent_id,
        symbol=symbol_of(symbols, order.inst),
        side=SIDE_NAMES[order.side],
        qty=exact_text(order.qty_nanos),
        filled=exact_text(order.filled_nanos),
        limit=limit,
        state=order.state.name,
    )


def position_rows(money: Money, mark_nanos: Callable[[int], int]) -> list[s.PositionRow]:
    """Every position, open ones first; a mark of 0 is unknown and leaves mark and open profit empty."""
    rows = []
    for position in sorted(money.ledger.positions.values(), key=lambda p: p.qty_nanos == 0):
        mark = mark_nanos(position.inst)
        known = mark != 0 or position.qty_nanos == 0
        rows.append(
            s.PositionRow(
                strategy=position.strategy,
                symbol=symbol_of(money.settings.symbols, position.inst),
                qty=exact_text(position.qty_nanos),
                average_px=decimal_text(position.average_px_nanos, places=4),
                mark=exact_text(mark) if mark else "",
                unrealised=decimal_text(position.unrealised_nanos(mark)) if known else "",
                realised=decimal_text(position.realised_nanos),
                fees=decimal_text(position.fees_nanos),
            )
        )
    return rows


def fill_row(execution: Execution, symbols: tuple[str, ...]) -> s.FillRow:
    """One execution as people read it."""
    return s.FillRow(
        ts_ns=execution.ts_ns,
        order=execution.order_id,
        strategy=execution.strategy,
        symbol=symbol_of(symbols, execution.inst),
        side=SIDE_NAMES[execution.side],
        qty=exact_text(execution.qty_nanos),
        px=exact_text(execution.px_nanos),
    )
