"""Folding requests about orders given by hand into money state."""

from collections.abc import Callable
from typing import Any, Final

from core import manual_commands as mc
from core.manual import KEPT_MAX, ManualOrder
from core.money.state import Money


def _keep(m: Money, command: mc.KeepManualOrder) -> None:
    m.ledger.book_of(command.strategy)
    m.manual[command.parent_id] = ManualOrder(
        parent_id=command.parent_id,
        strategy=command.strategy,
        inst=command.inst,
        side=command.side,
        since_ns=m.ts_ns,
        reason=command.reason,
        by=command.by,
        tif=command.tif,
        oca_group=command.oca_group,
        take_profit_px_nanos=command.take_profit_px_nanos,
        stop_px_nanos=command.stop_px_nanos,
    )
    if len(m.manual) > KEPT_MAX:
        _forget(m)


def _forget(m: Money) -> None:
    """Those beyond the bound that nothing follows from any more, oldest first."""
    over = [key for key, kept in m.manual.items() if key not in m.live_parents and (kept.over or not kept.protected)]
    for key in over[: len(m.manual) - KEPT_MAX]:
        if key != m.next_parent_id:  # kept a moment before its schedule opens
            del m.manual[key]


def _end(m: Money, command: mc.EndProtection) -> None:
    kept = m.manual.get(command.parent_id)
    if kept is not None:
        kept.over = command.reason


def _share(m: Money, command: mc.ShareExecution) -> None:
    m.ledger.share(command.exec_id, command.books)


MANUAL_ORDERS: Final[dict[type, Callable[[Money, Any], None]]] = {
    mc.KeepManualOrder: _keep,
    mc.EndProtection: _end,
    mc.ShareExecution: _share,
}
