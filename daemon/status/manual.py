"""Manual orders as the rows people read (`quantd order list`)."""

from typing import Any

from core.commands import INTENT_MANUAL, TIF_NAMES
from core.ids import SIDE_NAMES
from core.manual import ManualOrder
from core.money.state import Money
from core.parents import Parent
from core.units import decimal_text, exact_text
from daemon.status.rows import parent_row, symbol_of


def manual_rows(money: Money) -> list[dict[str, Any]]:
    """Those that work and the newest that have ended, oldest first."""
    return [
        _row(money, kept, parent)
        for kept in money.manual.values()
        if (parent := money.parents.get(kept.parent_id)) is not None and parent.purpose == INTENT_MANUAL
    ]


def _row(money: Money, kept: ManualOrder, parent: Parent) -> dict[str, Any]:
    symbols = money.settings.symbols
    average = parent.value_nanos * 10**9 // parent.filled_nanos if parent.filled_nanos else 0
    closing = [order for order in money.live_orders.values() if order.bracket == kept.parent_id]
    return {
        "id": kept.parent_id,
        "book": kept.strategy,
        "symbol": symbol_of(symbols, kept.inst),
        "side": SIDE_NAMES[kept.side],
        "qty": exact_text(parent.qty_nanos),
        "filled": exact_text(parent.filled_nanos),
        "average": decimal_text(average, places=4) if average else "",
        "how": parent.algo,
        "limit": _px(parent.limit_px_nanos),
        "tif": TIF_NAMES[kept.tif],
        "state": parent_row(parent, symbols).state,
        "order": parent.child or parent.last_child,
        "group": kept.oca_group,
        "take_profit": _px(kept.take_profit_px_nanos),
        "stop": _px(kept.stop_px_nanos),
        "closing": ", ".join(f"#{order.order_id} {exact_text(order.remaining_nanos)}" for order in closing),
        "closed": exact_text(kept.closed_nanos) if kept.protected else "",
        "by": kept.by,
        "reason": parent.reason or kept.reason,
    }


def _px(nanos: int) -> str:
    return exact_text(nanos) if nanos else ""
